//! Brings what was spooled to Kafka, in order and one batch at a time: at most [`BATCH_EVENTS`] of it are
//! on their way, beside the live traffic. While Kafka is away one event a second is sent to find out.
//!
//! Nothing stops what comes behind it: what cannot be read is passed over, and a message that Kafka will never
//! take is set aside. Both are lost, said loudly, and kept for people to look at.

mod doubt;

use self::doubt::{Doubt, Verdict};
use super::book::{Next, Passed};
use super::folder::Folder;
use super::segment::{Item, Reader};
use super::writer::Work;
use super::{Shared, Spool};
use crate::counters::Clicks;
use crate::detour::Detour;
use crate::producer::Producer;
use crate::record::Record;
use crate::request::Delivered;
use crate::telemetry::METERS;
use rdkafka::error::RDKafkaErrorCode;
use std::io;
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
    /// What each of them counts.
    clicks: Vec<Clicks>,
    segment: u64,
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
        let Some(places) = carry(&spool, &producer, &detour, &batch, &stop).await else {
            return;
        };
        spool.advance(batch, &places);
        if places.iter().any(Option::is_some) {
            detour.over();
        }
    }
}

/// What has become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Placed(Delivered),
    SetAside,
}

/// Sends the records until Kafka has all of them but those that it will never take; returns where they lie,
/// those that were set aside nowhere. None at `stop`.
async fn carry(
    spool: &Spool,
    producer: &Producer,
    detour: &Detour,
    batch: &Batch,
    stop: &CancellationToken,
) -> Option<Vec<Option<Delivered>>> {
    let records = &batch.records;
    let mut fates = vec![Fate::Open; records.len()];
    let mut away = detour.is_on();
    let mut doubt = Doubt::default();
    loop {
        let open = |n: &usize| fates[*n] == Fate::Open;
        let mut left: Vec<usize> = (0..records.len()).filter(open).collect();
        let Some(first) = left.first().copied() else {
            let place = |fate| match fate {
                Fate::Placed(at) => Some(at),
                Fate::Open | Fate::SetAside => None,
            };
            return Some(fates.into_iter().map(place).collect());
        };
        if away || doubt.sends_alone() {
            // A copy that Kafka took without saying so is one too many: risk one, not a thousand.
            left.truncate(1);
        }
        let messages: Vec<_> = left.iter().map(|n| &records[*n].message).collect();
        let outcomes = producer.deliver(&messages).await;
        for (n, outcome) in left.iter().zip(&outcomes) {
            if let Ok(at) = outcome {
                fates[*n] = Fate::Placed(*at);
            }
        }
        let taken = messages
            .iter()
            .zip(&outcomes)
            .filter_map(|(message, outcome)| Some((message.event_id, (*outcome).ok()?)));
        spool.shared.places.add(taken);
        let clicks = outcomes.iter().zip(&left);
        let clicks = clicks.filter_map(|(at, n)| Some(((*at).ok()?, batch.clicks[*n])));
        spool.shared.count(|counters| counters.drained(clicks));
        let taken = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        METERS.drained.increment(taken as u64);
        match doubt.judge(&outcomes) {
            Verdict::Arrived => away = false,
            Verdict::Refused if left.len() > 1 => {}
            Verdict::Refused => {
                stop.run_until_cancelled(sleep(PAUSE)).await?;
            }
            Verdict::Never(code) => {
                let aside = spool.set_aside(batch, first, code).await;
                match aside {
                    Ok(()) => fates[first] = Fate::SetAside,
                    Err(error) => {
                        let trouble = spool.troubled("set a message aside from", &error);
                        stop.run_until_cancelled(trouble).await?;
                    }
                }
            }
            Verdict::Away => {
                away = true;
                detour.begin();
                stop.run_until_cancelled(sleep(PAUSE)).await?;
            }
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
                        let batch = Batch::read(&shared.folder, number, from, to)?;
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

    /// Kafka has all of the batch, there, but what was set aside.
    pub(super) fn advance(&self, batch: Batch, places: &[Option<Delivered>]) {
        let passed = batch.records.iter().zip(&batch.clicks).zip(places);
        let passed = passed.map(|((record, clicks), at)| Passed {
            boot: record.boot,
            source: record.source,
            clicks: *clicks,
            at: *at,
        });
        self.shared.book().advance(batch.end, passed);
    }

    /// Keeps a message of the batch that Kafka will never take where people find it. It is lost then.
    async fn set_aside(&self, batch: &Batch, n: usize, code: RDKafkaErrorCode) -> io::Result<()> {
        let message = Arc::clone(&batch.records[n].message);
        let (shared, number) = (Arc::clone(&self.shared), batch.segment);
        let event_id = message.event_id;
        let file =
            blocking(move || shared.folder.set_message_aside(number, message.json())).await?;
        METERS.spool_lost.add("refused", 1);
        self.shared.count(|counters| counters.lost(batch.clicks[n]));
        tracing::error!(
            %event_id,
            error = %code,
            file = %file.display(),
            "an acknowledged event is lost: Kafka does not take its message, which is kept in a file"
        );
        Ok(())
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
            if book.is_damaged() {
                METERS.spool_damaged.increment(1);
            }
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
        let lost = self.book().finish();
        if lost.total() > 0 {
            METERS.spool_lost.add("unreadable", lost.total());
            self.count(|counters| counters.lost(lost.clicks));
            tracing::error!(
                segment = number,
                events = lost.total(),
                "acknowledged events are lost: what held them cannot be read any more"
            );
        }
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
    fn read(folder: &Folder, number: u64, from: u64, to: u64) -> io::Result<Self> {
        let mut reader = Reader::open(&folder.segment(number), from, to)?;
        let mut batch = Self {
            segment: number,
            end: from,
            ..Self::default()
        };
        let mut bytes = 0;
        while batch.records.len() < BATCH_EVENTS && bytes < BATCH_BYTES {
            match reader.next()? {
                Some(Item::Record(record, size)) => {
                    bytes += record.message.json().len();
                    batch.clicks.push(record.clicks());
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
