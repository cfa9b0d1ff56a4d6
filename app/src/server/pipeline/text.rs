//! The figures for a terminal: `curl http://127.0.0.1:8501/pipeline`.

use crate::figures::words::{count, count_or_dash, list, many, percent, rate, span};
use crate::figures::{Books, Figures, Partition, Views};
use std::fmt::Write as _;

/// The figures as text, the answer to "is all well?" first.
pub fn text(figures: &Figures) -> String {
    // Writing to a String cannot fail.
    let mut text = String::new();
    let _ = writeln!(text, "{}", headline(figures));
    for problem in &figures.problems {
        let _ = writeln!(text, "  ✗ {problem}");
    }
    for warning in &figures.warnings {
        let _ = writeln!(text, "  ! {warning}");
    }
    if let Some(books) = &figures.books {
        let _ = writeln!(text, "\n{}", books_lines(books));
    }
    if let Some(views) = &figures.views {
        let _ = writeln!(text, "{}", views_line(views));
    }
    let _ = writeln!(text, "\n{}", lag_line(figures));
    for broker in &figures.brokers {
        let name = broker
            .id
            .map_or_else(|| "broker ?".to_owned(), |id| format!("broker {id}"));
        let state = match broker.up {
            Some(true) => "up",
            Some(false) => "DOWN",
            None => "not asked yet",
        };
        let _ = writeln!(
            text,
            "{name}  {state:<4}  {:<21}  leads {}, {} of {} copies complete",
            broker.address.as_deref().unwrap_or("somewhere"),
            list(&broker.leads),
            broker.in_sync.len(),
            broker.holds.len()
        );
    }
    let _ = writeln!(
        text,
        "\n{:>9} {:>6} {:>8} {:>10} {:>10} {:>9} {:>9} {:>7} {:>10}  holder",
        "partition", "leader", "in sync", "end", "stored", "lag", "oldest", "read/s", "caught up"
    );
    for one in &figures.partitions {
        let _ = writeln!(text, "{}", partition_line(one));
    }
    text
}

/// One line that says whether all is well.
pub fn headline(figures: &Figures) -> String {
    let Some(books) = &figures.books else {
        return "NOT KNOWN: nobody can read the books".to_owned();
    };
    let word = match (figures.balanced, figures.problems.is_empty()) {
        (false, _) => "NOT BALANCED",
        (true, false) => "BALANCED, but something is down",
        (true, true) => "BALANCED",
    };
    let twice = match books.twice {
        Some(twice) => format!("{} twice", count(twice.found)),
        None => "twice not looked for yet".to_owned(),
    };
    format!("{word}: {} lost, {twice}", count(books.lost))
}

fn books_lines(books: &Books) -> String {
    let sources: Vec<_> = books
        .acknowledged_by_source
        .iter()
        .map(|(source, events)| format!("{source} {}", count(*events)))
        .collect();
    let by = if sources.is_empty() {
        String::new()
    } else {
        format!(" ({})", sources.join(", "))
    };
    format!(
        "acknowledged {}{by} + unreported {}\n= stored {} + duplicate {} + rejected {} + expired {} + in flight {} + lost {}\ndifference {}; {} in spools",
        count(books.acknowledged),
        count(books.unreported),
        count(books.stored),
        count(books.duplicate),
        count(books.rejected),
        count(books.expired),
        count(books.in_flight),
        count(books.lost),
        books.difference,
        count(books.spooled)
    )
}

fn views_line(views: &Views) -> String {
    match views.share {
        None => "no page view of the shop yet that a tracker could have told of".to_owned(),
        Some(share) => format!(
            "only the server saw {} of people's last {} in the shop ({}): trackers blocked, or no scripts",
            count(views.server_only),
            many(views.among, "page view"),
            percent(share)
        ),
    }
}

fn lag_line(figures: &Figures) -> String {
    let unread = match (figures.lag_events, figures.lag_s) {
        (None, _) => "how much is unread is not known".to_owned(),
        (Some(0), _) => "nothing is unread".to_owned(),
        (Some(lag), None) => format!("{} unread", many(lag, "record")),
        (Some(lag), Some(oldest)) => {
            format!(
                "{} unread, the oldest for {}",
                many(lag, "record"),
                span(oldest)
            )
        }
    };
    let leaves = figures
        .oldest_leaves_in_s
        .map(|left| format!("; it leaves Kafka in {}", span(left)))
        .unwrap_or_default();
    let spooled = match &figures.spool {
        None => "; no spool".to_owned(),
        Some(spool) => format!(
            "; {} on this process's disk",
            many(spool.waiting_events, "event")
        ),
    };
    format!("{unread}{leaves}{spooled}")
}

fn partition_line(one: &Partition) -> String {
    let dash = || "–".to_owned();
    let in_sync: Vec<_> = one.in_sync.iter().map(ToString::to_string).collect();
    format!(
        "{:>9} {:>6} {:>8} {:>10} {:>10} {:>9} {:>9} {:>7} {:>10}  {}",
        one.partition,
        one.leader
            .map_or_else(|| "NONE".to_owned(), |id| id.to_string()),
        in_sync.join(","),
        count_or_dash(one.end_offset),
        count_or_dash(one.stored_offset),
        count_or_dash(one.lag_events),
        one.lag_s.map_or_else(dash, span),
        one.read_per_s.map_or_else(dash, rate),
        match (one.lag_events, one.catch_up_s) {
            (Some(0), _) => "now".to_owned(),
            (_, Some(seconds)) => format!("in {}", span(seconds)),
            (_, None) => dash(),
        },
        one.holder.as_deref().unwrap_or("nobody")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Twice;
    use crate::figures::judge::judge;
    use crate::figures::tests::well;

    #[test]
    fn the_first_line_answers_the_question() {
        let mut figures = well();
        figures.books.as_mut().unwrap().twice = Some(Twice { found: 0, among: 9 });
        assert_eq!(headline(&figures), "BALANCED: 0 lost, 0 twice");
        figures.problems.push("Broker 2 is down.".into());
        assert_eq!(
            headline(&figures),
            "BALANCED, but something is down: 0 lost, 0 twice"
        );
        figures.balanced = false;
        figures.books.as_mut().unwrap().lost = 3;
        assert_eq!(headline(&figures), "NOT BALANCED: 3 lost, 0 twice");
        figures.books = None;
        assert_eq!(headline(&figures), "NOT KNOWN: nobody can read the books");
    }

    #[test]
    fn where_the_end_is_not_known_to_be_one_nothing_is_said_to_be_read() {
        let mut figures = well();
        figures.partitions[1].beyond_s = Some(60.0);
        figures.partitions[1].lag_events = None;
        figures.partitions[1].catch_up_s = None;
        figures.lag_events = None;
        judge(&mut figures, None);
        let text = text(&figures);
        assert!(!text.contains("nothing is unread"), "{text}");
        for line in [
            "BALANCED, but something is down: 0 lost, twice not looked for yet",
            "how much is unread is not known; no spool",
        ] {
            assert!(text.lines().any(|one| one == line), "{line:?} in\n{text}");
        }
        assert!(text.contains("✗ Partition 1 stands still"), "{text}");
        assert!(text.contains("consumer -- offsets show"), "{text}");
    }

    #[test]
    fn everything_is_said_that_is_known() {
        let text = text(&well());
        for line in [
            "acknowledged 100 + unreported 0",
            "= stored 99 + duplicate 1 + rejected 0 + expired 0 + in flight 0 + lost 0",
            "difference 0; 0 in spools",
            "only the server saw 1 of people's last 8 page views in the shop (13 %): trackers blocked, or no scripts",
            "nothing is unread; no spool",
            "broker 2  up    127.0.0.1:29092        leads 2, 2 of 2 copies complete",
            "        1      1    1,2,3         50         50         0         –       0        now  host:1",
        ] {
            assert!(text.lines().any(|one| one == line), "{line:?} in\n{text}");
        }
    }
}
