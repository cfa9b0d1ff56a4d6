//! What the consumer measures: each metric declared once, with its unit and what it means; the handles are
//! made once, too.

use crate::partition::State;
use metrics::{Counter, Histogram};
use service::telemetry::{Counters, Label, Metric, Unit};
use std::sync::LazyLock;

const BATCH_EVENTS: Metric = Metric::histogram(
    "consumer_batch_events",
    Unit::Count,
    "Records written by one statement",
);
const INGEST_SECONDS: Metric = Metric::histogram(
    "consumer_ingest_seconds",
    Unit::Seconds,
    "Time of one ingest statement, from asking for a connection to its answer",
);
const INGEST_FAILURES: Metric = Metric::counter(
    "consumer_ingest_failures_total",
    Unit::Count,
    "Ingest statements that failed: Postgres was away or too slow (transient), another process has the lease (fenced), a value was refused (data) or the partition stands still until somebody mends it (halt)",
)
.by(&[Label {
    name: "kind",
    values: &["transient", "fenced", "data", "halt"],
}]);
const RECORDS: Metric = Metric::counter(
    "consumer_records_total",
    Unit::Count,
    "Records that were dealt with: stored, duplicate (a client's further try), redelivered (the same one again, as in a replay) or rejected",
)
.by(&[Label {
    name: "outcome",
    values: &["stored", "duplicate", "redelivered", "rejected"],
}]);
const END_TO_END_SECONDS: Metric = Metric::histogram(
    "consumer_end_to_end_seconds",
    Unit::Seconds,
    "For each event that became a row: time from a collector's receipt (`received_at`) to the commit",
);
/// Records that wait in Kafka, by partition.
pub const LAG_EVENTS: Metric = Metric::gauge(
    "consumer_lag_events",
    Unit::Count,
    "Records in Kafka after the stored offset, for each partition held by this process",
)
.by(PARTITION);
/// The age of what waits, by partition.
pub const LAG_SECONDS: Metric = Metric::gauge(
    "consumer_lag_seconds",
    Unit::Seconds,
    "For each partition held by this process: age of the oldest record that is not dealt with, 0 when there is none; at most so much where that record has not been read yet",
)
.by(PARTITION);
/// Partitions by state.
pub const PARTITIONS: Metric = Metric::gauge(
    "consumer_partitions",
    Unit::Count,
    "Partitions assigned to this process",
)
.by(&[Label {
    name: "state",
    values: &State::NAMES,
}]);
const HOLES: Metric = Metric::counter(
    "consumer_offset_holes_total",
    Unit::Count,
    "Holes in the offsets that were met twice and read past: transactions' markers, compaction",
);

const PARTITION: &[Label] = &[Label {
    name: "partition",
    values: &[],
}];

const ALL: [Metric; 9] = [
    BATCH_EVENTS,
    INGEST_SECONDS,
    INGEST_FAILURES,
    RECORDS,
    END_TO_END_SECONDS,
    LAG_EVENTS,
    LAG_SECONDS,
    PARTITIONS,
    HOLES,
];

/// The handles of this process: made at the first use, which has to come after
/// [`service::telemetry::init`].
pub static METERS: LazyLock<Meters> = LazyLock::new(Meters::new);

/// A handle for each metric whose labels are known beforehand.
pub struct Meters {
    /// Records that one statement wrote.
    pub batch_events: Histogram,
    /// Time of one ingest statement.
    pub ingest_seconds: Histogram,
    /// Ingest statements that failed, by kind.
    pub ingest_failures: Counters,
    /// Records by what became of them.
    pub records: Counters,
    /// Time from a collector's receipt to the commit.
    pub end_to_end_seconds: Histogram,
    /// Holes in the offsets that were believed.
    pub holes: Counter,
}

impl Meters {
    fn new() -> Self {
        service::telemetry::describe(&ALL);
        Self {
            batch_events: BATCH_EVENTS.to_histogram(&[]),
            ingest_seconds: INGEST_SECONDS.to_histogram(&[]),
            ingest_failures: INGEST_FAILURES.to_counters(),
            records: RECORDS.to_counters(),
            end_to_end_seconds: END_TO_END_SECONDS.to_histogram(&[]),
            holes: HOLES.to_counter(&[]),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_manual_has_every_metric_of_the_consumer() {
        service::telemetry::check_manual("consumer", &super::ALL).unwrap();
    }
}
