//! How far an acknowledged event has come.

use crate::connection::Store;
use crate::error::StoreError;
use chrono::{DateTime, TimeDelta, Utc};
use domain::NextOffset;
use domain::receipt::{Place, Progress, Receipt, StoredRow};

impl Store {
    /// Where each partition of the topic stands: an event is dealt with as soon as this covers its offset.
    ///
    /// One poller per process asks, for every receipt that waits.
    pub async fn next_offsets(&self, topic: &str) -> Result<Vec<(i32, NextOffset)>, StoreError> {
        let mut session = self.session().await?;
        let rows = sqlx::query!(
            "SELECT partition, next_offset FROM partition_leases WHERE topic = $1 ORDER BY partition",
            topic
        )
        .fetch_all(&mut *session);
        let rows = self.answer(rows).await?;
        session.finish();
        let offsets = rows.into_iter();
        Ok(offsets
            .map(|row| (row.partition, NextOffset(row.next_offset)))
            .collect())
    }

    /// What became of an event; none when it is not dealt with yet.
    ///
    /// A duplicate is answered with the first copy's row. A reject is found by its place in Kafka.
    pub async fn progress(
        &self,
        topic: &str,
        receipt: &Receipt,
    ) -> Result<Option<Progress>, StoreError> {
        if let Some(stored) = self.stored(receipt).await? {
            return Ok(Some(stored));
        }
        match receipt.place {
            Place::Kafka { partition, offset } => {
                self.rejected(topic, partition, offset, receipt.received_at)
                    .await
            }
            Place::Spool => Ok(None),
        }
    }

    /// Where the copy of an event lay in Kafka that became its row; none without a row.
    ///
    /// For an event that its collector had to keep on disk first, so that its receipt names no such place.
    pub async fn place_of_row(&self, receipt: &Receipt) -> Result<Option<Place>, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query!(
            r#"
            SELECT kafka_partition, kafka_offset FROM events
            WHERE
                event_id = $1
                AND received_at = coalesce((SELECT received_at FROM message_ids WHERE event_id = $1), $2)
            "#,
            receipt.event_id,
            receipt.received_at
        )
        .fetch_optional(&mut *session);
        let row = self.answer(row).await?;
        session.finish();
        Ok(row.map(|row| Place::Kafka {
            partition: row.kafka_partition,
            offset: row.kafka_offset,
        }))
    }

    /// The row of an event, if there is one.
    async fn stored(&self, receipt: &Receipt) -> Result<Option<Progress>, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query_file!(
            "queries/progress.sql",
            receipt.event_id,
            receipt.received_at
        )
        .fetch_optional(&mut *session);
        let row = self.answer(row).await?;
        session.finish();
        Ok(row.map(|row| {
            let took = row.stored_at - row.received_at;
            let cart = row.cart_username.zip(row.creation_timestamp);
            Progress::Stored {
                // Two clocks: the collector's and the database's.
                after_ms: took.num_milliseconds().max(0),
                row: cart.map(|(username, time)| StoredRow {
                    username,
                    creation_timestamp: time.and_utc(),
                    category: row.category,
                    gender: row.gender,
                    style: row.style,
                    size: row.size,
                    hex_color: row.hex_color,
                }),
            }
        }))
    }

    /// Why the record at that place was rejected, if it was.
    ///
    /// The record's time is not before the event's, give or take a clock's hour: what was rejected there earlier
    /// belonged to a topic that has been recreated since.
    async fn rejected(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        received_at: DateTime<Utc>,
    ) -> Result<Option<Progress>, StoreError> {
        let earliest = (received_at - TimeDelta::hours(1)).timestamp_millis();
        let mut session = self.session().await?;
        let reason = sqlx::query_scalar!(
            r#"
            SELECT reason FROM rejected_events
            WHERE topic = $1 AND kafka_partition = $2 AND kafka_offset = $3 AND record_time_ms >= $4
            ORDER BY record_time_ms DESC
            LIMIT 1
            "#,
            topic,
            partition,
            offset,
            earliest
        )
        .fetch_optional(&mut *session);
        let reason = self.answer(reason).await?;
        session.finish();
        Ok(reason.map(|reason| Progress::Rejected { reason }))
    }
}
