//! Memory under clients that are slow, large and many: what the process sets aside for them has a limit.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

mod alone;
mod shop;

use alone::{Answer, Process};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The largest batch.
const BATCH_BYTES: usize = 500 * 1024;
/// Room for three of them, a few small bodies, and what is for small bodies alone.
const ROOM_BYTES: &str = "7085714";
/// A request waits five seconds for room.
const AT_ONCE: Duration = Duration::from_secs(4);

fn post(process: &Process, path: &str, bytes: usize) -> Answer {
    let body = "x".repeat(bytes);
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n"
    );
    Process::answer(&process.address, &(head + &body))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_stall_fill_the_room_and_no_more_and_a_click_still_gets_in() {
    let process = Process::start_with(&[("INTAKE_MAX_BYTES", ROOM_BYTES)]);
    let stalled: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(&process.address).unwrap();
            let head = "POST /events HTTP/1.1\r\nhost: x\r\ncontent-length: 512000\r\n\r\n[";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let used = "collector_intake_bytes";
    process.until_number(used, "", |n| n > 6e6).await;

    let asked = Instant::now();
    let click = post(&process, "/event", 100);
    assert_eq!(click.status, "HTTP/1.1 400 Bad Request");
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());

    let large = [
        (
            "/events",
            BATCH_BYTES,
            r#""detail":"temporarily unavailable"#,
        ),
        ("/track", 30_000, r#"{"error":"temporarily unavailable"}"#),
        (
            "/v1/batch",
            BATCH_BYTES,
            r#""error":"temporarily_unavailable""#,
        ),
    ];
    std::thread::scope(|scope| {
        let asked = large.map(|(path, bytes, words)| {
            let process = &process;
            (scope.spawn(move || post(process, path, bytes)), words)
        });
        for (answer, words) in asked {
            let answer = answer.join().unwrap();
            assert_eq!(answer.status, "HTTP/1.1 503 Service Unavailable");
            let told = answer.headers.iter().any(|line| line == "retry-after: 1");
            assert!(told, "{answer:?}");
            assert!(answer.body.contains(words), "{answer:?}");
        }
    });
    let busy = r#"reason="busy""#;
    assert!(process.number("collector_http_refused_requests_total", busy) >= 3.0);
    assert!(process.number(used, "") <= process.number("collector_intake_max_bytes", ""));
    assert!(process.number("collector_connections", "") >= 100.0);

    drop(stalled);
    process.until_number(used, "", |n| n < 1.0).await;
    let asked = Instant::now();
    let large = post(&process, "/events", BATCH_BYTES);
    assert_eq!(large.status, "HTTP/1.1 400 Bad Request");
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_large_bodies_than_there_is_room_for_take_turns() {
    let process = Process::start_with(&[("INTAKE_MAX_BYTES", ROOM_BYTES)]);
    let process = &process;
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..32)
            .map(|_| scope.spawn(move || post(process, "/events", BATCH_BYTES).status))
            .collect();
        for sender in senders {
            assert_eq!(sender.join().unwrap(), "HTTP/1.1 400 Bad Request");
        }
    });
}
