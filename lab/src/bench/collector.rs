//! The collector under HTTP load, and whether each acknowledgement became one row.

use super::bodies::Bodies;
use super::budget::{Row, Unit};
use super::generator::{self, Answers, Load, Shot};
use super::table::{Result, Trial};
use super::usage::Used;
use super::{Bench, kafka, metrics};
use crate::stack::program::free_port;
use crate::stack::{Program, World, until};
use hyper::StatusCode;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long the collector may take to be ready.
const READY: Duration = Duration::from_secs(30);
/// How long the consumer may take to write what a row has sent.
const ALL_ROWS: Duration = Duration::from_mins(5);

/// `POST /event` at 64 connections ÷ a bare loop with 64 outstanding.
pub async fn event_64(bench: &Bench) -> anyhow::Result<Result> {
    let beside = World::make(&bench.servers, "bare", &bench.logs).await?;
    let mut running = Running::start(bench, "event64").await?;
    let load = running.load(64);
    let mut trials = Vec::new();
    for _ in 0..bench.scale.trials {
        let kafka = kafka::settings_of(&beside);
        let bare = move || kafka::bare_loop(&kafka, 64, load.warm_up, load.measured);
        let ceiling = tokio::task::spawn_blocking(bare).await??;
        let (answers, used) = running.post("/event", load, Bodies::events).await?;
        trials.push(trial(ceiling, answers.rate(), used, |_| Vec::new()));
    }
    beside.clear().await;
    running.finish(Row::Event64, trials).await
}

/// The same at 1,024 connections ÷ `/health`.
pub async fn event_1024(bench: &Bench) -> anyhow::Result<Result> {
    let mut running = Running::start(bench, "event1024").await?;
    let load = running.load(1_024);
    let mut trials = Vec::new();
    for _ in 0..bench.scale.trials {
        let health = |_| generator::get("/health");
        let (ceiling, _) = generator::load(running.addr, load, StatusCode::OK, 0, health).await?;
        let (answers, used) = running.post("/event", load, Bodies::events).await?;
        // At full load a time says only how many connections there are.
        let steady = Load {
            rate: Some(ceiling.rate() * Row::Event1024.budget().criteria[0].must),
            ..load
        };
        let (at_must, _) = running.post("/event", steady, Bodies::events).await?;
        let p99 = at_must.times.percentile(99).unwrap_or(Duration::MAX);
        trials.push(trial(ceiling.rate(), answers.rate(), used, |_| {
            vec![p99.as_secs_f64() * 1000.0]
        }));
    }
    running.finish(Row::Event1024, trials).await
}

/// How many batches are under way. Kafka's benchmark, too, has tens of thousands of records under way: as many as
/// 32 MB hold.
const BATCHES_AT_ONCE: usize = 256;
/// Events of a batch.
const EVENTS: u64 = 100;

/// Batches of 100 ÷ Kafka's own benchmark.
pub async fn batches(bench: &Bench) -> anyhow::Result<Result> {
    let beside = World::make(&bench.servers, "java", &bench.logs).await?;
    let mut running = Running::start(bench, "batches").await?;
    let load = running.load(BATCHES_AT_ONCE);
    // As many as take a few seconds.
    let records = bench.scale.backlog;
    let mut trials = Vec::new();
    for _ in 0..bench.scale.trials {
        let (kafka, folder) = (kafka::settings_of(&beside), bench.folder.clone());
        let java = move || kafka::producer_benchmark(&kafka, records, &folder);
        let ceiling = tokio::task::spawn_blocking(java).await??;
        let (rate, used) = running.batches(load).await?;
        trials.push(trial(ceiling, rate, used, |_| Vec::new()));
    }
    beside.clear().await;
    running.finish(Row::Batches, trials).await
}

/// `GET /api/clicks` ÷ `/health`.
pub async fn counters(bench: &Bench) -> anyhow::Result<Result> {
    let running = Running::with_database(bench, "counters").await?;
    let load = running.load(64);
    let mut trials = Vec::new();
    for _ in 0..bench.scale.trials {
        let health = |_| generator::get("/health");
        let (ceiling, _) = generator::load(running.addr, load, StatusCode::OK, 0, health).await?;
        let meter = bench.meter().process("collector", running.collector.id());
        let clicks = |_| generator::get("/api/clicks");
        let (answers, _) = generator::load(running.addr, load, StatusCode::OK, 0, clicks).await?;
        let used = meter.read()?;
        trials.push(trial(ceiling.rate(), answers.rate(), used, |_| Vec::new()));
    }
    running.finish(Row::Counters, trials).await
}

pub(super) fn trial(
    ceiling: f64,
    ours: f64,
    used: Vec<Used>,
    more: impl Fn(f64) -> Vec<f64>,
) -> Trial {
    let ratio = ours / ceiling;
    let mut values = vec![ratio];
    values.extend(more(ratio));
    Trial {
        values,
        sides: Some([ours, ceiling].map(|rate| Unit::PerSecond.show(rate))),
        used,
        void: Vec::new(),
    }
}

/// A collector alone, in a world of its own.
pub(super) struct Running<'a> {
    bench: &'a Bench,
    world: World,
    pub collector: Program,
    addr: SocketAddr,
    pub grpc: SocketAddr,
    ops: SocketAddr,
    /// Events acknowledged to whomever.
    pub acknowledged: u64,
    /// Numbers the loads, so that no id comes twice.
    run: u64,
    void: Vec<String>,
}

impl<'a> Running<'a> {
    pub async fn start(bench: &'a Bench, name: &str) -> anyhow::Result<Self> {
        Self::begin(bench, name, false).await
    }

    /// One that asks the database for its counters.
    async fn with_database(bench: &'a Bench, name: &str) -> anyhow::Result<Self> {
        Self::begin(bench, name, true).await
    }

    async fn begin(bench: &'a Bench, name: &str, with_database: bool) -> anyhow::Result<Self> {
        let world = World::make(&bench.servers, name, &bench.logs).await?;
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let grpc = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let ops = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let spool = bench.folder.join(format!("spool-{name}"));
        let settings = [
            ("SERVER_PORT", addr.port().to_string()),
            ("GRPC_ADDR", grpc.to_string()),
            ("OPS_ADDR", ops.to_string()),
            ("SPOOL_DIR", spool.display().to_string()),
            ("WITHOUT_DATABASE", (!with_database).to_string()),
        ];
        let collector = world.start("collector", &[], "collector", &settings)?;
        until("the collector is ready", READY, || async {
            match generator::ask(ops, generator::get("/readyz")).await {
                Ok((StatusCode::OK, _)) => Ok(()),
                Ok((status, body)) => Err(format!("{status} {}", String::from_utf8_lossy(&body))),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await?;
        Ok(Self {
            bench,
            world,
            collector,
            addr,
            grpc,
            ops,
            acknowledged: 0,
            run: 1,
            void: Vec::new(),
        })
    }

    pub fn load(&self, connections: usize) -> Load {
        Load {
            connections,
            warm_up: self.bench.scale.warm_up,
            measured: self.bench.scale.measured,
            rate: None,
        }
    }

    /// Posts bodies to the collector and keeps the books.
    pub async fn post(
        &mut self,
        path: &'static str,
        load: Load,
        bodies: impl Fn(u64) -> Bodies,
    ) -> anyhow::Result<(Answers, Vec<Used>)> {
        let bodies = Arc::new(bodies(self.run));
        self.run += 1;
        let events = bodies.events;
        let meter = self.bench.meter().process("collector", self.collector.id());
        let make = move |number| -> Shot { generator::post(path, bodies.get(number)) };
        let (answers, _) = generator::load(self.addr, load, StatusCode::ACCEPTED, 0, make).await?;
        let used = meter.read()?;
        self.acknowledged += answers.good * events;
        for (status, count) in &answers.others {
            self.void.push(format!("{count} answers were {status}"));
        }
        Ok((answers, used))
    }

    /// Posts batches; the rate is in events.
    async fn batches(&mut self, load: Load) -> anyhow::Result<(f64, Vec<Used>)> {
        let batches = |run| Bodies::batches(run, EVENTS);
        let (answers, used) = self.post("/events", load, batches).await?;
        #[expect(clippy::cast_precision_loss, reason = "a hundred")]
        let rate = answers.rate() * EVENTS as f64;
        Ok((rate, used))
    }

    /// Posts batches for so long, and tells the rate.
    pub async fn warm(&mut self, measured: Duration) -> anyhow::Result<f64> {
        let load = Load {
            warm_up: Duration::ZERO,
            measured,
            ..self.load(BATCHES_AT_ONCE)
        };
        Ok(self.batches(load).await?.0)
    }

    /// Ends it and forgets what it has sent.
    pub async fn discard(mut self) -> anyhow::Result<()> {
        self.collector.terminate(Duration::from_secs(15)).await?;
        self.world.clear().await;
        Ok(())
    }

    /// Lets the consumer write everything, and compares.
    pub async fn finish(mut self, row: Row, trials: Vec<Trial>) -> anyhow::Result<Result> {
        let spooled = metrics::sum(self.ops, "collector_spooled_events_total").await?;
        if spooled > 0.0 {
            self.void.push(format!("{spooled} events were spooled"));
        }
        self.collector.terminate(Duration::from_secs(15)).await?;
        let consumer = self.world.consumer()?;
        let wanted = i64::try_from(self.acknowledged)?;
        let stored =
            "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM rejected_events)";
        let rows = self
            .world
            .until_number("every event is a row", wanted, ALL_ROWS, stored)
            .await;
        if let Err(error) = rows {
            self.void.push(format!("rows ≠ acknowledged: {error:#}"));
        }
        let mut result = Result {
            budget: row.budget(),
            trials,
        };
        if let Some(first) = result.trials.first_mut() {
            first.void = std::mem::take(&mut self.void);
        }
        drop(consumer);
        self.world.clear().await;
        Ok(result)
    }
}
