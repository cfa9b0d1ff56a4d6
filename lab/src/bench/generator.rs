//! HTTP load from inside this process: so many connections, each sending its next request when the last
//! one is answered, or at a steady rate, whatever the answers do. The same generator loads the ceiling and ours, so what it costs itself is on both sides.

use crate::figures::Times;
use anyhow::{Context as _, bail};
use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One request of many.
pub type Shot = Request<Full<Bytes>>;

/// How much load.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections, each with one request under way.
    pub connections: usize,
    /// For how long before it counts.
    pub warm_up: Duration,
    /// For how long it counts.
    pub measured: Duration,
    /// Requests a second over all connections; without, as fast as answers come. A request's time then
    /// begins when it was due, so that one that had to wait for the answer before it is not flattered.
    pub rate: Option<f64>,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Answers {
    /// Requests answered as wanted, from the first to the last.
    pub good: u64,
    /// Those of the measured time.
    pub counted: u64,
    /// How long that was.
    pub during: Duration,
    /// How long each of those took.
    pub times: Times,
    /// Other answers, by status.
    pub others: BTreeMap<u16, u64>,
    /// Bytes of one answer's body.
    pub bytes: usize,
}

impl Answers {
    /// Good answers a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rate(&self) -> f64 {
        self.counted as f64 / self.during.as_secs_f64().max(f64::EPSILON)
    }
}

const WARMING: u8 = 0;
const COUNTING: u8 = 1;
const ENDED: u8 = 2;

/// What all connections share.
struct Shared<Make> {
    phase: AtomicU8,
    next: AtomicU64,
    wanted: StatusCode,
    make: Make,
}

/// Sends what `make` makes for each number, from `first` on, and counts the answers with the status
/// `wanted`. Every request that was begun is answered before this returns; the next free number comes
/// with the answers.
///
/// # Errors
/// A connection could not be made, or broke.
pub async fn load<Make>(
    addr: SocketAddr,
    load: Load,
    wanted: StatusCode,
    first: u64,
    make: Make,
) -> anyhow::Result<(Answers, u64)>
where
    Make: Fn(u64) -> Shot + Send + Sync + 'static,
{
    let shared = Arc::new(Shared {
        phase: AtomicU8::new(WARMING),
        next: AtomicU64::new(first),
        wanted,
        make,
    });
    let mut connections = JoinSet::new();
    let mut senders = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        senders.push(connect(addr).await?);
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let every = load
        .rate
        .map(|rate| Duration::from_secs_f64(load.connections as f64 / rate));
    for (number, sender) in (0_u32..).zip(senders) {
        // The connections take turns.
        let turn = |every: Duration| {
            every.mul_f64(
                f64::from(number) / f64::from(u32::try_from(load.connections).unwrap_or(1)),
            )
        };
        let due = every.map(|every| Due {
            next: Instant::now() + turn(every),
            every,
        });
        connections.spawn(send(sender, due, Arc::clone(&shared)));
    }
    tokio::time::sleep(load.warm_up).await;
    shared.phase.store(COUNTING, Ordering::Relaxed);
    let began = Instant::now();
    tokio::time::sleep(load.measured).await;
    shared.phase.store(ENDED, Ordering::Relaxed);
    let mut all = Answers {
        during: began.elapsed(),
        ..Answers::default()
    };
    while let Some(answers) = connections.join_next().await {
        all.add(answers.context("a connection's task")??);
    }
    Ok((all, shared.next.load(Ordering::Relaxed)))
}

/// Sends one request on a connection of its own and returns the answer's status and body.
pub async fn ask(addr: SocketAddr, shot: Shot) -> anyhow::Result<(StatusCode, Bytes)> {
    let mut sender = connect(addr).await?;
    let answer = sender.send_request(shot).await?;
    let status = answer.status();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

/// A request without a body.
pub fn get(path: &str) -> Shot {
    let mut shot = Request::new(Full::default());
    // The paths are this module's users' own; one that is none shows as 404.
    *shot.uri_mut() = path.parse().unwrap_or_default();
    let headers = shot.headers_mut();
    headers.insert("host", hyper::header::HeaderValue::from_static("127.0.0.1"));
    shot
}

/// A request with a JSON body.
pub fn post(path: &str, body: Bytes) -> Shot {
    let mut shot = get(path).map(|_| Full::new(body));
    *shot.method_mut() = hyper::Method::POST;
    let headers = shot.headers_mut();
    let json = hyper::header::HeaderValue::from_static("application/json");
    headers.insert(hyper::header::CONTENT_TYPE, json);
    shot
}

async fn connect(addr: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(addr)
        .await
        .with_context(|| format!("connecting to {addr}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Its error is the sender's, too.
    tokio::spawn(connection);
    Ok(sender)
}

/// When a connection's next request is due.
#[derive(Debug, Clone, Copy)]
struct Due {
    next: Instant,
    every: Duration,
}

impl Due {
    /// Waits until it is time, and says when it was.
    async fn wait(&mut self) -> Instant {
        let due = self.next;
        self.next += self.every;
        tokio::time::sleep_until(due.into()).await;
        due
    }
}

async fn send<Make>(
    mut sender: SendRequest<Full<Bytes>>,
    mut due: Option<Due>,
    shared: Arc<Shared<Make>>,
) -> anyhow::Result<Answers>
where
    Make: Fn(u64) -> Shot,
{
    let mut answers = Answers::default();
    loop {
        let sent = match &mut due {
            Some(due) => due.wait().await,
            None => Instant::now(),
        };
        let phase = shared.phase.load(Ordering::Relaxed);
        if phase == ENDED {
            return Ok(answers);
        }
        let shot = (shared.make)(shared.next.fetch_add(1, Ordering::Relaxed));
        let answer = sender.send_request(shot).await.context("no answer")?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        let took = sent.elapsed();
        if status != shared.wanted {
            if status.is_server_error() && answers.others.len() > 10_000 {
                bail!("only errors: {status}");
            }
            *answers.others.entry(status.as_u16()).or_default() += 1;
            continue;
        }
        answers.good += 1;
        answers.bytes = body.len();
        // Begun and answered within the measured time.
        if phase == COUNTING && shared.phase.load(Ordering::Relaxed) == COUNTING {
            answers.counted += 1;
            answers.times.add(took);
        }
    }
}

impl Answers {
    fn add(&mut self, other: Self) {
        self.good += other.good;
        self.counted += other.counted;
        self.times.append(other.times);
        self.bytes = self.bytes.max(other.bytes);
        for (status, count) in other.others {
            *self.others.entry(status).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get as route_get;

    #[tokio::test]
    async fn every_request_that_was_begun_is_answered_and_counted() {
        let served = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&served);
        let handler = move || {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                let status = if number % 10 == 9 { 503 } else { 200 };
                (StatusCode::from_u16(status).unwrap(), "four")
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let router = axum::Router::new().route("/", route_get(handler));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let some = Load {
            connections: 4,
            warm_up: Duration::from_millis(20),
            measured: Duration::from_millis(50),
            rate: None,
        };
        let (answers, next) = load(addr, some, StatusCode::OK, 100, |_| get("/"))
            .await
            .unwrap();
        let others: u64 = answers.others.values().sum();
        assert_eq!(answers.good + others, served.load(Ordering::Relaxed));
        assert_eq!(next - 100, answers.good + others);
        assert!(others > 0 && answers.others.keys().eq([&503]));
        assert_eq!(answers.bytes, 4);
        assert!(answers.counted > 0 && answers.counted <= answers.good);
        assert_eq!(answers.times.len() as u64, answers.counted);
        assert!(answers.rate() > 0.0);
    }

    #[tokio::test]
    async fn a_steady_rate_waits_for_nobody_and_counts_the_waiting() {
        // One request at a time, and 20 ms for each.
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        let handler = move || {
            let turn = Arc::clone(&turn);
            async move {
                let _mine = turn.lock().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let router = axum::Router::new().route("/", route_get(handler));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let at = |rate| Load {
            connections: 2,
            warm_up: Duration::ZERO,
            measured: Duration::from_millis(400),
            rate: Some(rate),
        };
        let ask = |rate| load(addr, at(rate), StatusCode::OK, 0, |_| get("/"));
        let (slow, _) = ask(20.0).await.unwrap();
        assert!((5..=10).contains(&slow.good), "{} of 8", slow.good);
        let (fast, _) = ask(500.0).await.unwrap();
        let longest = fast.times.percentile(99).unwrap();
        assert!(longest > Duration::from_millis(150), "late by {longest:?}");
    }
}
