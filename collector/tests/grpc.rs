//! gRPC as its clients meet it, over a real connection: statuses, messages, and the record that then lies in
//! Kafka (librdkafka's own mock cluster).
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

mod shop;

use collector::grpc::proto::click_count_app::click_count_app_client::ClickCountAppClient;
use collector::grpc::proto::click_count_app::{ClickCounts, GetClicksRequest, SetClicksRequest};
use collector::grpc::proto::ingest::event_service_client::EventServiceClient;
use collector::grpc::proto::ingest::{EventRequest, EventResponse};
use collector::grpc::{self, Port};
use collector::http::{HttpSettings, Senders};
use collector::{CollectorSettings, IntakeLimits, QueueLimits};
use futures::stream;
use rdkafka::Message as _;
use rstest::rstest;
use serde_json::{Value, json};
use shop::{Kafka, Reader, Shop, brokers, cluster, settings};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

const ID: &str = "0190a8f2-0000-7000-8000-00000000000a";
const EVENTS: &str = "ingest.EventService";
const COUNTS: &str = "clickCountApp.ClickCountApp";

struct Server {
    kafka: Kafka,
    channel: Channel,
    stop: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
    _shop: Shop,
}

async fn start() -> Server {
    let kafka = cluster();
    let settings = settings(&kafka);
    start_with(kafka, settings).await
}

async fn start_with(kafka: Kafka, settings: CollectorSettings) -> Server {
    start_for(kafka, settings, &HttpSettings::default()).await
}

/// A collector without a database, and a connection to it.
async fn start_for(kafka: Kafka, settings: CollectorSettings, http: &HttpSettings) -> Server {
    let shop = Shop::start(settings);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let end = CancellationToken::new();
    let port = Port::new(shop.collector.clone(), Senders::new(http), 100);
    let served = tokio::spawn(grpc::serve(listener, port, end.clone()));
    let endpoint = Endpoint::from_shared(address).unwrap();
    Server {
        kafka,
        channel: endpoint.connect().await.unwrap(),
        stop: end,
        served,
        _shop: shop,
    }
}

impl Server {
    async fn publish(
        &self,
        event: impl tonic::IntoRequest<EventRequest>,
    ) -> Result<Response<EventResponse>, Status> {
        let mut client = EventServiceClient::new(self.channel.clone());
        client.publish_event(event).await
    }

    fn counts(&self) -> ClickCountAppClient<Channel> {
        ClickCountAppClient::new(self.channel.clone())
    }

    fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel.clone())
    }

    /// The first `count` events in Kafka, in the order of their ids.
    fn records(&self, count: usize) -> Vec<Value> {
        let reader = Reader::new(&self.kafka);
        let mut reports = Vec::new();
        let next = |_| {
            let record = reader.next_event(&mut reports);
            serde_json::from_slice(record.payload().unwrap()).unwrap()
        };
        let mut records: Vec<Value> = (0..count).map(next).collect();
        records.sort_by_key(|record| record["event_id"].to_string());
        records
    }
}

fn event(event_type: &str) -> EventRequest {
    EventRequest {
        event_type: event_type.into(),
        ..EventRequest::default()
    }
}

fn asking(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.into(),
    }
}

#[tokio::test]
async fn an_event_is_queued_with_every_field_in_its_place() {
    let server = start().await;
    let meta = [("plan", "free"), ("", "nameless")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let sent = EventRequest {
        id: ID.into(),
        user_id: "Ann".into(),
        event_type: "signup".into(),
        url: "http://x/a".into(),
        referrer: "http://x/".into(),
        ts: "2026-05-01T12:00:00+02:00".into(),
        meta: meta.into(),
    };
    let answer = server.publish(sent).await.unwrap();
    assert!(answer.metadata().get("stored").is_none());
    let wanted = EventResponse {
        status: "queued".into(),
        id: ID.into(),
    };
    assert_eq!(answer.into_inner(), wanted);
    let record = &server.records(1)[0];
    for (key, value) in [
        ("event_id", json!(ID)),
        ("client_id", json!(true)),
        ("type", json!("signup")),
        ("username", json!("Ann")),
        ("url", json!("http://x/a")),
        ("referrer", json!("http://x/")),
        ("occurred_at", json!("2026-05-01T10:00:00.000000Z")),
        ("properties", json!({"plan": "free", "": "nameless"})),
        ("source", json!("grpc")),
        ("count", json!(1)),
    ] {
        assert_eq!(record[key], value, "{key}");
    }
}

#[tokio::test]
async fn little_is_enough_and_a_time_that_is_none_is_kept_beside() {
    let server = start().await;
    let sent = EventRequest {
        ts: "yesterday".into(),
        ..event("click")
    };
    let answer = server.publish(sent).await.unwrap().into_inner();
    let minted: Uuid = answer.id.parse().unwrap();
    assert_eq!(minted.get_version_num(), 7);
    let record = &server.records(1)[0];
    assert_eq!(record["event_id"], answer.id);
    assert_eq!(record["client_id"], false);
    assert!(record["username"].is_null() && record.get("url").is_none());
    assert_eq!(record["properties"], json!({"ts": "yesterday"}));
    assert_eq!(record["occurred_at"], record["received_at"]);
}

#[tokio::test]
async fn any_text_is_an_id_and_the_same_id_the_same_event() {
    let server = start().await;
    for _ in 0..2 {
        let sent = EventRequest {
            id: "order-17".into(),
            ..event("click")
        };
        let answer = server.publish(sent).await.unwrap();
        assert_eq!(answer.into_inner().id, "order-17");
    }
    let records = server.records(2);
    assert_eq!(records[0]["event_id"], records[1]["event_id"]);
    assert_eq!(records[0]["properties"]["id"], "order-17");
}

#[rstest]
#[case(event(""), "event_type: is missing")]
#[case(
    event("collector_report"),
    "event_type: is what collectors call their own reports"
)]
#[case(event(&"x".repeat(65)), "event_type: has more than 64 characters")]
#[case(EventRequest { user_id: "x".repeat(257), ..event("x") }, "user_id: has more than 256 characters")]
#[case(EventRequest { user_id: "x".repeat(33), ..event("add_to_cart") }, "user_id: has more than 32 characters")]
#[case(EventRequest { id: "null".into(), ..event("x") }, "id: is no id, but what a program writes that has none")]
#[case(EventRequest { meta: [("a".to_owned(), "\0".to_owned())].into(), ..event("x") }, "meta: contains the NUL character")]
#[tokio::test]
async fn an_event_that_breaks_a_rule_is_invalid(#[case] sent: EventRequest, #[case] why: &str) {
    let refused = start().await.publish(sent).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.message(), why);
}

#[tokio::test]
async fn a_message_may_have_32_kib() {
    let server = start().await;
    let of_size = |bytes: usize| EventRequest {
        meta: [("k".to_owned(), "x".repeat(bytes))].into(),
        ..event("x")
    };
    let refused = server.publish(of_size(32 * 1024)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    server.publish(of_size(32 * 1024 - 100)).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_kept_is_unavailable_with_the_time_to_come_again() {
    let server = start().await;
    brokers(&server.kafka, false);
    let refused = server.publish(event("x")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(refused.message(), "temporarily unavailable");
    let hint = refused.metadata().get("grpc-retry-pushback-ms");
    assert_eq!(hint.unwrap(), "2000");
}

#[tokio::test]
async fn more_than_may_wait_is_unavailable_at_once() {
    let kafka = cluster();
    let no_room = CollectorSettings {
        queue: QueueLimits {
            messages: 1,
            bytes: 8,
        },
        ..settings(&kafka)
    };
    let server = start_with(kafka, no_room).await;
    let refused = server.publish(event("x")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let hint = refused.metadata().get("grpc-retry-pushback-ms");
    assert_eq!(hint.unwrap(), "1000");
}

#[tokio::test]
async fn a_call_for_which_there_is_no_room_is_told_when_to_come_again() {
    let kafka = cluster();
    brokers(&kafka, false);
    let one_at_a_time = CollectorSettings {
        intake: IntakeLimits {
            bytes: 8 << 10,
            wait: Duration::from_millis(200),
        },
        ..settings(&kafka)
    };
    let server = start_with(kafka, one_at_a_time).await;
    // The first one waits for Kafka, with its room.
    let (first, second) = tokio::join!(server.publish(event("x")), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.publish(event("y")).await
    });
    let hint = |refused: Status| {
        assert_eq!(refused.code(), Code::Unavailable);
        assert_eq!(refused.message(), "temporarily unavailable");
        let hint = refused.metadata().get("grpc-retry-pushback-ms");
        hint.unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(hint(second.unwrap_err()), "1000", "not read");
    assert_eq!(hint(first.unwrap_err()), "2000", "read, and not kept");
    // Its room is free again.
    let third = server.publish(event("z")).await;
    assert_eq!(hint(third.unwrap_err()), "2000");
}

#[tokio::test]
async fn who_sends_too_many_is_told_when_to_come_again() {
    let kafka = cluster();
    let (settings, mut http) = (settings(&kafka), HttpSettings::default());
    http.limits.rate_limit_address = 1;
    http.proxies.trusted_proxies = "127.0.0.1".parse().unwrap();
    let server = start_for(kafka, settings, &http).await;
    let from = |client: &str| {
        let mut call = Request::new(event("x"));
        let client = client.parse().unwrap();
        call.metadata_mut().insert("x-forwarded-for", client);
        server.publish(call)
    };
    let set = || {
        let mut counts = server.counts();
        async move { counts.set_clicks(SetClicksRequest::default()).await }
    };
    from("10.0.0.1").await.unwrap();
    set().await.unwrap();
    // On a slow machine another second may have begun.
    let (mut publish, mut change) = (Ok(()), Ok(()));
    for _ in 0..20 {
        publish = publish.and(from("10.0.0.1").await.map(drop));
        change = change.and(set().await.map(drop));
    }
    for refused in [publish.unwrap_err(), change.unwrap_err()] {
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(refused.message(), "too many requests");
        let hint = refused.metadata().get("grpc-retry-pushback-ms");
        assert_eq!(hint.unwrap(), "1000");
    }
    from("10.0.0.2").await.unwrap();
    // Reading the totals is nothing that is limited.
    let mut counts = server.counts();
    let unknown = counts.get_clicks(GetClicksRequest {}).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unavailable);
}

#[tokio::test]
async fn who_waits_is_told_the_place_and_whether_it_is_a_row() {
    let server = start().await;
    let mut request = Request::new(event("x"));
    let metadata = request.metadata_mut();
    metadata.insert("wait", "stored".parse().unwrap());
    let answer = server.publish(request).await.unwrap();
    let told = |name| answer.metadata().get(name).unwrap().to_str().unwrap();
    assert_eq!(told("stored"), "false", "there is no database to ask");
    assert!((0..shop::PARTITIONS).contains(&told("partition").parse().unwrap()));
    assert_eq!(told("offset"), "0");
}

#[tokio::test]
async fn without_a_database_increases_are_kept_and_totals_are_not_known() {
    let server = start().await;
    let mut counts = server.counts();
    let refused = counts.get_clicks(GetClicksRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let hint = refused.metadata().get("grpc-retry-pushback-ms");
    assert_eq!(hint.unwrap(), "1000");
    let set = |item, add_to_cart, buy| SetClicksRequest {
        click_counts: Some(ClickCounts {
            item,
            add_to_cart,
            buy,
        }),
    };
    // Nothing is no crash, and no first word either.
    counts
        .set_clicks(SetClicksRequest::default())
        .await
        .unwrap();
    counts.set_clicks(set(100, 100, 100)).await.unwrap();
    counts.set_clicks(set(117, 100, 101)).await.unwrap();
    let mut records = server.records(2);
    records.sort_by_key(|record| record["type"].to_string());
    for (record, (kind, count)) in records.iter().zip([("buy", 1), ("item_click", 17)]) {
        assert_eq!(
            (&record["type"], &record["count"]),
            (&kind.into(), &count.into())
        );
        assert_eq!(record["source"], "counter");
        assert!(record["username"].is_null());
    }
    let large = Request::new(tonic_health::pb::HealthCheckRequest {
        service: "x".repeat(100),
    });
    let unknown = server.health().check(large).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test]
async fn health_tells_of_each_service_by_itself() {
    let server = start().await;
    for (service, status) in [
        ("", ServingStatus::Serving),
        (EVENTS, ServingStatus::Serving),
        (COUNTS, ServingStatus::NotServing),
    ] {
        let answer = server.health().check(asking(service)).await.unwrap();
        assert_eq!(answer.into_inner().status(), status, "{service:?}");
    }
}

#[tokio::test]
async fn reflection_tells_what_there_is_in_both_versions() {
    let server = start().await;
    let (channel, other) = (server.channel.clone(), server.channel.clone());
    {
        use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::v1::server_reflection_response::MessageResponse as Answer;
        use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_request as ask};
        let request = |what| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(what),
        };
        let asked = stream::iter([
            request(ask::MessageRequest::ListServices(String::new())),
            request(ask::MessageRequest::FileContainingSymbol(COUNTS.into())),
        ]);
        let mut client = ServerReflectionClient::new(channel);
        let answers = client.server_reflection_info(asked).await.unwrap();
        let mut answers = answers.into_inner();
        let mut next = async || {
            let answer = answers.message().await.unwrap().unwrap();
            answer.message_response.unwrap()
        };
        let Answer::ListServicesResponse(listed) = next().await else {
            panic!("no list");
        };
        let mut names: Vec<_> = listed.service.into_iter().map(|s| s.name).collect();
        names.retain(|name| !name.starts_with("grpc.reflection."));
        names.sort();
        assert_eq!(names, [COUNTS, "grpc.health.v1.Health", EVENTS]);
        let Answer::FileDescriptorResponse(file) = next().await else {
            panic!("no file");
        };
        let file = String::from_utf8_lossy(&file.file_descriptor_proto[0]).into_owned();
        assert!(
            file.contains("addToCart") && file.contains("SetClicks"),
            "{file}"
        );
    }
    {
        use tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::v1alpha::{
            ServerReflectionRequest, server_reflection_request as ask,
        };
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(ask::MessageRequest::FileContainingSymbol(EVENTS.into())),
        };
        let mut client = ServerReflectionClient::new(other);
        let answers = client.server_reflection_info(stream::iter([request])).await;
        let answer = answers.unwrap().into_inner().message().await.unwrap();
        assert!(answer.unwrap().message_response.is_some());
    }
}

#[tokio::test]
async fn told_to_stop_it_answers_what_it_has_begun_and_lets_watchers_go() {
    let server = start().await;
    let watching = server.health().watch(asking(EVENTS)).await.unwrap();
    let mut watching = watching.into_inner();
    let first = watching.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    // Kafka is away, so the call waits for two seconds: it has begun when the next is answered.
    brokers(&server.kafka, false);
    let mut client = EventServiceClient::new(server.channel.clone());
    let begun = tokio::spawn(async move { client.publish_event(event("x")).await });
    tokio::task::yield_now().await;
    server.health().check(asking("")).await.unwrap();
    let told = Instant::now();
    server.stop.cancel();
    let then = watching.message().await.unwrap().unwrap();
    assert_eq!(then.status(), ServingStatus::NotServing);
    assert!(watching.message().await.unwrap().is_none());
    let answered = begun.await.unwrap().unwrap_err();
    assert_eq!(answered.message(), "temporarily unavailable");
    server.served.await.unwrap().unwrap();
    assert!(told.elapsed() < Duration::from_secs(8));
}
