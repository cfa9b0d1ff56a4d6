//! A bad value costs nobody else their row; a hundred in a row are our own mistake.

use crate::support::*;
use consumer::partition::Event;
use domain::report::{BootReport, CollectorReport, Placed};
use domain::{LastSeen, Source};
use sqlx::PgPool;
use uuid::Uuid;

#[sqlx::test(migrations = "../migrations")]
async fn what_postgres_alone_refuses_becomes_a_reject_beside_the_rows(pool: PgPool) {
    refuse_bad_pages(&pool).await;
    let shared = shared(&pool, 10_000).await;
    let lease = lease(&shared).await;
    let values = (0..3_000).map(|n| view(if n == 1_234 { "/bad" } else { "/" }));

    let stopped = write(&shared, &lease, records(0, values)).await;

    assert!(stopped.is_none(), "{stopped:?}");
    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 2_999);
    let rejected = "SELECT kafka_offset FROM rejected_events WHERE code = 'database'";
    assert_eq!(number(&pool, rejected).await, 1_234);
    let next = "SELECT next_offset FROM partition_leases";
    assert_eq!(number(&pool, next).await, 3_000);
    shared.store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_hundred_refusals_in_a_row_stop_the_partition_and_say_how_to_go_on(pool: PgPool) {
    refuse_bad_pages(&pool).await;
    let shared = shared(&pool, 40).await;
    let lease = lease(&shared).await;
    let values = (0..200).map(|n| view(if n < 50 { "/" } else { "/bad" }));

    let stopped = write(&shared, &lease, records(0, values)).await;

    let Some(Event::Broken(halt)) = stopped.map(|stopped| stopped.event) else {
        panic!("it went on");
    };
    assert!(
        halt.reason.starts_with("100 events in a row were refused"),
        "{}",
        halt.reason
    );
    for command in [
        "consumer -- setup",
        "consumer -- offsets reset --partition 0 --to 150 --yes",
        "consumer -- rejects redrive --code database",
    ] {
        assert!(halt.repair.contains(command), "{}", halt.repair);
    }
    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 50);
    let rejected = "SELECT count(*) FROM rejected_events WHERE code = 'database'";
    assert_eq!(number(&pool, rejected).await, 100);
    let next = "SELECT next_offset FROM partition_leases";
    assert_eq!(number(&pool, next).await, 150, "nothing is skipped");
    shared.store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_report_is_heard_in_the_order_of_the_stream_and_is_no_row(pool: PgPool) {
    let shared = shared(&pool, 100).await;
    let lease = lease(&shared).await;
    let boot = Uuid::from_u128(0xB007);
    let report = CollectorReport {
        reporter: boot,
        reported_at: chrono::Utc::now(),
        spool: None,
        boots: vec![BootReport {
            boot,
            acknowledged: [(Source::Shop, 2)].into(),
            places: [(
                0,
                Placed {
                    events: 2,
                    last: LastSeen(1),
                },
            )]
            .into(),
        }],
    };
    let click = format!(r#"{{"type":"page_view","source":"shop","boot":"{boot}"}}"#);
    let report = String::from_utf8(report.encode()).unwrap();
    let values = [click.clone(), click, report];

    assert!(write(&shared, &lease, records(0, values)).await.is_none());

    assert_eq!(number(&pool, "SELECT count(*) FROM events").await, 2);
    let books = shared.store.balance("clickstream").await.unwrap();
    assert_eq!((books.acknowledged, books.stored), (2, 2));
    assert_eq!((books.in_flight, books.lost, books.unreported), (0, 0, 0));
    shared.store.close().await;
}
