//! Tables and partitions are made once, whoever asks, however often.

use crate::support::*;
use chrono::TimeDelta;
use sqlx::PgPool;
use store::{StoreError, StoreOptions};

#[sqlx::test]
async fn migrating_twice_and_at_once_does_it_once(pool: PgPool) {
    let store = connect(&pool, &StoreOptions::default());
    assert!(!store.schema_is_current().await.unwrap());
    let (a, b, c) = tokio::join!(store.migrate(), store.migrate(), store.migrate());
    a.and(b).and(c).unwrap();
    assert!(store.schema_is_current().await.unwrap());
    store.migrate().await.unwrap();
    assert_eq!(
        number(&pool, "SELECT count(*) FROM partition_leases").await,
        0
    );
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn the_schema_is_not_current_before_the_last_migration_or_with_another_text(pool: PgPool) {
    let store = connect(&pool, &StoreOptions::default());
    assert!(store.schema_is_current().await.unwrap());
    sqlx::query("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1")
        .execute(&pool)
        .await
        .unwrap();
    let changed = store.schema_is_current().await;
    assert!(matches!(changed, Err(StoreError::Broken(_))), "{changed:?}");
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 1")
        .execute(&pool)
        .await
        .unwrap();
    assert!(!store.schema_is_current().await.unwrap());
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn partitions_are_made_once_and_reach_far_enough(pool: PgPool) {
    let store = connect(&pool, &StoreOptions::default());
    let (a, b) = tokio::join!(
        store.ensure_partitions(noon()),
        store.ensure_partitions(noon())
    );
    assert_eq!(a.unwrap() + b.unwrap(), 48);
    assert_eq!(store.ensure_partitions(noon()).await.unwrap(), 0);
    assert_eq!(
        store
            .ensure_partitions(noon() + TimeDelta::days(2))
            .await
            .unwrap(),
        2
    );
    let attached = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass";
    assert_eq!(number(&pool, attached).await, 50);
    // Each has the key, both BRINs and the shop's views of its parent.
    let indexes = "SELECT count(*) FROM pg_inherits WHERE inhparent IN (
                       SELECT indexrelid FROM pg_index WHERE indrelid = 'events'::regclass)";
    assert_eq!(number(&pool, indexes).await, 200);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn midnight_belongs_to_the_new_day_in_utc(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let midnight = domain::Event {
        received_at: "2026-03-16T00:00:00Z".parse().unwrap(),
        ..cart_event(1)
    };
    let before = domain::Event {
        received_at: midnight.received_at - TimeDelta::microseconds(1),
        ..cart_event(2)
    };
    store
        .ingest(&batch(0, &lease, vec![midnight, before], 0))
        .await
        .unwrap();
    assert_eq!(
        number(&pool, "SELECT count(*) FROM events_20260315").await,
        1
    );
    assert_eq!(
        number(&pool, "SELECT count(*) FROM events_20260316").await,
        1
    );
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn making_partitions_does_not_wait_for_readers_nor_writers(pool: PgPool) {
    let store = store(&pool).await;
    let mut busy = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE events IN ROW EXCLUSIVE MODE")
        .execute(&mut *busy)
        .await
        .unwrap();
    let later = noon() + TimeDelta::days(1);
    assert_eq!(store.ensure_partitions(later).await.unwrap(), 1);
    busy.rollback().await.unwrap();
    store.close().await;
}
