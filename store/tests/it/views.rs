//! What the shop and the tracker both saw is one row; what only the shop saw is counted as that.

use crate::support::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Event, Source};
use sqlx::{AssertSqlSafe, PgPool};
use store::{ShopViews, Store, StoreOptions};
use uuid::Uuid;

/// A page view as the shop counts it.
fn by_shop(n: u32) -> Event {
    by_client(page_view(n, "/cart"))
}

/// The same as its page's tracker tells it, `later` by so many seconds.
fn by_tracker(n: u32, later: i64) -> Event {
    Event {
        source: Source::Tracker,
        received_at: noon() + TimeDelta::seconds(later),
        ..by_shop(n)
    }
}

/// Writes events to a partition, each by itself or all in one batch.
async fn write(store: &Store, partition: i32, events: Vec<Event>) {
    let lease = acquire(store, partition).await;
    store
        .ingest(&batch(partition, &lease, events, 0))
        .await
        .unwrap();
}

async fn views(store: &Store, until: DateTime<Utc>, limit: u32) -> (u64, u64) {
    let since = noon() - TimeDelta::hours(1);
    let ShopViews { among, server_only } = store.shop_views(since, until, limit).await.unwrap();
    (among, server_only)
}

/// Later than anything here is stored.
fn later() -> DateTime<Utc> {
    Utc::now() + TimeDelta::hours(1)
}

#[sqlx::test(migrations = "../migrations")]
async fn what_both_saw_is_one_row_and_what_only_the_server_saw_is_told(pool: PgPool) {
    let store = store(&pool).await;
    assert_eq!(views(&store, later(), 10).await, (0, 0));
    write(&store, 0, vec![by_shop(1), by_shop(2)]).await;
    assert_eq!(views(&store, later(), 10).await, (2, 2));
    write(&store, 0, vec![by_tracker(1, 1)]).await;
    assert_eq!(views(&store, later(), 10).await, (2, 1));
    // A tracker that heard no answer tells again, and what happens in one batch is the same.
    let tries = vec![
        by_shop(3),
        by_tracker(3, 1),
        by_tracker(1, 2),
        by_tracker(3, 2),
    ];
    write(&store, 0, tries).await;
    assert_eq!(views(&store, later(), 10).await, (3, 1));
    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 3);
    // The books: every acknowledgement is a row or a duplicate.
    assert_eq!(books(&pool, BOOT).await, (3, 4, 0));
    let sources = "SELECT count(*) FROM events WHERE source = 'shop'";
    assert_eq!(number(&pool, sources).await, 3);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn only_what_the_shop_itself_has_counted_is_looked_at(pool: PgPool) {
    let store = store(&pool).await;
    let others = vec![
        // Seen by the tracker alone, told twice.
        by_tracker(1, 0),
        by_tracker(1, 1),
        // Counted before pages had ids, or anything else than a view.
        page_view(2, "/"),
        by_client(cart_event(3)),
        // A program's.
        Event {
            user_agent: Some("curl/8.7.1".into()),
            ..by_shop(7)
        },
        // Another site's.
        Event {
            source: Source::Segment,
            ..by_shop(4)
        },
        // Out of the time that is asked for.
        Event {
            received_at: noon() - TimeDelta::hours(2),
            ..by_shop(5)
        },
    ];
    write(&store, 0, others).await;
    assert_eq!(views(&store, later(), 10).await, (0, 0));
    // Where the tracker's word came first, the row is its own.
    write(&store, 1, vec![by_tracker(6, 0), by_shop(6)]).await;
    assert_eq!(views(&store, later(), 10).await, (0, 0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn kafkas_second_copy_and_a_replay_are_no_word_of_the_tracker(pool: PgPool) {
    let store = store(&pool).await;
    let copies = vec![by_shop(1), by_shop(1), by_shop(2), by_tracker(2, 1)];
    write(&store, 0, copies.clone()).await;
    assert_eq!(views(&store, later(), 10).await, (2, 1));
    let before = everything_but_leases(&pool).await;
    write(&store, 0, copies).await;
    assert_eq!(everything_but_leases(&pool).await, before);
    assert_eq!(views(&store, later(), 10).await, (2, 1));
    store.close().await;
}

async fn everything_but_leases(pool: &PgPool) -> serde_json::Value {
    let mut all = everything(pool).await;
    all.as_object_mut().unwrap().remove("leases");
    all
}

#[sqlx::test(migrations = "../migrations")]
async fn the_newest_are_looked_at_once_they_are_old_enough(pool: PgPool) {
    let store = store(&pool).await;
    write(&store, 0, (0..5).map(by_shop).collect()).await;
    write(&store, 0, vec![by_tracker(3, 1), by_tracker(4, 1)]).await;
    // As if they had been written a second apart, the first at noon.
    sqlx::query(
        "UPDATE events SET stored_at = $1 + extract(microseconds FROM received_at) * interval '1 s'",
    )
    .bind(noon())
    .execute(&pool)
    .await
    .unwrap();
    let at = |seconds| noon() + TimeDelta::seconds(seconds);
    for (until, limit, told) in [
        (at(-1), 10, (0, 0)),
        (at(2), 10, (3, 3)),
        (at(3), 10, (4, 3)),
        (at(4), 10, (5, 3)),
        (at(4), 2, (2, 0)),
        (at(4), 3, (3, 1)),
    ] {
        assert_eq!(views(&store, until, limit).await, told, "{until}, {limit}");
    }
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn copied_batches_tell_the_same(pool: PgPool) {
    let options = StoreOptions {
        copy_from: 1,
        ..StoreOptions::default()
    };
    let store = connect(&pool, &options);
    store.ensure_partitions(noon()).await.unwrap();
    let seen = (0..50).flat_map(|n| [by_shop(n), by_tracker(n, 1)]);
    let unseen = (50..60).map(by_shop);
    write(&store, 0, seen.chain(unseen).collect()).await;
    assert_eq!(views(&store, later(), 100).await, (60, 10));
    assert_eq!(books(&pool, BOOT).await, (60, 50, 0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn the_newest_are_found_without_reading_the_rest(pool: PgPool) {
    let store = store(&pool).await;
    // Other events by the thousand, and views among them.
    let many = (0..6_000).map(|n| {
        if n % 3 == 0 {
            by_shop(n)
        } else {
            cart_event(n)
        }
    });
    write(&store, 0, many.collect()).await;
    sqlx::query("ANALYZE events").execute(&pool).await.unwrap();
    let query = include_str!("../../queries/shop_views.sql")
        .replace("$1", "'2026-03-15 00:00:00+00'")
        .replace("$2", "now()")
        .replace("$3", "100");
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {query}")))
        .fetch_all(&pool)
        .await
        .unwrap();
    let plan = plan.join("\n");
    let by_index = "Index Scan Backward using events_20260315_stored_at";
    assert!(plan.contains(by_index), "{plan}");
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_view_is_known_by_its_id_whoever_else_it_was_sent_with(pool: PgPool) {
    let store = store(&pool).await;
    let stranger = Event {
        event_id: Uuid::from_u128(77),
        ..by_tracker(1, 1)
    };
    write(&store, 0, vec![by_shop(1), stranger]).await;
    assert_eq!(views(&store, later(), 10).await, (1, 1));
    store.close().await;
}
