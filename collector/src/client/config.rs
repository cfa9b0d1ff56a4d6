//! How librdkafka is set so that its word can be trusted.

use crate::lane::Limits;
use crate::telemetry;
use crate::tuning::Tuning;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaResult;
use service::settings::KafkaSettings;
use std::time::Duration;

/// The client's settings: each acknowledged message is on min-ISR replicas, once and in order.
pub(crate) fn config(
    settings: &KafkaSettings,
    tuning: Tuning,
    ack_timeout: Duration,
    limits: crate::QueueLimits,
) -> ClientConfig {
    let messages = limits.messages.saturating_mul(2).to_string();
    // The client counts headers too, so its own limits lie above ours: ours admit a request as a whole.
    let kbytes = (limits.bytes / 1024)
        .saturating_mul(2)
        .max(1024)
        .to_string();
    let linger = tuning.linger().as_millis().to_string();
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

/// How large a lane's batches may be, so that librdkafka sends each at once and whole: its own limits, whoever has set
/// them.
///
/// # Errors
/// A setting is wrong.
pub(super) fn limits(config: &ClientConfig) -> KafkaResult<Limits> {
    let native = config.create_native_config()?;
    // What librdkafka has taken as a number is one; only `nan` is none that can be used.
    let number = |name| KafkaResult::Ok(native.get(name)?.parse().unwrap_or(0));
    let bytes: usize = number("batch.size")?.min(number("message.max.bytes")?);
    let linger = native.get("linger.ms")?.parse().unwrap_or(0.0) / 1000.0;
    Ok(Limits {
        // What comes when librdkafka may be sending already would have to wait there.
        open_for: Duration::try_from_secs_f64(linger).unwrap_or_default() / 2,
        messages: number("batch.num.messages")?,
        // The request's and the batch's own beginnings, and to spare.
        bytes: (bytes - bytes / 100).saturating_sub(256),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::client::Client;
    use crate::tuning::Tuned;
    use std::sync::Arc;

    pub fn settings() -> KafkaSettings {
        KafkaSettings {
            kafka_brokers: "127.0.0.1:1".into(),
            kafka_topic: "clickstream".into(),
        }
    }

    #[rstest::rstest]
    #[case(Tuning::Latency)]
    #[case(Tuning::Throughput)]
    fn what_the_promise_rests_on_is_set(#[case] tuning: Tuning) {
        let timeout = Duration::from_secs(2);
        let config = config(&settings(), tuning, timeout, crate::QueueLimits::default());
        for (name, value) in [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("partitioner", "murmur2_random"),
            ("message.timeout.ms", "2000"),
        ] {
            assert_eq!(config.get(name), Some(value), "{name}");
        }
        let both = Tuned::new(|_| config.clone());
        Client::new(&both, "clickstream", 1, timeout, Arc::default()).unwrap();
    }

    #[test]
    fn a_lanes_limits_are_those_of_its_client() {
        let mut config = config(
            &settings(),
            Tuning::Throughput,
            Duration::from_secs(2),
            crate::QueueLimits::default(),
        );
        let of = |config: &ClientConfig| {
            let limits = limits(config).unwrap();
            (limits.open_for.as_micros(), limits.messages, limits.bytes)
        };
        assert_eq!(of(&config), (5_000, 10_000, 989_744));
        config
            .set("linger.ms", "0.5")
            .set("batch.num.messages", "7");
        config.set("batch.size", "5000000");
        assert_eq!(of(&config), (250, 7, 989_744));
        config.set("message.max.bytes", "4000000");
        assert_eq!(of(&config), (250, 7, 3_959_744));
        config.set("linger.ms", "nan").set("batch.size", "1");
        assert_eq!(of(&config), (0, 7, 0), "as little as can be");
        config.set("linger.ms", "soon");
        assert!(limits(&config).is_err());
    }
}
