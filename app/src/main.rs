//! The shop's process: settings, then everything that runs, then an orderly end.

use app::server::{Settings, run};
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
    let telemetry = telemetry::init("app")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let stop = shutdown::token()?;
        let listener = port::bind(settings.site.leptos_site_addr, "LEPTOS_SITE_ADDR")
            .await
            .map_err(run::how_to_free_the_port)?;
        run::run(listener, settings, &telemetry, stop).await
    });
    // A look-up that still waits for a broker must not hold up the end.
    runtime.shutdown_background();
    ended
}
