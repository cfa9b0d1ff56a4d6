//! The event as one flat JSON object: what every Kafka record of the topic holds.
//!
//! An event is read back as it was written when it passes [`Event::check`], its times are whole
//! microseconds that [`decode`] can believe, and it carries a choice where its type is `add_to_cart`;
//! what the collector makes is so. A message of an older producer, with only the six keys of a product
//! choice, is understood too. A key that nobody knows is kept in `properties`, unless a property of that
//! name came with the message: then the property stays and the key is dropped.

use crate::catalogue::{Category, Gender, NotInCatalogue, Size, Style};
use crate::choice::Choice;
use crate::event::{Event, EventType, Source, field};
use crate::ids::{self, RecordIdentity};
use crate::reject::Reject;
use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use flat::Flat;
use message::{Key, Message};
use serde_json::{Map, Value};
use std::borrow::Cow;
use uuid::Uuid;

mod flat;
mod message;

/// The most bytes of a message that may become a row; larger ones are rejected.
pub const MESSAGE_MAX_BYTES: usize = 256 * 1024;

/// The version of this format, sent in the header [`HEADER_SCHEMA`]. A reader that meets a higher one stops.
pub const SCHEMA_VERSION: u32 = 1;

/// Record header: the event's type.
pub const HEADER_EVENT: &str = "event";
/// Record header: the event's id.
pub const HEADER_EVENT_ID: &str = "event_id";
/// Record header: the format's version, decimal.
pub const HEADER_SCHEMA: &str = "schema";

/// The keys of a product choice, which are all that an older producer sends.
const DIRECT: [Key; 6] = [
    Key::Username,
    Key::Category,
    Key::Gender,
    Key::Style,
    Key::Size,
    Key::Color,
];

/// The earliest `occurred_at` that is believed: 2000-01-01, in seconds since 1970.
const EARLIEST_OCCURRED_S: i64 = 946_684_800;

/// Writes an event as UTF-8 JSON, the keys in the order of the alphabet.
pub fn encode(event: &Event) -> Vec<u8> {
    let choice = event.choice.as_ref();
    let received_at = time_text(event.received_at);
    // Most events are shorter than that: their text is written without moving it.
    let mut flat = Flat::with_capacity(512);
    if let Some(boot) = event.boot {
        flat.id("boot", boot);
    }
    if let Some(choice) = choice {
        flat.any("category", &choice.category.map(Category::label));
    }
    flat.bare("client_id", if event.client_id { "true" } else { "false" });
    if let Some(choice) = choice {
        flat.any("color", &choice.color.map(|color| color.to_string()));
    }
    flat.any("count", &event.count);
    flat.id("event_id", event.event_id);
    if let Some(choice) = choice {
        flat.any("gender", &choice.gender.map(Gender::label));
    }
    flat.given("ip", event.ip.as_deref());
    if event.occurred_at == event.received_at {
        flat.plain("occurred_at", &received_at);
    } else {
        flat.plain("occurred_at", &time_text(event.occurred_at));
    }
    flat.given("path", event.path.as_deref());
    flat.any("properties", &event.properties);
    flat.plain("received_at", &received_at);
    flat.given("referrer", event.referrer.as_deref());
    flat.given("session_id", event.session_id.as_deref());
    if let Some(choice) = choice {
        flat.any("size", &choice.size.map(Size::label));
    }
    flat.plain("source", event.source.as_str());
    if let Some(choice) = choice {
        flat.any("style", &choice.style.map(Style::label));
    }
    flat.any("type", event.event_type.as_str());
    flat.given("url", event.url.as_deref());
    flat.given("user_agent", event.user_agent.as_deref());
    // Who reads only the six keys of a choice finds all of them.
    if choice.is_some() || event.username.is_some() {
        flat.any("username", &event.username);
    }
    flat.finish()
}

/// Reads a record's value.
///
/// `record` gives an id to a message that brought none, and bounds `received_at`: a time outside
/// [record time − 30 days, record time + 1 hour] is replaced by the record's time. Each copy of such a
/// message then has a time of its own, so an id that it brought is said to come again
/// ([`Event::client_id`]): by the id alone its copies are known as one.
///
/// Returns the reason when the message cannot become a row; it names the field that is at fault.
pub fn decode(record: &RecordIdentity<'_>) -> Result<Event, Reject> {
    let value = record.value;
    if value.is_empty() {
        return Err(Reject::Empty);
    }
    if value.len() > MESSAGE_MAX_BYTES {
        return Err(Reject::TooLarge {
            bytes: value.len(),
            max: MESSAGE_MAX_BYTES,
        });
    }
    let mut message = Message::read(value)?;

    let direct = !message.has(Key::Type) && message.has(Key::Username) && message.has_only(&DIRECT);
    let event_type = match message.text(Key::Type)? {
        Some(name) => EventType::parse(&name)?,
        None if direct => EventType::parse(EventType::ADD_TO_CART)?,
        None => return Err(field("type", "is missing")),
    };
    let username = take_text(&mut message, Key::Username)?;
    if direct && username.is_none() {
        return Err(field("username", "is null"));
    }
    let choice = take_choice(&mut message, &event_type)?;
    let source = match message.text(Key::Source)? {
        Some(name) => {
            Source::from_name(&name).ok_or_else(|| field("source", "is not a known source"))?
        }
        None => Source::Direct,
    };
    let event_id = take_uuid(&mut message, Key::EventId)?;
    let record_time = DateTime::from_timestamp_millis(record.record_time_ms)
        .ok_or_else(|| field("received_at", "the record's own time is out of range"))?;
    let received_given = take_time(&mut message, Key::ReceivedAt)?;
    let received_at = received_given
        .filter(|time| is_near(*time, record_time))
        .unwrap_or(record_time);
    let is_replaced = received_given.is_some_and(|time| time != received_at);
    let occurred_given = take_time(&mut message, Key::OccurredAt)?;
    let count = read_count(message.count.take())?;
    let may_come_again = read_bool(message.client_id.take())? || is_replaced;
    let client_id = may_come_again && event_id.is_some();
    let boot = take_uuid(&mut message, Key::Boot)?;
    let session_id = take_text(&mut message, Key::SessionId)?;
    let url = take_text(&mut message, Key::Url)?;
    let path = take_text(&mut message, Key::Path)?;
    let referrer = take_text(&mut message, Key::Referrer)?;
    let user_agent = take_text(&mut message, Key::UserAgent)?;
    let ip = take_text(&mut message, Key::Ip)?;
    let mut properties = read_properties(message.properties.take())?;
    for (key, value) in message.others {
        properties.entry(key).or_insert(value);
    }
    let occurred_at = believable_occurred_at(occurred_given, received_at, &mut properties);

    let event = Event {
        event_id: event_id.unwrap_or_else(|| ids::from_record(record)),
        client_id,
        event_type,
        username,
        session_id,
        url,
        path,
        referrer,
        user_agent,
        ip,
        occurred_at,
        received_at,
        source,
        count,
        boot,
        properties,
        choice,
    };
    event.check()?;
    Ok(event)
}

/// A time as the wire writes it: RFC 3339, UTC, microseconds.
pub fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Whether a collector's time can be true, by the record's.
fn is_near(received_at: DateTime<Utc>, record_time: DateTime<Utc>) -> bool {
    let earliest = record_time - TimeDelta::days(30);
    let latest = record_time + TimeDelta::hours(1);
    (earliest..=latest).contains(&received_at)
}

/// Whether a visitor's clock can be believed: it says a time from 2000 to a day after the event came in.
pub fn can_be_true(occurred_at: DateTime<Utc>, received_at: DateTime<Utc>) -> bool {
    occurred_at.timestamp() >= EARLIEST_OCCURRED_S
        && occurred_at <= received_at + TimeDelta::days(1)
}

/// The visitor's time where it can be true, else the server's; what was given instead is kept in
/// `properties.occurred_at`.
fn believable_occurred_at(
    given: Option<DateTime<Utc>>,
    received_at: DateTime<Utc>,
    properties: &mut Map<String, Value>,
) -> DateTime<Utc> {
    match given {
        None => received_at,
        Some(time) if can_be_true(time, received_at) => time,
        Some(time) => {
            properties
                .entry("occurred_at")
                .or_insert_with(|| time_text(time).into());
            received_at
        }
    }
}

/// Takes a text to keep.
fn take_text(message: &mut Message<'_>, key: Key) -> Result<Option<String>, Reject> {
    Ok(message.text(key)?.map(Cow::into_owned))
}

fn take_uuid(message: &mut Message<'_>, key: Key) -> Result<Option<Uuid>, Reject> {
    message.read_text(key, Uuid::parse_str, |_| "is not a UUID".to_owned())
}

/// Takes a time (RFC 3339), cut to whole microseconds, which is what Postgres keeps.
fn take_time(message: &mut Message<'_>, key: Key) -> Result<Option<DateTime<Utc>>, Reject> {
    let time = message.read_text(key, DateTime::parse_from_rfc3339, |_| {
        "is not a time of RFC 3339".to_owned()
    })?;
    Ok(time.map(|time| time.with_timezone(&Utc).trunc_subsecs(6)))
}

/// The value of `client_id`; false when it was not given.
fn read_bool(value: Option<Value>) -> Result<bool, Reject> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(value),
        Some(_) => Err(field("client_id", "is neither true nor false")),
    }
}

fn read_count(value: Option<Value>) -> Result<i32, Reject> {
    match value {
        None | Some(Value::Null) => Ok(1),
        Some(value) => value
            .as_i64()
            .and_then(|n| i32::try_from(n).ok())
            .ok_or_else(|| field("count", "is not a whole number from 1 to 2147483647")),
    }
}

fn read_properties(value: Option<Value>) -> Result<Map<String, Value>, Reject> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(properties)) => Ok(properties),
        Some(_) => Err(field("properties", "is not an object")),
    }
}

/// Takes the product choice: an `add_to_cart` always has one (possibly with every option open), any
/// other event only when it names at least one of the five keys.
fn take_choice(
    message: &mut Message<'_>,
    event_type: &EventType,
) -> Result<Option<Choice>, Reject> {
    let named = DIRECT[1..].iter().any(|key| message.has(*key));
    if !named && event_type.as_str() != EventType::ADD_TO_CART {
        return Ok(None);
    }
    Ok(Some(Choice {
        category: take_option(message, Key::Category)?,
        gender: take_option(message, Key::Gender)?,
        style: take_option(message, Key::Style)?,
        size: take_option(message, Key::Size)?,
        color: take_option(message, Key::Color)?,
    }))
}

fn take_option<T: std::str::FromStr<Err = NotInCatalogue>>(
    message: &mut Message<'_>,
    key: Key,
) -> Result<Option<T>, Reject> {
    message.read_text(key, str::parse, |refused: NotInCatalogue| {
        refused.to_string()
    })
}

#[cfg(test)]
mod tests;
