//! Every half minute one line that tells whether the stream flows: who did what lately, by the rows, so that a restart
//! forgets nothing of it.
//!
//! It looks back for an hour, or for as much of one as costs little to read: the busier the shop, the shorter.

use crate::board::Shared;
use chrono::{DateTime, TimeDelta, Utc};
use service::outage::Complaint;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use store::Summary;
use tokio::time::MissedTickBehavior;

/// How often there is a line.
const EVERY: Duration = Duration::from_secs(30);

/// How far a line may look back, in seconds.
const WINDOWS_S: [i64; 5] = [3600, 900, 300, 60, 30];

/// The most events that a line reads: a few tenths of a second of Postgres' time, every half minute. The shortest
/// window is read whatever is in it.
const EVENTS_MAX: i64 = 200_000;

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
    let mut last = 0;
    loop {
        tick.tick().await;
        let stored = shared.board.stored();
        let flow = flow(&shared, stored - stored_before);
        stored_before = stored;
        let ask = |since, at_most| {
            let store = shared.store.clone();
            async move { store.summary(since, at_most).await }
        };
        match look_back(last, ask).await {
            Ok((window, summary)) => {
                trouble.over();
                last = window;
                tracing::info!("{}", line(WINDOWS_S[window], &summary, flow));
            }
            // Whether Postgres is away is for those to say who cannot do without it.
            Err(error) if error.is_away() => {}
            Err(error) => {
                trouble.failing(error);
            }
        }
    }
}

/// The longest window that is cheap enough, and what is in it. It begins with the one before the `last` that was: when
/// less happens, lines look back for longer again.
async fn look_back<E, F>(
    last: usize,
    ask: impl Fn(DateTime<Utc>, i64) -> F,
) -> Result<(usize, Summary), E>
where
    F: Future<Output = Result<Option<Summary>, E>>,
{
    let shortest = WINDOWS_S.len() - 1;
    for window in last.saturating_sub(1)..shortest {
        if let Some(summary) = ask(since(window), EVENTS_MAX).await? {
            return Ok((window, summary));
        }
    }
    let summary = ask(since(shortest), i64::MAX).await?;
    Ok((shortest, summary.unwrap_or_default()))
}

fn since(window: usize) -> DateTime<Utc> {
    Utc::now() - TimeDelta::seconds(WINDOWS_S[window])
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
fn line(window_s: i64, summary: &Summary, flow: Flow) -> String {
    let clicks: i64 = summary.by_type.iter().map(|(_, count)| count).sum();
    let bots = match summary.bot_clicks {
        0 => String::new(),
        clicks => format!(", {clicks} clicks of bots"),
    };
    let mut line = format!(
        "last {}: {} users, {clicks} clicks{}, top pages{}{bots}; {:.1} rows/s, lag ",
        in_words(window_s),
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

/// Whole minutes, where it is some.
fn in_words(seconds: i64) -> String {
    match seconds % 60 {
        0 => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
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
            rows: 9,
        };
        assert_eq!(
            line(3600, &summary, FLOW),
            "last 60 min: 2 users, 10 clicks (page_view 9, buy 1), top pages / 7, 4 clicks of bots; 11.3 rows/s, lag 3 in 6 partitions"
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
            line(30, &Summary::default(), flow),
            "last 30 s: 0 users, 0 clicks -, top pages -; 0.0 rows/s, lag unknown in 0 partitions"
        );
    }

    #[test]
    fn a_visitors_text_stays_on_the_line() {
        let summary = Summary {
            top_pages: vec![("/a\nb\u{1b}[31m".into(), 1)],
            ..Summary::default()
        };
        assert!(!line(60, &summary, FLOW).contains(['\n', '\u{1b}']));
    }

    /// The window that a line has when so many events are written in a second, steadily, after one that had `last`; and
    /// how many events were read for it.
    async fn chosen(last: usize, events_per_s: i64) -> (i64, i64) {
        let read = std::cell::Cell::new(0);
        let ask = |since: DateTime<Utc>, at_most: i64| {
            let window_s = (Utc::now() - since).num_seconds();
            let rows = window_s * events_per_s;
            read.set(read.get() + rows.min(at_most));
            let summary = Summary {
                rows,
                ..Summary::default()
            };
            std::future::ready(Ok::<_, ()>((rows <= at_most).then_some(summary)))
        };
        let (window, summary) = look_back(last, ask).await.unwrap();
        assert_eq!(summary.rows, WINDOWS_S[window] * events_per_s);
        (WINDOWS_S[window], read.get())
    }

    #[rstest::rstest]
    #[case::nothing(0, 0, 3600)]
    #[case::some(0, 50, 3600)]
    #[case::many(0, 200, 900)]
    #[case::very_many(0, 1_000, 60)]
    #[case::a_flood(0, 100_000, 30)]
    #[case::still_a_flood(4, 100_000, 30)]
    #[case::quieter(4, 0, 60)]
    #[case::quieter_for_longer(3, 0, 300)]
    #[tokio::test]
    async fn the_busier_the_shop_the_shorter_a_line_looks_back(
        #[case] last: usize,
        #[case] events_per_s: i64,
        #[case] window_s: i64,
    ) {
        let (chosen, read) = chosen(last, events_per_s).await;
        assert_eq!(chosen, window_s);
        let of_the_shortest = WINDOWS_S[4] * events_per_s;
        assert!(read <= 4 * EVENTS_MAX + of_the_shortest, "{read} events");
    }
}
