//! The newest holder writes, from where the last one ended.

use crate::support::*;
use domain::NextOffset;
use sqlx::PgPool;
use store::{FirstContact, Holder, IngestError};

#[sqlx::test(migrations = "../migrations")]
async fn a_topic_never_seen_starts_at_its_low_watermarks_and_a_new_partition_at_zero(pool: PgPool) {
    let store = store(&pool).await;
    let mut first = FirstContact {
        lows: vec![(0, NextOffset(500)), (1, NextOffset(700))],
    };
    let zero = store.acquire(&key(0), &holder("a"), &first).await.unwrap();
    assert_eq!(
        (zero.epoch, zero.next, zero.last),
        (1, NextOffset(500), None)
    );
    assert_eq!(zero.cluster_id, "cluster-a");
    // Acquired later, yet not taken for a new partition.
    let one = store.acquire(&key(1), &holder("b"), &first).await.unwrap();
    assert_eq!(one.next, NextOffset(700));
    // Added since: what retention has left of it or not, it is read from its beginning.
    first.lows.push((2, NextOffset(3)));
    let two = store.acquire(&key(2), &holder("a"), &first).await.unwrap();
    assert_eq!(two.next, NextOffset(0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_partition_without_a_low_watermark_starts_at_zero(pool: PgPool) {
    let store = store(&pool).await;
    let lease = store
        .acquire(&key(9), &holder("a"), &FirstContact::default())
        .await
        .unwrap();
    assert_eq!(lease.next, NextOffset(0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn each_acquisition_fences_the_one_before(pool: PgPool) {
    let store = store(&pool).await;
    let old = acquire(&store, 0).await;
    let new = acquire(&store, 0).await;
    assert_eq!(new.epoch, old.epoch + 1);

    let zombie = store.ingest(&batch(0, &old, vec![cart_event(1)], 0)).await;
    assert!(matches!(zombie, Err(IngestError::Fenced)), "{zombie:?}");
    store
        .ingest(&batch(0, &new, vec![cart_event(1)], 0))
        .await
        .unwrap();
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn the_cluster_stays_what_it_was_when_another_one_knocks(pool: PgPool) {
    let store = store(&pool).await;
    acquire(&store, 0).await;
    let stranger = Holder {
        owner: "b".into(),
        cluster_id: "cluster-b".into(),
    };
    let lease = store
        .acquire(&key(0), &stranger, &from_zero())
        .await
        .unwrap();
    assert_eq!(lease.cluster_id, "cluster-a");
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn an_operator_sees_every_lease_of_the_topic(pool: PgPool) {
    let store = store(&pool).await;
    let lease = store
        .acquire(&key(1), &holder("host/42"), &from_zero())
        .await
        .unwrap();
    let written = batch(1, &lease, vec![cart_event(1)], 0);
    store.ingest(&written).await.unwrap();

    let rows = store.leases("clickstream").await.unwrap();

    assert_eq!(rows.len(), 6);
    assert_eq!((rows[0].partition, rows[0].owner.as_deref()), (0, None));
    assert_eq!(rows[1].owner.as_deref(), Some("host/42"));
    assert!(rows[1].acquired_at.is_some());
    assert_eq!(rows[1].lease.last, Some(written.last));
    assert!(store.leases("another").await.unwrap().is_empty());
    let missing = store
        .reset_offset(&key(50), &holder("x"), NextOffset(0), false)
        .await;
    assert_eq!(missing.unwrap(), None);
    store.close().await;
}
