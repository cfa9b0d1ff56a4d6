//! How fast the pipeline is with its safety on, as ratios: ours divided by the most that the same parts
//! reach on the same machine in the same minute. A rate alone says more about the machine than about us.
//!
//! Each row measures its ceiling and ours in turn, three times; each figure is the median of its trials. A trial in
//! which an acknowledgement came from the spool, or in which the rows are not what was acknowledged, is
//! void. In the order of use: what is asked for ([`budget`]), the events ([`mix`]), the HTTP load
//! ([`generator`], [`bodies`]) and Kafka's own ([`kafka`]), the collector ([`collector`]), the consumer
//! ([`drain`], [`copy`]), the pages ([`storefront`], [`sizes`]), what it cost ([`usage`]) and the table
//! ([`table`]).

pub mod bodies;
pub mod budget;
mod clicks;
mod collector;
pub mod copy;
mod drain;
pub mod generator;
mod grpc;
mod kafka;
mod metrics;
pub mod mix;
mod sizes;
mod storefront;
pub mod table;
pub mod usage;

use crate::stack::{Part, Servers, World};
use anyhow::{Context as _, ensure};
use budget::Row;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use table::Result as RowResult;
use tokio_util::sync::CancellationToken;

/// What to measure, and where to write it.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// Measure only these rows.
    #[arg(long, value_name = "ROW,…", value_delimiter = ',')]
    only: Vec<Row>,
    /// Write the table into this file, too.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Fewer events, shorter loads, one trial: shows that it works, not how fast. Misses are no failure.
    #[arg(long)]
    short: bool,
    /// The site that `cargo leptos build` or the start script has made.
    #[arg(long, value_name = "FOLDER", default_value = "target/web/site")]
    site: PathBuf,
}

/// How long brokers that were just started may take until they get no faster.
const WARM_UP_MAX: Duration = Duration::from_mins(6);
/// How long each look at that lasts.
const WARM_UP_ROUND: Duration = Duration::from_secs(8);

/// Whether none of the last four rates is more than a twentieth above the best before them. Two and a tenth were too few:
/// rates vary by as much from one look to the next.
fn has_settled(rates: &[f64]) -> bool {
    let Some((before, last)) = rates.split_last_chunk::<4>() else {
        return false;
    };
    let best = before.iter().copied().fold(0.0, f64::max);
    best > 0.0 && last.iter().all(|rate| *rate <= best * 1.05)
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    trials: usize,
    /// Events of the backlog.
    backlog: u64,
    warm_up: Duration,
    measured: Duration,
    /// For clicks at a steady rate, which need more time to be many.
    clicks: Duration,
}

impl Scale {
    const FULL: Self = Self {
        trials: 3,
        backlog: 1_000_000,
        warm_up: Duration::from_secs(3),
        measured: Duration::from_secs(10),
        clicks: Duration::from_secs(30),
    };
    const SHORT: Self = Self {
        trials: 1,
        backlog: 200_000,
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs(3),
        clicks: Duration::from_secs(5),
    };
}

/// What every row works with.
struct Bench {
    servers: Servers,
    scale: Scale,
    folder: PathBuf,
    logs: PathBuf,
    site: PathBuf,
}

impl Bench {
    /// Keeps the brokers busy, with every kind of load that is measured, until they get no faster: their code is
    /// compiled while it runs, which takes the machine's cores for minutes. Brokers that anybody meets have run
    /// for days.
    async fn warm_up(&self) -> anyhow::Result<()> {
        let world = World::make(&self.servers, "warm", &self.logs).await?;
        let mut collector = collector::Running::start(self, "warmbatches").await?;
        let records = self.scale.backlog / 2;
        let began = Instant::now();
        let (mut bare, mut batches) = (Vec::new(), Vec::new());
        while !(has_settled(&bare) && has_settled(&batches)) && began.elapsed() < WARM_UP_MAX {
            let (kafka, folder) = (kafka::settings_of(&world), self.folder.clone());
            let busy = move || {
                kafka::producer_benchmark(&kafka, records, &folder)?;
                kafka::bare_loop(&kafka, 64, Duration::ZERO, WARM_UP_ROUND)
            };
            bare.push(tokio::task::spawn_blocking(busy).await??);
            batches.push(collector.warm(WARM_UP_ROUND / 2).await?);
        }
        collector.discard().await?;
        world.clear().await;
        let shown = |rates: Vec<f64>| {
            let rates: Vec<String> = rates.into_iter().map(budget::grouped).collect();
            rates.join(", ")
        };
        println!(
            "the brokers are warm after {} s; the bare loop's rates: {}; our batches': {}",
            began.elapsed().as_secs(),
            shown(bare),
            shown(batches)
        );
        Ok(())
    }

    /// Watches the servers; rows add their own programs. The generator is this process.
    fn meter(&self) -> usage::Meter {
        let mut meter = usage::Meter::new().process("the generator", std::process::id());
        for part in Part::BROKERS.into_iter().chain([Part::Postgres]) {
            // A server that has gone is noticed where it is needed.
            if let Ok(id) = self.servers.pid(part) {
                meter = meter.family(&part.to_string(), id);
            }
        }
        meter
    }
}

/// Measures and prints.
///
/// # Errors
/// A must is missed, a row is void, or something did not work.
pub async fn run(settings: Settings, end: CancellationToken) -> anyhow::Result<()> {
    let rows = if settings.only.is_empty() {
        Row::ALL.to_vec()
    } else {
        settings.only.clone()
    };
    let folder = std::env::temp_dir().join(format!("clickshop-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = end
        .run_until_cancelled(measure(&settings, &rows, &folder))
        .await
        .context("told to stop");
    let results = match measured.and_then(|results| results) {
        Ok(results) => results,
        Err(error) => {
            eprintln!("logs: {}", folder.display());
            return Err(error);
        }
    };
    let text = table::markdown(&results);
    println!("\n{text}");
    if let Some(file) = &settings.markdown {
        table::write_into(file, &text)?;
    }
    // The logs of a run that failed are worth keeping.
    std::fs::remove_dir_all(&folder)?;
    let bad = results.iter().filter(|row| row.failed(!settings.short));
    let bad: Vec<&str> = bad.map(|row| row.budget.row.name()).collect();
    ensure!(bad.is_empty(), "not as it must be: {}", bad.join(", "));
    Ok(())
}

async fn measure(
    settings: &Settings,
    rows: &[Row],
    folder: &Path,
) -> anyhow::Result<Vec<RowResult>> {
    let logs = folder.join("logs");
    std::fs::create_dir_all(&logs)?;
    println!(
        "bringing up three brokers and Postgres in {}",
        folder.display()
    );
    let bench = Bench {
        servers: Servers::bring_up(folder).await?,
        scale: if settings.short {
            Scale::SHORT
        } else {
            Scale::FULL
        },
        folder: folder.to_owned(),
        logs,
        site: settings.site.clone(),
    };
    bench.warm_up().await.context("warming up the brokers")?;
    let mut results = Vec::new();
    for row in rows {
        println!("{}: {}", row.name(), row.budget().what);
        let measured = match row {
            Row::Drain => drain::measure(&bench).await,
            Row::Event64 => collector::event_64(&bench).await,
            Row::Event1024 => collector::event_1024(&bench).await,
            Row::Batches => collector::batches(&bench).await,
            Row::Grpc => grpc::measure(&bench).await,
            Row::Counters => collector::counters(&bench).await,
            Row::Clicks => clicks::measure(&bench).await,
            Row::Storefront => storefront::measure(&bench).await,
            Row::Sizes => sizes::measure(&bench).await,
        };
        let result = measured.with_context(|| format!("measuring {}", row.name()))?;
        println!("{}", result.line());
        results.push(result);
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[], false)]
    #[case(&[500.0, 500.0, 500.0, 500.0], false)]
    #[case(&[500.0, 520.0, 480.0, 510.0, 500.0], true)]
    #[case(&[500.0, 520.0, 480.0, 530.0, 500.0], false)]
    #[case(&[200.0, 500.0, 510.0, 490.0, 500.0], false)]
    #[case(&[200.0, 500.0, 510.0, 490.0, 500.0, 520.0], true)]
    #[case(&[0.0, 0.0, 0.0, 0.0, 0.0], false)]
    fn brokers_are_warm_when_they_get_no_faster(#[case] rates: &[f64], #[case] settled: bool) {
        assert_eq!(has_settled(rates), settled);
    }
}
