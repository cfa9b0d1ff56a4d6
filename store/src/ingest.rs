//! One batch, one statement: rows, rejects, counts and offset together, or nothing at all.

use crate::columns::{EventColumns, RejectColumns};
use crate::connection::Store;
use crate::error::IngestError;
use crate::lease::{LastRecord, PartitionKey};
use domain::{Choice, Event, LastSeen, NextOffset, Reject};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

/// Consecutive records of one partition, decoded.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The partition.
    pub key: PartitionKey,
    /// The epoch of the lease under which it was read.
    pub epoch: i64,
    /// Where the lease must stand.
    pub from: NextOffset,
    /// Where it stands afterwards: after the last record, whatever that was.
    pub to: NextOffset,
    /// The last record.
    pub last: LastRecord,
    /// The events, in order of offset.
    pub events: Vec<(LastSeen, Event)>,
    /// The records that cannot become rows.
    pub rejects: Vec<RejectedRecord>,
}

/// A record that cannot become a row, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRecord {
    /// Its offset.
    pub offset: LastSeen,
    /// Its time, milliseconds since 1970, as the broker wrote it.
    pub record_time_ms: i64,
    /// Its value; empty for a tombstone.
    pub raw: Vec<u8>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// The run of the collector that acknowledged it, where that can be read: for the balance.
    pub boot: Option<Uuid>,
    /// Why.
    pub reason: Reject,
}

/// What became of a batch's records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Records of the batch that were events or rejects.
    pub received: u64,
    /// Events that are rows now and were not before.
    pub stored: u64,
    /// Events that were there already: a client's retry, or a replay.
    pub duplicates: u64,
    /// Rejects that are kept now and were not before.
    pub rejected: u64,
}

impl Store {
    /// Writes a batch and moves the lease to `batch.to`, in one autocommit statement.
    ///
    /// The batch may be empty of events and rejects; it then only moves the lease.
    pub async fn ingest(&self, batch: &Batch) -> Result<Ingested, IngestError> {
        let events = EventColumns::of(&batch.events);
        let rejects = RejectColumns::of(&batch.rejects);
        let mut session = self.session().await?;
        let statement = sqlx::query_file!(
            "queries/ingest.sql",
            batch.key.topic,
            batch.key.partition,
            batch.epoch,
            batch.from.0,
            batch.to.0,
            batch.last.offset.0,
            batch.last.time_ms,
            batch.last.hash,
            &events.kafka_offset,
            &events.event_id,
            &events.client_id,
            &events.received_at,
            &events.occurred_at,
            &events.event_type as &[&str],
            &events.username as &[Option<&str>],
            &events.session_id as &[Option<&str>],
            &events.url as &[Option<&str>],
            &events.path as &[Option<&str>],
            &events.referrer as &[Option<&str>],
            &events.user_agent as &[Option<&str>],
            &events.ip as &[Option<&str>],
            &events.source as &[&str],
            &events.count,
            &events.boot as &[Option<Uuid>],
            &events.properties as &[Json<&Map<String, Value>>],
            &events.choice as &[Option<Json<&Choice>>],
            &rejects.kafka_offset,
            &rejects.record_time_ms,
            &rejects.key as &[Option<&[u8]>],
            &rejects.raw as &[&[u8]],
            &rejects.code as &[&str],
            &rejects.reason,
            &rejects.boot as &[Option<Uuid>],
        )
        .fetch_one(&mut *session);
        let row = self.answer(statement).await?;
        session.finish();
        if !row.held {
            return Err(IngestError::Fenced);
        }
        Ok(Ingested {
            received: row.events.unsigned_abs() + row.refusals.unsigned_abs(),
            stored: row.stored.unsigned_abs(),
            duplicates: (row.events - row.stored).unsigned_abs(),
            rejected: row.refused.unsigned_abs(),
        })
    }
}
