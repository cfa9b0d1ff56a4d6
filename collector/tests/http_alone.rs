//! The collector as the process that an operator starts, with Kafka and Postgres away.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// The process, killed at the latest when the test ends.
struct Process {
    child: Child,
    address: String,
    grpc: String,
    _folder: tempfile::TempDir,
}

impl Process {
    /// Starts it on a free port and reads from its log where that is.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_collector"))
            // Away from the repository, so that no developer's .env is found.
            .current_dir(folder.path())
            .env_clear()
            .envs([
                ("SERVER_PORT", "0"),
                ("GRPC_ADDR", "127.0.0.1:0"),
                ("OPS_ADDR", "127.0.0.1:0"),
                ("KAFKA_BROKERS", "127.0.0.1:1"),
                ("SPOOL_MAX_BYTES", "0"),
            ])
            .arg("--without-database")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut lines = log.lines().map(Result::unwrap);
        let (address, grpc) = lines
            .find_map(|line| {
                let (_, rest) = line.split_once("events are taken at http://")?;
                let (address, rest) = rest.split_once(" (gRPC: ")?;
                Some((address.to_owned(), rest.split(';').next()?.to_owned()))
            })
            .expect("a line that says where it listens");
        // Whoever stops reading a log stops the process that writes it.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address,
            grpc,
            _folder: folder,
        }
    }

    /// Sends one request and reads the answer to its end: the status line and the body.
    fn ask(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    /// The process' own memory; none where the system does not tell.
    fn resident_kib(&self) -> Option<u64> {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    fn get(&self, path: &str) -> (String, String) {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        ))
    }

    fn post(&self, path: &str, body: &str) -> (String, String) {
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn alone_the_collector_answers_health_checks_and_nothing_it_does_not_know() {
    let process = Process::start();
    let (status, body) = process.get("/");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(body, r#"{"code":200,"message":"OK"}"#);
    let (status, _) = process.post("/", "");
    assert_eq!(status, "HTTP/1.1 405 Method Not Allowed");
    let (_, body) = process.get("/health");
    assert_eq!(
        body,
        r#"{"service":"analytics-producer","status":"healthy"}"#
    );
    // There is no database.
    let (status, body) = process.get("/api/clicks");
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(body, "temporarily unavailable");
    let (status, body) = process.get("/nowhere");
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    assert_eq!(body, r#"{"error":"not found"}"#);
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
