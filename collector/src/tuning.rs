//! The two ways to send a batch: soon, or much at once.

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
    pub(crate) const fn linger(self) -> Duration {
        match self {
            Self::Latency => Duration::from_millis(1),
            Self::Throughput => Duration::from_millis(10),
        }
    }

    /// How long a lane rests under load, counted from the beginning of one batch to that of the next, when Kafka took so
    /// long for the first.
    pub(crate) fn rest(self, took: Duration) -> Duration {
        let most = match self {
            Self::Latency => Duration::from_millis(20),
            Self::Throughput => Duration::from_millis(60),
        };
        (took * REST_ROUNDS).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    #[case::no_longer_than_somebody_should_wait(Tuning::Latency, 30, 20)]
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
}
