//! A program's own counters, as Prometheus would read them.

use super::generator;
use anyhow::{Context as _, ensure};
use service::telemetry::reading;
use std::net::SocketAddr;

/// The sum of a counter over all its labels; 0 while it has not been counted.
pub async fn sum(ops: SocketAddr, counter: &str) -> anyhow::Result<f64> {
    let (status, body) = generator::ask(ops, generator::get("/metrics")).await?;
    ensure!(status.is_success(), "/metrics answers {status}");
    let text = std::str::from_utf8(&body).context("/metrics")?;
    Ok(reading::sum(text, counter, &[]))
}
