//! `?wait=stored`: of every address that takes events, and of an event that went to the collector's disk first.

use crate::shop::{self, PARTITIONS, Shop, TOPIC, brokers, spooling, until};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use collector::grpc::proto::ingest::EventRequest;
use collector::grpc::proto::ingest::event_service_client::EventServiceClient;
use collector::grpc::{self, Port};
use collector::http::{self, HttpSettings, Senders};
use collector::{CollectorSettings, QueueLimits};
use domain::NextOffset;
use domain::receipt::Place;
use futures::future::join_all;
use rdkafka::Message as _;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgPool};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use store::{FirstContact, Holder, PartitionKey, Store, StoreOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
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
    consumed_before(store, vec![(partition, NextOffset(offset + 1))]).await;
}

/// The consumer has dealt with everything before these places.
async fn consumed_before(store: &Store, next: Vec<(i32, NextOffset)>) {
    let key = PartitionKey {
        topic: TOPIC.into(),
        partition: next[0].0,
    };
    let holder = Holder {
        owner: "test".into(),
        cluster_id: "cluster".into(),
    };
    let first = FirstContact { lows: next };
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

/// An address that takes events.
struct Address {
    request: &'static str,
    body: &'static str,
    status: u16,
    /// What it makes of the body: each event's type, and where in the answer its row is told of.
    events: &'static [(&'static str, &'static str)],
}

const ADDRESSES: [Address; 9] = [
    Address {
        request: "POST /track",
        body: r#"{"description":"CLICK"}"#,
        status: 200,
        events: &[("click", "")],
    },
    Address {
        request: "POST /event",
        body: r#"{"type":"session"}"#,
        status: 202,
        events: &[("session", "")],
    },
    Address {
        request: "POST /events",
        body: r#"{"event_type":"play"}"#,
        status: 202,
        events: &[("play", "")],
    },
    Address {
        request: "POST /events",
        body: r#"[{"event_type":"pause"},{"event_type":"stop"}]"#,
        status: 202,
        events: &[("pause", "/results/0"), ("stop", "/results/1")],
    },
    Address {
        request: "POST /v1/track",
        body: r#"{"event":"skip"}"#,
        status: 200,
        events: &[("skip", "")],
    },
    Address {
        request: "POST /v1/page",
        body: "{}",
        status: 200,
        events: &[("page_view", "")],
    },
    Address {
        request: "POST /v1/identify",
        body: r#"{"userId":"Ann"}"#,
        status: 200,
        events: &[("identify", "")],
    },
    Address {
        request: "POST /v1/batch",
        body: r#"{"batch":[{"type":"track","event":"seek"},{"type":"page"}]}"#,
        status: 200,
        events: &[("seek", "/results/0"), ("page_view", "/results/1")],
    },
    Address {
        request: "PUT /api/clicks/item",
        body: "",
        status: 200,
        events: &[("item_click", "")],
    },
];

/// What was told of an event's row: its type, whether it is stored, and where it lies in Kafka.
type Told = (&'static str, bool, (i32, i64));

impl Address {
    async fn tell(&self, router: Router) -> Vec<Told> {
        let (method, path) = self.request.split_once(' ').unwrap();
        let request = Request::builder()
            .method(method)
            .uri(format!("{path}?wait=stored"))
            .body(Body::from(self.body));
        let answer = router.oneshot(request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), self.status, "{}", self.request);
        let kind = &answer.headers()["content-type"];
        assert_eq!(kind, "application/json", "{}", self.request);
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
        let answer: Value = serde_json::from_slice(&bytes.unwrap()).unwrap();
        let told = |&(event_type, at): &(&'static str, &str)| {
            let row = answer.pointer(at)?;
            let partition = row["partition"].as_i64()?.try_into().ok()?;
            let offset = row["offset"].as_i64()?;
            Some((event_type, row["stored"].as_bool()?, (partition, offset)))
        };
        let told: Option<Vec<_>> = self.events.iter().map(told).collect();
        told.unwrap_or_else(|| panic!("{}: {answer}", self.request))
    }
}

/// The same over gRPC, whose answer says it in its metadata.
async fn tell_over_grpc(channel: Channel) -> Vec<Told> {
    let event = EventRequest {
        event_type: "spin".into(),
        ..EventRequest::default()
    };
    let mut request = tonic::Request::new(event);
    let stored = MetadataValue::from_static("stored");
    request.metadata_mut().insert("wait", stored);
    let answer = EventServiceClient::new(channel)
        .publish_event(request)
        .await;
    let answer = answer.unwrap();
    let text = |name| {
        answer
            .metadata()
            .get(name)
            .map(MetadataValue::<Ascii>::to_str)
    };
    let text = |name| text(name).unwrap_or_else(|| panic!("no {name}")).unwrap();
    let place = (
        text("partition").parse().unwrap(),
        text("offset").parse().unwrap(),
    );
    vec![("spin", text("stored").parse().unwrap(), place)]
}

/// Sends to every address at the same time, and waits for the rows.
async fn tell_everywhere(router: &Router, channel: &Channel) -> Vec<Told> {
    let over_http = ADDRESSES.iter().map(|address| address.tell(router.clone()));
    let (over_http, over_grpc) = tokio::join!(join_all(over_http), tell_over_grpc(channel.clone()));
    let told: Vec<_> = over_http.into_iter().flatten().chain(over_grpc).collect();
    assert_eq!(told.len(), 12);
    told
}

#[sqlx::test(migrations = "../migrations")]
async fn every_address_of_events_can_be_waited_at(pool: PgPool) {
    let (kafka, store) = (shop::cluster(), store(&pool));
    let shop = Shop::with_store(shop::settings(&kafka), store.clone());
    let router = router(&shop);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let end = CancellationToken::new();
    let _end = end.clone().drop_guard();
    let senders = Senders::new(&HttpSettings::default());
    let port = Port::new(shop.collector.clone(), senders, 100);
    tokio::spawn(grpc::serve(listener, port, end));
    let endpoint = Endpoint::from_shared(address).unwrap();
    let channel = endpoint.connect().await.unwrap();

    // Nobody consumes.
    let began = Instant::now();
    let unread = tell_everywhere(&router, &channel).await;
    assert!(began.elapsed() >= WAIT_MAX, "{:?}", began.elapsed());
    assert!(unread.iter().all(|(_, stored, _)| !stored), "{unread:?}");

    // As if the consumer were always there first.
    let far = (0..PARTITIONS).map(|partition| (partition, NextOffset(1_000)));
    consumed_before(&store, far.collect()).await;
    let read = tell_everywhere(&router, &channel).await;
    assert!(read.iter().all(|(_, stored, _)| *stored), "{read:?}");

    let places: HashSet<_> = unread.iter().chain(&read).map(|told| told.2).collect();
    assert_eq!(places.len(), 24, "each event has a place of its own");
    for (event_type, _, place) in unread.iter().chain(&read) {
        let record = shop::read(&kafka, *place);
        let record: Value = serde_json::from_slice(record.payload().unwrap()).unwrap();
        assert_eq!(record["type"], *event_type, "{place:?}");
    }
}
