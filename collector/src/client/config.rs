//! How librdkafka is set so that its word can be trusted, and what for.

use crate::lane::Limits;
use crate::telemetry;
use rdkafka::config::{ClientConfig, NativeClientConfig};
use rdkafka::error::KafkaResult;
use service::settings::KafkaSettings;
use std::time::Duration;

/// A batch of so many messages is one for [`Tuning::Throughput`]: they are handed over well within the time that the
/// other client lingers, at a microsecond or two for each.
const MANY: usize = 200;
/// A lane rests so many times as long as Kafka takes for a batch, within bounds.
const REST_ROUNDS: u32 = 3;

/// What a client is made for, and what a batch needs. How long messages wait for others is set for a client as a whole,
/// so there are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tuning {
    /// Answering soon.
    Latency,
    /// Carrying much: there is always more to wait for, and larger batches are less work for the brokers.
    Throughput,
}

/// One for each [`Tuning`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tuned<T> {
    latency: T,
    throughput: T,
}

impl<T> Tuned<T> {
    /// Makes both.
    pub fn new(mut make: impl FnMut(Tuning) -> T) -> Self {
        Self {
            latency: make(Tuning::Latency),
            throughput: make(Tuning::Throughput),
        }
    }

    /// Makes both, unless one cannot be made.
    pub fn try_new<E>(mut make: impl FnMut(Tuning) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self {
            latency: make(Tuning::Latency)?,
            throughput: make(Tuning::Throughput)?,
        })
    }

    /// The one for this.
    pub const fn of(&self, tuning: Tuning) -> &T {
        match tuning {
            Tuning::Latency => &self.latency,
            Tuning::Throughput => &self.throughput,
        }
    }

    /// Both.
    pub const fn both(&self) -> [&T; 2] {
        [&self.latency, &self.throughput]
    }
}

impl Tuning {
    /// What so many messages, which come together, are best sent with.
    pub(crate) const fn of(messages: usize) -> Self {
        if messages < MANY {
            Self::Latency
        } else {
            Self::Throughput
        }
    }

    /// How long librdkafka waits for more before it sends. It has to be long enough for what waits in a lane to be
    /// handed over, at a microsecond or two for each message: what comes later is held back, and librdkafka's thread
    /// polls without a pause meanwhile.
    const fn linger(self) -> Duration {
        match self {
            Self::Latency => Duration::from_millis(1),
            Self::Throughput => Duration::from_millis(10),
        }
    }

    /// How long a lane rests under load, counted from the beginning of one batch to that of the next, when Kafka took so
    /// long for the first.
    pub(super) fn rest(self, took: Duration) -> Duration {
        let most = match self {
            Self::Latency => Duration::from_millis(25),
            Self::Throughput => Duration::from_millis(60),
        };
        (took * REST_ROUNDS).min(most)
    }
}

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
    let bytes = number(&native, "batch.size")?.min(number(&native, "message.max.bytes")?);
    let linger = Duration::try_from_secs_f64(number(&native, "linger.ms")? / 1000.0);
    Ok(Limits {
        // What comes when librdkafka may be sending already would have to wait there.
        open_for: linger.unwrap_or_default() / 2,
        messages: whole(number(&native, "batch.num.messages")?),
        // The request's and the batch's own beginnings, and to spare.
        bytes: whole(bytes.mul_add(0.99, -256.0)),
    })
}

/// A setting that librdkafka has read as a number.
fn number(native: &NativeClientConfig, name: &str) -> KafkaResult<f64> {
    // What it has taken as a number is one.
    Ok(native.get(name)?.parse().unwrap_or(0.0))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "librdkafka's limits lie between 0 and 2^31, and less than 0 is 0"
)]
const fn whole(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::client::Client;
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

    #[rstest::rstest]
    #[case(1, Tuning::Latency)]
    #[case(199, Tuning::Latency)]
    #[case(200, Tuning::Throughput)]
    #[case(10_000, Tuning::Throughput)]
    fn many_messages_go_by_the_client_for_many(#[case] messages: usize, #[case] tuning: Tuning) {
        assert_eq!(Tuning::of(messages), tuning);
    }

    #[rstest::rstest]
    #[case::as_long_as_kafka_takes(Tuning::Latency, 4, 12)]
    #[case::no_longer_than_somebody_should_wait(Tuning::Latency, 30, 25)]
    #[case::as_long_as_kafka_takes_for_many(Tuning::Throughput, 15, 45)]
    #[case::no_longer_than_it_helps(Tuning::Throughput, 30, 60)]
    fn a_lane_rests_as_long_as_kafka_lets_it(
        #[case] tuning: Tuning,
        #[case] took: u64,
        #[case] rests: u64,
    ) {
        let took = Duration::from_millis(took);
        assert_eq!(tuning.rest(took), Duration::from_millis(rests));
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
