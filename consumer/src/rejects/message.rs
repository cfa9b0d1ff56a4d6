//! What is sent instead of a rejected message: the event that it was meant to be, under the identity that
//! it would have had. So it is one row however often it is sent, and whatever a later replay makes of the
//! original.
//!
//! Two copies are known as one by their id, hence every message that is sent again
//! - brings an `event_id`: its own, else the one that the original record would have got;
//! - says that the id may come again (`client_id`), so that it is claimed across days and partitions;
//! - keeps the time at which it was received and happened, where that can still be believed;
//! - names no `boot`: the collector's acknowledgement stands in the books as rejected, and must not be
//!   counted a second time.

use crate::decode::{Said, decode};
use chrono::{DateTime, Utc};
use domain::ids::{self, RecordIdentity};
use domain::{Event, EventType, Reject, wire};
use store::RejectRow;
use uuid::Uuid;

/// A message to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The event's identity.
    pub event_id: Uuid,
    /// What kind of event it is.
    pub event_type: EventType,
    /// The JSON.
    pub json: Vec<u8>,
}

/// Why a reject is not sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The consumer would reject it as before.
    #[error("it would be rejected again: {0}")]
    Again(Reject),
    /// It is a collector's report. The collector's next one says more.
    #[error("it is a collector's report, which the next one replaces")]
    Report,
}

/// The message for a reject, as it came or as `mended`.
///
/// # Errors
/// Why there is none.
pub fn again(reject: &RejectRow, mended: Option<&[u8]>) -> Result<Message, Refusal> {
    again_at(reject, mended, Utc::now())
}

fn again_at(
    reject: &RejectRow,
    mended: Option<&[u8]>,
    now: DateTime<Utc>,
) -> Result<Message, Refusal> {
    let original = RecordIdentity {
        topic: &reject.key.topic,
        partition: reject.key.partition,
        offset: reject.key.offset.0,
        record_time_ms: reject.key.record_time_ms,
        value: &reject.raw,
    };
    let given = RecordIdentity {
        value: mended.unwrap_or(&reject.raw),
        record_time_ms: believable(original.record_time_ms, now),
        ..original
    };
    let mut event = read(&given)?;
    if event.event_id == ids::from_record(&given) {
        event.event_id = ids::from_record(&original);
    }
    event.client_id = true;
    event.boot = None;
    let json = wire::encode(&event);
    // Read once more as it will be: nothing is sent that comes back as a reject.
    let sent = read(&RecordIdentity {
        value: &json,
        record_time_ms: now.timestamp_millis(),
        ..original
    })?;
    Ok(Message {
        event_id: sent.event_id,
        event_type: sent.event_type,
        json,
    })
}

fn read(record: &RecordIdentity<'_>) -> Result<Event, Refusal> {
    match decode(record) {
        Ok(Said::Event(event)) => Ok(event),
        Ok(Said::Report(_)) => Err(Refusal::Report),
        Err(reject) => Err(Refusal::Again(reject)),
    }
}

/// A record's time, or the present where no calendar knows it: that may be why it was rejected.
fn believable(record_time_ms: i64, now: DateTime<Utc>) -> i64 {
    match DateTime::from_timestamp_millis(record_time_ms) {
        Some(_) => record_time_ms,
        None => now.timestamp_millis(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use chrono::TimeDelta;
    use domain::LastSeen;
    use domain::report::CollectorReport;
    use proptest::prelude::*;
    use store::RejectKey;

    const RECORD_TIME_MS: i64 = 1_790_000_000_000;

    /// A reject for tests, at 3/17.
    pub(in crate::rejects) fn reject(raw: &[u8]) -> RejectRow {
        RejectRow {
            key: RejectKey {
                topic: "clickstream".into(),
                partition: 3,
                offset: LastSeen(17),
                record_time_ms: RECORD_TIME_MS,
            },
            record_key: Some(b"Ann".to_vec()),
            raw: raw.to_vec(),
            raw_bytes: raw.len(),
            code: "field".into(),
            reason: "size: is not in the catalogue".into(),
            boot: None,
            rejected_at: DateTime::from_timestamp_millis(RECORD_TIME_MS).unwrap(),
            handled: None,
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(RECORD_TIME_MS).unwrap() + TimeDelta::hours(5)
    }

    /// How the consumer reads a message that was sent `days` after the reject, at another place.
    fn consumed(message: &Message, days: i64) -> Event {
        let record = RecordIdentity {
            topic: "clickstream",
            partition: 5,
            offset: 900 + days,
            record_time_ms: (now() + TimeDelta::days(days)).timestamp_millis(),
            value: &message.json,
        };
        read(&record).unwrap()
    }

    #[test]
    fn a_mended_message_without_an_id_gets_the_one_of_the_original_record() {
        let raw = br#"{"username":"Ann","size":"XXL"}"#;
        let mended = br#"{"username":"Ann","size":"XL"}"#;
        let message = again_at(&reject(raw), Some(mended), now()).unwrap();
        let original = RecordIdentity {
            topic: "clickstream",
            partition: 3,
            offset: 17,
            record_time_ms: RECORD_TIME_MS,
            value: raw,
        };
        assert_eq!(message.event_id, ids::from_record(&original));
        let event = consumed(&message, 0);
        assert_eq!(event.event_id, message.event_id);
        assert_eq!(event.event_type.as_str(), "add_to_cart");
        assert_eq!(event.received_at.timestamp_millis(), RECORD_TIME_MS);
        assert!(event.client_id);
    }

    #[test]
    fn two_copies_are_one_event_even_when_the_second_comes_much_later() {
        let raw = br#"{"type":"click","count":"many"}"#;
        let mended = br#"{"type":"click","count":3}"#;
        let first = again_at(&reject(raw), Some(mended), now()).unwrap();
        let later = now() + TimeDelta::days(60);
        let second = again_at(&reject(raw), Some(mended), later).unwrap();
        assert_eq!(first, second);
        let (a, b) = (consumed(&first, 0), consumed(&second, 60));
        assert_eq!(a.event_id, b.event_id);
        assert!(
            a.client_id && b.client_id,
            "the id is claimed, whatever the times"
        );
        assert_eq!(a.occurred_at, b.occurred_at);
    }

    #[test]
    fn its_own_id_its_times_and_its_door_are_kept_and_its_boot_is_not() {
        let raw = br#"{"type":"click","event_id":"01900000-0000-7000-8000-00000000002a","source":"shop","count":0,"boot":"00000000-0000-0000-0000-0000000000b0","received_at":"2026-09-21T14:00:00.5Z","occurred_at":"2026-09-21T13:59:00Z","extra":1}"#;
        let mended = String::from_utf8(raw.to_vec())
            .unwrap()
            .replace(r#""count":0"#, r#""count":2"#);
        let message = again_at(&reject(raw), Some(mended.as_bytes()), now()).unwrap();
        let event = consumed(&message, 0);
        assert_eq!(
            event.event_id,
            Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_002a)
        );
        assert_eq!(
            wire::time_text(event.received_at),
            "2026-09-21T14:00:00.500000Z"
        );
        assert_eq!(
            wire::time_text(event.occurred_at),
            "2026-09-21T13:59:00.000000Z"
        );
        assert_eq!((event.count, event.source.as_str()), (2, "shop"));
        assert_eq!(event.properties["extra"], 1);
        assert_eq!(event.boot, None);
    }

    #[test]
    fn what_is_still_bad_is_not_sent() {
        for raw in [&b"{"[..], b"", br#"{"username":"Ann","size":"XXL"}"#] {
            let refusal = again_at(&reject(raw), None, now()).unwrap_err();
            assert!(matches!(refusal, Refusal::Again(_)), "{refusal}");
        }
        let refusal = again_at(&reject(b"{}"), Some(b"[]"), now()).unwrap_err();
        assert!(
            refusal
                .to_string()
                .starts_with("it would be rejected again: not a JSON object")
        );
    }

    #[test]
    fn a_report_is_not_sent_again() {
        let report = CollectorReport {
            reporter: Uuid::from_u128(5),
            reported_at: now(),
            spool: None,
            boots: Vec::new(),
        };
        let refusal = again_at(&reject(b"{"), Some(&report.encode()), now());
        assert_eq!(refusal, Err(Refusal::Report));
    }

    #[test]
    fn a_record_whose_time_no_calendar_knows_can_be_sent_again() {
        let mut reject = reject(br#"{"type":"click"}"#);
        reject.key.record_time_ms = i64::MAX;
        let message = again_at(&reject, None, now()).unwrap();
        assert_eq!(
            message.event_id,
            again_at(&reject, None, now()).unwrap().event_id
        );
    }

    proptest! {
        /// Whatever was rejected and however it was mended: what is sent is an event, with the same id each time.
        #[test]
        fn what_is_sent_becomes_a_row_with_the_same_id(
            raw in proptest::collection::vec(any::<u8>(), 0..60),
            name in "[a-zA-Z ]{1,20}",
            days in 0_i64..300,
        ) {
            let mended = serde_json::json!({ "type": "click", "username": name }).to_string();
            let reject = reject(&raw);
            let message = again_at(&reject, Some(mended.as_bytes()), now()).unwrap();
            let other = again_at(&reject, Some(mended.as_bytes()), now() + TimeDelta::days(days)).unwrap();
            prop_assert_eq!(message.event_id, other.event_id);
            prop_assert_eq!(consumed(&message, days).event_id, message.event_id);
        }
    }
}
