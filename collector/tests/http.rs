//! Each contract as its clients meet it: status, words, headers, and the record that then lies in Kafka
//! (librdkafka's own mock cluster: real connections and protocol, no Java).
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

use axum::http::StatusCode;
use collector::QueueLimits;
use collector::http::HttpSettings;
use rstest::rstest;
use serde_json::{Value, json};
use served::{ID, problem, start, start_with};
use uuid::Uuid;

mod served;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const PROBLEM: &str = "application/problem+json";

#[tokio::test]
async fn track_answers_ok_and_keeps_who_clicked_on_what() {
    let server = start();
    let body = json!({"id": ID, "username": "Ann", "target": "#buy", "description": "CLICK"});
    let answer = server.post("/track", &body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, r#"{"code":200,"message":"OK"}"#);
    assert_eq!(answer.header("content-type"), JSON);
    let record = &server.records(1)[0];
    assert_eq!(record["type"], "click");
    assert_eq!(record["username"], "Ann");
    assert_eq!(record["event_id"], ID);
    assert_eq!(record["client_id"], true);
    assert_eq!(record["source"], "track");
    assert_eq!(record["properties"], json!({"target": "#buy"}));
}

#[rstest]
#[case(r#"{"username":"Ann""#, "incorrect json format")]
#[case(r#"{"description":"CLICK"} trailing"#, "incorrect json format")]
#[case(r#"{"description":"CLICK","id":"x"}"#, "incorrect json format")]
#[case(r#"{"description":"HOVER"}"#, "invalid event")]
#[case(&json!({"description": "CLICK", "username": "x".repeat(257)}).to_string(), "invalid event")]
#[tokio::test]
async fn track_says_no_in_two_ways(#[case] body: &str, #[case] words: &str) {
    let answer = start().send("POST", "/track", body.to_owned()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json(), json!({"error": words}));
    assert_eq!(answer.header("content-type"), JSON);
}

#[tokio::test]
async fn event_is_accepted_with_its_id() {
    let server = start();
    let body = json!({
        "id": ID, "type": "page_view", "timestamp": "2026-05-01T10:00:00Z", "user_id": "u1",
        "session_id": "s1", "url": "http://x/a?b=c", "path": "/a", "referrer": "http://x/",
        "user_agent": "curl", "ip_address": "10.0.0.1", "metadata": {"k": ["v"]},
    });
    let answer = server.post("/event", &body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(
        answer.body,
        format!(r#"{{"id":"{ID}","status":"accepted"}}"#)
    );
    assert_eq!(answer.header("content-type"), JSON);
    let record = &server.records(1)[0];
    for (ours, theirs) in [
        ("event_id", "id"),
        ("type", "type"),
        ("username", "user_id"),
        ("session_id", "session_id"),
        ("url", "url"),
        ("path", "path"),
        ("referrer", "referrer"),
        ("user_agent", "user_agent"),
        ("ip", "ip_address"),
        ("properties", "metadata"),
    ] {
        assert_eq!(record[ours], body[theirs], "{ours}");
    }
    assert_eq!(record["occurred_at"], "2026-05-01T10:00:00.000000Z");
    assert_eq!(record["source"], "event");
}

#[tokio::test]
async fn event_without_an_id_gets_one_and_any_text_may_be_one() {
    let server = start();
    let minted = server.post("/event", &json!({"type": "click"})).await;
    let minted: Uuid = minted.json()["id"].as_str().unwrap().parse().unwrap();
    let named = json!({"type": "click", "id": "order-17"});
    assert_eq!(server.post("/event", &named).await.json()["id"], "order-17");
    assert_eq!(server.post("/event", &named).await.json()["id"], "order-17");
    let records = server.records(3);
    assert_eq!(records[0]["event_id"], minted.to_string());
    assert_eq!(records[0]["client_id"], false);
    assert_eq!(records[1]["event_id"], records[2]["event_id"]);
    assert_eq!(records[1]["client_id"], true);
    assert_eq!(records[1]["properties"]["id"], "order-17");
}

#[rstest]
#[case("{", "EOF while parsing an object at line 1 column 1")]
#[case(
    r#"{"type":"purchase"}"#,
    "type: must be one of page_view, click, session, custom"
)]
#[case("{}", "type: must be one of page_view, click, session, custom")]
#[case(&json!({"type": "click", "user_id": "x".repeat(257)}).to_string(), "user_id: has more than 256 characters")]
#[case(&json!({"type": "click", "metadata": {"a\0": 1}}).to_string(), "metadata: contains the NUL character")]
#[tokio::test]
async fn event_says_what_is_wrong(#[case] body: &str, #[case] reason: &str) {
    let answer = start().send("POST", "/event", body.to_owned()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.body, format!("Invalid request body: {reason}"));
    assert_eq!(answer.header("content-type"), TEXT);
}

#[tokio::test]
async fn events_takes_one_event() {
    let server = start();
    let body = json!({
        "id": ID, "user_id": "u1", "event_type": "signup", "url": "http://x/", "referrer": "http://y/",
        "ts": "2026-05-01T10:00:00Z", "meta": {"plan": "free"},
    });
    let answer = server.post("/events", &body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.json(), json!({"id": ID, "status": "queued"}));
    assert_eq!(answer.header("content-type"), JSON);
    let record = &server.records(1)[0];
    assert_eq!(record["type"], "signup");
    assert_eq!(record["username"], "u1");
    assert_eq!(record["referrer"], "http://y/");
    assert_eq!(record["occurred_at"], "2026-05-01T10:00:00.000000Z");
    assert_eq!(record["properties"], json!({"plan": "free"}));
    assert_eq!(record["source"], "events");
}

#[rstest]
#[case("")]
#[case("not json")]
#[case("{}")]
#[case(r#"{"event_type":"x","id":"null"}"#)]
#[case(&json!({"event_type": "x", "user_id": "x".repeat(257)}).to_string())]
#[tokio::test]
async fn events_has_one_word_for_what_is_wrong(#[case] body: &str) {
    let answer = start().send("POST", "/events", body.to_owned()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.body, "invalid json");
    assert_eq!(answer.header("content-type"), TEXT);
}

#[rstest]
#[case(false)]
#[case(true)]
#[tokio::test]
async fn a_batch_has_a_result_for_each_event(#[case] wrapped: bool) {
    let server = start();
    let events = json!([
        {"event_type": "a", "id": ID},
        {"event_type": 5},
        {"event_type": "b", "user_id": "x".repeat(257)},
        {"event_type": "c"},
    ]);
    let body = if wrapped {
        json!({"batch": events})
    } else {
        events
    };
    let answer = server.post("/events", &body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let results = &answer.json()["results"];
    assert_eq!(results.as_array().unwrap().len(), 4);
    assert_eq!(results[0], json!({"id": ID, "status": "queued"}));
    assert_eq!(results[1]["status"], "refused");
    let why = results[1]["error"].as_str().unwrap();
    assert!(why.contains("expected a string"), "{why}");
    assert_eq!(
        results[2],
        json!({"id": null, "status": "refused", "error": "user_id: has more than 256 characters"})
    );
    let records = server.records(2);
    assert_eq!(records[0]["type"], "a");
    assert_eq!(records[1]["type"], "c");
    assert_eq!(records[1]["event_id"], results[3]["id"]);
}

#[rstest]
#[case(json!([]))]
#[case(json!({"batch": []}))]
#[case(json!([5, {"id": "x"}]))]
#[case(json!([{"event_type": "a\0"}]))]
#[tokio::test]
async fn a_batch_without_a_good_event_is_refused(#[case] body: Value) {
    let answer = start().post("/events", &body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let results = answer.json()["results"].as_array().unwrap().clone();
    assert!(results.iter().all(|result| result["status"] == "refused"));
}

#[rstest]
#[case("/track", 32 * 1024, "{\"description\":\"CLICK\",\"x\":\"\"}", StatusCode::OK)]
#[case("/event", 32 * 1024, "{\"type\":\"click\",\"x\":\"\"}", StatusCode::ACCEPTED)]
#[case("/events", 32 * 1024, "{\"event_type\":\"a\",\"x\":\"\"}", StatusCode::ACCEPTED)]
#[tokio::test]
async fn an_event_may_have_32_kib(
    #[case] address: &str,
    #[case] most: usize,
    #[case] little: &str,
    #[case] good: StatusCode,
) {
    let server = start();
    let of_size =
        |bytes: usize| little.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - little.len())));
    let answer = server.send("POST", address, of_size(most)).await;
    assert_eq!(answer.status, good, "{}", answer.body);
    let answer = server.send("POST", address, of_size(most + 1)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(
        answer.body.contains("the request is too large"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_batch_may_have_500_kib_and_2500_events() {
    let server = start();
    let events = |count: usize| Value::from(vec![json!({"event_type": "a"}); count]);
    let answer = server.post("/events", &events(2_500)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let answer = server.post("/events", &events(2_501)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let large = json!([{"event_type": "a", "meta": {"x": "x".repeat(30 * 1024)}}]).to_string();
    let padded = |bytes: usize| format!("{large}{}", " ".repeat(bytes - large.len()));
    let answer = server.send("POST", "/events", padded(500 * 1024)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let answer = server.send("POST", "/events", padded(500 * 1024 + 1)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[rstest]
#[case("/track", JSON, r#"{"error":"method not allowed"}"#)]
#[case("/event", TEXT, "Method not allowed")]
#[case(
    "/events",
    PROBLEM,
    r#"{"type":"about:blank","title":"Method Not Allowed","status":405}"#
)]
#[tokio::test]
async fn events_are_posted(#[case] address: &str, #[case] kind: &str, #[case] words: &str) {
    let server = start();
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = server.send(method, address, "").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.body, words);
        assert_eq!(answer.header("content-type"), kind);
        assert_eq!(answer.header("allow"), "POST");
    }
}

#[tokio::test]
async fn health_answers_any_method() {
    let server = start();
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = server.send(method, "/health", "").await;
        assert_eq!(answer.status, StatusCode::OK, "{method}");
        let healthy = r#"{"service":"analytics-producer","status":"healthy"}"#;
        assert_eq!(answer.body, healthy);
        assert_eq!(answer.header("content-type"), JSON);
    }
}

#[tokio::test]
async fn without_a_database_clicks_are_kept_and_totals_are_not_known() {
    let server = start();
    for address in ["/api/clicks", "/api/clicks/item", "/api/clicks/buy"] {
        let answer = server.send("GET", address, "").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{address}");
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(answer.json(), problem(503, "temporarily unavailable"));
    }
    for counter in ["item", "addToCart", "buy"] {
        let address = format!("/api/clicks/{counter}");
        let answer = server.send("PUT", &address, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
    }
    let records = server.records(3);
    for (record, kind) in records.iter().zip(["item_click", "add_to_cart", "buy"]) {
        assert_eq!(record["type"], kind);
        assert_eq!(
            (&record["source"], &record["count"]),
            (&"counter".into(), &1.into())
        );
        assert!(record["username"].is_null());
    }
}

#[tokio::test]
async fn who_waits_is_told_the_place_and_whether_it_is_a_row() {
    let server = start();
    let place = |offset: i64| json!({"stored": false, "partition": 0, "offset": offset});
    let with = |mut words: Value, place: Value| {
        let words_map = words.as_object_mut().unwrap();
        words_map.extend(place.as_object().unwrap().clone());
        words
    };
    let answer = server
        .post("/track?wait=stored", &json!({"description": "VIEW"}))
        .await;
    let wanted = with(json!({"code": 200, "message": "OK"}), place(0));
    assert_eq!(answer.json(), wanted, "there is no database to ask");
    let body = json!({"type": "custom", "id": ID});
    let answer = server.post("/event?wait=stored", &body).await;
    let wanted = with(json!({"id": ID, "status": "accepted"}), place(1));
    assert_eq!(answer.json(), wanted);
    let body = json!([{"event_type": "a", "id": ID}, {}, {"event_type": "b", "id": "x"}]);
    let answer = server.post("/events?wait=stored", &body).await;
    let results = &answer.json()["results"];
    let queued = |id: &str| json!({"id": id, "status": "queued"});
    assert_eq!(results[0], with(queued(ID), place(2)));
    assert_eq!(results[1]["status"], "refused");
    assert_eq!(results[2], with(queued("x"), place(3)));
}

#[tokio::test]
async fn what_cannot_be_kept_is_503_with_the_time_to_come_again() {
    let server = start();
    server.kafka.broker_down(1).unwrap();
    let track = json!({"description": "CLICK"});
    let event = json!({"type": "click"});
    let (one, batch) = (json!({"event_type": "a"}), json!([{"event_type": "a"}]));
    let answers = tokio::join!(
        server.post("/track", &track),
        server.post("/event", &event),
        server.post("/events", &one),
        server.post("/events", &batch),
    );
    let (track, others) = (answers.0, [answers.1, answers.2, answers.3]);
    assert_eq!(track.json(), json!({"error": "temporarily unavailable"}));
    for answer in [track].iter().chain(&others) {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), "2");
    }
    for answer in others {
        assert_eq!(answer.json(), problem(503, "temporarily unavailable"));
        assert_eq!(answer.header("content-type"), PROBLEM);
    }
}

#[tokio::test]
async fn more_than_may_wait_is_503_at_once() {
    let queue = QueueLimits {
        messages: 1,
        bytes: 1 << 20,
    };
    let server = start_with(queue, &HttpSettings::default());
    let batch = json!([{"event_type": "a"}, {"event_type": "b"}]);
    let answer = server.post("/events", &batch).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "1");
}
