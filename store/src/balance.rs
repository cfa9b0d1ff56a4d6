//! The books: everything that the collectors acknowledged, and what became of it.
//!
//! Both sides come through the topic and are written with the rows, so they never run apart by more than what
//! still lies in Kafka: events that were put there and not read yet are in flight, and events that were read
//! without being counted are lost. So are those that a spool took, did not bring to Kafka, and no longer has on its
//! disk by its own word. A boot that was killed within the second before its next report has
//! acknowledged more than it told; what was counted of that is shown as unreported.

use crate::connection::Store;
use crate::error::StoreError;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The books of a topic: `acknowledged + unreported = stored + duplicate + rejected + expired + in_flight + lost`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balance {
    /// Events that collectors acknowledged, by the door they came in, by name.
    pub by_source: Vec<(String, u64)>,
    /// All of them.
    pub acknowledged: u64,
    /// Of those in flight, the ones that wait on a collector's disk.
    pub spooled: u64,
    /// The spools in which something waits, or from which something is gone.
    pub spools: Vec<SpoolBalance>,
    /// Events that are rows.
    pub stored: u64,
    /// Tries of clients for events that are rows already.
    pub duplicate: u64,
    /// Events that are kept as rejects.
    pub rejected: u64,
    /// Events that were gone from Kafka, or skipped by an operator, before they were read.
    pub expired: u64,
    /// Events on their way: on a disk, or in Kafka and not read yet.
    pub in_flight: u64,
    /// Events that Kafka took and that were not there when their place was read, and those that are gone from a
    /// collector's disk. Anything but 0 is an alarm.
    pub lost: u64,
    /// Events that were counted before a report told of them, or instead of one that never came; and events that
    /// Kafka took after their sender had been refused, of which no report tells. As many losses of the same boot
    /// would not be seen.
    pub unreported: u64,
    /// What producers wrote that are no collectors; not part of the sum.
    pub direct: DirectCounts,
    /// The newest report's time, by its reporter's clock; none without collectors.
    pub reported_at: Option<DateTime<Utc>>,
}

/// What a spool took and did not bring to Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolBalance {
    /// The folder, by the id that it keeps.
    pub spool: Uuid,
    /// Events that wait there for Kafka, as it said last.
    pub waiting: u64,
    /// Events that do not wait there any more: lost.
    pub gone: u64,
    /// When it reported last, by its own clock.
    pub reported_at: DateTime<Utc>,
}

/// Events of producers that write to the topic by themselves, and messages too broken to tell whose they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DirectCounts {
    /// Events that are rows.
    pub stored: u64,
    /// Later copies under an id that a client chose.
    pub duplicate: u64,
    /// Messages that are kept as rejects.
    pub rejected: u64,
    /// Records that an operator skipped, as far as no collector's event is known to be among them.
    pub expired: u64,
}

impl Balance {
    /// Whether nothing is lost.
    pub const fn is_even(&self) -> bool {
        self.lost == 0
    }
}

impl Store {
    /// The books of a topic. Its cost grows with the number of collectors' runs, not with the events.
    pub async fn balance(&self, topic: &str) -> Result<Balance, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query_file!("queries/balance.sql", topic).fetch_one(&mut *session);
        let row = self.answer(row).await?;
        session.finish();
        let n = i64::unsigned_abs;
        let by_source: Vec<_> = (row.sources.into_iter())
            .zip(row.acknowledged.into_iter().map(n))
            .collect();
        let acknowledged = by_source.iter().map(|(_, events)| events).sum();
        let (stored, duplicate, rejected) = (n(row.stored), n(row.duplicate), n(row.rejected));
        let expired = n(row.expired) + n(row.skipped);
        let spools: Vec<SpoolBalance> = (row.spools.into_iter())
            .zip(row.spools_waiting.into_iter().map(n))
            .zip(row.spools_gone.into_iter().map(n))
            .zip(row.spools_reported_at)
            .map(|(((spool, waiting), gone), reported_at)| SpoolBalance {
                spool,
                waiting,
                gone,
                reported_at,
            })
            .collect();
        let spooled: u64 = spools.iter().map(|spool| spool.waiting).sum();
        let gone_from_disks: u64 = spools.iter().map(|spool| spool.gone).sum();
        let in_flight = n(row.unread) + spooled;
        let lost = n(row.gone) - n(row.skipped) + gone_from_disks;
        let known = stored + duplicate + rejected + expired + in_flight + lost;
        Ok(Balance {
            by_source,
            acknowledged,
            spooled,
            spools,
            stored,
            duplicate,
            rejected,
            expired,
            in_flight,
            lost,
            unreported: known.saturating_sub(acknowledged),
            direct: DirectCounts {
                stored: n(row.direct_stored),
                duplicate: n(row.direct_duplicate),
                rejected: n(row.direct_rejected),
                expired: n(row.direct_expired) - n(row.skipped),
            },
            reported_at: row.reported_at,
        })
    }
}
