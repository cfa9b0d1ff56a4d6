//! What the collector counts. Names and help texts stand here, once.

use metrics::{Unit, describe_counter, describe_histogram};

/// Events that Kafka acknowledged, by `source`.
pub(crate) const ACCEPTED: &str = "collector_accepted_total";
/// From the call to the acknowledgement of all its events, in seconds.
pub(crate) const ACKNOWLEDGE: &str = "collector_acknowledge_seconds";
/// Messages that were not delivered, by librdkafka's `error`.
pub(crate) const PRODUCE_ERRORS: &str = "collector_produce_errors_total";
/// Requests that were not accepted, by `reason`.
pub(crate) const REFUSED: &str = "collector_refused_total";

/// Tells the recorder of this process, if there is one, what the figures mean.
pub(crate) fn describe() {
    describe_counter!(ACCEPTED, "Events that Kafka acknowledged, by source");
    describe_histogram!(
        ACKNOWLEDGE,
        Unit::Seconds,
        "From the call to the acknowledgement of all its events"
    );
    describe_counter!(PRODUCE_ERRORS, "Messages that were not delivered, by error");
    describe_counter!(REFUSED, "Requests that were not accepted, by reason");
}
