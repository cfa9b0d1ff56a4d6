//! One event on its way: the message that Kafka gets, and what the books must know about it wherever it
//! lies meanwhile; also as bytes, for the spool.

use crate::counters::{Clicks, Counter};
use crate::message::Message;
use chrono::{DateTime, Utc};
use domain::{EventType, Source};
use serde::Deserialize;
use std::sync::Arc;
use uuid::Uuid;

/// The first byte of every written record; another one is another layout.
const LAYOUT: u8 = 1;

/// A message and what is counted about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub message: Arc<Message>,
    /// The run of the collector that accepted it.
    pub boot: Uuid,
    /// The door by which it came in.
    pub source: Source,
    /// When it came in, in whole microseconds.
    pub received_at: DateTime<Utc>,
}

impl Record {
    /// How many bytes [`Self::write`] appends.
    pub fn size(&self) -> usize {
        let texts = self.texts();
        1 + 16 + 16 + 8 + texts.iter().map(|text| 4 + text.len()).sum::<usize>()
    }

    /// Appends the record. The last byte is the last of the message's JSON: a `}`, never a zero.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(LAYOUT);
        bytes.extend_from_slice(self.message.event_id.as_bytes());
        bytes.extend_from_slice(self.boot.as_bytes());
        bytes.extend_from_slice(&self.received_at.timestamp_micros().to_le_bytes());
        for text in self.texts() {
            // A message is far below 4 GiB; were it not, what is read back would not be it.
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    }

    /// Reads what [`Self::write`] wrote, and nothing else.
    pub fn read(mut bytes: &[u8]) -> Option<Self> {
        let [LAYOUT] = take(&mut bytes)? else {
            return None;
        };
        let event_id = Uuid::from_bytes(take(&mut bytes)?);
        let boot = Uuid::from_bytes(take(&mut bytes)?);
        let received_at = DateTime::from_timestamp_micros(i64::from_le_bytes(take(&mut bytes)?))?;
        let event_type = EventType::parse(take_text(&mut bytes)?).ok()?;
        let source = Source::from_name(take_text(&mut bytes)?)?;
        let key = take_text(&mut bytes)?;
        let json = take_text(&mut bytes)?.to_owned();
        let message = Arc::new(Message::new(event_id, event_type.as_str(), key, json));
        bytes.is_empty().then_some(Self {
            message,
            boot,
            source,
            received_at,
        })
    }

    /// What the live counters count it for before it is a row; nothing for what the tracker saw, which is mostly a
    /// copy of what the shop saw.
    pub fn clicks(&self) -> Clicks {
        let event_type = self.message.event_type();
        if self.source == Source::Tracker || Counter::of(event_type).is_none() {
            return Clicks::default();
        }
        // Every message that was accepted says how many; one click is the least that any stands for.
        let count = serde_json::from_str::<Counted>(self.message.json()).map_or(1, |m| m.count);
        Clicks::of(event_type, count)
    }

    fn texts(&self) -> [&str; 4] {
        let message = &self.message;
        [
            message.event_type(),
            self.source.as_str(),
            message.key(),
            message.json(),
        ]
    }
}

/// The one key of a message that is needed here.
#[derive(Deserialize)]
struct Counted {
    count: i32,
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = u32::from_le_bytes(take(bytes)?);
    let (text, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record of this number.
    pub(crate) fn record(number: u32) -> Record {
        Record {
            message: Arc::new(Message::new(
                Uuid::from_u128(number.into()),
                "click",
                &format!("visitor {}", number % 7),
                format!(r#"{{"number":{number}}}"#),
            )),
            boot: Uuid::from_u128(1),
            source: Source::Shop,
            received_at: DateTime::from_timestamp_micros(1_790_000_000_000_000).unwrap()
                + chrono::TimeDelta::microseconds(number.into()),
        }
    }

    fn of_type(event_type: &str, json: &str) -> Record {
        Record {
            message: Arc::new(Message::new(Uuid::nil(), event_type, "ann", json.into())),
            ..record(0)
        }
    }

    fn written(record: &Record) -> Vec<u8> {
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        bytes
    }

    #[test]
    fn one_byte_more_or_less_is_no_record() {
        let bytes = written(&record(3));
        assert_eq!(bytes.len(), record(3).size());
        for length in 0..bytes.len() {
            assert_eq!(Record::read(&bytes[..length]), None, "{length} bytes");
        }
        assert_eq!(Record::read(&[&bytes[..], b"}"].concat()), None);
    }

    #[test]
    fn a_record_counts_for_the_clicks_that_its_message_says() {
        let of = |event_type: &str, json: &str| of_type(event_type, json).clicks();
        assert_eq!(of("buy", r#"{"a":{"count":2},"count":17}"#).buy, 17);
        assert_eq!(of("item_click", "{}").item, 1);
        assert_eq!(of("page_view", r#"{"count":17}"#), Clicks::default());
        let mut seen = of_type("buy", r#"{"number":0}"#);
        assert_eq!(seen.clicks(), Clicks::of("buy", 1));
        seen.source = Source::Tracker;
        assert_eq!(seen.clicks(), Clicks::default());
    }

    proptest! {
        #[test]
        fn a_record_is_read_back_as_it_was_written(
            key in ".{0,300}",
            json in ".{0,2000}",
            ids in any::<[u128; 2]>(),
            micros in 0..4_000_000_000_000_000i64,
            source in 0..Source::ALL.len(),
        ) {
            let record = Record {
                message: Arc::new(Message::new(Uuid::from_u128(ids[0]), "click", &key, json)),
                boot: Uuid::from_u128(ids[1]),
                source: Source::ALL[source],
                received_at: DateTime::from_timestamp_micros(micros).unwrap(),
            };
            let bytes = written(&record);
            prop_assert_eq!(bytes.len(), record.size());
            prop_assert_eq!(Record::read(&bytes), Some(record));
        }

        #[test]
        fn no_bytes_make_the_reader_fail(bytes in any::<Vec<u8>>()) {
            let _ = Record::read(&bytes);
            let _ = Record::read(&[&[LAYOUT], &bytes[..]].concat());
        }
    }
}
