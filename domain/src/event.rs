//! One thing that a visitor did, as every part of the pipeline knows it.

use crate::choice::Choice;
use crate::reject::Reject;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use uuid::Uuid;

/// The most characters of each text field; beyond it an event is refused, never cut.
pub mod limits {
    /// `type`.
    pub const TYPE: usize = 64;
    /// `username` of any event; an `add_to_cart` allows [`crate::username::USERNAME_MAX_CHARS`].
    pub const USERNAME: usize = 256;
    /// `session_id`.
    pub const SESSION_ID: usize = 128;
    /// `url` and `referrer`.
    pub const URL: usize = 4096;
    /// `path`.
    pub const PATH: usize = 2048;
    /// `user_agent`.
    pub const USER_AGENT: usize = 1024;
    /// `ip`: an IPv6 address with an embedded IPv4 one has 45.
    pub const IP: usize = 45;
}

/// What kind of thing happened, such as `add_to_cart`: 1 to 64 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventType(String);

impl EventType {
    /// A choice was put into the cart.
    pub const ADD_TO_CART: &'static str = "add_to_cart";
    /// What lay in the cart was bought.
    pub const BUY: &'static str = "buy";
    /// A product was looked at.
    pub const ITEM_CLICK: &'static str = "item_click";
    /// A page was shown.
    pub const PAGE_VIEW: &'static str = "page_view";

    /// Checks a type's name.
    pub fn parse(name: &str) -> Result<Self, Reject> {
        let refuse = |problem: &str| Reject::Field {
            field: "type",
            problem: problem.to_owned(),
        };
        if name.is_empty() {
            return Err(refuse("is empty"));
        }
        if name.chars().count() > limits::TYPE {
            return Err(refuse("has more than 64 characters"));
        }
        if name.chars().any(char::is_control) {
            return Err(refuse("contains a control character"));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventType {
    type Error = Reject;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<EventType> for String {
    fn from(name: EventType) -> Self {
        name.0
    }
}

impl std::fmt::Display for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// By which door an event came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The shop's own pages.
    Shop,
    /// `POST /track`.
    Track,
    /// `POST /event`.
    Event,
    /// `POST /events`.
    Events,
    /// gRPC.
    Grpc,
    /// `POST /v1/*`.
    Segment,
    /// `tracker.js`.
    Tracker,
    /// The live counters.
    Counter,
    /// The seeder of the lab.
    Seed,
    /// A producer that wrote to the topic by itself.
    Direct,
}

impl Source {
    /// Every source.
    pub const ALL: &'static [Self] = &[
        Self::Shop,
        Self::Track,
        Self::Event,
        Self::Events,
        Self::Grpc,
        Self::Segment,
        Self::Tracker,
        Self::Counter,
        Self::Seed,
        Self::Direct,
    ];

    /// The name on the wire and in the tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Track => "track",
            Self::Event => "event",
            Self::Events => "events",
            Self::Grpc => "grpc",
            Self::Segment => "segment",
            Self::Tracker => "tracker",
            Self::Counter => "counter",
            Self::Seed => "seed",
            Self::Direct => "direct",
        }
    }

    /// The source of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.as_str() == name)
    }
}

/// One accepted event. [`crate::wire`] turns it into JSON and back.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The event's identity.
    pub event_id: Uuid,
    /// Whether a client chose [`Self::event_id`], so that the same id may come again as a retry.
    pub client_id: bool,
    /// What happened.
    pub event_type: EventType,
    /// Who did it, where that is known.
    pub username: Option<String>,
    /// Which visit it belongs to.
    pub session_id: Option<String>,
    /// The page's whole address.
    pub url: Option<String>,
    /// The page's path, without query.
    pub path: Option<String>,
    /// The page before.
    pub referrer: Option<String>,
    /// The browser's own description.
    pub user_agent: Option<String>,
    /// The visitor's address.
    pub ip: Option<String>,
    /// When it happened, by the visitor's clock (corrected where possible), else [`Self::received_at`].
    pub occurred_at: DateTime<Utc>,
    /// When the collector took it, in whole microseconds.
    pub received_at: DateTime<Utc>,
    /// By which door it came in.
    pub source: Source,
    /// How many clicks it stands for: 1 to 2^31 − 1.
    pub count: i32,
    /// Which run of which collector acknowledged it; none for a direct producer.
    pub boot: Option<Uuid>,
    /// Everything else that was sent, unknown keys included.
    pub properties: Map<String, Value>,
    /// The product choice, for the events that carry one.
    pub choice: Option<Choice>,
}

impl Event {
    /// The Kafka key: one visitor's events share it, and so a partition and its order.
    pub fn key(&self) -> Cow<'_, str> {
        match (&self.username, &self.session_id) {
            (Some(username), _) => username.into(),
            (None, Some(session)) => session.into(),
            (None, None) => self.event_id.to_string().into(),
        }
    }

    /// Checks every rule that the tables rely on; the collector asks before it produces, the consumer
    /// before it writes.
    pub fn check(&self) -> Result<(), Reject> {
        text("username", self.username.as_deref(), limits::USERNAME)?;
        text("session_id", self.session_id.as_deref(), limits::SESSION_ID)?;
        text("url", self.url.as_deref(), limits::URL)?;
        text("path", self.path.as_deref(), limits::PATH)?;
        text("referrer", self.referrer.as_deref(), limits::URL)?;
        text("user_agent", self.user_agent.as_deref(), limits::USER_AGENT)?;
        text("ip", self.ip.as_deref(), limits::IP)?;
        if self.event_type.as_str() == EventType::ADD_TO_CART {
            text(
                "username",
                self.username.as_deref(),
                crate::username::USERNAME_MAX_CHARS,
            )?;
        }
        if self.username.as_deref() == Some("") {
            return Err(field("username", "is empty"));
        }
        if self.count < 1 {
            return Err(field("count", "is less than 1"));
        }
        if self
            .properties
            .iter()
            .any(|(k, v)| k.contains('\0') || holds_nul(v))
        {
            return Err(field("properties", "contains the NUL character"));
        }
        Ok(())
    }
}

/// A [`Reject::Field`] in short.
pub(crate) fn field(field: &'static str, problem: impl Into<String>) -> Reject {
    Reject::Field {
        field,
        problem: problem.into(),
    }
}

/// Checks that a text is short enough and that Postgres can store it.
fn text(name: &'static str, value: Option<&str>, max_chars: usize) -> Result<(), Reject> {
    let Some(value) = value else { return Ok(()) };
    // A text's bytes bound its characters: most texts need no counting.
    if value.len() > max_chars && value.chars().count() > max_chars {
        return Err(field(name, format!("has more than {max_chars} characters")));
    }
    if value.contains('\0') {
        return Err(field(name, "contains the NUL character"));
    }
    Ok(())
}

/// Whether any text inside contains U+0000, which neither `text` nor `jsonb` can hold.
///
/// Depth is bounded by the JSON reader (128 levels).
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(map) => map.iter().any(|(k, v)| k.contains('\0') || holds_nul(v)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
