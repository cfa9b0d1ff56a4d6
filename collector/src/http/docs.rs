//! `GET /docs`, for people, and `GET /docs/openapi.json`, for programs: every address of the collector, made
//! from what stands at its handler. Nothing is loaded from elsewhere, and nothing needs a script.

mod page;
mod refusals;

pub(super) use refusals::{InV1, OfClick, OfEvents, OfTotals, OfTrack};

use super::{clicks, event, events, reply, track, tracker, v1};
use crate::Counter;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

/// The description that is made from the code.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "The collector",
        description = "Takes events in the words of the clients that speak to it already. No answer says success before the event is kept: on at least two of three replicas of Kafka or, while Kafka cannot take it, synced to the collector's own disk. What goes wrong is said in each client's words; where it knows none, as RFC 9457 has it."
    ),
    paths(
        track::post, event::post, event::health, events::post, v1::track, v1::page, v1::identify,
        v1::batch, clicks::read_all, clicks::read_one, clicks::click, tracker::get, show, openapi
    ),
    components(schemas(Counter, reply::Problem, track::Failed, v1::Failed)),
    modifiers(&WriteKey),
    tags(
        (name = "events", description = "Events in"),
        (name = "trackers", description = "What current trackers and the libraries of analytics services send"),
        (name = "counters", description = "Live counters"),
        (name = "about", description = "About the collector itself")
    )
)]
struct Api;

/// How a write key comes with a request.
struct WriteKey;

impl utoipa::Modify for WriteKey {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let basic = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("write_key", basic);
    }
}

/// What the annotations have no words for, by its place in the document.
fn additions() -> Vec<(&'static str, &'static str, Value)> {
    let junk = json!({"enum": super::id::JUNK});
    let time = "RFC 3339, or seconds or milliseconds since 1970. What is no time is kept beside the event.";
    let time = json!({"type": ["string", "number", "null"], "description": time});
    let rfc = json!({
        "description": "When, by the visitor's clock. An empty text is none.",
        "anyOf": [
            {"type": "string", "format": "date-time"}, {"type": "string", "maxLength": 0}, {"type": "null"}
        ],
    });
    let numbered = json!({"enum": super::id::JUNK.iter().map(|one| json!(one)).chain([json!(0)]).collect::<Vec<_>>()});
    let who = json!(["string", "number", "null"]);
    let many = json!(super::body::BATCH_MAX_EVENTS);
    vec![
        ("/components/schemas/Event/properties", "timestamp", rfc),
        (
            "/components/schemas/Event/properties/id",
            "not",
            junk.clone(),
        ),
        (
            "/components/schemas/EventOfMany/properties/id",
            "not",
            junk.clone(),
        ),
        (
            "/components/schemas/EventOfMany/properties",
            "ts",
            time.clone(),
        ),
        (
            "/components/schemas/OneOrMany/oneOf/1",
            "minItems",
            json!(1),
        ),
        ("/components/schemas/OneOrMany/oneOf/1", "maxItems", many),
        ("/components/schemas", "Time", time),
        (
            "/components/schemas/AboutCall/properties/messageId",
            "not",
            junk,
        ),
        (
            "/components/schemas/AboutCall/properties/userId",
            "type",
            who.clone(),
        ),
        (
            "/components/schemas/AboutCall/properties/userId",
            "not",
            numbered.clone(),
        ),
        (
            "/components/schemas/AboutCall/properties/anonymousId",
            "type",
            who,
        ),
        (
            "/components/schemas/AboutCall/properties/anonymousId",
            "not",
            numbered,
        ),
    ]
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    // Texts, numbers and maps with text keys: there is nothing in it that JSON could not hold.
    let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
    for (place, key, value) in additions() {
        if let Some(schema) = document.pointer_mut(place) {
            schema[key] = value;
        }
    }
    document
});
static PAGE: LazyLock<String> = LazyLock::new(|| page::render(&DOCUMENT));

/// The two addresses.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/docs", get(show).fallback(reply::only_get))
        .route("/docs/openapi.json", get(openapi).fallback(reply::only_get))
}

/// This description, for people.
#[utoipa::path(
    get, path = "/docs", tag = "about", operation_id = "docs",
    responses((status = 200, description = "A page that loads nothing else.", body = String, content_type = "text/html"))
)]
async fn show() -> Response {
    let mut answer = reply::typed(StatusCode::OK, "text/html; charset=utf-8", PAGE.as_str());
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    );
    answer
}

/// This description, for programs (`OpenAPI` 3.1).
#[utoipa::path(
    get, path = "/docs/openapi.json", tag = "about", operation_id = "openapi",
    responses((status = 200, description = "The document.", body = Object))
)]
async fn openapi() -> Response {
    reply::typed(StatusCode::OK, "application/json", TEXT.clone())
}

/// Written once: clients that read slowly share it.
static TEXT: LazyLock<Bytes> =
    LazyLock::new(|| serde_json::to_vec(&*DOCUMENT).unwrap_or_default().into());

#[cfg(test)]
mod tests;
