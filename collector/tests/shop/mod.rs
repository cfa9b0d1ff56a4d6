//! A collector on librdkafka's own mock cluster (real connections and protocol, no Java), and what tests
//! do to both.
#![allow(dead_code, reason = "each program of tests needs a part of it")]

use collector::{Accepted, Collector, CollectorSettings, Draft, SpoolSettings};
use domain::receipt::Place;
use domain::report::CollectorReport;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use service::health::Health;
use service::settings::KafkaSettings;
use std::path::Path;
use std::time::{Duration, Instant};
use store::Store;
use tokio_util::sync::{CancellationToken, DropGuard};

pub const TOPIC: &str = "clickstream";
pub const PARTITIONS: i32 = 6;

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(30);

pub type Kafka = MockCluster<'static, DefaultProducerContext>;

/// Three brokers with the topic.
pub fn cluster() -> Kafka {
    let kafka = MockCluster::new(3).unwrap();
    kafka.create_topic(TOPIC, PARTITIONS, 3).unwrap();
    kafka
}

/// A collector and the process around it, which ends when this is dropped.
pub struct Shop {
    pub collector: Collector,
    pub health: Health,
    end: DropGuard,
}

/// The settings that every test starts from: this cluster, all defaults.
pub fn settings(kafka: &Kafka) -> CollectorSettings {
    CollectorSettings::new(KafkaSettings {
        kafka_brokers: kafka.bootstrap_servers(),
        kafka_topic: TOPIC.into(),
    })
}

/// The same with a spool in this folder.
pub fn spooling(kafka: &Kafka, folder: &Path) -> CollectorSettings {
    CollectorSettings {
        spool: Some(SpoolSettings {
            folder: folder.to_path_buf(),
            max_bytes: 64 << 20,
        }),
        ..settings(kafka)
    }
}

impl Shop {
    pub fn start(settings: CollectorSettings) -> Self {
        Self::try_start(settings).unwrap()
    }

    /// One that asks Postgres for rows.
    pub fn with_store(settings: CollectorSettings, store: Store) -> Self {
        Self::begin(settings, Some(store)).unwrap()
    }

    pub fn try_start(settings: CollectorSettings) -> anyhow::Result<Self> {
        Self::begin(settings, None)
    }

    fn begin(settings: CollectorSettings, store: Option<Store>) -> anyhow::Result<Self> {
        let health = Health::new();
        let shutdown = CancellationToken::new();
        let collector = Collector::start(settings, store, health.clone(), shutdown.clone())?;
        Ok(Self {
            collector,
            health,
            end: shutdown.drop_guard(),
        })
    }

    /// Starts with a folder that an earlier process has just died with; its lock goes when its last task does.
    pub async fn start_again(settings: CollectorSettings) -> Self {
        let started = Instant::now();
        loop {
            match Self::try_start(settings.clone()) {
                Ok(shop) => return shop,
                Err(error) => assert!(started.elapsed() < SOON, "{error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// One page view by this visitor.
    pub async fn accept(&self, username: &str) -> Accepted {
        self.collector.accept_one(view(username)).await.unwrap()
    }

    /// What `/readyz` says about a part.
    pub fn part(&self, name: &str) -> String {
        self.health.report().parts[name].clone()
    }
}

/// All brokers refuse to be reached, or can be reached again.
pub fn brokers(kafka: &Kafka, up: bool) {
    for id in 1..=3 {
        let done = if up {
            kafka.broker_up(id)
        } else {
            kafka.broker_down(id)
        };
        done.unwrap();
    }
}

pub fn view(username: &str) -> Draft {
    Draft {
        event_type: "page_view".into(),
        username: Some(username.into()),
        ..Draft::default()
    }
}

/// The place of an event that went straight into Kafka.
pub fn place(accepted: &Accepted) -> (i32, i64) {
    match accepted.receipt.place {
        Place::Kafka { partition, offset } => (partition, offset),
        Place::Spool => panic!("it was spooled"),
    }
}

/// Waits until `done`; fails after a while, with what `saw` says.
pub async fn until<T: std::fmt::Debug>(saw: impl Fn() -> T, done: impl Fn(&T) -> bool) -> T {
    let started = Instant::now();
    loop {
        let now = saw();
        if done(&now) {
            return now;
        }
        assert!(started.elapsed() < SOON, "still {now:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads the topic from its beginning, event by event and report by report.
pub struct Reader(BaseConsumer);

impl Reader {
    pub fn new(kafka: &Kafka) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", kafka.bootstrap_servers())
            .set("group.id", "test")
            .create()
            .unwrap();
        let mut places = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            places
                .add_partition_offset(TOPIC, partition, Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&places).unwrap();
        Self(consumer)
    }

    /// The next record; fails after a while.
    pub fn next(&self) -> OwnedMessage {
        let record = self.0.poll(SOON).expect("a record in time");
        record.unwrap().detach()
    }

    /// The next event that is no report, and those reports that came before it.
    pub fn next_event(&self, reports: &mut Vec<CollectorReport>) -> OwnedMessage {
        loop {
            let record = self.next();
            match CollectorReport::decode(record.payload().unwrap()) {
                Some(report) => reports.push(report.unwrap()),
                None => return record,
            }
        }
    }

    /// The next report; events are passed over.
    pub fn next_report(&self) -> CollectorReport {
        loop {
            if let Some(report) = CollectorReport::decode(self.next().payload().unwrap()) {
                return report.unwrap();
            }
        }
    }
}

/// Reads the record at an acknowledged place.
pub fn read(kafka: &Kafka, (partition, offset): (i32, i64)) -> OwnedMessage {
    let reader = Reader::new(kafka);
    let mut place = TopicPartitionList::new();
    place
        .add_partition_offset(TOPIC, partition, Offset::Offset(offset))
        .unwrap();
    reader.0.assign(&place).unwrap();
    reader.next()
}
