//! The event as one flat JSON object: what every Kafka record of the topic holds.
//!
//! An event is read back as it was written when it passes [`Event::check`], its times are whole
//! microseconds that [`decode`] can believe, and it carries a choice where its type is `add_to_cart`;
//! what the collector makes is so. A message of an older producer, with only the six keys of a product
//! choice, is understood too. A key that nobody knows is kept in `properties`, unless a property of that
//! name came with the message: then the property stays and the key is dropped.

use crate::catalogue::{Category, Gender, Size, Style};
use crate::choice::Choice;
use crate::event::{Event, EventType, Source, field};
use crate::ids::{self, RecordIdentity};
use crate::reject::Reject;
use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

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
pub const CHOICE_KEYS: [&str; 6] = ["username", "category", "gender", "style", "size", "color"];

/// The earliest `occurred_at` that is believed: 2000-01-01, in seconds since 1970.
const EARLIEST_OCCURRED_S: i64 = 946_684_800;

/// Writes an event as UTF-8 JSON.
pub fn encode(event: &Event) -> Vec<u8> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
    put("event_id", event.event_id.to_string().into());
    put("client_id", event.client_id.into());
    put("type", event.event_type.as_str().into());
    for (key, value) in [
        ("session_id", &event.session_id),
        ("url", &event.url),
        ("path", &event.path),
        ("referrer", &event.referrer),
        ("user_agent", &event.user_agent),
        ("ip", &event.ip),
    ] {
        if let Some(text) = value {
            put(key, text.as_str().into());
        }
    }
    put("occurred_at", time_text(event.occurred_at).into());
    put("received_at", time_text(event.received_at).into());
    put("source", event.source.as_str().into());
    put("count", event.count.into());
    if let Some(boot) = event.boot {
        put("boot", boot.to_string().into());
    }
    put("properties", Value::Object(event.properties.clone()));
    if event.username.is_some() || event.choice.is_some() {
        put("username", event.username.clone().into());
    }
    if let Some(choice) = &event.choice {
        put("category", choice.category.map(Category::label).into());
        put("gender", choice.gender.map(Gender::label).into());
        put("style", choice.style.map(Style::label).into());
        put("size", choice.size.map(Size::label).into());
        put("color", choice.color.map(|v| v.to_string()).into());
    }
    Value::Object(map).to_string().into_bytes()
}

/// Reads a record's value.
///
/// `record` gives an id to a message that brought none, and bounds `received_at`: a time outside
/// [record time − 30 days, record time + 1 hour] is replaced by the record's time.
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
    let mut map: Map<String, Value> =
        serde_json::from_slice(value).map_err(|e| Reject::NotJson(e.to_string()))?;

    let direct = !map.contains_key("type")
        && map.contains_key("username")
        && map.keys().all(|key| CHOICE_KEYS.contains(&key.as_str()));
    let event_type = match take_text(&mut map, "type")? {
        Some(name) => EventType::parse(&name)?,
        None if direct => EventType::parse(EventType::ADD_TO_CART)?,
        None => return Err(field("type", "is missing")),
    };
    let username = take_text(&mut map, "username")?;
    if direct && username.is_none() {
        return Err(field("username", "is null"));
    }
    let choice = take_choice(&mut map, &event_type)?;
    let source = match take_text(&mut map, "source")? {
        Some(name) => {
            Source::from_name(&name).ok_or_else(|| field("source", "is not a known source"))?
        }
        None => Source::Direct,
    };
    let event_id = take_uuid(&mut map, "event_id")?;
    let record_time = DateTime::from_timestamp_millis(record.record_time_ms)
        .ok_or_else(|| field("received_at", "the record's own time is out of range"))?;
    let received_at = believable_received_at(take_time(&mut map, "received_at")?, record_time);
    let occurred_given = take_time(&mut map, "occurred_at")?;
    let count = take_count(&mut map)?;
    let client_id = take_bool(&mut map, "client_id")?.unwrap_or(false) && event_id.is_some();
    let boot = take_uuid(&mut map, "boot")?;
    let session_id = take_text(&mut map, "session_id")?;
    let url = take_text(&mut map, "url")?;
    let path = take_text(&mut map, "path")?;
    let referrer = take_text(&mut map, "referrer")?;
    let user_agent = take_text(&mut map, "user_agent")?;
    let ip = take_text(&mut map, "ip")?;
    let mut properties = take_properties(&mut map)?;
    for (key, value) in map {
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

/// The collector's time where it can be true, else the record's.
fn believable_received_at(
    given: Option<DateTime<Utc>>,
    record_time: DateTime<Utc>,
) -> DateTime<Utc> {
    let earliest = record_time - TimeDelta::days(30);
    let latest = record_time + TimeDelta::hours(1);
    match given {
        Some(time) if (earliest..=latest).contains(&time) => time,
        _ => record_time,
    }
}

/// The visitor's time where it can be true (from 2000 to a day ahead), else the server's; what was
/// given instead is kept in `properties.occurred_at`.
fn believable_occurred_at(
    given: Option<DateTime<Utc>>,
    received_at: DateTime<Utc>,
    properties: &mut Map<String, Value>,
) -> DateTime<Utc> {
    match given {
        None => received_at,
        Some(time)
            if time.timestamp() >= EARLIEST_OCCURRED_S
                && time <= received_at + TimeDelta::days(1) =>
        {
            time
        }
        Some(time) => {
            properties
                .entry("occurred_at")
                .or_insert_with(|| time_text(time).into());
            received_at
        }
    }
}

/// Takes a text; a missing key and null both mean "not given".
fn take_text(map: &mut Map<String, Value>, name: &'static str) -> Result<Option<String>, Reject> {
    match map.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(field(name, "is not a text")),
    }
}

fn take_bool(map: &mut Map<String, Value>, name: &'static str) -> Result<Option<bool>, Reject> {
    match map.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(value)),
        Some(_) => Err(field(name, "is neither true nor false")),
    }
}

fn take_uuid(map: &mut Map<String, Value>, name: &'static str) -> Result<Option<Uuid>, Reject> {
    take_text(map, name)?
        .map(|text| Uuid::parse_str(&text).map_err(|_| field(name, "is not a UUID")))
        .transpose()
}

/// Takes a time (RFC 3339), cut to whole microseconds, which is what Postgres keeps.
fn take_time(
    map: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<DateTime<Utc>>, Reject> {
    take_text(map, name)?
        .map(|text| {
            DateTime::parse_from_rfc3339(&text)
                .map(|time| time.with_timezone(&Utc).trunc_subsecs(6))
                .map_err(|_| field(name, "is not a time of RFC 3339"))
        })
        .transpose()
}

fn take_count(map: &mut Map<String, Value>) -> Result<i32, Reject> {
    match map.remove("count") {
        None | Some(Value::Null) => Ok(1),
        Some(value) => value
            .as_i64()
            .and_then(|n| i32::try_from(n).ok())
            .ok_or_else(|| field("count", "is not a whole number from 1 to 2147483647")),
    }
}

fn take_properties(map: &mut Map<String, Value>) -> Result<Map<String, Value>, Reject> {
    match map.remove("properties") {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(properties)) => Ok(properties),
        Some(_) => Err(field("properties", "is not an object")),
    }
}

/// Takes the product choice: an `add_to_cart` always has one (possibly with every option open), any
/// other event only when it names at least one of the five keys.
fn take_choice(
    map: &mut Map<String, Value>,
    event_type: &EventType,
) -> Result<Option<Choice>, Reject> {
    let named = CHOICE_KEYS[1..].iter().any(|key| map.contains_key(*key));
    if !named && event_type.as_str() != EventType::ADD_TO_CART {
        return Ok(None);
    }
    Ok(Some(Choice {
        category: take_option(map, "category")?,
        gender: take_option(map, "gender")?,
        style: take_option(map, "style")?,
        size: take_option(map, "size")?,
        color: take_option(map, "color")?,
    }))
}

fn take_option<T: std::str::FromStr<Err = crate::catalogue::NotInCatalogue>>(
    map: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<T>, Reject> {
    take_text(map, name)?
        .map(|text| text.parse().map_err(|e: T::Err| field(name, e.to_string())))
        .transpose()
}

#[cfg(test)]
mod tests;
