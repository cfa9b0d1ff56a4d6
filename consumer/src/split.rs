//! A value that Postgres refuses is found by halves, so that one bad event costs its batch a few
//! statements and nobody their rows.
//!
//! Collectors' reports stay together and go with the last part: they may come late, but not be the reason
//! for which an event is blamed.

use crate::decode::{self, Said, rejected};
use crate::source::Record;
use domain::{LastSeen, NextOffset, Reject};
use store::Batch;

/// What to try after a batch was refused for one of its values.
#[derive(Debug)]
pub enum Next {
    /// Both halves, in this order.
    Halves(Batch, Batch),
    /// The same records, with the one event that was left, or the reports, among the rejects.
    Reject(Batch),
    /// There is nothing left to blame.
    Hopeless,
}

/// Decides what to try after `batch`, made of `records`, was refused with `refusal`.
pub fn after_refusal(mut batch: Batch, records: &[Record], refusal: Reject) -> Next {
    match (batch.events.len(), batch.reports.is_empty()) {
        (0, true) => Next::Hopeless,
        (0, false) => {
            batch.reports.clear();
            for record in records {
                if is_report(&batch, record) {
                    let reject = rejected(record, None, refusal.clone());
                    batch.rejects.push(reject);
                }
            }
            batch.rejects.sort_by_key(|reject| reject.offset);
            Next::Reject(batch)
        }
        (1, true) => {
            for (offset, event) in batch.events.drain(..) {
                if let Some(record) = find(records, offset) {
                    batch
                        .rejects
                        .push(rejected(record, event.boot, refusal.clone()));
                }
            }
            batch.rejects.sort_by_key(|reject| reject.offset);
            Next::Reject(batch)
        }
        (1, false) => match find(records, batch.events[0].0) {
            Some(event) => {
                let (first, second) = halves(batch, event, event.offset.next(), 1);
                Next::Halves(first, second)
            }
            None => Next::Hopeless,
        },
        (many, _) => {
            let cut = batch.events[many / 2].0;
            match records.iter().rev().find(|record| record.offset < cut) {
                Some(last) => {
                    let (first, second) = halves(batch, last, NextOffset(cut.0), many / 2);
                    Next::Halves(first, second)
                }
                None => Next::Hopeless,
            }
        }
    }
}

fn is_report(batch: &Batch, record: &Record) -> bool {
    let said = decode::decode(&decode::identity(&batch.key, record));
    matches!(said, Ok(Said::Report(_)))
}

/// Cuts a batch before `cut`; the first part has `index` events, and `last` is its last record.
fn halves(mut batch: Batch, last: &Record, cut: NextOffset, index: usize) -> (Batch, Batch) {
    let events = batch.events.split_off(index);
    let (before, after) = batch
        .rejects
        .into_iter()
        .partition(|reject| cut.covers(reject.offset));
    let first = Batch {
        key: batch.key.clone(),
        epoch: batch.epoch,
        from: batch.from,
        to: last.offset.next(),
        last: last.print(),
        events: batch.events,
        rejects: before,
        reports: Vec::new(),
    };
    let second = Batch {
        key: batch.key,
        epoch: batch.epoch,
        from: first.to,
        to: batch.to,
        last: batch.last,
        events,
        rejects: after,
        reports: batch.reports,
    };
    (first, second)
}

/// The record at an offset; records are in order.
fn find(records: &[Record], offset: LastSeen) -> Option<&Record> {
    let at = records
        .binary_search_by_key(&offset, |record| record.offset)
        .ok()?;
    records.get(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::Chunk;
    use crate::source::tests::record;
    use domain::report::CollectorReport;
    use proptest::prelude::*;
    use store::PartitionKey;

    fn refusal() -> Reject {
        Reject::Database {
            sqlstate: "22003".into(),
            message: "out of range".into(),
        }
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Kind {
        Good,
        /// Postgres refuses it.
        Bad,
        NoEvent,
        Report,
    }

    fn batch_of(kinds: &[Kind]) -> (Batch, Vec<Record>) {
        let report = CollectorReport {
            reporter: uuid::Uuid::from_u128(5),
            reported_at: chrono::DateTime::UNIX_EPOCH,
            spool: None,
            boots: Vec::new(),
        };
        let report = String::from_utf8(report.encode()).unwrap();
        let records: Vec<_> = kinds
            .iter()
            .enumerate()
            .map(|(i, kind)| {
                let value = match kind {
                    Kind::Good | Kind::Bad => r#"{"type":"page_view"}"#,
                    Kind::NoEvent => "{",
                    Kind::Report => &report,
                };
                // Offsets with holes, as after a transaction.
                record(10 + 2 * i64::try_from(i).unwrap(), value)
            })
            .collect();
        let key = PartitionKey {
            topic: "t".into(),
            partition: 0,
        };
        let chunk = Chunk {
            from: NextOffset(9),
            records,
        };
        let (batch, _) = decode::batch(&key, 1, &chunk);
        (batch.unwrap(), chunk.records)
    }

    #[derive(Debug, Default)]
    struct Written {
        stored: Vec<i64>,
        rejects: Vec<i64>,
        reports: usize,
        statements: u32,
    }

    /// Plays Postgres: refuses every batch that holds one of the bad events, or a report when told to.
    fn write_all(batch: Batch, records: &[Record], bad: &[i64], bad_reports: bool) -> Written {
        let mut written = Written::default();
        let (mut at, end) = (batch.from, batch.to);
        let mut todo = vec![batch];
        while let Some(batch) = todo.pop() {
            written.statements += 1;
            let holds_bad = (batch.events.iter()).any(|(offset, _)| bad.contains(&offset.0));
            if holds_bad || (bad_reports && !batch.reports.is_empty()) {
                match after_refusal(batch, records, refusal()) {
                    Next::Halves(first, second) => todo.extend([second, first]),
                    Next::Reject(batch) => todo.push(batch),
                    Next::Hopeless => panic!("something was there to blame"),
                }
                continue;
            }
            assert_eq!(batch.from, at, "batches join");
            assert_eq!(batch.last.offset.next(), batch.to);
            at = batch.to;
            written
                .stored
                .extend(batch.events.iter().map(|(offset, _)| offset.0));
            written
                .rejects
                .extend(batch.rejects.iter().map(|reject| reject.offset.0));
            written.reports += batch.reports.len();
        }
        assert_eq!(at, end, "all of it was written");
        written.rejects.sort_unstable();
        written
    }

    proptest! {
        #[test]
        fn exactly_the_bad_ones_become_rejects(
            kinds in proptest::collection::vec(
                proptest::sample::select(vec![Kind::Good, Kind::Good, Kind::Good, Kind::Bad, Kind::NoEvent, Kind::Report]),
                1..60,
            ),
            bad_reports in any::<bool>(),
        ) {
            let (batch, records) = batch_of(&kinds);
            let offsets = |wanted: &[Kind]| -> Vec<i64> {
                kinds.iter().zip(&records).filter(|(k, _)| wanted.contains(k)).map(|(_, r)| r.offset.0).collect()
            };
            let written = write_all(batch, &records, &offsets(&[Kind::Bad]), bad_reports);
            prop_assert_eq!(written.stored, offsets(&[Kind::Good]));
            if bad_reports {
                prop_assert_eq!(written.rejects, offsets(&[Kind::Bad, Kind::NoEvent, Kind::Report]));
                prop_assert_eq!(written.reports, 0);
            } else {
                prop_assert_eq!(written.rejects, offsets(&[Kind::Bad, Kind::NoEvent]));
                prop_assert_eq!(written.reports, offsets(&[Kind::Report]).len());
            }
        }
    }

    #[test]
    fn one_bad_event_among_a_thousand_costs_few_statements() {
        let (batch, records) = batch_of(&[Kind::Good; 1000]);
        let bad = records[617].offset.0;
        let written = write_all(batch, &records, &[bad], false);
        assert_eq!((written.stored.len(), written.rejects), (999, vec![bad]));
        assert!(written.statements <= 23, "{}", written.statements);
    }

    #[test]
    fn with_nothing_left_to_blame_there_is_nothing_to_try() {
        let (batch, records) = batch_of(&[Kind::NoEvent, Kind::NoEvent]);
        assert!(matches!(
            after_refusal(batch, &records, refusal()),
            Next::Hopeless
        ));
    }
}
