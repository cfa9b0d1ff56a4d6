//! What the parts of this process share: the store, and one board on which they note how each partition
//! stands, for the summary, the metrics and `/readyz`.

use crate::inbox::Limits;
use crate::measures::{LAG_EVENTS, LAG_SECONDS, METERS, PARTITIONS};
use crate::partition::State;
use chrono::{DateTime, Utc};
use domain::NextOffset;
use service::health::Part;
use service::outage::{Complaint, Outage};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::{Ingested, LastRecord, PartitionKey, Store, StoreError};
use tokio::sync::Semaphore;

/// What every part of the consumer is given.
#[derive(Debug)]
pub struct Shared {
    /// The rows and the leases.
    pub store: Store,
    /// The topic's name.
    pub topic: String,
    /// This process, by a name that an operator finds.
    pub owner: String,
    /// How large batches may be.
    pub limits: Limits,
    /// One for each batch that may be written at the same time.
    pub permits: Semaphore,
    /// How each partition stands.
    pub board: Board,
    /// Whether Kafka can be reached.
    pub kafka: Reach,
    /// Whether Postgres can be reached.
    pub postgres: Reach,
}

/// Whether something outside can be reached: said once in the log, always in `/readyz`.
///
/// Several connections report at the same time, and the last answer of one may come after the first
/// failure of another: only a success after a steady moment means that it is back.
#[derive(Debug)]
pub struct Reach {
    outage: Outage,
    part: Part,
    failed: Mutex<Option<Instant>>,
}

/// So long after a failure a success may still be older news.
const STEADY: Duration = Duration::from_millis(500);

/// How each partition of this process stands.
#[derive(Debug, Default)]
pub struct Board {
    partitions: Mutex<BTreeMap<i32, View>>,
    stored: AtomicU64,
    /// For each partition, the stall for which a client was replaced: once is enough, since the last
    /// offsets of a partition may hold nothing to read (the markers of transactions).
    stalls: Mutex<BTreeMap<i32, Stall>>,
}

/// A partition in which Kafka has records that do not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// The stored offset.
    pub next: NextOffset,
    /// The partition's end.
    pub high: NextOffset,
}

/// How one partition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its state's name.
    pub state: &'static str,
    /// Why it stands still, when it does.
    pub halted: Option<String>,
    /// The stored offset, once it is known.
    pub next: Option<NextOffset>,
    /// The partition's end in Kafka, when last asked.
    pub high: Option<NextOffset>,
    /// When Kafka took the last record that was dealt with, milliseconds since 1970.
    pub last_ms: Option<i64>,
    /// When Kafka took the record at the stored offset, once that was read, with that offset.
    pub unread: Option<(NextOffset, i64)>,
    /// When it was last seen that nothing waits.
    pub emptied_ms: Option<i64>,
}

impl Shared {
    /// A partition of our topic.
    pub fn key(&self, partition: i32) -> PartitionKey {
        PartitionKey {
            topic: self.topic.clone(),
            partition,
        }
    }

    /// Reports a call that Postgres did not answer or refused: as away only when it is, else as the
    /// call's own trouble.
    pub fn postgres_failed(&self, error: &StoreError, call: &Complaint) {
        if error.is_away() {
            self.postgres.missing(error);
            return;
        }
        match error {
            StoreError::Unavailable(_) => {
                self.postgres.back();
                call.failing(error);
            }
            StoreError::Broken(_) => {
                self.postgres.refuses(error);
                call.broken(error, REFUSED);
            }
        }
    }
}

/// What to do about a refusal that no waiting mends.
const REFUSED: &str = "look at DATABASE_URL and at what its user may do; cargo run -p consumer -- setup brings the tables up to date. It is tried again all the time";

impl Reach {
    /// Reports about `what` in the log and as `part`.
    pub const fn new(what: &'static str, part: Part) -> Self {
        Self {
            outage: Outage::new(what),
            part,
            failed: Mutex::new(None),
        }
    }

    /// It cannot be reached.
    pub fn missing(&self, reason: impl std::fmt::Display) {
        *self.last_failure() = Some(Instant::now());
        self.part.unready(reason.to_string());
        self.outage.missing(reason);
    }

    /// It can be reached.
    pub fn back(&self) {
        let mut failed = self.last_failure();
        if failed.is_some_and(|at| at.elapsed() < STEADY) {
            return;
        }
        *failed = None;
        self.part.ready();
        self.outage.back();
    }

    /// It is there, and refuses.
    pub fn refuses(&self, reason: impl std::fmt::Display) {
        *self.last_failure() = None;
        self.outage.back();
        self.part.unready(reason.to_string());
    }

    fn last_failure(&self) -> MutexGuard<'_, Option<Instant>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    /// Notes a partition's state; forgets the partition once it is revoked.
    pub fn state(&self, partition: i32, state: &State) {
        let mut views = self.lock();
        if *state == State::Revoked {
            views.remove(&partition);
            show(partition, 0, 0.0);
        } else {
            let view = views.entry(partition).or_insert(View {
                state: "",
                halted: None,
                next: None,
                high: None,
                last_ms: None,
                unread: None,
                emptied_ms: None,
            });
            view.state = state.name();
            view.halted = match state {
                State::Halted(halt) => Some(halt.reason.clone()),
                _ => None,
            };
        }
        for name in State::NAMES {
            let count = views.values().filter(|view| view.state == name).count();
            PARTITIONS.to_gauge(&[name]).set(as_f64(count as u64));
        }
    }

    /// Notes where a partition is read from, and when Kafka took the record before that, as far as it is
    /// known.
    pub fn reads_from(&self, partition: i32, next: NextOffset, last_ms: Option<i64>) {
        if let Some(view) = self.lock().get_mut(&partition) {
            view.next = Some(next);
            view.last_ms = last_ms;
        }
    }

    /// Notes a batch that was written, up to its `last` record.
    pub fn wrote(&self, partition: i32, last: &LastRecord, ingested: &Ingested) {
        self.reads_from(partition, last.offset.next(), Some(last.time_ms));
        self.stored.fetch_add(ingested.stored, Ordering::Relaxed);
        for (outcome, count) in [
            ("stored", ingested.stored),
            ("duplicate", ingested.duplicates),
            ("redelivered", ingested.redelivered),
            ("rejected", ingested.rejected),
        ] {
            METERS.records.add(outcome, count);
        }
    }

    /// Notes when Kafka took the record that is to be written next, at the stored offset.
    pub fn has_unread(&self, partition: i32, at: NextOffset, time_ms: i64) {
        if let Some(view) = self.lock().get_mut(&partition) {
            view.unread = Some((at, time_ms));
        }
    }

    /// Notes a partition's end in Kafka, which was asked for at this time.
    pub fn ends_at(&self, partition: i32, high: NextOffset, asked: DateTime<Utc>) {
        if let Some(view) = self.lock().get_mut(&partition) {
            view.high = Some(high);
            if view.lag() == Some(0) {
                view.emptied_ms = Some(asked.timestamp_millis());
            }
        }
    }

    /// Shows how far each partition is behind, in records and in time, as far as that is known.
    pub fn show_lag(&self, now: DateTime<Utc>) {
        for (partition, view) in self.lock().iter() {
            if let Some(lag) = view.lag() {
                show(*partition, lag, view.seconds_behind(now));
            }
        }
    }

    /// Whether Kafka is known to have so many more records of a partition than were written.
    pub fn is_behind(&self, partition: i32, records: usize) -> bool {
        let lag = self.lock().get(&partition).and_then(View::lag);
        lag.is_some_and(|lag| lag >= records as u64)
    }

    /// Notes a stall; says whether it is another one than the last.
    pub fn stalls(&self, partition: i32, stall: Stall) -> bool {
        let mut stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.insert(partition, stall) != Some(stall)
    }

    /// Every partition of this process.
    pub fn views(&self) -> BTreeMap<i32, View> {
        self.lock().clone()
    }

    /// Rows that this process wrote so far.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, View>> {
        self.partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    /// Whether it is being read and written.
    pub fn is_running(&self) -> bool {
        self.state == State::Running { epoch: 0 }.name()
    }

    /// Records that wait in Kafka, as far as both offsets are known.
    pub fn lag(&self) -> Option<u64> {
        let (next, high) = (self.next?, self.high?);
        // What was written since Kafka was asked can be ahead of its answer.
        u64::try_from(high.0 - next.0).ok().or(Some(0))
    }

    /// The age of the oldest record that waits. Where that was not read yet, it came after the last one that
    /// was dealt with, and after nothing waited: the age is at most so much.
    fn seconds_behind(&self, now: DateTime<Utc>) -> f64 {
        let unread = self.unread.filter(|(at, _)| Some(*at) == self.next);
        let came = match unread {
            Some((_, time)) => Some(time),
            None => self.last_ms.max(self.emptied_ms),
        };
        match came {
            Some(came) if self.lag() > Some(0) => seconds(now.timestamp_millis() - came),
            _ => 0.0,
        }
    }
}

/// Shows how far a partition is behind.
fn show(partition: i32, records: u64, seconds: f64) {
    let partition = partition.to_string();
    LAG_EVENTS.to_gauge(&[&partition]).set(as_f64(records));
    LAG_SECONDS.to_gauge(&[&partition]).set(seconds);
}

/// Never below zero: Kafka's clock may be ahead of ours.
#[allow(clippy::cast_precision_loss)]
fn seconds(ms: i64) -> f64 {
    ms.max(0) as f64 / 1000.0
}

/// A count as a metric's value; exact up to 2^53.
#[allow(clippy::cast_precision_loss)]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_success_beside_a_failure_is_not_believed_yet() {
        let health = service::health::Health::new();
        let reach = Reach::new("Postgres", health.part("postgres"));
        reach.back();
        assert!(health.report().ready);
        reach.missing("refused");
        reach.back();
        assert_eq!(health.report().parts["postgres"], "refused");
        *reach.last_failure() = Instant::now().checked_sub(STEADY);
        reach.back();
        assert!(health.report().ready);
        reach.refuses("no such table");
        assert_eq!(health.report().parts["postgres"], "no such table");
        reach.back();
        assert!(health.report().ready);
    }

    fn last(offset: i64) -> LastRecord {
        LastRecord {
            offset: domain::LastSeen(offset),
            time_ms: 1_000,
            hash: 0,
        }
    }

    /// So many records wait after the offset 5; when the last one came, when nothing waited, and which
    /// record is known to be next.
    #[rstest]
    #[case::all_is_read(0, Some(1_000), Some(900), Some((5, 1_000)), 0.0)]
    #[case::the_next_is_known(1, Some(1_000), Some(1_100), Some((5, 1_500)), 2.0)]
    #[case::an_older_next_is_not_it(1, Some(1_000), None, Some((4, 500)), 2.5)]
    #[case::it_came_after_the_last(1, Some(1_000), Some(900), None, 2.5)]
    #[case::it_came_after_nothing_waited(1, Some(1_000), Some(3_000), None, 0.5)]
    #[case::another_clock_is_ahead(1, Some(1_000), None, Some((5, 9_000)), 0.0)]
    #[case::nothing_is_known(1, None, None, None, 0.0)]
    fn a_partition_is_as_far_behind_as_its_oldest_unread_record(
        #[case] records: i64,
        #[case] last_ms: Option<i64>,
        #[case] emptied_ms: Option<i64>,
        #[case] unread: Option<(i64, i64)>,
        #[case] seconds: f64,
    ) {
        let view = View {
            state: "running",
            halted: None,
            next: Some(NextOffset(5)),
            high: Some(NextOffset(5 + records)),
            last_ms,
            unread: unread.map(|(at, time)| (NextOffset(at), time)),
            emptied_ms,
        };
        let now = DateTime::from_timestamp_millis(3_500).unwrap();
        let behind = view.seconds_behind(now);
        assert!((behind - seconds).abs() < 1e-9, "{behind}");
    }

    #[test]
    fn a_partition_is_on_the_board_until_it_is_revoked() {
        let board = Board::default();
        board.wrote(1, &last(4), &Ingested::default());
        assert!(
            board.views().is_empty(),
            "a late writer does not bring a partition back"
        );
        board.state(1, &State::Running { epoch: 1 });
        board.wrote(
            1,
            &last(4),
            &Ingested {
                stored: 3,
                ..Ingested::default()
            },
        );
        board.ends_at(1, NextOffset(9), Utc::now());
        assert_eq!(board.views()[&1].lag(), Some(4));
        assert_eq!(board.stored(), 3);
        assert!(board.is_behind(1, 4) && !board.is_behind(1, 5));
        board.wrote(1, &last(11), &Ingested::default());
        assert_eq!(board.views()[&1].lag(), Some(0));
        board.state(1, &State::Revoked);
        assert!(board.views().is_empty());
    }
}
