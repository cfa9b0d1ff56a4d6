//! Reads the settings, then takes events until it is told to stop.

use collector::http::alone::{self, Settings};
use service::{port, settings, shutdown, telemetry};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any thread starts: reading `.env` changes the environment.
    let settings: Settings = settings::parse();
    match serve(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(settings: Settings) -> anyhow::Result<()> {
    let telemetry = telemetry::init("collector")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let stop = shutdown::token()?;
        let listener = port::bind(settings.server.address(), "SERVER_PORT").await?;
        alone::run(listener, settings, &telemetry, stop).await
    });
    // A look-up that still waits for a broker must not hold up the end.
    runtime.shutdown_background();
    ended
}
