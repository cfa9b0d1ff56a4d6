//! The receipt of a click: where it lies in Kafka, whether it is a row yet, and how to see it oneself.
//!
//! The same markup is a page of its own, and the answer that an island puts into the shop's page.

use domain::receipt::{Place, Progress, StoredRow};
use leptos::prelude::*;

/// Everything that a receipt says.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceiptView {
    /// The event's id.
    pub event_id: String,
    /// When the shop accepted it, as the wire writes times.
    pub received_at: String,
    /// Where the event lies.
    pub place: Place,
    /// The topic's name.
    pub topic: String,
    /// The brokers to ask for it, comma-separated `host:port`.
    pub brokers: String,
    /// The JSON as sent, byte for byte; none when this browser no longer carries it.
    pub message: Option<String>,
    /// How far the event has come.
    pub progress: Progress,
    /// The query that shows the row in psql.
    pub select: String,
    /// This receipt's own address.
    pub href: String,
    /// Where to ask for news; none once there are none to come.
    pub progress_href: Option<String>,
    /// Whether it is an answer to an island, inside another page.
    pub inside: bool,
}

/// A receipt as markup. An island finds by `data-progress` where to ask for the next one.
pub fn receipt(receipt: ReceiptView) -> AnyView {
    let ReceiptView {
        event_id,
        received_at,
        place,
        topic,
        brokers,
        message,
        progress,
        select,
        href,
        progress_href,
        inside,
    } = receipt;
    // The address alone proves nothing; the message was carried by the browser that sent the click.
    let known = match progress {
        Progress::Waiting => message.is_some(),
        Progress::Unknown => false,
        Progress::Stored { .. } | Progress::Rejected { .. } => true,
    };
    let place_label = match (place, known) {
        (Place::Kafka { .. }, true) => "In Kafka",
        (Place::Kafka { .. }, false) => "In Kafka, says the address",
        (Place::Spool, true) => "Kept on disk",
        (Place::Spool, false) => "Kept on disk, says the address",
    };
    let time_label = if known {
        "Accepted at"
    } else {
        "Accepted at, says the address"
    };
    let title = if inside {
        view! { <h2>"Your receipt"</h2> }.into_any()
    } else {
        view! { <h1>"Your receipt"</h1> }.into_any()
    };
    // One level below the title, wherever that stands.
    let part = move |text: &'static str| {
        if inside {
            view! { <h3 class="receipt__part">{text}</h3> }.into_any()
        } else {
            view! { <h2 class="receipt__part">{text}</h2> }.into_any()
        }
    };
    let lies = match place {
        Place::Kafka { partition, offset } => {
            format!("topic {topic}, partition {partition}, offset {offset}")
        }
        Place::Spool => match progress {
            Progress::Stored { .. } => {
                "in the shop's own spool, before it came to Kafka".to_owned()
            }
            _ => "in the shop's own spool, on its way to Kafka".to_owned(),
        },
    };
    let permalink = inside.then(|| {
        view! {
            <p>
                <a href=href>"This receipt on a page of its own"</a>
            </p>
        }
    });
    view! {
        <article class="receipt" data-progress=progress_href>
            {title} {status(&progress, place, known)} {known.then(|| journey(place, &progress))}
            <dl class="receipt__facts">
                <dt>"Event id"</dt>
                <dd data-fact="event-id">{event_id}</dd>
                <dt>{place_label}</dt>
                <dd data-fact="place">{lies}</dd>
                <dt>{time_label}</dt>
                <dd data-fact="received-at">{received_at}</dd>
            </dl>
            {part("The message as sent")}
            {sent(message, &topic, &brokers, place)}
            {part("The row as stored")}
            {stored(&progress)}
            {part("See it yourself")}
            <p>
                "In psql (" <code>"bash start_script.sh psql"</code> " opens it):"
            </p>
            <pre class="receipt__code" id="receipt-select" tabindex="0">{select}</pre>
            {copy_button("receipt-select", "Copy the query", inside)}
            {permalink}
        </article>
    }
    .into_any()
}

/// One sentence that says how far the click has come; `known` when there is more than an address to
/// say that there was one.
fn status_text(progress: &Progress, place: Place, known: bool) -> String {
    match progress {
        Progress::Waiting if known && place == Place::Spool => {
            "Accepted: Kafka cannot take your click now, so it is kept on disk, on its way."
                .to_owned()
        }
        Progress::Waiting if known => {
            "Accepted: your click is in Kafka and on its way to Postgres.".to_owned()
        }
        Progress::Waiting => "Waiting for a row with this id.".to_owned(),
        Progress::Unknown => {
            "The consumer has passed this offset, and there is no such row.".to_owned()
        }
        Progress::Stored { after_ms, .. } => {
            format!("Your click is stored in Postgres, {after_ms} ms after the shop accepted it.")
        }
        Progress::Rejected { reason } => {
            format!("Your click could not become a row; it is kept in rejected_events: {reason}")
        }
    }
}

fn status(progress: &Progress, place: Place, known: bool) -> AnyView {
    let class = match progress {
        Progress::Waiting => "receipt__status receipt__status--waiting",
        Progress::Stored { .. } => "receipt__status receipt__status--stored",
        Progress::Rejected { .. } | Progress::Unknown => "receipt__status receipt__status--failed",
    };
    view! {
        <p class=class data-status="">
            {status_text(progress, place, known)}
        </p>
    }
    .into_any()
}

fn journey(place: Place, progress: &Progress) -> AnyView {
    const DONE: &str = "journey__step journey__step--done";
    const NOW: &str = "journey__step journey__step--now";
    const AHEAD: &str = "journey__step";
    let waiting = matches!(progress, Progress::Waiting);
    // What is stored came through Kafka, wherever it lay before.
    let in_kafka = matches!(place, Place::Kafka { .. }) || !waiting;
    let on_disk =
        (place == Place::Spool).then(|| view! { <li class=DONE>"Kept on the shop's disk"</li> });
    let last = match progress {
        Progress::Rejected { .. } => "Kept in rejected_events",
        Progress::Waiting | Progress::Unknown | Progress::Stored { .. } => "A row in Postgres",
    };
    view! {
        <ol class="journey">
            <li class=DONE>"Accepted by the shop"</li>
            {on_disk}
            <li class=if in_kafka { DONE } else { NOW }>"In Kafka, on enough brokers"</li>
            <li class=if waiting && in_kafka { NOW } else if waiting { AHEAD } else { DONE }>
                {last}
            </li>
        </ol>
    }
    .into_any()
}

/// The JSON as sent, or the command that reads it from the topic.
fn sent(message: Option<String>, topic: &str, brokers: &str, place: Place) -> AnyView {
    match (message, place) {
        (Some(json), _) => {
            view! { <pre class="receipt__code" id="receipt-message" tabindex="0">{json}</pre> }
                .into_any()
        }
        (None, Place::Kafka { partition, offset }) => {
            let command =
                format!("kcat -C -b {brokers} -t {topic} -p {partition} -o {offset} -c 1");
            view! {
                <p>"This browser does not carry it. What lies at this place in the topic:"</p>
                <pre class="receipt__code" id="receipt-message" tabindex="0">{command}</pre>
            }
            .into_any()
        }
        (None, Place::Spool) => view! { <p>"This browser does not carry it."</p> }.into_any(),
    }
}

fn stored(progress: &Progress) -> AnyView {
    match progress {
        Progress::Waiting => view! { <p>"Not yet: the consumer has still to reach it."</p> }.into_any(),
        Progress::Unknown => {
            view! { <p>"None: either the address is not that of a click, or the row has been removed since."</p> }
                .into_any()
        }
        Progress::Rejected { .. } => view! { <p>"None: the event was rejected."</p> }.into_any(),
        Progress::Stored { row: None, .. } => {
            view! { <p>"A row of " <code>"events"</code> "; only a product choice is also a row of " <code>"clickstream_data"</code> "."</p> }
                .into_any()
        }
        Progress::Stored { row: Some(row), .. } => row_table(row).into_any(),
    }
}

fn row_table(row: &StoredRow) -> AnyView {
    let time = row
        .creation_timestamp
        .naive_utc()
        .format("%Y-%m-%d %H:%M:%S%.6f")
        .to_string();
    let columns = [
        ("username", Some(row.username.clone())),
        ("creation_timestamp", Some(time)),
        ("category", row.category.clone()),
        ("gender", row.gender.clone()),
        ("style", row.style.clone()),
        ("size", row.size.clone()),
        ("hex_color", row.hex_color.clone()),
    ];
    let rows = columns
        .into_iter()
        .map(|(name, value)| {
            let cell = value.map_or_else(
                || view! { <i>"NULL"</i> }.into_any(),
                |value| view! { {value} }.into_any(),
            );
            view! {
                <tr>
                    <th scope="row">{name}</th>
                    <td data-column=name>{cell}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <table class="table">
            <caption class="visually-hidden">"The row of clickstream_data"</caption>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}

/// A button that only an island can make work: hidden until one does.
fn copy_button(of: &'static str, text: &'static str, live: bool) -> AnyView {
    view! {
        <button class="button receipt__copy" type="button" data-copy=of data-track="copy" data-track-what=of hidden=!live>
            {text}
        </button>
    }
    .into_any()
}
