//! The answers that say why nothing was kept. Their statuses and words are those that the handlers use.

use crate::http::reply::Refused;
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

/// As plain text.
pub(in crate::http) struct InText;

impl IntoResponses for InText {
    fn responses() -> Responses {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        refusals(&OF_BODIES, "text/plain", &Schema::from(text).into())
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
