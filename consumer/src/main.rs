//! Reads the settings, then does what the verb says.

use consumer::settings::Cli;
use consumer::verbs::Verb;
use consumer::{offsets, rejects, replay, run, setup};

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli: Cli = service::settings::parse();
    match work(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(cli: &Cli) -> anyhow::Result<()> {
    let telemetry = service::telemetry::init("consumer")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        match &cli.verb {
            None | Some(Verb::Run) => run::run(cli, &telemetry).await,
            Some(Verb::Setup(wanted)) => setup::setup(cli, wanted).await,
            Some(Verb::Offsets { verb }) => offsets::offsets(cli, verb).await,
            Some(Verb::Replay(wanted)) => replay::replay(cli, wanted).await,
            Some(Verb::Rejects { verb }) => rejects::rejects(cli, verb).await,
        }
    });
    // A look-up that still waits for a broker must not hold up the end.
    runtime.shutdown_background();
    ended
}
