use super::*;
use crate::source::tests::record;
use proptest::prelude::*;
use std::sync::Arc;

fn start(next: i64, verify: Option<LastRecord>) -> Start {
    Start {
        epoch: 1,
        next: NextOffset(next),
        verify,
    }
}

fn inbox(next: i64, limits: Limits) -> Inbox {
    Inbox::new(limits, &start(next, None), None)
}

#[test]
fn what_was_dealt_with_is_dropped() {
    let mut inbox = inbox(5, Limits::new(10));
    inbox.put(record(3, "old")).unwrap();
    inbox.put(record(5, "new")).unwrap();
    inbox.put(record(5, "again")).unwrap();
    let chunk = inbox.take(10).unwrap();
    assert_eq!(chunk.from, NextOffset(5));
    assert_eq!(chunk.records, [record(5, "new")]);
    assert!(inbox.take(10).is_none());
}

#[test]
fn the_last_record_must_be_the_same_and_is_not_written_again() {
    let last = record(4, "last").print();
    let mut same = Inbox::new(Limits::new(10), &start(5, Some(last)), None);
    same.put(record(4, "last")).unwrap();
    assert!(same.take(10).is_none());

    let mut other = Inbox::new(Limits::new(10), &start(5, Some(last)), None);
    assert_eq!(
        other.put(record(4, "other")),
        Err(Trouble::AnotherRecord(LastSeen(4)))
    );
}

#[test]
fn a_hole_is_believed_when_it_is_met_a_second_time() {
    let mut first = inbox(5, Limits::new(10));
    let Err(Trouble::Gap(gap)) = first.put(record(8, "far")) else {
        panic!("a hole was believed at once");
    };
    let mut second = Inbox::new(Limits::new(10), &start(5, None), Some(gap));
    assert_eq!(second.put(record(8, "far")), Ok(Some(gap)));
    let chunk = second.take(10).unwrap();
    assert_eq!(
        (chunk.from, chunk.records[0].offset),
        (NextOffset(5), LastSeen(8))
    );
}

#[test]
fn another_hole_is_not_believed_because_one_was() {
    let gap = Gap {
        expected: NextOffset(5),
        found: LastSeen(8),
    };
    let mut inbox = Inbox::new(Limits::new(10), &start(5, None), Some(gap));
    assert!(inbox.put(record(9, "further")).is_err());
}

#[test]
fn a_hole_is_read_past_only_when_everything_else_could_be_read() {
    let gap = Gap {
        expected: NextOffset(5),
        found: LastSeen(8),
    };
    let other = Gap {
        found: LastSeen(9),
        ..gap
    };
    for unreadable in [false, true] {
        assert_eq!(judge(gap, None, unreadable), Err(Trouble::Gap(gap)));
        assert_eq!(judge(gap, Some(other), unreadable), Err(Trouble::Gap(gap)));
    }
    assert_eq!(judge(gap, Some(gap), false), Ok(()));
    assert_eq!(
        judge(gap, Some(gap), true),
        Err(Trouble::Unreadable(gap)),
        "a damaged batch is never skipped"
    );
}

#[test]
fn a_record_that_joins_shows_that_the_damage_was_another_partitions() {
    let gap = Gap {
        expected: NextOffset(6),
        found: LastSeen(8),
    };
    let mailbox = Mailbox::new(Inbox::new(Limits::new(10), &start(5, None), Some(gap)));
    mailbox.unreadable();
    mailbox.put(record(4, "dealt with before")).unwrap();
    assert!(mailbox.is_unreadable());
    mailbox.put(record(5, "joins")).unwrap();
    assert!(!mailbox.is_unreadable());
    assert_eq!(mailbox.put(record(8, "far")).unwrap().hole, Some(gap));
}

#[test]
fn a_mailbox_whose_batch_is_being_written_is_not_idle() {
    let mailbox = Mailbox::new(inbox(0, Limits::new(10)));
    assert!(mailbox.is_idle());
    mailbox.put(record(0, "one")).unwrap();
    mailbox.take(10).unwrap();
    assert!(!mailbox.is_idle());
}

#[test]
fn a_batch_ends_at_its_bytes_but_holds_at_least_one_record() {
    let limits = Limits {
        batch_records: 10,
        batch_bytes: 1,
    };
    let mut inbox = inbox(0, limits);
    inbox.put(record(0, "large")).unwrap();
    inbox.put(record(1, "large")).unwrap();
    assert!(inbox.is_full());
    assert_eq!(inbox.take(10).unwrap().records.len(), 1);
    assert_eq!(inbox.take(10).unwrap().from, NextOffset(1));
    assert!(!inbox.is_full());
}

proptest! {
    /// However records come and batches go, the chunks join without a hole and hold each record once.
    #[test]
    fn chunks_join_and_hold_each_record_once(
        steps in proptest::collection::vec((any::<bool>(), 1_usize..8, 0_i64..4), 1..100),
    ) {
        let mut inbox = inbox(0, Limits::new(5));
        let (mut sent, mut got, mut at) = (0_i64, Vec::new(), NextOffset(0));
        for (put, at_most, back) in steps {
            if put {
                // Some records are repeated, as after a rebalance.
                for offset in (sent - back).max(0)..=sent {
                    inbox.put(record(offset, "x")).unwrap();
                }
                sent += 1;
            } else if let Some(chunk) = inbox.take(at_most) {
                prop_assert_eq!(chunk.from, at);
                prop_assert!(chunk.records.len() <= at_most.min(5));
                at = chunk.records.last().unwrap().offset.next();
                got.extend(chunk.records.iter().map(|r| r.offset.0));
            }
        }
        while let Some(chunk) = inbox.take(5) {
            got.extend(chunk.records.iter().map(|r| r.offset.0));
        }
        prop_assert_eq!(got, (0..sent).collect::<Vec<_>>());
        prop_assert_eq!(inbox.bytes, 0);
    }
}

#[tokio::test]
async fn a_writer_waits_for_records_and_ends_when_it_is_closed() {
    let mailbox = Arc::new(Mailbox::new(inbox(0, Limits::new(10))));
    let writer = tokio::spawn({
        let mailbox = mailbox.clone();
        async move {
            assert!(mailbox.filled().await);
            let first = mailbox.take(10).map(|chunk| chunk.records.len());
            (first, mailbox.filled().await)
        }
    });
    mailbox.put(record(0, "one")).unwrap();
    while !mailbox.lock().inbox.is_empty() {
        tokio::task::yield_now().await;
    }
    mailbox.close();
    assert_eq!(writer.await.unwrap(), (Some(1), false));
}

#[tokio::test]
async fn a_writer_of_a_backlog_waits_for_a_whole_batch_but_not_for_ever() {
    let mailbox = Arc::new(Mailbox::new(inbox(0, Limits::new(3))));
    mailbox.put(record(0, "one")).unwrap();
    mailbox.whole(Duration::from_millis(1)).await;
    let writer = tokio::spawn({
        let mailbox = mailbox.clone();
        async move {
            mailbox.whole(Duration::from_mins(1)).await;
            let chunk = mailbox.take(10).map(|chunk| chunk.records.len());
            mailbox.whole(Duration::from_mins(1)).await;
            chunk
        }
    });
    tokio::task::yield_now().await;
    mailbox.put(record(1, "two")).unwrap();
    tokio::task::yield_now().await;
    mailbox.put(record(2, "three")).unwrap();
    while !mailbox.lock().inbox.is_empty() {
        tokio::task::yield_now().await;
    }
    mailbox.close();
    assert_eq!(writer.await.unwrap(), Some(3));
}

#[test]
fn the_polling_thread_does_not_wait_for_room_for_ever() {
    let mailbox = Mailbox::new(inbox(0, Limits::new(1)));
    assert!(!mailbox.put(record(0, "one")).unwrap().full);
    assert!(mailbox.put(record(1, "two")).unwrap().full);
    assert!(!mailbox.wait_for_room(Duration::from_millis(1)));
    mailbox.lock().inbox.take(1);
    assert!(mailbox.wait_for_room(Duration::from_millis(1)));
}
