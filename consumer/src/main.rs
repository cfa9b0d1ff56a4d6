//! Reads the settings, then does what the verb says.

use consumer::settings::Cli;
use consumer::verbs::Verb;
use consumer::{offsets, rejects, replay, run, setup};
use service::process;
use service::telemetry::Telemetry;
use std::process::ExitCode;

fn main() -> ExitCode {
    process::run("consumer", work)
}

async fn work(cli: Cli, telemetry: Telemetry) -> anyhow::Result<()> {
    match &cli.verb {
        None | Some(Verb::Run) => run::run(&cli, &telemetry).await,
        Some(Verb::Setup(wanted)) => setup::setup(&cli, wanted).await,
        Some(Verb::Offsets { verb }) => offsets::offsets(&cli, verb).await,
        Some(Verb::Replay(wanted)) => replay::replay(&cli, wanted).await,
        Some(Verb::Rejects { verb }) => rejects::rejects(&cli, verb).await,
    }
}
