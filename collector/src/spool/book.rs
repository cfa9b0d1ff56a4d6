//! What the spool knows about itself: which segments there are, how far they have been brought to Kafka,
//! and what has to be told in reports. Decisions only; nothing here touches the disk.

use crate::counters::Clicks;
use crate::request::Delivered;
use crate::tally::Tally;
use chrono::{DateTime, Utc};
use domain::Source;
use domain::report::{BootReport, SpoolReport};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;
use uuid::Uuid;

use super::segment::START;

/// Why the spool does not take an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It holds as many bytes as it may.
    #[error("the spool is full: it may hold {max_bytes} bytes")]
    Full {
        /// That many.
        max_bytes: u64,
    },
    /// The disk does not do what it should, or has no space.
    #[error("the spool's disk fails: {0}")]
    Disk(String),
    /// Nobody writes any more, or not in time.
    #[error("the spool did not answer")]
    Silent,
}

impl Refused {
    /// A short, stable word: for counting.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Full { .. } => "full",
            Self::Disk(_) => "disk",
            Self::Silent => "silent",
        }
    }
}

/// How many events of which boot and door, and when the first was received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub events: BTreeMap<(Uuid, Source), u64>,
    pub first: Option<DateTime<Utc>>,
    /// What the live counters count them for.
    pub clicks: Clicks,
}

impl Counts {
    /// Counts one event.
    pub fn add(&mut self, boot: Uuid, source: Source, received_at: DateTime<Utc>) {
        *self.events.entry((boot, source)).or_default() += 1;
        self.first.get_or_insert(received_at);
    }

    /// Takes one event out again.
    fn remove(&mut self, boot: Uuid, source: Source, clicks: Clicks) {
        if let Some(events) = self.events.get_mut(&(boot, source)) {
            *events = events.saturating_sub(1);
        }
        self.clicks = self.clicks.above(clicks);
    }

    /// How many events there are.
    pub fn total(&self) -> u64 {
        self.events.values().sum()
    }

    /// Counts what another has counted after this one.
    pub fn merge(&mut self, later: &Self) {
        for (of, events) in &later.events {
            *self.events.entry(*of).or_default() += events;
        }
        self.first = self.first.or(later.first);
        self.clicks += later.clicks;
    }
}

/// A file of the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub number: u64,
    /// Bytes that are known to be on the disk; what may follow them is nobody's.
    pub len: u64,
    /// Whether something in it cannot be read.
    pub damaged: bool,
    /// The events in it that are still to be brought to Kafka.
    pub waiting: Counts,
}

/// An event of a segment that waits no longer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passed {
    pub boot: Uuid,
    pub source: Source,
    pub clicks: Clicks,
    /// Where Kafka has it; nowhere when it was set aside, because Kafka will never take it.
    pub at: Option<Delivered>,
}

/// The place up to which everything has been brought to Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub segment: u64,
    pub position: u64,
}

/// The cursor, and what was counted on the way to it. Only what is written down of it is reported, so
/// that nothing is counted again when a crash makes the spool begin at an older cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The spool whose totals these are.
    pub spool: Uuid,
    pub cursor: Cursor,
    /// What was brought to Kafka, by boot.
    pub boots: BTreeMap<Uuid, Tally>,
}

impl Progress {
    /// Nothing yet.
    pub const fn new(spool: Uuid) -> Self {
        Self {
            spool,
            cursor: Cursor {
                segment: 0,
                position: START,
            },
            boots: BTreeMap::new(),
        }
    }

    /// How many events were brought to Kafka of those boots that are `wanted`.
    fn events_of(&self, wanted: impl Fn(&Uuid) -> bool) -> u64 {
        let boots = self.boots.iter().filter(|(boot, _)| wanted(boot));
        boots.map(|(_, tally)| tally.events()).sum()
    }
}

/// What whoever brings events to Kafka should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Read this part of this segment.
    Read { number: u64, from: u64, to: u64 },
    /// All of this segment is in Kafka: away with it.
    Finish { number: u64, damaged: bool },
    /// All of it is in Kafka, but it is still being written to.
    Seal { number: u64 },
    /// There is nothing.
    Wait,
}

/// The spool's state of mind.
#[derive(Debug)]
pub(super) struct Book {
    max_bytes: u64,
    /// In the order of their numbers; the first is being brought to Kafka.
    segments: VecDeque<Segment>,
    /// The one that is being written to, which is the last.
    open: Option<u64>,
    /// Promised to appends that are not on the disk yet.
    reserved: u64,
    /// When the first event that waits was received.
    oldest: Option<DateTime<Utc>>,
    /// All that was ever spooled, by boot.
    spooled: BTreeMap<Uuid, BTreeMap<Source, u64>>,
    /// How many of them will never be in Kafka, by boot: they were set aside, or cannot be read any more.
    lost: BTreeMap<Uuid, u64>,
    drained: Progress,
    durable: Progress,
    /// Why nothing can be written now.
    pub write_problem: Option<Refused>,
    /// Why what is there cannot be brought on.
    pub drain_problem: Option<String>,
}

impl Book {
    /// What an earlier process left: how far it had come, and what lies behind that.
    pub fn new(max_bytes: u64, progress: Progress, segments: Vec<Segment>) -> Self {
        let mut waiting = Counts::default();
        for segment in &segments {
            waiting.merge(&segment.waiting);
        }
        let spooled = progress
            .boots
            .iter()
            .map(|(boot, tally)| (*boot, tally.acknowledged.clone()))
            .collect();
        let mut book = Self {
            max_bytes,
            segments: segments.into(),
            open: None,
            reserved: 0,
            oldest: waiting.first,
            spooled,
            lost: BTreeMap::new(),
            drained: progress.clone(),
            durable: progress,
            write_problem: None,
            drain_problem: None,
        };
        book.count(&waiting);
        book
    }

    fn count(&mut self, counts: &Counts) {
        for ((boot, source), events) in &counts.events {
            let of_boot = self.spooled.entry(*boot).or_default();
            *of_boot.entry(*source).or_default() += events;
        }
    }

    /// Promises room for so many bytes, or says why there is none.
    pub fn reserve(&mut self, bytes: u64) -> Result<(), Refused> {
        if let Some(problem) = &self.write_problem {
            return Err(problem.clone());
        }
        if self.bytes() + self.reserved + bytes > self.max_bytes {
            return Err(Refused::Full {
                max_bytes: self.max_bytes,
            });
        }
        self.reserved += bytes;
        Ok(())
    }

    /// Takes a promise back, whatever became of the bytes.
    pub fn release(&mut self, bytes: u64) {
        self.reserved = self.reserved.saturating_sub(bytes);
    }

    /// These events are on the disk: the segment `number` is `len` bytes long now.
    pub fn wrote(&mut self, number: u64, len: u64, counts: &Counts) {
        match self.segments.back_mut() {
            Some(last) if last.number == number => {
                last.len = len;
                last.waiting.merge(counts);
            }
            _ => self.segments.push_back(Segment {
                number,
                len,
                damaged: false,
                waiting: counts.clone(),
            }),
        }
        self.open = Some(number);
        if self.waiting_events() == 0 {
            self.oldest = None;
        }
        self.oldest = self.oldest.or(counts.first);
        self.count(counts);
    }

    /// No segment is written to any more.
    pub fn sealed(&mut self) {
        self.open = None;
    }

    /// What to do next to bring events to Kafka.
    pub fn next(&self) -> Next {
        let Some(first) = self.segments.front() else {
            return Next::Wait;
        };
        let (number, from) = (first.number, self.position());
        if from < first.len {
            let to = first.len;
            return Next::Read { number, from, to };
        }
        if self.open == Some(number) {
            return Next::Seal { number };
        }
        let damaged = first.damaged;
        Next::Finish { number, damaged }
    }

    /// Where the first segment is to be read on.
    fn position(&self) -> u64 {
        let Cursor { segment, position } = self.drained.cursor;
        match self.segments.front() {
            Some(first) if first.number == segment => position,
            _ => START,
        }
    }

    /// The next event to be brought to Kafka was received then.
    pub fn oldest_is(&mut self, received_at: DateTime<Utc>) {
        self.oldest = Some(received_at);
    }

    /// The first segment cannot be read everywhere. Returns whether that is news.
    pub fn is_damaged(&mut self) -> bool {
        let first = self.segments.front_mut();
        first.is_some_and(|first| !std::mem::replace(&mut first.damaged, true))
    }

    /// Kafka has everything of the first segment up to `position`, but for what was set aside.
    pub fn advance(&mut self, position: u64, passed: impl Iterator<Item = Passed>) {
        let Some(first) = self.segments.front_mut() else {
            return;
        };
        self.drained.cursor = Cursor {
            segment: first.number,
            position,
        };
        let now = Instant::now();
        for Passed {
            boot,
            source,
            clicks,
            at,
        } in passed
        {
            first.waiting.remove(boot, source, clicks);
            if let Some(at) = at {
                let tally = self.drained.boots.entry(boot).or_default();
                tally.acknowledge(source, 1);
                tally.place(at, now);
            } else {
                *self.lost.entry(boot).or_default() += 1;
            }
        }
    }

    /// The first segment is done with; its file may go once this is written down. Returns the events in it that
    /// nobody came upon: what held them could be read once, and cannot any more.
    pub fn finish(&mut self) -> Counts {
        let Some(first) = self.segments.pop_front() else {
            return Counts::default();
        };
        self.drained.cursor = Cursor {
            segment: first.number + 1,
            position: START,
        };
        for ((boot, _), events) in &first.waiting.events {
            *self.lost.entry(*boot).or_default() += events;
        }
        first.waiting
    }

    /// How far it has come, when that is not written down yet.
    pub fn unwritten(&self) -> Option<Progress> {
        (self.drained != self.durable).then(|| self.drained.clone())
    }

    /// This is written down.
    pub fn written(&mut self, progress: Progress) {
        self.durable = progress;
    }

    /// Events that were acknowledged, that Kafka does not have and may have yet.
    pub fn waiting_events(&self) -> u64 {
        self.without_lost(self.spooled_events())
            .saturating_sub(self.drained.events_of(|_| true))
    }

    fn without_lost(&self, events: u64) -> u64 {
        events.saturating_sub(self.lost.values().sum())
    }

    /// Their bytes on the disk.
    pub fn waiting_bytes(&self) -> u64 {
        let all: u64 = self
            .segments
            .iter()
            .map(|s| s.len.saturating_sub(START))
            .sum();
        all.saturating_sub(self.position() - START)
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.len).sum()
    }

    /// When the first event that waits was received.
    pub fn oldest(&self) -> Option<DateTime<Utc>> {
        self.oldest.filter(|_| self.waiting_events() > 0)
    }

    /// What cannot be as it is; none when all is well.
    pub fn problem(&self) -> Option<String> {
        if let Some(problem) = &self.write_problem {
            return Some(problem.to_string());
        }
        if let Some(problem) = &self.drain_problem {
            return Some(problem.clone());
        }
        let percent = self.percent_full();
        (percent > 90).then(|| format!("{percent} % full; beyond that, events are refused"))
    }

    /// The most bytes that it may hold.
    pub const fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// How full it is, of 100.
    pub fn percent_full(&self) -> u64 {
        (self.bytes() + self.reserved).saturating_mul(100) / self.max_bytes.max(1)
    }

    fn spooled_events(&self) -> u64 {
        self.spooled.values().flat_map(BTreeMap::values).sum()
    }

    /// The spool's own report: everything that was spooled is in Kafka, as far as that is written down,
    /// or waits, or is lost; of what is lost nothing is said but that it does not wait.
    pub fn report(&self) -> (SpoolReport, Vec<BootReport>) {
        // What is written down may still tell of boots that are forgotten.
        let told = self
            .durable
            .events_of(|boot| self.spooled.contains_key(boot));
        let spool = SpoolReport {
            id: self.durable.spool,
            waiting_events: self
                .without_lost(self.spooled_events())
                .saturating_sub(told),
            waiting_bytes: self.waiting_bytes(),
        };
        let boots = self.spooled.iter().map(|(boot, acknowledged)| BootReport {
            boot: *boot,
            acknowledged: acknowledged.clone(),
            places: self
                .durable
                .boots
                .get(boot)
                .map(|tally| tally.places.clone())
                .unwrap_or_default(),
        });
        (spool, boots.collect())
    }

    /// Forgets boots that are over, once nothing waits and `told` has their last numbers: while a report is
    /// on its way, more may have been drained.
    pub fn forget_all_but(&mut self, boot: Uuid, told: &[BootReport]) {
        let is_all = self.waiting_events() == 0 && self.drained == self.durable;
        if is_all && self.report().1 == told {
            self.spooled.retain(|of, _| *of == boot);
            self.lost.retain(|of, _| *of == boot);
            self.drained.boots.retain(|of, _| *of == boot);
        }
    }
}

#[cfg(test)]
mod tests;
