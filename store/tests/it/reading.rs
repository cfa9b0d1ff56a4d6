//! What a visitor and an operator are told is what the rows say.

use crate::support::*;
use chrono::TimeDelta;
use domain::receipt::{Place, Progress, Receipt, StoredRow};
use domain::{Event, NextOffset};
use sqlx::PgPool;
use uuid::Uuid;

fn receipt(event: &Event, partition: i32, offset: i64) -> Receipt {
    Receipt {
        event_id: event.event_id,
        received_at: event.received_at,
        place: Place::Kafka { partition, offset },
    }
}

#[sqlx::test(migrations = "../migrations")]
async fn a_receipt_waits_and_then_shows_the_row(pool: PgPool) {
    let store = store(&pool).await;
    let event = cart_event(1);
    let receipt = receipt(&event, 0, 0);
    assert_eq!(store.progress("clickstream", &receipt).await.unwrap(), None);
    let lease = acquire(&store, 0).await;
    store
        .ingest(&batch(0, &lease, vec![event.clone()], 0))
        .await
        .unwrap();
    // The clocks of a test are far apart; a real one differs by milliseconds.
    sqlx::query("UPDATE events SET stored_at = received_at + interval '12.9 ms'")
        .execute(&pool)
        .await
        .unwrap();

    let expected = Progress::Stored {
        after_ms: 12,
        row: Some(StoredRow {
            username: "user 1".into(),
            creation_timestamp: event.received_at,
            category: Some("shirt".into()),
            gender: Some("woman".into()),
            style: Some("Hawaiian shirt".into()),
            size: Some("M".into()),
            hex_color: Some("#C0FFEE".into()),
        }),
    };
    assert_eq!(
        store.progress("clickstream", &receipt).await.unwrap(),
        Some(expected)
    );
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn an_event_that_is_no_product_choice_is_stored_without_a_row_to_show(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let event = page_view(1, "/");
    store
        .ingest(&batch(0, &lease, vec![event.clone()], 0))
        .await
        .unwrap();
    let progress = store
        .progress("clickstream", &receipt(&event, 0, 0))
        .await
        .unwrap();
    assert!(
        matches!(progress, Some(Progress::Stored { row: None, .. })),
        "{progress:?}"
    );
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_duplicates_receipt_shows_the_first_copys_row(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let first = by_client(cart_event(1));
    let second = Event {
        received_at: noon() + TimeDelta::days(2),
        ..first.clone()
    };
    store
        .ingest(&batch(0, &lease, vec![first.clone(), second.clone()], 0))
        .await
        .unwrap();

    let of_first = store
        .progress("clickstream", &receipt(&first, 0, 0))
        .await
        .unwrap();
    let of_second = store
        .progress("clickstream", &receipt(&second, 0, 1))
        .await
        .unwrap();

    assert_eq!(of_first, of_second);
    match of_second {
        Some(Progress::Stored { row: Some(row), .. }) => {
            assert_eq!(row.creation_timestamp, first.received_at);
        }
        other => panic!("{other:?}"),
    }
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_rejects_receipt_says_why(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 3).await;
    store
        .ingest(&batch(3, &lease, vec![cart_event(1)], 1))
        .await
        .unwrap();
    let ask = |partition, offset, received_at| Receipt {
        event_id: Uuid::from_u128(99),
        received_at,
        place: Place::Kafka { partition, offset },
    };
    let found = store
        .progress("clickstream", &ask(3, 1, noon()))
        .await
        .unwrap();
    let expected = Progress::Rejected {
        reason: "not a JSON object: expected value".into(),
    };
    assert_eq!(found, Some(expected));
    // Elsewhere, or in another life of the topic, it is another record.
    for other in [
        ask(2, 1, noon()),
        ask(3, 2, noon()),
        ask(3, 1, noon() + TimeDelta::hours(2)),
    ] {
        assert_eq!(store.progress("clickstream", &other).await.unwrap(), None);
    }
    assert_eq!(
        store.progress("other", &ask(3, 1, noon())).await.unwrap(),
        None
    );
    let spooled = Receipt {
        place: Place::Spool,
        ..ask(3, 1, noon())
    };
    assert_eq!(store.progress("clickstream", &spooled).await.unwrap(), None);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn next_offsets_cover_what_is_dealt_with(pool: PgPool) {
    let store = store(&pool).await;
    assert_eq!(store.next_offsets("clickstream").await.unwrap(), []);
    let lease = acquire(&store, 4).await;
    store
        .ingest(&batch(4, &lease, vec![cart_event(1), cart_event(2)], 1))
        .await
        .unwrap();
    let offsets = store.next_offsets("clickstream").await.unwrap();
    assert_eq!(offsets.len(), 6);
    assert_eq!(offsets[4], (4, NextOffset(3)));
    assert_eq!(offsets[5], (5, NextOffset(0)));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn the_summary_counts_users_types_and_pages_of_its_window(pool: PgPool) {
    let store = store(&pool).await;
    let nothing = store.summary(noon(), 100).await.unwrap().unwrap();
    assert_eq!(nothing, store::Summary::default());
    let lease = acquire(&store, 0).await;
    let old = Event {
        received_at: noon() - TimeDelta::hours(1),
        ..page_view(90, "/old")
    };
    let nameless = Event {
        username: None,
        count: 3,
        ..page_view(30, "/a")
    };
    let late = Event {
        received_at: noon() - TimeDelta::days(2),
        ..page_view(102, "/late")
    };
    let too_late = Event {
        received_at: noon() - TimeDelta::days(8),
        ..page_view(91, "/too-late")
    };
    // Users 1, 2 and 3, and 4, who is a program; a cart's path is no page view.
    let mut events = vec![
        old,
        late.clone(),
        too_late.clone(),
        nameless,
        cart_event(1),
        cart_event(11),
        page_view(2, "/b"),
        page_view(3, "/c"),
    ];
    events.push(Event {
        user_agent: Some("curl/8.7.1".into()),
        count: 50,
        ..page_view(4, "/a")
    });
    events.extend((100..112).map(|n| Event {
        username: Some("user 1".into()),
        ..page_view(n, &format!("/{n}"))
    }));
    store.ingest(&batch(0, &lease, events, 0)).await.unwrap();
    // Each was written when it was received, but for the two that came late.
    sqlx::query("UPDATE events SET stored_at = greatest(received_at, CASE WHEN event_id = ANY($1) THEN $2 END)")
        .bind(vec![late.event_id, too_late.event_id])
        .bind(noon())
        .execute(&pool)
        .await
        .unwrap();

    let summary = store.summary(noon(), 100).await.unwrap().unwrap();

    assert_eq!(summary.unique_users, 3);
    assert_eq!(summary.bot_clicks, 50);
    assert_eq!(
        summary.by_type,
        [("page_view".into(), 18), ("add_to_cart".into(), 2)]
    );
    assert_eq!(summary.top_pages.len(), 10);
    assert_eq!(summary.top_pages[0], ("/a".into(), 3));
    assert_eq!(summary.top_pages[1], ("/100".into(), 1));
    assert_eq!(summary.rows, 19);
    for (at_most, is_enough) in [(19, true), (18, false), (0, false)] {
        let summary = store.summary(noon(), at_most).await.unwrap();
        assert_eq!(summary.is_some(), is_enough, "{at_most}");
    }
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn the_place_of_a_row_is_where_its_copy_lay(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 3).await;
    let events = vec![cart_event(1), cart_event(2)];
    let receipt = Receipt {
        place: Place::Spool,
        ..receipt(&events[1], 0, 0)
    };
    assert_eq!(store.place_of_row(&receipt).await.unwrap(), None);
    store.ingest(&batch(3, &lease, events, 0)).await.unwrap();
    let place = Place::Kafka {
        partition: 3,
        offset: 1,
    };
    assert_eq!(store.place_of_row(&receipt).await.unwrap(), Some(place));
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_look_for_rows_with_one_id_finds_them_and_no_others(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let events = vec![cart_event(1), cart_event(2), cart_event(3)];
    let first = events[0].clone();
    let since = first.received_at - TimeDelta::minutes(1);
    let look = |limit| store.look_for_twice(since, limit);
    store.ingest(&batch(0, &lease, events, 0)).await.unwrap();
    let all = look(100).await.unwrap();
    assert_eq!((all.among, all.found), (3, 0));
    assert_eq!(look(2).await.unwrap().among, 2);
    // What no path of ours does: the same id at another time.
    sqlx::query(
        "INSERT INTO events SELECT (copy).* FROM (
            SELECT jsonb_populate_record(one, jsonb_build_object('received_at', received_at + interval '1 s')) AS copy
            FROM events AS one WHERE event_id = $1
        ) AS copies",
    )
    .bind(first.event_id)
    .execute(&pool)
    .await
    .unwrap();
    let all = look(100).await.unwrap();
    assert_eq!((all.among, all.found), (4, 2));
    store.close().await;
}
