//! What a process says about itself: log lines on stderr, and for operators `/metrics`, `/livez` and
//! `/readyz` on an address of their own.

use crate::health::Health;
use crate::port;
use anyhow::Context as _;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::net::SocketAddr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Upper bounds of the histograms whose names end in `_seconds`.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Upper bounds of the histograms whose names end in `_events`.
const EVENTS: [f64; 10] = [
    1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0,
];

/// This process' logs and metrics, once they work.
#[derive(Clone)]
pub struct Telemetry {
    prometheus: PrometheusHandle,
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// A metric as it is declared, once, beside the code that measures it.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The Prometheus name; a counter's ends in `_total`, a time's in `_seconds`.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// Its unit.
    pub unit: metrics::Unit,
    /// What it counts, for whoever reads the dashboard.
    pub help: &'static str,
}

/// Starts logs and metrics. `RUST_LOG` chooses the lines (default `info`), `LOG_FORMAT=json` their form.
///
/// Returns an error when a setting is not understood or when it is called twice.
pub fn init(service: &'static str) -> anyhow::Result<Telemetry> {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = match wanted.trim() {
        // The driver tells of each connection and each of Postgres' notices; ours say once what is missing.
        "" => "info,sqlx=error",
        wanted => wanted,
    };
    let filter = EnvFilter::try_new(filter).context("RUST_LOG")?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match std::env::var("LOG_FORMAT").as_deref() {
        Ok("json") => lines.json().flatten_event(true).finish().try_init()?,
        Ok("text" | "") | Err(_) => {
            use std::io::IsTerminal as _;
            let ansi = std::io::stderr().is_terminal();
            lines
                .with_target(false)
                .with_ansi(ansi)
                .finish()
                .try_init()?;
        }
        Ok(other) => anyhow::bail!("LOG_FORMAT is {other:?}; expected text or json"),
    }
    let prometheus = PrometheusBuilder::new()
        .add_global_label("service", service)
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_events".to_owned()), &EVENTS)?
        .install_recorder()?;
    Ok(Telemetry { prometheus })
}

/// Gives every metric its help text and unit.
pub fn describe(metrics: &[Metric]) {
    for Metric {
        name,
        kind,
        unit,
        help,
    } in metrics.iter().copied()
    {
        match kind {
            Kind::Counter => metrics::describe_counter!(name, unit, help),
            Kind::Gauge => metrics::describe_gauge!(name, unit, help),
            Kind::Histogram => metrics::describe_histogram!(name, unit, help),
        }
    }
}

impl Telemetry {
    /// Listens on `addr` and answers operators until `stop`.
    ///
    /// Returns once the port is ours; an error names the port's holder and `OPS_ADDR`.
    pub async fn serve_ops(
        &self,
        addr: SocketAddr,
        health: Health,
        stop: CancellationToken,
    ) -> anyhow::Result<SocketAddr> {
        let listener = port::bind(addr, "OPS_ADDR").await?;
        let addr = listener.local_addr()?;
        let router = router(self.prometheus.clone(), health);
        let prometheus = self.prometheus.clone();
        tokio::spawn(async move {
            let serve = std::future::IntoFuture::into_future(axum::serve(listener, router));
            tokio::select! {
                ended = serve => tracing::error!(?ended, "the ops port stopped answering"),
                () = upkeep(prometheus) => {}
                // Probes come in until the end: what they see then is a closed port.
                () = stop.cancelled() => {}
            }
        });
        tracing::info!("operators: http://{addr}/metrics, /livez, /readyz");
        Ok(addr)
    }
}

/// Folds what histograms have gathered, which otherwise grows until somebody reads `/metrics`.
async fn upkeep(prometheus: PrometheusHandle) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        prometheus.run_upkeep();
    }
}

fn router(prometheus: PrometheusHandle, health: Health) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .with_state(health)
        .route("/metrics", get(move || metrics_text(prometheus.clone())))
}

#[expect(clippy::unused_async, reason = "a handler is async")]
async fn metrics_text(prometheus: PrometheusHandle) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        prometheus.render(),
    )
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    let report = health.report();
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    async fn ask(router: Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_says_why_not_and_liveness_stands_apart() {
        let health = Health::new();
        let part = health.part("kafka");
        part.unready("no broker answers");
        let recorder = PrometheusBuilder::new().build_recorder();
        let router = router(recorder.handle(), health);

        let (status, body) = ask(router.clone(), "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            body,
            r#"{"ready":false,"parts":{"kafka":"no broker answers"}}"#
        );
        assert_eq!(ask(router.clone(), "/livez").await.0, StatusCode::OK);

        part.ready();
        assert_eq!(ask(router.clone(), "/readyz").await.0, StatusCode::OK);
        assert_eq!(ask(router, "/metrics").await.0, StatusCode::OK);
    }
}
