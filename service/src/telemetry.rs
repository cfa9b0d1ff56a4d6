//! What a process says about itself: log lines on stderr, and for operators `/metrics`, `/livez` and
//! `/readyz` on an address of their own.

use crate::health::{Health, READY};
use crate::port;
use anyhow::Context as _;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

mod histogram;
mod manual;
mod metric;
pub mod reading;
mod recorder;

pub use histogram::record_seconds;
pub use manual::{check_manual, check_shown};
pub use metric::{Counters, Kind, Label, Metric, describe};
pub use metrics::Unit;

use histogram::Histograms;
use recorder::Recorder;

/// Whether a part of the process is ready.
const PART_READY: Metric = Metric::gauge(
    "service_part_ready",
    Unit::Count,
    "1 while this part of the process can do its work, 0 while not; `/readyz` says why",
)
.by(&[Label {
    name: "part",
    values: &[],
}]);

/// What every process of ours measures.
const METRICS: [Metric; 1] = [PART_READY];

/// This process' logs and metrics, once they work.
#[derive(Clone)]
pub struct Telemetry {
    numbers: PrometheusHandle,
    histograms: Arc<Histograms>,
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
    let (recorder, telemetry) = Telemetry::new(service);
    metrics::set_global_recorder(recorder).context("metrics")?;
    describe(&METRICS);
    Ok(telemetry)
}

impl Telemetry {
    /// What takes the numbers, and what shows them.
    fn new(service: &'static str) -> (Recorder, Self) {
        let histograms = Arc::new(Histograms::new(service));
        let numbers = PrometheusBuilder::new()
            .add_global_label("service", service)
            .build_recorder();
        let telemetry = Self {
            numbers: numbers.handle(),
            histograms: Arc::clone(&histograms),
        };
        let recorder = Recorder {
            numbers,
            histograms,
        };
        (recorder, telemetry)
    }

    /// Everything that was measured, as Prometheus reads it.
    fn text(&self) -> String {
        let mut text = self.numbers.render();
        self.histograms.write(&mut text);
        text
    }

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
        let router = router(self.clone(), health);
        tokio::spawn(async move {
            let serve = std::future::IntoFuture::into_future(axum::serve(listener, router));
            tokio::select! {
                ended = serve => tracing::error!(?ended, "the ops port stopped answering"),
                // Probes come in until the end: what they see then is a closed port.
                () = stop.cancelled() => {}
            }
        });
        tracing::info!("operators: http://{addr}/metrics, /livez, /readyz");
        Ok(addr)
    }
}

fn router(telemetry: Telemetry, health: Health) -> Router {
    let metrics = move |State(health): State<Health>| metrics_text(telemetry.clone(), health);
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(|| async { problem(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|| async {
            let only = [(header::ALLOW, "GET, HEAD")];
            (only, problem(StatusCode::METHOD_NOT_ALLOWED)).into_response()
        })
        .with_state(health)
}

/// What an error says of itself (RFC 9457).
#[derive(Serialize)]
struct Problem {
    r#type: &'static str,
    title: &'static str,
    status: u16,
}

/// An error, of which the status says all.
fn problem(status: StatusCode) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    let problem = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
    };
    (status, kind, Json(problem)).into_response()
}

#[expect(clippy::unused_async, reason = "a handler is async")]
async fn metrics_text(telemetry: Telemetry, health: Health) -> impl IntoResponse {
    for (part, state) in health.report().parts {
        let ready = state == READY;
        PART_READY.to_gauge(&[part]).set(f64::from(u8::from(ready)));
    }
    let text = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (text, telemetry.text())
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
    async fn what_is_not_there_is_said_as_a_problem() {
        let (_, telemetry) = Telemetry::new("test");
        let router = router(telemetry, Health::new());
        for (method, path, allow, body) in [
            (
                "GET",
                "/nowhere",
                None,
                r#"{"type":"about:blank","title":"Not Found","status":404}"#,
            ),
            (
                "POST",
                "/metrics",
                Some("GET, HEAD"),
                r#"{"type":"about:blank","title":"Method Not Allowed","status":405}"#,
            ),
        ] {
            let request = Request::builder().method(method).uri(path);
            let request = request.body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            let allowed = answer.headers().get(header::ALLOW);
            assert_eq!(allowed.map(|methods| methods.to_str().unwrap()), allow);
            let kind = &answer.headers()[header::CONTENT_TYPE];
            assert_eq!(kind, "application/problem+json");
            let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            assert_eq!(bytes, body);
        }
    }

    #[tokio::test]
    async fn readiness_says_why_not_and_liveness_stands_apart() {
        let health = Health::new();
        let part = health.part("kafka");
        part.unready("no broker answers");
        let (recorder, telemetry) = Telemetry::new("test");
        // The whole test runs on this thread.
        let _recorder = metrics::set_default_local_recorder(&recorder);
        let router = router(telemetry, health);
        let shown =
            |ready| format!("service_part_ready{{service=\"test\",part=\"kafka\"}} {ready}\n");

        let (status, body) = ask(router.clone(), "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            body,
            r#"{"ready":false,"parts":{"kafka":"no broker answers"}}"#
        );
        assert_eq!(ask(router.clone(), "/livez").await.0, StatusCode::OK);
        let (_, body) = ask(router.clone(), "/metrics").await;
        assert!(body.contains(&shown(0)), "{body}");

        part.ready();
        assert_eq!(ask(router.clone(), "/readyz").await.0, StatusCode::OK);
        let (status, body) = ask(router, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains(&shown(1)), "{body}");
    }
}
