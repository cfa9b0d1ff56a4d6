//! How fast the consumer works off a backlog.

use super::budget::{Row, Unit};
use super::copy::Rows;
use super::table::{Result, Trial};
use super::{Bench, mix};
use crate::stack::{World, until};
use ::collector::{Collector, CollectorSettings};
use anyhow::{Context as _, ensure};
use service::health::Health;
use service::settings::KafkaSettings;
use sqlx::Row as _;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Events of one request while the backlog is made.
const AT_ONCE: u64 = 1_000;
/// Requests under way.
const REQUESTS: usize = 8;
/// How long a drain may take.
const DRAINED: Duration = Duration::from_mins(5);

/// Makes a backlog once; then drains it into an empty database and copies the same rows, in turn.
pub async fn measure(bench: &Bench) -> anyhow::Result<Result> {
    let world = World::make(&bench.servers, "drain", &bench.logs).await?;
    let events = bench.scale.backlog;
    fill(&world, events).await?;
    let ends = world.topic()?.ends().await?;
    let records: i64 = ends.values().map(|ends| ends.high).sum();
    let mut rows: Option<Arc<Rows>> = None;
    let mut trials = Vec::new();
    for trial in 0..bench.scale.trials {
        if trial > 0 {
            world.empty_database().await?;
            world.set_up().await?;
        }
        sqlx::query("CHECKPOINT").execute(&world.db).await?;
        let mut consumer = world.consumer()?;
        let meter = bench.meter().process("consumer", consumer.id());
        let took = drained(&world, records).await?;
        let used = meter.read()?;
        consumer.terminate(Duration::from_secs(20)).await?;
        let void = reconcile(&world, events).await?;
        let rows = match &rows {
            Some(rows) => Arc::clone(rows),
            None => Arc::clone(rows.insert(Arc::new(Rows::read(&world.database_url).await?))),
        };
        let copied = rows.copy(&world.database_url).await?;
        let rate = |during: Duration| crate::figures::rate(rows.events, during);
        let (ours, ceiling) = (rate(took), rate(copied));
        let memory = used.iter().find(|used| used.process == "consumer");
        trials.push(Trial {
            values: vec![
                ours / ceiling,
                ours,
                memory.and_then(|used| used.peak_mb).unwrap_or(f64::NAN),
            ],
            sides: Some([ours, ceiling].map(|rate| Unit::PerSecond.show(rate))),
            used,
            void,
        });
    }
    world.clear().await;
    Ok(Result {
        budget: Row::Drain.budget(),
        trials,
    })
}

/// Puts so many events into the topic, through a collector without a spool: all are in Kafka.
async fn fill(world: &World, events: u64) -> anyhow::Result<()> {
    let kafka = KafkaSettings {
        kafka_brokers: world.brokers.clone(),
        kafka_topic: world.topic.clone(),
    };
    let settings = CollectorSettings {
        ack_timeout: Duration::from_secs(20),
        ..CollectorSettings::new(kafka)
    };
    let end = CancellationToken::new();
    let collector = Collector::start(settings, None, Health::new(), end.clone())?;
    let mut requests = tokio::task::JoinSet::new();
    for first in (0..events).step_by(usize::try_from(AT_ONCE)?) {
        if requests.len() >= REQUESTS {
            let kept: anyhow::Result<()> = requests.join_next().await.context("a request")??;
            kept?;
        }
        let collector = collector.clone();
        requests.spawn(async move {
            let now = chrono::Utc::now();
            let numbers = first..(first + AT_ONCE).min(events);
            let drafts = numbers.map(|number| mix::draft(1, number, now)).collect();
            collector.accept(drafts).await?;
            Ok(())
        });
    }
    for kept in requests.join_all().await {
        kept?;
    }
    collector.shutdown().await;
    end.cancel();
    Ok(())
}

/// Waits until all records are dealt with; returns the time from the first lease, which comes before the
/// first fetch, to the last commit, by Postgres' clock.
async fn drained(world: &World, records: i64) -> anyhow::Result<Duration> {
    let ask = "SELECT coalesce(sum(next_offset), 0)::bigint AS dealt_with,
                      (extract(epoch FROM clock_timestamp() - min(acquired_at)) * 1000)::float8 AS ms
               FROM partition_leases WHERE acquired_at IS NOT NULL";
    let ms: f64 = until("the backlog is drained", DRAINED, || async {
        let row = sqlx::query(ask)
            .fetch_one(&world.db)
            .await
            .map_err(|e| e.to_string())?;
        match row.get::<i64, _>("dealt_with") {
            dealt_with if dealt_with >= records => Ok(row.get("ms")),
            dealt_with => Err(format!("{dealt_with} of {records}")),
        }
    })
    .await?;
    ensure!(ms > 0.0, "the drain took no time");
    Ok(Duration::from_secs_f64(ms / 1000.0))
}

/// Whether each event is one row.
async fn reconcile(world: &World, events: u64) -> anyhow::Result<Vec<String>> {
    let stored = world.number("SELECT count(*) FROM events").await?;
    let rejected = world.number("SELECT count(*) FROM rejected_events").await?;
    let wrong = (i64::try_from(events)? != stored || rejected > 0)
        .then(|| format!("{stored} rows and {rejected} rejects of {events} acknowledged"));
    Ok(wrong.into_iter().collect())
}
