//! The collector's addresses without a listener, on librdkafka's own mock cluster (real connections and
//! protocol, no Java), and what tests ask of both.
#![allow(dead_code, reason = "each program of tests needs a part of it")]

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use collector::http::{HttpSettings, Senders};
use collector::{Collector, CollectorSettings, QueueLimits};
use domain::report::COLLECTOR_REPORT;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use service::health::Health;
use service::settings::KafkaSettings;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;

pub const TOPIC: &str = "clickstream";
pub const ID: &str = "0190a8f2-0000-7000-8000-00000000000a";

/// A collector on a cluster of one partition, so that the records lie in the order of the requests.
pub struct Server {
    pub kafka: MockCluster<'static, DefaultProducerContext>,
    router: Router,
    _end: DropGuard,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What is answered where no contract has words (RFC 9457).
pub fn problem(status: u16, detail: &str) -> Value {
    let title = StatusCode::from_u16(status).unwrap().canonical_reason();
    json!({"type": "about:blank", "title": title, "status": status, "detail": detail})
}

pub fn start() -> Server {
    start_with(QueueLimits::default(), &HttpSettings::default())
}

pub fn start_with(queue: QueueLimits, http: &HttpSettings) -> Server {
    let kafka = MockCluster::new(1).unwrap();
    kafka.create_topic(TOPIC, 1, 1).unwrap();
    let shutdown = CancellationToken::new();
    let settings = CollectorSettings {
        queue,
        truncate_ip: http.privacy.truncate_ip,
        ..CollectorSettings::new(KafkaSettings {
            kafka_brokers: kafka.bootstrap_servers(),
            kafka_topic: TOPIC.into(),
        })
    };
    let collector = Collector::start(settings, None, Health::new(), shutdown.clone()).unwrap();
    Server {
        kafka,
        router: collector::http::router(collector, http, Senders::new(http)),
        _end: shutdown.drop_guard(),
    }
}

impl Server {
    pub async fn send(&self, method: &str, address: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder().method(method).uri(address);
        self.ask(request.body(body.into()).unwrap()).await
    }

    pub async fn ask(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub async fn post(&self, address: &str, body: &Value) -> Answer {
        self.send("POST", address, body.to_string()).await
    }

    /// The first `count` events in Kafka; fails when they do not come within 10 s.
    pub fn records(&self, count: usize) -> Vec<Value> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.kafka.bootstrap_servers())
            .set("group.id", "test")
            .create()
            .unwrap();
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(TOPIC, 0, Offset::Beginning)
            .unwrap();
        consumer.assign(&from).unwrap();
        let mut records = Vec::new();
        while records.len() < count {
            let record = consumer.poll(Duration::from_secs(10));
            let record = record.expect("a record within 10 s").unwrap();
            let value: Value = serde_json::from_slice(record.payload().unwrap()).unwrap();
            // A collector's own reports travel the same way.
            if value["type"] != COLLECTOR_REPORT {
                records.push(value);
            }
        }
        records
    }
}
