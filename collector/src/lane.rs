//! The messages of one partition, a batch at a time: while a batch is under way, what comes meanwhile
//! waits here, and leaves together when the batch is answered. The busier Kafka is, the larger the
//! batches become by themselves.
//!
//! librdkafka would do this too, but not well: with idempotence it holds a partition's next batch back
//! while five *messages* of it are under way, and its thread polls without a pause meanwhile
//! (`rd_kafka_toppar_producer_serve`, 2.12). Under load that was four fifths of the collector's processor
//! time. So it is never given what it would have to hold back.
//!
//! A batch goes to one of two clients, by its size ([`Tuning`]). Since the next one leaves only when all of it is
//! answered, a partition's messages stay in order whichever client has them.
//!
//! Under load a lane also rests between two batches. Brokers work per request far more than per event:
//! each batch is one request to the leader and one from each replica. Where a whole batch waits already there is
//! nothing to rest for.

use crate::tuning::{Tuned, Tuning};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How large a batch may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// A batch takes in what comes so soon after its first message.
    pub open_for: Duration,
    /// The most messages.
    pub messages: usize,
    /// The most bytes, headers and all; any one message may go.
    pub bytes: usize,
}

/// What one partition has under way, and what waits for it. Something waits only while a batch is under way,
/// or while the lane rests.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    state: Mutex<State<T>>,
    limits: Tuned<Limits>,
}

#[derive(Debug)]
struct State<T> {
    under_way: usize,
    batch: Batch,
    /// Until then what waits is not sent.
    rest: Instant,
    waiting: VecDeque<Waiting<T>>,
    waiting_bytes: usize,
    /// Nobody calls [`Lane::go_on`] any more.
    retired: bool,
}

/// How full the batch under way is.
#[derive(Debug)]
struct Batch {
    tuning: Tuning,
    began: Instant,
    messages: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    item: T,
    bytes: usize,
    since: Instant,
}

/// What happened to an item that was handed over to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handed {
    /// It is under way: [`Lane::answered`] will be called for it.
    UnderWay,
    /// It was not sent.
    Not,
}

/// Whether something waits that only [`Lane::go_on`] will send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rests {
    Yes,
    No,
}

impl<T> Lane<T> {
    /// An empty lane.
    pub fn new(limits: Tuned<Limits>) -> Self {
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                under_way: 0,
                batch: Batch::new(Tuning::Latency, now),
                rest: now,
                waiting: VecDeque::new(),
                waiting_bytes: 0,
                retired: false,
            }),
            limits,
        }
    }

    /// Sends an item now, or later from within [`Self::answered`] or [`Self::go_on`]; items leave in the
    /// order in which they came. Should it begin a batch, that is one for `tuning`. `send` gets the item, when it came and
    /// what its batch is for, and must neither block nor come back here.
    pub fn enter(
        &self,
        item: T,
        bytes: usize,
        tuning: Tuning,
        now: Instant,
        send: impl FnOnce(T, Instant, Tuning) -> Handed,
    ) -> Rests {
        let mut state = self.lock();
        let idle = state.under_way == 0;
        let goes = if idle {
            // Whoever comes to a retired lane may have looked at the clock before it was.
            state.retired || now >= state.rest
        } else {
            let limits = self.limits.of(state.batch.tuning);
            now.saturating_duration_since(state.batch.began) < limits.open_for
                && state.batch.has_room(bytes, limits)
        };
        if !goes || !state.waiting.is_empty() {
            state.waiting_bytes += bytes;
            state.waiting.push_back(Waiting {
                item,
                bytes,
                since: now,
            });
            return if idle { Rests::Yes } else { Rests::No };
        }
        if idle {
            state.batch = Batch::new(tuning, now);
        }
        let tuning = state.batch.tuning;
        if send(item, now, tuning) == Handed::UnderWay {
            state.add(bytes);
        }
        Rests::No
    }

    /// An item that was under way has its answer. When it was the last one, what waits is sent, or the
    /// lane rests: `pace` gets the time, how long the batch took and what it was for, and says how long after its
    /// beginning the next one may begin.
    pub fn answered(
        &self,
        now: impl FnOnce() -> Instant,
        pace: impl FnOnce(Instant, Duration, Tuning) -> Duration,
        send: impl FnMut(T, Instant, Tuning) -> Handed,
    ) -> Rests {
        let mut state = self.lock();
        state.under_way = state.under_way.saturating_sub(1);
        if state.under_way > 0 {
            return Rests::No;
        }
        let (now, began, tuning) = (now(), state.batch.began, state.batch.tuning);
        state.rest = if state.retired {
            now
        } else {
            began + pace(now, now.saturating_duration_since(began), tuning)
        };
        state.next_batch(now, &self.limits, send)
    }

    /// Sends what waits if the lane has rested long enough, or at once when there is no reason to rest.
    pub fn go_on(
        &self,
        now: Instant,
        at_once: bool,
        send: impl FnMut(T, Instant, Tuning) -> Handed,
    ) -> Rests {
        let mut state = self.lock();
        if state.under_way > 0 {
            return Rests::No;
        }
        if at_once {
            state.rest = now;
        }
        state.next_batch(now, &self.limits, send)
    }

    /// From now on it never rests.
    pub fn retire(&self, now: Instant, send: impl FnMut(T, Instant, Tuning) -> Handed) {
        self.lock().retired = true;
        self.go_on(now, true, send);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn next_batch(
        &mut self,
        now: Instant,
        limits: &Tuned<Limits>,
        mut send: impl FnMut(T, Instant, Tuning) -> Handed,
    ) -> Rests {
        if self.waiting.is_empty() {
            return Rests::No;
        }
        let tuning = Tuning::of(self.waiting.len());
        let limits = limits.of(tuning);
        if now < self.rest && !self.has_whole_batch(limits) {
            return Rests::Yes;
        }
        self.batch = Batch::new(tuning, now);
        while let Some(next) = self.waiting.front() {
            if !self.batch.has_room(next.bytes, limits) {
                break;
            }
            let Some(next) = self.waiting.pop_front() else {
                break;
            };
            self.waiting_bytes -= next.bytes;
            if send(next.item, next.since, tuning) == Handed::UnderWay {
                self.add(next.bytes);
            }
        }
        Rests::No
    }

    /// Whether as much waits as a batch may take.
    fn has_whole_batch(&self, limits: &Limits) -> bool {
        self.waiting.len() >= limits.messages || self.waiting_bytes >= limits.bytes
    }

    fn add(&mut self, bytes: usize) {
        self.under_way += 1;
        self.batch.messages += 1;
        self.batch.bytes += bytes;
    }
}

impl Batch {
    const fn new(tuning: Tuning, began: Instant) -> Self {
        Self {
            tuning,
            began,
            messages: 0,
            bytes: 0,
        }
    }

    /// Whether so many bytes more fit; any message fits into an empty batch.
    const fn has_room(&self, bytes: usize, limits: &Limits) -> bool {
        self.messages == 0
            || (self.messages < limits.messages && self.bytes + bytes <= limits.bytes)
    }
}

/// The lane of a key: its partition, as `murmur2_random` chooses it. Should the topic have other
/// partitions than we know, some share a lane, and nothing worse.
pub(crate) fn lane_of(key: &str, lanes: usize) -> usize {
    let hash = murmur2::murmur2(key.as_bytes(), murmur2::KAFKA_SEED) & 0x7fff_ffff;
    hash as usize % lanes
}

#[cfg(test)]
mod tests;
