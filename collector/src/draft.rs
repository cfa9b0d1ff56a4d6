//! What a caller hands in: everything it knows about a thing that happened, and nothing that only the
//! collector can know (when it was received, by which run, where it lies).

use chrono::{DateTime, Utc};
use domain::{Choice, Source};
use serde_json::{Map, Value};
use uuid::Uuid;

/// An event before the collector has looked at it. Nothing in it is trusted or checked yet.
///
/// ```
/// use collector::Draft;
/// use domain::EventType;
///
/// let view = Draft {
///     event_type: EventType::PAGE_VIEW.into(),
///     path: Some("/".into()),
///     ..Draft::default()
/// };
/// assert_eq!(view.count, 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The event's identity where the caller has one; else the collector mints a UUIDv7.
    pub event_id: Option<Uuid>,
    /// Whether the same id may be handed in again as a retry: the second is then a duplicate, not a
    /// second row. Means nothing without [`Self::event_id`].
    pub client_id: bool,
    /// What happened, such as `add_to_cart`: 1 to 64 characters.
    pub event_type: String,
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
    /// When it happened by the visitor's clock; else the time of receipt counts.
    pub occurred_at: Option<DateTime<Utc>>,
    /// By which door it came in.
    pub source: Source,
    /// How many clicks it stands for, at least 1.
    pub count: i32,
    /// Everything else that is worth keeping.
    pub properties: Map<String, Value>,
    /// The product choice; an `add_to_cart` without one counts as one with every option open.
    pub choice: Option<Choice>,
}

impl Default for Draft {
    /// One click of the shop about which nothing is known; the type has still to be given.
    fn default() -> Self {
        Self {
            event_id: None,
            client_id: false,
            event_type: String::new(),
            username: None,
            session_id: None,
            url: None,
            path: None,
            referrer: None,
            user_agent: None,
            ip: None,
            occurred_at: None,
            source: Source::Shop,
            count: 1,
            properties: Map::new(),
            choice: None,
        }
    }
}
