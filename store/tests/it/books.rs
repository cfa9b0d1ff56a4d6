//! What the collectors acknowledged is stored, a duplicate, rejected, expired, on its way, or lost; nothing else.

use crate::support::*;
use chrono::TimeDelta;
use domain::report::{BootReport, CollectorReport, Placed, SpoolReport};
use domain::{Event, LastSeen, NextOffset, Source};
use sqlx::PgPool;
use store::{Balance, Batch, DirectCounts, IngestError, SpoolBalance, Store};
use uuid::Uuid;

/// A report of the boot about itself: events by partition, with the last offset.
fn report(places: &[(i32, u64, i64)]) -> CollectorReport {
    let total = places.iter().map(|(_, events, _)| events).sum();
    CollectorReport {
        reporter: BOOT,
        reported_at: noon(),
        spool: None,
        boots: vec![BootReport {
            boot: BOOT,
            acknowledged: [(Source::Shop, total)].into(),
            places: places
                .iter()
                .map(|&(partition, events, last)| {
                    let last = LastSeen(last);
                    (partition, Placed { events, last })
                })
                .collect(),
        }],
    }
}

/// Writes events to a partition and lets the lease end up to `skipped` records further.
async fn write(store: &Store, partition: i32, events: Vec<Event>, skipped: i64) {
    let lease = acquire(store, partition).await;
    let mut batch = batch(partition, &lease, events, 0);
    batch.to = NextOffset(batch.to.0 + skipped);
    batch.last.offset = LastSeen(batch.to.0 - 1);
    store.ingest(&batch).await.unwrap();
}

/// A report comes by a partition of its own.
async fn tell(store: &Store, reports: Vec<CollectorReport>) {
    let lease = acquire(store, 5).await;
    let mut batch = Batch {
        reports,
        ..batch(5, &lease, vec![], 0)
    };
    batch.to = NextOffset(batch.from.0 + 1);
    store.ingest(&batch).await.unwrap();
}

/// The books, which must always add up.
async fn balance(store: &Store) -> Balance {
    let books = store.balance("clickstream").await.unwrap();
    let outcomes = books.stored + books.duplicate + books.rejected + books.expired;
    assert_eq!(
        books.acknowledged + books.unreported,
        outcomes + books.in_flight + books.lost,
        "{books:?}"
    );
    let by_source: u64 = books.by_source.iter().map(|(_, events)| events).sum();
    assert_eq!(by_source, books.acknowledged);
    books
}

#[sqlx::test(migrations = "../migrations")]
async fn the_books_of_nothing_are_even(pool: PgPool) {
    let store = store(&pool).await;
    assert_eq!(balance(&store).await, Balance::default());
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn what_was_reported_and_counted_is_even(pool: PgPool) {
    let store = store(&pool).await;
    let retry = Event {
        received_at: noon() + TimeDelta::hours(1),
        ..by_client(cart_event(2))
    };
    write(
        &store,
        0,
        vec![cart_event(1), by_client(cart_event(2)), retry],
        0,
    )
    .await;
    let lease = acquire(&store, 1).await;
    let mut one = batch(1, &lease, vec![cart_event(3)], 2);
    one.rejects[0].boot = Some(BOOT);
    store.ingest(&one).await.unwrap();
    let nobody = Event {
        boot: None,
        ..cart_event(4)
    };
    write(&store, 2, vec![nobody], 0).await;
    tell(&store, vec![report(&[(0, 3, 2), (1, 2, 1)])]).await;

    let expected = Balance {
        by_source: vec![("shop".into(), 5)],
        acknowledged: 5,
        stored: 3,
        duplicate: 1,
        rejected: 1,
        direct: DirectCounts {
            stored: 1,
            rejected: 1,
            ..DirectCounts::default()
        },
        reported_at: Some(noon()),
        ..Balance::default()
    };
    assert_eq!(balance(&store).await, expected);
    assert!(expected.is_even());
    let elsewhere = store.balance("another topic").await.unwrap();
    assert_eq!(elsewhere, Balance::default());
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn what_was_counted_before_its_report_is_unreported_for_a_while(pool: PgPool) {
    let store = store(&pool).await;
    write(&store, 0, vec![cart_event(1), cart_event(2)], 0).await;
    let before = balance(&store).await;
    assert_eq!((before.acknowledged, before.unreported), (0, 2));
    tell(&store, vec![report(&[(0, 1, 0)])]).await;
    assert_eq!(balance(&store).await.unreported, 1);
    tell(&store, vec![report(&[(0, 2, 1)])]).await;
    let after = balance(&store).await;
    assert_eq!((after.acknowledged, after.unreported), (2, 0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_lost_event_is_in_flight_until_its_place_was_read_and_lost_from_then_on(pool: PgPool) {
    let store = store(&pool).await;
    // Kafka took three at 0 to 2; the one at 1 never comes.
    tell(&store, vec![report(&[(0, 3, 2)])]).await;
    let unread = balance(&store).await;
    assert_eq!((unread.in_flight, unread.lost), (3, 0));
    write(&store, 0, vec![cart_event(1)], 1).await;
    let not_yet = balance(&store).await;
    assert_eq!((not_yet.in_flight, not_yet.lost), (2, 0));
    write(&store, 0, vec![cart_event(3)], 0).await;
    let read = balance(&store).await;
    assert_eq!((read.stored, read.in_flight, read.lost), (2, 0, 1));
    assert!(!read.is_even());
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_redelivery_does_not_hide_a_loss(pool: PgPool) {
    let store = store(&pool).await;
    tell(&store, vec![report(&[(0, 2, 2)])]).await;
    // The first of them twice, the second never.
    write(&store, 0, vec![cart_event(1), cart_event(1)], 1).await;
    let books = balance(&store).await;
    assert_eq!((books.stored, books.duplicate, books.lost), (1, 0, 1));
    store.close().await;
}

/// The id of a spool.
const SPOOL: Uuid = Uuid::from_u128(77);

/// A report of the spool: what boots put into it, how much of that it brought to partition 0, up to which offset, and
/// how much it finds on its disk.
fn spooled(second: i64, boots: &[(Uuid, u64, u64, i64)], waiting: u64) -> CollectorReport {
    CollectorReport {
        reporter: SPOOL,
        reported_at: noon() + TimeDelta::seconds(second),
        spool: Some(SpoolReport {
            id: SPOOL,
            waiting_events: waiting,
            waiting_bytes: waiting * 100,
        }),
        boots: (boots.iter())
            .map(|&(boot, taken, events, last)| BootReport {
                boot,
                acknowledged: [(Source::Shop, taken)].into(),
                places: (events > 0)
                    .then_some((
                        0,
                        Placed {
                            events,
                            last: LastSeen(last),
                        },
                    ))
                    .into_iter()
                    .collect(),
            })
            .collect(),
    }
}

/// In flight, of that on disks, and lost.
async fn on_the_way(store: &Store) -> (u64, u64, u64) {
    let books = balance(store).await;
    (books.in_flight, books.spooled, books.lost)
}

#[sqlx::test(migrations = "../migrations")]
async fn an_older_report_never_wins_and_a_second_copy_changes_nothing(pool: PgPool) {
    let store = store(&pool).await;
    let at = |second, brought: u64, waiting| {
        let last = i64::try_from(brought).unwrap() - 1;
        spooled(second, &[(BOOT, brought + waiting, brought, last)], waiting)
    };
    let (older, newer) = (at(1, 2, 5), at(2, 6, 3));
    tell(&store, vec![newer.clone()]).await;
    let told = balance(&store).await;
    assert_eq!(
        (told.acknowledged, told.spooled, told.in_flight),
        (9, 3, 6 + 3)
    );
    assert_eq!(told.reported_at, Some(newer.reported_at));

    for again in [
        vec![older.clone()],
        vec![newer.clone()],
        vec![newer, older.clone(), older],
    ] {
        tell(&store, again).await;
        assert_eq!(balance(&store).await, told);
    }
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn what_waits_on_a_disk_is_in_flight_until_it_is_drained(pool: PgPool) {
    let store = store(&pool).await;
    write(&store, 0, vec![cart_event(1)], 0).await;
    tell(
        &store,
        vec![report(&[(0, 1, 0)]), spooled(1, &[(BOOT, 3, 0, 0)], 3)],
    )
    .await;
    let waiting = balance(&store).await;
    assert_eq!(
        (waiting.acknowledged, waiting.spooled, waiting.in_flight),
        (4, 3, 3)
    );
    tell(&store, vec![spooled(2, &[(BOOT, 3, 2, 2)], 1)]).await;
    let drained = balance(&store).await;
    assert_eq!(
        (drained.spooled, drained.in_flight, drained.lost),
        (1, 3, 0)
    );
    write(&store, 0, vec![cart_event(2), cart_event(3)], 0).await;
    let read = balance(&store).await;
    assert_eq!((read.stored, read.in_flight, read.lost), (3, 1, 0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn what_is_gone_from_a_disk_is_lost_as_soon_as_its_spool_says_what_is_left(pool: PgPool) {
    let store = store(&pool).await;
    tell(&store, vec![spooled(1, &[(BOOT, 10, 4, 3)], 6)]).await;
    write(&store, 0, (1..=4).map(cart_event).collect(), 0).await;
    assert_eq!(on_the_way(&store).await, (6, 6, 0));
    // The next process finds four of the six.
    tell(&store, vec![spooled(2, &[(BOOT, 8, 4, 3)], 4)]).await;
    assert_eq!(on_the_way(&store).await, (4, 4, 2));
    // And brings them to Kafka, beside others.
    let own = Uuid::from_u128(5);
    let both = |brought: u64| [(BOOT, 8, 4 + brought, 7), (own, 3, 0, 0)];
    tell(&store, vec![spooled(3, &both(3), 1 + 3)]).await;
    assert_eq!(on_the_way(&store).await, (3 + 4, 4, 2));
    tell(&store, vec![spooled(4, &both(4), 3)]).await;
    write(&store, 0, (5..=8).map(cart_event).collect(), 0).await;
    assert_eq!(on_the_way(&store).await, (3, 3, 2));
    let books = balance(&store).await;
    assert!(!books.is_even());
    assert_eq!(
        books.spools,
        [SpoolBalance {
            spool: SPOOL,
            waiting: 3,
            gone: 2,
            reported_at: noon() + TimeDelta::seconds(4),
        }]
    );
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn an_emptied_folder_says_that_nothing_waits_and_all_of_it_is_lost(pool: PgPool) {
    let store = store(&pool).await;
    tell(&store, vec![spooled(1, &[(BOOT, 3, 0, 0)], 3)]).await;
    assert_eq!(on_the_way(&store).await, (3, 3, 0));
    tell(&store, vec![spooled(2, &[], 0)]).await;
    assert_eq!(on_the_way(&store).await, (0, 0, 3));
    // The files were found and put back.
    tell(&store, vec![spooled(3, &[(BOOT, 3, 0, 0)], 3)]).await;
    assert_eq!(on_the_way(&store).await, (3, 3, 0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_spool_that_is_never_heard_again_stays_in_flight_and_has_a_name(pool: PgPool) {
    let store = store(&pool).await;
    tell(&store, vec![spooled(1, &[(BOOT, 3, 0, 0)], 3)]).await;
    // Its folder is gone with its machine: what comes instead has another id.
    let other = Uuid::from_u128(78);
    let mut next = spooled(9, &[(Uuid::from_u128(5), 1, 1, 0)], 0);
    next.reporter = other;
    next.spool.as_mut().unwrap().id = other;
    tell(&store, vec![next]).await;
    let books = balance(&store).await;
    assert_eq!((books.spooled, books.lost), (3, 0));
    assert_eq!(
        books.spools,
        [SpoolBalance {
            spool: SPOOL,
            waiting: 3,
            gone: 0,
            reported_at: noon() + TimeDelta::seconds(1),
        }]
    );
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn nothing_is_lost_while_a_spool_is_filled_drained_killed_and_taken_over(pool: PgPool) {
    let store = store(&pool).await;
    let own = Uuid::from_u128(5);
    // What a process says of itself, with what an older one adds of its spool: that is newer than the spool's totals.
    let of_process = |second, waiting| CollectorReport {
        reported_at: noon() + TimeDelta::seconds(second),
        spool: spooled(second, &[], waiting).spool,
        ..report(&[(1, 7, 6)])
    };
    let steps = [
        ("before anything", vec![spooled(1, &[], 0)], 0),
        ("filled", vec![spooled(2, &[(BOOT, 4, 0, 0)], 4)], 4),
        ("filled on", vec![spooled(3, &[(BOOT, 10, 0, 0)], 10)], 10),
        (
            "drained in part",
            vec![spooled(4, &[(BOOT, 10, 3, 2)], 7)],
            7,
        ),
        ("drained on, not told yet", vec![of_process(5, 2)], 7),
        // Killed with five in Kafka of which it told three; the successor finds them written down, and four more
        // events that the dead one did not come to tell.
        ("taken over", vec![spooled(6, &[(BOOT, 14, 5, 4)], 9)], 9),
        (
            "beside events of its own",
            vec![spooled(7, &[(BOOT, 14, 8, 8), (own, 2, 0, 0)], 8)],
            8,
        ),
        (
            "an older report comes late",
            vec![spooled(4, &[(BOOT, 10, 3, 2)], 7)],
            8,
        ),
        (
            "drained",
            vec![spooled(8, &[(BOOT, 14, 14, 20), (own, 2, 2, 21)], 0)],
            0,
        ),
        (
            "the dead one is forgotten",
            vec![spooled(9, &[(own, 2, 2, 21)], 0)],
            0,
        ),
        ("filled again", vec![spooled(10, &[(own, 5, 2, 21)], 3)], 3),
        // A machine without a clock that begins in the past.
        (
            "set back, filled on",
            vec![spooled(-900, &[(own, 9, 2, 21)], 7)],
            7,
        ),
        (
            "set back, drained",
            vec![spooled(-899, &[(own, 9, 9, 30)], 0)],
            0,
        ),
        (
            "several at once",
            vec![
                spooled(-890, &[(own, 12, 9, 30)], 3),
                spooled(-950, &[(own, 13, 12, 33)], 1),
            ],
            1,
        ),
    ];
    for (step, reports, waiting) in steps {
        tell(&store, reports).await;
        let books = balance(&store).await;
        assert_eq!((books.spooled, books.lost), (waiting, 0), "{step}");
    }
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_replay_leaves_the_books_as_they_were(pool: PgPool) {
    let store = store(&pool).await;
    let retry = Event {
        received_at: noon() + TimeDelta::hours(1),
        ..by_client(cart_event(1))
    };
    let events = vec![by_client(cart_event(1)), retry, cart_event(2)];
    write(&store, 0, events.clone(), 0).await;
    tell(&store, vec![report(&[(0, 3, 2)])]).await;
    let before = balance(&store).await;
    assert_eq!((before.stored, before.duplicate), (2, 1));
    store
        .reset_offset(&key(0), &holder("operator"), NextOffset(0), false)
        .await
        .unwrap();
    assert_eq!(balance(&store).await, before);
    write(&store, 0, events, 0).await;
    assert_eq!(balance(&store).await, before);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn what_an_operator_skips_expires_and_is_not_lost(pool: PgPool) {
    let store = store(&pool).await;
    let (zero, operator) = (key(0), holder("operator"));
    tell(&store, vec![report(&[(0, 4, 3)])]).await;
    write(&store, 0, vec![cart_event(1)], 0).await;
    // Records 1 to 5: three of the collector's, two of others.
    let skip = |to| store.reset_offset(&zero, &operator, NextOffset(to), false);
    skip(6).await.unwrap();
    let skipped = balance(&store).await;
    assert_eq!((skipped.expired, skipped.lost), (3, 0));
    assert_eq!(skipped.direct.expired, 2);

    // Back and forth over what was read, or skipped, before: nothing more expires.
    skip(0).await.unwrap();
    skip(6).await.unwrap();
    assert_eq!(balance(&store).await, skipped);

    // Another loss is one.
    tell(&store, vec![report(&[(0, 7, 8)])]).await;
    write(&store, 0, vec![cart_event(2)], 2).await;
    let later = balance(&store).await;
    assert_eq!(
        (later.expired, later.lost),
        (5, 0),
        "two more may be the skipped ones"
    );
    tell(&store, vec![report(&[(0, 8, 8)])]).await;
    assert_eq!(balance(&store).await.lost, 1);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn what_was_in_a_topic_that_was_recreated_expires(pool: PgPool) {
    let store = store(&pool).await;
    let operator = holder("operator");
    write(&store, 0, vec![cart_event(1)], 0).await;
    tell(&store, vec![report(&[(0, 3, 2), (1, 1, 0)])]).await;
    store
        .reset_offset(&key(0), &operator, NextOffset(0), true)
        .await
        .unwrap();
    let books = balance(&store).await;
    // Partition 1 was not reset: what it holds is still to come.
    assert_eq!((books.expired, books.in_flight, books.lost), (2, 1, 0));

    // The new topic's records count as ever.
    tell(&store, vec![report(&[(0, 4, 2), (1, 1, 0)])]).await;
    assert_eq!(balance(&store).await.in_flight, 2);
    write(&store, 0, vec![cart_event(2)], 2).await;
    let read = balance(&store).await;
    assert_eq!((read.stored, read.in_flight, read.lost), (2, 1, 0));

    // A report that came too late for the reset: the same reset again books the rest.
    tell(&store, vec![report(&[(0, 6, 2), (1, 1, 0)])]).await;
    assert_eq!(balance(&store).await.lost, 2);
    store
        .reset_offset(&key(0), &operator, NextOffset(0), true)
        .await
        .unwrap();
    let booked = balance(&store).await;
    assert_eq!((booked.expired, booked.lost), (4, 0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_loss_in_a_new_topic_is_one_long_before_it_has_grown_past_the_old_one(pool: PgPool) {
    let store = store(&pool).await;
    let zero = key(0);
    // The old topic's last record was 1,000; one of the three was read.
    write(&store, 0, vec![cart_event(1)], 1000).await;
    tell(&store, vec![report(&[(0, 1, 0)])]).await;
    tell(&store, vec![report(&[(0, 3, 1000)])]).await;
    let operator = holder("operator");
    store
        .reset_offset(&zero, &operator, NextOffset(0), true)
        .await
        .unwrap();
    let reset = balance(&store).await;
    assert_eq!((reset.expired, reset.in_flight, reset.lost), (2, 0, 0));

    // The collector goes on. At first it cannot tell the new topic's offsets from answers that come late.
    tell(&store, vec![report(&[(0, 4, 1000)])]).await;
    write(&store, 0, vec![cart_event(4)], 0).await;
    let early = balance(&store).await;
    assert_eq!((early.stored, early.in_flight, early.lost), (2, 0, 0));
    // Two more, at 3 and 5; the one at 3 never comes.
    tell(&store, vec![report(&[(0, 6, 5)])]).await;
    assert_eq!(balance(&store).await.in_flight, 2);
    write(&store, 0, vec![], 4).await;
    write(&store, 0, vec![cart_event(6)], 0).await;
    let read = balance(&store).await;
    assert_eq!((read.stored, read.in_flight, read.lost), (3, 0, 1));
    // A report of before, once more, changes nothing.
    tell(&store, vec![report(&[(0, 3, 1000)]), report(&[(0, 6, 5)])]).await;
    assert_eq!(balance(&store).await, read);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn what_was_in_a_partition_that_is_no_more_expires_and_its_lease_goes(pool: PgPool) {
    let store = store(&pool).await;
    let eight = key(8);
    write(&store, 8, vec![cart_event(1)], 0).await;
    tell(&store, vec![report(&[(0, 1, 0), (8, 3, 2)])]).await;
    assert_eq!(
        store.unread("clickstream").await.unwrap(),
        [(0, 1), (8, 2)].into()
    );
    assert_eq!(balance(&store).await.in_flight, 3);

    let holding = acquire(&store, 8).await;
    assert_eq!(store.give_up(&eight).await.unwrap(), Some(2));
    let books = balance(&store).await;
    assert_eq!(
        (books.stored, books.expired, books.in_flight, books.lost),
        (1, 2, 1, 0)
    );
    let leases = store.leases("clickstream").await.unwrap();
    assert!(leases.iter().all(|row| row.partition != 8) && leases.len() == 6);
    // Who held it writes nothing any more.
    let late = batch(8, &holding, vec![cart_event(2)], 0);
    let refused = store.ingest(&late).await.unwrap_err();
    assert!(matches!(refused, IngestError::Fenced), "{refused}");

    // A report that came too late: it is in flight until the same is done again.
    tell(&store, vec![report(&[(0, 1, 0), (8, 4, 3)])]).await;
    assert_eq!(balance(&store).await.in_flight, 2);
    assert_eq!(store.give_up(&eight).await.unwrap(), Some(1));
    assert_eq!(store.give_up(&eight).await.unwrap(), None);
    let booked = balance(&store).await;
    assert_eq!((booked.expired, booked.in_flight, booked.lost), (3, 1, 0));

    // Should the topic grow again, the partition begins anew.
    assert_eq!(acquire(&store, 8).await.next, NextOffset(0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn one_copy_that_took_another_way_is_no_loss(pool: PgPool) {
    let store = store(&pool).await;
    // Partitions were added: the copy that was acknowledged lies in 4, the one that was stored came by 0.
    write(&store, 0, vec![cart_event(1)], 0).await;
    write(&store, 4, vec![cart_event(1)], 0).await;
    tell(&store, vec![report(&[(4, 1, 0)])]).await;
    let books = balance(&store).await;
    assert_eq!((books.stored, books.unreported, books.lost), (1, 0, 0));
    store.close().await;
}
