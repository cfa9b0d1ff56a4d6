//! One batch: rows, rejects, reports, counts and offset together, or nothing at all.

use crate::columns::{EventColumns, RejectColumns, ReportColumns};
use crate::connection::Store;
use crate::copy::{self, Attempt};
use crate::error::{IngestError, was_ended};
use crate::lease::{LastRecord, PartitionKey};
use chrono::{DateTime, Utc};
use domain::report::CollectorReport;
use domain::{Choice, Event, LastSeen, NextOffset, Reject};
use serde_json::{Map, Value};
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use std::time::Duration;
use uuid::Uuid;

/// How long a writer that lost its connection waits to hear why, and how long before it asks again.
const SOON: Duration = Duration::from_secs(3);
const A_MOMENT: Duration = Duration::from_millis(50);

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
    /// What collectors say about themselves, in any order: neither events nor rejects.
    pub reports: Vec<CollectorReport>,
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
    /// Tries of clients for events that were there already, each counted once.
    pub duplicates: u64,
    /// Events that were there already, to the same acknowledgement: Kafka had it twice, or a replay.
    pub redelivered: u64,
    /// Rejects that are kept now and were not before.
    pub rejected: u64,
}

/// What rows that were written before the statement, in its transaction, add to the counts.
#[derive(Debug, Default)]
pub(crate) struct Copied<'a> {
    pub minute: Vec<DateTime<Utc>>,
    pub minute_type: Vec<&'a str>,
    pub minute_bot: Vec<bool>,
    pub minute_events: Vec<i64>,
    pub minute_clicks: Vec<i64>,
    pub boot: Vec<Uuid>,
    pub boot_events: Vec<i64>,
}

/// What the statement did.
pub(crate) struct Outcome {
    pub held: bool,
    pub stored: u64,
    pub retried: u64,
    pub refused: u64,
}

impl Store {
    /// Writes a batch and moves the lease to `batch.to`, all of it or nothing.
    ///
    /// The batch may be empty of events and rejects; it then only moves the lease. A large one is first tried by
    /// COPY ([`crate::copy`]), which is faster and comes to the same.
    pub async fn ingest(&self, batch: &Batch) -> Result<Ingested, IngestError> {
        let mut session = self.session().await?;
        if batch.events.len() >= self.copy_from && self.optimism.tries() {
            match self
                .answer(copy::write(&mut session, batch, &self.agents))
                .await
            {
                Ok(attempt) => {
                    session.finish();
                    self.optimism.confirmed();
                    return match attempt {
                        Attempt::Written(copied, outcome) => batch.ingested(copied, &outcome),
                        Attempt::Fenced => Err(IngestError::Fenced),
                    };
                }
                Err(error) => match IngestError::from(error) {
                    IngestError::Transient(error) => {
                        drop(session);
                        return Err(self.broken(batch, error).await);
                    }
                    // Undone; the statement says what is the matter, if anything is.
                    _ => self.optimism.refused(),
                },
            }
        }
        let events = EventColumns::of(batch.events.iter(), &self.agents);
        let nothing = Copied::default();
        let statement = ingest(&mut session, batch, &events, &nothing);
        match self.answer(statement).await {
            Ok(outcome) => {
                session.finish();
                batch.ingested(0, &outcome)
            }
            Err(error) => match IngestError::from(error) {
                IngestError::Transient(error) => {
                    drop(session);
                    Err(self.broken(batch, error).await)
                }
                refused => Err(refused),
            },
        }
    }
}

impl Store {
    /// What a write that broke means: fenced where another has the lease since, however it broke. A client that was
    /// frozen long enough to be replaced would else take the lease back from its successor.
    async fn broken(&self, batch: &Batch, error: sqlx::Error) -> IngestError {
        if self.is_superseded(batch, &error).await {
            IngestError::Fenced
        } else {
            IngestError::Transient(error)
        }
    }

    /// Whether a write that broke was ended by who took its lease: then its client must not take it back at
    /// once. False when Postgres does not say so soon.
    async fn is_superseded(&self, batch: &Batch, error: &sqlx::Error) -> bool {
        let asked = async {
            loop {
                let mut session = self.session().await?;
                let superseded = sqlx::query_file_scalar!(
                    "queries/superseded.sql",
                    batch.key.topic,
                    batch.key.partition,
                    batch.epoch
                )
                .fetch_optional(&mut *session)
                .await?;
                session.finish();
                // Who ended it may have done so to get at the lease, which takes a moment.
                if superseded.is_some() || !was_ended(error) {
                    return Ok::<_, sqlx::Error>(superseded.is_some());
                }
                tokio::time::sleep(A_MOMENT).await;
            }
        };
        matches!(tokio::time::timeout(SOON, asked).await, Ok(Ok(true)))
    }
}

impl Batch {
    /// Sums up, given how many events were written before the statement.
    fn ingested(&self, copied: u64, outcome: &Outcome) -> Result<Ingested, IngestError> {
        if !outcome.held {
            return Err(IngestError::Fenced);
        }
        let stored = copied + outcome.stored;
        let events = self.events.len() as u64;
        Ok(Ingested {
            received: events + self.rejects.len() as u64,
            stored,
            duplicates: outcome.retried,
            redelivered: events - stored - outcome.retried,
            rejected: outcome.refused,
        })
    }
}

/// Runs the statement for a batch of which `events` are not written yet.
pub(crate) async fn ingest(
    connection: &mut PgConnection,
    batch: &Batch,
    events: &EventColumns<'_>,
    copied: &Copied<'_>,
) -> sqlx::Result<Outcome> {
    let rejects = RejectColumns::of(&batch.rejects);
    let reports = ReportColumns::of(&batch.reports);
    let row = sqlx::query_file!(
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
        &copied.minute,
        &copied.minute_type as &[&str],
        &copied.minute_events,
        &copied.minute_clicks,
        &copied.boot,
        &copied.boot_events,
        &reports.reporter,
        &reports.reported_at,
        &reports.acknowledged_reporter,
        &reports.acknowledged_boot,
        &reports.acknowledged_source as &[&str],
        &reports.acknowledged_events,
        &reports.placed_reporter,
        &reports.placed_boot,
        &reports.placed_partition,
        &reports.placed_events,
        &reports.placed_last,
        &reports.spool,
        &reports.spool_events,
        &reports.spool_bytes,
        &reports.spool_reported_at,
        &events.browser as &[Option<&str>],
        &events.system as &[Option<&str>],
        &events.device as &[Option<&str>],
        &events.bot as &[Option<&str>],
        &copied.minute_bot,
    )
    .fetch_one(connection)
    .await?;
    Ok(Outcome {
        held: row.held,
        stored: row.stored.unsigned_abs(),
        retried: row.retried.unsigned_abs(),
        refused: row.refused.unsigned_abs(),
    })
}
