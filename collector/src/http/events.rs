//! `POST /events`, the contract of a larger pipeline's ingestion: one event, an array, or
//! `{"batch":[…]}`. In a batch a bad event does not stand in the way of a good one.

use super::body::{self, BATCH_MAX_BYTES, BATCH_MAX_EVENTS, EVENT_MAX_BYTES};
use super::docs::OfEvents;
use super::event::AnswerId;
use super::id;
use super::json::{self, Object};
use super::keep::{self, Row, Wait, Waiting, given, reason};
use super::reply::{self, Refused};
use super::time::{self, Loose};
use super::visitor::Visitor;
use crate::grpc::proto::ingest::EventRequest;
use crate::{AcceptError, Collector, Draft};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::{Reject, Source};
use serde::de::{self, Deserializer as _, Error as _, SeqAccess};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::fmt;
use utoipa::ToSchema;
use uuid::Uuid;

/// What the server answered since there was one, whatever was wrong.
const INVALID: &str = "invalid json";

/// Our names of the fields that this contract calls otherwise.
const NAMES: [(&str, &str); 3] = [
    ("username", "user_id"),
    ("type", "event_type"),
    ("properties", "meta"),
];

/// What a client sends; keys that are not here are passed over.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = EventOfMany, example = json!({"user_id": "ann", "event_type": "play", "meta": {"song": 7}}))]
pub(super) struct Given<'a> {
    /// The event's identity: the same id again is the same event. A UUID, or any other text.
    #[schema(max_length = 100)]
    id: Option<String>,
    /// Who did it.
    #[schema(max_length = 256)]
    user_id: Option<String>,
    /// What happened.
    #[schema(value_type = String, required = true, min_length = 1, max_length = 64, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
    event_type: Option<String>,
    /// The page's whole address.
    #[schema(max_length = 4096)]
    url: Option<String>,
    /// The page before.
    #[schema(max_length = 4096)]
    referrer: Option<String>,
    /// When, by the visitor's clock: RFC 3339, or seconds or milliseconds since 1970. What is no time is kept
    /// in `meta`.
    #[serde(default)]
    #[schema(value_type = Option<Value>)]
    ts: Loose,
    /// Anything else that is worth keeping.
    #[schema(value_type = Option<Object>)]
    meta: Option<Map<String, Value>>,
    /// Only in the outermost object, and then instead of all others.
    #[schema(ignore)]
    #[serde(borrow)]
    batch: Option<Vec<&'a RawValue>>,
}

/// One event, or many.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its shape is used")]
pub(super) enum OneOrMany {
    One(Given<'static>),
    Array(Vec<Given<'static>>),
    Batch {
        /// The events.
        #[schema(min_items = 1, max_items = 2500)]
        batch: Vec<Given<'static>>,
    },
}

/// Of one event its own answer, of many one for each.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its shape is used")]
enum OneOrManyKept {
    One(Outcome),
    Many(Outcomes),
}

/// A draft, and the id for the answer where the client gave one.
pub(crate) type Read = (Draft, Option<String>);

/// What a body holds.
#[derive(Debug)]
pub(super) enum Sent<'a> {
    One(Box<Read>),
    Batch(Vec<&'a RawValue>),
}

/// What became of one event. A field may be left out, null, or have a value.
#[derive(Serialize, ToSchema)]
#[schema(as = EventOutcome)]
#[expect(clippy::option_option, reason = "see above")]
struct Outcome {
    /// The event's id, as it was given or as it was minted; null of one that was refused.
    #[schema(value_type = Option<String>, required = true)]
    id: Option<AnswerId>,
    /// `queued` or `refused`.
    status: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    // The next three are a `Row`. Flattened, each answer of a batch would be collected in a map first.
    /// Whether the row is committed; of `?wait=stored` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<bool>,
    /// Where the event lies in Kafka; null while it is on its way there from this collector's disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    partition: Option<Option<i32>>,
    /// Its place in the partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    offset: Option<Option<i64>>,
}

/// What became of each event, in their order.
#[derive(Serialize, ToSchema)]
#[schema(as = EventOutcomes)]
struct Outcomes {
    results: Vec<Outcome>,
}

impl Outcome {
    fn queued(given: Option<String>, event_id: Uuid, row: Option<Row>) -> Self {
        Self {
            id: Some(AnswerId::new(given, event_id)),
            status: "queued",
            error: None,
            stored: row.map(|row| row.stored),
            partition: row.map(|row| row.partition),
            offset: row.map(|row| row.offset),
        }
    }

    fn refused(error: String) -> Self {
        Self {
            id: None,
            status: "refused",
            error: Some(error),
            stored: None,
            partition: None,
            offset: None,
        }
    }
}

/// One event of a larger pipeline, or many.
///
/// In a batch a bad event does not stand in the way of a good one: it is kept if any is, and each event has an
/// answer of its own. Of 500 KiB at most, and 32 KiB an event.
#[utoipa::path(
    post, path = "/events", tag = "events", operation_id = "events", params(Waiting), request_body = OneOrMany,
    responses(
        (status = 202, description = "Kept, all or some", body = OneOrManyKept),
        OfEvents,
        (status = 400, description = "invalid json; of a batch of which none can be kept, why not", content(
            (String = "text/plain"), (Outcomes = "application/json")
        ))
    )
)]
pub(super) async fn post(State(collector): State<Collector>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = match body::read(collector.intake(), body, BATCH_MAX_BYTES).await {
        Ok(body) => body,
        Err(error) => return refuse(error.into()),
    };
    let (visitor, wait) = (Visitor::of(&head), Wait::of(&head.uri));
    if let Some((drafts, ids)) = all_read(&body, |draft| visitor.sent(draft))
        && let Some(answer) = keep_all(&collector, drafts, ids, wait).await
    {
        return answer;
    }
    match sent(&body) {
        Ok(Sent::One(one)) => keep_one(&collector, *one, visitor, wait).await,
        Ok(Sent::Batch(events)) => keep_batch(&collector, &events, visitor, wait).await,
        Err(refused) => refuse(refused),
    }
}

async fn keep_one(
    collector: &Collector,
    (draft, id): Read,
    visitor: Visitor<'_>,
    wait: Wait,
) -> Response {
    match keep::one(collector, visitor.sent(draft), wait).await {
        Ok((receipt, row)) => {
            let body = Outcome::queued(id, receipt.event_id, row);
            reply::json(StatusCode::ACCEPTED, &body)
        }
        Err(error) => refuse((&error).into()),
    }
}

/// Keeps events that are all good; none is kept, and nothing is said, when one breaks a rule.
async fn keep_all(
    collector: &Collector,
    drafts: Vec<Draft>,
    ids: Vec<Option<String>>,
    wait: Wait,
) -> Option<Response> {
    match keep::all(collector, drafts, wait).await {
        Ok(kept) => {
            let queued = |(id, (event_id, row))| Outcome::queued(id, event_id, row);
            let results = ids.into_iter().zip(kept).map(queued).collect();
            Some(reply::json(StatusCode::ACCEPTED, &Outcomes { results }))
        }
        Err(AcceptError::Invalid(_)) => None,
        Err(error) => Some(refuse((&error).into())),
    }
}

async fn keep_batch(
    collector: &Collector,
    events: &[&RawValue],
    visitor: Visitor<'_>,
    wait: Wait,
) -> Response {
    let read = |event: &RawValue| match read_item(event) {
        Ok((draft, id)) => (id, Ok(visitor.sent(draft))),
        Err(error) => (None, Err(error)),
    };
    let outcomes = match keep::batch(collector, events, read, &NAMES, wait).await {
        Ok(outcomes) => outcomes,
        Err(error) => return refuse((&error).into()),
    };
    let status = if outcomes.iter().any(|(_, kept)| kept.is_ok()) {
        StatusCode::ACCEPTED
    } else {
        Refused::Invalid.count();
        StatusCode::BAD_REQUEST
    };
    let outcome = |(id, kept)| match kept {
        Ok((event_id, row)) => Outcome::queued(id, event_id, row),
        Err(error) => Outcome::refused(error),
    };
    let results = outcomes.into_iter().map(outcome).collect();
    reply::json(status, &Outcomes { results })
}

/// Any other method of `/events`.
pub(super) async fn other_method() -> Response {
    reply::only_post(reply::problem(StatusCode::METHOD_NOT_ALLOWED, None))
}

fn refuse(refused: Refused) -> Response {
    match refused {
        Refused::Invalid => refused.with_retry_after(reply::text(refused.status(), INVALID)),
        other => other.problem(),
    }
}

/// The events of a small array in which nothing is wrong so far, as most batches are, read in one go; `complete` gets
/// each draft while it is still in the processor's cache. Any other body is for [`sent`], which also tells what is wrong
/// with which event.
pub(super) fn all_read(body: &[u8], complete: impl Fn(Draft) -> Draft) -> Option<Drafts> {
    // Then no event in it can be too large.
    if body.len() > EVENT_MAX_BYTES {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_seq(OneByOne(complete)).ok()?;
    json.end().ok()?;
    (1..=BATCH_MAX_EVENTS)
        .contains(&read.0.len())
        .then_some(read)
}

/// The drafts of a batch, and for each the id for its answer, as [`Read`] has it.
type Drafts = (Vec<Draft>, Vec<Option<String>>);

struct OneByOne<F>(F);

impl<'de, F: Fn(Draft) -> Draft> de::Visitor<'de> for OneByOne<F> {
    type Value = Drafts;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<Drafts, A::Error> {
        let (mut drafts, mut ids) = Drafts::default();
        while let Some(Object(event)) = events.next_element::<Object<Given<'_>>>()? {
            let (draft, id) = draft(event).map_err(A::Error::custom)?;
            drafts.push(self.0(draft));
            ids.push(id);
        }
        Ok((drafts, ids))
    }
}

/// Takes a body apart.
pub(super) fn sent(body: &[u8]) -> Result<Sent<'_>, Refused> {
    let text = std::str::from_utf8(body).map_err(|_| Refused::Invalid)?;
    let invalid = |_| Refused::Invalid;
    let batch = if text.trim_ascii_start().starts_with('[') {
        serde_json::from_str::<Vec<&RawValue>>(text).map_err(invalid)?
    } else {
        let mut one: Given<'_> = serde_json::from_str(text).map_err(invalid)?;
        match one.batch.take() {
            Some(batch) => batch,
            None if body.len() > EVENT_MAX_BYTES => return Err(Refused::TooLarge),
            None => {
                let read = draft(one).map_err(|_| Refused::Invalid)?;
                return Ok(Sent::One(Box::new(read)));
            }
        }
    };
    if batch.len() > BATCH_MAX_EVENTS || batch.iter().any(|one| one.get().len() > EVENT_MAX_BYTES) {
        return Err(Refused::TooLarge);
    }
    Ok(Sent::Batch(batch))
}

/// Reads one event of a batch, or says what is wrong.
pub(super) fn read_item(event: &RawValue) -> Result<Read, String> {
    draft(json::object_of(event.get()).map_err(|e| e.to_string())?)
}

/// Reads the event of a gRPC call, which is the same contract, or says what is wrong.
pub(crate) fn of_grpc(sent: EventRequest) -> Result<Read, String> {
    let meta = sent.meta.into_iter();
    let (draft, id) = draft(Given {
        id: Some(sent.id),
        user_id: Some(sent.user_id),
        event_type: Some(sent.event_type),
        url: Some(sent.url),
        referrer: Some(sent.referrer),
        ts: time::read(&sent.ts),
        meta: Some(meta.map(|(key, value)| (key, value.into())).collect()),
        batch: None,
    })?;
    let draft = Draft {
        source: Source::Grpc,
        ..draft
    };
    Ok((draft, id))
}

/// Why an event was refused, in this contract's names.
pub(crate) fn why(reject: &Reject) -> String {
    reason(reject, &NAMES)
}

fn draft(sent: Given<'_>) -> Result<Read, String> {
    if sent.batch.is_some() {
        return Err("batch: a batch holds events, not batches".to_owned());
    }
    let id = id::read(sent.id).map_err(|problem| format!("id: {problem}"))?;
    let event_type = given(sent.event_type).ok_or("event_type: is missing")?;
    let mut properties = sent.meta.unwrap_or_default();
    let occurred_at = match sent.ts {
        Loose::Missing => None,
        Loose::Time(time) => Some(time),
        Loose::Unknown(text) => {
            properties.entry("ts").or_insert_with(|| text.into());
            None
        }
    };
    let mut draft = Draft {
        event_type,
        username: given(sent.user_id),
        url: given(sent.url),
        referrer: given(sent.referrer),
        occurred_at,
        source: Source::Events,
        properties,
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

    fn one(body: &str) -> Read {
        match sent(body.as_bytes()).unwrap() {
            Sent::One(read) => *read,
            Sent::Batch(_) => panic!("a batch"),
        }
    }

    fn batch(body: &str) -> Vec<Result<Read, String>> {
        let read: Vec<_> = match sent(body.as_bytes()).unwrap() {
            Sent::One(_) => panic!("one event"),
            Sent::Batch(events) => events.into_iter().map(read_item).collect(),
        };
        // Read in one go, it is the same or nothing.
        if let Some((drafts, ids)) = all_read(body.as_bytes(), |draft| draft) {
            let all: Vec<_> = drafts.into_iter().zip(ids).map(Ok).collect();
            assert_eq!(all, read);
        } else if !body.contains("batch") {
            assert!(read.iter().any(Result::is_err));
        }
        read
    }

    #[test]
    fn every_field_has_its_place() {
        let id = "0190a8f2-0000-7000-8000-00000000000a";
        let body = json!({
            "id": id, "user_id": "Ann", "event_type": "signup", "url": "http://shop/a",
            "referrer": "http://shop/", "ts": "2026-05-01T10:00:00Z", "meta": {"plan": "free"},
        });
        let wanted = Draft {
            event_id: Some(id.parse().unwrap()),
            client_id: true,
            event_type: "signup".into(),
            username: Some("Ann".into()),
            url: Some("http://shop/a".into()),
            referrer: Some("http://shop/".into()),
            occurred_at: Some("2026-05-01T10:00:00Z".parse().unwrap()),
            source: Source::Events,
            properties: Map::from_iter([("plan".to_owned(), "free".into())]),
            ..Draft::default()
        };
        assert_eq!(one(&body.to_string()), (wanted, Some(id.to_owned())));
    }

    #[test]
    fn a_time_that_is_none_is_kept_beside() {
        let (draft, _) = one(r#"{"event_type":"x","ts":"yesterday"}"#);
        assert_eq!(draft.occurred_at, None);
        assert_eq!(draft.properties["ts"], "yesterday");
        let (draft, _) = one(r#"{"event_type":"x","ts":1700000000000}"#);
        assert_eq!(draft.occurred_at.unwrap().timestamp(), 1_700_000_000);
    }

    #[test]
    fn a_batch_is_an_array_or_an_object_that_has_one() {
        for body in [
            r#" [{"event_type":"a"},{"event_type":"b"}] "#,
            r#"{"batch":[{"event_type":"a"},{"event_type":"b"}]}"#,
        ] {
            let types: Vec<_> = batch(body)
                .into_iter()
                .map(|item| item.unwrap().0.event_type)
                .collect();
            assert_eq!(types, ["a", "b"]);
        }
    }

    #[rstest]
    #[case("5", "expected struct")]
    #[case(r#"[null,"Ann","click"]"#, "expected an object")]
    #[case(r#"{"event_type":5}"#, "expected a string")]
    #[case(r#"{"event_type":""}"#, "event_type: is missing")]
    #[case(r#"{"event_type":"x","id":"0"}"#, "id: is no id")]
    #[case(r#"{"batch":[]}"#, "batch: ")]
    fn one_bad_event_does_not_spoil_the_batch(#[case] bad: &str, #[case] part: &str) {
        let items = batch(&format!(
            r#"[{{"event_type":"a"}},{bad},{{"event_type":"b"}}]"#
        ));
        assert!(items[0].is_ok() && items[2].is_ok());
        let reason = items[1].as_ref().unwrap_err();
        assert!(reason.contains(part), "{reason}");
    }

    #[rstest]
    #[case("", Refused::Invalid)]
    #[case("{", Refused::Invalid)]
    #[case("[{}", Refused::Invalid)]
    #[case("[]]", Refused::Invalid)]
    #[case("null", Refused::Invalid)]
    #[case("{}", Refused::Invalid)]
    #[case(r#"{"batch":5}"#, Refused::Invalid)]
    #[case(r#"{"event_type":"x","ts":[]}"#, Refused::Invalid)]
    #[case(&format!("[{}{{}}]", "{},".repeat(2_500)), Refused::TooLarge)]
    #[case(&format!(r#"[{{"event_type":"x","x":"{}"}}]"#, "x".repeat(32 * 1024)), Refused::TooLarge)]
    #[case(&format!(r#"{{"x":"{}"}}"#, "x".repeat(32 * 1024)), Refused::TooLarge)]
    fn what_is_no_event_and_no_batch_is_refused(#[case] body: &str, #[case] refused: Refused) {
        assert_eq!(sent(body.as_bytes()).unwrap_err(), refused);
        assert_eq!(all_read(body.as_bytes(), |draft| draft), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_no_json() {
        assert_eq!(
            sent(b"{\"event_type\":\"\xff\"}").unwrap_err(),
            Refused::Invalid
        );
    }
}
