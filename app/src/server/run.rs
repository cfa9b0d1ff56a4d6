//! Runs the shop on its listeners until it is told to stop, then ends in order: requests are answered,
//! page views recorded, the collector flushed.

use super::readiness;
use super::router::router;
use super::settings::Settings;
use super::state::Shop;
use collector::grpc;
use collector::http::serve::{self, Patience};
use service::health::Health;
use service::telemetry::{self, Metric, Telemetry, Unit};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long the last events may take to be acknowledged.
const LAST_EVENTS: Duration = Duration::from_secs(4);

/// What is not recorded although it happened.
pub(super) const DROPPED: Metric = Metric::counter(
    "shop_page_views_dropped_total",
    Unit::Count,
    "Page views, and looks at a style by \"Show options\", that were not recorded: Kafka was away or too many were under way",
);

const METRICS: [Metric; 1] = [DROPPED];

/// Serves the shop on `listener`, and the collector over gRPC on `grpc`, until `shutdown` is cancelled.
///
/// Kafka and Postgres may be away: pages are served, clicks answered with 503 until they are back.
pub async fn run(
    listener: TcpListener,
    grpc: TcpListener,
    settings: Settings,
    telemetry: &Telemetry,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    telemetry::describe(&METRICS);
    let health = Health::new();
    let shop = Shop::open(&settings, health.clone(), shutdown.clone())?;
    let postgres = health.part("postgres");
    tokio::spawn(readiness::watch(
        shop.store.clone(),
        postgres,
        Arc::clone(&shop.postgres),
        shutdown.clone(),
    ));
    let ops = telemetry
        .serve_ops(settings.ops.ops_addr, health, shutdown.clone())
        .await?;
    let address = listener.local_addr()?;
    let over_grpc = grpc.local_addr()?;
    tracing::info!(
        "the shop is open: http://{address} (gRPC: {over_grpc}; metrics and health: http://{ops})"
    );
    if shop.site.assets().stylesheet.is_none() {
        tracing::info!(
            "no stylesheet in {}/pkg yet: pages are plain until one is built (app/README.md)",
            shop.site.root().display()
        );
    }

    let router = router(shop.clone());
    let most = settings.http.intake.connections_max;
    let over_http = serve::run(
        listener,
        router,
        Patience::default(),
        most,
        shutdown.clone(),
    );
    let port = grpc::Port::new(shop.collector.clone(), shop.senders.clone(), most);
    grpc::beside(over_http, grpc, port, &shutdown).await?;
    if tokio::time::timeout(LAST_EVENTS, shop.close())
        .await
        .is_err()
    {
        tracing::warn!("Kafka has not answered for the last events within {LAST_EVENTS:?}");
    }
    tracing::info!("the shop is closed");
    Ok(())
}

/// Adds to "the port is in use" what a person most likely wants: two shops rarely are wanted at once.
pub fn how_to_free_the_port(error: anyhow::Error) -> anyhow::Error {
    let text = error.to_string();
    if text.contains("is in use") {
        anyhow::anyhow!("{text}. If it is this shop, `bash start_script.sh stop app` stops it")
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_manual_has_every_metric_of_the_shop() {
        service::telemetry::check_manual("shop", &super::METRICS).unwrap();
    }
}
