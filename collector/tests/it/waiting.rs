//! `?wait=stored` of an event that went to the collector's disk first.

use crate::shop::{self, Shop, TOPIC, brokers, spooling, until};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use collector::http::{self, HttpSettings, Senders};
use collector::{CollectorSettings, QueueLimits};
use domain::NextOffset;
use domain::receipt::Place;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgPool};
use std::time::{Duration, Instant};
use store::{FirstContact, Holder, PartitionKey, Store, StoreOptions};
use tower::ServiceExt as _;
use uuid::Uuid;

/// How long the collector waits for a row at most.
const WAIT_MAX: Duration = Duration::from_secs(2);

fn store(pool: &PgPool) -> Store {
    let url = pool.connect_options().to_url_lossy();
    Store::connect_lazy(url.as_str(), &StoreOptions::default()).unwrap()
}

fn router(shop: &Shop) -> Router {
    let settings = HttpSettings::default();
    http::router(shop.collector.clone(), &settings, Senders::new(&settings))
}

/// Sends one event and waits for its row; what the answer says, and how long that took.
async fn post(router: Router, id: Uuid) -> (Value, Duration) {
    let body = json!({ "id": id, "type": "click", "user_id": "Ann" }).to_string();
    let request = Request::post("/event?wait=stored").body(Body::from(body));
    let began = Instant::now();
    let answer = router.oneshot(request.unwrap()).await.unwrap();
    let took = began.elapsed();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
    (serde_json::from_slice(&bytes.unwrap()).unwrap(), took)
}

/// The consumer has dealt with everything up to this place.
async fn consumed(store: &Store, place: Place) {
    let Place::Kafka { partition, offset } = place else {
        panic!("it is not in Kafka");
    };
    let key = PartitionKey {
        topic: TOPIC.into(),
        partition,
    };
    let holder = Holder {
        owner: "test".into(),
        cluster_id: "cluster".into(),
    };
    let first = FirstContact {
        lows: vec![(partition, NextOffset(offset + 1))],
    };
    store.acquire(&key, &holder, &first).await.unwrap();
}

#[sqlx::test(migrations = "../migrations")]
async fn while_kafka_is_away_the_answer_is_not_stored_and_comes_in_time(pool: PgPool) {
    let (kafka, folder) = (shop::cluster(), tempfile::tempdir().unwrap());
    brokers(&kafka, false);
    let shop = Shop::with_store(spooling(&kafka, folder.path()), store(&pool));
    let router = router(&shop);
    let id = Uuid::from_u128(1);
    let (answer, took) = post(router, id).await;
    assert_eq!(
        answer,
        json!({ "id": id, "status": "accepted", "stored": false, "partition": null, "offset": null })
    );
    assert_eq!(shop.collector.spool_state().unwrap().waiting_events, 1);
    // Some time for Kafka's answer, and then for the row.
    assert!(took >= WAIT_MAX && took < 4 * WAIT_MAX, "{took:?}");
}

#[sqlx::test(migrations = "../migrations")]
async fn an_event_from_the_disk_is_stored_when_the_consumer_has_passed_it(pool: PgPool) {
    let (kafka, folder, store) = (shop::cluster(), tempfile::tempdir().unwrap(), store(&pool));
    let no_room = QueueLimits {
        messages: 0,
        bytes: 0,
    };
    // Everything takes the way over the disk, and from there to Kafka at once.
    let settings = CollectorSettings {
        queue: no_room,
        ..spooling(&kafka, folder.path())
    };
    let shop = Shop::with_store(settings, store.clone());
    let router = router(&shop);

    let unread = Uuid::from_u128(1);
    let (answer, took) = post(router.clone(), unread).await;
    let Some(Place::Kafka { partition, offset }) = shop.collector.place_of(unread) else {
        panic!("it is not in Kafka: {answer}");
    };
    assert_eq!(
        answer,
        json!({ "id": unread, "status": "accepted", "stored": false, "partition": partition, "offset": offset })
    );
    assert!(took >= WAIT_MAX, "{took:?}");

    let read = Uuid::from_u128(2);
    let asked = tokio::spawn(post(router, read));
    let place = until(|| shop.collector.place_of(read), Option::is_some).await;
    consumed(&store, place.unwrap()).await;
    let (answer, _) = asked.await.unwrap();
    // A collector's own report may have come between them.
    let Some(Place::Kafka { partition, offset }) = place else {
        panic!("it is not in Kafka: {answer}");
    };
    assert_eq!(
        answer,
        json!({ "id": read, "status": "accepted", "stored": true, "partition": partition, "offset": offset })
    );
}
