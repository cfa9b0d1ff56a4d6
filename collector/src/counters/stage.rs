//! For tests of counting processes: a mock cluster, and what stands in for consumer and store. Whatever lies
//! in the topic is read at once and counted once, with the place that was reached.

use crate::{Clicks, Collector, CollectorSettings, Counter, SpoolSettings};
use domain::NextOffset;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde_json::Value;
use service::health::Health;
use service::outage::Outage;
use service::settings::KafkaSettings;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Store, StoreOptions, StoredClicks};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

const TOPIC: &str = "clickstream";
const PARTITIONS: i32 = 3;
/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// What the store would know.
#[derive(Default)]
struct Rows {
    clicks: [u64; 3],
    ids: HashSet<String>,
    next: BTreeMap<i32, i64>,
    /// Every event of the counters, as it was sent.
    events: Vec<Value>,
}

/// Kafka and the store.
pub(crate) struct Stage {
    pub kafka: MockCluster<'static, DefaultProducerContext>,
    rows: Arc<Mutex<Rows>>,
    over: Arc<AtomicBool>,
}

/// One process that counts.
pub(crate) struct Process {
    pub collector: Collector,
    _end: DropGuard,
}

impl Stage {
    pub fn open() -> Self {
        let kafka = MockCluster::new(1).unwrap();
        kafka.create_topic(TOPIC, PARTITIONS, 1).unwrap();
        let (rows, over) = (Arc::<Mutex<Rows>>::default(), Arc::<AtomicBool>::default());
        let consumer = consumer(&kafka.bootstrap_servers());
        std::thread::spawn({
            let (rows, over) = (Arc::clone(&rows), Arc::clone(&over));
            move || {
                while !over.load(Ordering::Relaxed) {
                    if let Some(Ok(record)) = consumer.poll(Duration::from_millis(50)) {
                        let value = serde_json::from_slice(record.payload().unwrap()).unwrap();
                        let mut rows = rows.lock().unwrap();
                        rows.next.insert(record.partition(), record.offset() + 1);
                        rows.store(value);
                    }
                }
            }
        });
        Self { kafka, rows, over }
    }

    /// A process on this stage, which asks the store when a real one would.
    pub fn process(&self) -> Process {
        self.start(None).unwrap()
    }

    /// One with a spool; waits until an earlier process has let go of the folder.
    pub async fn process_with_spool(&self, folder: &Path) -> Process {
        let started = Instant::now();
        loop {
            let spool = SpoolSettings {
                folder: folder.to_path_buf(),
                max_bytes: 1 << 20,
            };
            match self.start(Some(spool)) {
                Ok(process) => return process,
                Err(error) => assert!(started.elapsed() < SOON, "{error:#}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn start(&self, spool: Option<SpoolSettings>) -> anyhow::Result<Process> {
        let away = Store::connect_lazy("postgres://nobody@127.0.0.1:1/x", &StoreOptions::default());
        let end = CancellationToken::new();
        let kafka = KafkaSettings {
            kafka_brokers: self.kafka.bootstrap_servers(),
            kafka_topic: TOPIC.into(),
        };
        let settings = CollectorSettings {
            spool,
            ..CollectorSettings::new(kafka)
        };
        let collector = Collector::start(settings, Some(away?), Health::new(), end.clone())?;
        let (ours, rows, ended) = (collector.clone(), Arc::clone(&self.rows), end.clone());
        tokio::spawn(async move {
            let outage = Outage::new("the stage");
            let ask = || async { Ok(stored(&rows.lock().unwrap())) };
            let following = ours.counters().follow(ask, &outage);
            ended.run_until_cancelled(following).await;
        });
        Ok(Process {
            collector,
            _end: end.drop_guard(),
        })
    }

    /// The counters' events that became rows.
    pub fn events(&self) -> Vec<Value> {
        self.rows.lock().unwrap().events.clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Process {
    /// Waits until it knows any.
    pub async fn shows_something(&self) {
        let started = Instant::now();
        while self.collector.clicks().is_none() {
            assert!(started.elapsed() < SOON, "no totals");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until it shows these totals.
    pub async fn shows(&self, totals: Clicks) {
        let started = Instant::now();
        while self.collector.clicks() != Some(totals) {
            let now = self.collector.clicks();
            assert!(started.elapsed() < SOON, "still {now:?}, not {totals:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Rows {
    fn store(&mut self, value: Value) {
        let Some(counter) = value["type"].as_str().and_then(Counter::of) else {
            return;
        };
        if self.ids.insert(value["event_id"].to_string()) {
            self.clicks[counter as usize] += value["count"].as_u64().unwrap();
            self.events.push(value);
        }
    }
}

fn stored(rows: &Rows) -> StoredClicks {
    let next = |partition| NextOffset(rows.next.get(&partition).copied().unwrap_or(0));
    StoredClicks {
        clicks: rows.clicks.to_vec(),
        next: (0..PARTITIONS).map(|p| (p, next(p))).collect(),
    }
}

fn consumer(brokers: &str) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "stage")
        .create()
        .unwrap();
    let mut places = TopicPartitionList::new();
    places.add_partition_range(TOPIC, 0, PARTITIONS - 1);
    places.set_all_offsets(Offset::Beginning).unwrap();
    consumer.assign(&places).unwrap();
    consumer
}
