//! What the consumer measures: each metric declared once, with its unit and what it means.

use metrics::Unit;
use service::telemetry::{Kind, Metric};

/// Records that one statement wrote.
pub const BATCH_EVENTS: &str = "consumer_batch_events";
/// Time of one ingest statement.
pub const INGEST_SECONDS: &str = "consumer_ingest_seconds";
/// Records by what became of them (`outcome`).
pub const RECORDS_TOTAL: &str = "consumer_records_total";
/// Records that wait in Kafka, by `partition`.
pub const LAG_EVENTS: &str = "consumer_lag_events";
/// Age of what waits, by `partition`.
pub const LAG_SECONDS: &str = "consumer_lag_seconds";
/// Time from a collector's receipt to the commit.
pub const END_TO_END_SECONDS: &str = "consumer_end_to_end_seconds";
/// Partitions by `state`.
pub const PARTITIONS: &str = "consumer_partitions";
/// Ingest statements that failed, by `kind`.
pub const INGEST_FAILURES_TOTAL: &str = "consumer_ingest_failures_total";
/// Holes in the offsets that were believed.
pub const HOLES_TOTAL: &str = "consumer_offset_holes_total";

const ALL: [Metric; 9] = [
    Metric {
        name: BATCH_EVENTS,
        kind: Kind::Histogram,
        unit: Unit::Count,
        help: "Records written by one statement",
    },
    Metric {
        name: INGEST_SECONDS,
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        help: "Time of one ingest statement, from asking for a connection to its answer",
    },
    Metric {
        name: RECORDS_TOTAL,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Records by outcome: stored, duplicate (a client's further try), redelivered (the same one again, as in a replay), rejected or report (of a collector)",
    },
    Metric {
        name: LAG_EVENTS,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Records in Kafka after the stored offset, for each partition held by this process",
    },
    Metric {
        name: LAG_SECONDS,
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "For each partition held by this process: time since Kafka took the last record that was dealt with, 0 when none waits",
    },
    Metric {
        name: END_TO_END_SECONDS,
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        help: "Time from a collector's receipt of an event to its row; a batch's oldest event speaks for all of them",
    },
    Metric {
        name: PARTITIONS,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Partitions assigned to this process, by state",
    },
    Metric {
        name: INGEST_FAILURES_TOTAL,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Ingest statements that failed: transient, fenced, data or halt",
    },
    Metric {
        name: HOLES_TOTAL,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Holes in the offsets that were met twice and read past: transactions' markers, compaction",
    },
];

/// Tells the metrics' meaning to whoever scrapes them.
pub fn describe() {
    service::telemetry::describe(&ALL);
}
