//! How many events a second the ingest statement takes, on an empty database.
//!
//!     DATABASE_URL=postgres://… cargo run --release -p store --example ingest_rate -- [CONNECTIONS] [BATCHES]
//!
//! Events of about 350 bytes of JSON, one in five with a client's own id, in batches of 10,000. The batches are made
//! before the clock starts: what is measured is the store, from an event in memory to the commit.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Event, EventType, LastSeen, NextOffset, Source};
use std::error::Error;
use std::time::Instant;
use store::{Batch, FirstContact, Holder, LastRecord, Lease, PartitionKey, Store, StoreOptions};
use uuid::Uuid;

const BATCH: u32 = 10_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let connections: i32 = arguments.next().as_deref().unwrap_or("2").parse()?;
    let batches: u32 = arguments.next().as_deref().unwrap_or("30").parse()?;
    let store = Store::connect_lazy(&std::env::var("DATABASE_URL")?, &StoreOptions::default())?;
    store.migrate().await?;
    let noon: DateTime<Utc> = "2026-03-15T12:00:00Z".parse()?;
    store.ensure_partitions(noon).await?;

    let mut work = Vec::new();
    for partition in 0..connections {
        let key = PartitionKey {
            topic: "ingest_rate".into(),
            partition,
        };
        let holder = Holder {
            owner: "ingest_rate".into(),
            cluster_id: "none".into(),
        };
        let lease = store
            .acquire(&key, &holder, &FirstContact::default())
            .await?;
        work.push(make_batches(&key, &lease, noon, batches)?);
    }
    let bytes = domain::wire::encode(&work[0][0].events[0].1).len();

    let start = Instant::now();
    let mut writers = tokio::task::JoinSet::new();
    for batches in work {
        let store = store.clone();
        writers.spawn(async move {
            let mut stored = 0;
            for batch in &batches {
                stored += store.ingest(batch).await?.stored;
            }
            Ok::<_, store::IngestError>(stored)
        });
    }
    let mut rows = 0;
    while let Some(stored) = writers.join_next().await {
        rows += stored??;
    }
    let took = start.elapsed();
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let rate = rows as f64 / took.as_secs_f64();
    println!(
        "{rows} rows of {bytes} bytes, {connections} connections: {took:.2?}, {rate:.0} rows/s"
    );
    store.close().await;
    Ok(())
}

/// Consecutive batches of one partition, from where its lease stands.
fn make_batches(
    key: &PartitionKey,
    lease: &Lease,
    noon: DateTime<Utc>,
    batches: u32,
) -> Result<Vec<Batch>, Box<dyn Error>> {
    let mut next = lease.next;
    let mut made = Vec::new();
    for _ in 0..batches {
        let from = next;
        let mut events = Vec::new();
        for _ in 0..BATCH {
            let offset = LastSeen(next.0);
            events.push((offset, event(key.partition, offset.0, noon)?));
            next = offset.next();
        }
        made.push(Batch {
            key: key.clone(),
            epoch: lease.epoch,
            from,
            to: next,
            last: LastRecord {
                offset: LastSeen(next.0 - 1),
                time_ms: 0,
                hash: 0,
            },
            events,
            rejects: Vec::new(),
            reports: Vec::new(),
        });
    }
    assert_eq!(next, NextOffset(lease.next.0 + i64::from(batches * BATCH)));
    Ok(made)
}

/// A page view as the shop sends it; every fifth with an id that is scattered, as a client's own are.
fn event(partition: i32, offset: i64, noon: DateTime<Utc>) -> Result<Event, Box<dyn Error>> {
    let client_id = offset % 5 == 0;
    let name = [partition.to_be_bytes().as_slice(), &offset.to_be_bytes()].concat();
    let scattered = Uuid::new_v5(&Uuid::NAMESPACE_OID, &name);
    // Ten thousand a second: as version 7 would be, the leading bits are the time.
    let at = noon + TimeDelta::microseconds(offset * 100);
    let ms = u128::from(at.timestamp_millis().unsigned_abs());
    let minted = (ms << 80) | (scattered.as_u128() & ((1 << 80) - 1));
    Ok(Event {
        event_id: if client_id {
            scattered
        } else {
            Uuid::from_u128(minted)
        },
        client_id,
        event_type: EventType::parse("page_view")?,
        username: Some(format!("user{:04}", offset % 5000)),
        session_id: None,
        url: None,
        path: Some(format!("/products/{}", offset % 50)),
        referrer: None,
        user_agent: None,
        ip: None,
        occurred_at: at,
        received_at: at,
        source: Source::Shop,
        count: 1,
        boot: Some(Uuid::from_u128(7)),
        properties: serde_json::Map::new(),
        choice: None,
    })
}
