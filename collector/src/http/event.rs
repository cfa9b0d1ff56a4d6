//! `POST /event` and `/health`, the contract of an analytics pipeline's producer.

use super::body::{self, EVENT_MAX_BYTES};
use super::docs::OfEvents;
use super::id;
use super::json;
use super::keep::{self, Row, Wait, Waiting, given, reason};
use super::reply::{self, Refused};
use super::time;
use super::visitor::Visitor;
use crate::{AcceptError, Collector, Draft};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::Source;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// The types that this contract knows.
const TYPES: [&str; 4] = ["page_view", "click", "session", "custom"];

/// Our names of the fields that this contract calls otherwise.
const NAMES: [(&str, &str); 3] = [
    ("username", "user_id"),
    ("ip", "ip_address"),
    ("properties", "metadata"),
];

/// What a client sends; keys that are not here are passed over.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Event, example = json!({
    "type": "click", "user_id": "ann", "session_id": "s1", "url": "https://example.com/a", "path": "/a",
    "timestamp": "2026-05-01T10:00:00Z", "metadata": {"button": "buy"}
}))]
pub(super) struct Given {
    /// The event's identity: the same id again is the same event. A UUID, or any other text.
    #[schema(max_length = 100)]
    id: Option<String>,
    /// What happened: `page_view`, `click`, `session` or `custom`.
    #[serde(rename = "type")]
    #[schema(value_type = String, required = true, pattern = "^(page_view|click|session|custom)$")]
    event_type: Option<String>,
    /// When, by the visitor's clock.
    #[serde(default, deserialize_with = "time::strict")]
    #[schema(value_type = Option<String>, format = "date-time")]
    timestamp: Option<DateTime<Utc>>,
    /// Who did it.
    #[schema(max_length = 256)]
    user_id: Option<String>,
    /// Which visit it belongs to.
    #[schema(max_length = 128)]
    session_id: Option<String>,
    /// The page's whole address.
    #[schema(max_length = 4096)]
    url: Option<String>,
    /// The page's path, without query.
    #[schema(max_length = 2048)]
    path: Option<String>,
    /// The page before.
    #[schema(max_length = 4096)]
    referrer: Option<String>,
    /// The browser's own description.
    #[schema(max_length = 1024)]
    user_agent: Option<String>,
    /// The visitor's address.
    #[schema(max_length = 45)]
    ip_address: Option<String>,
    /// Anything else that is worth keeping.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// The event is kept.
#[derive(Serialize, ToSchema)]
#[schema(as = EventKept)]
struct Done {
    /// The event's id, as it was given or as it was minted.
    #[schema(value_type = String)]
    id: AnswerId,
    /// `accepted`.
    status: &'static str,
    #[serde(flatten)]
    #[schema(value_type = Row)]
    row: Option<Row>,
}

/// The id as the client wrote it, else the one that the event was given.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum AnswerId {
    Given(String),
    Minted(Uuid),
}

impl AnswerId {
    pub fn new(given: Option<String>, event_id: Uuid) -> Self {
        given.map_or(Self::Minted(event_id), Self::Given)
    }
}

/// One event of an analytics pipeline.
#[utoipa::path(
    post, path = "/event", tag = "events", operation_id = "event", params(Waiting), request_body = Given,
    responses((status = 202, description = "Kept", body = Done), OfEvents)
)]
pub(super) async fn post(State(collector): State<Collector>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = match body::read(collector.intake(), body, EVENT_MAX_BYTES).await {
        Ok(body) => body,
        Err(error) => return refuse(error.into(), ""),
    };
    let (draft, id) = match draft(&body) {
        Ok(read) => read,
        Err(reason) => return refuse(Refused::Invalid, &reason),
    };
    let draft = Visitor::of(&head).sent(draft);
    match keep::one(&collector, draft, Wait::of(&head.uri)).await {
        Ok((receipt, row)) => {
            let body = Done {
                id: AnswerId::new(id, receipt.event_id),
                status: "accepted",
                row,
            };
            reply::json(StatusCode::ACCEPTED, &body)
        }
        Err(AcceptError::Invalid(reject)) => refuse(Refused::Invalid, &reason(&reject, &NAMES)),
        Err(error) => refuse((&error).into(), ""),
    }
}

/// Any other method of `/event`.
pub(super) async fn other_method() -> Response {
    reply::only_post(reply::text(
        StatusCode::METHOD_NOT_ALLOWED,
        "Method not allowed",
    ))
}

/// That the process answers.
#[derive(Serialize, ToSchema)]
struct Healthy {
    /// `analytics-producer`.
    service: &'static str,
    /// `healthy`.
    status: &'static str,
}

/// That the process answers; by any method.
///
/// Whether it can do its work is `/readyz`'s to say, at the address for operators.
#[utoipa::path(
    get, path = "/health", tag = "about", operation_id = "health",
    responses((status = 200, description = "It answers", body = Healthy))
)]
pub(super) async fn health() -> Response {
    let body = Healthy {
        service: "analytics-producer",
        status: "healthy",
    };
    reply::json(StatusCode::OK, &body)
}

fn refuse(refused: Refused, reason: &str) -> Response {
    match refused {
        Refused::Invalid => {
            let words = format!("Invalid request body: {reason}");
            refused.with_retry_after(reply::text(refused.status(), words))
        }
        other => other.problem(),
    }
}

/// The draft, and the id for the answer where the client gave one; or what is wrong.
pub(super) fn draft(body: &[u8]) -> Result<(Draft, Option<String>), String> {
    let sent: Given = json::object(body).map_err(|e| e.to_string())?;
    let event_type = sent.event_type.unwrap_or_default();
    if !TYPES.contains(&event_type.as_str()) {
        return Err(format!("type: must be one of {}", TYPES.join(", ")));
    }
    let id = id::read(sent.id).map_err(|problem| format!("id: {problem}"))?;
    let mut draft = Draft {
        event_type,
        username: given(sent.user_id),
        session_id: given(sent.session_id),
        url: given(sent.url),
        path: given(sent.path),
        referrer: given(sent.referrer),
        user_agent: given(sent.user_agent),
        ip: given(sent.ip_address),
        occurred_at: sent.timestamp,
        source: Source::Event,
        properties: sent.metadata.unwrap_or_default(),
        ..Draft::default()
    };
    let answer = id::give(id, &mut draft);
    Ok((draft, answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn every_field_has_its_place() {
        let id = "0190a8f2-0000-7000-8000-00000000000a";
        let body = json!({
            "id": id, "type": "click", "timestamp": "2026-05-01T10:00:00Z", "user_id": "Ann",
            "session_id": "s-1", "url": "http://shop/a?b", "path": "/a", "referrer": "http://shop/",
            "user_agent": "curl", "ip_address": "::1", "metadata": {"n": 1, "deep": {"x": []}},
        });
        let (draft, answer) = draft(body.to_string().as_bytes()).unwrap();
        let wanted = Draft {
            event_id: Some(id.parse().unwrap()),
            client_id: true,
            event_type: "click".into(),
            username: Some("Ann".into()),
            session_id: Some("s-1".into()),
            url: Some("http://shop/a?b".into()),
            path: Some("/a".into()),
            referrer: Some("http://shop/".into()),
            user_agent: Some("curl".into()),
            ip: Some("::1".into()),
            occurred_at: Some("2026-05-01T10:00:00Z".parse().unwrap()),
            source: Source::Event,
            properties: body["metadata"].as_object().unwrap().clone(),
            ..Draft::default()
        };
        assert_eq!(draft, wanted);
        assert_eq!(answer.as_deref(), Some(id));
    }

    #[test]
    fn a_client_that_writes_every_field_empty_has_given_nothing() {
        let body = json!({
            "id": "", "type": "session", "timestamp": "", "user_id": "", "session_id": "", "url": "",
            "path": "", "referrer": "", "user_agent": "", "ip_address": "", "metadata": null,
        });
        let (draft, answer) = draft(body.to_string().as_bytes()).unwrap();
        let wanted = Draft {
            event_type: "session".into(),
            source: Source::Event,
            ..Draft::default()
        };
        assert_eq!((draft, answer), (wanted, None));
    }

    #[rstest]
    #[case("", "EOF while parsing")]
    #[case("[1]", "invalid type")]
    #[case(r#"{"type":"click"} x"#, "trailing characters")]
    #[case("{}", "type: must be one of page_view, click, session, custom")]
    #[case(r#"{"type":"purchase"}"#, "type: must be")]
    #[case(r#"{"type":null}"#, "type: must be")]
    #[case(r#"{"type":"click","user_id":5}"#, "expected a string")]
    #[case(r#"{"type":"click","metadata":[]}"#, "expected a map")]
    #[case(
        r#"{"type":"click","timestamp":"soon"}"#,
        "expected a time of RFC 3339"
    )]
    #[case(
        r#"{"type":"click","timestamp":1700000000}"#,
        "expected a time of RFC 3339"
    )]
    #[case(r#"{"type":"click","id":"undefined"}"#, "id: is no id")]
    #[case("{\"type\":\"\\ud800\"}", "hex escape")]
    #[case("{\"type\":\"click\",\"user_id\":\"\u{1}\"}", "control character")]
    fn a_mistake_is_told_with_its_reason(#[case] body: &str, #[case] part: &str) {
        let reason = draft(body.as_bytes()).unwrap_err();
        assert!(reason.contains(part), "{reason}");
    }
}
