//! A record becomes an event, a collector's report, or a reject with its reason; a format newer than this
//! build's becomes none of these, because rejecting it would lose what a newer consumer can read.

use crate::inbox::Chunk;
use crate::source::{Record, Schema};
use domain::ids::RecordIdentity;
use domain::report::{COLLECTOR_REPORT, CollectorReport};
use domain::{Event, LastSeen, Reject, wire};
use store::{Batch, PartitionKey, RejectedRecord};
use uuid::Uuid;

#[cfg(any(test, fuzzing))]
pub mod probes;

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Something that a visitor did.
    Event(Event),
    /// A collector's totals; no event, and counted as none.
    Report(CollectorReport),
}

/// A record in a format that this build does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewerSchema {
    /// The record.
    pub offset: LastSeen,
    /// What it says of its format.
    pub schema: Schema,
}

/// The batch of a chunk's records, up to the first one in a newer format, and that one.
///
/// No batch when the very first record is such a one.
pub fn batch(
    key: &PartitionKey,
    epoch: i64,
    chunk: &Chunk,
) -> (Option<Batch>, Option<NewerSchema>) {
    let mut events = Vec::with_capacity(chunk.records.len());
    let (mut reports, mut rejects) = (Vec::new(), Vec::new());
    let mut last = None;
    let mut newer = None;
    for record in &chunk.records {
        if let Some(schema) = record.schema.filter(|schema| schema.is_newer()) {
            newer = Some(NewerSchema {
                offset: record.offset,
                schema,
            });
            break;
        }
        match decode(&identity(key, record)) {
            Ok(Said::Event(event)) => events.push((record.offset, event)),
            Ok(Said::Report(report)) => reports.push(report),
            Err(reason) => rejects.push(rejected(record, acknowledged_by(&record.value), reason)),
        }
        last = Some(record);
    }
    let batch = last.map(|last| Batch {
        key: key.clone(),
        epoch,
        from: chunk.from,
        to: last.offset.next(),
        last: last.print(),
        events,
        reports,
        rejects,
    });
    (batch, newer)
}

/// Reads one record.
///
/// A report has the form of an event, so its type tells it apart, and nothing is looked for in the many
/// records that are events.
///
/// # Errors
/// Why it is neither.
pub fn decode(record: &RecordIdentity<'_>) -> Result<Said, Reject> {
    let event = wire::decode(record)?;
    if event.event_type.as_str() != COLLECTOR_REPORT {
        return Ok(Said::Event(event));
    }
    match CollectorReport::decode(record.value) {
        Some(report) => report.map(Said::Report),
        // Its type is written with escapes, which no collector does.
        None => Err(Reject::Field {
            field: "type",
            problem: "is a collector's report, written by something else".to_owned(),
        }),
    }
}

/// What a record is known by.
pub fn identity<'a>(key: &'a PartitionKey, record: &'a Record) -> RecordIdentity<'a> {
    RecordIdentity {
        topic: &key.topic,
        partition: key.partition,
        offset: record.offset.0,
        record_time_ms: record.time_ms,
        value: &record.value,
    }
}

/// A record with the reason why it is no row.
pub fn rejected(record: &Record, boot: Option<Uuid>, reason: Reject) -> RejectedRecord {
    RejectedRecord {
        offset: record.offset,
        record_time_ms: record.time_ms,
        raw: record.value.clone(),
        key: record.key.clone(),
        boot,
        reason,
    }
}

/// Which collector's run acknowledged a message that cannot be read as an event, where it still says so.
/// A report was never acknowledged to anyone, so a broken one must not stand in the books for an event.
fn acknowledged_by(value: &[u8]) -> Option<Uuid> {
    let value: serde_json::Value = serde_json::from_slice(value).ok()?;
    if value.get("type").and_then(serde_json::Value::as_str) == Some(COLLECTOR_REPORT) {
        return None;
    }
    Uuid::parse_str(value.get("boot")?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::record;
    use domain::NextOffset;

    const GOOD: &str = r#"{"username":"Ann","category":"shirt","gender":null,"style":null,"size":"S","color":null}"#;

    fn key() -> PartitionKey {
        PartitionKey {
            topic: "clickstream".to_owned(),
            partition: 4,
        }
    }

    fn chunk(records: Vec<Record>) -> Chunk {
        Chunk {
            from: NextOffset(records[0].offset.0),
            records,
        }
    }

    #[test]
    fn bad_records_stand_beside_the_good_ones_and_the_offset_covers_both() {
        let records = vec![record(7, "{"), record(8, GOOD), record(9, "")];
        let (batch, newer) = batch(&key(), 2, &chunk(records));
        let batch = batch.unwrap();
        assert_eq!((batch.from, batch.to), (NextOffset(7), NextOffset(10)));
        assert_eq!(batch.last, record(9, "").print());
        assert_eq!(batch.events.len(), 1);
        assert_eq!(batch.events[0].0, LastSeen(8));
        assert_eq!(batch.events[0].1.username.as_deref(), Some("Ann"));
        let rejects: Vec<_> = batch
            .rejects
            .iter()
            .map(|r| (r.offset.0, r.reason.code()))
            .collect();
        assert_eq!(rejects, [(7, "not_json"), (9, "empty")]);
        assert!(newer.is_none());
    }

    #[test]
    fn a_newer_format_ends_the_batch_before_it() {
        let mut unknown = record(8, GOOD);
        unknown.schema = Some(Schema::Version(wire::SCHEMA_VERSION + 1));
        let stop = NewerSchema {
            offset: LastSeen(8),
            schema: Schema::Version(wire::SCHEMA_VERSION + 1),
        };

        let records = vec![record(7, GOOD), unknown.clone(), record(9, GOOD)];
        let (before, newer) = batch(&key(), 2, &chunk(records));
        assert_eq!(before.unwrap().to, NextOffset(8));
        assert_eq!(newer, Some(stop));

        let (none, newer) = batch(&key(), 2, &chunk(vec![unknown]));
        assert!(none.is_none());
        assert_eq!(newer, Some(stop));
    }

    #[test]
    fn a_reject_still_says_which_collector_acknowledged_it() {
        let boot = Uuid::from_u128(5);
        let value = format!(r#"{{"boot":"{boot}","type":""}}"#);
        let (batch, _) = batch(&key(), 2, &chunk(vec![record(0, &value)]));
        assert_eq!(batch.unwrap().rejects[0].boot, Some(boot));
    }

    #[test]
    fn the_same_record_gets_the_same_id_again() {
        let read = || decode(&identity(&key(), &record(3, GOOD))).unwrap();
        assert_eq!(read(), read());
    }

    fn report() -> CollectorReport {
        CollectorReport {
            reporter: Uuid::from_u128(5),
            reported_at: chrono::DateTime::UNIX_EPOCH,
            spool: None,
            boots: Vec::new(),
        }
    }

    fn text(json: Vec<u8>) -> String {
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn a_report_is_no_event_and_its_offset_is_dealt_with() {
        let records = vec![record(7, GOOD), record(8, &text(report().encode()))];
        let (batch, _) = batch(&key(), 2, &chunk(records));
        let batch = batch.unwrap();
        assert_eq!(batch.to, NextOffset(9));
        assert_eq!((batch.events.len(), batch.rejects.len()), (1, 0));
        assert_eq!(batch.reports, [report()]);
    }

    #[test]
    fn a_broken_report_is_a_reject_that_stands_for_nobodys_event() {
        let broken = text(report().encode()).replace("boots", "shoes");
        let escaped = text(report().encode()).replace("collector_report", "collector\\u005freport");
        for (value, code) in [(broken, "field"), (escaped, "field")] {
            let (batch, _) = batch(&key(), 2, &chunk(vec![record(0, &value)]));
            let batch = batch.unwrap();
            assert!(batch.events.is_empty() && batch.reports.is_empty());
            assert_eq!(batch.rejects[0].reason.code(), code);
            assert_eq!(batch.rejects[0].boot, None);
        }
    }
}
