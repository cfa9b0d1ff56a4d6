//! A day's partition is there before the day's first event, and making it keeps nobody waiting.

use crate::connection::Store;
use crate::error::StoreError;
use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, Connection};
use std::fmt::Write;

/// An event may have been received 30 days before its record was written. Kafka keeps a record for 7 days, and up to
/// one more: it deletes whole segments, which `consumer setup` lets grow for a day. The other two are for clocks, and
/// for how seldom Kafka looks for what it may delete.
const DAYS_BACK: u64 = 40;

/// A consumer that nobody restarts makes partitions hourly; this is how long it may fail to.
const DAYS_AHEAD: u64 = 7;

/// Whoever makes partitions holds this advisory lock; the number is ours, made once at random.
const MAKING_PARTITIONS: i64 = 0x2f6b_1c9e_4d07_a853;

impl Store {
    /// Makes the daily partitions of `events` that are missing around a time: 40 days back, 7 days ahead.
    ///
    /// Safe to call at any time, by any number of processes at once. Returns how many were made. A day that was
    /// detached, but whose table is still there, stays detached.
    pub async fn ensure_partitions(&self, around: DateTime<Utc>) -> Result<usize, StoreError> {
        let days = days_around(around.date_naive());
        let mut session = self.session().await?;
        let missing = async {
            let mut transaction = session.begin().await?;
            sqlx::query!("SELECT pg_advisory_xact_lock($1)", MAKING_PARTITIONS)
                .execute(&mut *transaction)
                .await?;
            let missing = sqlx::query_scalar!(
                r#"
                SELECT day AS "day!" FROM unnest($1::date[]) AS day
                WHERE to_regclass('events_' || to_char(day, 'YYYYMMDD')) IS NULL
                "#,
                &days
            )
            .fetch_all(&mut *transaction)
            .await?;
            if !missing.is_empty() {
                // The only text that enters this SQL is made from calendar days.
                sqlx::raw_sql(AssertSqlSafe(make(&missing)))
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            Ok(missing.len())
        };
        let made = self.answer(missing).await?;
        session.finish();
        Ok(made)
    }
}

/// The days for which there must be a partition, the oldest first.
fn days_around(day: NaiveDate) -> Vec<NaiveDate> {
    let first = day.checked_sub_days(Days::new(DAYS_BACK)).unwrap_or(day);
    let count = usize::try_from(DAYS_BACK + DAYS_AHEAD + 1).unwrap_or_default();
    first.iter_days().take(count).collect()
}

/// The SQL that makes a partition for each of these days.
///
/// `CREATE TABLE … PARTITION OF` would take the strongest lock on `events`: it queues behind every reader, and
/// everybody queues behind it. A table made by `LIKE` and then attached takes one that readers and writers do not
/// feel. It is empty, and there is no DEFAULT partition: so there is nothing to scan, and no CHECK is needed to
/// avoid it. Whoever is in the way even so (such as `VACUUM`) wins: this is tried again later.
fn make(days: &[NaiveDate]) -> String {
    let mut sql = "SET LOCAL lock_timeout = '2s';\n".to_owned();
    for day in days {
        let name = day.format("events_%Y%m%d");
        let next = day.succ_opt().unwrap_or(*day);
        // Writing to a String cannot fail.
        let _ = write!(
            sql,
            "CREATE TABLE {name} (LIKE events INCLUDING ALL);\n\
             ALTER TABLE events ATTACH PARTITION {name}\n\
             FOR VALUES FROM ('{day} 00:00:00+00') TO ('{next} 00:00:00+00');\n"
        );
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_days_reach_from_the_oldest_possible_event_to_a_week_ahead() {
        let days = days_around(day("2024-03-01"));
        assert_eq!(days.first(), Some(&day("2024-01-21")));
        assert_eq!(days.last(), Some(&day("2024-03-08")));
        assert_eq!(days.len(), 48);
        assert!(days.contains(&day("2024-02-29")));
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        let sql = make(&[day("2024-12-31")]);
        assert!(sql.contains("CREATE TABLE events_20241231 (LIKE events INCLUDING ALL)"));
        assert!(sql.contains("FROM ('2024-12-31 00:00:00+00') TO ('2025-01-01 00:00:00+00')"));
    }
}
