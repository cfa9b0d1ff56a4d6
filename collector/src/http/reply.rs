//! The shape of an answer. What it says is each contract's own; what went wrong and no contract has words for
//! is said as RFC 9457 has it.

use super::body::BodyError;
use crate::AcceptError;
use crate::intake::{BUSY, RETRY_AFTER};
use crate::telemetry::METERS;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// The type of a [`Problem`].
pub(super) const PROBLEM: &str = "application/problem+json";

/// JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => typed(status, "application/json", body),
        // Only a map with keys that are no texts cannot be written, and no answer has one.
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            problem(StatusCode::INTERNAL_SERVER_ERROR, None)
        }
    }
}

/// Plain text.
pub(super) fn text(status: StatusCode, body: impl Into<axum::body::Body>) -> Response {
    typed(status, "text/plain; charset=utf-8", body)
}

/// Anything.
pub(super) fn typed(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<axum::body::Body>,
) -> Response {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let as_it_says = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, as_it_says);
    answer
}

/// What went wrong, where no contract has words for it.
#[derive(Serialize, ToSchema)]
pub(super) struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    r#type: &'static str,
    /// The status' name.
    title: &'static str,
    /// The answer's status.
    status: u16,
    /// What there is to say besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

/// An error that no contract has words for (RFC 9457).
pub(super) fn problem(status: StatusCode, detail: Option<&'static str>) -> Response {
    let problem = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail,
    };
    // Three texts and a number: there is nothing in it that JSON could not hold.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    typed(status, PROBLEM, body)
}

/// Says which methods the address has.
pub(super) fn only_post(answer: Response) -> Response {
    allow("POST", answer)
}

/// Any other method of an address that is only read, and has no contract.
pub(super) async fn only_get() -> Response {
    allow("GET, HEAD", problem(StatusCode::METHOD_NOT_ALLOWED, None))
}

fn allow(methods: &'static str, mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    answer
}

/// Why nothing was kept, as a status; the words are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// 400: tried again, it will be refused again.
    Invalid,
    /// 401: the write key is missing or wrong.
    Unauthorized,
    /// 408.
    Stalled,
    /// 413.
    TooLarge,
    /// 415: written in a way that is not read here.
    Unsupported,
    /// 429, with the time after which to try again.
    TooMany(Duration),
    /// 503, with the time after which to try again.
    Unavailable(Duration),
    /// 503: there was no room to read it, and may soon be.
    Busy,
}

impl Refused {
    /// The status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the originals had no words for.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Invalid => "invalid request",
            Self::Unauthorized => "the write key is missing or wrong",
            Self::Stalled => "the request took too long",
            Self::TooLarge => "the request is too large",
            Self::Unsupported => "the content type is not supported",
            Self::TooMany(_) => "too many requests",
            Self::Unavailable(_) | Self::Busy => "temporarily unavailable",
        }
    }

    /// A short, stable word: for counting.
    const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthorized => "unauthorized",
            Self::Stalled => "stalled",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::TooMany(_) => "too_many",
            Self::Unavailable(_) => "unavailable",
            Self::Busy => BUSY,
        }
    }

    /// Counts a request of which nothing is kept.
    pub fn count(self) {
        METERS.http_refused.add(self.code(), 1);
    }

    /// The answer where the contract has no words for it.
    pub fn problem(self) -> Response {
        self.with_retry_after(problem(self.status(), Some(self.words())))
    }

    /// The same to whoever only looks: there is nothing that was not kept, so it is not counted.
    pub(super) fn problem_of_a_look(self) -> Response {
        self.later(problem(self.status(), Some(self.words())))
    }

    /// Counts a refusal's answer, and adds `Retry-After` where it makes sense.
    pub fn with_retry_after(self, answer: Response) -> Response {
        self.count();
        self.later(answer)
    }

    fn later(self, mut answer: Response) -> Response {
        let after = match self {
            Self::Unavailable(after) | Self::TooMany(after) => after,
            Self::Busy => RETRY_AFTER,
            _ => return answer,
        };
        let seconds = HeaderValue::from(after.as_secs().max(1));
        answer.headers_mut().insert(header::RETRY_AFTER, seconds);
        answer
    }
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::Stalled => Self::Stalled,
            BodyError::Broken => Self::Invalid,
            BodyError::Busy => Self::Busy,
        }
    }
}

impl From<&AcceptError> for Refused {
    fn from(error: &AcceptError) -> Self {
        error.retry_after().map_or(Self::Invalid, Self::Unavailable)
    }
}
