//! The events that are measured with: about 350 bytes on the wire, one in five with an id of its client's,
//! as many visitors as keep the caches honest. The same number is always the same event.

use chrono::{DateTime, TimeDelta, Utc};
use collector::Draft;
use domain::catalogue::{Color, Gender, Size, Style};
use domain::{Choice, Event, EventType, Source};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// How many different visitors.
const VISITORS: u64 = 20_000;

/// One of five.
pub const fn has_client_id(number: u64) -> bool {
    number.is_multiple_of(5)
}

/// The id of event `number` of a run; different runs have different ids.
pub fn id(run: u64, number: u64) -> Uuid {
    uuid::Builder::from_custom_bytes((u128::from(run) << 64 | u128::from(number)).to_be_bytes())
        .into_uuid()
}

/// Event `number` as the collector is given it: pages, clicks, and every eighth a product choice.
pub fn draft(run: u64, number: u64, now: DateTime<Utc>) -> Draft {
    let client_id = has_client_id(number);
    let choice = number % 8 == 3;
    Draft {
        event_id: client_id.then(|| id(run, number)),
        client_id,
        event_type: if choice {
            EventType::ADD_TO_CART
        } else {
            kind(number)
        }
        .to_owned(),
        username: Some(visitor(number)),
        url: Some(url(number)),
        path: Some("/".to_owned()),
        occurred_at: Some(now - TimeDelta::milliseconds((number % 60_000).cast_signed())),
        source: Source::Seed,
        properties: properties(number),
        choice: choice.then(|| of_choice(number)),
        ..Draft::default()
    }
}

/// Event `number` as a client posts it to `/event`; with that id where it is one of those that have one.
pub fn event_body(number: u64, id: Uuid) -> Value {
    let mut body = json!({
        "type": kind(number),
        "user_id": visitor(number),
        "url": url(number),
        "path": "/",
        "metadata": properties(number),
    });
    if has_client_id(number) {
        body["id"] = id.to_string().into();
    }
    body
}

/// Event `number` as a client posts it to `/events`.
pub fn events_body(number: u64, id: Uuid) -> Value {
    let mut body = json!({
        "event_type": kind(number),
        "user_id": visitor(number),
        "url": url(number),
        "meta": properties(number),
    });
    if has_client_id(number) {
        body["id"] = id.to_string().into();
    }
    body
}

/// Event `number` as it lies in Kafka once the collector has taken it from `/event`.
pub fn record(run: u64, number: u64, now: DateTime<Utc>) -> Event {
    Event {
        event_id: id(run, number),
        client_id: has_client_id(number),
        event_type: EventType::parse(kind(number)).unwrap_or_else(|_| unreachable!("a good name")),
        username: Some(visitor(number)),
        session_id: None,
        url: Some(url(number)),
        path: Some("/".to_owned()),
        referrer: None,
        user_agent: None,
        ip: None,
        occurred_at: now,
        received_at: now,
        source: Source::Event,
        count: 1,
        boot: Some(Uuid::from_u128(1)),
        properties: properties(number),
        choice: None,
    }
}

fn kind(number: u64) -> &'static str {
    if number.is_multiple_of(3) {
        "click"
    } else {
        EventType::PAGE_VIEW
    }
}

fn visitor(number: u64) -> String {
    format!("visitor {}", number % VISITORS)
}

fn url(number: u64) -> String {
    format!("http://127.0.0.1:8501/?page={}", number % 500)
}

fn properties(number: u64) -> Map<String, Value> {
    Map::from_iter([("at".to_owned(), (number % 1_000).into())])
}

fn of_choice(number: u64) -> Choice {
    let style = nth(Style::ALL, number);
    Choice {
        category: style.map(Style::category),
        gender: nth(Gender::ALL, number / 3),
        style,
        size: nth(Size::ALL, number / 7),
        color: Color::SWATCHES.first().map(|(_, color)| *color),
    }
}

fn nth<T: Copy>(of: &[T], number: u64) -> Option<T> {
    let at = usize::try_from(number % of.len().max(1) as u64).unwrap_or(0);
    of.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::wire;

    #[test]
    fn an_event_has_about_350_bytes() {
        let now = DateTime::from_timestamp(1_790_000_000, 123_456_000).unwrap();
        let bytes: usize = (0..1_000)
            .map(|number| wire::encode(&record(7, number, now)).len())
            .sum();
        let mean = bytes / 1_000;
        assert!((330..=370).contains(&mean), "{mean}");
    }

    #[test]
    fn one_of_five_has_a_clients_id_and_no_two_have_the_same() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let drafts: Vec<_> = (0..1_000).map(|number| draft(7, number, now)).collect();
        let mut ids: Vec<_> = drafts.iter().filter_map(|draft| draft.event_id).collect();
        assert_eq!(ids.len(), 200);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 200);
        assert_ne!(id(1, 5), id(2, 5));
        let chosen = drafts.iter().filter(|draft| draft.choice.is_some());
        assert_eq!(chosen.count(), 125);
    }
}
