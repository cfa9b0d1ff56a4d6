//! How librdkafka is set so that its word can be trusted.

use crate::telemetry;
use rdkafka::config::ClientConfig;
use service::settings::KafkaSettings;
use std::time::Duration;

/// How long librdkafka waits for more before it sends; 5 ms is its own choice and that of Kafka's client since 4.0. It
/// has to be long enough for a whole batch to be handed over, at a microsecond or two for each message: what comes
/// later is held back, and librdkafka's thread polls without a pause meanwhile.
pub(super) const LINGER: Duration = Duration::from_millis(5);

/// The client's settings: each acknowledged message is on min-ISR replicas, once and in order.
pub(crate) fn config(
    settings: &KafkaSettings,
    ack_timeout: Duration,
    limits: crate::QueueLimits,
) -> ClientConfig {
    let messages = limits.messages.saturating_mul(2).to_string();
    // The client counts headers too, so its own limits lie above ours: ours admit a request as a whole.
    let kbytes = (limits.bytes / 1024)
        .saturating_mul(2)
        .max(1024)
        .to_string();
    let linger = LINGER.as_millis().to_string();
    let mut config = service::kafka::client_config_with(
        settings,
        &[
            ("linger.ms", &linger),
            ("compression.type", "lz4"),
            ("queue.buffering.max.messages", &messages),
            ("queue.buffering.max.kbytes", &kbytes),
            // A leader moves within a second; the answer must come within two.
            ("retry.backoff.ms", "50"),
            ("retry.backoff.max.ms", "500"),
            ("statistics.interval.ms", telemetry::EVERY_MS),
        ],
    );
    config.set("enable.idempotence", "true");
    config.set("acks", "all");
    // The same visitor's events must lie in the same partition whoever produces them: Java's choice.
    config.set("partitioner", "murmur2_random");
    config.set("message.timeout.ms", ack_timeout.as_millis().to_string());
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use std::sync::Arc;

    #[test]
    fn what_the_promise_rests_on_is_set() {
        let settings = KafkaSettings {
            kafka_brokers: "127.0.0.1:1".into(),
            kafka_topic: "clickstream".into(),
        };
        let config = config(
            &settings,
            Duration::from_secs(2),
            crate::QueueLimits::default(),
        );
        for (name, value) in [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("partitioner", "murmur2_random"),
            ("message.timeout.ms", "2000"),
        ] {
            assert_eq!(config.get(name), Some(value), "{name}");
        }
        Client::new(
            &config,
            "clickstream",
            Duration::from_secs(2),
            Arc::default(),
        )
        .unwrap();
    }
}
