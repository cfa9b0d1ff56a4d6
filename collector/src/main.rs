//! Reads the settings, then takes events until it is told to stop.

use collector::http::alone::{self, Settings};
use service::telemetry::Telemetry;
use service::{port, process, shutdown};
use std::process::ExitCode;

fn main() -> ExitCode {
    process::run("collector", serve)
}

async fn serve(settings: Settings, telemetry: Telemetry) -> anyhow::Result<()> {
    let stop = shutdown::token()?;
    let listener = port::bind(settings.server.address(), "SERVER_PORT").await?;
    let grpc = settings.grpc.bind().await?;
    alone::run(listener, grpc, settings, &telemetry, stop).await
}
