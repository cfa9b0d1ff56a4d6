//! Writes the batches of one partition under one lease, until something says that it must not go on.
//!
//! What the store's errors mean is decided here; what follows from it for the partition, in
//! [`crate::partition`]. After an unknown outcome nothing is retried in place: only taking the lease
//! again tells whether the rows are there.

use crate::board::Shared;
use crate::decode::{self, NewerSchema};
use crate::inbox::{Chunk, Mailbox};
use crate::measures::METERS;
use crate::partition::Event;
use crate::source::{Record, Schema};
use crate::split::{self, Next};
use crate::start::{self, Halt};
use chrono::{DateTime, Utc};
use domain::{Reject, wire};
use service::outage::Complaint;
use service::telemetry::record_seconds;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Batch, IngestError, Ingested, PartitionKey};

/// So many rejects by Postgres without a row between them are our own mistake, not the visitors'.
const SQL_REJECTS_IN_A_ROW: u32 = 100;

/// How long a batch of a backlog may take to become whole.
const BACKLOG_PATIENCE: Duration = Duration::from_millis(200);

/// Writes one partition under one epoch.
pub struct Writer {
    shared: Arc<Shared>,
    key: PartitionKey,
    epoch: i64,
    /// The most records in the next batch: fewer after failures, then double with each success.
    at_most: usize,
    refused: Streak,
    wrote: bool,
    /// Says once when Postgres is there and does not get a batch written.
    slow: Arc<Complaint>,
}

/// Why a writer ended by itself.
#[derive(Debug)]
pub struct Stopped {
    /// What happened.
    pub event: Event,
    /// Whether it had written anything before that.
    pub wrote: bool,
}

impl Writer {
    /// A writer for a lease that was just granted, after `failures` without a batch written. `slow` is the
    /// partition's own and outlives its writers.
    pub fn new(
        shared: Arc<Shared>,
        partition: i32,
        epoch: i64,
        failures: u32,
        slow: Arc<Complaint>,
    ) -> Self {
        let at_most = (shared.limits.batch_records >> failures.min(16)).max(1);
        let key = shared.key(partition);
        Self {
            shared,
            key,
            slow,
            epoch,
            at_most,
            refused: Streak::default(),
            wrote: false,
        }
    }

    /// Writes what comes until the mailbox is closed (nothing is returned) or something happened.
    pub async fn run(mut self, mailbox: &Mailbox) -> Option<Stopped> {
        let shared = self.shared.clone();
        while mailbox.filled().await {
            let whole = shared.limits.batch_records;
            if self.at_most >= whole && shared.board.is_behind(self.key.partition, whole) {
                mailbox.whole(BACKLOG_PATIENCE).await;
            }
            // Waiting for its turn, a batch still grows, and only those whose turn it is take memory.
            // The semaphore lives as long as the process and is never closed.
            let _turn = shared.permits.acquire().await.ok();
            let Some(chunk) = mailbox.take(self.at_most) else {
                continue;
            };
            if let ControlFlow::Break(event) = self.write_chunk(&chunk).await {
                return Some(Stopped {
                    event,
                    wrote: self.wrote,
                });
            }
        }
        None
    }

    async fn write_chunk(&mut self, chunk: &Chunk) -> ControlFlow<Event> {
        if let Some(first) = chunk.records.first() {
            let board = &self.shared.board;
            board.has_unread(self.key.partition, chunk.from, first.time_ms);
        }
        let (batch, newer) = decode::batch(&self.key, self.epoch, chunk);
        if let Some(batch) = batch {
            self.write(batch, &chunk.records).await?;
        }
        match newer {
            Some(newer) => ControlFlow::Break(Event::Broken(self.newer_schema(newer))),
            None => ControlFlow::Continue(()),
        }
    }

    /// Writes a batch, or its parts in order.
    async fn write(&mut self, batch: Batch, records: &[Record]) -> ControlFlow<Event> {
        let mut parts = vec![(batch, false)];
        while let Some((part, is_sql_reject)) = parts.pop() {
            let error = match self.ingest(&part).await {
                Ok(()) => {
                    self.count_rejects(&part, is_sql_reject)?;
                    continue;
                }
                Err(error) => error,
            };
            let away = error.is_away();
            match error {
                IngestError::Fenced => return self.failed("fenced", Event::Fenced),
                IngestError::Transient(error) => {
                    if away {
                        self.shared.postgres.missing(&error);
                    } else {
                        self.slow.failing(&error);
                    }
                    return self.failed("transient", Event::OutcomeUnknown);
                }
                IngestError::Halt { reason, .. } => {
                    return self.failed("halt", Event::Broken(self.refused(&part, &reason)));
                }
                IngestError::Data { sqlstate, message } => {
                    count_failure("data");
                    let reason = format!("{message} ({sqlstate})");
                    let refused = self.refused(&part, &reason);
                    match split::after_refusal(
                        part,
                        records,
                        Reject::Database { sqlstate, message },
                    ) {
                        Next::Halves(first, second) => {
                            parts.extend([(second, false), (first, false)]);
                        }
                        Next::Reject(part) => parts.push((part, true)),
                        Next::Hopeless => return self.failed("halt", Event::Broken(refused)),
                    }
                }
            }
        }
        self.at_most = (self.at_most * 2).min(self.shared.limits.batch_records);
        ControlFlow::Continue(())
    }

    /// One statement, measured.
    async fn ingest(&mut self, batch: &Batch) -> Result<(), IngestError> {
        let began = Instant::now();
        let ingested = self.shared.store.ingest(batch).await?;
        METERS.ingest_seconds.record(began.elapsed().as_secs_f64());
        let size = batch.events.len() + batch.rejects.len() + batch.reports.len();
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        METERS.batch_events.record(f64::from(size));
        measure_way(batch, &ingested);
        self.shared.postgres.back();
        self.slow.over();
        self.shared
            .board
            .wrote(self.key.partition, &batch.last, &ingested);
        self.wrote = true;
        Ok(())
    }

    /// Counts rejects by Postgres in a row.
    fn count_rejects(&mut self, part: &Batch, is_sql_reject: bool) -> ControlFlow<Event> {
        if !self.refused.wrote(part.events.len(), is_sql_reject) {
            return ControlFlow::Continue(());
        }
        let why = part
            .rejects
            .last()
            .map(|reject| reject.reason.to_string())
            .unwrap_or_default();
        ControlFlow::Break(Event::Broken(Halt {
            epoch: self.epoch,
            reason: format!(
                "{SQL_REJECTS_IN_A_ROW} events in a row were refused, the last one: {why}"
            ),
            repair: format!(
                "the tables and this build do not fit. Mend that (cargo run -p consumer -- setup brings the tables up to date), then: {}; and send the refused ones again: cargo run -p consumer -- rejects redrive --code database",
                start::try_again(self.key.partition, part.to)
            ),
        }))
    }

    fn failed(&self, kind: &'static str, event: Event) -> ControlFlow<Event> {
        count_failure(kind);
        tracing::debug!(
            partition = self.key.partition,
            epoch = self.epoch,
            ?event,
            "a batch was not written"
        );
        ControlFlow::Break(event)
    }

    fn refused(&self, batch: &Batch, reason: &str) -> Halt {
        Halt {
            epoch: self.epoch,
            reason: format!(
                "Postgres refuses offsets {} to {}: {reason}",
                batch.from, batch.last.offset
            ),
            repair: format!(
                "this is no visitor's mistake. Mend the cause (cargo run -p consumer -- setup brings the tables up to date), then: {}",
                start::try_again(self.key.partition, batch.from)
            ),
        }
    }

    fn newer_schema(&self, newer: NewerSchema) -> Halt {
        let format = match newer.schema {
            Schema::Version(version) => format!("format {version}"),
            Schema::Unreadable => "a format header that is no number".to_owned(),
        };
        Halt {
            epoch: self.epoch,
            reason: format!(
                "the record at offset {} has {format}; this build reads formats up to {}",
                newer.offset,
                wire::SCHEMA_VERSION
            ),
            repair: format!(
                "start a newer consumer; to go on without this record: {}",
                start::try_again(self.key.partition, newer.offset.next())
            ),
        }
    }
}

/// Rejects by Postgres with no row between them.
#[derive(Debug, Default)]
struct Streak(u32);

impl Streak {
    /// Counts a part of a batch that was written, with so many events; says whether it is one too many.
    fn wrote(&mut self, events: usize, is_sql_reject: bool) -> bool {
        if is_sql_reject {
            self.0 += 1;
        } else if events > 0 {
            self.0 = 0;
        }
        self.0 >= SQL_REJECTS_IN_A_ROW
    }
}

/// Measures how long the events of a batch were on their way.
fn measure_way(batch: &Batch, ingested: &Ingested) {
    let stored = usize::try_from(ingested.stored).unwrap_or(usize::MAX);
    let received = batch.events.iter().map(|(_, event)| event.received_at);
    record_seconds(
        &METERS.end_to_end_seconds,
        ways(received, stored, Utc::now()),
    );
}

/// How long each event took that became a row, in seconds. Where not all did, they are the last ones: those
/// that are there already (and were measured then) come first in what is read again.
fn ways(
    received: impl DoubleEndedIterator<Item = DateTime<Utc>>,
    stored: usize,
    now: DateTime<Utc>,
) -> impl Iterator<Item = f64> {
    // A collector's clock may be ahead of ours.
    let way = move |at: DateTime<Utc>| (now - at).to_std().unwrap_or_default().as_secs_f64();
    received.rev().take(stored).map(way)
}

fn count_failure(kind: &'static str) {
    METERS.ingest_failures.add(kind, 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn each_row_has_a_way_of_its_own_and_what_was_there_before_has_none() {
        let now = Utc::now();
        let received = [-7_500, -250, 1_000].map(|ms| now + TimeDelta::milliseconds(ms));
        let ways = |stored| ways(received.into_iter(), stored, now).collect::<Vec<_>>();
        assert_eq!(ways(3), [0.0, 0.25, 7.5]);
        assert_eq!(ways(2), [0.0, 0.25]);
        assert!(ways(0).is_empty());
    }

    #[test]
    fn a_row_between_two_refusals_ends_their_streak() {
        let mut streak = Streak::default();
        for _ in 1..SQL_REJECTS_IN_A_ROW {
            assert!(!streak.wrote(0, true));
            assert!(!streak.wrote(0, false), "nothing but rejects of ours");
        }
        assert!(!streak.wrote(1, false), "a row");
        for _ in 1..SQL_REJECTS_IN_A_ROW {
            assert!(!streak.wrote(0, true));
        }
        assert!(streak.wrote(0, true));
    }
}
