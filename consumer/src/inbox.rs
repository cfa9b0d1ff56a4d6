//! What was read and not yet written: the records of one partition in order, bounded.
//!
//! The polling thread puts records in, the partition's writer takes as many as there are. So a batch is
//! whatever arrived while the last one was being written: a single click waits for nobody. Only where
//! Kafka is known to have a whole batch more does the writer wait for that: a large one costs less for each
//! record, and time is what a backlog has.
//!
//! Order is checked at the door: a record that was dealt with is dropped, and a hole in the offsets is
//! not believed before it was seen twice, because a record left over from an earlier position would
//! look the same, and believing that would lose records. It is never believed when the client said that
//! it could not read something: it goes on after a damaged batch as if there were none.

use crate::source::Record;
use crate::start::Start;
use domain::{LastSeen, NextOffset};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::LastRecord;
use tokio::sync::Notify;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most records in one batch.
    pub batch_records: usize,
    /// The most bytes in one batch, give or take its last record.
    pub batch_bytes: usize,
}

impl Limits {
    /// As many records as asked for, and 4 MiB.
    pub const fn new(batch_records: usize) -> Self {
        Self {
            batch_records,
            batch_bytes: 4 << 20,
        }
    }
}

/// A hole in the offsets: `expected` did not come, `found` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The offset that was to come.
    pub expected: NextOffset,
    /// The offset that came.
    pub found: LastSeen,
}

/// Why a record cannot be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Records are missing before it. Read again from the stored offset.
    Gap(Gap),
    /// Records are missing before it, again, and something could not be read.
    Unreadable(Gap),
    /// It stands where the last record stood, and is another one. The topic is not the same.
    AnotherRecord(LastSeen),
}

/// What became of a record that was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The inbox is full now.
    pub full: bool,
    /// The hole before it, which was believed.
    pub hole: Option<Gap>,
}

/// Decides about a hole: whether it may be read past.
///
/// `met` is the hole met the last time the same records were read; `unreadable`: this time, something
/// could not be read since the last record that joined.
fn judge(gap: Gap, met: Option<Gap>, unreadable: bool) -> Result<(), Trouble> {
    match (met == Some(gap), unreadable) {
        // A damage on the way is gone when it is read again; one at its place is not.
        (false, _) => Err(Trouble::Gap(gap)),
        (true, true) => Err(Trouble::Unreadable(gap)),
        (true, false) => Ok(()),
    }
}

/// Consecutive records, as they are to be written.
#[derive(Debug)]
pub struct Chunk {
    /// Where the lease stands.
    pub from: NextOffset,
    /// The records, at least one.
    pub records: Vec<Record>,
}

/// The records of one partition that wait to be written.
#[derive(Debug)]
pub struct Inbox {
    limits: Limits,
    /// The next offset that may come in.
    expected: NextOffset,
    /// Where the next chunk begins.
    written_to: NextOffset,
    verify: Option<LastRecord>,
    /// The hole that was met the last time.
    met: Option<Gap>,
    /// Since the last record that joined, something could not be read.
    unreadable: bool,
    records: VecDeque<Record>,
    bytes: usize,
}

impl Inbox {
    /// An empty inbox for records from `start` on; `met` is the hole that made it necessary, if one did.
    pub fn new(limits: Limits, start: &Start, met: Option<Gap>) -> Self {
        Self {
            limits,
            expected: start.next,
            written_to: start.next,
            verify: start.verify,
            met,
            unreadable: false,
            records: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Takes a record in, or drops one that was dealt with before; returns the hole that was believed.
    pub fn put(&mut self, record: Record) -> Result<Option<Gap>, Trouble> {
        if self.expected.covers(record.offset) {
            if let Some(last) = self.verify.take_if(|last| last.offset == record.offset)
                && last != record.print()
            {
                return Err(Trouble::AnotherRecord(record.offset));
            }
            return Ok(None);
        }
        let hole = (record.offset.0 > self.expected.0).then_some(Gap {
            expected: self.expected,
            found: record.offset,
        });
        if let Some(gap) = hole {
            judge(gap, self.met, self.unreadable)?;
        }
        self.unreadable = false;
        self.expected = record.offset.next();
        self.bytes += record.bytes();
        self.records.push_back(record);
        Ok(hole)
    }

    /// Takes the next batch out: all that is there, up to the limits and to `at_most` records.
    pub fn take(&mut self, at_most: usize) -> Option<Chunk> {
        let most = self.limits.batch_records.min(at_most).max(1);
        let mut bytes = 0;
        let count = self
            .records
            .iter()
            .take(most)
            .take_while(|record| {
                let fits = bytes < self.limits.batch_bytes;
                bytes += record.bytes();
                fits
            })
            .count();
        let records: Vec<Record> = self.records.drain(..count).collect();
        let last = records.last()?;
        let from = std::mem::replace(&mut self.written_to, last.offset.next());
        self.bytes -= records.iter().map(Record::bytes).sum::<usize>();
        Some(Chunk { from, records })
    }

    /// Whether a whole batch waits.
    pub fn has_batch(&self) -> bool {
        self.holds_halves(2)
    }

    /// Whether so much waits that there is enough while the next batch is being written.
    pub fn is_full(&self) -> bool {
        self.holds_halves(3)
    }

    /// Whether so many half batches wait.
    fn holds_halves(&self, halves: usize) -> bool {
        2 * self.records.len() >= halves * self.limits.batch_records
            || 2 * self.bytes >= halves * self.limits.batch_bytes
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// An inbox between the polling thread and a writer.
#[derive(Debug)]
pub struct Mailbox {
    inner: Mutex<Inner>,
    /// Tells the writer that there is something.
    filled: Notify,
    /// Tells the writer that there is a whole batch.
    whole: Notify,
    /// Tells the polling thread that there is room.
    drained: Condvar,
}

#[derive(Debug)]
struct Inner {
    inbox: Inbox,
    closed: bool,
    /// A batch was taken, and the writer has not come back for another.
    writing: bool,
}

impl Mailbox {
    /// Shares an inbox.
    pub fn new(inbox: Inbox) -> Self {
        Self {
            inner: Mutex::new(Inner {
                inbox,
                closed: false,
                writing: false,
            }),
            filled: Notify::new(),
            whole: Notify::new(),
            drained: Condvar::new(),
        }
    }

    /// Puts a record in.
    pub fn put(&self, record: Record) -> Result<Taken, Trouble> {
        let mut inner = self.lock();
        let was_empty = inner.inbox.is_empty();
        let hole = inner.inbox.put(record)?;
        if was_empty && !inner.inbox.is_empty() {
            self.filled.notify_one();
        }
        if inner.inbox.has_batch() {
            self.whole.notify_one();
        }
        Ok(Taken {
            full: inner.inbox.is_full(),
            hole,
        })
    }

    /// Waits for room, but not longer than `patience`; says whether there is some.
    pub fn wait_for_room(&self, patience: Duration) -> bool {
        let (inner, _) = self
            .drained
            .wait_timeout_while(self.lock(), patience, |inner| {
                inner.inbox.is_full() && !inner.closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        !inner.inbox.is_full()
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        !self.lock().inbox.is_full()
    }

    /// Notes that Kafka's client could not read something that may be of this partition.
    pub fn unreadable(&self) {
        self.lock().inbox.unreadable = true;
    }

    /// Whether something could not be read since the last record that joined.
    pub fn is_unreadable(&self) -> bool {
        self.lock().inbox.unreadable
    }

    /// Whether nothing waits to be written, or is being written.
    pub fn is_idle(&self) -> bool {
        let inner = self.lock();
        inner.inbox.is_empty() && !inner.writing
    }

    /// Waits until there are records; false once the mailbox is closed.
    ///
    /// Only one task may wait at a time.
    pub async fn filled(&self) -> bool {
        loop {
            {
                let mut inner = self.lock();
                inner.writing = false;
                if inner.closed {
                    return false;
                }
                if !inner.inbox.is_empty() {
                    return true;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Waits until there is a whole batch, but not longer than `patience`.
    ///
    /// Only the one task that waits for [`Self::filled`] may wait.
    pub async fn whole(&self, patience: Duration) {
        let whole = async {
            loop {
                {
                    let inner = self.lock();
                    if inner.closed || inner.inbox.has_batch() {
                        return;
                    }
                }
                self.whole.notified().await;
            }
        };
        // In time or not: what is there is written.
        let _ = tokio::time::timeout(patience, whole).await;
    }

    /// Takes a batch out; nothing when there is none, or the mailbox is closed.
    pub fn take(&self, at_most: usize) -> Option<Chunk> {
        let mut inner = self.lock();
        if inner.closed {
            return None;
        }
        let chunk = inner.inbox.take(at_most)?;
        inner.writing = true;
        self.drained.notify_one();
        Some(chunk)
    }

    /// Ends it: what waits is dropped, since nothing of it was promised to anyone; Kafka still has it.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
        self.whole.notify_one();
        self.drained.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
