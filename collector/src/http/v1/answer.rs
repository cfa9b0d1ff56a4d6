//! What is answered: `{"success":true}`, a result for each event of a batch, or
//! `{"error":…,"error_description":…}` with its status.

use crate::http::keep::{self, Row};
use crate::http::reply::{self, Refused};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// Why nothing of a request was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The status, in which a program is interested.
    pub refused: Refused,
    /// The reason, in which a person is.
    pub why: Cow<'static, str>,
}

impl Refusal {
    /// 400.
    pub fn invalid(why: impl Into<Cow<'static, str>>) -> Self {
        Self {
            refused: Refused::Invalid,
            why: why.into(),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self {
            refused,
            why: refused.words().into(),
        }
    }
}

/// Why nothing was kept.
#[derive(Serialize, ToSchema)]
#[schema(as = CallFailed)]
pub(in crate::http) struct Failed<'a> {
    /// A short, stable word, for programs.
    error: &'static str,
    /// The reason, for people.
    error_description: &'a str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Failed {
            error: code(self.refused),
            error_description: &self.why,
        };
        let answer = reply::json(self.refused.status(), &body);
        self.refused.with_retry_after(answer)
    }
}

/// A short, stable word for the kind of error.
const fn code(refused: Refused) -> &'static str {
    match refused {
        Refused::Invalid => "invalid_request",
        Refused::Unauthorized => "unauthorized",
        Refused::Stalled => "request_timeout",
        Refused::TooLarge => "too_large",
        Refused::Unsupported => "unsupported_media_type",
        Refused::TooMany(_) => "rate_limited",
        Refused::Unavailable(_) | Refused::Busy => "temporarily_unavailable",
    }
}

/// 405.
pub(super) fn other_method() -> Response {
    let body = Failed {
        error: "method_not_allowed",
        error_description: "events are posted",
    };
    reply::only_post(reply::json(StatusCode::METHOD_NOT_ALLOWED, &body))
}

/// The event is kept.
#[derive(Serialize, ToSchema)]
#[schema(as = CallKept)]
pub(super) struct Success {
    /// True.
    success: bool,
    #[serde(flatten)]
    #[schema(value_type = Row)]
    row: Option<Row>,
}

/// One event is kept.
pub(super) fn success(row: Option<Row>) -> Response {
    let body = Success { success: true, row };
    reply::json(StatusCode::OK, &body)
}

/// What became of one event of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = CallOutcome)]
pub(super) struct Outcome {
    /// As its client gave it; of an event that came without, the id that it was given.
    #[serde(rename = "messageId")]
    message_id: Option<String>,
    /// Whether it is kept.
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<String>,
    #[serde(flatten)]
    #[schema(value_type = Row)]
    row: Option<Row>,
}

impl Outcome {
    pub fn new((message_id, kept): keep::Outcome<Option<String>>) -> Self {
        match kept {
            Ok((event_id, row)) => Self {
                message_id: message_id.or_else(|| Some(event_id.to_string())),
                success: true,
                error: None,
                error_description: None,
                row,
            },
            Err(why) => Self {
                message_id,
                success: false,
                error: Some(code(Refused::Invalid)),
                error_description: Some(why),
                row: None,
            },
        }
    }
}

/// What became of each event of a batch, in their order.
#[derive(Serialize, ToSchema)]
#[schema(as = CallOutcomes)]
pub(super) struct Many {
    /// Whether any is kept.
    success: bool,
    #[serde(flatten)]
    #[schema(ignore)]
    failed: Option<Failed<'static>>,
    results: Vec<Outcome>,
}

/// The results of a batch, in its order: 200 if any event is kept, 400 if none is.
pub(super) fn results(results: Vec<Outcome>) -> Response {
    let success = results.iter().any(|outcome| outcome.success);
    let (status, failed) = if success {
        (StatusCode::OK, None)
    } else {
        Refused::Invalid.count();
        let failed = Failed {
            error: code(Refused::Invalid),
            error_description: "no event of the batch could be accepted",
        };
        (StatusCode::BAD_REQUEST, Some(failed))
    };
    let body = Many {
        success,
        failed,
        results,
    };
    reply::json(status, &body)
}
