//! What must be true of what trackers send, whatever bytes they send: [`crate::http::probes`] says who asks.

use super::call::{self, Around, Fields, Method};
use super::{Batch, content};
use crate::http::body::BATCH_MAX_BYTES;
use crate::http::probes::reaches_the_consumer;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use chrono::DateTime;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

/// The same, called by its address or by its type.
const METHODS: [(Method, &str); 3] = [
    (Method::Track, "track"),
    (Method::Page, "page"),
    (Method::Identify, "identify"),
];

/// A body of `/v1/track`, `/v1/page` or `/v1/identify`.
pub fn v1_event(body: &[u8]) {
    match content::json::<Fields>(body) {
        Ok(fields) => event(&fields, &around()),
        Err(refusal) => assert!(!refusal.why.is_empty(), "a reason"),
    }
}

/// A body of `/v1/batch`.
pub fn v1_batch(body: &[u8]) {
    let sent: Batch<'_> = match content::json(body) {
        Ok(sent) => sent,
        Err(refusal) => return assert!(!refusal.why.is_empty(), "a reason"),
    };
    assert!(body.trim_ascii().starts_with(b"{"), "an object with keys");
    let context = match sent.context() {
        Ok(context) => context,
        Err(refusal) => return assert!(!refusal.why.is_empty(), "a reason"),
    };
    let around = Around {
        sent_at: sent.sent_at,
        context,
        ..around()
    };
    for one in sent.events {
        if let Ok(fields) = serde_json::from_str(one.get()) {
            event(&fields, &around);
        }
    }
}

/// A body that is said to be packed.
pub fn gzip(packed: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let unpack = |bytes: Vec<u8>, max| content::plain(&headers, Bytes::from(bytes), max);
    for max in [10, 1000, BATCH_MAX_BYTES] {
        match unpack(packed.to_vec(), max) {
            Ok(plain) => assert!(plain.len() <= max, "more than allowed"),
            Err(refusal) => assert!(!refusal.why.is_empty(), "a reason"),
        }
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(packed).expect("bytes in memory");
    let again = encoder.finish().expect("bytes in memory");
    assert_eq!(unpack(again, packed.len()).as_deref(), Ok(packed));
}

fn event(fields: &Fields, around: &Around) {
    for (method, name) in METHODS {
        let by_address = call::read(fields.clone(), Some(method), around);
        let mut named = fields.clone();
        named.insert("type".to_owned(), name.into());
        let by_type = call::read(named, None, around);
        assert_eq!(by_address.message_id, by_type.message_id);
        assert_eq!(by_address.draft, by_type.draft, "the address is the type");
        match by_address.draft {
            Ok(draft) => {
                let given = |place| {
                    let own = fields.get(place).and_then(|own| own.get(call::WRITE_KEY));
                    own.is_some()
                };
                let kept = draft.properties.contains_key(call::WRITE_KEY);
                assert!(
                    !kept || given("properties") || given("traits"),
                    "the write key is nobody's property"
                );
                reaches_the_consumer(draft);
            }
            Err(why) => assert!(!why.is_empty(), "a reason"),
        }
    }
}

fn around() -> Around {
    Around {
        received_at: DateTime::from_timestamp(1_790_000_000, 123_456_000).expect("a time"),
        ..Around::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    fn every_seed_of_an_event_keeps_the_promise(
        #[files("../fuzz/seeds/v1_event/*")]
        #[mode = bytes]
        body: &[u8],
    ) {
        v1_event(body);
    }

    #[rstest]
    fn every_seed_of_a_batch_keeps_the_promise(
        #[files("../fuzz/seeds/v1_batch/*")]
        #[mode = bytes]
        body: &[u8],
    ) {
        v1_batch(body);
    }

    #[rstest]
    fn every_seed_of_gzip_keeps_the_promise(
        #[files("../fuzz/seeds/gzip/*")]
        #[mode = bytes]
        body: &[u8],
    ) {
        gzip(body);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_fail(bytes in any::<Vec<u8>>()) {
            v1_event(&bytes);
            v1_batch(&bytes);
            gzip(&bytes);
        }

        #[test]
        fn an_event_keeps_the_promise(
            keys in proptest::collection::vec(proptest::sample::select(&KEYS[..]), 0..8),
            values in proptest::collection::vec(proptest::sample::select(&VALUES[..]), 8),
        ) {
            let pairs = keys.iter().zip(values).map(|(key, value)| format!("{key:?}:{value}"));
            let event = format!("{{{}}}", pairs.collect::<Vec<_>>().join(","));
            v1_event(event.as_bytes());
            v1_batch(format!(r#"{{"batch":[{event}],"sentAt":"2026-05-01T10:00:01Z"}}"#).as_bytes());
        }
    }

    const KEYS: [&str; 12] = [
        "event",
        "type",
        "messageId",
        "userId",
        "anonymousId",
        "timestamp",
        "originalTimestamp",
        "sentAt",
        "properties",
        "traits",
        "context",
        "writeKey",
    ];
    const VALUES: [&str; 12] = [
        "null",
        "5",
        "1.5e300",
        "\"\"",
        "\"undefined\"",
        "\"Song Played\"",
        "\"2026-05-01T10:00:00Z\"",
        "\"9999-12-31T23:59:60-23:59\"",
        "-8334601228800000",
        "{}",
        r#"{"page":{"url":"http://shop/a","title":"A"},"ip":"::1","userAgent":"curl","library":{"name":"tracker.js"}}"#,
        r#"{"category":"shirt","size":"S","occurred_at":0.1,"context":7}"#,
    ];
}
