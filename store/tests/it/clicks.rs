//! The live counters' question: what is counted, up to where, for ever, and exactly once.

use crate::support::*;
use chrono::TimeDelta;
use domain::{Event, EventType, NextOffset};
use sqlx::PgPool;
use store::{Store, StoreOptions, StoredClicks};

const TYPES: [&str; 3] = ["item_click", "add_to_cart", "buy"];

fn click(n: u32, event_type: &str, count: i32) -> Event {
    Event {
        event_type: EventType::parse(event_type).unwrap(),
        count,
        ..page_view(n, "/")
    }
}

async fn clicks(store: &Store) -> Vec<u64> {
    store.clicks("clickstream", &TYPES).await.unwrap().clicks
}

#[sqlx::test(migrations = "../migrations")]
async fn clicks_are_summed_by_type_with_the_place_that_they_reach(pool: PgPool) {
    let store = store(&pool).await;
    let nothing = StoredClicks {
        clicks: vec![0, 0, 0],
        next: vec![],
    };
    assert_eq!(store.clicks("clickstream", &TYPES).await.unwrap(), nothing);
    let lease = acquire(&store, 2).await;
    let events = vec![
        click(1, "item_click", 1),
        click(2, "item_click", 41),
        cart_event(3),
        click(4, "page_view", 7),
    ];
    store.ingest(&batch(2, &lease, events, 1)).await.unwrap();
    let other = acquire(&store, 5).await;
    let events = vec![click(5, "buy", i32::MAX), click(6, "item_click", 1)];
    store.ingest(&batch(5, &other, events, 0)).await.unwrap();

    let stored = store.clicks("clickstream", &TYPES).await.unwrap();

    assert_eq!(stored.clicks, [43, 1, 2_147_483_647]);
    assert_eq!(stored.next.len(), 6);
    assert_eq!(stored.next[2], (2, NextOffset(5)));
    assert_eq!(stored.next[5], (5, NextOffset(2)));
    let asked = store.clicks("clickstream", &["buy", "unheard of"]).await;
    assert_eq!(asked.unwrap().clicks, [2_147_483_647, 0]);
    // The clicks are those of all topics, the places those of one.
    let elsewhere = store.clicks("elsewhere", &TYPES).await.unwrap();
    assert_eq!((elsewhere.clicks, elsewhere.next), (stored.clicks, vec![]));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_retry_and_a_replay_count_nothing(pool: PgPool) {
    // Written by the statement alone, and by COPY first.
    for (partition, copy_from) in [(0, usize::MAX), (1, 1)] {
        store(&pool).await.close().await;
        let options = StoreOptions {
            copy_from,
            ..StoreOptions::default()
        };
        let store = connect(&pool, &options);
        let before = clicks(&store).await;
        let first = by_client(click(10 + u32::try_from(partition).unwrap(), "buy", 3));
        let again = Event {
            received_at: first.received_at + TimeDelta::minutes(1),
            ..first.clone()
        };
        let lease = acquire(&store, partition).await;
        let batch = batch(partition, &lease, vec![first, again], 0);
        store.ingest(&batch).await.unwrap();
        sqlx::query("UPDATE partition_leases SET next_offset = 0")
            .execute(&pool)
            .await
            .unwrap();
        let lease = acquire(&store, partition).await;
        let replayed = store::Batch {
            epoch: lease.epoch,
            ..batch
        };
        store.ingest(&replayed).await.unwrap();
        assert_eq!(clicks(&store).await[2], before[2] + 3);
        store.close().await;
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn counts_survive_the_end_of_minutes_and_of_events(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let events = (0..5).map(|n| click(n, "item_click", 2)).collect();
    store.ingest(&batch(0, &lease, events, 0)).await.unwrap();
    sqlx::raw_sql("DELETE FROM rollup_minute; DELETE FROM events")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(clicks(&store).await, [10, 0, 0]);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn what_was_counted_before_there_was_such_a_table_is_taken_over(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 3).await;
    let events = vec![
        click(1, "buy", 2),
        Event {
            occurred_at: noon() - TimeDelta::days(3),
            ..click(2, "buy", 5)
        },
    ];
    store.ingest(&batch(3, &lease, events, 0)).await.unwrap();
    let before = everything(&pool).await;
    // As the tables were, with what was in them.
    sqlx::raw_sql(
        "DROP TABLE rollup_ever;
         ALTER TABLE events DROP COLUMN browser, DROP COLUMN system, DROP COLUMN device, DROP COLUMN bot;
         ALTER TABLE rollup_minute DROP COLUMN bot;
         ALTER TABLE rollup_minute
             ADD CONSTRAINT rollup_minute_pkey PRIMARY KEY (bucket, type, kafka_partition);",
    )
    .execute(&pool)
    .await
    .unwrap();
    for migration in [
        include_str!("../../../migrations/0015_rollup_ever.sql"),
        include_str!("../../../migrations/0016_agents.sql"),
    ] {
        let mut transaction = pool.begin().await.unwrap();
        sqlx::raw_sql(migration)
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }
    assert_eq!(everything(&pool).await, before);
    assert_eq!(clicks(&store).await, [0, 0, 7]);
    store.close().await;
}
