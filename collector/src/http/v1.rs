//! `POST /v1/track`, `/v1/page`, `/v1/identify` and `/v1/batch`: what current trackers and the libraries of
//! analytics services send. Success is answered once the event is kept; of a batch each event has a result
//! of its own, and a bad one does not stand in the way of a good one.
//!
//! In the order of a request: `content` makes JSON of its body, `call` makes a draft of each event, `answer`
//! says what became of it.

mod answer;
mod call;
mod content;
mod documented;
#[cfg(any(test, fuzzing))]
pub mod probes;

pub(super) use self::answer::Failed;

use self::answer::{Outcome, Refusal};
use self::call::{Around, Call, Fields, Method, NAMES};
use super::body::{self, BATCH_MAX_BYTES, BATCH_MAX_EVENTS, EVENT_MAX_BYTES, Taken};
use super::docs::InV1;
use super::gate::Gate;
use super::keep::{self, Wait, Waiting};
use super::reply::Refused;
use super::time::Loose;
use super::visitor::Visitor;
use super::{Doors, keys};
use crate::intake::Intake;
use crate::{AcceptError, Collector};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The addresses of this contract.
pub(super) fn routes() -> Router<Doors> {
    Router::new()
        .route("/v1/track", post(track).fallback(other_method))
        .route("/v1/page", post(page).fallback(other_method))
        .route("/v1/identify", post(identify).fallback(other_method))
        .route("/v1/batch", post(batch).fallback(other_method))
}

/// Says in the words of this contract why nothing was kept.
pub(super) fn refuse(refused: Refused) -> Response {
    Refusal::from(refused).into_response()
}

async fn other_method() -> Response {
    answer::other_method()
}

/// Something happened.
#[utoipa::path(
    post, path = "/v1/track", tag = "trackers", operation_id = "v1_track", request_body = documented::Track,
    security((), ("write_key" = [])), params(Waiting),
    responses((status = 200, description = "Kept", body = answer::Success), InV1)
)]
pub(super) async fn track(State(doors): State<Doors>, request: Request) -> Response {
    let answer = take_one(&doors, Method::Track, request).await;
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// A page was seen.
#[utoipa::path(
    post, path = "/v1/page", tag = "trackers", operation_id = "v1_page", request_body = documented::Page,
    security((), ("write_key" = [])), params(Waiting),
    responses((status = 200, description = "Kept", body = answer::Success), InV1)
)]
pub(super) async fn page(State(doors): State<Doors>, request: Request) -> Response {
    let answer = take_one(&doors, Method::Page, request).await;
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// Somebody said who they are.
#[utoipa::path(
    post, path = "/v1/identify", tag = "trackers", operation_id = "v1_identify", request_body = documented::Identify,
    security((), ("write_key" = [])), params(Waiting),
    responses((status = 200, description = "Kept", body = answer::Success), InV1)
)]
pub(super) async fn identify(State(doors): State<Doors>, request: Request) -> Response {
    let answer = take_one(&doors, Method::Identify, request).await;
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// Many events, each with an answer of its own.
///
/// A bad event does not stand in the way of a good one. Of 500 KB at most, and 32 KB an event.
#[utoipa::path(
    post, path = "/v1/batch", tag = "trackers", operation_id = "v1_batch", request_body = documented::Batch,
    security((), ("write_key" = [])), params(Waiting),
    responses(
        (status = 200, description = "Kept, all or some", body = answer::Many),
        InV1
    )
)]
pub(super) async fn batch(State(doors): State<Doors>, request: Request) -> Response {
    let answer = take_batch(&doors, request).await;
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// What comes with a request besides its body.
struct Asked {
    received_at: DateTime<Utc>,
    parts: Parts,
    wait: Wait,
}

impl Asked {
    /// Reads a request's body to its end, whatever is then said of it: a client that is still sending does
    /// not hear the answer.
    async fn read(intake: &Intake, request: Request, max: usize) -> Result<(Self, Taken), Refusal> {
        let received_at = Utc::now();
        let (parts, body) = request.into_parts();
        let body = if parts.headers.contains_key(header::CONTENT_ENCODING) {
            body::read_packed(intake, body, max).await
        } else {
            body::read(intake, body, max).await
        };
        let body = body.map_err(Refused::from)?;
        let asked = Self {
            received_at,
            wait: Wait::of(&parts.uri),
            parts,
        };
        let body = body.unpacked(|body| content::plain(&asked.parts.headers, body, max))?;
        Ok((asked, body))
    }

    /// The name of the write key, whose requests are counted.
    fn key(&self, gate: &Gate, in_body: Option<&Value>) -> Result<Arc<str>, Refused> {
        let with_request = keys::with_request(&self.parts.headers, &self.parts.uri);
        let in_body = in_body.and_then(Value::as_str);
        let key = gate.keys.admit(with_request.as_deref(), in_body)?;
        let limits = gate.senders.limits();
        limits.key(&key).map_err(Refused::TooMany)?;
        Ok(key)
    }

    fn visitor(&self) -> Visitor<'_> {
        Visitor::of(&self.parts)
    }
}

async fn take_one(doors: &Doors, method: Method, request: Request) -> Result<Response, Refusal> {
    let (asked, body) = Asked::read(doors.collector.intake(), request, EVENT_MAX_BYTES).await?;
    let mut fields: Fields = content::json(&body)?;
    let key = asked.key(&doors.gate, fields.remove(call::WRITE_KEY).as_ref())?;
    let around = Around {
        received_at: asked.received_at,
        key,
        ..Around::default()
    };
    let call = call::read(fields, Some(method), &around);
    let draft = call.draft.map_err(Refusal::invalid)?;
    let draft = asked.visitor().sent(draft);
    let kept = keep::one(&doors.collector, draft, asked.wait).await;
    match kept {
        Ok((_, row)) => Ok(answer::success(row)),
        Err(AcceptError::Invalid(reject)) => Err(Refusal::invalid(keep::reason(&reject, &NAMES))),
        Err(error) => Err(Refused::from(&error).into()),
    }
}

/// Many events, and what all of them share; keys that are not here are passed over.
#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(rename = "batch", borrow)]
    events: Vec<&'a RawValue>,
    #[serde(rename = "writeKey")]
    write_key: Option<Value>,
    #[serde(rename = "sentAt", default)]
    sent_at: Loose,
    /// Each event gets all of it, so it counts as a part of each.
    #[serde(borrow)]
    context: Option<&'a RawValue>,
}

impl Batch<'_> {
    /// What the batch says of all its events.
    fn context(&self) -> Result<Fields, Refusal> {
        let given = match self.context {
            Some(context) => content::json::<Option<Fields>>(context.get().as_bytes())?,
            None => None,
        };
        Ok(given.unwrap_or_default())
    }
}

/// The most bytes that a batch's context may come to, over all its events: each gets a copy.
const CONTEXTS_MAX_BYTES: usize = 4 << 20;

async fn take_batch(doors: &Doors, request: Request) -> Result<Response, Refusal> {
    let (asked, body) = Asked::read(doors.collector.intake(), request, BATCH_MAX_BYTES).await?;
    let sent: Batch<'_> = content::json(&body)?;
    let key = asked.key(&doors.gate, sent.write_key.as_ref())?;
    let shared = sent.context.map_or(0, |context| context.get().len());
    let too_large = |event: &&RawValue| event.get().len() + shared > EVENT_MAX_BYTES;
    if sent.events.len() > BATCH_MAX_EVENTS
        || sent.events.iter().any(too_large)
        || shared.saturating_mul(sent.events.len()) > CONTEXTS_MAX_BYTES
    {
        return Err(Refused::TooLarge.into());
    }
    let around = Around {
        received_at: asked.received_at,
        key,
        context: sent.context()?,
        sent_at: sent.sent_at,
    };
    let visitor = asked.visitor();
    let read = |event: &RawValue| {
        let Call { message_id, draft } = match serde_json::from_str(event.get()) {
            Ok(fields) => call::read(fields, None, &around),
            Err(error) => Call::none(error.to_string()),
        };
        (message_id, draft.map(|draft| visitor.sent(draft)))
    };
    let collector: &Collector = &doors.collector;
    let outcomes = keep::batch(collector, &sent.events, read, &NAMES, asked.wait).await;
    match outcomes {
        Ok(outcomes) => Ok(answer::results(
            outcomes.into_iter().map(Outcome::new).collect(),
        )),
        Err(error) => Err(Refused::from(&error).into()),
    }
}

#[cfg(test)]
mod tests;
