//! How a reject looks: a line or a page for people, a JSON object for programs.
//!
//! A message comes from anybody: what it holds must neither end a line nor speak to the terminal.

use super::message::{Message, Refusal};
use chrono::SecondsFormat;
use serde_json::{Value, json};
use std::fmt::Write as _;
use store::{AuditRow, RejectRow};

/// The most characters of a reason in a line.
const REASON_CHARS: usize = 100;

/// The line above the list.
pub(super) const HEADING: &str =
    "PLACE           REJECTED (UTC)       CODE         BYTES  DONE       REASON";

/// Where the record lies.
pub(super) fn place(row: &RejectRow) -> String {
    format!("{}/{}", row.key.partition, row.key.offset)
}

/// A line of the list.
pub(super) fn line(row: &RejectRow) -> String {
    let done = row.handled.map_or("-", |(handled, _)| handled.as_str());
    format!(
        "{:<15} {:<20} {:<10} {:>7}  {done:<10} {}",
        place(row),
        row.rejected_at.format("%Y-%m-%d %H:%M:%S"),
        row.code,
        row.raw_bytes,
        shortened(&row.reason),
    )
}

/// Everything about one reject.
pub(super) fn page(row: &RejectRow, audit: &[AuditRow], again: Result<Message, Refusal>) -> String {
    let mut page = String::new();
    let mut put = |name: &str, text: &str| {
        let _ = writeln!(page, "{name:<9} {text}");
    };
    put("place", &format!("{} of {}", place(row), row.key.topic));
    put("rejected", &time(row.rejected_at));
    put("taken", &record_time(row));
    put("code", &row.code);
    put("reason", &harmless(&row.reason));
    put(
        "boot",
        &row.boot
            .map_or_else(|| "none".to_owned(), |b| b.to_string()),
    );
    put(
        "key",
        &row.record_key
            .as_deref()
            .map_or_else(|| "none".to_owned(), bytes),
    );
    put("bytes", &row.raw_bytes.to_string());
    put("message", &bytes(&row.raw));
    if audit.is_empty() {
        put("done", "nothing yet");
    }
    for entry in audit {
        let note = entry
            .note
            .as_deref()
            .map_or_else(String::new, |note| format!(": {}", harmless(note)));
        put(
            "done",
            &format!(
                "{} at {} by {}{note}",
                entry.handled.as_str(),
                time(entry.at),
                harmless(&entry.by)
            ),
        );
    }
    if row.handled.is_none() {
        put("next", &next(row, again));
    }
    page
}

/// What can be done with a reject.
fn next(row: &RejectRow, again: Result<Message, Refusal>) -> String {
    let place = place(row);
    match again {
        Ok(_) => format!("as it is: cargo run -p consumer -- rejects redrive {place}"),
        Err(Refusal::Again(_)) => {
            format!("once mended: cargo run -p consumer -- rejects redrive {place} --value FILE")
        }
        Err(Refusal::Report) => {
            format!("not to be sent again: cargo run -p consumer -- rejects dismiss {place}")
        }
    }
}

/// One reject of the list, without its message, which a list has only in part.
pub(super) fn summary(row: &RejectRow) -> Value {
    json!({
        "topic": row.key.topic,
        "partition": row.key.partition,
        "offset": row.key.offset.0,
        "record_time_ms": row.key.record_time_ms,
        "rejected_at": time(row.rejected_at),
        "code": row.code,
        "reason": row.reason,
        "boot": row.boot,
        "bytes": row.raw_bytes,
        "handled": row.handled.map(|(handled, _)| handled.as_str()),
        "handled_at": row.handled.map(|(_, at)| time(at)),
    })
}

/// One reject with its key, its message (as a text, else as the field that ends in `_hex`) and its audit.
pub(super) fn whole(row: &RejectRow, audit: &[AuditRow]) -> Value {
    let mut whole = summary(row);
    for (name, value) in [
        ("key", row.record_key.as_deref()),
        ("message", Some(&row.raw[..])),
    ] {
        match value.map(std::str::from_utf8) {
            None => whole[name] = Value::Null,
            Some(Ok(text)) => whole[name] = text.into(),
            Some(Err(_)) => whole[format!("{name}_hex")] = value.map(hex).into(),
        }
    }
    let audit = audit.iter().map(|entry| {
        json!({
            "handled": entry.handled.as_str(),
            "by": entry.by,
            "at": time(entry.at),
            "note": entry.note,
        })
    });
    whole["audit"] = audit.collect();
    whole
}

fn time(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// When Kafka took the record.
fn record_time(row: &RejectRow) -> String {
    let ms = row.key.record_time_ms;
    chrono::DateTime::from_timestamp_millis(ms).map_or_else(
        || format!("{ms} ms after 1970, which no calendar knows"),
        time,
    )
}

/// Bytes as a text where they are one, else in hexadecimal.
fn bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok("") => "(empty)".to_owned(),
        Ok(text) => harmless(text),
        Err(_) => format!("hex {}", hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A text whose control characters are written out.
fn harmless(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, character| {
        // Those that reorder the text around them are not control characters by name.
        let acts = character.is_control() || matches!(character, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if acts {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
        shown
    })
}

fn shortened(text: &str) -> String {
    let text = harmless(text);
    match text.char_indices().nth(REASON_CHARS) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{again, tests::reject};
    use super::*;
    use store::Handled;

    #[test]
    fn a_line_reads_alone() {
        let mut row = reject(b"{}");
        assert_eq!(
            line(&row),
            "3/17            2026-09-21 14:13:20  field            2  -          size: is not in the catalogue"
        );
        row.handled = Some((Handled::Dismissed, row.rejected_at));
        row.reason = "x\n".repeat(80);
        let line = line(&row);
        assert!(line.contains(" dismissed ") && line.ends_with('…') && !line.contains('\n'));
    }

    #[test]
    fn a_page_shows_text_as_text_and_the_rest_as_hex_and_says_what_can_be_done() {
        let mut row = reject(b"{\"a\":\x1b[31m");
        row.record_key = Some(vec![0xff, 0x00]);
        let shown = page(&row, &[], again(&row, None));
        assert!(shown.contains(r#"message   {"a":\u{1b}[31m"#), "{shown}");
        assert!(shown.contains("key       hex ff00"), "{shown}");
        assert!(
            shown.contains("rejects redrive 3/17 --value FILE"),
            "{shown}"
        );

        let mut row = reject(br#"{"type":"click"}"#);
        let audit = [AuditRow {
            handled: Handled::Redriven,
            by: "ann@host".into(),
            at: row.rejected_at,
            note: Some("a note".into()),
        }];
        let shown = page(&row, &audit, again(&row, None));
        assert!(
            shown.contains("redriven at 2026-09-21T14:13:20.000Z by ann@host: a note"),
            "{shown}"
        );
        assert!(shown.ends_with("rejects redrive 3/17\n"), "{shown}");
        row.handled = Some((Handled::Redriven, row.rejected_at));
        assert!(!page(&row, &[], again(&row, None)).contains("next"));
    }

    #[test]
    fn a_program_gets_every_byte() {
        let mut row = reject(b"\xff");
        row.record_key = None;
        let whole = whole(&row, &[]);
        assert_eq!(whole["message_hex"], "ff");
        assert_eq!(whole["key"], Value::Null);
        assert_eq!(whole["offset"], 17);
        assert_eq!(whole["audit"], json!([]));
    }

    #[test]
    fn what_would_reorder_a_line_is_written_out() {
        assert_eq!(
            harmless("a\u{202e}b\r\n\u{7f}é"),
            "a\\u{202e}b\\r\\n\\u{7f}é"
        );
    }
}
