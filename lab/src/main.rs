//! The lab's verbs: load for the pipeline, and the drill that breaks it.

use clap::{Parser, Subcommand};
use lab::{bench, drill, latency, seed, traffic};
use service::shutdown;
use std::process::ExitCode;

/// Load for the clickstream shop: generated events, simulated visitors, measurements, faults.
#[derive(Debug, Parser)]
#[command(name = "lab", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send generated events through the collector, each acknowledged and none twice.
    Seed(seed::Settings),
    /// Let simulated visitors walk through the running shop until Ctrl-C.
    Traffic(traffic::Settings),
    /// Measure the time from a click to its acknowledgement and to its row.
    Latency(latency::Settings),
    /// Measure the pipeline's speed against what its parts can do, row by row of the budget.
    Bench(bench::Settings),
    /// Break a pipeline of its own in every way, under load, and look whether anything is lost or twice.
    Drill(drill::Settings),
}

fn main() -> ExitCode {
    let cli: Cli = service::settings::parse();
    match run(cli.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    service::telemetry::init("lab")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let end = match verb {
            // Servers of their own have to go, too.
            Verb::Bench(_) | Verb::Drill(_) => shutdown::patient_token()?,
            Verb::Seed(_) | Verb::Traffic(_) | Verb::Latency(_) => shutdown::token()?,
        };
        match verb {
            Verb::Seed(settings) => seed::run(settings, end).await,
            Verb::Traffic(settings) => traffic::run(settings, end).await,
            Verb::Latency(settings) => latency::run(settings, end).await,
            Verb::Bench(settings) => bench::run(settings, end).await,
            Verb::Drill(settings) => drill::run(settings, end).await,
        }
    });
    // A measurement that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    ended
}
