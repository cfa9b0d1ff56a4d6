//! The Kafka client: which partitions the group gives us, and each record as it came.
//!
//! A rebalance is answered at once and waits for nobody: the partitions that are new are accepted
//! without being read yet, and noted for the polling thread. Their leases are taken outside of the
//! callback, and reading begins when a lease says from where: its offset goes into the list that is
//! assigned, and there is no seek afterwards. So a Postgres that is away delays neither the group's
//! heartbeat nor another member's rebalance.

use crate::settings::ConsumerSettings;
use domain::{LastSeen, wire};
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};
use rdkafka::types::RDKafkaRespErr;
use service::settings::KafkaSettings;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use store::LastRecord;

/// The consumer's Kafka client.
pub type Client = BaseConsumer<Context>;

/// What the group decided about our partitions.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// These are ours now.
    Assigned(Vec<i32>),
    /// These are no longer ours.
    Revoked(Vec<i32>),
}

/// Collects the group's decisions for the polling thread, on which the callbacks run.
#[derive(Debug, Default)]
pub struct Context {
    changes: Mutex<Vec<Change>>,
    /// Commits that Kafka has not answered yet.
    commits: AtomicUsize,
}

impl Context {
    /// What was decided since the last call, in order.
    pub fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Kafka was told offsets, and will answer.
    pub fn committing(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether Kafka has yet to answer to offsets that it was told.
    pub fn commits(&self) -> bool {
        self.commits.load(Ordering::Relaxed) > 0
    }

    fn note(&self, change: Change) {
        self.changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(change);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        service::kafka::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka client");
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, client: &Client, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<i32> = list
            .elements()
            .iter()
            .map(TopicPartitionListElem::partition)
            .collect();
        let answered = if kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.note(Change::Assigned(partitions));
            client.incremental_assign(&TopicPartitionList::new())
        } else {
            let answered = release(client, list);
            self.note(Change::Revoked(partitions));
            answered
        };
        if let Err(error) = answered {
            // The group will find out by itself, and the leases keep the rows right until then.
            tracing::warn!(%error, "answering a rebalance failed");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        let one_less = |commits: usize| Some(commits.saturating_sub(1));
        let _ = self
            .commits
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        if let Err(error) = result {
            tracing::debug!(%error, "Kafka did not note the offsets; only its own tools show them");
        }
    }
}

/// Stops reading those of the listed partitions that are being read.
fn release(client: &Client, list: &TopicPartitionList) -> KafkaResult<()> {
    let reading = client.assignment()?;
    let mut both = TopicPartitionList::new();
    for element in list.elements() {
        if reading
            .find_partition(element.topic(), element.partition())
            .is_some()
        {
            both.add_partition(element.topic(), element.partition());
        }
    }
    client.incremental_unassign(&both)
}

/// The client's settings. What the exactly-once promise rests on comes last, so that no
/// `KAFKA_PROPERTY_…` changes it.
pub fn client_config(kafka: &KafkaSettings, consumer: &ConsumerSettings) -> ClientConfig {
    let mut config = service::kafka::client_config_with(
        kafka,
        &[
            ("client.id", "clickshop-consumer"),
            // A member that died is replaced after ten seconds; the others hear of it, and of one that
            // leaves, with their next heartbeat.
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "500"),
            // A frozen coordinator or leader is given up as soon.
            ("socket.timeout.ms", "10000"),
            // An answer is sent as soon as there is one record; the pause only bounds an idle request.
            ("fetch.min.bytes", "1"),
            ("fetch.wait.max.ms", "100"),
            // What is fetched at once is small, which bounds memory: 80 MB in a backlog instead of 200, as fast
            // on one machine. Brokers that are far away want more: KAFKA_PROPERTY_FETCH_MESSAGE_MAX_BYTES.
            ("fetch.message.max.bytes", "262144"),
            ("fetch.max.bytes", "2097152"),
            ("fetch.error.backoff.ms", "100"),
            // The inboxes hold what is next to be written; little more needs to wait before them.
            ("queued.min.messages", "4000"),
            ("queued.max.messages.kbytes", "2048"),
            // The default of a second would be a pause in each second of a backlog.
            ("fetch.queue.backoff.ms", "5"),
            ("check.crcs", "true"),
        ],
    );
    config
        .set("group.id", &consumer.consumer_group)
        .set("group.protocol", "classic")
        .set("partition.assignment.strategy", "cooperative-sticky")
        // Offsets live in Postgres, with the rows.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // Never skip, never repeat silently: an offset that Kafka does not have stops the partition.
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false");
    config
}

/// A record as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the partition.
    pub offset: LastSeen,
    /// Its time, milliseconds since 1970, as the broker wrote it.
    pub time_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; empty for a tombstone.
    pub value: Vec<u8>,
    /// The version of the format that its producer claims, when it claims one.
    pub schema: Option<Schema>,
}

/// What a record's header says of the version of its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// This version.
    Version(u32),
    /// Something that is no number: no producer that this build knows writes that.
    Unreadable,
}

impl Schema {
    /// Whether this build may not read the record.
    pub fn is_newer(self) -> bool {
        match self {
            Self::Version(version) => version > wire::SCHEMA_VERSION,
            Self::Unreadable => true,
        }
    }

    /// What the headers say; nothing when none of them is about the format.
    fn of(headers: &impl Headers) -> Option<Self> {
        let header = headers
            .iter()
            .find(|header| header.key == wire::HEADER_SCHEMA)?;
        let version = header
            .value
            .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        Some(version.map_or(Self::Unreadable, Self::Version))
    }
}

impl Record {
    /// Copies a message out of the client's memory.
    pub fn from_message(message: &BorrowedMessage<'_>) -> Self {
        Self {
            offset: LastSeen(message.offset()),
            time_ms: message.timestamp().to_millis().unwrap_or_default(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().unwrap_or_default().to_vec(),
            schema: message.headers().and_then(Schema::of),
        }
    }

    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.as_ref().map_or(0, Vec::len) + self.value.len()
    }

    /// What the lease remembers of a record, to know it again.
    pub fn print(&self) -> LastRecord {
        let mut hash = Fnv::new();
        hash.part(self.key.as_deref().unwrap_or_default());
        hash.part(&self.value);
        LastRecord {
            offset: self.offset,
            time_ms: self.time_ms,
            hash: hash.0.cast_signed(),
        }
    }
}

/// FNV-1a, 64 bits: the same in every build, as a stored hash must be.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a part with its length, so that two parts do not run together.
    fn part(&mut self, bytes: &[u8]) {
        for byte in (bytes.len() as u64).to_be_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rdkafka::message::{Header, OwnedHeaders};

    /// A record for tests.
    pub(crate) fn record(offset: i64, value: &str) -> Record {
        Record {
            offset: LastSeen(offset),
            time_ms: 1_700_000_000_000 + offset,
            key: None,
            value: value.as_bytes().to_vec(),
            schema: None,
        }
    }

    #[test]
    fn a_format_that_cannot_be_read_counts_as_a_newer_one() {
        let of = |value: Option<&[u8]>| {
            let header = Header {
                key: wire::HEADER_SCHEMA,
                value,
            };
            Schema::of(&OwnedHeaders::new().insert(header))
        };
        assert_eq!(of(Some(b"1")), Some(Schema::Version(1)));
        for unreadable in [None, Some(&b""[..]), Some(b"v2"), Some(b"\xff")] {
            assert_eq!(of(unreadable), Some(Schema::Unreadable), "{unreadable:?}");
        }
        assert_eq!(Schema::of(&OwnedHeaders::new()), None);
        assert!(Schema::Unreadable.is_newer());
        assert!(Schema::Version(wire::SCHEMA_VERSION + 1).is_newer());
        assert!(!Schema::Version(wire::SCHEMA_VERSION).is_newer());
    }

    #[test]
    fn a_records_print_tells_its_key_from_its_value() {
        let mut one = record(1, "bc");
        one.key = Some(b"a".to_vec());
        let mut other = record(1, "c");
        other.key = Some(b"ab".to_vec());
        assert_ne!(one.print().hash, other.print().hash);
    }

    #[test]
    fn a_stored_print_stays_the_same_in_every_build() {
        assert_eq!(
            record(1, "{}").print().hash,
            0x64f3_62b1_bc83_5343_u64.cast_signed()
        );
    }

    #[test]
    fn no_property_can_weaken_the_promise() {
        let kafka = KafkaSettings {
            kafka_brokers: "x:1".into(),
            kafka_topic: "t".into(),
        };
        let consumer = ConsumerSettings {
            consumer_group: "g".into(),
            batch_events: 1,
            write_connections: 1,
        };
        let config = client_config(&kafka, &consumer);
        assert_eq!(config.get("enable.auto.commit"), Some("false"));
        assert_eq!(config.get("auto.offset.reset"), Some("error"));
        assert_eq!(
            config.get("partition.assignment.strategy"),
            Some("cooperative-sticky")
        );
    }
}
