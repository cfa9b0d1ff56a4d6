//! The messages that could not become rows, for the people who mend them; each handling leaves a trace.

use crate::connection::Store;
use crate::error::StoreError;
use chrono::{DateTime, Utc};
use domain::LastSeen;
use uuid::Uuid;

/// One rejected record. The record's time tells the records of a recreated topic from those of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectKey {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: LastSeen,
    /// Its time, milliseconds since 1970, as the broker wrote it.
    pub record_time_ms: i64,
}

/// What a person did with a rejected record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It was written to the topic again.
    Redriven,
    /// It stays a reject, on purpose.
    Dismissed,
}

impl Handled {
    /// The name in the tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redriven => "redriven",
            Self::Dismissed => "dismissed",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Redriven, Self::Dismissed]
            .into_iter()
            .find(|handled| handled.as_str() == name)
    }
}

/// Which rejects to list; the default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectFilter {
    /// Only those with this reason code ([`domain::Reject::code`]).
    pub code: Option<String>,
    /// Only those rejected at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Only those that were handled (true), or were not (false).
    pub handled: Option<bool>,
    /// Only those after this one, in the order of the list.
    pub after: Option<RejectCursor>,
}

/// A place in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectCursor {
    rejected_at: DateTime<Utc>,
    partition: i32,
    offset: i64,
    record_time_ms: i64,
}

/// A rejected record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectRow {
    /// Which one.
    pub key: RejectKey,
    /// The record's key in Kafka.
    pub record_key: Option<Vec<u8>>,
    /// The record's value as it came; in a list only its first 256 bytes.
    pub raw: Vec<u8>,
    /// The value's length in bytes.
    pub raw_bytes: usize,
    /// A short, stable word for the kind of reason.
    pub code: String,
    /// The reason, for people.
    pub reason: String,
    /// The run of the collector that acknowledged it, where that could be read.
    pub boot: Option<Uuid>,
    /// When it was rejected.
    pub rejected_at: DateTime<Utc>,
    /// What was done with it last, and when.
    pub handled: Option<(Handled, DateTime<Utc>)>,
}

/// One handling of a rejected record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// What was done.
    pub handled: Handled,
    /// Who did it.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Why, in their words.
    pub note: Option<String>,
}

impl RejectRow {
    /// The cursor after this row.
    pub fn cursor(&self) -> RejectCursor {
        RejectCursor {
            rejected_at: self.rejected_at,
            partition: self.key.partition,
            offset: self.key.offset.0,
            record_time_ms: self.key.record_time_ms,
        }
    }
}

impl Store {
    /// Rejects of a topic, the newest first, at most `limit`; the next page begins after [`RejectRow::cursor`] of the
    /// last one.
    pub async fn rejects(
        &self,
        topic: &str,
        filter: &RejectFilter,
        limit: u32,
    ) -> Result<Vec<RejectRow>, StoreError> {
        let after = filter.after.as_ref();
        let mut session = self.session().await?;
        let rows = sqlx::query_file_as!(
            RejectColumns,
            "queries/rejects.sql",
            topic,
            filter.code,
            filter.since,
            filter.handled,
            after.map(|at| at.rejected_at),
            after.map(|at| at.partition),
            after.map(|at| at.offset),
            after.map(|at| at.record_time_ms),
            i64::from(limit),
        )
        .fetch_all(&mut *session);
        let rows = self.answer(rows).await?;
        session.finish();
        Ok(rows.into_iter().map(|row| row.into_row(topic)).collect())
    }

    /// The reject at a place, whole; the newest one when the topic was recreated since.
    pub async fn reject(
        &self,
        topic: &str,
        partition: i32,
        offset: LastSeen,
    ) -> Result<Option<RejectRow>, StoreError> {
        let mut session = self.session().await?;
        let row = sqlx::query_file_as!(
            RejectColumns,
            "queries/reject.sql",
            topic,
            partition,
            offset.0
        )
        .fetch_optional(&mut *session);
        let row = self.answer(row).await?;
        session.finish();
        Ok(row.map(|row| row.into_row(topic)))
    }

    /// Writes down that a reject was handled: its newest state, and a row of the audit. False when there is no such
    /// reject.
    ///
    /// The books stay as they are: the event that was acknowledged remains a rejected one. So what is written to the
    /// topic instead of it must not name its boot, or it would be counted for it a second time.
    pub async fn mark_reject(
        &self,
        key: &RejectKey,
        handled: Handled,
        by: &str,
        note: Option<&str>,
    ) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        let done = sqlx::query_file!(
            "queries/mark_reject.sql",
            key.topic,
            key.partition,
            key.offset.0,
            key.record_time_ms,
            handled.as_str(),
            by,
            note,
        )
        .execute(&mut *session);
        let done = self.answer(done).await?;
        session.finish();
        Ok(done.rows_affected() > 0)
    }

    /// Every handling of a reject, the oldest first.
    pub async fn reject_audit(&self, key: &RejectKey) -> Result<Vec<AuditRow>, StoreError> {
        let mut session = self.session().await?;
        let rows = sqlx::query!(
            r"
            SELECT handled, handled_by, handled_at, note FROM rejected_audit
            WHERE topic = $1 AND kafka_partition = $2 AND kafka_offset = $3 AND record_time_ms = $4
            ORDER BY id
            ",
            key.topic,
            key.partition,
            key.offset.0,
            key.record_time_ms
        )
        .fetch_all(&mut *session);
        let rows = self.answer(rows).await?;
        session.finish();
        let audit = rows.into_iter().filter_map(|row| {
            Some(AuditRow {
                handled: Handled::from_name(&row.handled)?,
                by: row.handled_by,
                at: row.handled_at,
                note: row.note,
            })
        });
        Ok(audit.collect())
    }
}

/// A reject as the queries have it.
struct RejectColumns {
    kafka_partition: i32,
    kafka_offset: i64,
    record_time_ms: i64,
    key: Option<Vec<u8>>,
    raw: Vec<u8>,
    raw_bytes: i32,
    code: String,
    reason: String,
    boot: Option<Uuid>,
    rejected_at: DateTime<Utc>,
    handled: Option<String>,
    handled_at: Option<DateTime<Utc>>,
}

impl RejectColumns {
    fn into_row(self, topic: &str) -> RejectRow {
        let handled = self.handled.as_deref().and_then(Handled::from_name);
        RejectRow {
            key: RejectKey {
                topic: topic.to_owned(),
                partition: self.kafka_partition,
                offset: LastSeen(self.kafka_offset),
                record_time_ms: self.record_time_ms,
            },
            record_key: self.key,
            raw: self.raw,
            raw_bytes: usize::try_from(self.raw_bytes).unwrap_or_default(),
            code: self.code,
            reason: self.reason,
            boot: self.boot,
            rejected_at: self.rejected_at,
            handled: handled.zip(self.handled_at),
        }
    }
}
