//! `POST /track`, the contract of a small tracking server: who clicked on, or looked at, what.

use super::body::{self, EVENT_MAX_BYTES};
use super::docs::OfTrack;
use super::id::not_nil;
use super::json;
use super::keep::{self, Row, Wait, Waiting, given};
use super::reply::{self, Refused};
use super::visitor::Visitor;
use crate::{Collector, Draft};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::{EventType, Source};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use utoipa::ToSchema;
use uuid::Uuid;

/// What a client sends; keys that are not here are passed over.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Look, example = json!({"username": "ann", "target": "#buy", "description": "CLICK"}))]
pub(super) struct Given {
    /// The event's identity: the same id again is the same event. Not the nil UUID.
    #[schema(value_type = Option<String>, format = "uuid")]
    id: Option<Uuid>,
    /// Who did it.
    #[schema(max_length = 256)]
    username: Option<String>,
    /// What was clicked on, or looked at.
    target: Option<String>,
    /// `CLICK` or `VIEW`.
    #[schema(value_type = String, required = true, pattern = "^(CLICK|VIEW)$")]
    description: Option<String>,
}

/// The event is kept.
#[derive(Serialize, ToSchema)]
#[schema(as = LookKept)]
struct Done {
    /// 200.
    code: u16,
    /// `OK`.
    message: &'static str,
    #[serde(flatten)]
    #[schema(value_type = Row)]
    row: Option<Row>,
}

/// Why nothing was kept.
#[derive(Serialize, ToSchema)]
#[schema(as = LookFailed)]
pub(super) struct Failed {
    /// In the words of this contract.
    error: &'static str,
}

/// The contract's two ways to say no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    Json,
    Event,
}

impl Mistake {
    const fn words(self) -> &'static str {
        match self {
            Self::Json => "incorrect json format",
            Self::Event => "invalid event",
        }
    }
}

/// Who clicked on, or looked at, what.
#[utoipa::path(
    post, path = "/track", tag = "events", operation_id = "track", params(Waiting), request_body = Given,
    responses((status = 200, description = "Kept", body = Done), OfTrack)
)]
pub(super) async fn post(State(collector): State<Collector>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = match body::read(collector.intake(), body, EVENT_MAX_BYTES).await {
        Ok(body) => body,
        Err(error) => return refuse(error.into(), Mistake::Json),
    };
    let draft = match draft(&body) {
        Ok(draft) => draft,
        Err(mistake) => return refuse(Refused::Invalid, mistake),
    };
    let draft = Visitor::of(&head).sent(draft);
    match keep::one(&collector, draft, Wait::of(&head.uri)).await {
        Ok((_, row)) => done(row),
        Err(error) => refuse((&error).into(), Mistake::Event),
    }
}

/// The health check of that system.
pub(super) async fn health() -> Response {
    done(None)
}

/// Any other method of `/track`.
pub(super) async fn other_method() -> Response {
    reply::only_post(failed(StatusCode::METHOD_NOT_ALLOWED, "method not allowed"))
}

fn done(row: Option<Row>) -> Response {
    let body = Done {
        code: 200,
        message: "OK",
        row,
    };
    reply::json(StatusCode::OK, &body)
}

pub(super) fn refuse(refused: Refused, mistake: Mistake) -> Response {
    let words = match refused {
        Refused::Invalid => mistake.words(),
        other => other.words(),
    };
    refused.with_retry_after(failed(refused.status(), words))
}

fn failed(status: StatusCode, error: &'static str) -> Response {
    reply::json(status, &Failed { error })
}

/// The draft, or which of the two mistakes it is.
pub(super) fn draft(body: &[u8]) -> Result<Draft, Mistake> {
    let sent: Given = json::object(body).map_err(|_| Mistake::Json)?;
    let event_type = match sent.description.as_deref() {
        Some("CLICK") => "click",
        Some("VIEW") => EventType::PAGE_VIEW,
        _ => return Err(Mistake::Event),
    };
    let event_id = sent
        .id
        .map(not_nil)
        .transpose()
        .map_err(|_| Mistake::Json)?;
    let target = given(sent.target).map(|target| ("target".to_owned(), target.into()));
    Ok(Draft {
        event_id,
        client_id: event_id.is_some(),
        event_type: event_type.to_owned(),
        username: given(sent.username),
        source: Source::Track,
        properties: Map::from_iter(target),
        ..Draft::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn every_field_has_its_place() {
        let id = "0190a8f2-0000-7000-8000-00000000000a";
        let body = json!({"id": id, "username": "Ann", "target": "#buy", "description": "CLICK"});
        let draft = draft(body.to_string().as_bytes()).unwrap();
        assert_eq!(draft.event_id, Some(id.parse().unwrap()));
        assert!(draft.client_id);
        assert_eq!(draft.event_type, "click");
        assert_eq!(draft.username.as_deref(), Some("Ann"));
        assert_eq!(draft.properties["target"], "#buy");
        assert_eq!(draft.source, Source::Track);
    }

    #[test]
    fn little_is_enough() {
        let draft = draft(br#" {"username":"","target":null,"description":"VIEW","x":[1]} "#);
        let draft = draft.unwrap();
        assert_eq!(draft.event_type, "page_view");
        assert_eq!(draft.username, None);
        assert!(draft.properties.is_empty() && !draft.client_id);
    }

    #[rstest]
    #[case("", Mistake::Json)]
    #[case("{", Mistake::Json)]
    #[case("[]x", Mistake::Json)]
    #[case(r##"[null,"Ann","#buy","CLICK"]"##, Mistake::Json)]
    #[case(r#"{"description":"CLICK"}x"#, Mistake::Json)]
    #[case(r#"{"description":"CLICK"}{}"#, Mistake::Json)]
    #[case(r#"{"description":"CLICK","username":5}"#, Mistake::Json)]
    #[case(r#"{"description":"CLICK","id":"17"}"#, Mistake::Json)]
    #[case(
        r#"{"description":"CLICK","id":"00000000-0000-0000-0000-000000000000"}"#,
        Mistake::Json
    )]
    #[case(r#"{"description":7}"#, Mistake::Json)]
    #[case(r#"{"description":"click"}"#, Mistake::Event)]
    #[case(r#"{"description":"CLICK "}"#, Mistake::Event)]
    #[case(r#"{"description":null}"#, Mistake::Event)]
    #[case("{}", Mistake::Event)]
    fn a_mistake_is_told_in_the_contracts_words(#[case] body: &str, #[case] mistake: Mistake) {
        assert_eq!(draft(body.as_bytes()), Err(mistake));
    }
}
