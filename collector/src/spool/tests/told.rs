//! What is told of the spool in the topic, and what is forgotten then.

use super::*;
use crate::producer::{Producer, ProducerSettings};
use crate::reach::Reach;
use crate::report::Reporter;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use service::health::Health;
use service::settings::KafkaSettings;
use tokio_util::sync::CancellationToken;

const TOPIC: &str = "clickstream";

/// A producer that waits as long as this test has time: each report arrives.
fn producer(kafka: &MockCluster<'_, DefaultProducerContext>) -> Producer {
    let settings = ProducerSettings {
        kafka: &KafkaSettings {
            kafka_brokers: kafka.bootstrap_servers(),
            kafka_topic: TOPIC.into(),
        },
        ack_timeout: Duration::from_secs(30),
        limits: crate::QueueLimits::default(),
        totals: Arc::default(),
    };
    let reach = Reach::new(Health::new().part("kafka"), String::new);
    Producer::start(settings, reach, CancellationToken::new()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_boot_is_forgotten_as_soon_as_all_is_told_and_written_down() {
    let kafka = MockCluster::new(1).unwrap();
    kafka.create_topic(TOPIC, 1, 1).unwrap();
    let place = tempfile::tempdir().unwrap();
    let spool = Arc::new(open(place.path()));
    append(&spool, 0..3).await.unwrap();
    assert_eq!(drain(&spool).await, [0, 1, 2]);
    let boots = spool.report().await.1;
    let this_boot = Uuid::from_u128(77);
    assert!(boots.len() == 1 && boots[0].boot != this_boot);
    // The last segment goes while the disk does not take that it has gone.
    let in_the_way = place.path().join(format!("{PROGRESS}.new"));
    fs::create_dir(&in_the_way).unwrap();
    housekeeping(&spool, || files(place.path(), ".log").is_empty()).await;

    let (totals, mine) = (Arc::default(), Some(Arc::clone(&spool)));
    let mut reporter = Reporter::new(this_boot, totals, mine, Arc::new(producer(&kafka)));
    reporter.tell().await;
    assert_eq!(spool.report().await.1, boots, "not all is written down");
    fs::remove_dir(&in_the_way).unwrap();
    // There is no news, and nothing is in the way any more.
    reporter.tell().await;
    assert_eq!(spool.report().await.1, []);
}
