//! What current trackers and the libraries of analytics services are promised: status, words, headers, and
//! the record that then lies in Kafka.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, request};
use clap::Parser as _;
use collector::QueueLimits;
use collector::http::HttpSettings;
use flate2::Compression;
use flate2::write::GzEncoder;
use rstest::rstest;
use serde_json::{Value, json};
use served::{Answer, ID, Server, start, start_with};
use std::io::Write as _;

mod served;

/// The collector's settings about HTTP, as an operator writes them.
#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    http: HttpSettings,
}

fn start_as(flags: &[&str]) -> Server {
    let flags = Flags::try_parse_from(["test"].iter().chain(flags)).unwrap();
    start_with(QueueLimits::default(), &flags.http)
}

fn post(address: &str) -> request::Builder {
    Request::post(address).header("content-type", "application/json")
}

async fn send(server: &Server, request: request::Builder, body: impl Into<Body>) -> Answer {
    server.ask(request.body(body.into()).unwrap()).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// The answer is an error of this status and word, with words for a person.
#[track_caller]
fn is_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    let body = answer.json();
    assert_eq!(body["error"], error);
    let words = body["error_description"].as_str().unwrap();
    assert!(!words.is_empty());
    assert_eq!(answer.header("content-type"), "application/json");
}

#[rstest]
#[case("/v1/track", json!({"event": "Song Played", "type": "page"}), "Song Played")]
#[case("/v1/page", json!({}), "page_view")]
#[case("/v1/identify", json!({"traits": {"song": 7}}), "identify")]
#[tokio::test]
async fn each_call_is_kept_with_its_fields(
    #[case] address: &str,
    #[case] mut body: Value,
    #[case] event_type: &str,
) {
    let server = start();
    let common = json!({
        "userId": "Ann", "anonymousId": "visit", "messageId": ID, "properties": {"song": 7},
        "originalTimestamp": "2026-05-01T10:00:00.000Z",
        "context": {
            "page": {"url": "https://a/b?c", "path": "/b", "referrer": "https://a/"},
            "userAgent": "curl", "ip": "10.0.0.1",
        },
    });
    let fields = body.as_object_mut().unwrap();
    fields.extend(common.as_object().unwrap().clone());
    let answer = server.post(address, &body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, r#"{"success":true}"#);
    assert_eq!(answer.header("content-type"), "application/json");
    let record = &server.records(1)[0];
    for (ours, value) in [
        ("type", json!(event_type)),
        ("event_id", json!(ID)),
        ("client_id", json!(true)),
        ("username", json!("Ann")),
        ("session_id", json!("visit")),
        ("url", json!("https://a/b?c")),
        ("path", json!("/b")),
        ("referrer", json!("https://a/")),
        ("user_agent", json!("curl")),
        ("ip", json!("10.0.0.1")),
        ("occurred_at", json!("2026-05-01T10:00:00.000000Z")),
        ("source", json!("segment")),
        ("properties", json!({"song": 7})),
    ] {
        assert_eq!(record[ours], value, "{ours}");
    }
}

#[tokio::test]
async fn a_batch_has_a_result_for_each_message() {
    let server = start();
    let body = json!({"batch": [
        {"type": "track", "event": "a", "messageId": ID},
        {"type": "alias", "messageId": "m-2"},
        {"type": "track", "event": "b", "messageId": "m-3"},
        {"type": "page"},
        5,
        {"type": "track", "event": "x".repeat(65), "messageId": "m-6"},
        {"type": "identify", "messageId": "undefined"},
    ]});
    let answer = server.post("/v1/batch", &body).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = answer.json();
    assert_eq!(answer["success"], true);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 7);
    assert_eq!(results[0], json!({"messageId": ID, "success": true}));
    let wrong = |id: Value, why: &str| json!({"messageId": id, "success": false, "error": "invalid_request", "error_description": why});
    let why = "type: must be one of track, page, identify";
    assert_eq!(results[1], wrong("m-2".into(), why));
    assert_eq!(results[2], json!({"messageId": "m-3", "success": true}));
    assert_eq!(results[4]["messageId"], Value::Null);
    assert_eq!(results[4]["success"], false);
    let why = "event: has more than 64 characters";
    assert_eq!(results[5], wrong("m-6".into(), why));
    assert_eq!(results[6]["success"], false);
    let records = server.records(3);
    let types: Vec<_> = records.iter().map(|record| &record["type"]).collect();
    assert_eq!(types, ["a", "b", "page_view"]);
    assert_eq!(results[3]["messageId"], records[2]["event_id"]);
    assert_eq!(records[1]["properties"]["messageId"], "m-3");
}

#[rstest]
#[case(json!([]))]
#[case(json!([{"type": "alias"}, {}, null]))]
#[tokio::test]
async fn a_batch_without_a_good_event_is_refused(#[case] events: Value) {
    let body = json!({"batch": events});
    let answer = start().post("/v1/batch", &body).await;
    is_error(&answer, 400, "invalid_request");
    let answer = answer.json();
    assert_eq!(answer["success"], false);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), events.as_array().unwrap().len());
}

#[tokio::test]
async fn a_retry_has_the_same_id() {
    let server = start();
    let body = json!({"event": "a", "messageId": "x".repeat(100)});
    for _ in 0..2 {
        let answer = server.post("/v1/track", &body).await;
        assert_eq!(answer.body, r#"{"success":true}"#);
    }
    let records = server.records(2);
    assert_eq!(records[0]["event_id"], records[1]["event_id"]);
    assert_ne!(records[0]["received_at"], records[1]["received_at"]);
}

#[rstest]
#[case("{")]
#[case("[]")]
#[case("null")]
#[case(r#"{"event":"a"} x"#)]
#[case(r#"{"event":5}"#)]
#[case("{}")]
#[case(r#"{"event":"a","messageId":"null"}"#)]
#[case(r#"{"event":"a","messageId":"undefined"}"#)]
#[case(r#"{"event":"a","messageId":"[object Object]"}"#)]
#[case(r#"{"event":"a","messageId":"0"}"#)]
#[case(r#"{"event":"a","messageId":"00000000-0000-0000-0000-000000000000"}"#)]
#[case(r#"{"event":"a","userId":"[object Object]"}"#)]
#[case(&json!({"event": "a", "messageId": "x".repeat(101)}).to_string())]
#[case(&json!({"event": "a", "userId": "x".repeat(257)}).to_string())]
#[case(&json!({"event": "a\0"}).to_string())]
#[case(&json!({"event": "collector_report"}).to_string())]
#[case(&format!(r#"{{"event":"a","properties":{}1{}}}"#, r#"{"a":"#.repeat(102), "}".repeat(102)))]
#[case(&format!(r#"{{"event":"a","properties":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000)))]
#[tokio::test]
async fn what_breaks_a_rule_is_refused(#[case] body: &str) {
    let answer = start().send("POST", "/v1/track", body.to_owned()).await;
    is_error(&answer, 400, "invalid_request");
}

#[tokio::test]
async fn a_reason_names_the_clients_own_field() {
    let body = json!({"event": "a", "context": {"page": {"url": "x".repeat(4097)}}});
    let answer = start().post("/v1/track", &body).await;
    let why = "context.page.url: has more than 4096 characters";
    assert_eq!(answer.json()["error_description"], why);
}

#[rstest]
#[case("application/json")]
#[case("application/json; charset=utf-8")]
#[case("text/plain;charset=UTF-8")]
#[tokio::test]
async fn json_may_come_as_text(#[case] kind: &str) {
    let server = start();
    let request = Request::post("/v1/track").header("content-type", kind);
    let answer = send(&server, request, r#"{"event":"a"}"#).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[rstest]
#[case("content-type", "application/x-www-form-urlencoded")]
#[case("content-type", "multipart/form-data; boundary=x")]
#[case("content-type", "text/plain; charset=utf-16")]
#[case("content-encoding", "br")]
#[case("content-encoding", "deflate")]
#[tokio::test]
async fn what_is_not_read_here_is_415(#[case] name: &str, #[case] value: &str) {
    let server = start();
    for address in ["/v1/track", "/v1/batch"] {
        let request = Request::post(address).header(name, value);
        let answer = send(&server, request, r#"{"event":"a"}"#).await;
        is_error(&answer, 415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn a_body_may_be_packed_but_not_a_bomb() {
    let server = start();
    let packed = |address: &str| post(address).header("content-encoding", "gzip");
    let body = gzip(br#"{"event":"packed"}"#);
    let answer = send(&server, packed("/v1/track"), body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(server.records(1)[0]["type"], "packed");
    // 30 kB that would be 20 MB, and one that stays just above each limit.
    let bomb = gzip(&vec![b' '; 20 << 20]);
    for address in ["/v1/track", "/v1/batch"] {
        let answer = send(&server, packed(address), bomb.clone()).await;
        is_error(&answer, 413, "too_large");
    }
    let just =
        |bytes: usize| gzip(format!(r#"{{"event":"a"}}{}"#, " ".repeat(bytes - 13)).as_bytes());
    let answer = send(&server, packed("/v1/track"), just(32 * 1024)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let answer = send(&server, packed("/v1/track"), just(32 * 1024 + 1)).await;
    is_error(&answer, 413, "too_large");
    let answer = send(&server, packed("/v1/track"), r#"{"event":"a"}"#).await;
    is_error(&answer, 400, "invalid_request");
}

#[tokio::test]
async fn an_event_may_have_32_kib_and_a_batch_500_and_2500_events() {
    let server = start();
    let event = |bytes: usize| {
        let little = r#"{"type":"track","event":"a","x":""}"#;
        little.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - little.len())))
    };
    let answer = server.send("POST", "/v1/track", event(32 * 1024)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let answer = server.send("POST", "/v1/track", event(32 * 1024 + 1)).await;
    is_error(&answer, 413, "too_large");
    let batch = |event: &str, count: usize, spaces: usize| {
        let events = vec![event; count].join(",");
        format!(r#"{{"batch":[{events}]{}}}"#, " ".repeat(spaces))
    };
    let answer = server
        .send("POST", "/v1/batch", batch(&event(32 * 1024), 2, 0))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let answer = server
        .send("POST", "/v1/batch", batch(&event(32 * 1024 + 1), 1, 0))
        .await;
    is_error(&answer, 413, "too_large");
    let little = r#"{"type":"page"}"#;
    let answer = server
        .send("POST", "/v1/batch", batch(little, 2_500, 0))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let answer = server
        .send("POST", "/v1/batch", batch(little, 2_501, 0))
        .await;
    is_error(&answer, 413, "too_large");
    let bare = batch(little, 1, 0).len();
    let answer = server
        .send("POST", "/v1/batch", batch(little, 1, 500 * 1024 - bare))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let answer = server
        .send("POST", "/v1/batch", batch(little, 1, 500 * 1024 + 1 - bare))
        .await;
    is_error(&answer, 413, "too_large");
}

/// Each event of a batch gets all of its context, so a small body could come to gigabytes.
#[tokio::test]
async fn a_batchs_context_counts_as_a_part_of_each_event() {
    let server = start();
    let batch = |context: usize, events: usize| {
        // The numbers, and `{"a":[0]}` around the first.
        let numbers = vec!["0"; (context - 7) / 2].join(",");
        let events = vec![r#"{"type":"page"}"#; events].join(",");
        format!(r#"{{"context":{{"a":[{numbers}]}},"batch":[{events}]}}"#)
    };
    for (context, events) in [(220_000, 2_500), (32 * 1024, 1), (16_000, 300)] {
        let answer = server.send("POST", "/v1/batch", batch(context, events));
        is_error(&answer.await, 413, "too_large");
    }
    for (context, events) in [(1_600, 2_500), (32_000, 1)] {
        let answer = server.send("POST", "/v1/batch", batch(context, events));
        let answer = answer.await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
    for broken in ["[]", "5", "\"x\""] {
        let body = format!(r#"{{"context":{broken},"batch":[{{"type":"page"}}]}}"#);
        let answer = server.send("POST", "/v1/batch", body).await;
        is_error(&answer, 400, "invalid_request");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_408() {
    let server = start();
    let begun = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
    let stalled = futures::StreamExt::chain(begun, futures::stream::pending());
    let answer = send(&server, post("/v1/track"), Body::from_stream(stalled)).await;
    is_error(&answer, 408, "request_timeout");
}

#[tokio::test]
async fn events_are_posted() {
    let server = start();
    for address in ["/v1/track", "/v1/page", "/v1/identify", "/v1/batch"] {
        for method in ["GET", "PUT", "OPTIONS"] {
            let answer = server.send(method, address, "").await;
            is_error(&answer, 405, "method_not_allowed");
            assert_eq!(answer.header("allow"), "POST");
        }
    }
}

#[rstest]
#[case("", Some("Basic azE6"), "{}", 200)]
#[case("", Some("Basic azI6"), "{}", 200)]
#[case("?writeKey=k3", None, "{}", 200)]
#[case("", None, r#"{"writeKey":"k1"}"#, 200)]
#[case("?writeKey=k4", None, r#"{"writeKey":"k1"}"#, 401)]
#[case("", Some("Basic azQ6"), r#"{"writeKey":"k1"}"#, 401)]
#[case("", None, r#"{"writeKey":["k1"]}"#, 401)]
#[case("", None, r#"{"writeKey":""}"#, 401)]
#[case("", None, "{}", 401)]
#[tokio::test]
async fn a_write_key_opens_where_keys_are_asked_for(
    #[case] query: &str,
    #[case] authorization: Option<&str>,
    #[case] body: &str,
    #[case] status: u16,
) {
    let server = start_as(&["--write-keys=shop=k1,shop=k2,app=k3"]);
    let with = |address: &str, field: &str| {
        let mut request = post(&format!("{address}{query}"));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let body = body.replacen('{', field, 1).replace(",}", "}");
        send(&server, request, body)
    };
    let answers = [
        with("/v1/track", r#"{"event":"a","#).await,
        with("/v1/page", r#"{"type":"page","#).await,
        with("/v1/batch", r#"{"batch":[{"type":"page"}],"#).await,
    ];
    for answer in &answers {
        if status == 401 {
            is_error(answer, 401, "unauthorized");
        } else {
            assert_eq!(answer.status, status, "{}", answer.body);
        }
    }
    if status == 200 {
        for record in server.records(3) {
            assert_eq!(record["properties"], json!({}), "a key is not kept");
        }
    }
}

#[tokio::test]
async fn two_clients_with_one_id_have_two_events() {
    let server = start_as(&["--write-keys=shop=k1,shop=k2,app=k3"]);
    for key in ["k1", "k2", "k3"] {
        let body = json!({"event": "a", "messageId": "m-1", "writeKey": key});
        let answer = server.post("/v1/track", &body).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let records = server.records(3);
    assert_eq!(records[0]["event_id"], records[1]["event_id"], "one name");
    assert_ne!(records[0]["event_id"], records[2]["event_id"]);
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_and_an_impossible_one_is_not_believed() {
    let server = start();
    // A visitor whose clock stands in 2020, and who clicked ten seconds before it was sent.
    let slow = json!({
        "event": "slow", "timestamp": "2020-01-01T00:00:00Z", "sentAt": "2020-01-01T00:00:10Z",
    });
    let ahead = json!({"event": "ahead", "timestamp": "2999-01-01T00:00:00Z"});
    for body in [slow, ahead] {
        let answer = server.post("/v1/track", &body).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let records = server.records(2);
    let time = |record: &Value, name: &str| -> chrono::DateTime<chrono::Utc> {
        record[name].as_str().unwrap().parse().unwrap()
    };
    let age = time(&records[0], "received_at") - time(&records[0], "occurred_at");
    assert!((10..12).contains(&age.num_seconds()), "{age}");
    assert_eq!(records[1]["occurred_at"], records[1]["received_at"]);
    let kept = "2999-01-01T00:00:00.000000Z";
    assert_eq!(records[1]["properties"]["occurred_at"], kept);
}

#[tokio::test]
async fn who_waits_is_told_the_place() {
    let server = start();
    let answer = server
        .post("/v1/track?wait=stored", &json!({"event": "a"}))
        .await;
    let row = json!({"success": true, "stored": false, "partition": 0, "offset": 0});
    assert_eq!(answer.json(), row);
    let body = json!({"batch": [{"type": "page", "messageId": "m-1"}]});
    let answer = server.post("/v1/batch?wait=stored", &body).await;
    let row =
        json!({"messageId": "m-1", "success": true, "stored": false, "partition": 0, "offset": 1});
    assert_eq!(answer.json()["results"][0], row);
}

#[tokio::test]
async fn what_cannot_be_kept_is_503_with_the_time_to_come_again() {
    let server = start();
    server.kafka.broker_down(1).unwrap();
    let (one, batch) = (json!({"event": "a"}), json!({"batch": [{"type": "page"}]}));
    let (one, batch) = tokio::join!(
        server.post("/v1/track", &one),
        server.post("/v1/batch", &batch)
    );
    for answer in [one, batch] {
        is_error(&answer, 503, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), "2");
    }
}

#[tokio::test]
async fn the_script_is_served_to_any_page() {
    let answer = start_as(&["--rate-limit-address=1"])
        .send("GET", "/tracker.js", "")
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains("sendBeacon"));
    assert_eq!(
        answer.header("content-type"),
        "text/javascript; charset=utf-8"
    );
}
