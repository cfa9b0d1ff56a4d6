//! Every address of the running process, with what its contract promises: the status, each header that says
//! something, and the body to its last byte.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

mod alone;
mod shop;

use alone::Process;
use alone::call::{Call, JSON, PROBLEM, TEXT, ask_all, call, problem};
use collector::grpc::proto::click_count_app::click_count_app_client::ClickCountAppClient;
use collector::grpc::proto::click_count_app::{ClickCounts, GetClicksRequest, SetClicksRequest};
use collector::grpc::proto::ingest::EventRequest;
use collector::grpc::proto::ingest::event_service_client::EventServiceClient;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

const ID: &str = "0190a8f2-0000-7000-8000-00000000000a";
const OK: &str = r#"{"code":200,"message":"OK"}"#;
const HEALTHY: &str = r#"{"service":"analytics-producer","status":"healthy"}"#;
const QUEUED: &str = r#"{"id":"{id}","status":"queued"}"#;
const SUCCESS: &str = r#"{"success":true}"#;

/// A process with a Kafka that takes everything.
async fn with_kafka(settings: &[(&str, &str)]) -> (shop::Kafka, Process) {
    let kafka = shop::cluster();
    let brokers = kafka.bootstrap_servers();
    let brokers = [("KAFKA_BROKERS", brokers.as_str())];
    let process = Process::start_with(&[&brokers, settings].concat());
    process.until_ready().await;
    (kafka, process)
}

/// An address that is only read.
fn only_read(asked: &'static str) -> Call {
    let words = problem(405, "Method Not Allowed", "");
    call(asked, "")
        .says(405, PROBLEM, words)
        .with("allow: GET, HEAD")
}

/// An event of more than 32 KiB.
fn too_large(asked: &'static str) -> Call {
    call(asked, format!(r#"{{"x":"{}"}}"#, "x".repeat(32 * 1024)))
}

fn too_large_problem() -> String {
    problem(413, "Payload Too Large", "the request is too large")
}

/// `/`, `/health`, and whatever there is not.
fn about() -> Vec<Call> {
    vec![
        call("GET /", "").says(200, JSON, OK),
        call("HEAD /", "").says(200, JSON, ""),
        only_read("POST /"),
        call("GET /nowhere", "").says(404, PROBLEM, problem(404, "Not Found", "")),
        call("POST /v1/nowhere", "{}").says(404, PROBLEM, problem(404, "Not Found", "")),
        call("GET /health", "").says(200, JSON, HEALTHY),
        call("DELETE /health", "").says(200, JSON, HEALTHY),
        call("GET /tracker.js", "")
            .says(200, "text/javascript; charset=utf-8", "(() => {…")
            .with("cache-control: public, max-age=3600")
            .with("vary: accept-encoding")
            .with("etag: W/\"…")
            .with("cross-origin-resource-policy: cross-origin"),
        only_read("POST /tracker.js"),
        call("GET /docs", "")
            .says(200, "text/html; charset=utf-8", "<!DOCTYPE html>…")
            .with("content-security-policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        only_read("DELETE /docs"),
        call("GET /docs/openapi.json", "").says(200, JSON, r#"{"components":{"schemas":…"#),
        only_read("PUT /docs/openapi.json"),
    ]
}

/// `/track`.
fn track() -> Vec<Call> {
    let json = r#"{"error":"incorrect json format"}"#;
    let event = r#"{"error":"invalid event"}"#;
    vec![
        call(
            "POST /track",
            r##"{"username":"Ann","target":"#buy","description":"CLICK"}"##,
        )
        .says(200, JSON, OK),
        call(
            "POST /track",
            format!(r#"{{"id":"{ID}","description":"VIEW"}}"#),
        )
        .says(200, JSON, OK),
        call("POST /track?wait=stored", r#"{"description":"VIEW"}"#).says(
            200,
            JSON,
            r#"{"code":200,"message":"OK","stored":false,"partition":…"#,
        ),
        call("POST /track", r#"{"username":"Ann""#).says(400, JSON, json),
        call("POST /track", r#"{"description":"CLICK"} x"#).says(400, JSON, json),
        call("POST /track", r#"{"description":"CLICK","id":"x"}"#).says(400, JSON, json),
        call("POST /track", r#"{"description":"HOVER"}"#).says(400, JSON, event),
        call("GET /track", "")
            .says(405, JSON, r#"{"error":"method not allowed"}"#)
            .with("allow: POST"),
        too_large("POST /track").says(413, JSON, r#"{"error":"the request is too large"}"#),
    ]
}

/// `/event`.
fn event() -> Vec<Call> {
    vec![
        call(
            "POST /event",
            r#"{"type":"page_view","user_id":"Ann","metadata":{"k":["v"]}}"#,
        )
        .says(202, JSON, r#"{"id":"{id}","status":"accepted"}"#),
        call("POST /event", r#"{"type":"click","id":"order-17"}"#).says(
            202,
            JSON,
            r#"{"id":"order-17","status":"accepted"}"#,
        ),
        call("POST /event?wait=stored", r#"{"type":"custom"}"#).says(
            202,
            JSON,
            r#"{"id":"{id}","status":"accepted","stored":false,"partition":…"#,
        ),
        call("POST /event", "{").says(
            400,
            TEXT,
            "Invalid request body: EOF while parsing an object at line 1 column 1",
        ),
        call("POST /event", r#"{"type":"purchase"}"#).says(
            400,
            TEXT,
            "Invalid request body: type: must be one of page_view, click, session, custom",
        ),
        call("GET /event", "")
            .says(405, TEXT, "Method not allowed")
            .with("allow: POST"),
        too_large("POST /event").says(413, PROBLEM, too_large_problem()),
    ]
}

/// `/events`.
fn events() -> Vec<Call> {
    let two = r#"{"results":[{"id":"{id}","status":"queued"},{"id":null,"status":"refused","error":"event_type: is missing"}]}"#;
    let none = r#"{"results":[{"id":null,"status":"refused","error":"event_type: is missing"}]}"#;
    let many = format!("[{}{{}}]", "{},".repeat(2_500));
    vec![
        call("POST /events", r#"{"event_type":"play","meta":{"song":7}}"#).says(202, JSON, QUEUED),
        call("POST /events", r#"[{"event_type":"a"},{}]"#).says(202, JSON, two),
        call("POST /events", r#"{"batch":[{"event_type":"a"},{}]}"#).says(202, JSON, two),
        call("POST /events?wait=stored", r#"{"event_type":"a"}"#).says(
            202,
            JSON,
            r#"{"id":"{id}","status":"queued","stored":false,"partition":…"#,
        ),
        call("POST /events", "not json").says(400, TEXT, "invalid json"),
        call("POST /events", "{}").says(400, TEXT, "invalid json"),
        call("POST /events", "[{}]").says(400, JSON, none),
        call("POST /events", "[]").says(400, JSON, r#"{"results":[]}"#),
        call("PUT /events", "{}")
            .says(405, PROBLEM, problem(405, "Method Not Allowed", ""))
            .with("allow: POST"),
        too_large("POST /events").says(413, PROBLEM, too_large_problem()),
        call("POST /events", many).says(413, PROBLEM, too_large_problem()),
    ]
}

/// `/api/clicks` without a database.
fn clicks() -> Vec<Call> {
    let unknown = |asked| unavailable(asked, "").with("retry-after: 1");
    let which = "the counters are item, addToCart and buy";
    vec![
        unknown("GET /api/clicks"),
        unknown("GET /api/clicks/item"),
        call("PUT /api/clicks/item", "").says(200, "", ""),
        call("PUT /api/clicks/addToCart", "").says(200, "", ""),
        call("PUT /api/clicks/buy?wait=stored", "").says(
            200,
            JSON,
            r#"{"stored":false,"partition":…"#,
        ),
        call("PUT /api/clicks", "").says(400, TEXT, "only GET allowed"),
        call("POST /api/clicks/item", "").says(400, TEXT, "only GET and PUT allowed"),
        call("PUT /api/clicks/cart", "").says(404, PROBLEM, problem(404, "Not Found", which)),
    ]
}

/// `/v1`, from a page of another site.
fn v1() -> Vec<Call> {
    let own = |asked, body: &str| {
        let call = call(asked, body).header("origin: https://a.example");
        let call = call.with("access-control-allow-origin: *");
        call.with("access-control-expose-headers: retry-after")
    };
    let failed =
        |error: &str, why: &str| format!(r#"{{"error":"{error}","error_description":"{why}"}}"#);
    let large = failed("too_large", "the request is too large");
    let mut calls = vec![
        own("POST /v1/track", r#"{"event":"Song Played","userId":"ann","messageId":"m-1"}"#).says(200, JSON, SUCCESS),
        own("POST /v1/page", r#"{"anonymousId":"v1"}"#).says(200, JSON, SUCCESS),
        own("POST /v1/identify", r#"{"userId":"ann","traits":{"plan":"free"}}"#).says(200, JSON, SUCCESS),
        own("POST /v1/batch", r#"{"batch":[{"type":"page"},{"type":"alias","messageId":"m-2"}]}"#).says(
            200,
            JSON,
            r#"{"success":true,"results":[{"messageId":"{id}","success":true},{"messageId":"m-2","success":false,"error":"invalid_request","error_description":"type: must be one of track, page, identify"}]}"#,
        ),
        own("POST /v1/track?wait=stored", r#"{"event":"a"}"#).says(
            200,
            JSON,
            r#"{"success":true,"stored":false,"partition":…"#,
        ),
        own("POST /v1/batch", r#"{"batch":[]}"#).says(
            400,
            JSON,
            r#"{"success":false,"error":"invalid_request","error_description":"no event of the batch could be accepted","results":[]}"#,
        ),
        own("POST /v1/track", r#"{"event":5}"#).says(400, JSON, failed("invalid_request", "event: is no text")),
        own("POST /v1/track", "{}").header("content-type: text/html").says(
            415,
            JSON,
            failed("unsupported_media_type", "the content type is not supported"),
        ),
        call("OPTIONS /v1/track", "")
            .header("origin: https://a.example")
            .header("access-control-request-method: POST")
            .header("access-control-request-headers: content-type")
            .says(204, "", "")
            .with("access-control-allow-origin: *")
            .with("access-control-allow-methods: GET, POST, PUT")
            .with("access-control-allow-headers: content-type")
            .with("access-control-max-age: 86400")
            .with("vary: origin, access-control-request-headers")
            .with("allow: POST"),
    ];
    for asked in ["POST /v1/track", "POST /v1/page", "POST /v1/identify"] {
        calls.push(too_large(asked).says(413, JSON, large.clone()));
    }
    for asked in [
        "GET /v1/track",
        "GET /v1/page",
        "GET /v1/identify",
        "GET /v1/batch",
    ] {
        let words = failed("method_not_allowed", "events are posted");
        calls.push(call(asked, "").says(405, JSON, words).with("allow: POST"));
    }
    calls
}

fn unavailable(asked: &'static str, body: &str) -> Call {
    let words = problem(503, "Service Unavailable", "temporarily unavailable");
    call(asked, body).says(503, PROBLEM, words)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_address_keeps_its_contract() {
    let (_kafka, process) = with_kafka(&[]).await;
    let calls = [about(), track(), event(), events(), clicks(), v1()];
    ask_all(&process.address, &calls.concat());
    let metrics = "text/plain; version=0.0.4; charset=utf-8";
    let ops = [
        call("GET /livez", "").says(200, TEXT, "alive\n"),
        call("GET /readyz", "").says(200, JSON, r#"{"ready":true,"parts":{"kafka":"ready"}}"#),
        call("GET /metrics", "").says(200, metrics, "# HELP …"),
    ];
    ask_all(&process.ops, &ops.map(Call::guessed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_keys_are_asked_for_a_tracker_needs_one() {
    let settings = [
        ("WRITE_KEYS", "shop=k1"),
        ("CORS_ORIGINS", "https://a.example"),
    ];
    let (_kafka, process) = with_kafka(&settings).await;
    let own = |asked, body: &str| {
        let call = call(asked, body).header("origin: https://a.example");
        let call = call.with("access-control-allow-origin: https://a.example");
        let call = call.with("access-control-allow-credentials: true");
        call.with("access-control-expose-headers: retry-after")
            .with("vary: origin")
    };
    let wrong =
        r#"{"error":"unauthorized","error_description":"the write key is missing or wrong"}"#;
    let event = r#"{"event":"a"}"#;
    let calls = [
        own("POST /v1/track", event)
            .header("authorization: Basic azE6")
            .says(200, JSON, SUCCESS),
        own("POST /v1/track?writeKey=k1", event).says(200, JSON, SUCCESS),
        own("POST /v1/track", r#"{"event":"a","writeKey":"k1"}"#).says(200, JSON, SUCCESS),
        own("POST /v1/track", event).says(401, JSON, wrong),
        own("POST /v1/page?writeKey=k2", "{}").says(401, JSON, wrong),
        own("POST /v1/identify", "{}").says(401, JSON, wrong),
        own(
            "POST /v1/batch",
            r#"{"batch":[{"type":"page"}],"writeKey":"k2"}"#,
        )
        .says(401, JSON, wrong),
        // The older contracts know no keys.
        call("POST /events", r#"{"event_type":"a"}"#)
            .says(202, JSON, QUEUED)
            .with("vary: origin"),
    ];
    ask_all(&process.address, &calls);
}

#[test]
fn what_cannot_be_kept_is_503_in_each_contracts_words() {
    let process = Process::start();
    let error = r#"{"error":"temporarily unavailable"}"#;
    let failed =
        r#"{"error":"temporarily_unavailable","error_description":"temporarily unavailable"}"#;
    let calls = [
        call("POST /track", r#"{"description":"CLICK"}"#).says(503, JSON, error),
        unavailable("POST /event", r#"{"type":"click"}"#),
        unavailable("POST /events", r#"{"event_type":"a"}"#),
        unavailable("POST /events", r#"[{"event_type":"a"}]"#),
        unavailable("PUT /api/clicks/item", ""),
        call("POST /v1/track", r#"{"event":"a"}"#).says(503, JSON, failed),
        call("POST /v1/batch", r#"{"batch":[{"type":"page"}]}"#).says(503, JSON, failed),
    ];
    ask_all(
        &process.address,
        &calls.map(|call| call.with("retry-after: 2")),
    );
    let ops = [
        call("GET /livez", "").says(200, TEXT, "alive\n"),
        call("GET /readyz", "").says(503, JSON, r#"{"ready":false,"parts":{"kafka":"…"#),
    ];
    ask_all(&process.ops, &ops.map(Call::guessed));
}

async fn channel(process: &Process) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", process.grpc)).unwrap();
    endpoint.connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_services_of_grpc_keep_their_contracts() {
    let (kafka, process) = with_kafka(&[]).await;
    let channel = channel(&process).await;
    let mut events = EventServiceClient::new(channel.clone());
    let event = |id: &str, event_type: &str| EventRequest {
        id: id.into(),
        event_type: event_type.into(),
        ..EventRequest::default()
    };
    let answer = events
        .publish_event(event(ID, "play"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((answer.status.as_str(), answer.id.as_str()), ("queued", ID));
    let answer = events
        .publish_event(event("", "play"))
        .await
        .unwrap()
        .into_inner();
    assert!(Uuid::parse_str(&answer.id).is_ok(), "{answer:?}");
    let refused = events.publish_event(event("", "")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.message(), "event_type: is missing");

    let mut counts = ClickCountAppClient::new(channel);
    let set = |item| SetClicksRequest {
        click_counts: Some(ClickCounts {
            item,
            add_to_cart: 0,
            buy: 0,
        }),
    };
    counts.set_clicks(set(5)).await.unwrap();
    counts.set_clicks(set(7)).await.unwrap();
    let kept = || process.number("collector_accepted_events_total", r#"source="counter""#);
    assert!((kept() - 1.0).abs() < f64::EPSILON, "{}", kept());
    // There is no database.
    let unknown = counts.get_clicks(GetClicksRequest {}).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unavailable);
    assert_eq!(unknown.message(), "temporarily unavailable");

    shop::brokers(&kafka, false);
    let refused = events.publish_event(event("", "play")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(refused.message(), "temporarily unavailable");
}
