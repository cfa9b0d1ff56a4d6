//! What a case's database says when all is quiet, read once: every id, and every sum that must agree with
//! another.

use sqlx::{PgPool, Row as _};
use std::collections::HashMap;
use std::time::Duration;
use store::{Balance, Store, StoreOptions};
use uuid::Uuid;

/// How often each id is a row, and what else was found.
#[derive(Debug)]
pub struct Books {
    /// Rows of `events` by id.
    pub rows: HashMap<Uuid, u32>,
    /// Of those, the ids that a client chose.
    pub client_rows: Vec<Uuid>,
    /// Messages in `rejected_events`, as they came.
    pub rejected: Vec<Vec<u8>>,
    /// The longest time without a new row, between the first and the last.
    pub longest_pause: Duration,
    /// Sums that ought to agree, each with how many lines do not.
    pub disagreements: Vec<(&'static str, i64)>,
    /// The collectors' own word.
    pub balance: Balance,
}

/// What must be empty, whatever happened.
const DISAGREEMENTS: [(&str, &str); 9] = [
    (
        "minutes whose rollup is not the sum of its events",
        "SELECT count(*) FROM
            (SELECT date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') AS bucket, type,
                    bot IS NOT NULL AS bot, count(*) AS events, sum(count) AS clicks FROM events GROUP BY 1, 2, 3) AS e
         FULL JOIN
            (SELECT bucket, type, bot, sum(events) AS events, sum(clicks) AS clicks
             FROM rollup_minute GROUP BY 1, 2, 3) AS r USING (bucket, type, bot)
         WHERE (e.events, e.clicks) IS DISTINCT FROM (r.events, r.clicks)",
    ),
    (
        "carts without their row of clickstream_data",
        "SELECT count(*) FROM events e WHERE type = 'add_to_cart' AND username IS NOT NULL
         AND choice IS NOT NULL AND NOT EXISTS (SELECT FROM clickstream_data c
         WHERE c.event_id = e.event_id AND c.username = e.username
         AND c.creation_timestamp = e.received_at AT TIME ZONE 'UTC')",
    ),
    (
        "rows of clickstream_data without their cart",
        "SELECT count(*) FROM clickstream_data c WHERE NOT EXISTS (SELECT FROM events e
         WHERE e.event_id = c.event_id AND e.type = 'add_to_cart')",
    ),
    (
        "clients' events whose id is not claimed for that row",
        "SELECT count(*) FROM events e WHERE client_id AND NOT EXISTS (SELECT FROM message_ids m
         WHERE m.event_id = e.event_id AND m.received_at = e.received_at)",
    ),
    (
        "claimed ids without a row",
        "SELECT count(*) FROM message_ids m WHERE NOT EXISTS (SELECT FROM events e
         WHERE e.event_id = m.event_id AND e.received_at = m.received_at)",
    ),
    // What the balance counts is counted beside the rows, and by COPY apart from them: each must be there.
    (
        "collectors' runs, by partition, whose stored events in the balance are not their rows",
        "SELECT count(*) FROM
            (SELECT coalesce(boot, '00000000-0000-0000-0000-000000000000') AS boot, kafka_partition, count(*) AS events
             FROM events GROUP BY 1, 2) AS e
         FULL JOIN
            (SELECT boot, kafka_partition, sum(stored) AS events FROM balance GROUP BY 1, 2) AS b
            USING (boot, kafka_partition)
         WHERE coalesce(e.events, 0) <> coalesce(b.events, 0)",
    ),
    (
        "collectors' runs, by partition, whose rejects in the balance are not those that are kept",
        "SELECT count(*) FROM
            (SELECT coalesce(boot, '00000000-0000-0000-0000-000000000000') AS boot, kafka_partition, count(*) AS events
             FROM rejected_events GROUP BY 1, 2) AS r
         FULL JOIN
            (SELECT boot, kafka_partition, sum(rejected) AS events FROM balance GROUP BY 1, 2) AS b
            USING (boot, kafka_partition)
         WHERE coalesce(r.events, 0) <> coalesce(b.events, 0)",
    ),
    (
        "collectors' runs whose duplicates in the balance are not the tries that are known",
        "SELECT count(*) FROM
            (SELECT boot, count(*) AS events FROM retries GROUP BY 1) AS r
         FULL JOIN
            (SELECT boot, sum(duplicate) AS events FROM balance GROUP BY 1) AS b USING (boot)
         WHERE coalesce(r.events, 0) <> coalesce(b.events, 0)",
    ),
    (
        "types, by partition, whose clicks since ever are not the sum of their events",
        "SELECT count(*) FROM
            (SELECT type, kafka_partition, count(*) AS events, sum(count) AS clicks FROM events
             WHERE type IN ('item_click', 'add_to_cart', 'buy') GROUP BY 1, 2) AS e
         FULL JOIN
            (SELECT type, kafka_partition, sum(events) AS events, sum(clicks) AS clicks
             FROM rollup_ever GROUP BY 1, 2) AS r USING (type, kafka_partition)
         WHERE (e.events, e.clicks) IS DISTINCT FROM (r.events, r.clicks)",
    ),
];

/// Reads everything.
pub async fn read(db: &PgPool, store: &Store, topic: &str) -> anyhow::Result<Books> {
    let mut rows: HashMap<Uuid, u32> = HashMap::new();
    let mut client_rows = Vec::new();
    let events: Vec<(Uuid, bool)> = sqlx::query_as("SELECT event_id, client_id FROM events")
        .fetch_all(db)
        .await?;
    for (id, by_client) in events {
        *rows.entry(id).or_default() += 1;
        if by_client {
            client_rows.push(id);
        }
    }
    let mut disagreements = Vec::new();
    for (what, sql) in DISAGREEMENTS {
        let row = sqlx::query(sql).fetch_one(db).await?;
        disagreements.push((what, row.try_get(0)?));
    }
    Ok(Books {
        rows,
        client_rows,
        rejected: sqlx::query_scalar("SELECT raw FROM rejected_events")
            .fetch_all(db)
            .await?,
        longest_pause: longest_pause(db).await?,
        disagreements,
        balance: store.balance(topic).await?,
    })
}

/// The longest time between two rows that follow each other.
async fn longest_pause(db: &PgPool) -> anyhow::Result<Duration> {
    let seconds: f64 = sqlx::query_scalar(
        "SELECT coalesce(max(extract(epoch FROM gap)), 0)::double precision
         FROM (SELECT stored_at - lag(stored_at) OVER (ORDER BY stored_at) AS gap FROM events) AS g",
    )
    .fetch_one(db)
    .await?;
    Ok(Duration::from_secs_f64(seconds.max(0.0)))
}

/// The store as a reader uses it.
pub fn store(database_url: &str) -> anyhow::Result<Store> {
    let options = StoreOptions {
        max_connections: 2,
        application_name: "clickshop-drill".to_owned(),
        ..StoreOptions::default()
    };
    Ok(Store::connect_lazy(database_url, &options)?)
}
