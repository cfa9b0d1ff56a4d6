//! A store on the test's own database, and events to fill it with.

use chrono::{DateTime, TimeDelta, Utc};
use domain::catalogue::{Category, Gender, Size, Style};
use domain::{Choice, Event, EventType, LastSeen, NextOffset, Reject, Source};
use sqlx::{ConnectOptions, PgPool};
use store::{
    Batch, FirstContact, Holder, LastRecord, Lease, PartitionKey, RejectedRecord, Store,
    StoreOptions,
};
use uuid::Uuid;

pub const BOOT: Uuid = Uuid::from_u128(0xB007);

/// The test's store, with the partitions that its events need.
pub async fn store(pool: &PgPool) -> Store {
    let store = connect(pool, &StoreOptions::default());
    store.ensure_partitions(noon()).await.unwrap();
    store
}

/// The test's store, with nothing done to the database.
pub fn connect(pool: &PgPool, options: &StoreOptions) -> Store {
    let url = pool.connect_options().to_url_lossy();
    Store::connect_lazy(url.as_str(), options).unwrap()
}

/// A noon in the middle of a month.
pub fn noon() -> DateTime<Utc> {
    "2026-03-15T12:00:00Z".parse().unwrap()
}

pub fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        topic: "clickstream".into(),
        partition,
    }
}

pub fn holder(owner: &str) -> Holder {
    Holder {
        owner: owner.into(),
        cluster_id: "cluster-a".into(),
    }
}

/// Six partitions, each from its beginning.
pub fn from_zero() -> FirstContact {
    FirstContact {
        lows: (0..6).map(|partition| (partition, NextOffset(0))).collect(),
    }
}

pub async fn acquire(store: &Store, partition: i32) -> Lease {
    store
        .acquire(&key(partition), &holder("test"), &from_zero())
        .await
        .unwrap()
}

/// An "add to cart" of every option, minted by the collector, `n` microseconds after noon.
pub fn cart_event(n: u32) -> Event {
    Event {
        event_id: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(n)),
        client_id: false,
        event_type: EventType::parse(EventType::ADD_TO_CART).unwrap(),
        username: Some(format!("user {}", n % 10)),
        session_id: Some("session".into()),
        url: Some("http://127.0.0.1:8501/cart?x=1".into()),
        path: Some("/cart".into()),
        referrer: None,
        user_agent: Some("Mozilla/5.0".into()),
        ip: Some("127.0.0.1".into()),
        occurred_at: noon() + TimeDelta::microseconds(i64::from(n)),
        received_at: noon() + TimeDelta::microseconds(i64::from(n)),
        source: Source::Shop,
        count: 1,
        boot: Some(BOOT),
        properties: serde_json::Map::new(),
        choice: Some(Choice {
            category: Some(Category::Shirt),
            gender: Some(Gender::Woman),
            style: Some(Style::Hawaiian),
            size: Some(Size::M),
            color: Some("#C0FFEE".parse().unwrap()),
        }),
    }
}

/// A page view, minted by the collector.
pub fn page_view(n: u32, path: &str) -> Event {
    Event {
        event_type: EventType::parse(EventType::PAGE_VIEW).unwrap(),
        path: Some(path.into()),
        choice: None,
        ..cart_event(n)
    }
}

/// The same event as a client sends it that chooses its own ids.
pub fn by_client(event: Event) -> Event {
    Event {
        client_id: true,
        ..event
    }
}

pub fn reject(offset: i64) -> RejectedRecord {
    RejectedRecord {
        offset: LastSeen(offset),
        record_time_ms: noon().timestamp_millis(),
        raw: b"not json \x00\xff".to_vec(),
        key: Some(b"key".to_vec()),
        boot: None,
        reason: Reject::NotJson("expected value".into()),
    }
}

/// A batch that begins where the lease stands, one record for each event, then the rejects.
pub fn batch(partition: i32, lease: &Lease, events: Vec<Event>, rejects: usize) -> Batch {
    let from = lease.next;
    let mut next = from;
    let mut place = || {
        let offset = LastSeen(next.0);
        next = offset.next();
        offset
    };
    let events: Vec<_> = events.into_iter().map(|event| (place(), event)).collect();
    let rejects: Vec<_> = (0..rejects).map(|_| reject(place().0)).collect();
    Batch {
        key: key(partition),
        epoch: lease.epoch,
        from,
        to: next,
        last: LastRecord {
            offset: LastSeen(next.0 - 1),
            time_ms: noon().timestamp_millis(),
            hash: -7,
        },
        events,
        rejects,
        reports: Vec::new(),
    }
}

/// Everything that a batch may change: equal before and after means that nothing was written.
pub async fn everything(pool: &PgPool) -> serde_json::Value {
    sqlx::query_scalar(
        "SELECT jsonb_build_object(
            'events', (SELECT jsonb_agg(to_jsonb(t) ORDER BY event_id, received_at) FROM events t),
            'cart', (SELECT jsonb_agg(to_jsonb(t) ORDER BY event_id, creation_timestamp) FROM clickstream_data t),
            'retries', (SELECT jsonb_agg(to_jsonb(t) ORDER BY event_id, received_at, boot) FROM retries t),
            'reports', (SELECT jsonb_agg(to_jsonb(t) ORDER BY reporter) FROM collector_reports t),
            'acknowledged', (SELECT jsonb_agg(to_jsonb(t) ORDER BY boot, reporter, source) FROM collector_acknowledged t),
            'places', (SELECT jsonb_agg(to_jsonb(t) ORDER BY boot, reporter, kafka_partition) FROM collector_places t),
            'spools', (SELECT jsonb_agg(to_jsonb(t) ORDER BY spool) FROM collector_spools t),
            'ids', (SELECT jsonb_agg(to_jsonb(t) ORDER BY event_id) FROM message_ids t),
            'rejects', (SELECT jsonb_agg(to_jsonb(t) ORDER BY kafka_offset) FROM rejected_events t),
            'balance', (SELECT jsonb_agg(to_jsonb(t) ORDER BY boot, kafka_partition) FROM balance t),
            'rollup', (SELECT jsonb_agg(to_jsonb(t) ORDER BY bucket, type, kafka_partition, bot) FROM rollup_minute t),
            'ever', (SELECT jsonb_agg(to_jsonb(t) ORDER BY type, topic, kafka_partition) FROM rollup_ever t),
            'leases', (SELECT jsonb_agg(to_jsonb(t) ORDER BY topic, partition) FROM partition_leases t)
        )",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

/// One number from the database.
pub async fn number(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

/// Stored, duplicate and rejected in the books of a boot.
pub async fn books(pool: &PgPool, boot: Uuid) -> (i64, i64, i64) {
    sqlx::query_as(
        "SELECT coalesce(sum(stored), 0)::bigint, coalesce(sum(duplicate), 0)::bigint,
                coalesce(sum(rejected), 0)::bigint
         FROM balance WHERE boot = $1",
    )
    .bind(boot)
    .fetch_one(pool)
    .await
    .unwrap()
}
