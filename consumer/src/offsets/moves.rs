//! Where a partition is to read on, as an operator asked for it, and what that means for what is stored.

use crate::start::Watermarks;
use crate::verbs::{Reset, To};
use anyhow::ensure;
use domain::NextOffset;
use std::collections::BTreeMap;
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

/// Decides the moves.
///
/// # Errors
/// A partition or an offset that Kafka does not have.
pub(crate) fn plan(
    reset: &Reset,
    kafka: &BTreeMap<i32, Watermarks>,
    leases: &[LeaseRow],
) -> anyhow::Result<Vec<Move>> {
    let chosen: Vec<_> = kafka
        .iter()
        .filter(|(number, _)| reset.partition.is(**number))
        .collect();
    ensure!(
        !chosen.is_empty(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::{Consent, Which};
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
        let moves = plan(&reset, &kafka(), &leases()).unwrap();
        assert!(
            moves[0].explain(false).contains(says),
            "{}",
            moves[0].explain(false)
        );
    }

    #[rstest]
    #[case(reset(Which::One(2), To::Beginning), "partitions 0 to 1")]
    #[case(reset(Which::One(1), To::Offset(4)), "4 is outside")]
    #[case(reset(Which::All, To::Offset(10)), "partition 1 has offsets 5 to 9")]
    fn what_kafka_does_not_have_is_refused(#[case] reset: Reset, #[case] says: &str) {
        let error = plan(&reset, &kafka(), &leases()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
