//! The message that Kafka gets of an event, and how much room it takes there.

use domain::wire;
use uuid::Uuid;

/// What Kafka gets of one event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub event_id: Uuid,
    /// The value, the key and the event's type, one after the other. Tens of thousands are under way under load, and
    /// each piece of memory of its own would be waited for when it is read again.
    text: String,
    /// Where the value ends.
    json_end: usize,
    /// Where the key ends.
    key_end: usize,
}

/// What a batch needs for a message besides value, key and type, at most: 36 bytes for lengths, attributes, time and
/// offset (`RD_KAFKAP_MESSAGE_V2_MAX_OVERHEAD`), the headers' names, their other values, and two lengths of each.
const RECORD_OVERHEAD_MAX: usize = 36
    + wire::HEADER_EVENT.len()
    + wire::HEADER_EVENT_ID.len()
    + wire::HEADER_SCHEMA.len()
    + uuid::fmt::Hyphenated::LENGTH
    + 10
    + 6 * 2;

impl Message {
    /// The message of an event. `json` had better have room for key and type; else it is moved.
    pub fn new(event_id: Uuid, event_type: &str, key: &str, json: String) -> Self {
        let mut text = json;
        text.reserve_exact(key.len() + event_type.len());
        let json_end = text.len();
        text.push_str(key);
        let key_end = text.len();
        text.push_str(event_type);
        Self {
            event_id,
            text,
            json_end,
            key_end,
        }
    }

    /// The value.
    pub fn json(&self) -> &str {
        &self.text[..self.json_end]
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.text[self.json_end..self.key_end]
    }

    /// The event's type.
    pub fn event_type(&self) -> &str {
        &self.text[self.key_end..]
    }

    /// The value alone.
    pub fn into_json(mut self) -> String {
        self.text.truncate(self.json_end);
        self.text
    }

    /// Bytes of key and value.
    pub const fn size(&self) -> usize {
        self.key_end
    }

    /// At most how many bytes it takes in a batch.
    pub const fn size_in_batch(&self) -> usize {
        self.text.len() + RECORD_OVERHEAD_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_message_gives_back_what_it_was_made_of(
            event_type in ".{1,64}",
            key in ".{0,40}",
            json in ".{0,600}",
        ) {
            let message = Message::new(Uuid::nil(), &event_type, &key, json.clone());
            assert_eq!(message.json(), json);
            assert_eq!(message.key(), key);
            assert_eq!(message.event_type(), event_type);
            assert_eq!(message.size(), key.len() + json.len());
            assert_eq!(message.into_json(), json);
        }
    }
}
