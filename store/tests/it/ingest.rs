//! Rows, rejects, counts and offset come together, once, or not at all.

use crate::support::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Choice, Event, NextOffset};
use sqlx::PgPool;
use store::{Holder, IngestError, Ingested, Lease, Store};
use uuid::Uuid;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

#[sqlx::test(migrations = "../migrations")]
async fn a_batch_becomes_rows_rejects_counts_and_an_offset(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 2).await;
    let events = vec![
        cart_event(1),
        page_view(2, "/"),
        Event {
            count: 5,
            boot: None,
            ..page_view(3, "/")
        },
    ];
    let batch = batch(2, &lease, events, 2);

    let done = store.ingest(&batch).await.unwrap();

    let expected = Ingested {
        received: 5,
        stored: 3,
        rejected: 2,
        ..Ingested::default()
    };
    assert_eq!(done, expected);
    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 3);
    assert_eq!(
        number(&pool, "SELECT count(*) FROM clickstream_data").await,
        1
    );
    assert_eq!(
        number(&pool, "SELECT count(*) FROM rejected_events").await,
        2
    );
    assert_eq!(number(&pool, "SELECT count(*) FROM message_ids").await, 0);
    assert_eq!(books(&pool, BOOT).await, (2, 0, 0));
    assert_eq!(books(&pool, Uuid::nil()).await, (1, 0, 2));
    let rollup: Vec<(DateTime<Utc>, String, i32, i64, i64)> = sqlx::query_as(
        "SELECT bucket, type, kafka_partition, events, clicks FROM rollup_minute ORDER BY type",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(
        rollup,
        [
            (noon(), "add_to_cart".into(), 2, 1, 1),
            (noon(), "page_view".into(), 2, 2, 6),
        ]
    );
    let next = acquire(&store, 2).await;
    assert_eq!((next.next, next.last), (batch.to, Some(batch.last)));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn every_field_of_an_event_is_in_its_row(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 1).await;
    let mut event = by_client(cart_event(1));
    event.occurred_at = noon() - TimeDelta::hours(30);
    event.referrer = Some("http://example.org/".into());
    event.user_agent = Some(FIREFOX.into());
    event.properties.insert(
        "deep".into(),
        serde_json::json!({"list": [1, 2.5, null, "ü"]}),
    );

    store
        .ingest(&batch(1, &lease, vec![event.clone()], 0))
        .await
        .unwrap();

    let row: serde_json::Value =
        sqlx::query_scalar("SELECT to_jsonb(events) - 'stored_at' FROM events")
            .fetch_one(&pool)
            .await
            .unwrap();
    let expected = serde_json::json!({
        "event_id": event.event_id, "received_at": "2026-03-15T12:00:00.000001+00:00",
        "client_id": true, "type": "add_to_cart", "username": "user 1", "session_id": "session",
        "url": "http://127.0.0.1:8501/cart?x=1", "path": "/cart", "referrer": "http://example.org/",
        "user_agent": FIREFOX, "ip": "127.0.0.1",
        "browser": "Firefox", "system": "Linux", "device": "computer", "bot": null,
        "occurred_at": "2026-03-14T06:00:00+00:00", "source": "shop", "count": 1, "boot": BOOT,
        "properties": {"deep": {"list": [1, 2.5, null, "ü"]}},
        "choice": {"category": "shirt", "gender": "woman", "style": "Hawaiian shirt", "size": "M",
                   "color": "#C0FFEE"},
        "kafka_partition": 1, "kafka_offset": 0
    });
    // The test's own session may have another time zone than the store's.
    let time = |value: &serde_json::Value, name: &str| {
        value[name]
            .as_str()
            .unwrap()
            .parse::<DateTime<Utc>>()
            .unwrap()
    };
    for name in ["received_at", "occurred_at"] {
        assert_eq!(time(&row, name), time(&expected, name));
    }
    let without_times = |mut value: serde_json::Value| {
        let map = value.as_object_mut().unwrap();
        map.retain(|name, _| !name.ends_with("_at"));
        value
    };
    assert_eq!(without_times(row), without_times(expected));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn programs_have_a_reason_and_are_counted_apart_from_people(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let of = |n: u32, user_agent: Option<&str>| Event {
        user_agent: user_agent.map(str::to_owned),
        ..page_view(n, "/")
    };
    let events = vec![
        of(1, Some(FIREFOX)),
        of(2, None),
        of(3, Some("")),
        of(4, Some("curl/8.7.1")),
        of(
            5,
            Some("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
        ),
        of(
            6,
            Some(
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/139.0.0.0 Safari/537.36",
            ),
        ),
    ];
    store.ingest(&batch(0, &lease, events, 0)).await.unwrap();

    let rows: Vec<(Option<String>, Option<String>)> =
        sqlx::query_as("SELECT browser, bot FROM events ORDER BY kafka_offset")
            .fetch_all(&pool)
            .await
            .unwrap();
    let person = |browser: Option<&str>| (browser.map(str::to_owned), None);
    let program = |why: &str| (None, Some(why.to_owned()));
    assert_eq!(
        rows,
        [
            person(Some("Firefox")),
            person(None),
            program("no user agent"),
            program("HTTP library"),
            program("crawler"),
            program("headless browser"),
        ]
    );
    let people = "SELECT sum(events)::bigint FROM rollup_minute WHERE NOT bot";
    assert_eq!(number(&pool, people).await, 2);
    let programs = "SELECT sum(events)::bigint FROM rollup_minute WHERE bot";
    assert_eq!(number(&pool, programs).await, 4);
    assert_eq!(books(&pool, BOOT).await, (6, 0, 0), "the books count all");
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn an_open_option_is_null(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let open = Event {
        choice: Some(Choice::default()),
        ..cart_event(1)
    };

    store
        .ingest(&batch(0, &lease, vec![open], 0))
        .await
        .unwrap();

    let nulls =
        "SELECT num_nulls(category, gender, style, size, hex_color)::bigint FROM clickstream_data";
    assert_eq!(number(&pool, nulls).await, 5);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn two_clicks_in_one_microsecond_are_two_rows(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let second = Event {
        event_id: Uuid::from_u128(2),
        ..cart_event(1)
    };

    store
        .ingest(&batch(0, &lease, vec![cart_event(1), second], 0))
        .await
        .unwrap();

    assert_eq!(
        number(&pool, "SELECT count(*) FROM clickstream_data").await,
        2
    );
    let moments = "SELECT count(DISTINCT (username, creation_timestamp)) FROM clickstream_data";
    assert_eq!(number(&pool, moments).await, 1);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn only_add_to_cart_with_a_username_is_clickstream_data(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let nameless = Event {
        username: None,
        ..cart_event(1)
    };
    let bought = Event {
        event_type: domain::EventType::parse("buy").unwrap(),
        ..cart_event(2)
    };

    store
        .ingest(&batch(0, &lease, vec![nameless, bought], 0))
        .await
        .unwrap();

    assert_eq!(
        number(&pool, "SELECT count(*) FROM clickstream_data").await,
        0
    );
    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 2);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_batch_of_nothing_moves_the_offset(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let mut nothing = batch(0, &lease, vec![], 0);
    nothing.to = NextOffset(42);

    assert_eq!(store.ingest(&nothing).await.unwrap(), Ingested::default());
    assert_eq!(acquire(&store, 0).await.next, NextOffset(42));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn of_several_copies_in_one_batch_the_first_is_stored(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let later = Event {
        received_at: noon() + TimeDelta::days(1),
        ..cart_event(1)
    };
    // Each try of a client has a time of its own; what is the same to the byte is one try that Kafka has twice.
    let events = vec![
        by_client(cart_event(1)),
        by_client(later.clone()),
        by_client(later),
        cart_event(2),
        cart_event(2),
    ];

    let done = store.ingest(&batch(0, &lease, events, 0)).await.unwrap();

    assert_eq!((done.stored, done.duplicates, done.redelivered), (2, 1, 2));
    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 2);
    assert_eq!(
        number(&pool, "SELECT kafka_offset FROM message_ids").await,
        0
    );
    assert_eq!(
        number(&pool, "SELECT sum(kafka_offset)::bigint FROM events").await,
        3
    );
    assert_eq!(books(&pool, BOOT).await, (2, 1, 0));
    assert_eq!(
        number(&pool, "SELECT sum(events)::bigint FROM rollup_minute").await,
        2
    );
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_clients_id_is_stored_once_across_batches_days_and_partitions(pool: PgPool) {
    let store = store(&pool).await;
    for (partition, days) in [(0, 0), (0, 1), (3, 2), (3, -20), (0, 6)] {
        let lease = acquire(&store, partition).await;
        let again = Event {
            received_at: noon() + TimeDelta::days(days),
            ..by_client(cart_event(1))
        };
        store
            .ingest(&batch(partition, &lease, vec![again], 0))
            .await
            .unwrap();
    }

    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 1);
    assert_eq!(
        number(&pool, "SELECT count(*) FROM clickstream_data").await,
        1
    );
    assert_eq!(
        number(&pool, "SELECT sum(clicks)::bigint FROM rollup_minute").await,
        1
    );
    assert_eq!(books(&pool, BOOT).await, (1, 4, 0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_second_copy_of_one_acknowledgement_is_neither_stored_nor_counted(pool: PgPool) {
    let store = store(&pool).await;
    let retry = Event {
        received_at: noon() + TimeDelta::hours(1),
        ..by_client(cart_event(2))
    };
    let once = vec![cart_event(1), by_client(cart_event(2)), retry];
    for (partition, duplicates, redelivered) in [(0, 1, 0), (0, 0, 3), (4, 0, 3)] {
        let lease = acquire(&store, partition).await;
        let again = batch(partition, &lease, once.clone(), 0);
        let done = store.ingest(&again).await.unwrap();
        assert_eq!(
            (done.duplicates, done.redelivered),
            (duplicates, redelivered)
        );
    }
    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 2);
    assert_eq!(number(&pool, "SELECT count(*) FROM retries").await, 1);
    assert_eq!(books(&pool, BOOT).await, (2, 1, 0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn the_same_id_and_time_from_another_boot_is_a_try_of_its_own(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let other = Event {
        boot: Some(Uuid::from_u128(9)),
        ..by_client(cart_event(1))
    };
    let nobody = Event {
        boot: None,
        ..other.clone()
    };
    let events = vec![
        by_client(cart_event(1)),
        other.clone(),
        other,
        nobody.clone(),
        nobody,
    ];

    let done = store.ingest(&batch(0, &lease, events, 0)).await.unwrap();

    assert_eq!((done.stored, done.duplicates, done.redelivered), (1, 2, 2));
    assert_eq!(books(&pool, BOOT).await, (1, 0, 0));
    assert_eq!(books(&pool, Uuid::from_u128(9)).await, (0, 1, 0));
    assert_eq!(books(&pool, Uuid::nil()).await, (0, 1, 0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_fenced_batch_writes_nothing_at_all(pool: PgPool) {
    let store = store(&pool).await;
    let old = acquire(&store, 0).await;
    let first = batch(0, &old, vec![cart_event(1), by_client(cart_event(2))], 1);
    store.ingest(&first).await.unwrap();
    let new = acquire(&store, 0).await;
    let before = everything(&pool).await;

    let events = || {
        vec![
            cart_event(3),
            by_client(cart_event(4)),
            by_client(cart_event(2)),
        ]
    };
    let stale_epoch = batch(
        0,
        &Lease {
            next: new.next,
            ..old.clone()
        },
        events(),
        2,
    );
    let stale_offset = batch(
        0,
        &Lease {
            next: NextOffset(0),
            ..new.clone()
        },
        events(),
        2,
    );
    let ahead = batch(
        0,
        &Lease {
            next: NextOffset(9),
            ..new.clone()
        },
        events(),
        2,
    );
    let no_lease = batch(77, &new, events(), 2);
    for fenced in [stale_epoch, stale_offset, ahead, no_lease] {
        let outcome = store.ingest(&fenced).await;
        assert!(matches!(outcome, Err(IngestError::Fenced)), "{outcome:?}");
    }

    assert_eq!(everything(&pool).await, before);
    store.close().await;
}

/// Sends partition 0 back to its beginning.
async fn reset(store: &Store, operator: &Holder, recreated: bool) -> Lease {
    let moved = store
        .reset_offset(&key(0), operator, NextOffset(0), recreated)
        .await;
    moved.unwrap().unwrap()
}

/// Every row but the leases.
async fn without_leases(pool: &PgPool) -> serde_json::Value {
    let mut all = everything(pool).await;
    all.as_object_mut().unwrap().remove("leases");
    all
}

#[sqlx::test(migrations = "../migrations")]
async fn a_replay_changes_nothing_but_the_lease(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let retry = Event {
        received_at: noon() + TimeDelta::hours(1),
        ..by_client(cart_event(2))
    };
    let events = vec![
        cart_event(1),
        by_client(cart_event(2)),
        retry,
        cart_event(1),
        page_view(5, "/"),
    ];
    store
        .ingest(&batch(0, &lease, events.clone(), 2))
        .await
        .unwrap();
    let before = without_leases(&pool).await;

    for _ in 0..2 {
        let lease = reset(&store, &holder("operator"), false).await;
        assert_eq!((lease.next, lease.last), (NextOffset(0), None));
        let done = store
            .ingest(&batch(0, &lease, events.clone(), 2))
            .await
            .unwrap();
        let expected = Ingested {
            received: 7,
            redelivered: 5,
            ..Ingested::default()
        };
        assert_eq!(done, expected);
    }

    assert_eq!(without_leases(&pool).await, before);

    // A try that is new counts, whenever it comes.
    let lease = reset(&store, &holder("operator"), false).await;
    let another = Event {
        received_at: noon() + TimeDelta::hours(2),
        ..by_client(cart_event(2))
    };
    let mut events = events;
    events[0] = another;
    store.ingest(&batch(0, &lease, events, 0)).await.unwrap();
    assert_eq!(books(&pool, BOOT).await, (3, 2, 0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_recreated_topics_records_count_from_the_beginning(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    store
        .ingest(&batch(0, &lease, vec![cart_event(1), cart_event(1)], 1))
        .await
        .unwrap();
    let other = Holder {
        cluster_id: "cluster-b".into(),
        ..holder("operator")
    };
    let lease = reset(&store, &other, true).await;
    assert_eq!(lease.cluster_id, "cluster-b");

    let mut again = batch(0, &lease, vec![cart_event(1), cart_event(2)], 1);
    again.rejects[0].record_time_ms += 60_000;
    let done = store.ingest(&again).await.unwrap();

    assert_eq!((done.stored, done.redelivered, done.rejected), (1, 1, 1));
    assert_eq!(books(&pool, BOOT).await, (2, 0, 0));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn stored_at_is_the_time_of_the_row(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    store
        .ingest(&batch(0, &lease, vec![cart_event(1)], 0))
        .await
        .unwrap();
    let age =
        "SELECT count(*) FROM events WHERE stored_at BETWEEN now() - interval '1 minute' AND now()";
    assert_eq!(number(&pool, age).await, 1);
    store.close().await;
}
