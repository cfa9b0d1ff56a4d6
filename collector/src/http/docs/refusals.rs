//! The answers that say why nothing was kept. Their statuses and words are those that the handlers use.

use crate::http::reply::{PROBLEM, Problem, Refused};
use crate::http::{track, v1};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{IntoResponses, ToSchema};

type Responses = BTreeMap<String, RefOr<Response>>;

/// What any address with a body may say.
const OF_BODIES: [Refused; 5] = [
    Refused::Invalid,
    Refused::Stalled,
    Refused::TooLarge,
    Refused::TooMany(Duration::ZERO),
    Refused::Unavailable(Duration::ZERO),
];

/// As `/event` and `/events` say it, who have words for what is invalid.
pub(in crate::http) struct OfEvents;

impl IntoResponses for OfEvents {
    fn responses() -> Responses {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        let mut all = problems(&OF_BODIES);
        let invalid = [Refused::Invalid];
        all.extend(refusals(&invalid, "text/plain", &Schema::from(text).into()));
        all
    }
}

/// Of a click.
pub(in crate::http) struct OfClick;

impl IntoResponses for OfClick {
    fn responses() -> Responses {
        problems(&[
            Refused::TooMany(Duration::ZERO),
            Refused::Unavailable(Duration::ZERO),
        ])
    }
}

/// Of totals.
pub(in crate::http) struct OfTotals;

impl IntoResponses for OfTotals {
    fn responses() -> Responses {
        problems(&[Refused::Unavailable(Duration::ZERO)])
    }
}

/// As `/track` says it.
pub(in crate::http) struct OfTrack;

impl IntoResponses for OfTrack {
    fn responses() -> Responses {
        let failed = Ref::from_schema_name(track::Failed::name());
        refusals(&OF_BODIES, "application/json", &failed.into())
    }
}

/// As `/v1` says it.
pub(in crate::http) struct InV1;

impl IntoResponses for InV1 {
    fn responses() -> Responses {
        let failed = Ref::from_schema_name(v1::Failed::name()).into();
        let mut all = refusals(&OF_BODIES, "application/json", &failed);
        let more = [Refused::Unauthorized, Refused::Unsupported];
        all.extend(refusals(&more, "application/json", &failed));
        all
    }
}

/// Where no contract has words.
fn problems(which: &[Refused]) -> Responses {
    let problem = Ref::from_schema_name(Problem::name());
    refusals(which, PROBLEM, &problem.into())
}

fn refusals(which: &[Refused], kind: &str, schema: &RefOr<Schema>) -> Responses {
    let answer = |refused: &Refused| {
        let content = ContentBuilder::new().schema(Some(schema.clone())).build();
        let mut answer = ResponseBuilder::new()
            .description(refused.words())
            .content(kind, content);
        if matches!(refused, Refused::TooMany(_) | Refused::Unavailable(_)) {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
            let header = HeaderBuilder::new()
                .schema(seconds)
                .description(Some("The seconds after which to try again"));
            answer = answer.header("Retry-After", header.build());
        }
        let status = refused.status().as_str().to_owned();
        (status, answer.build().into())
    };
    which.iter().map(answer).collect()
}
