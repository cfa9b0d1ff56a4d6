//! What can be said about the pipeline at one moment: one set of figures with one set of names, whether it
//! is read as JSON (`GET /balance`), as a page, or in a terminal (both `GET /pipeline`).
//!
//! Every figure was counted or measured by somebody; what nobody could tell is none, never zero. [`judge`]
//! says what of it is wrong, [`words`] how numbers are written.

pub mod judge;
pub mod words;

use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// The pipeline at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Whether the books were read, and nothing is missing in them.
    pub balanced: bool,
    /// When this was put together.
    pub at: DateTime<Utc>,
    /// The topic that all of it is about.
    pub topic: String,
    /// What is wrong, a sentence each, the worst first. Red.
    pub problems: Vec<String>,
    /// What is not as it should be, but costs nothing yet.
    pub warnings: Vec<String>,
    /// What became of the acknowledged events; none while Postgres does not tell.
    pub books: Option<Books>,
    /// Which page views only the server saw; none while nobody has looked.
    pub views: Option<Views>,
    /// The spool of the process that answers; none when it has none.
    pub spool: Option<Spool>,
    /// Records that are in Kafka and not read yet: events, and the collectors' reports, of which each sends at
    /// most one a second. None while nobody can tell.
    pub lag_events: Option<u64>,
    /// For how long the oldest of them has been waiting, in seconds.
    pub lag_s: Option<f64>,
    /// Events a second that become rows or rejects.
    pub read_per_s: Option<f64>,
    /// In how many seconds the oldest unread event leaves Kafka by retention; none when there is none, or
    /// Kafka keeps it for ever.
    pub oldest_leaves_in_s: Option<f64>,
    /// How long Kafka keeps an event, in seconds; none for ever, or while it does not tell.
    pub retention_s: Option<u64>,
    /// The brokers.
    pub brokers: Vec<Broker>,
    /// The topic's partitions.
    pub partitions: Vec<Partition>,
}

/// The balance, over all runs of all collectors.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Books {
    /// Events that collectors acknowledged, by their own reports.
    pub acknowledged: u64,
    /// The same by source.
    pub acknowledged_by_source: BTreeMap<String, u64>,
    /// Counted in Postgres, and not in a collector's report: the last second's events, for a moment; and for good,
    /// those of a collector that was killed before its next report, and those that Kafka took although their sender
    /// was told that they could not be kept. In one run of a collector, as many losses would not be seen.
    pub unreported: u64,
    /// Rows.
    pub stored: u64,
    /// Repetitions that senders sent, each recognised and not stored again.
    pub duplicate: u64,
    /// Kept in `rejected_events`, each with its reason.
    pub rejected: u64,
    /// Gone from Kafka before they were read, or skipped by an operator.
    pub expired: u64,
    /// On their way: in Kafka or in a spool.
    pub in_flight: u64,
    /// Those of `in_flight` that lie in a spool.
    pub spooled: u64,
    /// Acknowledged, all places read that they could be in, and not there; or gone from a collector's disk.
    pub lost: u64,
    /// The spools in which something waits, or from which something is gone.
    pub spools: Vec<SpoolTold>,
    /// `acknowledged` + `unreported` − all that is accounted for. Not zero: something is missing.
    pub difference: i64,
    /// Rows that have another row's id, among those that were looked at.
    pub twice: Option<Twice>,
    /// Events that no collector acknowledged: written to the topic by other producers.
    pub direct: Direct,
    /// The newest report of a collector.
    pub reported_at: Option<DateTime<Utc>>,
}

/// What a spool of whichever collector told of its disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpoolTold {
    /// Its id, which stands in the file `id` of its folder.
    pub id: String,
    /// Events that wait there for Kafka, by its last report.
    pub waiting: u64,
    /// Events that waited there and are gone: lost.
    pub gone: u64,
    /// Its last report, by its own clock.
    pub reported_at: DateTime<Utc>,
}

/// A look at rows, for two with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Twice {
    /// How many rows have another row's id.
    pub found: u64,
    /// How many were looked at.
    pub among: u64,
}

/// The shop's newest page views, and how many of them the pages' own tracker did not tell of: it was blocked, or no
/// scripts were run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Views {
    /// How many were looked at.
    pub among: u64,
    /// How many only the server saw.
    pub server_only: u64,
    /// Their share, from 0 to 1; none while there is no page view.
    pub share: Option<f64>,
}

/// What became of events that no collector acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
pub struct Direct {
    /// Rows.
    pub stored: u64,
    /// Repetitions.
    pub duplicate: u64,
    /// Rejects.
    pub rejected: u64,
    /// Skipped by an operator.
    pub expired: u64,
}

/// What this process keeps on its disk until Kafka takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spool {
    /// Events.
    pub waiting_events: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// The most bytes.
    pub max_bytes: u64,
    /// When the oldest of them was accepted.
    pub oldest: Option<DateTime<Utc>>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broker {
    /// Its number, once Kafka has told it.
    pub id: Option<i32>,
    /// `host:port`.
    pub address: Option<String>,
    /// Whether it answered the last question; none before the first.
    pub up: Option<bool>,
    /// Since when it does not.
    pub down_since: Option<DateTime<Utc>>,
    /// Why it counts as down.
    pub reason: Option<String>,
    /// The partitions that it leads.
    pub leads: Vec<i32>,
    /// The partitions of which it should hold a copy.
    pub holds: Vec<i32>,
    /// Those of them of which its copy is complete, as the controllers say, who notice a death some seconds
    /// later.
    pub in_sync: Vec<i32>,
}

/// One partition, from its end in Kafka to its offset in Postgres.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Partition {
    /// Its number.
    pub partition: i32,
    /// The broker that takes its events.
    pub leader: Option<i32>,
    /// The brokers that should hold a copy.
    pub replicas: Vec<i32>,
    /// Those whose copy is complete.
    pub in_sync: Vec<i32>,
    /// The lowest offset that Kafka still has.
    pub low_offset: Option<u64>,
    /// The offset after the last event.
    pub end_offset: Option<u64>,
    /// The offset that is read next: everything below it is in Postgres. None before the first time.
    pub stored_offset: Option<u64>,
    /// Records between the two.
    pub lag_events: Option<u64>,
    /// For how long the oldest of them has been waiting, in seconds.
    pub lag_s: Option<f64>,
    /// Events read a second, over the last ten seconds.
    pub read_per_s: Option<f64>,
    /// Events that arrived a second, over the same time.
    pub arriving_per_s: Option<f64>,
    /// In how many seconds the lag is gone at this pace; none when it is not known, or grows.
    pub catch_up_s: Option<f64>,
    /// For how long nothing was read although there was something, in seconds.
    pub still_s: Option<f64>,
    /// For how long the end must have been at the stored offset or after it, and is before it, in seconds: the topic
    /// is another one, or Kafka lost its newest records. None while that is not so.
    pub beyond_s: Option<f64>,
    /// Who holds the lease.
    pub holder: Option<String>,
    /// Since when.
    pub held_since: Option<DateTime<Utc>>,
    /// In how many seconds its oldest unread event leaves Kafka.
    pub leaves_in_s: Option<f64>,
    /// Events that retention took before they were read.
    pub missed_events: u64,
}

impl Views {
    /// The share follows from the rest.
    #[expect(
        clippy::cast_precision_loss,
        reason = "as many page views as are looked at are far below 2^52"
    )]
    pub fn of(among: u64, server_only: u64) -> Self {
        Self {
            among,
            server_only,
            share: (among > 0).then(|| server_only as f64 / among as f64),
        }
    }
}

impl Books {
    /// Everything that is accounted for, whatever became of it.
    pub const fn accounted(&self) -> u64 {
        self.stored + self.duplicate + self.rejected + self.expired + self.in_flight
    }

    /// Fills in what follows from the rest.
    #[must_use]
    pub fn closed(mut self) -> Self {
        let known = self.acknowledged.saturating_add(self.unreported);
        self.difference = known
            .cast_signed()
            .wrapping_sub(self.accounted().cast_signed());
        self
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A pipeline in which all is well: three brokers, two partitions, nothing waits.
    pub fn well() -> Figures {
        let broker = |id: i32| Broker {
            id: Some(id),
            address: Some(format!("127.0.0.1:{id}9092")),
            up: Some(true),
            down_since: None,
            reason: None,
            leads: vec![id],
            holds: vec![0, 1],
            in_sync: vec![0, 1],
        };
        let partition = |partition: i32| Partition {
            partition,
            leader: Some(1),
            replicas: vec![1, 2, 3],
            in_sync: vec![1, 2, 3],
            low_offset: Some(0),
            end_offset: Some(50),
            stored_offset: Some(50),
            lag_events: Some(0),
            lag_s: None,
            read_per_s: Some(0.0),
            arriving_per_s: Some(0.0),
            catch_up_s: Some(0.0),
            still_s: None,
            beyond_s: None,
            holder: Some("host:1".into()),
            held_since: None,
            leaves_in_s: None,
            missed_events: 0,
        };
        let books = Books {
            acknowledged: 100,
            stored: 99,
            duplicate: 1,
            ..Books::default()
        };
        let mut figures = Figures {
            balanced: false,
            at: DateTime::UNIX_EPOCH,
            topic: "clickstream".into(),
            problems: Vec::new(),
            warnings: Vec::new(),
            books: Some(books.closed()),
            views: Some(Views::of(8, 1)),
            spool: None,
            lag_events: Some(0),
            lag_s: None,
            read_per_s: Some(0.0),
            oldest_leaves_in_s: None,
            retention_s: Some(7 * 24 * 3600),
            brokers: (1..=3).map(broker).collect(),
            partitions: (0..2).map(partition).collect(),
        };
        judge::judge(&mut figures, None);
        figures
    }

    #[test]
    fn of_no_page_view_there_is_no_share() {
        assert_eq!(Views::of(0, 0).share, None);
        assert_eq!(Views::of(8, 2).share, Some(0.25));
    }

    #[test]
    fn the_difference_is_what_nobody_accounts_for() {
        let books = Books {
            acknowledged: 10,
            unreported: 2,
            stored: 6,
            duplicate: 1,
            rejected: 1,
            expired: 1,
            in_flight: 1,
            ..Books::default()
        };
        assert_eq!(books.closed().difference, 2);
    }
}
