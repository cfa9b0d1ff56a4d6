//! What must be true of what clients send, whatever bytes they send. The fuzz targets ask it of millions of
//! inputs (`fuzz/README.md`), the tests of those in `fuzz/seeds` and of made-up bodies.
//!
//! Each probe takes what one decoder takes and panics where the decoder breaks its promise: what is accepted
//! is an object with keys, is understood the same when it is written down and read again, and is read by the
//! consumer as it was meant; what is refused has a reason.

pub use super::v1::probes::{gzip, v1_batch, v1_event};

use super::events::Sent;
use super::keep::Wait;
use super::track::Mistake;
use super::{event, events, keys, track};
use crate::Draft;
use crate::enrich::{Stamp, enrich};
use axum::http::{HeaderMap, Uri};
use chrono::{DateTime, Datelike as _, Utc};
use domain::ids::RecordIdentity;
use domain::wire;
use serde_json::{Value, json};
use uuid::Uuid;

/// A body of `POST /track`.
pub fn track(body: &[u8]) {
    match track::draft(body) {
        Ok(draft) => {
            is_an_object(body);
            let description = match draft.event_type.as_str() {
                "click" => "CLICK",
                _ => "VIEW",
            };
            let again = json!({
                "id": draft.event_id, "username": draft.username, "description": description,
                "target": draft.properties.get("target"),
            });
            let again = track::draft(again.to_string().as_bytes());
            assert_eq!(again.as_ref(), Ok(&draft), "written and read again");
            reaches_the_consumer(draft);
        }
        // What is no JSON is never called an event with a wrong description.
        Err(Mistake::Event) => {
            is_an_object(body);
        }
        Err(Mistake::Json) => {}
    }
}

/// A body of `POST /event`.
pub fn event(body: &[u8]) {
    match event::draft(body) {
        Ok((draft, id)) => {
            is_an_object(body);
            let again = json!({
                "id": id, "type": draft.event_type, "timestamp": time(&draft), "user_id": draft.username,
                "session_id": draft.session_id, "url": draft.url, "path": draft.path,
                "referrer": draft.referrer, "user_agent": draft.user_agent, "ip_address": draft.ip,
                "metadata": draft.properties,
            });
            let again = event::draft(again.to_string().as_bytes());
            assert_eq!(again, Ok((in_four_digits(&draft), id)), "read again");
            reaches_the_consumer(draft);
        }
        Err(reason) => assert!(!reason.is_empty(), "a reason"),
    }
}

/// A body of `POST /events`.
pub fn events(body: &[u8]) {
    match events::sent(body) {
        Ok(Sent::One(one)) => {
            is_an_object(body);
            event_of_many(*one);
        }
        Ok(Sent::Batch(items)) => {
            // Both ways to write a batch mean the same.
            let texts: Vec<_> = items.iter().map(|item| item.get()).collect();
            let array = format!("[{}]", texts.join(","));
            let object = format!("{{\"batch\":{array}}}");
            for again in [array, object] {
                match events::sent(again.as_bytes()) {
                    Ok(Sent::Batch(again)) => {
                        let again: Vec<_> = again.iter().map(|item| item.get()).collect();
                        assert_eq!(again, texts, "the same events in the same order");
                    }
                    other => panic!("a batch became {other:?}"),
                }
            }
            // Read in one go, they are the same events.
            if let Some((drafts, ids)) = events::all_read(body, |draft| draft) {
                let all = drafts.into_iter().zip(ids).collect();
                let each = items.iter().map(|item| events::read_item(item));
                assert_eq!(each.collect::<Result<Vec<_>, _>>(), Ok(all));
            }
            for item in items {
                match events::read_item(item) {
                    Ok(read) => {
                        is_an_object(item.get().as_bytes());
                        event_of_many(read);
                    }
                    Err(reason) => assert!(!reason.is_empty(), "a reason"),
                }
            }
        }
        Err(_) => {}
    }
}

fn event_of_many((draft, id): events::Read) {
    let again = json!({
        "id": id, "user_id": draft.username, "event_type": draft.event_type, "url": draft.url,
        "referrer": draft.referrer, "ts": time(&draft), "meta": draft.properties,
    });
    match events::sent(again.to_string().as_bytes()) {
        Ok(Sent::One(again)) => assert_eq!(*again, (in_four_digits(&draft), id), "read again"),
        // Some texts need more bytes than they came in.
        Err(super::reply::Refused::TooLarge) => {}
        other => panic!("{again} became {other:?}"),
    }
    reaches_the_consumer(draft);
}

/// The query of any of the addresses.
pub fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let of = |query: &str| -> Option<Wait> {
        let address: Uri = format!("/event?{query}").parse().ok()?;
        Some(Wait::of(&address))
    };
    let Some(wait) = of(text) else {
        return;
    };
    // A `#` begins what is not sent.
    let sent = text.split('#').next().unwrap_or_default();
    let asked = form_urlencoded::parse(sent.as_bytes())
        .any(|(name, value)| name == "wait" && value == "stored");
    if wait == Wait::Stored {
        assert!(asked, "nobody asked to wait");
    }
    let key = |query: &str| {
        let address: Uri = format!("/v1/track?{query}").parse().ok()?;
        keys::with_request(&HeaderMap::new(), &address)
    };
    if let Some(given) = key(text) {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        let again = pairs.append_pair("writeKey", &given).finish();
        assert_eq!(key(&again), Some(given), "written and read again");
    }
    for more in [format!("wait=stored&{sent}"), format!("{sent}&wait=stored")] {
        assert_eq!(of(&more), Some(Wait::Stored), "whatever stands beside it");
    }
}

fn is_an_object(json: &[u8]) {
    let text = std::str::from_utf8(json).expect("JSON is UTF-8");
    assert!(text.trim_ascii().starts_with('{'), "an event is an object");
}

/// The draft's time as a client would write it. RFC 3339 has four digits for the year.
fn time(draft: &Draft) -> Option<String> {
    in_four_digits(draft)
        .occurred_at
        .map(|time| time.to_rfc3339())
}

fn in_four_digits(draft: &Draft) -> Draft {
    let believable = |time: &DateTime<Utc>| (0..=9999).contains(&time.year());
    Draft {
        occurred_at: draft.occurred_at.filter(believable),
        ..draft.clone()
    }
}

/// What the collector accepts, the consumer reads as it was meant.
pub(super) fn reaches_the_consumer(draft: Draft) {
    let received_at = DateTime::from_timestamp(1_790_000_000, 123_456_000).expect("a time");
    let stamp = Stamp {
        received_at,
        boot: Uuid::from_u128(1),
        fresh_id: Uuid::from_u128(2),
        truncate_ip: false,
    };
    let enriched = match enrich(draft, stamp) {
        Ok(enriched) => enriched,
        Err(reject) => {
            assert!(!reject.to_string().is_empty(), "a reason");
            return;
        }
    };
    let read = wire::decode(&RecordIdentity {
        topic: "clickstream",
        partition: 0,
        offset: 0,
        record_time_ms: received_at.timestamp_millis() + 1,
        value: enriched.json.as_bytes(),
    });
    let read = read.expect("what was accepted is no reject");
    let mut meant = enriched.event;
    if read.occurred_at != meant.occurred_at {
        // A time that cannot be true is replaced, and kept.
        let given = wire::time_text(meant.occurred_at);
        let kept = meant.properties.entry("occurred_at");
        kept.or_insert_with(|| given.into());
        meant.occurred_at = received_at;
    }
    assert_eq!(read, meant, "as it was meant");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    fn every_seed_of_track_keeps_the_promise(
        #[files("../fuzz/seeds/track/*")]
        #[mode = bytes]
        body: &[u8],
    ) {
        track(body);
    }

    #[rstest]
    fn every_seed_of_event_keeps_the_promise(
        #[files("../fuzz/seeds/event/*")]
        #[mode = bytes]
        body: &[u8],
    ) {
        event(body);
    }

    #[rstest]
    fn every_seed_of_events_keeps_the_promise(
        #[files("../fuzz/seeds/events/*")]
        #[mode = bytes]
        body: &[u8],
    ) {
        events(body);
    }

    #[rstest]
    fn every_seed_of_the_query_keeps_the_promise(
        #[files("../fuzz/seeds/query/*")]
        #[mode = bytes]
        text: &[u8],
    ) {
        query(text);
    }

    /// Any JSON, not very deep.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "[0-9]{4}-0[1-9]-[0-3][0-9]T[0-2][0-9]:00:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-][01][0-9]:30)"
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inside| {
            prop_oneof![
                proptest::collection::vec(inside.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map("[a-z]{0,4}", inside, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// An object with some of these keys, mostly of the wanted kind.
    fn body(
        keys: &'static [&'static str],
        words: &'static [&'static str],
    ) -> impl Strategy<Value = Value> {
        let word = proptest::sample::select(words).prop_map(Value::from);
        let value = prop_oneof![3 => word, 1 => any_json()];
        let pairs = (proptest::sample::select(keys), value);
        proptest::collection::vec(pairs, 0..10).prop_map(|pairs| {
            let pairs = pairs
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value));
            Value::Object(pairs.collect())
        })
    }

    const TRACK: &[&str] = &["id", "username", "target", "description", "other"];
    const EVENT: &[&str] = &[
        "id",
        "type",
        "timestamp",
        "user_id",
        "session_id",
        "url",
        "path",
        "referrer",
        "user_agent",
        "ip_address",
        "metadata",
        "other",
    ];
    const EVENTS: &[&str] = &[
        "id",
        "user_id",
        "event_type",
        "url",
        "referrer",
        "ts",
        "meta",
        "other",
    ];
    const WORDS: &[&str] = &[
        "CLICK",
        "VIEW",
        "click",
        "custom",
        "add_to_cart",
        "",
        "0",
        "order-17",
        "1700000000.5",
        "0190a8f2-0000-7000-8000-00000000000a",
        "2026-05-01T10:00:00Z",
        "9999-12-31T23:59:60-23:59",
    ];

    proptest! {
        #[test]
        fn a_body_of_track_keeps_the_promise(body in body(TRACK, WORDS)) {
            track(body.to_string().as_bytes());
        }

        #[test]
        fn a_body_of_event_keeps_the_promise(body in body(EVENT, WORDS)) {
            event(body.to_string().as_bytes());
        }

        #[test]
        fn a_body_of_events_keeps_the_promise(
            batch in proptest::collection::vec(body(EVENTS, WORDS), 1..4),
        ) {
            events(batch[0].to_string().as_bytes());
            events(Value::from(batch).to_string().as_bytes());
        }

        #[test]
        fn no_bytes_make_a_decoder_fail(bytes in any::<Vec<u8>>()) {
            track(&bytes);
            event(&bytes);
            events(&bytes);
            query(&bytes);
        }
    }
}
