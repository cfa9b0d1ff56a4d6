//! Fills the pipeline: every generated event is acknowledged, and none becomes two rows.
//!
//! The ids follow from the seed and are given as a client's ids, so a batch whose outcome is unknown is
//! sent again as it was, and the same `--rng-seed` a second time adds no row.

use crate::figures::rate;
use crate::visit::Visits;
use anyhow::Context as _;
use chrono::{TimeDelta, Utc};
use collector::{AcceptError, Collector, CollectorSettings, Draft};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use service::health::Health;
use service::settings::KafkaSettings;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Events of one request.
const BATCH: usize = 1_000;
/// Requests on their way at once.
const AT_ONCE: usize = 4;
/// Before a refused request is sent again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// What to seed.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// How many events.
    #[arg(long, value_name = "N")]
    count: usize,
    /// How many different visitors they are from.
    #[arg(long, value_name = "V", default_value_t = 1_000)]
    visitors: usize,
    /// Over how many hours before now the visits are spread, by the visitors' clocks.
    #[arg(long, value_name = "H", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=720))]
    hours: u16,
    /// The same number makes the same visits, with the same ids; else a random one.
    #[arg(long, value_name = "S")]
    rng_seed: Option<u64>,
    #[command(flatten)]
    kafka: KafkaSettings,
}

/// Sends all events; ends early, with an error, when `end` is cancelled.
pub async fn run(settings: Settings, end: CancellationToken) -> anyhow::Result<()> {
    let rng_seed = settings.rng_seed.unwrap_or_else(rand::random);
    let now = Utc::now();
    let mut events = Visits::new(
        StdRng::seed_from_u64(rng_seed),
        settings.visitors,
        now - TimeDelta::hours(settings.hours.into()),
        now,
    )
    .flatten()
    .take(settings.count);
    // The collector must outlive what is on its way when the end is asked for.
    let collector = Collector::start(
        CollectorSettings::new(settings.kafka),
        None,
        Health::new(),
        CancellationToken::new(),
    )?;
    let mut progress = Progress::new(settings.count);
    let mut sending = JoinSet::new();
    loop {
        while sending.len() < AT_ONCE && !end.is_cancelled() {
            let batch: Vec<Draft> = events.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            sending.spawn(keep(collector.clone(), batch, end.clone()));
        }
        let Some(kept) = sending.join_next().await else {
            break;
        };
        progress.add(kept.context("a batch")??);
    }
    collector.shutdown().await;
    progress.finish(rng_seed)
}

/// Sends one batch until it is acknowledged, and returns its size; 0 when the end came first. That
/// Kafka is away is said by the collector.
async fn keep(
    collector: Collector,
    batch: Vec<Draft>,
    end: CancellationToken,
) -> anyhow::Result<usize> {
    loop {
        match collector.accept(batch.clone()).await {
            Ok(accepted) => return Ok(accepted.len()),
            Err(invalid @ AcceptError::Invalid(_)) => return Err(invalid.into()),
            Err(AcceptError::Unavailable { .. } | AcceptError::Overloaded) => {}
        }
        let pause = tokio::time::sleep(RETRY_AFTER);
        if end.run_until_cancelled(pause).await.is_none() {
            return Ok(0);
        }
    }
}

/// Counts what is acknowledged and says so: over one line on a terminal, else a line now and then.
struct Progress {
    wanted: usize,
    done: usize,
    started: Instant,
    said: Instant,
    on_terminal: bool,
}

impl Progress {
    fn new(wanted: usize) -> Self {
        let now = Instant::now();
        Self {
            wanted,
            done: 0,
            started: now,
            said: now,
            on_terminal: std::io::stderr().is_terminal(),
        }
    }

    fn add(&mut self, events: usize) {
        self.done += events;
        let every = if self.on_terminal { 200 } else { 5_000 };
        if self.said.elapsed() < Duration::from_millis(every) {
            return;
        }
        self.said = Instant::now();
        let Self { wanted, done, .. } = self;
        let rate = rate(*done, self.started.elapsed());
        let (begin, end) = if self.on_terminal {
            ("\r", "\x1b[K")
        } else {
            ("", "\n")
        };
        eprint!("{begin}{done} of {wanted} acknowledged, {rate:.0}/s{end}");
        let _ = std::io::stderr().flush();
    }

    /// The last word; an error when not all is acknowledged.
    fn finish(self, rng_seed: u64) -> anyhow::Result<()> {
        if self.on_terminal {
            eprint!("\r\x1b[K");
        }
        let took = self.started.elapsed();
        let Self { wanted, done, .. } = self;
        println!(
            "acknowledged {done} of {wanted} events in {:.1} s ({:.0}/s), rng seed {rng_seed}",
            took.as_secs_f64(),
            rate(done, took)
        );
        anyhow::ensure!(
            done == wanted,
            "ended early; go on with the same --count and --rng-seed {rng_seed}: what is there already is not stored twice"
        );
        Ok(())
    }
}
