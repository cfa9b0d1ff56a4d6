//! Where each field goes, which clock is believed, and that nothing that can be sent makes the reader fail.

use super::call::{self, Around, Fields, Method};
use super::{Batch, content};
use crate::Draft;
use crate::http::time;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Source, ids};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

const ID: &str = "0190a8f2-0000-7000-8000-00000000000a";
const RECEIVED: &str = "2026-05-01T12:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn around() -> Around {
    Around {
        received_at: at(RECEIVED),
        ..Around::default()
    }
}

fn fields(event: Value) -> Fields {
    serde_json::from_value(event).unwrap()
}

fn track(mut event: Value) -> Result<Draft, String> {
    event["event"] = "play".into();
    call::read(fields(event), Some(Method::Track), &around()).draft
}

#[test]
fn every_field_has_its_place() {
    let event = json!({
        "type": "track", "event": "play", "userId": "Ann", "anonymousId": "visit", "messageId": ID,
        "timestamp": "2026-05-01T10:00:00Z", "properties": {"song": "x"},
        "context": {
            "page": {"url": "https://a/b?c", "path": "/b", "referrer": "https://a/", "title": "B"},
            "userAgent": "curl", "ip": "10.0.0.1", "locale": "en",
        },
        "integrations": {}, "writeKey": "secret", "channel": "web", "nothing": null,
    });
    let call = call::read(fields(event), None, &around());
    assert_eq!(call.message_id.as_deref(), Some(ID));
    let wanted = Draft {
        event_id: Some(ID.parse().unwrap()),
        client_id: true,
        event_type: "play".into(),
        username: Some("Ann".into()),
        session_id: Some("visit".into()),
        url: Some("https://a/b?c".into()),
        path: Some("/b".into()),
        referrer: Some("https://a/".into()),
        user_agent: Some("curl".into()),
        ip: Some("10.0.0.1".into()),
        occurred_at: Some(at("2026-05-01T10:00:00Z")),
        source: Source::Segment,
        properties: fields(json!({
            "song": "x", "channel": "web", "context": {"page": {"title": "B"}, "locale": "en"},
        })),
        ..Draft::default()
    };
    assert_eq!(call.draft, Ok(wanted));
}

#[test]
fn a_page_and_an_identify_have_names_of_their_own() {
    let page = json!({
        "type": "page", "name": "Home",
        "properties": {"url": "https://a/b", "path": "/b", "referrer": "https://c/"},
    });
    let page = call::read(fields(page), None, &around()).draft.unwrap();
    assert_eq!(page.event_type, "page_view");
    assert_eq!(page.url.as_deref(), Some("https://a/b"));
    assert_eq!(page.path.as_deref(), Some("/b"));
    assert_eq!(page.referrer.as_deref(), Some("https://c/"));
    assert_eq!(page.properties["name"], "Home");
    let identify = json!({"userId": 17, "traits": {"plan": "free"}});
    let identify = call::read(fields(identify), Some(Method::Identify), &around());
    let identify = identify.draft.unwrap();
    assert_eq!(identify.event_type, "identify");
    assert_eq!(identify.username.as_deref(), Some("17"));
    assert_eq!(identify.properties, fields(json!({"plan": "free"})));
}

#[test]
fn what_a_batch_says_counts_for_events_that_say_nothing() {
    let around = Around {
        context: fields(
            json!({"ip": "10.0.0.1", "userAgent": "a", "library": {"name": "tracker.js"}}),
        ),
        sent_at: time::read("2026-05-01T11:00:00Z"),
        ..around()
    };
    let event =
        json!({"type": "page", "timestamp": "2026-05-01T10:59:50Z", "context": {"userAgent": "b"}});
    let draft = call::read(fields(event), None, &around).draft.unwrap();
    assert_eq!(draft.ip.as_deref(), Some("10.0.0.1"));
    assert_eq!(draft.user_agent.as_deref(), Some("b"));
    assert_eq!(draft.source, Source::Tracker);
    assert_eq!(draft.occurred_at, Some(at("2026-05-01T11:59:50Z")));
}

#[rstest]
#[case(json!({"category": "shirt", "style": "Polo shirt", "song": 7}), Some("Polo shirt"), json!({"song": 7}))]
#[case(json!({"category": "hat", "size": "M"}), None, json!({"category": "hat", "size": "M"}))]
#[case(json!({"song": 7}), None, json!({"song": 7}))]
fn our_own_script_may_tell_of_a_product(
    #[case] properties: Value,
    #[case] style: Option<&str>,
    #[case] left: Value,
) {
    let draft = |library: &str| {
        let event = json!({
            "type": "track", "event": "add_to_cart", "properties": properties,
            "context": {"library": {"name": library}},
        });
        call::read(fields(event), None, &around()).draft.unwrap()
    };
    let mut ours = draft("tracker.js");
    assert_eq!(ours.choice.is_some(), style.is_some());
    let chosen = ours.choice.and_then(|choice| choice.style);
    assert_eq!(chosen.map(|style| style.to_string()).as_deref(), style);
    ours.properties.remove("context");
    assert_eq!(ours.properties, fields(left));
    assert_eq!(draft("another").choice, None);
}

#[rstest]
#[case::a_true_clock(json!({"originalTimestamp": "2026-05-01T11:59:50Z", "sentAt": "2026-05-01T11:59:59Z"}), Some("2026-05-01T11:59:51Z"))]
#[case::a_slow_clock(json!({"originalTimestamp": "2020-01-01T00:00:00Z", "sentAt": "2020-01-01T00:00:10Z"}), Some("2026-05-01T11:59:50Z"))]
#[case::a_fast_clock(json!({"timestamp": "2031-01-01T00:00:00Z", "sentAt": "2031-01-01T00:00:10Z"}), Some("2026-05-01T11:59:50Z"))]
#[case::both(json!({"timestamp": "2026-05-01T00:00:00Z", "originalTimestamp": "2026-05-01T11:00:00Z", "sentAt": "2026-05-01T12:00:00Z"}), Some("2026-05-01T11:00:00Z"))]
#[case::both_and_not_sent(json!({"timestamp": "2026-05-01T00:00:00Z", "originalTimestamp": "2026-05-01T11:00:00Z"}), Some("2026-05-01T00:00:00Z"))]
#[case::not_sent(json!({"originalTimestamp": "2026-05-01T11:00:00Z"}), Some("2026-05-01T11:00:00Z"))]
#[case::milliseconds(json!({"timestamp": 1_777_633_200_000_u64}), Some("2026-05-01T11:00:00Z"))]
#[case::only_sent(json!({"sentAt": "2026-05-01T11:00:00Z"}), None)]
#[case::none(json!({}), None)]
#[case::a_day_ahead(json!({"timestamp": "2026-05-02T12:00:00Z"}), Some("2026-05-02T12:00:00Z"))]
fn the_clock_is_corrected_by_when_it_was_sent(#[case] event: Value, #[case] when: Option<&str>) {
    let draft = track(event).unwrap();
    assert_eq!(draft.occurred_at, when.map(at));
    assert_eq!(draft.properties.get("occurred_at"), None);
}

#[rstest]
#[case::too_far_ahead(json!({"timestamp": "2026-05-02T12:00:01Z"}), "2026-05-02T12:00:01.000000Z")]
#[case::too_old(json!({"timestamp": "1999-12-31T23:59:59Z"}), "1999-12-31T23:59:59.000000Z")]
#[case::corrected_too_far(json!({"originalTimestamp": "2026-05-01T11:00:00Z", "sentAt": "2026-04-01T11:00:00Z"}), "2026-05-01T11:00:00.000000Z")]
#[case::nonsense(json!({"originalTimestamp": 8e12, "sentAt": -8e12}), "")]
fn a_time_that_cannot_be_true_is_kept_beside(#[case] event: Value, #[case] kept: &str) {
    let draft = track(event).unwrap();
    assert_eq!(draft.occurred_at, None);
    let text = draft.properties["occurred_at"].as_str().unwrap();
    assert!(text.starts_with(kept), "{text}");
}

#[test]
fn a_text_that_is_no_time_is_a_property() {
    let draft = track(json!({"timestamp": "yesterday", "sentAt": "now"})).unwrap();
    assert_eq!(draft.occurred_at, None);
    let kept = fields(json!({"timestamp": "yesterday", "sentAt": "now"}));
    assert_eq!(draft.properties, kept);
}

#[test]
fn an_id_that_is_no_uuid_is_told_apart_by_the_keys_name() {
    let id = |key: &str| {
        let around = Around {
            key: key.into(),
            ..around()
        };
        let event = json!({"event": "play", "messageId": "m-1"});
        call::read(fields(event), Some(Method::Track), &around)
            .draft
            .unwrap()
    };
    let draft = id("shop");
    assert_eq!(draft.event_id, Some(ids::from_client_text("shop", "m-1")));
    assert!(draft.client_id);
    assert_eq!(draft.properties["messageId"], "m-1");
    assert_ne!(id("app").event_id, draft.event_id);
}

#[rstest]
#[case(json!({"messageId": "x".repeat(101)}), "messageId: has more than 100 characters")]
#[case(json!({"messageId": 5}), "messageId: is no text")]
#[case(json!({"messageId": "[object Object]"}), "messageId: is no id")]
#[case(json!({"messageId": "00000000-0000-0000-0000-000000000000"}), "messageId: is the nil UUID")]
#[case(json!({"userId": "undefined"}), "userId: is no id")]
#[case(json!({"userId": 0}), "userId: is no id")]
#[case(json!({"userId": []}), "userId: is no text")]
#[case(json!({"anonymousId": "null"}), "anonymousId: is no id")]
#[case(json!({"anonymousId": "00000000-0000-0000-0000-000000000000"}), "anonymousId: is the nil UUID")]
#[case(json!({"properties": "x"}), "properties: is no object")]
#[case(json!({"context": []}), "context: is no object")]
#[case(json!({"context": {"page": 5}}), "context.page: is no object")]
#[case(json!({"context": {"page": {"url": 5}}}), "context.page.url: is no text")]
#[case(json!({"context": {"ip": {}}}), "context.ip: is no text")]
#[case(json!({"timestamp": {}}), "timestamp: is no time")]
fn what_is_wrong_is_said_with_the_fields_name(#[case] event: Value, #[case] why: &str) {
    let error = track(event).unwrap_err();
    assert!(error.starts_with(why), "{error}");
}

#[rstest]
#[case(json!({}), "type: must be one of")]
#[case(json!({"type": "alias"}), "type: must be one of")]
#[case(json!({"type": 5}), "type: must be one of")]
#[case(json!({"type": "track"}), "event: is missing")]
#[case(json!({"type": "track", "event": ""}), "event: is missing")]
#[case(json!({"type": "track", "event": 5}), "event: is no text")]
fn an_event_says_what_it_is(#[case] event: Value, #[case] why: &str) {
    let call = call::read(fields(event), None, &around());
    let error = call.draft.unwrap_err();
    assert!(error.starts_with(why), "{error}");
}

/// JSON of any shape, with the contract's own names among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[0-9TZ:+-]{0,30}".prop_map(Value::from),
        Just(Value::from("track")),
        Just(Value::from("2026-05-01T10:00:00Z")),
    ];
    let name = prop_oneof![
        "[a-z]{0,5}",
        proptest::sample::select(vec![
            "type",
            "event",
            "properties",
            "traits",
            "userId",
            "anonymousId",
            "messageId",
            "timestamp",
            "originalTimestamp",
            "sentAt",
            "context",
            "page",
            "url",
            "ip",
            "library",
            "name",
            "writeKey",
            "batch",
            "occurred_at",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::hash_map(name.clone(), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Everything that is done with a body before it is kept.
fn take(headers: &HeaderMap, body: Bytes) {
    let Ok(body) = content::plain(headers, body, 32 * 1024) else {
        return;
    };
    if let Ok(sent) = content::json::<Batch<'_>>(&body) {
        let around = Around {
            context: sent.context().unwrap_or_default(),
            sent_at: sent.sent_at,
            ..around()
        };
        for event in sent.events {
            if let Ok(fields) = serde_json::from_str(event.get()) {
                let _ = call::read(fields, None, &around);
            }
        }
    }
    if let Ok(fields) = content::json::<Fields>(&body) {
        for method in [
            None,
            Some(Method::Track),
            Some(Method::Page),
            Some(Method::Identify),
        ] {
            let _ = call::read(fields.clone(), method, &around());
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_fail(bytes in any::<Vec<u8>>(), packed in any::<bool>()) {
        let mut headers = HeaderMap::new();
        let mut body = bytes;
        if packed {
            headers.insert("content-encoding", HeaderValue::from_static("gzip"));
            // The first bytes of every gzip, so that what follows is looked at.
            body.splice(0..0, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
        }
        take(&headers, body.into());
    }

    #[test]
    fn no_json_makes_the_reader_fail(json in any_json()) {
        let body = json.to_string();
        take(&HeaderMap::new(), body.clone().into());
        take(&HeaderMap::new(), format!(r#"{{"batch":[{body}],"context":{body}}}"#).into());
    }

    #[test]
    fn a_time_is_believed_only_within_its_bounds(
        original in -9_000_000_000_000_i64..9_000_000_000_000,
        sent in proptest::option::of(-9_000_000_000_000_i64..9_000_000_000_000),
    ) {
        let draft = track(json!({"timestamp": original, "sentAt": sent})).unwrap();
        let received = at(RECEIVED);
        match draft.occurred_at {
            Some(time) => prop_assert!(
                time >= at("2000-01-01T00:00:00Z") && time <= received + TimeDelta::days(1)
            ),
            None => prop_assert!(!draft.properties.is_empty()),
        }
    }
}
