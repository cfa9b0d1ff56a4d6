//! Brings what was spooled to Kafka, in order and one batch at a time: at most [`BATCH_EVENTS`] of it are
//! on their way, beside the live traffic. While Kafka is away one event a second is sent to find out.

use super::book::Next;
use super::segment::{Item, Reader};
use super::writer::Work;
use super::{Shared, Spool};
use crate::detour::Detour;
use crate::producer::Producer;
use crate::record::Record;
use crate::request::Delivered;
use crate::telemetry::METERS;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The most events of a batch.
const BATCH_EVENTS: usize = 1000;
/// A batch is closed when its messages have so many bytes.
const BATCH_BYTES: usize = 512 << 10;
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// A segment to which nothing was added for so long is closed, to be removed.
const SEAL_AFTER: Duration = Duration::from_secs(1);

/// Events of one segment, in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub records: Vec<Record>,
    /// Where in the segment they end.
    end: u64,
    /// Bytes among them that cannot be read.
    unreadable: u64,
}

/// Drains the spool until `stop`; what is on its way then is waited for.
pub(crate) async fn run(
    spool: Arc<Spool>,
    producer: Arc<Producer>,
    detour: Arc<Detour>,
    stop: CancellationToken,
) {
    while let Some(batch) = stop.run_until_cancelled(spool.next_batch()).await {
        let Some(places) = carry(&spool, &producer, &detour, &batch.records, &stop).await else {
            return;
        };
        spool.advance(batch, &places);
        detour.over();
    }
}

/// Sends the records until Kafka has all of them; returns where they lie, or none at `stop`.
async fn carry(
    spool: &Spool,
    producer: &Producer,
    detour: &Detour,
    records: &[Record],
    stop: &CancellationToken,
) -> Option<Vec<Delivered>> {
    let mut places = vec![None; records.len()];
    let mut away = detour.is_on();
    loop {
        let mut left: Vec<usize> = (0..records.len())
            .filter(|n| places[*n].is_none())
            .collect();
        if left.is_empty() {
            return places.into_iter().collect();
        }
        if away {
            // A copy that Kafka took without saying so is one too many: risk one, not a thousand.
            left.truncate(1);
        }
        let messages: Vec<_> = left.iter().map(|n| &records[*n].message).collect();
        let outcomes = producer.deliver(&messages).await;
        for (n, outcome) in left.iter().zip(&outcomes) {
            places[*n] = (*outcome).ok();
        }
        let taken = messages
            .iter()
            .zip(&outcomes)
            .filter_map(|(message, outcome)| Some((message.event_id, (*outcome).ok()?)));
        spool.shared.places.add(taken);
        let clicks = outcomes.iter().zip(&left);
        let clicks = clicks.filter_map(|(at, n)| Some(((*at).ok()?, records[*n].clicks())));
        spool.shared.count(|counters| counters.drained(clicks));
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        METERS.drained.increment((outcomes.len() - failed) as u64);
        away = failed > 0;
        if away {
            detour.begin();
            stop.run_until_cancelled(sleep(PAUSE)).await?;
        }
    }
}

impl Spool {
    /// The next events that Kafka does not have; waits for them, and removes segments that are done with
    /// meanwhile.
    pub(super) async fn next_batch(&self) -> Batch {
        loop {
            let next = self.shared.book().next();
            match next {
                Next::Read { number, from, to } => {
                    let shared = Arc::clone(&self.shared);
                    let read = blocking(move || {
                        let batch = Batch::read(&shared.folder.segment(number), from, to)?;
                        shared.enter(number, &batch);
                        Ok(batch)
                    });
                    match read.await {
                        Ok(batch) if batch.records.is_empty() => self.advance(batch, &[]),
                        Ok(batch) => return batch,
                        Err(error) => self.troubled("read", &error).await,
                    }
                }
                Next::Finish { number, damaged } => {
                    let shared = Arc::clone(&self.shared);
                    if let Err(error) = blocking(move || shared.finish(number, damaged)).await {
                        self.troubled("remove", &error).await;
                    }
                }
                Next::Seal { number } => {
                    let more = timeout(SEAL_AFTER, self.shared.changed.notified());
                    if more.await.is_err() && self.works.send(Work::Seal(number)).is_err() {
                        // The writer has ended, and so will we.
                        sleep(PAUSE).await;
                    }
                }
                Next::Wait => self.shared.changed.notified().await,
            }
        }
    }

    /// Kafka has all of the batch, there.
    pub(super) fn advance(&self, batch: Batch, places: &[Delivered]) {
        let taken = batch.records.iter().zip(places);
        let taken = taken.map(|(record, at)| (record.boot, record.source, *at));
        self.shared.book().advance(batch.end, taken);
    }

    /// Says that a segment cannot be read or removed, and waits before it is tried again.
    async fn troubled(&self, what: &str, error: &io::Error) {
        let problem = format!("cannot {what} a segment of the spool: {error}");
        let news = self.shared.book().drain_problem.replace(problem.clone());
        if news.as_ref() != Some(&problem) {
            tracing::error!("{problem}");
        }
        sleep(PAUSE).await;
    }
}

impl Shared {
    /// Enters what was read into the book.
    fn enter(&self, number: u64, batch: &Batch) {
        let mut book = self.book();
        book.drain_problem = None;
        if let Some(first) = batch.records.first() {
            book.oldest_is(first.received_at);
        }
        if batch.unreadable > 0 {
            book.is_damaged();
            tracing::error!(
                segment = %self.folder.segment(number).display(),
                bytes = batch.unreadable,
                "passed over what cannot be read"
            );
        }
    }

    /// Removes a segment that is done with, or keeps it aside. Blocks.
    fn finish(&self, number: u64, damaged: bool) -> io::Result<()> {
        if damaged {
            self.folder.set_aside(number)?;
        }
        self.book().finish();
        // First written down, then removed. When the disk is too full to write, removing comes first:
        // should we be killed in between, some events are missing in the reports, none in Kafka.
        let saved = self.save();
        if !damaged {
            self.folder.remove(number)?;
        }
        if !saved {
            self.save();
        }
        Ok(())
    }
}

impl Batch {
    /// Reads the next events of a segment between two offsets, at most one batch.
    fn read(path: &Path, from: u64, to: u64) -> io::Result<Self> {
        let mut reader = Reader::open(path, from, to)?;
        let mut batch = Self {
            end: from,
            ..Self::default()
        };
        let mut bytes = 0;
        while batch.records.len() < BATCH_EVENTS && bytes < BATCH_BYTES {
            match reader.next()? {
                Some(Item::Record(record, size)) => {
                    bytes += record.message.json().len();
                    batch.records.push(*record);
                    batch.end += size;
                }
                Some(Item::Hole { bytes, .. }) => {
                    batch.unreadable += bytes;
                    batch.end += bytes;
                }
                None => {
                    // A file that has become shorter than it was: what is missing is gone.
                    batch.unreadable += to - batch.end;
                    batch.end = to;
                    break;
                }
            }
        }
        Ok(batch)
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}
