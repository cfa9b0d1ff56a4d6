//! Where a partition is to read on, as an operator asked for it, and what that means for what is stored; and which
//! partitions are given up because Kafka does not have them any more.

use crate::start::{self, Watermarks};
use crate::verbs::{Reset, To, Which};
use anyhow::ensure;
use domain::NextOffset;
use std::collections::{BTreeMap, BTreeSet};
use store::LeaseRow;

/// One partition's move, as it is shown before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Move {
    /// The partition.
    pub partition: i32,
    /// Where it stands; none when it was never read.
    pub from: Option<NextOffset>,
    /// Where it is to read on.
    pub to: NextOffset,
}

/// A partition that Kafka does not have any more and that is to be given up, as it is shown before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GivenUp {
    /// The partition.
    pub partition: i32,
    /// Events that collectors put there, as far as they have told, and that were not read.
    pub unread: u64,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Where partitions are to read on.
    pub moves: Vec<Move>,
    /// Those that there are no more.
    pub given_up: Vec<GivenUp>,
}

/// The partitions that have a lease, or something unread, and that Kafka does not have.
pub(crate) fn without_kafka(
    kafka: &BTreeMap<i32, Watermarks>,
    leases: &[LeaseRow],
    unread: &BTreeMap<i32, u64>,
) -> Vec<GivenUp> {
    let read = leases.iter().map(|row| row.partition);
    let known: BTreeSet<i32> = read.chain(unread.keys().copied()).collect();
    known
        .into_iter()
        .filter(|number| !kafka.contains_key(number))
        .map(|partition| GivenUp {
            partition,
            unread: unread.get(&partition).copied().unwrap_or_default(),
        })
        .collect()
}

/// Decides what is to be done. What Kafka does not have any more is given up only where a new topic explains that.
///
/// # Errors
/// A partition or an offset that Kafka does not have.
pub(crate) fn plan(
    reset: &Reset,
    kafka: &BTreeMap<i32, Watermarks>,
    leases: &[LeaseRow],
    unread: &BTreeMap<i32, u64>,
) -> anyhow::Result<Plan> {
    let mut given_up = without_kafka(kafka, leases, unread);
    given_up.retain(|one| reset.partition.is(one.partition));
    if let (Which::One(number), false) = (reset.partition, given_up.is_empty()) {
        let has_an_offset = matches!(reset.to, To::Offset(_));
        ensure!(
            reset.recreated && !has_an_offset,
            "Kafka has no partition {number}, so there is nowhere to read on; {}",
            start::give_up(number)
        );
    }
    if !reset.recreated {
        given_up.clear();
    }
    Ok(Plan {
        moves: moves(reset, kafka, leases, !given_up.is_empty())?,
        given_up,
    })
}

/// The moves of the partitions that Kafka has.
fn moves(
    reset: &Reset,
    kafka: &BTreeMap<i32, Watermarks>,
    leases: &[LeaseRow],
    may_be_none: bool,
) -> anyhow::Result<Vec<Move>> {
    let chosen: Vec<_> = kafka
        .iter()
        .filter(|(number, _)| reset.partition.is(**number))
        .collect();
    ensure!(
        may_be_none || !chosen.is_empty(),
        "the topic has partitions 0 to {}",
        kafka.len().saturating_sub(1)
    );
    chosen
        .into_iter()
        .map(|(partition, marks)| {
            let to = match reset.to {
                To::Beginning => marks.low,
                To::End => marks.high,
                To::Offset(offset) => NextOffset(offset),
            };
            ensure!(
                (marks.low..=marks.high).contains(&to),
                "partition {partition} has offsets {} to {}; {to} is outside",
                marks.low,
                marks.high
            );
            let lease = leases.iter().find(|row| row.partition == *partition);
            Ok(Move {
                partition: *partition,
                from: lease.map(|row| row.lease.next),
                to,
            })
        })
        .collect()
}

impl Move {
    /// What it means, in words.
    pub fn explain(self, recreated: bool) -> String {
        let Move {
            partition,
            from,
            to,
        } = self;
        match from {
            _ if recreated => {
                format!(
                    "partition {partition}: to {to}, in a new topic; what was stored stays, and what collectors put into the old one and was never read is counted as expired"
                )
            }
            None => format!(
                "partition {partition}: to {to}; it was never read, and records that this skips are counted as expired"
            ),
            Some(from) if to > from => format!(
                "partition {partition}: from {from} to {to}: GIVES UP {} records; those that were never read will not be stored, and are counted as expired",
                to.0 - from.0
            ),
            Some(from) if to < from => format!(
                "partition {partition}: from {from} to {to}: reads {} records again, which changes nothing for what is stored",
                from.0 - to.0
            ),
            Some(from) => format!(
                "partition {partition}: stays at {from}; if it stands still, it tries again"
            ),
        }
    }
}

impl GivenUp {
    /// What it means, in words.
    pub fn explain(self) -> String {
        let Self { partition, unread } = self;
        format!(
            "partition {partition}: GIVEN UP, since the new topic has no such partition; what was stored stays, its offset is forgotten, and what collectors put there and was never read is counted as expired ({unread} events, as far as they have told)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::Consent;
    use rstest::rstest;
    use store::Lease;

    fn kafka() -> BTreeMap<i32, Watermarks> {
        let marks = |low, high| Watermarks {
            low: NextOffset(low),
            high: NextOffset(high),
        };
        BTreeMap::from([(0, marks(0, 10)), (1, marks(5, 9))])
    }

    fn leases() -> Vec<LeaseRow> {
        let lease = Lease {
            epoch: 1,
            next: NextOffset(7),
            last: None,
            cluster_id: "c".into(),
        };
        vec![LeaseRow {
            partition: 0,
            owner: None,
            acquired_at: None,
            lease,
        }]
    }

    fn reset(partition: Which, to: To) -> Reset {
        Reset {
            partition,
            to,
            recreated: false,
            consent: Consent::default(),
        }
    }

    #[rstest]
    #[case(reset(Which::One(0), To::End), "from 7 to 10: GIVES UP 3 records")]
    #[case(
        reset(Which::One(0), To::Beginning),
        "from 7 to 0: reads 7 records again"
    )]
    #[case(reset(Which::One(0), To::Offset(7)), "stays at 7")]
    #[case(
        reset(Which::One(1), To::Beginning),
        "partition 1: to 5; it was never read"
    )]
    fn a_move_says_what_it_means(#[case] reset: Reset, #[case] says: &str) {
        let plan = plan(&reset, &kafka(), &leases(), &[].into()).unwrap();
        let said = plan.moves[0].explain(false);
        assert!(said.contains(says), "{said}");
        assert_eq!(plan.given_up, []);
    }

    #[rstest]
    #[case(reset(Which::One(2), To::Beginning), "partitions 0 to 1")]
    #[case(reset(Which::One(1), To::Offset(4)), "4 is outside")]
    #[case(reset(Which::All, To::Offset(10)), "partition 1 has offsets 5 to 9")]
    fn what_kafka_does_not_have_is_refused(#[case] reset: Reset, #[case] says: &str) {
        let error = plan(&reset, &kafka(), &leases(), &[].into()).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }

    /// Partition 7 has a lease, 8 only a collector's word; Kafka has neither.
    fn shrunk() -> (Vec<LeaseRow>, BTreeMap<i32, u64>) {
        let mut leases = leases();
        leases.push(LeaseRow {
            partition: 7,
            ..leases[0].clone()
        });
        (leases, [(0, 3), (8, 5)].into())
    }

    #[rstest]
    #[case(Which::One(7), To::Beginning, 0, &[(7, 0)])]
    #[case(Which::One(8), To::End, 0, &[(8, 5)])]
    #[case(Which::All, To::Beginning, 2, &[(7, 0), (8, 5)])]
    #[case(Which::One(0), To::Beginning, 1, &[])]
    fn what_a_new_topic_does_not_have_is_given_up(
        #[case] partition: Which,
        #[case] to: To,
        #[case] moved: usize,
        #[case] given_up: &[(i32, u64)],
    ) {
        let (leases, unread) = shrunk();
        let reset = Reset {
            recreated: true,
            ..reset(partition, to)
        };
        let plan = plan(&reset, &kafka(), &leases, &unread).unwrap();
        assert_eq!(plan.moves.len(), moved);
        let given: Vec<_> = (plan.given_up.iter())
            .map(|one| (one.partition, one.unread))
            .collect();
        assert_eq!(given, given_up);
        for one in plan.given_up {
            let said = one.explain();
            let unread = format!("expired ({} events", one.unread);
            assert!(
                said.contains("GIVEN UP") && said.contains(&unread),
                "{said}"
            );
        }
    }

    #[rstest]
    #[case::nobody_said_that_it_is_a_new_topic(Which::One(7), To::Beginning, false)]
    #[case::there_are_no_offsets(Which::One(8), To::Offset(0), true)]
    fn a_partition_that_is_no_more_is_not_given_up_by_chance(
        #[case] partition: Which,
        #[case] to: To,
        #[case] recreated: bool,
    ) {
        let (leases, unread) = shrunk();
        let reset = Reset {
            recreated,
            ..reset(partition, to)
        };
        let refused = plan(&reset, &kafka(), &leases, &unread).unwrap_err();
        let says = "--to beginning --recreated --yes";
        assert!(refused.to_string().contains(says), "{refused}");
        let all = self::reset(Which::All, To::Beginning);
        let plan = plan(&all, &kafka(), &leases, &unread).unwrap();
        assert_eq!((plan.moves.len(), plan.given_up.len()), (2, 0));
    }
}
