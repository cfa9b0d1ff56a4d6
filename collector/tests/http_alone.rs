//! The collector as the process that an operator starts, without Postgres, and mostly without Kafka.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

mod alone;
mod shop;

use alone::Process;
use service::telemetry::check_shown;
use shop::brokers;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

#[test]
fn alone_the_collector_answers_health_checks_and_nothing_it_does_not_know() {
    let process = Process::start();
    let (status, body) = process.get("/");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(body, r#"{"code":200,"message":"OK"}"#);
    let (status, body) = process.post("/", "");
    assert_eq!(status, "HTTP/1.1 405 Method Not Allowed");
    let problem = r#"{"type":"about:blank","title":"Method Not Allowed","status":405}"#;
    assert_eq!(body, problem);
    let (_, body) = process.get("/health");
    assert_eq!(
        body,
        r#"{"service":"analytics-producer","status":"healthy"}"#
    );
    // There is no database.
    let (status, body) = process.get("/api/clicks");
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    let problem = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"temporarily unavailable"}"#;
    assert_eq!(body, problem);
    let (status, body) = process.get("/nowhere");
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    let problem = r#"{"type":"about:blank","title":"Not Found","status":404}"#;
    assert_eq!(body, problem);
}

#[tokio::test]
async fn grpc_is_served_beside_http() {
    let process = Process::start();
    let endpoint = Endpoint::from_shared(format!("http://{}", process.grpc)).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let answer = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
}

#[test]
fn an_address_of_grpc_that_is_taken_is_named_with_its_holder_and_its_setting() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let ended = Command::new(env!("CARGO_BIN_EXE_collector"))
        .current_dir(tempfile::tempdir().unwrap().path())
        .env_clear()
        .envs([("SERVER_PORT", "0"), ("GRPC_ADDR", address.as_str())])
        .output()
        .unwrap();
    assert!(!ended.status.success());
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(
        said.contains(&format!("port {address} is in use")),
        "{said}"
    );
    assert!(said.contains("set GRPC_ADDR to another address"), "{said}");
}

#[test]
fn a_body_that_is_too_large_is_read_away_so_that_its_sender_sees_the_answer() {
    let process = Process::start();
    let (status, _) = process.post("/event", &"x".repeat(2 << 20));
    assert_eq!(status, "HTTP/1.1 413 Payload Too Large");
}

/// As many as one small machine of many holds behind a balancer.
const IDLE: usize = 10_000;

#[test]
fn idle_and_half_said_connections_do_not_hurt_the_others() {
    // Each connection is a file here and one in the other process, which has the same limit.
    let limit = service::open_files::raise_limit();
    let room = limit.is_none_or(|limit| limit > IDLE as u64 + 500);
    assert!(room, "the system allows only {limit:?} open files");
    let process = Process::start();
    let before = process.resident_kib();
    let mut held: Vec<_> = (0..IDLE)
        .map(|_| TcpStream::connect(&process.address).unwrap())
        .collect();
    // Every other one begins a request, and does not go on.
    for stream in held.iter_mut().step_by(2) {
        stream
            .write_all(b"POST /event HTTP/1.1\r\nhost: x\r\n")
            .unwrap();
    }
    let asked = Instant::now();
    for _ in 0..20 {
        assert!(process.get("/health").0.ends_with("200 OK"));
    }
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    if let (Some(before), Some(after)) = (before, process.resident_kib()) {
        let each = after.saturating_sub(before) / IDLE as u64;
        assert!(each < 32, "{each} KiB for each connection");
    }
    drop(held);
    assert!(process.get("/health").0.ends_with("200 OK"));
}

#[test]
fn told_to_stop_it_answers_what_it_has_begun() {
    let mut process = Process::start();
    let address = process.address.clone();
    let asked = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let body = r#"{"type":"click"}"#;
        let head = "POST /event HTTP/1.1\r\nhost: x\r\nconnection: close";
        write!(
            stream,
            "{head}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    // Kafka is away, so the request waits for two seconds: it has begun when others are answered.
    assert!(process.get("/health").0.ends_with("200 OK"));
    let told = Instant::now();
    let pid = process.child.id().to_string();
    let killed = Command::new("kill").arg(pid).status().unwrap();
    assert!(killed.success());
    let answer = asked.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after: 2"), "{answer}");
    let status = process.child.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(told.elapsed() < Duration::from_secs(8));
}

const CLICK: &str = r#"{"type":"click"}"#;
const ACCEPTED: &str = "HTTP/1.1 202 Accepted";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_kafka_is_away_readiness_says_why_and_the_metrics_say_how_much() {
    let kafka = shop::cluster();
    let process = Process::start_with(&[
        ("KAFKA_BROKERS", &kafka.bootstrap_servers()),
        ("SPOOL_MAX_BYTES", "1048576"),
    ]);
    process.until_ready().await;
    assert_eq!(process.post("/event", CLICK).0, ACCEPTED);
    let kept = |source| process.number("collector_accepted_events_total", source);
    is(kept(r#"source="event""#), 1);

    brokers(&kafka, false);
    assert_eq!(process.post("/event", CLICK).0, ACCEPTED);
    process.until_unready("kept in the spool: 1 wait").await;

    let padding = "x".repeat(200);
    let event = format!(r#"{{"event_type":"play","meta":{{"padding":"{padding}"}}}}"#);
    let batch = format!("[{}]", vec![event; 50].join(","));
    let full = || process.number("collector_spool_refused_events_total", r#"reason="full""#);
    let (mut batches, mut refused) = (0, 0);
    // The disk may be slow; that is no reason to stop here.
    while at(full(), 0.0) {
        let (status, _) = process.post("/events", &batch);
        if status == ACCEPTED {
            batches += 1;
        } else {
            assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
            refused += 1;
        }
    }
    process
        .until_unready("% full; beyond that, events are refused")
        .await;
    is(kept(r#"source="event""#), 2);
    is(kept(r#"source="events""#), 50 * batches);
    let number = |name: &str, label: &str| process.number(name, label);
    let away = r#"reason="unavailable""#;
    is(number("collector_refused_events_total", away), 50 * refused);
    is(
        number("collector_http_refused_requests_total", away),
        refused,
    );
    is(full(), 50);
    let count = number("collector_acknowledge_seconds_count", "");
    is(count, 2 + batches);
    is(number("collector_spool_max_bytes", ""), 1 << 20);
    let nearly_full = 0.9 * f64::from(1 << 20);
    process
        .until_number("collector_spool_bytes", "", |bytes| bytes > nearly_full)
        .await;
    let waiting = f64::from(1 + 50 * batches);
    process
        .until_number("collector_spool_waiting_events", "", |n| at(n, waiting))
        .await;
    let timed_out = r#"error="MessageTimedOut""#;
    assert!(number("collector_produce_errors_total", timed_out) >= 1.0);
    // The broker that had led the click's partition, and perhaps others.
    let connect = r#"error="connect""#;
    let by_broker = "collector_produce_broker_errors_total";
    process.until_number(by_broker, connect, |n| n >= 1.0).await;
    assert!((1..=3).any(|id| number(by_broker, &format!(r#"broker="{id}""#)) >= 1.0));
    is(number("service_part_ready", r#"part="kafka""#), 0);

    brokers(&kafka, true);
    process.until_ready().await;
    let drained = "collector_spool_drained_events_total";
    process.until_number(drained, "", |n| at(n, waiting)).await;
    process
        .until_number("collector_spool_waiting_events", "", |n| at(n, 0.0))
        .await;
    is(number("service_part_ready", r#"part="kafka""#), 1);
    // By now everything that can be measured has been.
    check_shown(&process.ops("/metrics").1, &["service", "collector"]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_spool_cannot_bring_to_kafka_stops_nothing_and_is_kept_and_counted() {
    let (kafka, folder) = (shop::cluster(), tempfile::tempdir().unwrap());
    let process = Process::start_with(&[
        ("KAFKA_BROKERS", &kafka.bootstrap_servers()),
        ("KAFKA_PROPERTY_MESSAGE_MAX_BYTES", "10000"),
        ("SPOOL_DIR", folder.path().to_str().unwrap()),
        ("SPOOL_MAX_BYTES", "67108864"),
    ]);
    process.until_ready().await;
    brokers(&kafka, false);
    let by = |who: &str, padding: usize| {
        let padding = "x".repeat(padding);
        format!(r#"{{"type":"click","user_id":"{who}","metadata":{{"padding":"{padding}"}}}}"#)
    };
    for body in [
        by("Ann", 0),
        by("Large", 20_000),
        by("Broken", 0),
        by("Bob", 0),
    ] {
        assert_eq!(process.post("/event", &body).0, ACCEPTED);
    }
    let file = |ending: &str| {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let mut paths = files.map(|file| file.unwrap().path());
        paths.find(|path| path.extension().is_some_and(|own| own == ending))
    };
    let name = file("log").unwrap();
    let mut bytes = std::fs::read(&name).unwrap();
    let broken = b"\"Broken\"";
    let place = bytes.windows(broken.len()).position(|part| part == broken);
    bytes[place.unwrap() + 1] ^= 1;
    std::fs::write(name, bytes).unwrap();

    brokers(&kafka, true);
    // When the last of the file has been dealt with, all is.
    let (lost, unreadable) = (
        "collector_spool_lost_events_total",
        r#"reason="unreadable""#,
    );
    process.until_number(lost, unreadable, |n| at(n, 1.0)).await;
    is(process.number(lost, r#"reason="refused""#), 1);
    is(
        process.number("collector_spool_damaged_segments_total", ""),
        1,
    );
    is(
        process.number("collector_spool_drained_events_total", ""),
        2,
    );
    for gauge in [
        "collector_spool_waiting_events",
        "collector_spool_oldest_seconds",
    ] {
        process.until_number(gauge, "", |n| at(n, 0.0)).await;
    }
    let refused = std::fs::read_to_string(file("refused").unwrap()).unwrap();
    let refused: serde_json::Value = serde_json::from_str(refused.trim_end()).unwrap();
    assert_eq!(refused["username"], "Large");
    assert!(file("damaged").is_some() && file("log").is_none());
    process.until_ready().await;
    assert_eq!(process.post("/event", CLICK).0, ACCEPTED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_counted_by_its_reason() {
    let kafka = shop::cluster();
    let process = Process::start_with(&[("KAFKA_BROKERS", &kafka.bootstrap_servers())]);
    process.until_ready().await;
    let requests = |reason| process.number("collector_http_refused_requests_total", reason);
    let events = |reason| process.number("collector_refused_events_total", reason);
    let (invalid, too_large) = (r#"reason="invalid""#, r#"reason="too_large""#);
    // From the first look on there is a number.
    let (_, shown) = process.ops("/metrics");
    assert!(shown.contains(r#"reason="stalled"} 0"#), "{shown}");

    // Without a database nobody knows the totals; but who asks for them sends nothing that could be kept.
    for path in ["/api/clicks", "/api/clicks/item"] {
        let (status, _) = process.get(path);
        assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    }
    is(requests(r#"reason="unavailable""#), 0);

    process.post("/event", "{");
    process.post("/track", r#"{"description":"LOOK"}"#);
    is(requests(invalid), 2);
    is(events(invalid), 0);
    process.post("/event", &"x".repeat(2 << 20));
    is(requests(too_large), 1);
    // It can be read, and breaks a rule.
    let long = "x".repeat(300);
    process.post(
        "/event",
        &format!(r#"{{"type":"click","user_id":"{long}"}}"#),
    );
    is(requests(invalid), 3);
    is(events(invalid), 1);
    // In a batch the others are kept.
    let (good, broken) = (r#"{"event_type":"play"}"#, r#"{"event_type":7}"#);
    let against_a_rule = format!(r#"{{"event_type":"play","user_id":"{long}"}}"#);
    let (status, _) = process.post("/events", &format!("[{good},{broken},{against_a_rule}]"));
    assert_eq!(status, ACCEPTED);
    is(requests(invalid), 3);
    is(events(invalid), 3);
    process.post("/events", &format!("[{broken}]"));
    is(requests(invalid), 4);
    is(events(invalid), 4);
    is(process.number("collector_accepted_events_total", ""), 1);
}

fn at(number: f64, wanted: f64) -> bool {
    (number - wanted).abs() < f64::EPSILON
}

#[track_caller]
fn is(number: f64, wanted: i32) {
    assert!(at(number, wanted.into()), "{number} instead of {wanted}");
}
