//! How many events a second the store takes, beside what Postgres could take at most, on an empty database.
//!
//!     DATABASE_URL=postgres://… cargo run --release -p store --example ingest_rate -- [CONNECTIONS] [BATCHES] [ROUNDS]
//!
//! Events of about 350 bytes of JSON, one in five with a client's own id, one in ten a product choice, in batches of
//! 10,000. In each round three ways write the same events into the same empty tables: the statement alone, COPY as
//! `Store::ingest` uses it for large batches, and as the ceiling nothing but COPY of the same rows, encoded
//! before the clock starts, with a commit after each batch and neither rollups nor books. The medians are printed, and
//! their ratios to the ceiling. Batches are made before the clock starts: what is measured is the store, from an
//! event in memory to the commit.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Choice, Event, EventType, LastSeen, NextOffset, Source};
use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use std::error::Error;
use std::time::{Duration, Instant};
use store::{Batch, FirstContact, Holder, LastRecord, Lease, PartitionKey, Store, StoreOptions};
use uuid::Uuid;

const BATCH: u32 = 10_000;

/// The tables whose rows the ceiling copies.
const ROWS: [&str; 3] = ["events", "message_ids", "clickstream_data"];

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: u32| arguments.next().map_or(Ok(default), |text| text.parse());
    let (connections, batches, rounds) = (argument(2)?, argument(30)?, argument(3)?);
    let url = std::env::var("DATABASE_URL")?;
    let pool = PgPoolOptions::new().connect(&url).await?;
    let by = |copy_from| StoreOptions {
        copy_from,
        ..StoreOptions::default()
    };
    let statement = Store::connect_lazy(&url, &by(usize::MAX))?;
    let copy = Store::connect_lazy(&url, &by(1))?;
    copy.migrate().await?;
    let noon: DateTime<Utc> = "2026-03-15T12:00:00Z".parse()?;
    copy.ensure_partitions(noon).await?;

    let mut events = Vec::new();
    for partition in 0..i32::try_from(connections)? {
        events.push(make_events(partition, noon, batches)?);
    }
    let bytes = domain::wire::encode(&events[0][0].1).len();
    let rows = u64::from(connections) * u64::from(batches) * u64::from(BATCH);
    println!("{rows} events of about {bytes} bytes, {connections} connections");

    let (mut statements, mut copies, mut ceilings) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        statements.push(ingest(&pool, &statement, &mut events).await?);
        copies.push(ingest(&pool, &copy, &mut events).await?);
        let encoded = read_back(&pool, connections, batches).await?;
        ceilings.push(ceiling(&pool, encoded).await?);
    }
    let ceiling = median(ceilings);
    for (way, took) in [
        ("statement", median(statements)),
        ("store::copy", median(copies)),
        ("bare COPY", ceiling),
    ] {
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        let rate = rows as f64 / took.as_secs_f64();
        let ratio = ceiling.as_secs_f64() / took.as_secs_f64();
        println!("{way:>12}: {took:>8.2?}, {rate:>7.0} rows/s, {ratio:.2} of the ceiling");
    }
    statement.close().await;
    copy.close().await;
    Ok(())
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}

/// Empties the tables and lets Postgres write down what it put off.
async fn empty(pool: &PgPool) -> Result<(), Failure> {
    sqlx::raw_sql(
        "TRUNCATE events, message_ids, retries, clickstream_data, rejected_events, balance, rollup_minute, rollup_ever,
         partition_leases",
    )
    .execute(pool)
    .await?;
    sqlx::raw_sql("CHECKPOINT").execute(pool).await?;
    Ok(())
}

/// Writes every partition's events, each on a connection of its own.
async fn ingest(
    pool: &PgPool,
    store: &Store,
    events: &mut Vec<Vec<(LastSeen, Event)>>,
) -> Result<Duration, Failure> {
    empty(pool).await?;
    let mut work = Vec::new();
    for (partition, events) in (0..).zip(std::mem::take(events)) {
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
        work.push(make_batches(&key, &lease, events));
    }
    let start = Instant::now();
    let writers: Vec<_> = work
        .into_iter()
        .map(|batches| {
            let store = store.clone();
            tokio::spawn(async move {
                for batch in &batches {
                    let stored = store.ingest(batch).await?.stored;
                    assert_eq!(stored, batch.events.len() as u64);
                }
                Ok::<_, store::IngestError>(batches)
            })
        })
        .collect();
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.await??);
    }
    let took = start.elapsed();
    // The same events again for the next way.
    for batches in written {
        events.push(batches.into_iter().flat_map(|batch| batch.events).collect());
    }
    Ok(took)
}

/// One connection's batches; of each the rows of every table.
type Encoded = Vec<Vec<[Vec<u8>; ROWS.len()]>>;

/// The rows as they are now, in COPY's own binary format.
async fn read_back(pool: &PgPool, connections: u32, batches: u32) -> Result<Encoded, Failure> {
    let mut encoded = Vec::new();
    let mut connection = pool.acquire().await?;
    for partition in 0..connections {
        let mut of_connection = Vec::new();
        for batch in 0..batches {
            let offsets = format!(
                "kafka_partition = {partition} AND kafka_offset >= {} AND kafka_offset < {}",
                batch * BATCH,
                (batch + 1) * BATCH
            );
            let mut tables = [const { Vec::new() }; ROWS.len()];
            for (table, bytes) in ROWS.iter().zip(&mut tables) {
                let rows = match *table {
                    "clickstream_data" => format!(
                        "SELECT cart.* FROM clickstream_data cart JOIN events USING (event_id, username) WHERE {offsets}"
                    ),
                    table => format!("SELECT * FROM {table} WHERE {offsets} ORDER BY kafka_offset"),
                };
                *bytes = copy_out(&mut connection, &rows).await?;
            }
            of_connection.push(tables);
        }
        encoded.push(of_connection);
    }
    Ok(encoded)
}

async fn copy_out(connection: &mut PgConnection, rows: &str) -> Result<Vec<u8>, Failure> {
    let statement = format!("COPY ({rows}) TO STDOUT (FORMAT binary)");
    let mut out = connection.copy_out_raw(&statement).await?;
    let mut bytes = Vec::new();
    while let Some(part) = std::future::poll_fn(|context| out.as_mut().poll_next(context)).await {
        bytes.extend_from_slice(&part?);
    }
    Ok(bytes)
}

/// Copies the encoded rows, and nothing else.
async fn ceiling(pool: &PgPool, encoded: Encoded) -> Result<Duration, Failure> {
    empty(pool).await?;
    let start = Instant::now();
    let writers: Vec<_> = encoded
        .into_iter()
        .map(|batches| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut connection = pool.acquire().await?;
                for tables in batches {
                    let mut transaction = connection.begin().await?;
                    for (table, bytes) in ROWS.iter().zip(tables) {
                        let statement = format!("COPY {table} FROM STDIN (FORMAT binary)");
                        let mut copy = transaction.copy_in_raw(&statement).await?;
                        copy.send(bytes).await?;
                        copy.finish().await?;
                    }
                    transaction.commit().await?;
                }
                Ok::<_, sqlx::Error>(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    Ok(start.elapsed())
}

/// Consecutive batches of one partition.
fn make_batches(key: &PartitionKey, lease: &Lease, events: Vec<(LastSeen, Event)>) -> Vec<Batch> {
    let mut events = events.into_iter().peekable();
    let mut made = Vec::new();
    while events.peek().is_some() {
        let part: Vec<_> = events.by_ref().take(BATCH as usize).collect();
        let (first, last) = (part[0].0, part[part.len() - 1].0);
        made.push(Batch {
            key: key.clone(),
            epoch: lease.epoch,
            from: NextOffset(first.0),
            to: last.next(),
            last: LastRecord {
                offset: last,
                time_ms: 0,
                hash: 0,
            },
            events: part,
            rejects: Vec::new(),
            reports: Vec::new(),
        });
    }
    made
}

fn make_events(
    partition: i32,
    noon: DateTime<Utc>,
    batches: u32,
) -> Result<Vec<(LastSeen, Event)>, Failure> {
    (0..i64::from(batches * BATCH))
        .map(|offset| Ok((LastSeen(offset), event(partition, offset, noon)?)))
        .collect()
}

/// A page view as the shop sends it, or a choice; every fifth with an id that is scattered, as a client's own are.
fn event(partition: i32, offset: i64, noon: DateTime<Utc>) -> Result<Event, Failure> {
    let client_id = offset % 5 == 0;
    let choice = (offset % 10 == 3).then(Choice::default);
    let name = [partition.to_be_bytes().as_slice(), &offset.to_be_bytes()].concat();
    let scattered = Uuid::new_v5(&Uuid::NAMESPACE_OID, &name);
    // Ten thousand a second: as version 7 would be, the leading bits are the time.
    let at = noon + TimeDelta::microseconds(offset * 100);
    let ms = u128::from(at.timestamp_millis().unsigned_abs());
    let minted = (ms << 80) | (scattered.as_u128() & ((1 << 80) - 1));
    let event_type = match choice {
        Some(_) => EventType::ADD_TO_CART,
        None => EventType::PAGE_VIEW,
    };
    Ok(Event {
        event_id: if client_id {
            scattered
        } else {
            Uuid::from_u128(minted)
        },
        client_id,
        event_type: EventType::parse(event_type)?,
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
        choice,
    })
}
