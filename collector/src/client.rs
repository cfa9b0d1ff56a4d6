//! One client of Kafka, from its making to its end. It never loses a message silently: each gets its
//! answer through its [`Ticket`], also when the client dies.

use crate::request::{Delivered, Ticket};
use domain::event::EventType;
use domain::wire;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{
    BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext, ThreadedProducer,
};
use service::settings::KafkaSettings;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use uuid::Uuid;

/// `min.insync.replicas` of our topic (`consumer setup` makes it so); metadata doesn't tell it.
const MIN_IN_SYNC: usize = 2;

/// What Kafka gets of one event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub key: String,
    pub json: String,
    pub event_type: EventType,
    pub event_id: Uuid,
}

/// A client of Kafka and the thread that takes its answers. Dropping it blocks for up to half a second.
pub(crate) struct Client {
    kafka: ThreadedProducer<Context, NoCustomPartitioner>,
    topic: String,
}

/// What the client's callbacks share with those who use it.
struct Context {
    /// Told when the client may have become useless.
    mend: Arc<Notify>,
}

impl Client {
    /// Makes a client; it connects by itself, now or when Kafka is there. `mend` is notified whenever
    /// it is time to ask [`Self::is_broken`].
    pub fn new(config: &ClientConfig, topic: &str, mend: Arc<Notify>) -> KafkaResult<Self> {
        Ok(Self {
            kafka: ThreadedProducer::from_config_and_context(config, Context { mend })?,
            topic: topic.to_owned(),
        })
    }

    /// Why only a new client can help, once that is so.
    pub fn is_broken(&self) -> Option<String> {
        self.kafka.client().fatal_error().map(|(_, why)| why)
    }

    /// Hands one message over without waiting; the answer comes through the ticket, at once when the
    /// client does not take the message.
    pub fn send(&self, message: &Message, ticket: Ticket) {
        let id = message.event_id.as_hyphenated().to_string();
        let headers = OwnedHeaders::new_with_capacity(3)
            .insert(header(wire::HEADER_EVENT, message.event_type.as_str()))
            .insert(header(wire::HEADER_EVENT_ID, &id))
            .insert(header(
                wire::HEADER_SCHEMA,
                &wire::SCHEMA_VERSION.to_string(),
            ));
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new(ticket))
            .key(message.key.as_str())
            .payload(message.json.as_str())
            .headers(headers);
        if let Err((error, record)) = self.kafka.send(record) {
            let code = error
                .rdkafka_error_code()
                .unwrap_or(RDKafkaErrorCode::Unknown);
            self.kafka.client().context().failed(code);
            record.delivery_opaque.settle(Err(code));
        }
    }

    /// Waits until every message has its answer, at most `timeout`. Blocks.
    pub fn flush(&self, timeout: Duration) -> KafkaResult<()> {
        self.kafka.flush(timeout)
    }

    /// Asks a broker whether the topic could take a message now, or says what is in the way. Blocks for
    /// at most `timeout`.
    pub fn look(&self, timeout: Duration) -> Result<(), String> {
        let metadata = self
            .kafka
            .client()
            .fetch_metadata(Some(&self.topic), timeout)
            .map_err(|error| error.to_string())?;
        let topic = metadata
            .topics()
            .iter()
            .find(|topic| topic.name() == self.topic)
            .ok_or_else(|| format!("no broker knows the topic {}", self.topic))?;
        if let Some(error) = topic.error() {
            let why = RDKafkaErrorCode::from(error);
            return Err(format!("the topic {}: {why}", self.topic));
        }
        let of = topic.partitions().len();
        let count = |fault: fn(&MetadataPartition) -> bool| {
            topic.partitions().iter().filter(|p| fault(p)).count()
        };
        match (count(has_no_leader), count(lacks_replicas)) {
            (0, 0) => Ok(()),
            (0, lacking) => Err(format!(
                "{lacking} of {of} partitions have fewer than {MIN_IN_SYNC} replicas in sync"
            )),
            (leaderless, _) => Err(format!("{leaderless} of {of} partitions have no leader")),
        }
    }
}

impl Context {
    /// Counts a message that was not delivered.
    fn failed(&self, code: RDKafkaErrorCode) {
        metrics::counter!(crate::telemetry::PRODUCE_ERRORS, "error" => format!("{code:?}"))
            .increment(1);
        self.mend.notify_one();
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        service::kafka::log_line(level, facility, message);
    }

    /// Called for what happens to the client itself. A fatal error comes under the code of its cause,
    /// so the client has to be asked. Brokers that come and go are seen by [`Client::look`], which can
    /// also tell when they are back.
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka's client reports");
        self.mend.notify_one();
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, report: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        ticket.settle(match report {
            Ok(message) => Ok(Delivered {
                partition: message.partition(),
                offset: message.offset(),
            }),
            Err((error, _)) => {
                let code = error
                    .rdkafka_error_code()
                    .unwrap_or(RDKafkaErrorCode::Unknown);
                self.failed(code);
                Err(code)
            }
        });
    }
}

fn has_no_leader(partition: &MetadataPartition) -> bool {
    partition.leader() < 0
}

/// Whether too few replicas are in sync; a topic with a single replica has enough with that one.
fn lacks_replicas(partition: &MetadataPartition) -> bool {
    partition.isr().len() < partition.replicas().len().min(MIN_IN_SYNC)
}

fn header<'a>(key: &'a str, value: &'a str) -> Header<'a, &'a str> {
    Header {
        key,
        value: Some(value),
    }
}

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
    let mut config = service::kafka::client_config_with(
        settings,
        &[
            ("linger.ms", "2"),
            ("compression.type", "lz4"),
            ("queue.buffering.max.messages", &messages),
            ("queue.buffering.max.kbytes", &kbytes),
            // A leader moves within a second; the answer must come within two.
            ("retry.backoff.ms", "50"),
            ("retry.backoff.max.ms", "500"),
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
        Client::new(&config, "clickstream", Arc::default()).unwrap();
    }
}
