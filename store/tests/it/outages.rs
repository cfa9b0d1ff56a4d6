//! Each failure is named for what to do about it, and leaves nothing behind.

use crate::support::*;
use chrono::TimeDelta;
use domain::Event;
use sqlx::{PgPool, Postgres, Transaction};
use std::time::Duration;
use store::{IngestError, Ingested, Lease, Store, StoreError, StoreOptions};

#[sqlx::test(migrations = "../migrations")]
async fn a_value_that_postgres_refuses_is_a_data_error_and_nothing_is_written(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let before = everything(&pool).await;
    let too_long_for_the_cart = Event {
        username: Some("x".repeat(33)),
        ..cart_event(2)
    };
    let no_clicks = Event {
        count: 0,
        ..cart_event(2)
    };
    let nul = Event {
        path: Some("a\0b".into()),
        ..cart_event(2)
    };
    for (bad, expected) in [
        (too_long_for_the_cart, "22001"),
        (no_clicks, "23514"),
        (nul, "22021"),
    ] {
        let events = vec![cart_event(1), bad, by_client(cart_event(3))];
        match store.ingest(&batch(0, &lease, events, 1)).await {
            Err(IngestError::Data { sqlstate, message }) => {
                assert_eq!(sqlstate, expected);
                assert!(!message.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(everything(&pool).await, before);
    // Without the bad one, the rest goes through.
    let rest = vec![cart_event(1), by_client(cart_event(3))];
    assert_eq!(
        store
            .ingest(&batch(0, &lease, rest, 1))
            .await
            .unwrap()
            .stored,
        2
    );
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_day_without_a_partition_halts(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let before = everything(&pool).await;
    let far = Event {
        received_at: noon() + TimeDelta::days(400),
        ..cart_event(2)
    };
    match store
        .ingest(&batch(0, &lease, vec![cart_event(1), far], 0))
        .await
    {
        Err(IngestError::Halt { reason, .. }) => {
            assert!(reason.contains("no partition of relation"), "{reason}");
            assert!(reason.contains("23514"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(everything(&pool).await, before);
    store.close().await;
}

#[sqlx::test]
async fn missing_tables_halt(pool: PgPool) {
    let store = connect(&pool, &StoreOptions::default());
    let lease = Lease {
        epoch: 1,
        next: domain::NextOffset(0),
        last: None,
        cluster_id: String::new(),
    };
    let outcome = ingest_one(&store, &lease).await;
    assert!(
        matches!(outcome, Err(IngestError::Halt { .. })),
        "{outcome:?}"
    );
    let asked = store.next_offsets("clickstream").await;
    assert!(matches!(asked, Err(StoreError::Broken(_))), "{asked:?}");
    store.close().await;
}

/// A store that waits for nothing long, and the lease of partition 0.
async fn hasty(pool: &PgPool, limits: StoreOptions) -> (Store, Lease) {
    let patient = store(pool).await;
    let lease = acquire(&patient, 0).await;
    patient.close().await;
    (connect(pool, &limits), lease)
}

/// What becomes of one event of partition 0.
async fn ingest_one(store: &Store, lease: &Lease) -> Result<Ingested, IngestError> {
    store.ingest(&batch(0, lease, vec![cart_event(1)], 0)).await
}

/// Somebody who does not let go of the leases.
async fn lock_leases(pool: &PgPool) -> Transaction<'static, Postgres> {
    let mut other = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM partition_leases FOR UPDATE")
        .execute(&mut *other)
        .await
        .unwrap();
    other
}

#[sqlx::test(migrations = "../migrations")]
async fn waiting_too_long_for_a_lock_is_transient_and_writes_nothing(pool: PgPool) {
    let limits = StoreOptions {
        lock_timeout: Duration::from_millis(100),
        ..StoreOptions::default()
    };
    let (store, lease) = hasty(&pool, limits).await;
    let before = everything(&pool).await;
    let other = lock_leases(&pool).await;

    let outcome = ingest_one(&store, &lease).await;
    assert!(
        matches!(outcome, Err(IngestError::Transient(_))),
        "{outcome:?}"
    );
    let taken = store.acquire(&key(0), &holder("b"), &from_zero()).await;
    assert!(
        matches!(taken, Err(StoreError::Unavailable(_))),
        "{taken:?}"
    );

    other.rollback().await.unwrap();
    assert_eq!(everything(&pool).await, before);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_statement_that_takes_too_long_is_ended_by_postgres(pool: PgPool) {
    let limits = StoreOptions {
        statement_timeout: Duration::from_millis(100),
        ..StoreOptions::default()
    };
    let (store, lease) = hasty(&pool, limits).await;
    let other = lock_leases(&pool).await;

    let outcome = ingest_one(&store, &lease).await;

    match outcome {
        Err(IngestError::Transient(error)) => {
            assert!(error.to_string().contains("statement timeout"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    other.rollback().await.unwrap();
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_backend_killed_under_us_is_transient_and_the_store_goes_on(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    let other = lock_leases(&pool).await;
    let batch = batch(0, &lease, vec![cart_event(1)], 0);
    let kill = async {
        let waiting = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                       WHERE datname = current_database() AND application_name = 'clickshop'
                       AND wait_event_type = 'Lock'";
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while number(&pool, waiting).await == 0 {
            assert!(
                tokio::time::Instant::now() < deadline,
                "nobody waits for the lock"
            );
        }
    };

    let (outcome, ()) = tokio::join!(store.ingest(&batch), kill);

    assert!(
        matches!(outcome, Err(IngestError::Transient(_))),
        "{outcome:?}"
    );
    other.rollback().await.unwrap();
    let lease = acquire(&store, 0).await;
    assert_eq!(lease.next, batch.from);
    store
        .ingest(&store::Batch {
            epoch: lease.epoch,
            ..batch
        })
        .await
        .unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_store_can_be_made_and_asked_while_postgres_is_away() {
    // Port 1 of this machine: nobody listens there.
    let store = Store::connect_lazy(
        "postgres://nobody@127.0.0.1:1/nowhere",
        &StoreOptions {
            acquire_timeout: Duration::from_millis(300),
            ..StoreOptions::default()
        },
    )
    .unwrap();
    assert!(matches!(
        store.ping().await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        store.schema_is_current().await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        store.migrate().await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(Store::connect_lazy("no address at all", &StoreOptions::default()).is_err());
}
