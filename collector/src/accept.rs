//! The one path for every event, whoever sends it: check, produce, wait until Kafka has it.

use crate::draft::Draft;
use crate::stored::Waited;
use domain::Reject;
use domain::receipt::Receipt;
use service::health::Health;
use service::settings::KafkaSettings;
use std::time::Duration;
use store::Store;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What a collector needs to know to start.
#[derive(Debug, Clone)]
pub struct CollectorSettings {
    /// Where Kafka is, and the topic's name.
    pub kafka: KafkaSettings,
    /// How long an event may take to be acknowledged before its sender hears [`AcceptError::Unavailable`].
    pub ack_timeout: Duration,
}

impl CollectorSettings {
    /// The settings with every default: 2 s to be acknowledged.
    pub fn new(kafka: KafkaSettings) -> Self {
        Self {
            kafka,
            ack_timeout: Duration::from_secs(2),
        }
    }
}

/// An event that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The collector's word, for the sender.
    pub receipt: Receipt,
    /// The message as it lies in Kafka.
    pub json: String,
}

/// Why nothing was accepted; named for what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// The event breaks a rule: tell the sender, don't try again. Nothing was produced.
    #[error("not a valid event: {0}")]
    Invalid(#[from] Reject),
    /// Kafka did not acknowledge in time.
    #[error("the event could not be kept now")]
    Unavailable {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// More is waiting for Kafka than this process holds. Nothing was produced.
    #[error("too many events are waiting to be kept")]
    Overloaded,
}

/// The way into Kafka; cheap to clone.
#[derive(Clone)]
pub struct Collector;

impl Collector {
    /// Starts the producer and what watches over it. Works with Kafka away.
    pub fn start(
        _settings: CollectorSettings,
        _store: Option<Store>,
        _health: Health,
        _shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        todo!()
    }

    /// Accepts all drafts of one request, or none; receipts are in the drafts' order.
    pub async fn accept(&self, _drafts: Vec<Draft>) -> Result<Vec<Accepted>, AcceptError> {
        todo!()
    }

    /// Accepts one draft.
    pub async fn accept_one(&self, _draft: Draft) -> Result<Accepted, AcceptError> {
        todo!()
    }

    /// Waits at most `timeout` until the consumer has dealt with the event.
    pub async fn wait_stored(&self, _receipt: &Receipt, _timeout: Duration) -> Waited {
        todo!()
    }

    /// This run's id, as every event that it accepts carries it.
    pub fn boot(&self) -> Uuid {
        todo!()
    }

    /// Waits until Kafka has answered for everything that was produced.
    pub async fn shutdown(&self) {
        todo!()
    }
}
