//! What the collector counts. Names and help texts stand here, once.

use metrics::Unit;
use service::telemetry::{Kind, Metric};

/// Events that Kafka acknowledged, by `source`.
pub(crate) const ACCEPTED: &str = "collector_accepted_total";
/// The time from the call to the acknowledgement of all its events.
pub(crate) const ACKNOWLEDGE: &str = "collector_acknowledge_seconds";
/// Messages that were not delivered, by librdkafka's `error`.
pub(crate) const PRODUCE_ERRORS: &str = "collector_produce_errors_total";
/// Requests that were not accepted, by `reason`.
pub(crate) const REFUSED: &str = "collector_refused_total";

/// Everything that is measured here.
pub(crate) const METRICS: [Metric; 4] = [
    Metric {
        name: ACCEPTED,
        kind: Kind::Counter,
        unit: Unit::Count,
        help: "Events that Kafka acknowledged, by source",
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
];
