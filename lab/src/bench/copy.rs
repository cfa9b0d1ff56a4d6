//! The ceiling of a drain: the same rows, already in Postgres' own binary form, copied into the same
//! empty tables on two connections, with a commit for every ten thousand events.

use anyhow::{Context as _, ensure};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events of one transaction.
const COMMIT_EVERY: usize = 10_000;
/// Connections that copy at the same time.
const CONNECTIONS: usize = 2;

/// The tables that a drain fills, events first. What it counts in them (balance, rollups) is small and left out.
const TABLES: [&str; 3] = ["events", "message_ids", "clickstream_data"];

/// How a binary copy begins (the manual of COPY, "File Header"): signature, flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// And how it ends.
const TRAILER: [u8; 2] = [0xff, 0xff];

/// The rows of all tables, cut into as many pieces as there will be transactions.
#[derive(Debug)]
pub struct Rows {
    /// For each transaction, each table's copy, header and trailer included.
    transactions: Vec<[Vec<u8>; TABLES.len()]>,
    /// How many events there are.
    pub events: usize,
}

impl Rows {
    /// Reads everything that a drain has written.
    pub async fn read(database_url: &str) -> anyhow::Result<Self> {
        use futures::StreamExt as _;
        let mut connection = PgConnection::connect(database_url).await?;
        let mut pieces: Vec<Vec<Vec<u8>>> = Vec::new();
        let mut events = 0;
        let mut transactions = 0;
        for table in TABLES {
            let copy = format!("COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)");
            let mut whole = Vec::new();
            let mut stream = connection.copy_out_raw(&copy).await?;
            while let Some(piece) = stream.next().await {
                whole.extend_from_slice(&piece?);
            }
            drop(stream);
            let ends = row_ends(&whole).with_context(|| format!("reading {table}"))?;
            if table == TABLES[0] {
                events = ends.len();
                transactions = events.div_ceil(COMMIT_EVERY).max(1);
            }
            pieces.push(cut(&whole, &ends, transactions));
        }
        connection.close().await?;
        let mut tables = pieces.into_iter().map(Vec::into_iter);
        let mut next = || tables.next().unwrap_or_default();
        let (events_of, ids_of, rows_of) = (next(), next(), next());
        let transactions = events_of
            .zip(ids_of)
            .zip(rows_of)
            .map(|((events, ids), rows)| [events, ids, rows]);
        Ok(Self {
            transactions: transactions.collect(),
            events,
        })
    }

    /// Empties the tables and copies everything into them; returns how long the copying took.
    pub async fn copy(self: &Arc<Self>, database_url: &str) -> anyhow::Result<Duration> {
        let mut connection = PgConnection::connect(database_url).await?;
        connection
            .execute(AssertSqlSafe(format!("TRUNCATE {}", TABLES.join(", "))))
            .await?;
        connection.execute("CHECKPOINT").await?;
        let mut workers = Vec::new();
        for _ in 0..CONNECTIONS {
            workers.push(PgConnection::connect(database_url).await?);
        }
        let began = Instant::now();
        let workers = workers.into_iter().enumerate().map(|(nth, connection)| {
            let rows = Arc::clone(self);
            tokio::spawn(async move { rows.copy_every(nth, connection).await })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await??;
        }
        let took = began.elapsed();
        let there: i64 = sqlx::query_scalar("SELECT count(*) FROM events")
            .fetch_one(&mut connection)
            .await?;
        ensure!(
            usize::try_from(there)? == self.events,
            "{there} of {} events were copied",
            self.events
        );
        connection.close().await?;
        Ok(took)
    }

    /// One connection's share: every so-manieth transaction.
    async fn copy_every(&self, nth: usize, mut connection: PgConnection) -> anyhow::Result<()> {
        for transaction in self.transactions.iter().skip(nth).step_by(CONNECTIONS) {
            connection.execute("BEGIN").await?;
            for (table, rows) in TABLES.iter().zip(transaction) {
                let copy = format!("COPY {table} FROM STDIN (FORMAT binary)");
                let mut copy = connection.copy_in_raw(&copy).await?;
                copy.send(rows.as_slice()).await?;
                copy.finish().await?;
            }
            connection.execute("COMMIT").await?;
        }
        connection.close().await?;
        Ok(())
    }
}

/// Where each row of a binary copy ends; none when it is not one.
fn row_ends(copy: &[u8]) -> Option<Vec<usize>> {
    let mut at = HEADER.len();
    (copy.get(..at)? == HEADER).then_some(())?;
    let mut ends = Vec::new();
    loop {
        let fields = i16::from_be_bytes(copy.get(at..at + 2)?.try_into().ok()?);
        at += 2;
        if fields == -1 {
            return Some(ends);
        }
        for _ in 0..fields {
            let length = i32::from_be_bytes(copy.get(at..at + 4)?.try_into().ok()?);
            // Below 0 it is NULL, which has no bytes.
            at += 4 + usize::try_from(length).unwrap_or(0);
        }
        ends.push(at);
    }
}

/// The rows in so many pieces of about the same number of rows, each a whole copy.
fn cut(copy: &[u8], ends: &[usize], pieces: usize) -> Vec<Vec<u8>> {
    let end_of = |row: usize| match row {
        0 => HEADER.len(),
        row => ends[row - 1],
    };
    (0..pieces)
        .map(|piece| {
            let first = ends.len() * piece / pieces;
            let last = ends.len() * (piece + 1) / pieces;
            let mut rows = HEADER.to_vec();
            rows.extend_from_slice(&copy[end_of(first)..end_of(last)]);
            rows.extend_from_slice(&TRAILER);
            rows
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy of rows with one number and one NULL each.
    fn copy_of(numbers: std::ops::Range<u32>) -> Vec<u8> {
        let mut copy = HEADER.to_vec();
        for number in numbers {
            copy.extend_from_slice(&2_i16.to_be_bytes());
            copy.extend_from_slice(&4_i32.to_be_bytes());
            copy.extend_from_slice(&number.to_be_bytes());
            copy.extend_from_slice(&(-1_i32).to_be_bytes());
        }
        copy.extend_from_slice(&TRAILER);
        copy
    }

    #[test]
    fn pieces_are_whole_copies_of_all_rows_in_their_order() {
        let copy = copy_of(0..7);
        let ends = row_ends(&copy).unwrap();
        assert_eq!(ends.len(), 7);
        let pieces = cut(&copy, &ends, 3);
        assert_eq!(pieces, [copy_of(0..2), copy_of(2..4), copy_of(4..7)]);
        assert_eq!(cut(&copy, &ends, 1), [copy]);
        let none = copy_of(0..0);
        assert_eq!(
            cut(&none, &row_ends(&none).unwrap(), 2),
            [none.clone(), none]
        );
    }

    #[test]
    fn what_is_no_copy_is_seen() {
        assert_eq!(row_ends(b"PGCOPY"), None);
        let mut short = copy_of(0..2);
        short.truncate(short.len() - 3);
        assert_eq!(row_ends(&short), None);
    }
}
