//! The way into Kafka and what the caller hears when Kafka misbehaves and there is no spool.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

mod shop;

use collector::{AcceptError, Accepted, Collector, CollectorSettings, Draft, QueueLimits, Waited};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use service::health::Health;
use shop::{Kafka, Shop, TOPIC, brokers, place, read, settings, view};
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use uuid::Uuid;

fn start() -> (Kafka, Shop) {
    start_with(QueueLimits::default())
}

fn start_with(queue: QueueLimits) -> (Kafka, Shop) {
    let kafka = shop::cluster();
    let settings = CollectorSettings {
        queue,
        ..settings(&kafka)
    };
    let shop = Shop::start(settings);
    (kafka, shop)
}

fn is_unavailable<T>(result: &Result<T, AcceptError>) -> bool {
    matches!(result, Err(AcceptError::Unavailable { .. }))
}

/// Lets a request hand over its messages, without waiting for their answers.
async fn send<F: Future>(mut request: Pin<&mut F>) {
    poll_fn(|cx| {
        assert!(request.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Tries until the collector accepts; fails after 15 s.
async fn accepted_again(collector: &Collector) -> Accepted {
    let started = Instant::now();
    loop {
        match collector.accept_one(view("Ann")).await {
            Ok(accepted) => return accepted,
            Err(error) => assert!(
                started.elapsed() < Duration::from_secs(15),
                "still {error:?}"
            ),
        }
    }
}

/// Waits until the part `kafka` is ready, or not; fails after 15 s.
async fn kafka_is_ready(health: &Health, wanted: bool) {
    let started = Instant::now();
    while health.report().ready != wanted {
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "still {:?}",
            health.report()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_accepted_event_lies_where_its_receipt_says() {
    let (kafka, shop) = start();
    let accepted = shop.collector.accept_one(view("Ann")).await.unwrap();
    let record = read(&kafka, place(&accepted));
    assert_eq!(record.payload().unwrap(), accepted.json.as_bytes());
    assert_eq!(record.key().unwrap(), b"Ann");
    let headers: HashMap<String, String> = record
        .headers()
        .unwrap()
        .iter()
        .map(|h| {
            let value = String::from_utf8(h.value.unwrap().to_vec()).unwrap();
            (h.key.to_owned(), value)
        })
        .collect();
    assert_eq!(headers["event"], "page_view");
    assert_eq!(
        headers["event_id"],
        accepted.receipt.event_id.hyphenated().to_string()
    );
    assert_eq!(headers["schema"], "1");
    let json: serde_json::Value = serde_json::from_str(&accepted.json).unwrap();
    assert_eq!(json["boot"], shop.collector.boot().to_string());
    kafka_is_ready(&shop.health, true).await;
}

#[tokio::test]
async fn a_thousand_events_of_one_request_wake_the_caller_once() {
    let (_kafka, shop) = start();
    // The first event pays for the connections.
    shop.collector.accept_one(view("warm")).await.unwrap();
    let names: Vec<_> = (0..1000).map(|n| format!("visitor {}", n % 50)).collect();
    let drafts = names.iter().map(|name| view(name)).collect();
    let polls = AtomicUsize::new(0);
    let accepted = {
        let mut accepting = pin!(shop.collector.accept(drafts));
        poll_fn(|cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            accepting.as_mut().poll(cx)
        })
        .await
        .unwrap()
    };
    assert_eq!(
        polls.into_inner(),
        2,
        "one to send, one when all is answered"
    );
    assert_eq!(accepted.len(), 1000);
    let mut last = HashMap::new();
    for (name, accepted) in names.iter().zip(&accepted) {
        let json: serde_json::Value = serde_json::from_str(&accepted.json).unwrap();
        assert_eq!(json["username"], name.as_str());
        let (partition, offset) = place(accepted);
        if let Some((before_partition, before)) = last.insert(name, (partition, offset)) {
            assert_eq!(partition, before_partition, "a visitor has one partition");
            assert!(offset > before, "a visitor's events keep their order");
        }
    }
}

#[tokio::test]
async fn the_partition_is_the_one_that_a_java_client_would_choose() {
    let (_kafka, shop) = start();
    // The hashes are the test vectors of the Java client's murmur2.
    for (key, hash) in [("21", -973_932_308_i32), ("foobar", -790_332_482)] {
        let accepted = shop.collector.accept_one(view(key)).await.unwrap();
        assert_eq!(place(&accepted).0, (hash & 0x7fff_ffff) % 6, "{key}");
    }
}

#[tokio::test]
async fn a_broken_rule_produces_nothing_of_the_request() {
    let (_kafka, shop) = start();
    let refused = shop
        .collector
        .accept(vec![view("Ann"), view("B\0b")])
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, AcceptError::Invalid(why) if why.code() == "field"),
        "{refused:?}"
    );
    assert_eq!(shop.collector.accept(Vec::new()).await, Ok(Vec::new()));
    let first = shop.collector.accept_one(view("Ann")).await.unwrap();
    assert_eq!(place(&first).1, 0, "the first record of its partition");
}

#[tokio::test]
async fn brokers_that_refuse_mean_unavailable_within_two_seconds() {
    let (kafka, shop) = start();
    shop.collector.accept_one(view("Ann")).await.unwrap();
    let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 500];
    kafka.request_errors(RDKafkaApiKey::Produce, &refusals);
    let started = Instant::now();
    let refused = shop.collector.accept_one(view("Ann")).await;
    assert!(is_unavailable(&refused), "{refused:?}");
    assert!(started.elapsed() < Duration::from_millis(2200));
    assert!(
        !shop.health.report().ready,
        "also while the brokers say that all is well"
    );
    kafka.clear_request_errors(RDKafkaApiKey::Produce);
    accepted_again(&shop.collector).await;
    assert!(shop.health.report().ready);
}

#[tokio::test]
async fn a_refusal_that_passes_is_not_noticed() {
    let (kafka, shop) = start();
    let refusals = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    kafka.request_errors(RDKafkaApiKey::Produce, &refusals);
    shop.collector.accept_one(view("Ann")).await.unwrap();
}

#[tokio::test]
async fn brokers_may_be_away_at_the_start_and_come_later() {
    let kafka = MockCluster::new(1).unwrap();
    kafka.create_topic(TOPIC, 6, 1).unwrap();
    kafka.broker_down(1).unwrap();
    let Shop {
        collector, health, ..
    } = &Shop::start(settings(&kafka));
    let started = Instant::now();
    assert!(is_unavailable(&collector.accept_one(view("Ann")).await));
    assert!(started.elapsed() < Duration::from_millis(2200));
    kafka_is_ready(health, false).await;
    kafka.broker_up(1).unwrap();
    accepted_again(collector).await;
    kafka_is_ready(health, true).await;
}

#[tokio::test]
async fn a_request_that_does_not_fit_the_queue_is_refused_whole_and_at_once() {
    let (kafka, shop) = start_with(QueueLimits {
        messages: 10,
        bytes: 1 << 20,
    });
    brokers(&kafka, false);
    let mut waiting = pin!(shop.collector.accept((0..8).map(|_| view("Ann")).collect()));
    send(waiting.as_mut()).await;
    let started = Instant::now();
    let refused = shop
        .collector
        .accept((0..3).map(|_| view("Bob")).collect())
        .await;
    assert_eq!(refused, Err(AcceptError::Overloaded));
    assert!(started.elapsed() < Duration::from_millis(100));
    assert!(is_unavailable(&waiting.await));
    brokers(&kafka, true);
    accepted_again(&shop.collector).await;
}

#[tokio::test]
async fn a_caller_that_leaves_breaks_nothing_and_its_room_comes_back() {
    let (_kafka, shop) = start_with(QueueLimits {
        messages: 100,
        bytes: 1 << 20,
    });
    for _ in 0..5 {
        let drafts = (0..100).map(|_| view("Ann")).collect();
        let left =
            tokio::time::timeout(Duration::from_micros(1), shop.collector.accept(drafts)).await;
        drop(left);
        let started = Instant::now();
        while shop.collector.accept_one(view("Bob")).await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Many go by another of librdkafka's clients than one does, and nobody waits for an answer here.
#[tokio::test]
async fn a_visitors_events_stay_in_order_however_many_come_at_once() {
    let (_kafka, shop) = start();
    kafka_is_ready(&shop.health, true).await;
    let accept = async |events: usize, after: u64| {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let drafts = (0..events).map(|_| view("Ann")).collect();
        shop.collector.accept(drafts).await
    };
    // A batch with few messages and then one with many, and the other way round: the 300 linger for 10 ms, and take in
    // what comes within 5.
    for burst in [
        [(1, 0), (300, 2), (1, 2), (3, 2)],
        [(300, 0), (1, 8), (1, 9), (2, 12)],
    ] {
        // No lane rests after so long.
        tokio::time::sleep(Duration::from_millis(250)).await;
        let requests = burst.map(|(events, after)| accept(events, after));
        let mut offsets = Vec::new();
        for accepted in futures::future::try_join_all(requests).await.unwrap() {
            offsets.extend(accepted.iter().map(|event| place(event).1));
        }
        assert!(offsets.len() > 300 && offsets.is_sorted(), "{offsets:?}");
    }
}

#[tokio::test]
async fn a_client_that_cannot_go_on_is_replaced() {
    let kafka = shop::cluster();
    // More than enough for both of librdkafka's clients, and for those that replace them.
    let fatal = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED; 50];
    kafka.request_errors(RDKafkaApiKey::InitProducerId, &fatal);
    let shop = Shop::start(settings(&kafka));
    let refused = shop.collector.accept_one(view("Ann")).await;
    assert!(is_unavailable(&refused), "{refused:?}");
    kafka.clear_request_errors(RDKafkaApiKey::InitProducerId);
    accepted_again(&shop.collector).await;
    let began = Instant::now();
    loop {
        let many = (0..300).map(|_| view("Ann")).collect();
        match shop.collector.accept(many).await {
            Ok(_) => break,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(15), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn the_same_id_stays_the_same_when_it_is_tried_again() {
    let (_kafka, shop) = start();
    let again = Draft {
        event_id: Some(Uuid::from_u128(7)),
        client_id: true,
        ..view("Ann")
    };
    for _ in 0..2 {
        let accepted = shop.collector.accept_one(again.clone()).await.unwrap();
        assert_eq!(accepted.receipt.event_id, Uuid::from_u128(7));
        assert!(accepted.json.contains(r#""client_id":true"#));
    }
}

#[tokio::test]
async fn without_a_database_nothing_is_known_to_be_stored() {
    let (_kafka, shop) = start();
    let accepted = shop.collector.accept_one(view("Ann")).await.unwrap();
    let waited = shop
        .collector
        .wait_stored(&accepted.receipt, Duration::from_secs(50))
        .await;
    assert_eq!(waited, Waited::NotYet);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_waits_for_what_is_on_its_way() {
    let (_kafka, shop) = start();
    let mut accepting = pin!(
        shop.collector
            .accept((0..100).map(|_| view("Ann")).collect())
    );
    send(accepting.as_mut()).await;
    shop.collector.shutdown().await;
    assert_eq!(accepting.await.unwrap().len(), 100);
}
