//! A value that Postgres refuses is found by halves, so that one bad event costs its batch a few
//! statements and nobody their rows.

use crate::decode::rejected;
use crate::source::Record;
use domain::{LastSeen, Reject};
use store::Batch;

/// What to try after a batch was refused for one of its values.
#[derive(Debug)]
pub enum Next {
    /// Both halves, in this order.
    Halves(Batch, Batch),
    /// The same records, with the one event that was left among the rejects.
    Reject(Batch),
    /// There is no event left to blame.
    Hopeless,
}

/// Decides what to try after `batch`, made of `records`, was refused with `refusal`.
pub fn after_refusal(mut batch: Batch, records: &[Record], refusal: Reject) -> Next {
    match batch.events.len() {
        0 => Next::Hopeless,
        1 => {
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
        many => {
            let cut = batch.events[many / 2].0;
            match records.iter().rev().find(|record| record.offset < cut) {
                Some(last) => {
                    let (first, second) = halves(batch, last, cut, many / 2);
                    Next::Halves(first, second)
                }
                None => Next::Hopeless,
            }
        }
    }
}

/// Cuts a batch before the event at `cut`, which is the one at `index`; `last` is the record before it.
fn halves(mut batch: Batch, last: &Record, cut: LastSeen, index: usize) -> (Batch, Batch) {
    let events = batch.events.split_off(index);
    let (before, after) = batch
        .rejects
        .into_iter()
        .partition(|reject| reject.offset < cut);
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
    use crate::decode;
    use crate::inbox::Chunk;
    use crate::source::tests::record;
    use domain::NextOffset;
    use proptest::prelude::*;
    use store::PartitionKey;

    fn refusal() -> Reject {
        Reject::Database {
            sqlstate: "22003".into(),
            message: "out of range".into(),
        }
    }

    fn batch_of(kinds: &[bool]) -> (Batch, Vec<Record>) {
        let records: Vec<_> = kinds
            .iter()
            .enumerate()
            .map(|(i, good)| {
                let value = if *good {
                    r#"{"type":"page_view"}"#
                } else {
                    "{"
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

    /// Plays Postgres: refuses every batch that holds one of the bad events.
    fn write_all(batch: Batch, records: &[Record], bad: &[i64]) -> (Vec<i64>, Vec<i64>, u32) {
        let (mut stored, mut rejects, mut statements) = (Vec::new(), Vec::new(), 0);
        let mut at = batch.from;
        let mut todo = vec![batch];
        while let Some(batch) = todo.pop() {
            statements += 1;
            if batch
                .events
                .iter()
                .any(|(offset, _)| bad.contains(&offset.0))
            {
                match after_refusal(batch, records, refusal()) {
                    Next::Halves(first, second) => todo.extend([second, first]),
                    Next::Reject(batch) => todo.push(batch),
                    Next::Hopeless => panic!("an event was there to blame"),
                }
                continue;
            }
            assert_eq!(batch.from, at, "batches join");
            assert_eq!(batch.last.offset.next(), batch.to);
            at = batch.to;
            stored.extend(batch.events.iter().map(|(offset, _)| offset.0));
            rejects.extend(batch.rejects.iter().map(|reject| reject.offset.0));
        }
        (stored, rejects, statements)
    }

    proptest! {
        #[test]
        fn exactly_the_bad_events_become_rejects(
            kinds in proptest::collection::vec((any::<bool>(), proptest::bool::weighted(0.1)), 1..60),
        ) {
            let (batch, records) = batch_of(&kinds.iter().map(|(good, _)| *good).collect::<Vec<_>>());
            let offset = |wanted: &dyn Fn(&(bool, bool)) -> bool| -> Vec<i64> {
                kinds.iter().zip(&records).filter(|(k, _)| wanted(k)).map(|(_, r)| r.offset.0).collect()
            };
            let bad = offset(&|(good, bad)| *good && *bad);
            let (stored, rejects, _) = write_all(batch, &records, &bad);
            prop_assert_eq!(stored, offset(&|(good, bad)| *good && !*bad));
            prop_assert_eq!(rejects, offset(&|(good, bad)| !*good || *bad));
        }
    }

    #[test]
    fn one_bad_event_among_a_thousand_costs_few_statements() {
        let (batch, records) = batch_of(&[true; 1000]);
        let bad = records[617].offset.0;
        let (stored, rejects, statements) = write_all(batch, &records, &[bad]);
        assert_eq!((stored.len(), rejects), (999, vec![bad]));
        assert!(statements <= 23, "{statements}");
    }

    #[test]
    fn with_no_event_left_there_is_nothing_to_try() {
        let (batch, records) = batch_of(&[false, false]);
        assert!(matches!(
            after_refusal(batch, &records, refusal()),
            Next::Hopeless
        ));
    }
}
