//! What a client calls an event, and where each of its fields goes. What has no place of its own is kept in
//! `properties`, unless a property of that name came with the event: then the property stays.

use crate::Draft;
use crate::http::id;
use crate::http::time::Loose;
use chrono::{DateTime, Utc};
use domain::{Choice, EventType, Source, wire};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A JSON object.
pub(super) type Fields = Map<String, Value>;

/// The key's field, which is never kept.
pub(super) const WRITE_KEY: &str = "writeKey";

/// How our own script calls itself in `context.library.name`.
const TRACKER: &str = "tracker.js";

/// The events that tell of a product of the shop, with its options as properties.
const OF_PRODUCTS: [&str; 3] = [
    EventType::ADD_TO_CART,
    EventType::BUY,
    EventType::ITEM_CLICK,
];

/// Our names of the fields that this contract calls otherwise.
pub(super) const NAMES: [(&str, &str); 8] = [
    ("type", "event"),
    ("username", "userId"),
    ("session_id", "anonymousId"),
    ("url", "context.page.url"),
    ("path", "context.page.path"),
    ("referrer", "context.page.referrer"),
    ("user_agent", "context.userAgent"),
    ("ip", "context.ip"),
];

/// What a client says that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Something, by its name.
    Track,
    /// A page was seen.
    Page,
    /// Somebody said who they are.
    Identify,
}

impl Method {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "track" => Some(Self::Track),
            "page" => Some(Self::Page),
            "identify" => Some(Self::Identify),
            _ => None,
        }
    }
}

/// What is known of an event besides its own fields.
#[derive(Debug, Clone, Default)]
pub(super) struct Around {
    /// When its request came in.
    pub received_at: DateTime<Utc>,
    /// The name of the write key.
    pub key: Arc<str>,
    /// When its batch was sent, by the sender's clock.
    pub sent_at: Loose,
    /// What its batch says of all its events.
    pub context: Fields,
}

/// One event as it was read.
#[derive(Debug)]
pub(super) struct Call {
    /// The client's id, also of an event that is refused.
    pub message_id: Option<String>,
    /// The event, or what is wrong with it.
    pub draft: Result<Draft, String>,
}

impl Call {
    /// What is no event at all.
    pub fn none(why: String) -> Self {
        Self {
            message_id: None,
            draft: Err(why),
        }
    }
}

/// Reads an event; `method` is what its address says that it is, else its `type` tells.
pub(super) fn read(mut fields: Fields, method: Option<Method>, around: &Around) -> Call {
    let id = text(fields.remove("messageId"), "messageId");
    Call {
        message_id: id.as_ref().ok().cloned().flatten(),
        draft: id.and_then(|id| draft(fields, method, id, around)),
    }
}

fn draft(
    mut fields: Fields,
    method: Option<Method>,
    message_id: Option<String>,
    around: &Around,
) -> Result<Draft, String> {
    fields.remove(WRITE_KEY);
    let kind = fields.remove("type");
    let named = || Method::from_name(kind.as_ref()?.as_str()?);
    let method = method
        .or_else(named)
        .ok_or("type: must be one of track, page, identify")?;
    let id = id::read_from(&around.key, message_id).map_err(|why| format!("messageId: {why}"))?;
    let event_type = match method {
        Method::Track => text(fields.remove("event"), "event")?.ok_or("event: is missing")?,
        Method::Page => EventType::PAGE_VIEW.to_owned(),
        Method::Identify => "identify".to_owned(),
    };
    let mut properties = object(fields.remove("properties"), "properties")?;
    if method == Method::Identify {
        fill(&mut properties, object(fields.remove("traits"), "traits")?);
    }
    let context = object(fields.remove("context"), "context")?;
    let mut draft = Draft {
        event_type,
        username: who(fields.remove("userId"), "userId")?,
        session_id: who(fields.remove("anonymousId"), "anonymousId")?,
        source: Source::Segment,
        ..Draft::default()
    };
    let times = Times::take(&mut fields, &mut properties, &around.sent_at)?;
    draft.occurred_at = times.occurred_at(around.received_at, &mut properties);
    describe(&mut draft, context, around, &mut properties)?;
    if method == Method::Page {
        // Libraries without a page of their own say it here.
        let own = |field: &mut Option<String>, name: &str| {
            let given = properties.get(name).and_then(Value::as_str);
            *field = field.take().or_else(|| Some(given?.to_owned()));
        };
        own(&mut draft.url, "url");
        own(&mut draft.path, "path");
        own(&mut draft.referrer, "referrer");
    }
    if draft.source == Source::Tracker && OF_PRODUCTS.contains(&draft.event_type.as_str()) {
        draft.choice = take_choice(&mut properties);
    }
    fill(&mut properties, fields);
    draft.properties = properties;
    id::give_as("messageId", id, &mut draft);
    Ok(draft)
}

/// Takes what the context says of page, browser and address; the rest of it is a property.
fn describe(
    draft: &mut Draft,
    mut context: Fields,
    around: &Around,
    properties: &mut Fields,
) -> Result<(), String> {
    for (name, value) in &around.context {
        context.entry(name).or_insert_with(|| value.clone());
    }
    let mut page = object(context.remove("page"), "context.page")?;
    draft.url = text(page.remove("url"), "context.page.url")?;
    draft.path = text(page.remove("path"), "context.page.path")?;
    draft.referrer = text(page.remove("referrer"), "context.page.referrer")?;
    draft.user_agent = text(context.remove("userAgent"), "context.userAgent")?;
    draft.ip = text(context.remove("ip"), "context.ip")?;
    let library = context
        .get("library")
        .and_then(|library| library.get("name"));
    if library.is_some_and(|name| name == TRACKER) {
        draft.source = Source::Tracker;
    }
    if !page.is_empty() {
        context.insert("page".to_owned(), page.into());
    }
    if !context.is_empty() {
        properties
            .entry("context")
            .or_insert_with(|| context.into());
    }
    Ok(())
}

/// Takes the options of a product that the catalogue has; anything else stays what it was.
fn take_choice(properties: &mut Fields) -> Option<Choice> {
    let given = |name: &str| Some(properties.get(name)?.as_str()?.to_owned());
    let choice = Choice::parse(given).ok()?;
    let named = choice.pairs();
    for (name, _) in &named {
        properties.remove(*name);
    }
    (!named.is_empty()).then_some(choice)
}

/// What an event's clocks say.
struct Times {
    original: Loose,
    timestamp: Loose,
    sent: Loose,
}

impl Times {
    /// Takes the times; what is none stays, as a property.
    fn take(
        fields: &mut Fields,
        properties: &mut Fields,
        batch_sent_at: &Loose,
    ) -> Result<Self, String> {
        let mut take = |name: &str| {
            let given = fields.remove(name).unwrap_or_default();
            let time = serde_json::from_value(given).map_err(|_| format!("{name}: is no time"))?;
            if let Loose::Unknown(text) = &time {
                let property = properties.entry(name);
                property.or_insert_with(|| text.as_str().into());
            }
            Ok::<_, String>(time)
        };
        Ok(Self {
            original: take("originalTimestamp")?,
            timestamp: take("timestamp")?,
            sent: match take("sentAt")? {
                own @ Loose::Time(_) => own,
                Loose::Missing | Loose::Unknown(_) => batch_sent_at.clone(),
            },
        })
    }

    /// When it happened: so long before it came in as, by its own clock, it had happened before it was
    /// sent. Without the time of sending its clock is all there is. A time that cannot be true is none, and
    /// what was given instead is kept in `properties`.
    fn occurred_at(
        &self,
        received_at: DateTime<Utc>,
        properties: &mut Fields,
    ) -> Option<DateTime<Utc>> {
        let (original, timestamp) = (time(&self.original), time(&self.timestamp));
        let (given, corrected) = if let Some(sent) = time(&self.sent) {
            let original = original.or(timestamp)?;
            let age = sent.signed_duration_since(original);
            (original, received_at.checked_sub_signed(age))
        } else {
            // A time that somebody has corrected already is called `timestamp`.
            let given = timestamp.or(original)?;
            (given, Some(given))
        };
        let believed = corrected.filter(|time| wire::can_be_true(*time, received_at));
        if believed.is_none() {
            let property = properties.entry("occurred_at");
            property.or_insert_with(|| wire::time_text(given).into());
        }
        believed
    }
}

const fn time(given: &Loose) -> Option<DateTime<Utc>> {
    match given {
        Loose::Time(time) => Some(*time),
        Loose::Missing | Loose::Unknown(_) => None,
    }
}

/// Adds what is not there yet and says anything.
fn fill(properties: &mut Fields, others: Fields) {
    for (name, value) in others {
        let empty = match &value {
            Value::Null => true,
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if !empty {
            properties.entry(name).or_insert(value);
        }
    }
}

/// A text; null and an empty one are none.
fn text(value: Option<Value>, name: &str) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(format!("{name}: is no text")),
    }
}

/// Who or whose visit it was. Some programs number their users.
fn who(value: Option<Value>, name: &str) -> Result<Option<String>, String> {
    let given = match value {
        Some(Value::Number(number)) => Some(number.to_string()),
        other => text(other, name)?,
    };
    if let Some(given) = &given {
        id::not_junk(given).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(given)
}

/// An object; null is an empty one.
fn object(value: Option<Value>, name: &str) -> Result<Fields, String> {
    match value {
        None | Some(Value::Null) => Ok(Fields::new()),
        Some(Value::Object(fields)) => Ok(fields),
        Some(_) => Err(format!("{name}: is no object")),
    }
}
