//! From where a partition may be read on, or why it must not be, with the command that repairs it.
//!
//! A stored offset means something only in the topic in which it was counted. Where that is in doubt,
//! the partition halts: reading on could skip records, or repeat them under other offsets.

use domain::{LastSeen, NextOffset};
use store::{LastRecord, Lease};

/// What Kafka has of a partition now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The first record that is still there.
    pub low: NextOffset,
    /// The offset that the next record will get.
    pub high: NextOffset,
}

/// Where to read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The lease's epoch.
    pub epoch: i64,
    /// The offset that the next written batch begins at.
    pub next: NextOffset,
    /// The record before it, where Kafka still has it: it is read again first, and must be the same.
    pub verify: Option<LastRecord>,
}

impl Start {
    /// The offset to give to Kafka.
    pub fn position(&self) -> NextOffset {
        self.verify
            .map_or(self.next, |last| NextOffset(last.offset.0))
    }
}

/// Why a partition stands still, and what an operator can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// The lease's epoch at that time: a higher one means that somebody repaired it.
    pub epoch: i64,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub repair: String,
}

/// Decides from where to read on.
///
/// # Errors
/// The reason not to, with its repair.
pub fn decide(
    partition: i32,
    lease: &Lease,
    cluster_id: &str,
    kafka: Watermarks,
) -> Result<Start, Halt> {
    let Lease {
        epoch, next, last, ..
    } = *lease;
    let halt = |reason: String, repair: String| {
        Err(Halt {
            epoch,
            reason,
            repair,
        })
    };
    let Watermarks { low, high } = kafka;
    if lease.cluster_id != cluster_id {
        return halt(
            format!(
                "the stored offset {next} was counted in Kafka cluster {}, and this is cluster {cluster_id}",
                lease.cluster_id
            ),
            format!(
                "if this Kafka is a new one, read it from its beginning: {}",
                reset(partition, "beginning", true)
            ),
        );
    }
    if next > high {
        return halt(
            format!(
                "the stored offset {next} is after the partition's end {high}: the topic was created anew, or lost records"
            ),
            format!(
                "if it was created anew, read it from its beginning: {}",
                reset(partition, "beginning", true)
            ),
        );
    }
    if next < low {
        return halt(
            format!(
                "Kafka deleted records that were never read: the stored offset is {next}, the first record left is {low} ({} lost)",
                low.0 - next.0
            ),
            format!(
                "to go on without them: {}",
                reset(partition, "beginning", false)
            ),
        );
    }
    // A replay's offset has another record before it than the last one written; then there is none.
    let verify = last.filter(|last| last.offset.next() == next && last.offset.0 >= low.0);
    Ok(Start {
        epoch,
        next,
        verify,
    })
}

/// What to do about a partition that Kafka does not have any more.
pub fn give_up(partition: i32) -> String {
    format!(
        "if the topic was created anew with fewer, give it up: {}",
        reset(partition, "beginning", true)
    )
}

/// The halt of a partition in which another record stands where the last one was.
pub fn another_record(partition: i32, epoch: i64, offset: LastSeen) -> Halt {
    Halt {
        epoch,
        reason: format!(
            "at offset {offset} stands another record than the one that was read there: the topic was created anew"
        ),
        repair: format!(
            "to read the new topic from its beginning: {}",
            reset(partition, "beginning", true)
        ),
    }
}

/// The halt of a partition from which Kafka's client could not read everything.
///
/// `to` is the first record after it that could be read; without one, nothing after it could.
pub fn unreadable(partition: i32, epoch: i64, from: NextOffset, to: Option<LastSeen>) -> Halt {
    let (range, on) = match to {
        Some(to) => (
            format!("the records from offset {from} up to {to}, which is not one of them,"),
            to.to_string(),
        ),
        None => (
            format!("the records from offset {from} on"),
            "end".to_owned(),
        ),
    };
    Halt {
        epoch,
        reason: format!(
            "{range} cannot be read: they are damaged, or written in a way that this build does not know"
        ),
        repair: format!(
            "let another copy of the partition lead, or start a newer consumer; to go on without them: {}",
            reset(partition, &on, false)
        ),
    }
}

/// The command by which a partition that stands still tries again from where it stands.
pub fn try_again(partition: i32, next: NextOffset) -> String {
    reset(partition, &next.to_string(), false)
}

/// The command that moves a partition.
fn reset(partition: i32, to: &str, recreated: bool) -> String {
    let recreated = if recreated { " --recreated" } else { "" };
    format!(
        "cargo run -p consumer -- offsets reset --partition {partition} --to {to}{recreated} --yes"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn lease(next: i64, last: Option<i64>) -> Lease {
        Lease {
            epoch: 3,
            next: NextOffset(next),
            last: last.map(|offset| LastRecord {
                offset: LastSeen(offset),
                time_ms: 1,
                hash: 2,
            }),
            cluster_id: "ours".to_owned(),
        }
    }

    fn kafka(low: i64, high: i64) -> Watermarks {
        Watermarks {
            low: NextOffset(low),
            high: NextOffset(high),
        }
    }

    #[rstest]
    #[case::nothing_yet(lease(0, None), kafka(0, 0), 0)]
    #[case::first_contact_at_the_low_watermark(lease(7, None), kafka(7, 9), 7)]
    #[case::the_last_record_is_read_again(lease(8, Some(7)), kafka(0, 9), 7)]
    #[case::at_the_end(lease(9, Some(8)), kafka(0, 9), 8)]
    #[case::the_last_record_is_gone_by_retention(lease(8, Some(7)), kafka(8, 9), 8)]
    #[case::a_replay_has_no_record_before_it(lease(3, Some(7)), kafka(0, 9), 3)]
    fn reading_goes_on(#[case] lease: Lease, #[case] kafka: Watermarks, #[case] position: i64) {
        let start = decide(2, &lease, "ours", kafka).unwrap();
        assert_eq!((start.epoch, start.next), (3, lease.next));
        assert_eq!(start.position(), NextOffset(position));
    }

    #[rstest]
    #[case::retention_went_past(
        lease(4, Some(3)),
        kafka(6, 9),
        "ours",
        "2 lost",
        "--to beginning --yes"
    )]
    #[case::the_topic_is_shorter(
        lease(4, None),
        kafka(0, 3),
        "ours",
        "after the partition's end 3",
        "--to beginning --recreated --yes"
    )]
    #[case::another_cluster(
        lease(4, None),
        kafka(0, 9),
        "theirs",
        "cluster theirs",
        "--partition 2 --to beginning --recreated --yes"
    )]
    fn a_doubtful_offset_halts_with_its_repair(
        #[case] lease: Lease,
        #[case] kafka: Watermarks,
        #[case] cluster: &str,
        #[case] reason: &str,
        #[case] repair: &str,
    ) {
        let halt = decide(2, &lease, cluster, kafka).unwrap_err();
        assert!(halt.reason.contains(reason), "{}", halt.reason);
        assert!(halt.repair.contains(repair), "{}", halt.repair);
        assert_eq!(halt.epoch, 3);
    }

    #[test]
    fn what_cannot_be_read_halts_with_both_offsets_and_its_repair() {
        let halt = unreadable(2, 3, NextOffset(5), Some(LastSeen(8)));
        assert!(
            halt.reason.contains("from offset 5 up to 8"),
            "{}",
            halt.reason
        );
        assert!(
            halt.repair.contains("--partition 2 --to 8 --yes"),
            "{}",
            halt.repair
        );
        let halt = unreadable(2, 3, NextOffset(5), None);
        assert!(halt.repair.contains("--to end --yes"), "{}", halt.repair);
    }

    proptest! {
        /// Nothing is skipped and nothing unread is passed over, whatever the numbers.
        #[test]
        fn a_start_lies_within_what_kafka_has(next in 0_i64..50, last in proptest::option::of(0_i64..50), low in 0_i64..50, more in 0_i64..50) {
            let kafka = kafka(low, low + more);
            if let Ok(start) = decide(0, &lease(next, last), "ours", kafka) {
                prop_assert_eq!(start.next, NextOffset(next));
                prop_assert!(start.position() <= start.next);
                prop_assert!(start.position() >= kafka.low && start.position() <= kafka.high);
            } else {
                prop_assert!(next < low || next > low + more);
            }
        }
    }
}
