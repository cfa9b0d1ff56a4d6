//! `PublishEvent` over gRPC ÷ `POST /event`, both with the same events and as many connections.

use super::bodies::Bodies;
use super::budget::Row;
use super::collector::{Running, trial};
use super::generator::Load;
use super::table::Result;
use super::{Bench, mix};
use ::collector::grpc::proto::ingest::EventRequest;
use ::collector::grpc::proto::ingest::event_service_client::EventServiceClient;
use anyhow::Context as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;
use tonic::transport::Endpoint;

const WARMING: u8 = 0;
const COUNTING: u8 = 1;
const ENDED: u8 = 2;

/// Calls of ids that no other row has.
const FIRST_RUN: u64 = 1_000;
/// How many different calls there are: as many as different bodies over HTTP.
const DIFFERENT: u64 = 256;

/// Measures both in turn, on one collector.
pub async fn measure(bench: &Bench) -> anyhow::Result<Result> {
    let mut running = Running::start(bench, "grpc").await?;
    let load = running.load(64);
    let mut trials = Vec::new();
    for run in (FIRST_RUN..).take(bench.scale.trials) {
        let (over_http, _) = running.post("/event", load, Bodies::events).await?;
        let meter = bench.meter().process("collector", running.collector.id());
        let calls = call(running.grpc, load, run).await?;
        let used = meter.read()?;
        running.acknowledged += calls.good;
        trials.push(trial(over_http.rate(), calls.rate, used, |_| Vec::new()));
    }
    running.finish(Row::Grpc, trials).await
}

/// What came back.
struct Calls {
    /// Calls answered, from the first to the last.
    good: u64,
    /// A second, of the measured time.
    rate: f64,
}

/// What all connections share.
struct Shared {
    phase: AtomicU8,
    next: AtomicU64,
    good: AtomicU64,
    run: u64,
    /// Written once, as [`Bodies`] are: only their ids change.
    templates: Vec<EventRequest>,
}

impl Shared {
    fn next_request(&self) -> EventRequest {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let at = usize::try_from(number).unwrap_or(0) % self.templates.len();
        let mut request = self.templates[at].clone();
        if !request.id.is_empty() {
            request.id = mix::id(self.run, number).to_string();
        }
        request
    }
}

/// Sends one call after the other on each connection. Every call that was begun is answered before this returns.
async fn call(addr: SocketAddr, load: Load, run: u64) -> anyhow::Result<Calls> {
    let shared = Arc::new(Shared {
        phase: AtomicU8::new(WARMING),
        next: AtomicU64::new(0),
        good: AtomicU64::new(0),
        run,
        templates: (0..DIFFERENT).map(|number| request(run, number)).collect(),
    });
    let mut connections = JoinSet::new();
    for _ in 0..load.connections {
        let channel = Endpoint::from_shared(format!("http://{addr}"))?
            .tcp_nodelay(true)
            .connect()
            .await
            .context("connecting")?;
        connections.spawn(one_connection(
            EventServiceClient::new(channel),
            Arc::clone(&shared),
        ));
    }
    tokio::time::sleep(load.warm_up).await;
    shared.phase.store(COUNTING, Ordering::Relaxed);
    let (began, before) = (Instant::now(), shared.good.load(Ordering::Relaxed));
    tokio::time::sleep(load.measured).await;
    let counted = shared.good.load(Ordering::Relaxed) - before;
    let rate = crate::figures::rate(usize::try_from(counted)?, began.elapsed());
    shared.phase.store(ENDED, Ordering::Relaxed);
    while let Some(ended) = connections.join_next().await {
        ended.context("a connection's task")??;
    }
    Ok(Calls {
        good: shared.good.load(Ordering::Relaxed),
        rate,
    })
}

async fn one_connection(
    mut client: EventServiceClient<tonic::transport::Channel>,
    shared: Arc<Shared>,
) -> anyhow::Result<()> {
    while shared.phase.load(Ordering::Relaxed) != ENDED {
        client.publish_event(shared.next_request()).await?;
        shared.good.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// The event that `/event` gets under this number, in the words of this contract.
fn request(run: u64, number: u64) -> EventRequest {
    let body = mix::events_body(number, mix::id(run, number));
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let meta = body["meta"].as_object().into_iter().flatten();
    EventRequest {
        id: text("id"),
        user_id: text("user_id"),
        event_type: text("event_type"),
        url: text("url"),
        referrer: text("referrer"),
        ts: text("ts"),
        meta: meta
            .map(|(key, value)| {
                (
                    key.clone(),
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned),
                )
            })
            .collect(),
    }
}
