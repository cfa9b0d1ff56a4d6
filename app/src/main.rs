//! The shop's process: settings, then everything that runs, then an orderly end.

use app::server::{Settings, run};
use service::{port, settings, shutdown, telemetry};

fn main() -> anyhow::Result<()> {
    // Before any thread starts: reading `.env` changes the environment.
    let settings: Settings = settings::parse();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(settings))
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let telemetry = telemetry::init("app")?;
    let stop = shutdown::token()?;
    let listener = port::bind(settings.site.leptos_site_addr, "LEPTOS_SITE_ADDR")
        .await
        .map_err(run::how_to_free_the_port)?;
    run::run(listener, settings, &telemetry, stop).await
}
