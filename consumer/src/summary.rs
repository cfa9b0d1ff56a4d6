//! Every half minute one line that tells whether the stream flows.

use crate::board::Shared;
use chrono::{TimeDelta, Utc};
use service::outage::Complaint;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use store::Summary;
use tokio::time::MissedTickBehavior;

/// How often, and how far each line looks back.
const EVERY: Duration = Duration::from_secs(30);

/// What the line tells beside the summary of the rows.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Flow {
    /// Rows that this process wrote in a second.
    per_second: f64,
    /// Records that wait in this process' partitions; none before Kafka was asked.
    lag: Option<u64>,
    /// Partitions of this process.
    partitions: usize,
}

/// Logs a line for each half minute, until the process ends. A Postgres that is away skips lines.
pub async fn summarise(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    let trouble = Complaint::new("the summary of the rows");
    let mut stored_before = shared.board.stored();
    loop {
        tick.tick().await;
        let stored = shared.board.stored();
        let flow = flow(&shared, stored - stored_before);
        stored_before = stored;
        let since = Utc::now() - TimeDelta::seconds(30);
        match shared.store.summary(since).await {
            Ok(summary) => {
                trouble.over();
                tracing::info!("{}", line(&summary, flow));
            }
            // Whether Postgres is away is for those to say who cannot do without it.
            Err(error) if error.is_away() => {}
            Err(error) => {
                trouble.failing(error);
            }
        }
    }
}

fn flow(shared: &Shared, stored: u64) -> Flow {
    let views = shared.board.views();
    Flow {
        // More than 2^32 rows in half a minute are not to be expected.
        per_second: f64::from(u32::try_from(stored).unwrap_or(u32::MAX)) / EVERY.as_secs_f64(),
        lag: views.values().map(crate::board::View::lag).sum(),
        partitions: views.len(),
    }
}

/// The line itself.
fn line(summary: &Summary, flow: Flow) -> String {
    let clicks: i64 = summary.by_type.iter().map(|(_, count)| count).sum();
    let bots = match summary.bot_clicks {
        0 => String::new(),
        clicks => format!(", {clicks} clicks of bots"),
    };
    let mut line = format!(
        "last {} s: {} users, {clicks} clicks{}, top pages{}{bots}; {:.1} rows/s, lag ",
        EVERY.as_secs(),
        summary.unique_users,
        list(&summary.by_type, " (", ")"),
        list(&summary.top_pages, " ", ""),
        flow.per_second,
    );
    let _ = match flow.lag {
        Some(lag) => write!(line, "{lag}"),
        None => write!(line, "unknown"),
    };
    let _ = write!(line, " in {} partitions", flow.partitions);
    line
}

/// `before`, the first five as `name count`, `after`; a dash when there are none.
fn list(counts: &[(String, i64)], before: &str, after: &str) -> String {
    if counts.is_empty() {
        return " -".to_owned();
    }
    let shown: Vec<String> = counts
        .iter()
        .take(5)
        // A name comes from a visitor: it must not end the line or colour the terminal.
        .map(|(name, count)| format!("{} {count}", name.escape_debug()))
        .collect();
    format!("{before}{}{after}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: Flow = Flow {
        per_second: 11.26,
        lag: Some(3),
        partitions: 6,
    };

    #[test]
    fn the_line_reads_alone() {
        let summary = Summary {
            unique_users: 2,
            by_type: vec![("page_view".into(), 9), ("buy".into(), 1)],
            top_pages: vec![("/".into(), 7)],
            bot_clicks: 4,
        };
        assert_eq!(
            line(&summary, FLOW),
            "last 30 s: 2 users, 10 clicks (page_view 9, buy 1), top pages / 7, 4 clicks of bots; 11.3 rows/s, lag 3 in 6 partitions"
        );
    }

    #[test]
    fn nothing_happened_is_a_line_too() {
        let flow = Flow {
            per_second: 0.0,
            lag: None,
            partitions: 0,
        };
        assert_eq!(
            line(&Summary::default(), flow),
            "last 30 s: 0 users, 0 clicks -, top pages -; 0.0 rows/s, lag unknown in 0 partitions"
        );
    }

    #[test]
    fn a_visitors_text_stays_on_the_line() {
        let summary = Summary {
            top_pages: vec![("/a\nb\u{1b}[31m".into(), 1)],
            ..Summary::default()
        };
        assert!(!line(&summary, FLOW).contains(['\n', '\u{1b}']));
    }
}
