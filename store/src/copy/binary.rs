//! Rows in the binary format of COPY: each a number of fields, each field its length and its bytes as the type's own
//! "send" function would write them.

use chrono::{DateTime, Utc};
use domain::agent::{Agent, Bot};
use domain::{Event, LastSeen};
use uuid::Uuid;

/// A table, as COPY fills it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    /// The statement that begins it.
    pub sql: &'static str,
    columns: i16,
}

/// Every column of `events`. `stored_at` is given, too: with a default that asks the clock Postgres would insert each
/// row by itself instead of many at once.
pub(crate) const EVENTS: Table = Table {
    sql: "COPY events (
        event_id, received_at, client_id, type, username, session_id, url, path, referrer,
        user_agent, ip, occurred_at, source, count, boot, properties, choice,
        kafka_partition, kafka_offset, stored_at, browser, system, device, bot
    ) FROM STDIN (FORMAT binary)",
    columns: 24,
};

/// The format's signature, no flags, no extension of the header.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What stands where the next row's number of fields would.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// 1970 in the calendar of Postgres, which begins with the year 2000; microseconds.
const UNIX_EPOCH: i64 = -946_684_800_000_000;

/// Rows of one table, encoded.
pub(crate) struct Rows {
    columns: i16,
    bytes: Vec<u8>,
}

impl Rows {
    pub(crate) fn new(table: Table) -> Self {
        Self {
            columns: table.columns,
            bytes: HEADER.to_vec(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What was encoded since the last [`Self::clear`].
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The last part.
    pub(crate) fn end(&mut self) -> &[u8] {
        self.bytes.extend(TRAILER);
        &self.bytes
    }

    /// A row of `events`.
    pub(crate) fn event(
        &mut self,
        (offset, event): &(LastSeen, Event),
        agent: &Agent,
        partition: i32,
        stored_at: DateTime<Utc>,
    ) {
        self.begin();
        self.uuid(event.event_id);
        self.time(event.received_at);
        self.field(&[u8::from(event.client_id)]);
        self.text(event.event_type.as_str());
        for text in [
            &event.username,
            &event.session_id,
            &event.url,
            &event.path,
            &event.referrer,
            &event.user_agent,
            &event.ip,
        ] {
            self.optional(text.as_deref(), Self::text);
        }
        self.time(event.occurred_at);
        self.text(event.source.as_str());
        self.field(&event.count.to_be_bytes());
        self.optional(event.boot, Self::uuid);
        self.json(&event.properties);
        self.optional(event.choice.as_ref(), Self::json);
        self.field(&partition.to_be_bytes());
        self.field(&offset.0.to_be_bytes());
        self.time(stored_at);
        let bot = agent.bot.map(Bot::as_str);
        for name in [agent.browser, agent.system, agent.device, bot] {
            self.optional(name, Self::text);
        }
    }

    fn begin(&mut self) {
        self.bytes.extend(self.columns.to_be_bytes());
    }

    fn field(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.field(text.as_bytes());
    }

    fn uuid(&mut self, id: Uuid) {
        self.field(id.as_bytes());
    }

    /// A point in time, with or without time zone: microseconds, whole ones as everywhere in the tables.
    fn time(&mut self, time: DateTime<Utc>) {
        let micros = time.timestamp_micros().saturating_add(UNIX_EPOCH);
        self.field(&micros.to_be_bytes());
    }

    /// `jsonb`: its version, then the text.
    fn json(&mut self, value: &impl serde::Serialize) {
        let at = self.bytes.len();
        self.length(0);
        self.bytes.push(1);
        // Texts as keys, and a Vec to write to: nothing that could fail.
        let _ = serde_json::to_writer(&mut self.bytes, value);
        let length = length_of(self.bytes.len() - at - 4);
        self.bytes[at..at + 4].copy_from_slice(&length);
    }

    fn optional<T>(&mut self, value: Option<T>, write: impl Fn(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.bytes.extend((-1_i32).to_be_bytes()),
        }
    }

    fn length(&mut self, bytes: usize) {
        self.bytes.extend(length_of(bytes));
    }
}

/// The length of a field. What is longer than Postgres can take is refused there.
fn length_of(bytes: usize) -> [u8; 4] {
    i32::try_from(bytes).unwrap_or(i32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_its_fields_with_their_lengths() {
        let mut rows = Rows::new(Table {
            sql: "",
            columns: 4,
        });
        rows.begin();
        rows.text("é");
        rows.optional(None::<Uuid>, Rows::uuid);
        rows.time(DateTime::UNIX_EPOCH);
        rows.json(&[1, 2]);
        let expected: [&[u8]; 7] = [
            HEADER,
            &[0, 4],
            &[0, 0, 0, 2, 0xc3, 0xa9],
            &[0xff; 4],
            &[0, 0, 0, 8, 0xff, 0xfc, 0xa2, 0xfe, 0xc4, 0xc8, 0x20, 0],
            b"\0\0\0\x06\x01[1,2]",
            &[0xff, 0xff],
        ];
        assert_eq!(rows.end(), expected.concat());
    }
}
