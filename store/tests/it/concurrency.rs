//! Consumers that meet in the same rows wait for each other, and only ever in one direction.

use crate::support::*;
use chrono::TimeDelta;
use domain::Event;
use sqlx::PgPool;
use std::collections::BTreeSet;
use store::{IngestError, Lease, Store};

#[sqlx::test(migrations = "../migrations")]
async fn of_many_that_acquire_at_once_exactly_one_may_write(pool: PgPool) {
    let store = store(&pool).await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        racers.spawn(async move { acquire(&store, 0).await });
    }
    let leases = racers.join_all().await;
    let epochs: BTreeSet<i64> = leases.iter().map(|lease| lease.epoch).collect();
    assert_eq!(epochs, (1..=8).collect());

    let mut written = 0;
    for (n, lease) in (0..).zip(&leases) {
        match store.ingest(&batch(0, lease, vec![cart_event(n)], 0)).await {
            Ok(_) => written += 1,
            Err(IngestError::Fenced) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(written, 1);
    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 1);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn the_same_batch_sent_twice_at_once_is_written_once(pool: PgPool) {
    let store = store(&pool).await;
    for round in 0..20 {
        let lease = acquire(&store, 0).await;
        let events = (0..50).map(|n| cart_event(round * 50 + n)).collect();
        let batch = batch(0, &lease, events, 1);
        let (one, two) = tokio::join!(store.ingest(&batch), store.ingest(&batch));
        let fenced = [&one, &two]
            .iter()
            .filter(|outcome| matches!(outcome, Err(IngestError::Fenced)))
            .count();
        assert_eq!(fenced, 1, "{one:?} {two:?}");
    }
    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 1000);
    assert_eq!(books(&pool, BOOT).await, (1000, 0, 0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn two_partitions_with_the_same_client_ids_never_deadlock(pool: PgPool) {
    let store = store(&pool).await;
    let mut leases = [acquire(&store, 0).await, acquire(&store, 1).await];
    for round in 0..200 {
        let forwards: Vec<Event> = (0..40)
            .map(|n| by_client(cart_event(round * 40 + n)))
            .collect();
        let retried = |event: &Event| Event {
            received_at: event.received_at + TimeDelta::hours(1),
            ..event.clone()
        };
        let backwards: Vec<Event> = forwards.iter().rev().map(retried).collect();
        let [zero, one] = &mut leases;
        let (a, b) = tokio::join!(
            write(&store, 0, zero, forwards),
            write(&store, 1, one, backwards)
        );
        assert_eq!(a + b, 40, "in round {round}");
    }
    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 8000);
    assert_eq!(
        number(&pool, "SELECT count(*) FROM message_ids").await,
        8000
    );
    assert_eq!(
        number(&pool, "SELECT sum(events)::bigint FROM rollup_minute").await,
        8000
    );
    assert_eq!(books(&pool, BOOT).await, (8000, 8000, 0));
    store.close().await;
}

/// Writes the next batch of a partition and returns how many rows it made.
async fn write(store: &Store, partition: i32, lease: &mut Lease, events: Vec<Event>) -> u64 {
    let batch = batch(partition, lease, events, 0);
    let done = store.ingest(&batch).await.unwrap();
    lease.next = batch.to;
    done.stored
}
