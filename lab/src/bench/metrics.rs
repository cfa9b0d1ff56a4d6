//! A program's own counters, as Prometheus would read them.

use super::generator;
use anyhow::{Context as _, ensure};
use std::net::SocketAddr;

/// The sum of a counter over all its labels; 0 while it has not been counted.
pub async fn sum(ops: SocketAddr, counter: &str) -> anyhow::Result<f64> {
    let (status, body) = generator::ask(ops, generator::get("/metrics")).await?;
    ensure!(status.is_success(), "/metrics answers {status}");
    let text = std::str::from_utf8(&body).context("/metrics")?;
    Ok(sum_of(text, counter))
}

fn sum_of(text: &str, counter: &str) -> f64 {
    let of_counter = |line: &&str| {
        let rest = line.strip_prefix(counter);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
    };
    let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    text.lines().filter(of_counter).filter_map(value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_labels_of_one_counter_are_summed() {
        let text = "# HELP a_total x\na_total{s=\"1\"} 2\na_total{s=\"2 3\"} 3\na_total_b 5\nb 7\n";
        assert!((sum_of(text, "a_total") - 5.0).abs() < f64::EPSILON);
        assert!((sum_of(text, "b") - 7.0).abs() < f64::EPSILON);
        assert!(sum_of(text, "c").abs() < f64::EPSILON);
    }
}
