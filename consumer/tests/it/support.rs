//! A writer of one partition on the test's own database, and records to feed it with.

use consumer::board::{Board, Reach, Shared};
use consumer::inbox::{Inbox, Limits, Mailbox};
use consumer::source::Record;
use consumer::start::Start;
use consumer::writer::{Stopped, Writer};
use domain::{LastSeen, NextOffset};
use service::health::Health;
use service::outage::Complaint;
use sqlx::{ConnectOptions as _, PgPool};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{FirstContact, Holder, Lease, Store, StoreOptions};
use tokio::sync::Semaphore;

/// The parts of a consumer that a writer needs.
pub async fn shared(pool: &PgPool, batch_records: usize) -> Arc<Shared> {
    let url = pool.connect_options().to_url_lossy();
    let store = Store::connect_lazy(url.as_str(), &StoreOptions::default()).unwrap();
    store.ensure_partitions(chrono::Utc::now()).await.unwrap();
    let health = Health::new();
    Arc::new(Shared {
        store,
        topic: "clickstream".into(),
        owner: "test".into(),
        limits: Limits::new(batch_records),
        permits: Semaphore::new(2),
        board: Board::default(),
        kafka: Reach::new("Kafka", health.part("kafka")),
        postgres: Reach::new("Postgres", health.part("postgres")),
    })
}

/// Takes the lease of partition 0, which begins at 0.
pub async fn lease(shared: &Shared) -> Lease {
    let holder = Holder {
        owner: "test".into(),
        cluster_id: "cluster".into(),
    };
    let first = FirstContact {
        lows: vec![(0, NextOffset(0))],
    };
    shared
        .store
        .acquire(&shared.key(0), &holder, &first)
        .await
        .unwrap()
}

/// Writes these records, from where the lease stands, until all are written or the writer stops by itself.
pub async fn write(shared: &Arc<Shared>, lease: &Lease, records: Vec<Record>) -> Option<Stopped> {
    let start = Start {
        epoch: lease.epoch,
        next: lease.next,
        verify: None,
    };
    let mailbox = Arc::new(Mailbox::new(Inbox::new(shared.limits, &start, None)));
    for record in records {
        mailbox.put(record).unwrap();
    }
    let slow = Arc::new(Complaint::new("writing"));
    let writer = Writer::new(shared.clone(), 0, lease.epoch, 0, slow);
    let writing = tokio::spawn({
        let mailbox = mailbox.clone();
        async move { writer.run(&mailbox).await }
    });
    while !mailbox.is_idle() && !writing.is_finished() {
        tokio::task::yield_now().await;
    }
    mailbox.close();
    writing.await.unwrap()
}

/// Consecutive records with these values, the first at `first`.
pub fn records(first: i64, values: impl IntoIterator<Item = String>) -> Vec<Record> {
    let now = chrono::Utc::now().timestamp_millis();
    (first..)
        .zip(values)
        .map(|(offset, value)| Record {
            offset: LastSeen(offset),
            time_ms: now,
            key: None,
            value: value.into_bytes(),
            schema: None,
        })
        .collect()
}

/// A page view.
pub fn view(path: &str) -> String {
    format!(r#"{{"type":"page_view","path":"{path}"}}"#)
}

/// One number from the database.
pub async fn number(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

/// From here on Postgres refuses views of the page `/bad`, and nobody but Postgres knows.
pub async fn refuse_bad_pages(pool: &PgPool) {
    let sql = "ALTER TABLE events ADD CONSTRAINT no_bad_page CHECK (path <> '/bad')";
    sqlx::query(sql).execute(pool).await.unwrap();
}

/// Waits until what is seen is as `wanted`; fails after a while, with what it saw last.
pub async fn until<T: std::fmt::Debug>(see: impl Fn() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let began = Instant::now();
    loop {
        let seen = see();
        if wanted(&seen) {
            return seen;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "still {seen:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
