//! The shape of what `call` reads, as the description tells it. `call` itself reads field by field, because
//! whatever it does not know is kept.
#![expect(dead_code, reason = "only their shape is used")]

use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Something happened.
#[derive(ToSchema)]
#[schema(as = TrackCall, example = json!({
    "event": "Song Played", "userId": "ann", "messageId": "m-1", "properties": {"song": 7}
}))]
pub(super) struct Track {
    /// What happened.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"
    )]
    event: String,
    /// What else is known of it.
    #[schema(value_type = Option<Object>)]
    properties: Option<Map<String, Value>>,
    #[serde(flatten)]
    about: About,
}

/// A page was seen.
#[derive(ToSchema)]
#[schema(as = PageCall, example = json!({
    "anonymousId": "v1", "context": {"page": {"url": "https://example.com/a", "path": "/a"}}
}))]
pub(super) struct Page {
    /// What else is known of it; `url`, `path` and `referrer` where the context does not have them.
    #[schema(value_type = Option<Object>)]
    properties: Option<Map<String, Value>>,
    #[serde(flatten)]
    about: About,
}

/// Somebody said who they are.
#[derive(ToSchema)]
#[schema(as = IdentifyCall, example = json!({
    "userId": "ann", "anonymousId": "v1", "traits": {"plan": "free"}
}))]
pub(super) struct Identify {
    /// What is known of them.
    #[schema(value_type = Option<Object>)]
    traits: Option<Map<String, Value>>,
    #[serde(flatten)]
    about: About,
}

/// Many events. A bad one does not stand in the way of a good one.
#[derive(ToSchema)]
#[schema(as = BatchCall, example = json!({
    "batch": [{"type": "page", "anonymousId": "v1"}, {"type": "track", "event": "Song Played", "userId": "ann"}]
}))]
pub(super) struct Batch {
    /// Each as it would be sent alone, with its `type`.
    #[schema(min_items = 1, max_items = 2500)]
    #[serde(rename = "batch")]
    events: Vec<OneOfBatch>,
    /// When the batch was sent, by the sender's clock, for all that do not say it themselves.
    #[serde(rename = "sentAt")]
    #[schema(value_type = Time, required = false)]
    sent_at: Option<Time>,
    /// What is true of all of them.
    #[schema(value_type = Option<Object>)]
    context: Option<Map<String, Value>>,
    /// The key, where it does not come with the request.
    #[serde(rename = "writeKey")]
    #[schema(value_type = Option<Value>)]
    write_key: Option<Value>,
}

/// An event of a batch.
#[derive(ToSchema)]
pub(super) struct OneOfBatch {
    /// `track`, `page` or `identify`.
    #[schema(pattern = "^(track|page|identify)$")]
    r#type: String,
    /// What happened; a `track` needs it.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
        required = true
    )]
    event: String,
    #[serde(flatten)]
    about: About,
}

/// What any event may say. Whatever else is sent is kept as a property.
#[derive(ToSchema)]
#[schema(as = AboutCall)]
struct About {
    /// The event's identity: the same id again is the same event.
    #[serde(rename = "messageId")]
    #[schema(max_length = 100)]
    message_id: Option<String>,
    /// Who did it.
    #[serde(rename = "userId")]
    #[schema(max_length = 256)]
    user_id: Option<String>,
    /// Whose visit it was.
    #[serde(rename = "anonymousId")]
    #[schema(max_length = 128)]
    anonymous_id: Option<String>,
    /// When it happened; corrected by `sentAt`, where both are given.
    #[schema(value_type = Time, required = false)]
    timestamp: Option<Time>,
    /// The same, by the visitor's clock, where `timestamp` has been corrected.
    #[serde(rename = "originalTimestamp")]
    #[schema(value_type = Time, required = false)]
    original_timestamp: Option<Time>,
    /// When it was sent, by the sender's clock.
    #[serde(rename = "sentAt")]
    #[schema(value_type = Time, required = false)]
    sent_at: Option<Time>,
    /// On which page, in which browser.
    context: Option<Context>,
    /// The key, where it does not come with the request.
    #[serde(rename = "writeKey")]
    #[schema(value_type = Option<Value>)]
    write_key: Option<Value>,
}

/// A text or a number; `docs` says it in full.
#[derive(ToSchema)]
struct Time(Value);

/// Where an event happened; whatever else it says is kept.
#[derive(ToSchema)]
struct Context {
    page: Option<ContextPage>,
    /// The browser's own description.
    #[serde(rename = "userAgent")]
    #[schema(max_length = 1024)]
    user_agent: Option<String>,
    /// The visitor's address.
    #[schema(max_length = 45)]
    ip: Option<String>,
}

/// The page.
#[derive(ToSchema)]
struct ContextPage {
    /// Its whole address.
    #[schema(max_length = 4096)]
    url: Option<String>,
    /// Its path, without query.
    #[schema(max_length = 2048)]
    path: Option<String>,
    /// The page before.
    #[schema(max_length = 4096)]
    referrer: Option<String>,
}
