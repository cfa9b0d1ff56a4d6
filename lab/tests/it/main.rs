//! What the drill asks of a case's database, on a real Postgres: sums that agree are not complained of, and each that
//! does not is. `DATABASE_URL` names a role that may create databases, and each test has one of its own.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Event, EventType, LastSeen, NextOffset, Reject, Source};
use lab::drill::writes::Writers;
use lab::drill::{books, writes};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};
use std::collections::BTreeMap;
use store::{
    Batch, FirstContact, Holder, LastRecord, Lease, PartitionKey, RejectedRecord, Store,
    StoreOptions,
};
use uuid::Uuid;

const TOPIC: &str = "clickstream";
const BOOT: Uuid = Uuid::from_u128(0xB007);

fn noon() -> DateTime<Utc> {
    "2026-03-15T12:00:00Z".parse().unwrap()
}

/// An event of a collector's run, or of nobody's.
fn event(number: u128, event_type: &str, boot: Option<Uuid>) -> Event {
    Event {
        event_id: Uuid::from_u128(number),
        client_id: false,
        event_type: EventType::parse(event_type).unwrap(),
        username: Some("Ann".into()),
        session_id: None,
        url: None,
        path: None,
        referrer: None,
        user_agent: None,
        ip: None,
        occurred_at: noon(),
        received_at: noon(),
        source: Source::Event,
        count: 3,
        boot,
        properties: serde_json::Map::new(),
        choice: Some(domain::Choice::default()),
    }
}

/// A client's event, and its next try.
fn with_a_retry(number: u128) -> [Event; 2] {
    let first = Event {
        client_id: true,
        ..event(number, "click", Some(BOOT))
    };
    let second = Event {
        received_at: noon() + TimeDelta::seconds(5),
        ..first.clone()
    };
    [first, second]
}

fn reject(offset: i64, boot: Option<Uuid>) -> RejectedRecord {
    RejectedRecord {
        offset: LastSeen(offset),
        record_time_ms: noon().timestamp_millis(),
        raw: b"not json".to_vec(),
        key: None,
        boot,
        reason: Reject::NotJson("expected value".into()),
    }
}

fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        topic: TOPIC.into(),
        partition,
    }
}

async fn acquire(store: &Store, partition: i32, owner: &str) -> Lease {
    let holder = Holder {
        owner: owner.into(),
        cluster_id: "cluster".into(),
    };
    let lows = vec![(partition, NextOffset(0))];
    let first = FirstContact { lows };
    store
        .acquire(&key(partition), &holder, &first)
        .await
        .unwrap()
}

/// Writes a batch as a consumer does: the events, and after them a reject for each of these runs.
async fn write(store: &Store, partition: i32, events: Vec<Event>, rejects: &[Option<Uuid>]) {
    let lease = acquire(store, partition, "test").await;
    let mut offsets = lease.next.0..;
    let mut place = || LastSeen(offsets.next().unwrap());
    let events: Vec<_> = events.into_iter().map(|event| (place(), event)).collect();
    let rejects: Vec<_> = rejects
        .iter()
        .map(|boot| reject(place().0, *boot))
        .collect();
    let to = NextOffset(offsets.start);
    let batch = Batch {
        key: key(partition),
        epoch: lease.epoch,
        from: lease.next,
        to,
        last: LastRecord {
            offset: LastSeen(to.0 - 1),
            time_ms: noon().timestamp_millis(),
            hash: 1,
        },
        events,
        rejects,
        reports: Vec::new(),
    };
    store.ingest(&batch).await.unwrap();
}

/// What a consumer has written: of a run and of nobody, in two partitions, some of it twice.
async fn filled(db: &PgPool) -> Store {
    let url = db.connect_options().to_url_lossy();
    let store = Store::connect_lazy(url.as_str(), &StoreOptions::default()).unwrap();
    store.ensure_partitions(noon()).await.unwrap();
    let mut events = vec![
        event(1, "page_view", Some(BOOT)),
        event(2, EventType::ADD_TO_CART, Some(BOOT)),
        event(3, EventType::BUY, None),
    ];
    events.extend(with_a_retry(4));
    write(&store, 0, events, &[Some(BOOT), None]).await;
    let again = [
        event(1, "page_view", Some(BOOT)),
        event(5, EventType::ADD_TO_CART, Some(BOOT)),
    ];
    write(&store, 1, again.to_vec(), &[]).await;
    store
}

/// How many lines disagree, by what they are.
async fn disagreements(db: &PgPool, store: &Store) -> BTreeMap<&'static str, i64> {
    let books = books::read(db, store, TOPIC).await.unwrap();
    books.disagreements.into_iter().collect()
}

#[sqlx::test(migrations = "../migrations")]
async fn what_a_consumer_writes_agrees_with_itself(db: PgPool) {
    let store = filled(&db).await;
    let found = disagreements(&db, &store).await;
    assert!(found.values().all(|lines| *lines == 0), "{found:?}");
    let books = books::read(&db, &store, TOPIC).await.unwrap();
    assert_eq!((books.rows.len(), books.rejected.len()), (5, 2));
    assert_eq!((books.balance.stored, books.balance.duplicate), (4, 1));
    store.close().await;
}

/// What breaks one sum, and how many lines of what then disagree. Each is undone by the second statement.
const BREAKS: [(&str, &str, &str, i64); 14] = [
    (
        "UPDATE balance SET stored = stored + 1 WHERE boot <> '00000000-0000-0000-0000-000000000000'",
        "UPDATE balance SET stored = stored - 1 WHERE boot <> '00000000-0000-0000-0000-000000000000'",
        "stored events",
        2,
    ),
    (
        "UPDATE balance SET stored = stored + (2 * kafka_partition - 1) WHERE boot <> '00000000-0000-0000-0000-000000000000'",
        "UPDATE balance SET stored = stored - (2 * kafka_partition - 1) WHERE boot <> '00000000-0000-0000-0000-000000000000'",
        "stored events",
        2,
    ),
    (
        "UPDATE events SET boot = NULL WHERE event_id = '00000000-0000-0000-0000-000000000001'",
        "UPDATE events SET boot = '00000000-0000-0000-0000-00000000b007' WHERE event_id = '00000000-0000-0000-0000-000000000001'",
        "stored events",
        2,
    ),
    (
        "INSERT INTO balance (topic, boot, kafka_partition, stored) VALUES ('clickstream', '00000000-0000-0000-0000-000000000009', 3, 1)",
        "DELETE FROM balance WHERE kafka_partition = 3",
        "stored events",
        1,
    ),
    (
        "UPDATE balance SET rejected = rejected + 1 WHERE kafka_partition = 1",
        "UPDATE balance SET rejected = rejected - 1 WHERE kafka_partition = 1",
        "rejects in the balance",
        1,
    ),
    (
        "UPDATE rejected_events SET boot = NULL",
        "UPDATE rejected_events SET boot = '00000000-0000-0000-0000-00000000b007' WHERE kafka_offset = 5",
        "rejects in the balance",
        2,
    ),
    (
        "UPDATE balance SET duplicate = duplicate + 1 WHERE kafka_partition = 1",
        "UPDATE balance SET duplicate = duplicate - 1 WHERE kafka_partition = 1",
        "duplicates in the balance",
        1,
    ),
    (
        "UPDATE retries SET boot = '00000000-0000-0000-0000-000000000009'",
        "UPDATE retries SET boot = '00000000-0000-0000-0000-00000000b007'",
        "duplicates in the balance",
        2,
    ),
    (
        "UPDATE rollup_ever SET clicks = clicks + 1 WHERE type = 'buy'",
        "UPDATE rollup_ever SET clicks = clicks - 1 WHERE type = 'buy'",
        "clicks since ever",
        1,
    ),
    (
        "UPDATE rollup_ever SET type = 'item_click' WHERE type = 'buy'",
        "UPDATE rollup_ever SET type = 'buy' WHERE type = 'item_click'",
        "clicks since ever",
        2,
    ),
    (
        "UPDATE rollup_minute SET events = events + 1 WHERE type = 'click'",
        "UPDATE rollup_minute SET events = events - 1 WHERE type = 'click'",
        "rollup is not the sum",
        1,
    ),
    (
        "UPDATE clickstream_data SET username = 'Bob'",
        "UPDATE clickstream_data SET username = 'Ann'",
        "carts without their row",
        2,
    ),
    (
        "UPDATE events SET type = 'click' WHERE event_id = '00000000-0000-0000-0000-000000000005'",
        "UPDATE events SET type = 'add_to_cart' WHERE event_id = '00000000-0000-0000-0000-000000000005'",
        "rows of clickstream_data without",
        1,
    ),
    (
        "UPDATE message_ids SET received_at = received_at - interval '1 s'",
        "UPDATE message_ids SET received_at = received_at + interval '1 s'",
        "claimed ids without a row",
        1,
    ),
];

#[sqlx::test(migrations = "../migrations")]
async fn what_disagrees_is_complained_of(db: PgPool) {
    let store = filled(&db).await;
    for (breaks, mends, what, lines) in BREAKS {
        sqlx::query(breaks).execute(&db).await.unwrap();
        let found = disagreements(&db, &store).await;
        let of_it = found.iter().find(|(name, _)| name.contains(what));
        assert_eq!(
            of_it.map(|(_, found)| *found),
            Some(lines),
            "{breaks}: {found:?}"
        );
        sqlx::query(mends).execute(&db).await.unwrap();
        let found = disagreements(&db, &store).await;
        assert!(
            found.values().all(|lines| *lines == 0),
            "{mends}: {found:?}"
        );
    }
    store.close().await;
}

#[sqlx::test(migrations = "../migrations")]
async fn who_writes_after_another_has_taken_over_is_found(db: PgPool) {
    let store = filled(&db).await;
    writes::note(&db).await.unwrap();
    let options = db.connect_options();
    let mut frozen = PgConnection::connect_with(&options).await.unwrap();
    let mut other = PgConnection::connect_with(&options).await.unwrap();
    // As a write that has lost its fence.
    let moves = "UPDATE partition_leases SET next_offset = next_offset + 1 WHERE partition = 0";

    acquire(&store, 0, "host:1").await;
    sqlx::query(moves).execute(&mut frozen).await.unwrap();
    acquire(&store, 0, "host:2").await;
    sqlx::query(moves).execute(&mut other).await.unwrap();
    let noted = writes::noted(&db).await.unwrap();
    assert_eq!((noted.connections, noted.usurped), (2, vec![]));

    // An operator moves the offset; it is no write under anybody's lease.
    let operator = Holder {
        owner: "host:3 (operator)".into(),
        cluster_id: "cluster".into(),
    };
    let to = NextOffset(0);
    store
        .reset_offset(&key(0), &operator, to, false)
        .await
        .unwrap();
    acquire(&store, 0, "host:2").await;
    sqlx::query(moves).execute(&mut frozen).await.unwrap();
    let usurped = vec![vec!["host:1".to_owned(), "host:2".to_owned()]];
    let connections = 2;
    let wanted = Writers {
        connections,
        usurped,
    };
    assert_eq!(writes::noted(&db).await.unwrap(), wanted);
    store.close().await;
}
