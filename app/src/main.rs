//! The shop's process: settings, then everything that runs, then an orderly end.

use app::server::{Settings, run};
use service::telemetry::Telemetry;
use service::{port, process, shutdown};
use std::process::ExitCode;

fn main() -> ExitCode {
    process::run("app", serve)
}

async fn serve(settings: Settings, telemetry: Telemetry) -> anyhow::Result<()> {
    let stop = shutdown::token()?;
    let listener = port::bind(settings.site.leptos_site_addr, "LEPTOS_SITE_ADDR")
        .await
        .map_err(run::how_to_free_the_port)?;
    let grpc = settings.grpc.bind().await;
    let grpc = grpc.map_err(run::how_to_free_the_port)?;
    run::run(listener, grpc, settings, &telemetry, stop).await
}
