//! Reads a time's records once more: to be sure after a fault, or for rejects that a newer build can read.
//!
//! It moves leases back and lets the consumer do the rest, by the same statement as ever: what is stored
//! stays as it is, and is not counted again. (It does not bring back rows that somebody deleted by hand: the
//! ids of clients stay claimed, and the rollups have the rest already. A restored dump needs no replay; it
//! brings its own offsets.)
//!
//! A lease has one offset, so a partition reads on from the first record of the asked time to the present.
//! `--to` therefore bounds what must be read again, not what is: it spares the partitions that hold nothing
//! of that time. To jump forward after it would skip records on the word of a note about how far had been
//! read, and that is the one mistake that loses events; reading them again costs some time.

use crate::consent;
use crate::offsets::View;
use crate::offsets::moves::Move;
use crate::settings::Cli;
use crate::verbs::Replay;
use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, Utc};
use domain::NextOffset;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long Kafka may take to find the offsets of a time.
const ANSWER: Duration = Duration::from_secs(10);

/// Shows what would be read again, and moves the leases back when told to.
///
/// # Errors
/// Kafka or Postgres does not answer, the times cannot be meant, or a partition stands still for another
/// reason, which has to be repaired first.
pub async fn replay(cli: &Cli, wanted: &Replay) -> anyhow::Result<()> {
    if let Some(to) = wanted.to {
        ensure!(wanted.from < to, "--from must be before --to");
    }
    let view = View::look(cli).await?;
    let done = plan_and_make(&view, wanted).await;
    view.store.close().await;
    done
}

async fn plan_and_make(view: &View, wanted: &Replay) -> anyhow::Result<()> {
    let from = at(view, wanted.from).await?;
    let to = match wanted.to {
        Some(to) => Some(at(view, to).await?),
        None => None,
    };
    let halts = view.halts().await?;
    let mut moves = Vec::new();
    for (partition, marks) in &view.kafka {
        if !wanted.partition.is(*partition) {
            continue;
        }
        let lease = view.leases.iter().find(|row| row.partition == *partition);
        if let Some(halt) = halts.get(partition) {
            bail!(
                "partition {partition} stands still, and a replay would hide why: {}. {}",
                halt.reason,
                halt.repair
            );
        }
        let again = decide(Times {
            next: lease.map(|row| row.lease.next),
            from: from.get(partition).copied().unwrap_or(marks.high),
            to: to
                .as_ref()
                .map(|to| to.get(partition).copied().unwrap_or(marks.high)),
        });
        println!("partition {partition}: {}", again.explain());
        if let Again::From { offset, next, .. } = again {
            moves.push(Move {
                partition: *partition,
                from: Some(next),
                to: offset,
            });
        }
    }
    if moves.is_empty() {
        println!("There is nothing to read again.");
        return Ok(());
    }
    println!("Neither rows nor counts change for what is stored.");
    if consent::given(wanted.consent)? {
        view.make(&moves, false).await?;
    }
    Ok(())
}

/// By partition the first offset that Kafka took at or after a time; none where there is no such record.
async fn at(view: &View, time: DateTime<Utc>) -> anyhow::Result<BTreeMap<i32, NextOffset>> {
    let mut asked = TopicPartitionList::new();
    for partition in view.kafka.keys() {
        let ms = Offset::Offset(time.timestamp_millis());
        asked.add_partition_offset(&view.topic, *partition, ms)?;
    }
    let ask = move |client: &crate::source::Client| client.offsets_for_times(asked, ANSWER);
    let answer = crate::acquire::ask(&view.client, ask)
        .await
        .context("Kafka does not say which offsets that time has")?;
    let mut offsets = BTreeMap::new();
    for element in answer.elements() {
        let partition = element.partition();
        element
            .error()
            .with_context(|| format!("asking for that time in partition {partition}"))?;
        if let Offset::Offset(offset) = element.offset() {
            offsets.insert(partition, NextOffset(offset));
        }
    }
    Ok(offsets)
}

/// What is known of a partition.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// The stored offset; none when it was never read.
    next: Option<NextOffset>,
    /// The first record of the asked time, or the partition's end.
    from: NextOffset,
    /// The first record after it, or the partition's end.
    to: Option<NextOffset>,
}

/// What a replay means for a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// It was never read.
    NeverRead,
    /// It has no records of that time.
    NothingThen,
    /// Those that it has are still to be read anyway.
    NotReadYet,
    /// It reads again from `offset` on.
    From {
        /// The first record of the asked time.
        offset: NextOffset,
        /// Records of the asked time that were read before.
        asked: i64,
        /// The stored offset.
        next: NextOffset,
    },
}

/// Decides about one partition. It is never moved forward.
fn decide(times: Times) -> Again {
    let Times { next, from, to } = times;
    let Some(next) = next else {
        return Again::NeverRead;
    };
    if to.is_some_and(|to| to <= from) {
        return Again::NothingThen;
    }
    if from >= next {
        return Again::NotReadYet;
    }
    let end = to.map_or(next, |to| to.min(next));
    Again::From {
        offset: from,
        asked: end.0 - from.0,
        next,
    }
}

impl Again {
    fn explain(self) -> String {
        match self {
            Self::NeverRead => "was never read, and stays so".to_owned(),
            Self::NothingThen => "has no records of that time".to_owned(),
            Self::NotReadYet => "has read nothing of that time yet, and will".to_owned(),
            Self::From {
                offset,
                asked,
                next,
            } => {
                let after = next.0 - offset.0 - asked;
                let rest = if after > 0 {
                    format!(", then {after} after that time")
                } else {
                    String::new()
                };
                format!("reads again from {offset} to {next}: {asked} records{rest}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(Some(9), 4, None, "reads again from 4 to 9: 5 records")]
    #[case(
        Some(9),
        4,
        Some(6),
        "reads again from 4 to 9: 2 records, then 3 after that time"
    )]
    #[case(Some(9), 4, Some(12), "reads again from 4 to 9: 5 records")]
    #[case(Some(9), 4, Some(4), "has no records of that time")]
    #[case(Some(9), 9, None, "has read nothing of that time yet, and will")]
    #[case(Some(9), 20, None, "has read nothing of that time yet, and will")]
    #[case(None, 4, None, "was never read, and stays so")]
    fn a_replay_says_what_it_means(
        #[case] next: Option<i64>,
        #[case] from: i64,
        #[case] to: Option<i64>,
        #[case] says: &str,
    ) {
        let again = decide(Times {
            next: next.map(NextOffset),
            from: NextOffset(from),
            to: to.map(NextOffset),
        });
        assert_eq!(again.explain(), says);
    }

    proptest! {
        /// Whatever the times: a partition only ever goes back, and to a record of the asked time.
        #[test]
        fn a_replay_never_skips(next in proptest::option::of(0_i64..50), from in 0_i64..50, to in proptest::option::of(0_i64..50)) {
            let times = Times { next: next.map(NextOffset), from: NextOffset(from), to: to.map(NextOffset) };
            if let Again::From { offset, asked, next } = decide(times) {
                prop_assert!(offset < next);
                prop_assert_eq!((Some(next), offset), (times.next, times.from));
                prop_assert!(asked > 0 && asked <= next.0 - offset.0);
            }
        }
    }
}
