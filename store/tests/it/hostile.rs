//! Whatever a visitor types is stored and shown exactly.

use crate::support::*;
use domain::receipt::{Place, Progress, Receipt};
use domain::{Event, Reject};
use sqlx::PgPool;

#[sqlx::test(migrations = "../migrations")]
async fn hostile_texts_come_back_as_they_were(pool: PgPool) {
    let store = store(&pool).await;
    let names = [
        "O'Brien".to_owned(),
        "'; DROP TABLE events; --".to_owned(),
        "<script>alert(1)</script>".to_owned(),
        "👩‍👩‍👧‍👦 família".to_owned(),
        "𝒳".repeat(32),
        "{\"a\",NULL}".to_owned(),
        "NULL".to_owned(),
        "back\\slash \"quote\" $1 %s".to_owned(),
        "\u{202e}right to left\u{feff}".to_owned(),
        "tab\tand\nline".to_owned(),
    ];
    let events: Vec<Event> = (0..)
        .zip(&names)
        .map(|(n, name)| Event {
            username: Some(name.clone()),
            path: Some(name.clone()),
            properties: [(name.clone(), name.as_str().into())].into_iter().collect(),
            ..cart_event(n)
        })
        .collect();
    let lease = acquire(&store, 0).await;

    store
        .ingest(&batch(0, &lease, events.clone(), 0))
        .await
        .unwrap();

    for (offset, event) in (0..).zip(&events) {
        let receipt = Receipt {
            event_id: event.event_id,
            received_at: event.received_at,
            place: Place::Kafka {
                partition: 0,
                offset,
            },
        };
        match store.progress("clickstream", &receipt).await.unwrap() {
            Some(Progress::Stored { row: Some(row), .. }) => {
                assert_eq!(Some(row.username), event.username);
            }
            other => panic!("{other:?}"),
        }
        let (path, properties): (Option<String>, serde_json::Value) =
            sqlx::query_as("SELECT path, properties FROM events WHERE event_id = $1")
                .bind(event.event_id)
                .fetch_one(&pool)
                .await
                .unwrap();
        assert_eq!(path, event.path);
        assert_eq!(
            properties,
            serde_json::Value::Object(event.properties.clone())
        );
    }
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn any_message_can_be_rejected(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let mut batch = batch(0, &lease, vec![], 3);
    batch.rejects[0].raw = (0..=255).collect();
    batch.rejects[0].key = None;
    batch.rejects[0].record_time_ms = i64::MAX;
    batch.rejects[1].raw = vec![];
    batch.rejects[1].reason = Reject::Empty;
    batch.rejects[1].record_time_ms = -1;
    batch.rejects[2].raw = vec![0xff; 1 << 20];
    batch.rejects[2].reason = Reject::NotJson("a NUL: \0".into());
    batch.rejects[2].boot = Some(BOOT);

    assert_eq!(store.ingest(&batch).await.unwrap().rejected, 3);

    let raw: Vec<(Vec<u8>, String)> =
        sqlx::query_as("SELECT raw, code FROM rejected_events ORDER BY kafka_offset")
            .fetch_all(&pool)
            .await
            .unwrap();
    for (stored, given) in raw.iter().zip(&batch.rejects) {
        assert_eq!(
            (&stored.0, stored.1.as_str()),
            (&given.raw, given.reason.code())
        );
    }
    assert_eq!(books(&pool, BOOT).await, (0, 0, 1));
    store.close().await;
}
