//! What Kafka cannot take now is kept on this machine's disk and brought to Kafka later: an event that
//! was taken survives any kill and any power cut.
//!
//! The modules stand in the order in which an event passes through them: how it lies in a file (`frame`,
//! `segment`), whose folder that is (`folder`), what an earlier process left there (`survey`), what is
//! known of it all (`book`), how it is written (`disk`, `pen`, `writer`), how it gets to Kafka
//! ([`drain`]) and where it is then (`places`).
//!
//! At a kill in mid-drain some events are brought to Kafka again by the next process: same `event_id`,
//! same `received_at`, by which the consumer knows the second copy.

mod book;
mod disk;
pub(crate) mod drain;
mod folder;
mod frame;
mod pen;
mod places;
#[cfg(any(test, fuzzing))]
pub mod probes;
mod segment;
mod survey;
mod writer;

use crate::counters::{Clicks, Counters};
use crate::record::Record;
use crate::request::Delivered;
use crate::telemetry::METERS;
use anyhow::Context as _;
pub(crate) use book::Refused;
use book::{Book, Counts, Progress};
use chrono::{DateTime, Utc};
use disk::{Disk, FileSystem};
use domain::report::{BootReport, SpoolReport};
use folder::Folder;
use pen::Pen;
use places::Places;
use service::health::Part;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{sleep, timeout};
use uuid::Uuid;
use writer::{Append, Work};

/// The most bytes that wait for the writer at a time: as many as may wait for Kafka, so that all of those
/// may come over at once.
const PENDING_BYTES: usize = 64 << 20;

/// A disk that takes longer to answer is no help to anyone who waits. A busy one may well take a second.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long an append waits for its part of [`PENDING_BYTES`]: that much being pending means that the disk is slow.
const ROOM_WITHIN: Duration = Duration::from_secs(1);

/// The least that [`SpoolArgs::spool_max_bytes`] may be, other than nothing.
const MIN_BYTES: u64 = 1 << 20;

/// Where what Kafka cannot take now is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    /// The folder, made when it is not there; one process's own as long as it runs.
    pub folder: PathBuf,
    /// The most bytes of files in it.
    pub max_bytes: u64,
}

/// The spool's settings, for a binary to flatten into its own.
#[derive(Debug, Clone, clap::Args)]
pub struct SpoolArgs {
    /// Folder that keeps clicks while Kafka cannot take them; only one process may use it.
    #[arg(
        long,
        env = "SPOOL_DIR",
        value_name = "FOLDER",
        default_value = ".clickshop/spool"
    )]
    pub spool_dir: PathBuf,
    /// The most bytes kept there, at least 1 MiB; when it is full, clicks are refused. 0 is no spool.
    #[arg(
        long,
        env = "SPOOL_MAX_BYTES",
        value_name = "BYTES",
        default_value = "1073741824",
        value_parser = max_bytes
    )]
    pub spool_max_bytes: u64,
}

impl SpoolArgs {
    /// The spool that is wanted; none when it may hold nothing.
    pub fn settings(&self) -> Option<SpoolSettings> {
        (self.spool_max_bytes > 0).then(|| SpoolSettings {
            folder: self.spool_dir.clone(),
            max_bytes: self.spool_max_bytes,
        })
    }
}

/// Reads a number of bytes: 0, or at least 1 MiB.
fn max_bytes(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(bytes @ (0 | MIN_BYTES..)) => Ok(bytes),
        _ => Err(format!("expected bytes, 0 or at least {MIN_BYTES}")),
    }
}

/// What waits in the spool, and whether it can take more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolState {
    /// Events that were acknowledged and are not in Kafka yet.
    pub waiting_events: u64,
    /// Their bytes on the disk.
    pub waiting_bytes: u64,
    /// When the oldest of them was received.
    pub oldest: Option<DateTime<Utc>>,
    /// The most bytes that the spool may hold.
    pub max_bytes: u64,
    /// Why it cannot take more now, or what else is wrong with it.
    pub problem: Option<String>,
}

/// The spool of this process.
pub(crate) struct Spool {
    shared: Arc<Shared>,
    works: mpsc::Sender<Work>,
    /// Permits for [`PENDING_BYTES`].
    room: Arc<Semaphore>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// The clicks that an earlier process left.
    found: Clicks,
}

/// What the writer's thread and everyone else have in common.
struct Shared {
    folder: Folder,
    book: Mutex<Book>,
    /// Held by whoever writes the progress down.
    saving: Mutex<()>,
    /// Told when there may be something new to bring to Kafka.
    changed: Notify,
    places: Places,
    /// Who shows the clicks that are kept here, once there is somebody.
    counters: OnceLock<Arc<Counters>>,
}

/// Room in the spool for bytes that are about to be written.
struct Promise {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.shared.book().release(self.bytes);
    }
}

impl Spool {
    /// Takes the folder and reads what an earlier process left in it. Blocks: a full gigabyte takes some
    /// seconds.
    ///
    /// An error says why the folder cannot be used and names the setting.
    pub fn open(settings: &SpoolSettings) -> anyhow::Result<Self> {
        Self::open_on(Box::new(FileSystem), settings)
    }

    fn open_on(disk: Box<dyn Disk>, settings: &SpoolSettings) -> anyhow::Result<Self> {
        let folder = Folder::open(&settings.folder)?;
        let progress = progress(&folder)?;
        let found = survey::survey(&folder, progress.cursor).with_context(|| {
            let path = settings.folder.display();
            format!("cannot read the spool in {path} (SPOOL_DIR); move it away to begin a new one")
        })?;
        let next = found.highest.max(progress.cursor.segment) + 1;
        let book = Book::new(settings.max_bytes, progress, found.segments);
        if book.waiting_events() > 0 {
            tracing::info!(
                events = book.waiting_events(),
                bytes = book.waiting_bytes(),
                "the spool has events for Kafka from an earlier run"
            );
        }
        let shared = Arc::new(Shared {
            folder,
            book: Mutex::new(book),
            saving: Mutex::default(),
            changed: Notify::new(),
            places: Places::default(),
            counters: OnceLock::new(),
        });
        let path = {
            let shared = Arc::clone(&shared);
            Box::new(move |number| shared.folder.segment(number))
        };
        let pen = Pen::new(disk, path, next, settings.max_bytes);
        let (works, queue) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || writer::run(&shared, pen, &queue)
            })
            .context("cannot start the spool's thread")?;
        Ok(Self {
            shared,
            works,
            room: Arc::new(Semaphore::new(PENDING_BYTES)),
            writer: Mutex::new(Some(writer)),
            found: found.clicks,
        })
    }

    /// Tells the live counters of every click that is kept here, from now on until Kafka has it. To be called
    /// once, before the first append and before anything is brought to Kafka.
    pub fn tell(&self, counters: Arc<Counters>) {
        counters.spooled(self.found);
        // Whoever was told first stays the one.
        let _ = self.shared.counters.set(counters);
    }

    /// Returns when all records survive a power cut.
    ///
    /// Dropping the future stops the waiting, not the writing.
    pub async fn append(&self, records: &[&Record]) -> Result<(), Refused> {
        let done = timeout(ANSWER_WITHIN, self.ask(records)).await;
        let done = done.unwrap_or(Err(Refused::Silent));
        let events = records.len() as u64;
        match &done {
            Ok(()) => METERS.spooled.increment(events),
            Err(refused) => METERS.spool_refused.add(refused.code(), events),
        }
        done
    }

    async fn ask(&self, records: &[&Record]) -> Result<(), Refused> {
        let size: usize = records.iter().map(|r| frame::HEAD + r.size()).sum();
        // First the memory: who waits for that long holds events, and should not hold a place on the disk as well.
        let permits = u32::try_from(size.min(PENDING_BYTES)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(permits);
        let Ok(Ok(room)) = timeout(ROOM_WITHIN, room).await else {
            return Err(Refused::Silent);
        };
        let bytes = size as u64;
        self.shared.book().reserve(bytes)?;
        let promise = Promise {
            shared: Arc::clone(&self.shared),
            bytes,
        };
        let mut frames = Vec::with_capacity(size);
        let mut counts = Counts::default();
        for record in records {
            frame::write(&mut frames, |bytes| record.write(bytes));
            counts.add(record.boot, record.source, record.received_at);
            counts.clicks += record.clicks();
        }
        let (answer, answered) = oneshot::channel();
        let append = Append {
            frames,
            counts,
            answer,
            share: (promise, room),
        };
        self.works
            .send(Work::Append(append))
            .map_err(|_| Refused::Silent)?;
        answered.await.unwrap_or(Err(Refused::Silent))
    }

    /// What waits, and whether more can be taken.
    pub fn state(&self) -> SpoolState {
        let book = self.shared.book();
        SpoolState {
            waiting_events: book.waiting_events(),
            waiting_bytes: book.waiting_bytes(),
            oldest: book.oldest(),
            max_bytes: book.max_bytes(),
            problem: book.problem(),
        }
    }

    /// Whether something waits and is being brought to Kafka, as soon as Kafka takes it.
    pub fn is_draining(&self) -> bool {
        let book = self.shared.book();
        book.drain_problem.is_none() && book.waiting_events() > 0
    }

    /// Where a spooled event has come to lie, as far as that is remembered.
    pub fn place_of(&self, event: Uuid) -> Option<Delivered> {
        self.shared.places.get(event)
    }

    /// Waits until a spooled event lies in Kafka.
    pub async fn placed(&self, event: Uuid) -> Delivered {
        self.shared.places.wait(event).await
    }

    /// Writes down how far it has come, and returns what is to be reported of that.
    pub async fn report(&self) -> (SpoolReport, Vec<BootReport>) {
        let shared = Arc::clone(&self.shared);
        // An error means that the runtime is ending; what is written down is then what was.
        let _ = tokio::task::spawn_blocking(move || shared.save()).await;
        self.shared.book().report()
    }

    /// Whether this process is the first one here, so that no earlier one can have reported anything.
    pub fn is_new(&self) -> bool {
        self.shared.folder.is_new
    }

    /// What `told` says of boots other than this one need not be told again, if it is all there is to say.
    pub fn reported(&self, boot: Uuid, told: &[BootReport]) {
        self.shared.book().forget_all_but(boot, told);
    }

    /// Tells metrics and health how it is, each second, for ever.
    pub async fn watch(&self, health: Part) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let number = |n: u64| n as f64;
        loop {
            let (state, bytes) = (self.state(), self.shared.book().bytes());
            let age = state.oldest.map_or(0, |oldest| {
                (Utc::now() - oldest).num_seconds().max(0).unsigned_abs()
            });
            METERS.spool_bytes.set(number(bytes));
            METERS.spool_max_bytes.set(number(state.max_bytes));
            METERS.spool_waiting.set(number(state.waiting_events));
            METERS.spool_oldest.set(number(age));
            match state.problem {
                None => health.ready(),
                Some(problem) => health.unready(problem),
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// What readers of `/readyz` should know while Kafka is away.
    pub fn in_words(&self) -> String {
        let book = self.shared.book();
        format!(
            "events are kept in the spool: {} wait, {} % full",
            book.waiting_events(),
            book.percent_full()
        )
    }

    /// Ends the writer when all that was asked before is done, and writes down how far the spool has
    /// come. Nothing is taken after that.
    pub async fn close(&self) {
        // An error means that the writer has ended.
        let _ = self.works.send(Work::Stop);
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let shared = Arc::clone(&self.shared);
        let ended = tokio::task::spawn_blocking(move || {
            if writer.is_some_and(|writer| writer.join().is_err()) {
                tracing::error!("the spool's writer has panicked");
            }
            shared.save();
        });
        let _ = ended.await;
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, tell: impl FnOnce(&Counters)) {
        if let Some(counters) = self.counters.get() {
            tell(counters);
        }
    }

    /// Ends the segment that is being written to, when it is this one and all of it is in Kafka.
    fn seal(&self, pen: &mut Pen, number: u64) {
        let mut book = self.book();
        if pen.open() == Some(number) && book.next() == (book::Next::Seal { number }) {
            pen.seal();
            book.sealed();
        }
        drop(book);
        self.changed.notify_one();
    }

    /// Writes down how far the spool has come, when that is news. Blocks.
    ///
    /// Returns whether what is written down is what is known.
    fn save(&self) -> bool {
        let _one_at_a_time = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(progress) = self.book().unwritten() else {
            return true;
        };
        let saved = serde_json::to_vec_pretty(&progress)
            .map_err(std::io::Error::from)
            .and_then(|json| self.folder.write(PROGRESS, &json));
        match saved {
            Ok(()) => {
                self.book().written(progress);
                true
            }
            Err(error) => {
                // Until it works, what was drained is not reported, and would be drained again after a crash.
                tracing::warn!(%error, "cannot write down how far the spool has come");
                false
            }
        }
    }
}

/// The file that says how far the spool has come.
const PROGRESS: &str = "progress.json";

/// How far an earlier process has come, as far as that is known.
fn progress(folder: &Folder) -> anyhow::Result<Progress> {
    let written = folder.read(PROGRESS).context("cannot read progress.json")?;
    let nothing = Progress::new(folder.id);
    let Some(json) = written else {
        return Ok(nothing);
    };
    Ok(match serde_json::from_slice::<Progress>(&json) {
        Ok(progress) if progress.spool == folder.id => progress,
        // Its totals belong to another spool's reports.
        Ok(progress) => Progress {
            cursor: progress.cursor,
            ..nothing
        },
        Err(error) => {
            tracing::error!(%error, "progress.json cannot be understood; everything in the spool is brought to Kafka again");
            nothing
        }
    })
}

#[cfg(test)]
mod tests;
