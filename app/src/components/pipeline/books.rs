//! The books as books: on one page what the collectors acknowledged, on the other what became of it, and
//! below both the same sum.

use crate::figures::words::{count, many, percent};
use crate::figures::{Books, Figures, Views};
use leptos::prelude::*;

/// Both pages.
pub fn books(figures: &Figures) -> AnyView {
    let content = match &figures.books {
        None => {
            view! { <p>"Postgres does not answer, so the books cannot be read now."</p> }.into_any()
        }
        Some(books) => ledger(books),
    };
    view! {
        <section class="books" aria-labelledby="books-title">
            <h2 id="books-title">"The books"</h2>
            {content}
            {figures.views.as_ref().map(views)}
        </section>
    }
    .into_any()
}

/// Who blocks trackers: a figure that the books can give, because each page view is told by two.
fn views(views: &Views) -> AnyView {
    let Some(share) = views.share else {
        let nothing = "No page view of the shop yet that a tracker could have told of.";
        return view! { <p class="books__note">{nothing}</p> }.into_any();
    };
    let among = many(views.among, "page view");
    view! {
        <p class="books__note" data-views=views.among>
            "Only the server saw "
            <b data-figure="server-only">{percent(share)}</b>
            {format!(" of people's last {among} in the shop: the tracker is blocked there, or no scripts are run. ")}
            "What both saw is one row, and one of the duplicates above."
        </p>
    }
    .into_any()
}

fn ledger(books: &Books) -> AnyView {
    let mut given: Vec<Entry> = books
        .acknowledged_by_source
        .iter()
        .map(|(source, events)| Entry::new(source_name(source), *events))
        .collect();
    if given.is_empty() {
        given.push(Entry::new("nothing yet".to_owned(), 0));
    }
    given.push(Entry::noted(
        "not yet reported",
        books.unreported,
        "counted in Postgres before the collector's next report",
    ));
    let kept = vec![
        Entry::noted("stored", books.stored, "rows"),
        Entry::noted(
            "duplicate",
            books.duplicate,
            "repetitions, recognised: of a sender, or of what the tracker saw, too",
        ),
        Entry::noted("rejected", books.rejected, "kept with their reason"),
        Entry::noted(
            "expired",
            books.expired,
            "gone from Kafka, or skipped by an operator",
        ),
        Entry::noted("in flight", books.in_flight, "in Kafka or in a spool").with_key("in-flight"),
        Entry::noted("lost", books.lost, "must be 0").bad_if(books.lost > 0),
    ];
    let reported = books.reported_at.map_or_else(
        || "No collector has reported yet.".to_owned(),
        |at| {
            format!(
                "The newest report of a collector is of {}.",
                at.format("%H:%M:%S UTC")
            )
        },
    );
    let direct = direct(books);
    view! {
        <div class="books__pages">
            {page("Acknowledged", "by the collectors' own reports", given, books.acknowledged + books.unreported)}
            {page("Accounted for", "counted with the rows, in one statement", kept, books.accounted() + books.lost)}
        </div>
        <p class="books__note">
            "Difference: " <b data-figure="difference">{books.difference.to_string()}</b> ". " {reported} {direct}
        </p>
    }
    .into_any()
}

/// What other producers wrote is in no collector's books.
fn direct(books: &Books) -> Option<String> {
    let direct = books.direct;
    let all = direct.stored + direct.duplicate + direct.rejected + direct.expired;
    (all > 0).then(|| {
        format!(
            " Beside the books, from producers that write to the topic themselves: {} stored, {} duplicate, {} rejected, {} expired.",
            count(direct.stored),
            count(direct.duplicate),
            count(direct.rejected),
            count(direct.expired)
        )
    })
}

/// One line of a page.
struct Entry {
    name: String,
    /// How a program finds it.
    key: String,
    events: u64,
    note: &'static str,
    bad: bool,
}

impl Entry {
    fn new(name: String, events: u64) -> Self {
        Self {
            key: name.clone(),
            name,
            events,
            note: "",
            bad: false,
        }
    }

    fn noted(name: &str, events: u64, note: &'static str) -> Self {
        Self {
            note,
            ..Self::new(name.to_owned(), events)
        }
    }

    fn with_key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    const fn bad_if(mut self, bad: bool) -> Self {
        self.bad = bad;
        self
    }
}

fn page(title: &'static str, note: &'static str, entries: Vec<Entry>, sum: u64) -> AnyView {
    let lines = entries.into_iter().map(line).collect_view();
    view! {
        <table class="ledger">
            <caption class="ledger__title">
                {title} <span class="ledger__note">{note}</span>
            </caption>
            <tbody>{lines}</tbody>
            <tfoot>
                <tr>
                    <th scope="row">"Sum"</th>
                    <td>{count(sum)}</td>
                </tr>
            </tfoot>
        </table>
    }
    .into_any()
}

fn line(entry: Entry) -> AnyView {
    let Entry {
        name,
        key,
        events,
        note,
        bad,
    } = entry;
    view! {
        <tr class=bad.then_some("ledger__bad")>
            <th scope="row">
                {bad.then_some("✗ ")} {name}
                {(!note.is_empty()).then(|| view! { <span class="ledger__note">{note}</span> })}
            </th>
            <td data-entry=key>{count(events)}</td>
        </tr>
    }
    .into_any()
}

/// A door, as people call it; the wire's own name where that says enough.
fn source_name(source: &str) -> String {
    match source {
        "shop" => "the shop's pages",
        "track" => "HTTP, /track",
        "event" => "HTTP, /event",
        "events" => "HTTP, /events",
        "grpc" => "gRPC",
        "tracker" => "tracker.js",
        "seed" => "generated (seed)",
        other => other,
    }
    .to_owned()
}
