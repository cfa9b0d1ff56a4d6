//! What the collector counts. Names and help texts stand here, once; the handles are made once, too.

mod brokers;

use crate::intake::BUSY;
use brokers::BROKER_ERRORS;
pub(crate) use brokers::{Brokers, EVERY_MS};
use domain::Source;
use metrics::{Counter, Gauge, Histogram};
use rdkafka::error::RDKafkaErrorCode;
use service::telemetry::{Counters, Label, Metric, Unit};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

const ACCEPTED: Metric = Metric::counter(
    "collector_accepted_events_total",
    Unit::Count,
    "Events that were acknowledged, in Kafka or in the spool",
)
.by(&[Label {
    name: "source",
    values: &SOURCES,
}]);
const ACKNOWLEDGE: Metric = Metric::histogram(
    "collector_acknowledge_seconds",
    Unit::Seconds,
    "From a request's events to the acknowledgement of all of them",
);
const REFUSED: Metric = Metric::counter(
    "collector_refused_events_total",
    Unit::Count,
    "Events that were read and not kept: they break a rule, neither Kafka nor the spool took them in time, or too many were waiting and there is no spool",
)
.by(&[Label {
    name: "reason",
    values: &["invalid", "unavailable", "overloaded"],
}]);
const HTTP_REFUSED: Metric = Metric::counter(
    "collector_http_refused_requests_total",
    Unit::Count,
    "Requests over HTTP of which nothing was kept, also those that could not be read; and calls of gRPC beyond the limit, or for which there was no room",
)
.by(&[Label {
    name: "reason",
    values: &[
        "invalid",
        "unauthorized",
        "stalled",
        "too_large",
        "unsupported",
        "too_many",
        "unavailable",
        BUSY,
    ],
}]);
const INTAKE_BYTES: Metric = Metric::gauge(
    "collector_intake_bytes",
    Unit::Bytes,
    "Memory that is set aside for requests which are being read and kept",
);
const INTAKE_MAX_BYTES: Metric = Metric::gauge(
    "collector_intake_max_bytes",
    Unit::Bytes,
    "The most of it (`INTAKE_MAX_BYTES`); what finds no room is refused as busy",
);
const CONNECTIONS: Metric = Metric::gauge(
    "collector_connections",
    Unit::Count,
    "Open connections over HTTP and gRPC",
);
const PRODUCE_ERRORS: Metric = Metric::counter(
    "collector_produce_errors_total",
    Unit::Count,
    "Messages that Kafka did not acknowledge, by librdkafka's name of the error; what can be kept is then spooled",
)
.by(&[Label {
    name: "error",
    values: &[],
}]);
const SPOOLED: Metric = Metric::counter(
    "collector_spooled_events_total",
    Unit::Count,
    "Events that were acknowledged by the spool",
);
const DRAINED: Metric = Metric::counter(
    "collector_spool_drained_events_total",
    Unit::Count,
    "Events of the spool that Kafka has taken since",
);
const SPOOL_REFUSED: Metric = Metric::counter(
    "collector_spool_refused_events_total",
    Unit::Count,
    "Events that the spool did not take: it is full, its disk fails, or it did not answer in time",
)
.by(&[Label {
    name: "reason",
    values: &["full", "disk", "silent"],
}]);
const SPOOL_BYTES: Metric = Metric::gauge(
    "collector_spool_bytes",
    Unit::Bytes,
    "Bytes of the spool's files",
);
const SPOOL_MAX_BYTES: Metric = Metric::gauge(
    "collector_spool_max_bytes",
    Unit::Bytes,
    "The most that the spool may hold (`SPOOL_MAX_BYTES`); 0 without a spool",
);
const SPOOL_WAITING: Metric = Metric::gauge(
    "collector_spool_waiting_events",
    Unit::Count,
    "Events that wait in the spool",
);
const SPOOL_OLDEST: Metric = Metric::gauge(
    "collector_spool_oldest_seconds",
    Unit::Seconds,
    "How long the oldest event of the spool has waited",
);
const SPOOL_SYNC: Metric = Metric::histogram(
    "collector_spool_sync_seconds",
    Unit::Seconds,
    "The time of one sync of the spool's disk",
);
const SPOOL_DAMAGED: Metric = Metric::counter(
    "collector_spool_damaged_segments_total",
    Unit::Count,
    "Files of the spool in which something could not be read: acknowledged events may be lost",
);
const SPOOL_LOST: Metric = Metric::counter(
    "collector_spool_lost_events_total",
    Unit::Count,
    "Events that were acknowledged by the spool and will not come to Kafka: they cannot be read any more, or Kafka never takes them",
)
.by(&[Label {
    name: "reason",
    values: &["unreadable", "refused"],
}]);

const COUNTERS_AGE: Metric = Metric::gauge(
    "collector_counters_age_seconds",
    Unit::Seconds,
    "Time since the live counters were last brought up to date from the database; 0 without one",
);

/// Everything that is measured here.
pub(crate) const METRICS: [Metric; 20] = [
    ACCEPTED,
    ACKNOWLEDGE,
    REFUSED,
    HTTP_REFUSED,
    INTAKE_BYTES,
    INTAKE_MAX_BYTES,
    CONNECTIONS,
    PRODUCE_ERRORS,
    BROKER_ERRORS,
    SPOOLED,
    DRAINED,
    SPOOL_REFUSED,
    SPOOL_BYTES,
    SPOOL_MAX_BYTES,
    SPOOL_WAITING,
    SPOOL_OLDEST,
    SPOOL_SYNC,
    SPOOL_DAMAGED,
    SPOOL_LOST,
    COUNTERS_AGE,
];

/// The names of all sources.
const SOURCES: [&str; Source::ALL.len()] = {
    let mut names = [""; Source::ALL.len()];
    let mut n = 0;
    while n < names.len() {
        names[n] = Source::ALL[n].as_str();
        n += 1;
    }
    names
};

/// The handles of this process: made at the first use, which has to come after
/// [`service::telemetry::init`].
pub(crate) static METERS: LazyLock<Meters> = LazyLock::new(Meters::new);

/// A handle for each metric; counting is one atomic addition.
pub(crate) struct Meters {
    pub accepted: Counters,
    pub acknowledge: Histogram,
    pub refused: Counters,
    pub http_refused: Counters,
    pub intake_bytes: Gauge,
    pub intake_max_bytes: Gauge,
    pub connections: Gauge,
    pub spooled: Counter,
    pub drained: Counter,
    pub spool_refused: Counters,
    pub spool_bytes: Gauge,
    pub spool_max_bytes: Gauge,
    pub spool_waiting: Gauge,
    pub spool_oldest: Gauge,
    pub spool_sync: Histogram,
    pub spool_damaged: Counter,
    pub spool_lost: Counters,
    pub counters_age: Gauge,
    /// By the error's number, as they come.
    produce_errors: Mutex<HashMap<i32, Counter>>,
}

impl Meters {
    fn new() -> Self {
        service::telemetry::describe(&METRICS);
        Self {
            accepted: ACCEPTED.to_counters(),
            acknowledge: ACKNOWLEDGE.to_histogram(&[]),
            refused: REFUSED.to_counters(),
            http_refused: HTTP_REFUSED.to_counters(),
            intake_bytes: INTAKE_BYTES.to_gauge(&[]),
            intake_max_bytes: INTAKE_MAX_BYTES.to_gauge(&[]),
            connections: CONNECTIONS.to_gauge(&[]),
            spooled: SPOOLED.to_counter(&[]),
            drained: DRAINED.to_counter(&[]),
            spool_refused: SPOOL_REFUSED.to_counters(),
            spool_bytes: SPOOL_BYTES.to_gauge(&[]),
            spool_max_bytes: SPOOL_MAX_BYTES.to_gauge(&[]),
            spool_waiting: SPOOL_WAITING.to_gauge(&[]),
            spool_oldest: SPOOL_OLDEST.to_gauge(&[]),
            spool_sync: SPOOL_SYNC.to_histogram(&[]),
            spool_damaged: SPOOL_DAMAGED.to_counter(&[]),
            spool_lost: SPOOL_LOST.to_counters(),
            counters_age: COUNTERS_AGE.to_gauge(&[]),
            produce_errors: Mutex::default(),
        }
    }

    /// Counts a message that was not delivered.
    pub fn produce_failed(&self, code: RDKafkaErrorCode) {
        let errors = self.produce_errors.lock();
        errors
            .unwrap_or_else(PoisonError::into_inner)
            .entry(code as i32)
            .or_insert_with(|| PRODUCE_ERRORS.to_counter(&[&format!("{code:?}")]))
            .increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AcceptError;
    use crate::spool::Refused;
    use std::time::Duration;

    #[test]
    fn the_manual_has_every_metric_of_the_collector() {
        service::telemetry::check_manual("collector", &METRICS).unwrap();
    }

    #[test]
    fn every_reason_is_declared() {
        let unavailable = AcceptError::Unavailable {
            retry_after: Duration::ZERO,
        };
        let errors = [
            AcceptError::Invalid(domain::Reject::Empty),
            unavailable,
            AcceptError::Overloaded,
        ];
        assert_eq!(errors.map(|error| error.code()), REFUSED.labels[0].values);
        let refusals = [
            Refused::Full { max_bytes: 1 },
            Refused::Disk(String::new()),
            Refused::Silent,
        ];
        let codes = refusals.map(|refused| refused.code());
        assert_eq!(codes, SPOOL_REFUSED.labels[0].values);
    }
}
