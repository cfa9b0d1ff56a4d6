//! The questions that Kafka's client asks for the picture. Each blocks its thread for a second or two at
//! most, except where it says otherwise.

use super::picture::{Placement, Reach, Retention, Topology, Unread};
use anyhow::Context as _;
use chrono::DateTime;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::{Offset, Timestamp};
use service::settings::KafkaSettings;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(1);
/// How long the unread records may take, all together.
const RECORDS: Duration = Duration::from_millis(1500);
/// The topic's setting that says how long a record stays.
const RETENTION: &str = "retention.ms";

/// One client for all questions. It is no member of any group and reads only single records.
pub(super) struct Kafka {
    config: ClientConfig,
    /// None only while it is dropped.
    consumer: Option<BaseConsumer<Quiet>>,
}

/// Whose log lines are our processes' own.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        service::kafka::log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka's client, looking at the cluster");
    }
}

impl ConsumerContext for Quiet {}

impl Kafka {
    /// Makes the client; it connects by itself.
    pub fn new(settings: &KafkaSettings) -> anyhow::Result<Self> {
        let mut config = service::kafka::client_config_with(
            settings,
            &[
                // A frozen broker is not asked a second time before it answers again.
                ("socket.timeout.ms", "2000"),
                ("api.version.request.timeout.ms", "2000"),
                // One record is looked at, and no more is fetched than it takes.
                ("fetch.wait.max.ms", "100"),
                ("fetch.message.max.bytes", "4096"),
                ("queued.min.messages", "1"),
            ],
        );
        // Reading assigned partitions wants a name, which no broker ever hears of.
        config.set("group.id", "clickshop-look");
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        let consumer = config
            .create_with_context(Quiet)
            .map_err(service::kafka::explain)?;
        Ok(Self {
            config,
            consumer: Some(consumer),
        })
    }

    /// Whether brokers talk to anybody who connects: without TLS and without SASL.
    pub fn is_plain(&self) -> bool {
        let protocol = self.config.get("security.protocol");
        protocol.is_none_or(|protocol| protocol.eq_ignore_ascii_case("plaintext"))
    }

    fn consumer(&self) -> anyhow::Result<&BaseConsumer<Quiet>> {
        self.consumer.as_ref().context("the client is closed")
    }

    /// Brokers, leaders and replicas, as one of the brokers tells them.
    pub fn topology(&self, topic: &str) -> Result<Topology, String> {
        let consumer = self.consumer().map_err(|error| error.to_string())?;
        let metadata = consumer
            .fetch_metadata(Some(topic), ANSWER)
            .map_err(|error| in_words(&error))?;
        let brokers = metadata.brokers().iter();
        let found = metadata.topics().iter().find(|one| one.name() == topic);
        let partitions = match found.map(|topic| (topic, topic.error())) {
            Some((topic, None)) => Ok(topic.partitions().iter().map(placement).collect()),
            Some((_, Some(error))) => {
                Err(format!("topic {topic}: {}", RDKafkaErrorCode::from(error)))
            }
            None => Err(format!("no broker knows the topic {topic}")),
        };
        Ok(Topology {
            brokers: brokers
                .map(|broker| (broker.id(), address(broker.host(), broker.port())))
                .collect(),
            partitions,
        })
    }

    /// The lowest offset and the end of each of these partitions, which one broker leads.
    pub fn reach(&self, topic: &str, partitions: &[i32]) -> anyhow::Result<BTreeMap<i32, Reach>> {
        let asked = tokio::time::Instant::now();
        let ends = self.offsets(topic, partitions, Offset::End)?;
        let lows = self.offsets(topic, partitions, Offset::Beginning)?;
        let both = ends.into_iter().filter_map(|(partition, end)| {
            let low = *lows.get(&partition)?;
            Some((partition, Reach { low, end, asked }))
        });
        Ok(both.collect())
    }

    /// Asks the partitions' leader for an offset of each.
    fn offsets(
        &self,
        topic: &str,
        partitions: &[i32],
        which: Offset,
    ) -> anyhow::Result<BTreeMap<i32, i64>> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition_offset(topic, *partition, which)?;
        }
        let answer = self.consumer()?.offsets_for_times(list, ANSWER)?;
        let found = answer.elements().into_iter().filter_map(|one| {
            let offset = one.error().ok().and(one.offset().to_raw())?;
            (offset >= 0).then_some((one.partition(), offset))
        });
        Ok(found.collect())
    }

    /// When the records at these offsets were written; a partition whose leader does not answer is left out.
    pub fn times(
        &self,
        topic: &str,
        wanted: &BTreeMap<i32, i64>,
    ) -> anyhow::Result<BTreeMap<i32, Unread>> {
        let consumer = self.consumer()?;
        let mut list = TopicPartitionList::with_capacity(wanted.len());
        for (partition, offset) in wanted {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        }
        consumer.assign(&list)?;
        let found = read(consumer, wanted);
        consumer.unassign()?;
        Ok(found)
    }

    /// How long the topic keeps its records. Does not block; waits two seconds at most.
    pub async fn retention(&self, topic: &str) -> anyhow::Result<Retention> {
        let admin: AdminClient<DefaultClientContext> = self.config_for_admin().create()?;
        let options = AdminOptions::new().request_timeout(Some(ANSWER * 2));
        let which = ResourceSpecifier::Topic(topic);
        let asked = admin.describe_configs([&which], &options);
        let answer = tokio::time::timeout(ANSWER * 2, asked).await;
        // Its thread is waited for when it goes.
        tokio::task::spawn_blocking(move || drop(admin));
        let settings = answer??
            .pop()
            .context("no answer")?
            .map_err(KafkaError::AdminOp)?;
        let value = settings
            .get(RETENTION)
            .and_then(|entry| entry.value.as_deref())
            .context("the topic has no such setting")?;
        let ms: i64 = value.parse()?;
        Ok(u64::try_from(ms).map_or(Retention::Unlimited, |ms| {
            Retention::Limited(Duration::from_millis(ms))
        }))
    }

    /// The same servers and sign-in, without what only a consumer understands.
    fn config_for_admin(&self) -> ClientConfig {
        let mut config = self.config.clone();
        for name in [
            "group.id",
            "enable.auto.commit",
            "enable.auto.offset.store",
            "auto.offset.reset",
            "fetch.wait.max.ms",
            "fetch.message.max.bytes",
            "queued.min.messages",
        ] {
            config.remove(name);
        }
        config
    }
}

impl Drop for Kafka {
    /// Closing a consumer waits for its threads, and for a broker that may be frozen.
    fn drop(&mut self) {
        let consumer = self.consumer.take();
        std::thread::spawn(move || drop(consumer));
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").finish_non_exhaustive()
    }
}

/// Takes the first record of each assigned partition.
fn read(consumer: &BaseConsumer<Quiet>, wanted: &BTreeMap<i32, i64>) -> BTreeMap<i32, Unread> {
    let deadline = Instant::now() + RECORDS;
    let mut found = BTreeMap::new();
    while found.len() < wanted.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match consumer.poll(left) {
            Some(Ok(record)) => {
                if let Some((partition, unread)) = unread(&record, wanted) {
                    found.entry(partition).or_insert(unread);
                }
            }
            // One partition's trouble (its offset is gone, its leader away) is not the others'.
            Some(Err(error)) => tracing::debug!(%error, "an unread record cannot be read"),
            None => {}
        }
    }
    found
}

/// The record as an answer to the question for `wanted` offsets; there may be none at exactly that one.
fn unread(
    record: &rdkafka::message::BorrowedMessage<'_>,
    wanted: &BTreeMap<i32, i64>,
) -> Option<(i32, Unread)> {
    let asked = *wanted.get(&record.partition())?;
    let (Timestamp::CreateTime(ms) | Timestamp::LogAppendTime(ms)) = record.timestamp() else {
        return None;
    };
    let written_at = DateTime::from_timestamp_millis(ms)?;
    let fits = record.offset() >= asked;
    fits.then_some((
        record.partition(),
        Unread {
            offset: asked,
            written_at,
        },
    ))
}

fn placement(partition: &rdkafka::metadata::MetadataPartition) -> Placement {
    Placement {
        number: partition.id(),
        leader: Some(partition.leader()).filter(|leader| *leader >= 0),
        replicas: partition.replicas().to_vec(),
        in_sync: partition.isr().to_vec(),
    }
}

fn address(host: &str, port: i32) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// What is wrong, for a person who watches.
fn in_words(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::AllBrokersDown,
        ) => "no broker tells who leads what".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kafka() -> Kafka {
        Kafka::new(&KafkaSettings {
            kafka_brokers: "127.0.0.1:1".into(),
            kafka_topic: "clickstream".into(),
        })
        .unwrap()
    }

    #[test]
    fn while_kafka_is_away_every_question_ends_in_time() {
        let kafka = kafka();
        assert!(kafka.is_plain());
        let begun = Instant::now();
        let problem = kafka.topology("clickstream").unwrap_err();
        assert_eq!(problem, "no broker tells who leads what");
        assert!(kafka.reach("clickstream", &[0]).is_err());
        let times = kafka.times("clickstream", &[(0, 7)].into()).unwrap();
        assert!(times.is_empty());
        assert!(begun.elapsed() < Duration::from_secs(8));
    }

    #[tokio::test]
    async fn the_settings_are_not_waited_for_either() {
        let kafka = kafka();
        let asked = tokio::time::timeout(ANSWER * 4, kafka.retention("clickstream"));
        assert!(asked.await.unwrap().is_err());
    }

    #[test]
    fn an_address_can_be_connected_to() {
        assert_eq!(address("broker1", 9092), "broker1:9092");
        assert_eq!(address("::1", 9092), "[::1]:9092");
    }
}
