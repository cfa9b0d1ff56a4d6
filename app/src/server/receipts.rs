//! The address of a receipt holds all that is needed to show it again, so that a reload, another browser
//! or another process of the shop can: the event's id, its place in Kafka and when it was accepted.
//!
//! `/receipt/{event id}?p={partition}&o={offset}&t={microseconds since 1970}`. The JSON as sent is too
//! long for an address; the browser that sent it carries it for an hour in a cookie of that receipt's
//! path. Nothing of this is secret or proof: a changed address only finds no row.

use super::form::Form;
use super::state::Shop;
use crate::components::receipt::ReceiptView;
use chrono::{DateTime, TimeDelta, Utc};
use collector::{Accepted, Waited};
use domain::receipt::{Place, Progress, Receipt};
use domain::wire::time_text;
use serde::Serialize;
use std::time::Duration;
use uuid::Uuid;

/// How long a row may take to be read before the receipt says "on its way": Postgres may be away.
const READ_PATIENCE: Duration = Duration::from_millis(500);

/// How often it is looked whether a spooled event has come to Kafka.
const LOOK_FOR_PLACE_EVERY: Duration = Duration::from_millis(100);
/// How long its row may take after that before its place alone is news.
const PLACE_PATIENCE: Duration = Duration::from_millis(300);

/// How long the row counts more than the offsets: until then these may still be those of a topic that
/// has been made anew.
const OFFSETS_DOUBTED: TimeDelta = TimeDelta::seconds(30);

/// The times that RFC 3339 and Postgres can both write: 1970 to 9999, in microseconds since 1970.
const TIMES_US: std::ops::Range<i64> = 0..253_402_300_800_000_000;

/// How long a browser carries the JSON of a click, in seconds.
pub const SENT_KEPT_S: u32 = 3600;

/// The receipt that an address names.
pub fn read(event_id: &str, query: &Form) -> Option<Receipt> {
    let place = match (query.number("p"), query.number("o")) {
        // The offset after this one must be a number too.
        (Some(partition), Some(offset)) if partition >= 0 && (0..i64::MAX).contains(&offset) => {
            Place::Kafka { partition, offset }
        }
        (None, None) if query.get("p").is_none() && query.get("o").is_none() => Place::Spool,
        _ => return None,
    };
    let time = query.number("t").filter(|us| TIMES_US.contains(us))?;
    Some(Receipt {
        event_id: Uuid::parse_str(event_id).ok()?,
        received_at: DateTime::from_timestamp_micros(time)?,
        place,
    })
}

/// The address of a receipt's page.
pub fn address(receipt: &Receipt) -> String {
    format!("{}?{}", path(receipt), query(receipt))
}

/// The address that answers with news of a receipt.
pub fn progress_address(receipt: &Receipt) -> String {
    format!("{}/progress?{}", path(receipt), query(receipt))
}

/// The path of a receipt's page, which is also the path of its cookie.
pub fn path(receipt: &Receipt) -> String {
    format!("/receipt/{}", receipt.event_id)
}

/// What an address says about a receipt beside the event's id.
pub fn query(receipt: &Receipt) -> String {
    let t = receipt.received_at.timestamp_micros();
    match receipt.place {
        Place::Kafka { partition, offset } => format!("p={partition}&o={offset}&t={t}"),
        Place::Spool => format!("t={t}"),
    }
}

/// What there is to say of an event by now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct News {
    /// The receipt; of a spooled event with its place in Kafka, once it has come there.
    pub receipt: Receipt,
    /// How far the event has come.
    #[serde(flatten)]
    pub progress: Progress,
}

/// News of an event, after at most `patience`. While nobody can say, it is on its way.
pub async fn news(shop: &Shop, receipt: &Receipt, patience: Duration) -> News {
    let waited = tokio::select! {
        waited = shop.collector.wait_stored(receipt, patience) => waited,
        () = placed(shop, receipt) => Waited::NotYet,
        () = shop.stop.cancelled() => Waited::NotYet,
    };
    tracing::debug!(event_id = %receipt.event_id, ?waited, "looking for the row");
    let mut receipt = Receipt {
        place: place_now(shop, receipt),
        ..*receipt
    };
    let progress = progress(shop, &receipt, waited).await;
    // Another process may have brought it to Kafka, or this one before it was started anew.
    if let (Place::Spool, Progress::Stored { .. }) = (receipt.place, &progress) {
        let found = shop.store.place_of_row(&receipt);
        if let Ok(Ok(Some(place))) = tokio::time::timeout(READ_PATIENCE, found).await {
            receipt.place = place;
        }
    }
    News { receipt, progress }
}

/// Where an event lies: a spooled one comes to Kafka later.
fn place_now(shop: &Shop, receipt: &Receipt) -> Place {
    match receipt.place {
        Place::Spool => shop.collector.place_of(receipt.event_id),
        Place::Kafka { .. } => None,
    }
    .unwrap_or(receipt.place)
}

/// Waits until a spooled event has come to Kafka, and a moment longer, in which it mostly becomes a row.
/// For any other one there is nothing to wait for, and no end.
async fn placed(shop: &Shop, receipt: &Receipt) {
    if receipt.place != Place::Spool {
        return std::future::pending().await;
    }
    while place_now(shop, receipt) == Place::Spool {
        tokio::time::sleep(LOOK_FOR_PLACE_EVERY).await;
    }
    tokio::time::sleep(PLACE_PATIENCE).await;
}

/// How far the event has come, which was waited for so.
async fn progress(shop: &Shop, receipt: &Receipt, waited: Waited) -> Progress {
    // Asked for in either case: after a topic was made anew the offsets tell nothing, the row does.
    let found = shop.store.progress(&shop.topic, receipt);
    match tokio::time::timeout(READ_PATIENCE, found).await {
        Ok(Ok(Some(progress))) => progress,
        Ok(Ok(None)) => without_a_row(waited, Utc::now() - receipt.received_at),
        Err(_) => Progress::Waiting,
        Ok(Err(error)) => {
            tracing::debug!(%error, "cannot read how far an event has come");
            Progress::Waiting
        }
    }
}

/// What there is to say of an event of that age that is neither a row nor a reject.
fn without_a_row(waited: Waited, age: TimeDelta) -> Progress {
    match waited {
        Waited::Stored if age.abs() >= OFFSETS_DOUBTED => Progress::Unknown,
        Waited::Stored | Waited::NotYet => Progress::Waiting,
    }
}

/// Everything that a receipt says, for a page of its own or `inside` another.
pub fn view(shop: &Shop, news: News, message: Option<String>, inside: bool) -> ReceiptView {
    let News { receipt, progress } = news;
    let waiting = progress == Progress::Waiting;
    ReceiptView {
        event_id: receipt.event_id.to_string(),
        received_at: time_text(receipt.received_at),
        place: receipt.place,
        topic: shop.topic.to_string(),
        brokers: shop.brokers.to_string(),
        select: select(&receipt, message.as_deref(), &progress),
        message,
        progress,
        href: address(&receipt),
        progress_href: waiting.then(|| progress_address(&receipt)),
        inside,
    }
}

/// The view of an event that was accepted just now, after at most `patience`.
pub async fn fresh_view(shop: &Shop, accepted: Accepted, patience: Duration) -> ReceiptView {
    let news = news(shop, &accepted.receipt, patience).await;
    view(shop, news, Some(accepted.json), true)
}

/// The query that shows the row: a product choice lies in the table for people, by its key; everything
/// else lies in `events`.
fn select(receipt: &Receipt, message: Option<&str>, progress: &Progress) -> String {
    let id = receipt.event_id;
    let buyer = match progress {
        Progress::Stored { row: Some(row), .. } => Some(row.username.clone()),
        Progress::Stored { row: None, .. } => None,
        Progress::Rejected { .. } => {
            return match receipt.place {
                Place::Kafka { partition, offset } => format!(
                    "SELECT * FROM rejected_events\nWHERE kafka_partition = {partition} AND kafka_offset = {offset};"
                ),
                Place::Spool => "SELECT * FROM rejected_events;".to_owned(),
            };
        }
        Progress::Waiting | Progress::Unknown => message.and_then(username_of_choice),
    };
    match buyer {
        Some(username) => format!(
            "SELECT * FROM clickstream_data\nWHERE username = {} AND event_id = '{id}';",
            quoted(&username)
        ),
        None => format!("SELECT * FROM events\nWHERE event_id = '{id}';"),
    }
}

/// The username in a message that becomes a row of the table for people.
fn username_of_choice(message: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let is_choice = message["type"] == domain::EventType::ADD_TO_CART;
    is_choice.then(|| Some(message["username"].as_str()?.to_owned()))?
}

/// A text as SQL writes it, with `standard_conforming_strings` (Postgres' default since 9.1).
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::receipt::StoredRow;
    use rstest::rstest;

    fn receipt() -> Receipt {
        Receipt {
            event_id: Uuid::from_u128(7),
            received_at: DateTime::from_timestamp_micros(1_732_240_000_123_456).unwrap(),
            place: Place::Kafka {
                partition: 3,
                offset: 41,
            },
        }
    }

    #[test]
    fn an_address_leads_back_to_its_receipt() {
        for place in [receipt().place, Place::Spool] {
            let receipt = Receipt { place, ..receipt() };
            let query = Form::parse(query(&receipt).as_bytes());
            assert_eq!(read(&receipt.event_id.to_string(), &query), Some(receipt));
        }
    }

    #[rstest]
    #[case("")]
    #[case("p=1&o=2")]
    #[case("p=-1&o=2&t=1")]
    #[case("p=1&t=1")]
    #[case("p=1&o=9223372036854775807&t=1")]
    #[case("p=1&o=1&t=9223372036854775807")]
    #[case("p=1&o=1&t=-9223372036854775808")]
    #[case("p=1&o=1&t=8210266876799999999")]
    #[case("p=1&o=1&t=-8334601228800000000")]
    #[case("p=1&o=1&t=253402300800000000")]
    #[case("p=1&o=1&t=-1")]
    fn half_an_address_is_none(#[case] query: &str) {
        let id = Uuid::nil().to_string();
        assert_eq!(read(&id, &Form::parse(query.as_bytes())), None);
    }

    #[rstest]
    #[case(Waited::Stored, 30, Progress::Unknown)]
    #[case(Waited::Stored, 29, Progress::Waiting)]
    #[case(Waited::Stored, -100, Progress::Unknown)]
    #[case(Waited::NotYet, 100, Progress::Waiting)]
    fn an_offset_long_passed_without_a_row_is_not_waited_for(
        #[case] waited: Waited,
        #[case] age_s: i64,
        #[case] said: Progress,
    ) {
        assert_eq!(without_a_row(waited, TimeDelta::seconds(age_s)), said);
    }

    #[test]
    fn an_apostrophe_does_not_end_the_query() {
        let progress = Progress::Stored {
            after_ms: 1,
            row: Some(StoredRow {
                username: "O'Brien'; --".into(),
                creation_timestamp: receipt().received_at,
                category: None,
                gender: None,
                style: None,
                size: None,
                hex_color: None,
            }),
        };
        let sql = select(&receipt(), None, &progress);
        assert!(sql.contains("username = 'O''Brien''; --' AND"), "{sql}");
    }

    #[test]
    fn a_waiting_click_is_looked_for_where_it_will_be() {
        let choice = r#"{"type":"add_to_cart","username":"Ann"}"#;
        let sql = select(&receipt(), Some(choice), &Progress::Waiting);
        assert!(sql.contains("FROM clickstream_data"), "{sql}");
        let sql = select(&receipt(), Some(r#"{"type":"buy"}"#), &Progress::Waiting);
        assert!(sql.contains("FROM events"), "{sql}");
    }
}
