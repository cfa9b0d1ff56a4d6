//! How much, and where: the figures that matter most, and the stops of an event's way with their state.

use super::{Mood, sign};
use crate::figures::judge::{is_beyond_the_end, stands_still};
use crate::figures::words::{bytes, count, count_or_dash, many, rate, span};
use crate::figures::{Books, Figures, Partition};
use leptos::prelude::*;

/// The figures that matter most; the first two are the promise.
pub fn gauges(figures: &Figures) -> AnyView {
    let books = figures.books.as_ref();
    let (behind, oldest) = match (figures.lag_events, figures.lag_s) {
        (Some(0), _) => ("0 s".to_owned(), "nothing is unread".to_owned()),
        (Some(lag), Some(seconds)) => (
            span(seconds),
            format!("{} unread in Kafka", many(lag, "record")),
        ),
        (Some(lag), None) => (
            "–".to_owned(),
            format!("{} unread in Kafka", many(lag, "record")),
        ),
        (None, _) => ("–".to_owned(), "not known".to_owned()),
    };
    let leaves = match (
        figures.oldest_leaves_in_s,
        figures.lag_events,
        figures.retention_s,
    ) {
        (Some(left), ..) => (
            span(left.max(0.0)),
            "until Kafka drops the oldest unread event".to_owned(),
        ),
        (None, Some(0), Some(kept)) => (
            span(as_f64(kept)),
            "is how long Kafka keeps an event; nothing is unread".to_owned(),
        ),
        _ => (
            "–".to_owned(),
            "until Kafka drops the oldest unread event".to_owned(),
        ),
    };
    let quiet = Mood::Unknown;
    let warn_if = |bad: bool| if bad { Mood::Warn } else { quiet };
    view! {
        <dl class="gauges">
            {lost(books)}
            {twice(books)}
            {gauge("gauge--small", quiet, figures.read_per_s.map_or_else(|| "–".to_owned(), rate), "read a second", "over the last ten seconds".to_owned())}
            {gauge("gauge--small", warn_if(figures.lag_s.is_some_and(|lag| lag > 10.0)), behind, "behind", oldest)}
            {gauge("gauge--small", warn_if(figures.oldest_leaves_in_s.is_some_and(|left| left < 86_400.0)), leaves.0, "to spare", leaves.1)}
        </dl>
    }
    .into_any()
}

fn lost(books: Option<&Books>) -> AnyView {
    let (mood, number, note) = match books {
        None => (
            Mood::Bad,
            "?".to_owned(),
            "the books cannot be read".to_owned(),
        ),
        Some(books) => (
            Mood::of(books.lost == 0),
            count(books.lost),
            format!(
                "of {} that collectors acknowledged",
                many(books.acknowledged, "event")
            ),
        ),
    };
    gauge("gauge--large", mood, number, "lost", note)
}

fn twice(books: Option<&Books>) -> AnyView {
    let removed = books.map_or(0, |books| books.duplicate);
    let (mood, number, note) = match books.map(|books| books.twice) {
        None => (
            Mood::Bad,
            "?".to_owned(),
            "the rows cannot be read".to_owned(),
        ),
        Some(None) => (
            Mood::Unknown,
            "?".to_owned(),
            "the rows have not been looked at yet".to_owned(),
        ),
        Some(Some(twice)) => (
            Mood::of(twice.found == 0),
            count(twice.found),
            format!(
                "rows with another row's id, among {} looked at; {} recognised",
                count(twice.among),
                many(removed, "repetition")
            ),
        ),
    };
    gauge("gauge--large", mood, number, "twice", note)
}

fn gauge(
    size: &'static str,
    mood: Mood,
    number: String,
    name: &'static str,
    note: String,
) -> AnyView {
    let sign = (mood != Mood::Unknown).then(|| sign(mood));
    view! {
        <div class=format!("{} {size}", mood.class("gauge"))>
            <dt class="gauge__name">{name}</dt>
            <dd class="gauge__number" data-figure=name>
                {number}
            </dd>
            <dd class="gauge__note">{sign} <span>{note}</span></dd>
        </div>
    }
    .into_any()
}

/// The stops of an event's way, each with its state.
pub fn stops(figures: &Figures) -> AnyView {
    view! {
        <section aria-labelledby="stops-title">
            <h2 id="stops-title">"The way of an event"</h2>
            <ol class="stops">
                {collectors(figures)} {spool(figures)} {kafka(figures)} {consumer(figures)}
                {postgres(figures)}
            </ol>
        </section>
    }
    .into_any()
}

fn collectors(figures: &Figures) -> AnyView {
    let known = figures
        .books
        .as_ref()
        .map(|books| books.acknowledged + books.unreported);
    let mood = if known.is_some() {
        Mood::Good
    } else {
        Mood::Unknown
    };
    stop(
        mood,
        "Collectors",
        count_or_dash(known),
        "acknowledged",
        "answering".to_owned(),
    )
}

fn spool(figures: &Figures) -> AnyView {
    let all = figures.books.as_ref().map(|books| books.spooled);
    let (mood, state) = match &figures.spool {
        None => (Mood::Unknown, "this process has none".to_owned()),
        Some(spool) if spool.problem.is_some() => (Mood::Bad, "out of order".to_owned()),
        Some(spool) if spool.waiting_events > 0 => (
            Mood::Warn,
            format!(
                "{} of {} here",
                bytes(spool.waiting_bytes),
                bytes(spool.max_bytes)
            ),
        ),
        Some(spool) => (Mood::Good, format!("room for {}", bytes(spool.max_bytes))),
    };
    let waiting = all.max(figures.spool.as_ref().map(|spool| spool.waiting_events));
    stop(mood, "Spool", count_or_dash(waiting), "on disk", state)
}

fn kafka(figures: &Figures) -> AnyView {
    let up = figures
        .brokers
        .iter()
        .filter(|one| one.up == Some(true))
        .count();
    let down = figures.brokers.iter().any(|one| one.up == Some(false));
    let leaderless = figures.partitions.iter().any(|one| one.leader.is_none());
    let bad = down || leaderless || figures.partitions.is_empty();
    let state = format!("{up} of {} brokers up", figures.brokers.len());
    stop(
        Mood::of(!bad),
        "Kafka",
        count_or_dash(figures.lag_events),
        "unread",
        state,
    )
}

fn consumer(figures: &Figures) -> AnyView {
    let (mood, state) = consumer_state(&figures.partitions);
    let pace = figures.read_per_s.map_or_else(|| "–".to_owned(), rate);
    stop(mood, "Consumer", pace, "read a second", state)
}

fn consumer_state(partitions: &[Partition]) -> (Mood, String) {
    let mut holders: Vec<&str> = partitions
        .iter()
        .filter_map(|one| one.holder.as_deref())
        .collect();
    holders.sort_unstable();
    holders.dedup();
    let still = partitions
        .iter()
        .any(|one| stands_still(one) || is_beyond_the_end(one));
    match (still, holders.len()) {
        (true, _) => (Mood::Bad, "stands still".to_owned()),
        (false, 0) => (Mood::Unknown, "nobody has read yet".to_owned()),
        (false, 1) => (Mood::Good, "one holds all leases".to_owned()),
        (false, several) => (Mood::Good, format!("{several} share the leases")),
    }
}

fn postgres(figures: &Figures) -> AnyView {
    let rows = figures
        .books
        .as_ref()
        .map(|books| books.stored + books.direct.stored);
    let state = if rows.is_some() {
        "answering"
    } else {
        "does not answer"
    };
    let what = if rows == Some(1) { "row" } else { "rows" };
    stop(
        Mood::of(rows.is_some()),
        "Postgres",
        count_or_dash(rows),
        what,
        state.to_owned(),
    )
}

fn stop(
    mood: Mood,
    name: &'static str,
    number: String,
    what: &'static str,
    state: String,
) -> AnyView {
    view! {
        <li class=mood.class("stop")>
            {sign(mood)} <h3 class="stop__name">{name}</h3>
            <p class="stop__figure">
                <b>{number}</b>
                " "
                {what}
            </p>
            <p class="stop__state">{state}</p>
        </li>
    }
    .into_any()
}

/// Whole seconds to reckon with.
#[expect(clippy::cast_precision_loss, reason = "no retention is that long")]
const fn as_f64(seconds: u64) -> f64 {
    seconds as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::tests::well;
    use rstest::rstest;

    #[rstest]
    #[case(|_: &mut Partition| {}, Mood::Good, "one holds all leases")]
    #[case(|p: &mut Partition| p.holder = Some("host:2".into()), Mood::Good, "2 share the leases")]
    #[case(|p: &mut Partition| p.still_s = Some(60.0), Mood::Bad, "stands still")]
    #[case(|p: &mut Partition| p.beyond_s = Some(60.0), Mood::Bad, "stands still")]
    fn a_consumer_that_cannot_read_on_is_not_well(
        #[case] change: fn(&mut Partition),
        #[case] mood: Mood,
        #[case] state: &str,
    ) {
        let mut figures = well();
        change(&mut figures.partitions[1]);
        let partitions = &figures.partitions;
        assert_eq!(consumer_state(partitions), (mood, state.to_owned()));
    }
}
