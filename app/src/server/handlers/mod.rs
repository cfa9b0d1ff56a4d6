//! What each address answers: reads what was sent, decides, asks the collector or the store, renders.

pub mod cart;
pub mod checkout;
pub mod click;
pub mod hello;
pub mod not_found;
pub mod pipeline;
pub mod receipt;
pub mod shop;
pub mod staff;

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use collector::AcceptError;

/// In which shape an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A whole page: a browser without scripts.
    Page,
    /// A piece of HTML: an island.
    Fragment,
    /// JSON: a program.
    Json,
}

/// The header with which an island asks for a piece of HTML.
const FRAGMENT: HeaderName = HeaderName::from_static("x-fragment");

impl Shape {
    /// The shape that a request asks for; `otherwise` when it does not say.
    pub fn of(headers: &HeaderMap, otherwise: Self) -> Self {
        if headers.contains_key(FRAGMENT) {
            return Self::Fragment;
        }
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok());
        match accept {
            Some(types) if types.contains("text/html") => Self::Page,
            Some(types) if types.contains("application/json") => Self::Json,
            _ => otherwise,
        }
    }
}

/// After a form: look at another address (303, so that a reload sends nothing again).
fn see(address: &str) -> Response {
    Redirect::to(address).into_response()
}

/// What a visitor is told when a click was not accepted, and the status that says the same.
///
/// Whether Kafka has the event after all is not known then. That is why a form keeps its token.
fn not_accepted(error: &AcceptError) -> (StatusCode, String) {
    match error {
        AcceptError::Invalid(reject) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("This cannot be recorded: {reject}."),
        ),
        AcceptError::Unavailable { .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Neither Kafka nor the shop's own disk could take your click, so it does not count as accepted. \
             Your choices are kept; please try again (it cannot be counted twice)."
                .to_owned(),
        ),
        AcceptError::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many clicks are waiting for Kafka; yours was not recorded. Please try again in a moment."
                .to_owned(),
        ),
    }
}

/// Adds when to try again, where that makes sense.
fn with_retry_after(mut answer: Response, error: &AcceptError) -> Response {
    let seconds = match error {
        AcceptError::Invalid(_) => return answer,
        AcceptError::Unavailable { retry_after } => retry_after.as_secs().max(1),
        AcceptError::Overloaded => 1,
    };
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, seconds.into());
    answer
}
