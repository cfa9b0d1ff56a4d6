//! Every reject can be found, and what was done with it leaves a trace.

use crate::support::*;
use chrono::{TimeDelta, Utc};
use domain::{LastSeen, Reject};
use sqlx::PgPool;
use store::{Handled, RejectFilter, RejectKey, RejectRow, Store};

/// Twelve rejects in two partitions, every third one empty.
async fn filled(pool: &PgPool) -> Store {
    let store = store(pool).await;
    for partition in [0, 1] {
        let lease = acquire(&store, partition).await;
        let mut batch = batch(partition, &lease, vec![], 6);
        for reject in batch.rejects.iter_mut().step_by(3) {
            reject.reason = Reject::Empty;
            reject.raw = vec![];
        }
        batch.rejects[1].raw = vec![b'x'; 1000];
        store.ingest(&batch).await.unwrap();
    }
    store
}

fn places(rows: &[RejectRow]) -> Vec<(i32, i64)> {
    rows.iter()
        .map(|row| (row.key.partition, row.key.offset.0))
        .collect()
}

#[sqlx::test(migrations = "../migrations")]
async fn a_list_shows_all_page_by_page_the_newest_first(pool: PgPool) {
    let store = filled(&pool).await;
    let all = store
        .rejects("clickstream", &RejectFilter::default(), 100)
        .await
        .unwrap();
    assert_eq!(all.len(), 12);
    assert!(all.is_sorted_by(|a, b| a.rejected_at >= b.rejected_at));
    let mut paged = Vec::new();
    let mut filter = RejectFilter::default();
    loop {
        let page = store.rejects("clickstream", &filter, 5).await.unwrap();
        assert!(page.len() <= 5);
        let Some(last) = page.last() else { break };
        filter.after = Some(last.cursor());
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let elsewhere = store
        .rejects("other", &RejectFilter::default(), 100)
        .await
        .unwrap();
    assert_eq!(elsewhere, []);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_list_can_be_narrowed(pool: PgPool) {
    let store = filled(&pool).await;
    let list = async |filter: RejectFilter| {
        let rows = store.rejects("clickstream", &filter, 100).await.unwrap();
        let mut places = places(&rows);
        places.sort_unstable();
        places
    };
    let of_code = |code: &str| RejectFilter {
        code: Some(code.into()),
        ..RejectFilter::default()
    };
    assert_eq!(
        list(of_code("empty")).await,
        [(0, 0), (0, 3), (1, 0), (1, 3)]
    );
    assert_eq!(list(of_code("not_json")).await.len(), 8);
    assert_eq!(list(of_code("field")).await, []);
    let since = |since| RejectFilter {
        since: Some(since),
        ..RejectFilter::default()
    };
    assert_eq!(
        list(since(Utc::now() - TimeDelta::hours(1))).await.len(),
        12
    );
    assert_eq!(list(since(Utc::now() + TimeDelta::hours(1))).await, []);

    let one = RejectKey {
        topic: "clickstream".into(),
        partition: 1,
        offset: LastSeen(3),
        record_time_ms: noon().timestamp_millis(),
    };
    store
        .mark_reject(&one, Handled::Dismissed, "ann", None)
        .await
        .unwrap();
    let handled = |handled| RejectFilter {
        handled: Some(handled),
        ..RejectFilter::default()
    };
    assert_eq!(list(handled(true)).await, [(1, 3)]);
    assert_eq!(list(handled(false)).await.len(), 11);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_long_message_is_whole_only_when_it_is_asked_for(pool: PgPool) {
    let store = filled(&pool).await;
    let all = store
        .rejects("clickstream", &RejectFilter::default(), 100)
        .await
        .unwrap();
    let listed = all
        .iter()
        .find(|row| row.key.offset == LastSeen(1))
        .unwrap();
    assert_eq!((listed.raw.len(), listed.raw_bytes), (256, 1000));
    let whole = store
        .reject("clickstream", 0, LastSeen(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(whole.raw, vec![b'x'; 1000]);
    assert_eq!(whole.record_key.as_deref(), Some(b"key".as_slice()));
    assert_eq!((whole.code.as_str(), whole.handled), ("not_json", None));
    let nothing = store.reject("clickstream", 0, LastSeen(99)).await.unwrap();
    assert_eq!(nothing, None);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn every_handling_stays_in_the_audit_and_the_newest_is_the_state(pool: PgPool) {
    let store = filled(&pool).await;
    let of = async || {
        let row = store.reject("clickstream", 0, LastSeen(2)).await.unwrap();
        row.unwrap()
    };
    let key = of().await.key;
    for (handled, by, note) in [
        (Handled::Redriven, "ann", None),
        (Handled::Dismissed, "bob", Some("it was a test; 'quoted'")),
    ] {
        assert!(store.mark_reject(&key, handled, by, note).await.unwrap());
    }

    let audit = store.reject_audit(&key).await.unwrap();

    let what: Vec<_> = audit
        .iter()
        .map(|row| (row.handled, row.by.as_str(), row.note.as_deref()))
        .collect();
    assert_eq!(
        what,
        [
            (Handled::Redriven, "ann", None),
            (Handled::Dismissed, "bob", Some("it was a test; 'quoted'")),
        ]
    );
    assert_eq!(of().await.handled, Some((Handled::Dismissed, audit[1].at)));
    assert_eq!(books(&pool, uuid::Uuid::nil()).await, (0, 0, 12));

    let missing = RejectKey {
        offset: LastSeen(99),
        ..key
    };
    let marked = store.mark_reject(&missing, Handled::Redriven, "ann", None);
    assert!(!marked.await.unwrap());
    assert_eq!(store.reject_audit(&missing).await.unwrap(), []);
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_recreated_topics_reject_is_another_one(pool: PgPool) {
    let store = store(&pool).await;
    let lease = acquire(&store, 0).await;
    store.ingest(&batch(0, &lease, vec![], 1)).await.unwrap();
    let lease = store
        .reset_offset(&key(0), &holder("operator"), lease.next, true)
        .await
        .unwrap()
        .unwrap();
    let mut again = batch(0, &lease, vec![], 1);
    again.rejects[0].record_time_ms += 1;
    store.ingest(&again).await.unwrap();

    let newest = store.reject("clickstream", 0, LastSeen(0)).await.unwrap();
    let newest = newest.unwrap();
    assert_eq!(newest.key.record_time_ms, again.rejects[0].record_time_ms);
    store
        .mark_reject(&newest.key, Handled::Redriven, "ann", None)
        .await
        .unwrap();
    let handled = "SELECT count(*) FROM rejected_events WHERE handled IS NOT NULL";
    assert_eq!(number(&pool, handled).await, 1);
    store.close().await;
}
