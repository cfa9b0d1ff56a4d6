//! The partitions: from the end in Kafka to the offset in Postgres. A table on a desk, cards on a telephone.

use super::{Mood, sign};
use crate::figures::judge::{is_beyond_the_end, lacks_copies, stands_still};
use crate::figures::words::{count_or_dash, rate, span};
use crate::figures::{Figures, Partition};
use leptos::prelude::*;

/// The table, or why there is none.
pub fn partitions(figures: &Figures) -> AnyView {
    let content = if figures.partitions.is_empty() {
        view! { <p>"Kafka has not told its partitions yet."</p> }.into_any()
    } else {
        table(figures)
    };
    view! {
        <section aria-labelledby="partitions-title">
            <h2 id="partitions-title">{format!("Partitions of {}", figures.topic)}</h2>
            {content}
        </section>
    }
    .into_any()
}

fn table(figures: &Figures) -> AnyView {
    let rows = figures
        .partitions
        .iter()
        .map(|one| row(one, figures))
        .collect_view();
    view! {
        <table class="partitions">
            <thead>
                <tr>
                    <th scope="col">"Partition"</th>
                    <th scope="col">"Copies on brokers"</th>
                    {number_head("End")}
                    {number_head("Stored")}
                    {number_head("Lag")}
                    {number_head("Read a second")}
                    {number_head("Caught up")}
                    <th scope="col">"Held by"</th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
        <p class="partitions__legend">
            <span class="copy copy--leads">"1"</span>
            " leads "
            <span class="copy">"2"</span>
            " complete copy "
            <span class="copy copy--behind">"3"</span>
            " copy not complete "
            <span class="copy copy--down">"✗ 3"</span>
            " down"
        </p>
    }
    .into_any()
}

/// The head of a column of numbers.
fn number_head(title: &'static str) -> AnyView {
    view! {
        <th scope="col" class="partitions__number">
            {title}
        </th>
    }
    .into_any()
}

/// A cell with nothing but a number.
fn number(label: &'static str, text: String) -> AnyView {
    view! {
        <td data-label=label class="partitions__number">
            {text}
        </td>
    }
    .into_any()
}

fn row(one: &Partition, figures: &Figures) -> AnyView {
    let stuck = stands_still(one) || is_beyond_the_end(one);
    let mood = if one.leader.is_none() || lacks_copies(one) || stuck {
        Mood::Bad
    } else if one.in_sync.len() < one.replicas.len() {
        Mood::Warn
    } else {
        Mood::Good
    };
    let mut ids = one.replicas.clone();
    ids.sort_unstable();
    let copies = ids
        .into_iter()
        .map(|id| copy(id, one, figures))
        .collect_view();
    let leaderless = one.leader.is_none().then(|| {
        view! { <span class="partitions__bad">"no leader"</span> }
    });
    let waits = match (one.lag_events, one.lag_s) {
        (Some(lag), Some(seconds)) if lag > 0 => Some(format!("for {}", span(seconds))),
        _ => None,
    };
    let leaves = one
        .leaves_in_s
        .filter(|left| *left < 86_400.0)
        .map(|left| format!("leaves Kafka in {}", span(left.max(0.0))));
    let still = stands_still(one).then_some("nobody reads");
    let beyond = is_beyond_the_end(one).then_some("beyond the end");
    view! {
        <tr class=mood.class("partition") data-partition=one.partition>
            <th scope="row">
                {sign(mood)} " " <span class="partition__number">{one.partition}</span>
            </th>
            <td data-label="Copies on brokers">
                <span class="copies">{copies} {leaderless}</span>
            </td>
            {number("End", count_or_dash(one.end_offset))}
            <td data-label="Stored" class="partitions__number">
                {count_or_dash(one.stored_offset)}
                {beyond.map(|text| view! { <span class="partitions__bad">{text}</span> })}
            </td>
            <td data-label="Lag" class="partitions__number" data-figure="lag">
                <b>{count_or_dash(one.lag_events)}</b>
                {waits.map(|text| view! { <span class="partitions__note">{text}</span> })}
                {leaves.map(|text| view! { <span class="partitions__note">{text}</span> })}
            </td>
            <td data-label="Read a second" class="partitions__number">
                {one.read_per_s.map_or_else(|| "–".to_owned(), rate)}
                {still.map(|text| view! { <span class="partitions__bad">{text}</span> })}
            </td>
            {number("Caught up", caught_up(one))}
            <td data-label="Held by" class="partitions__holder">
                {one.holder.clone().unwrap_or_else(|| "nobody yet".to_owned())}
            </td>
        </tr>
    }
    .into_any()
}

/// One copy: who has it, and how it is.
fn copy(id: i32, partition: &Partition, figures: &Figures) -> AnyView {
    let broker = figures.brokers.iter().find(|one| one.id == Some(id));
    let down = broker.is_some_and(|one| one.up == Some(false));
    let (class, words) = match (
        down,
        partition.leader == Some(id),
        partition.in_sync.contains(&id),
    ) {
        (true, ..) => ("copy copy--down", "down"),
        (false, true, _) => ("copy copy--leads", "leads"),
        (false, false, true) => ("copy", "complete"),
        (false, false, false) => ("copy copy--behind", "not complete"),
    };
    view! {
        <span class=class>
            {down.then_some("✗ ")} {id} <span class="visually-hidden">{format!(" {words};")}</span>
        </span>
        " "
    }
    .into_any()
}

fn caught_up(one: &Partition) -> String {
    match (one.lag_events, one.catch_up_s) {
        (Some(0), _) => "now".to_owned(),
        (Some(_), Some(seconds)) => format!("in {}", span(seconds)),
        (Some(_), None) => "not at this pace".to_owned(),
        (None, _) => "–".to_owned(),
    }
}
