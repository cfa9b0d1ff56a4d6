//! What the collector counts. Names and help texts stand here, once.

use metrics::Unit;
use service::telemetry::{Kind, Metric};

/// Events that were acknowledged, in Kafka or in the spool, by `source`.
pub(crate) const ACCEPTED: &str = "collector_accepted_total";
/// The time from the call to the acknowledgement of all its events.
pub(crate) const ACKNOWLEDGE: &str = "collector_acknowledge_seconds";
/// Messages that were not delivered, by librdkafka's `error`.
pub(crate) const PRODUCE_ERRORS: &str = "collector_produce_errors_total";
/// Requests that were not accepted, by `reason`.
pub(crate) const REFUSED: &str = "collector_refused_total";
/// Events that were acknowledged by the spool.
pub(crate) const SPOOLED: &str = "collector_spooled_total";
/// Events of the spool that Kafka has taken since.
pub(crate) const DRAINED: &str = "collector_spool_drained_total";
/// Events that the spool did not take, by `reason`.
pub(crate) const SPOOL_REFUSED: &str = "collector_spool_refused_total";
/// Bytes of the spool's segments.
pub(crate) const SPOOL_BYTES: &str = "collector_spool_bytes";
/// Events that wait in the spool.
pub(crate) const SPOOL_WAITING: &str = "collector_spool_waiting";
/// How long the oldest of them has waited.
pub(crate) const SPOOL_OLDEST: &str = "collector_spool_oldest_seconds";
/// The time of one sync of the spool's disk.
pub(crate) const SPOOL_SYNC: &str = "collector_spool_sync_seconds";
/// Segments in which something could not be read.
pub(crate) const SPOOL_DAMAGED: &str = "collector_spool_damaged_total";

/// Everything that is measured here.
pub(crate) const METRICS: [Metric; 12] = [
    Metric {
        name: ACCEPTED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Events that were acknowledged, in Kafka or in the spool, by source",
    },
    Metric {
        name: ACKNOWLEDGE,
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        help: "From the call to the acknowledgement of all its events",
    },
    Metric {
        name: PRODUCE_ERRORS,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Messages that were not delivered, by error",
    },
    Metric {
        name: REFUSED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Requests that were not accepted, by reason",
    },
    Metric {
        name: SPOOLED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Events that were acknowledged by the spool",
    },
    Metric {
        name: DRAINED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Events of the spool that Kafka has taken since",
    },
    Metric {
        name: SPOOL_REFUSED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Events that the spool did not take, by reason",
    },
    Metric {
        name: SPOOL_BYTES,
        kind: Kind::Gauge,
        unit: Unit::Bytes,
        help: "Bytes of the spool's segments",
    },
    Metric {
        name: SPOOL_WAITING,
        kind: Kind::Gauge,
        unit: Unit::Count,
        help: "Events that wait in the spool",
    },
    Metric {
        name: SPOOL_OLDEST,
        kind: Kind::Gauge,
        unit: Unit::Seconds,
        help: "How long the oldest event of the spool has waited",
    },
    Metric {
        name: SPOOL_SYNC,
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        help: "The time of one sync of the spool's disk",
    },
    Metric {
        name: SPOOL_DAMAGED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Segments of the spool in which something could not be read",
    },
];
