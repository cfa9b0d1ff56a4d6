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

use crate::client::{Tuned, Tuning};
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::{Cell, RefCell};

    const OPEN_FOR: Duration = Duration::from_millis(1);
    const LIMITS: Limits = Limits {
        open_for: OPEN_FOR,
        messages: 10_000,
        bytes: 990_000,
    };

    /// A lane whose items are numbers, and what was sent of them.
    struct Tried {
        lane: Lane<u32>,
        began: Instant,
        /// Microseconds from one batch to the next.
        pace: Cell<u64>,
        sent: RefCell<Vec<u32>>,
        /// With which client each of them went.
        tunings: RefCell<Vec<Tuning>>,
    }

    impl Tried {
        fn new() -> Self {
            Self {
                lane: Lane::new(Tuned::new(|_| LIMITS)),
                began: Instant::now(),
                pace: Cell::new(0),
                sent: RefCell::default(),
                tunings: RefCell::default(),
            }
        }

        fn send(&self, item: u32, tuning: Tuning) -> Handed {
            self.tunings.borrow_mut().push(tuning);
            self.sent.borrow_mut().push(item);
            Handed::UnderWay
        }

        fn enter(&self, item: u32, bytes: usize, micros: u64) -> Rests {
            let now = self.began + Duration::from_micros(micros);
            self.lane
                .enter(item, bytes, Tuning::Latency, now, |item, _, tuning| {
                    self.send(item, tuning)
                })
        }

        fn answered(&self, micros: u64) -> Rests {
            let now = self.began + Duration::from_micros(micros);
            let pace = |_, _, _| Duration::from_micros(self.pace.get());
            self.lane
                .answered(|| now, pace, |item, _, tuning| self.send(item, tuning))
        }

        fn go_on(&self, micros: u64, at_once: bool) -> Rests {
            let now = self.began + Duration::from_micros(micros);
            self.lane
                .go_on(now, at_once, |item, _, tuning| self.send(item, tuning))
        }

        fn sent(&self) -> Vec<u32> {
            self.sent.borrow().clone()
        }
    }

    #[test]
    fn a_batch_takes_in_what_comes_soon_and_the_rest_waits_for_its_last_answer() {
        let tried = Tried::new();
        tried.enter(1, 10, 0);
        tried.enter(2, 10, 900);
        tried.enter(3, 10, 1000);
        tried.enter(4, 10, 1001);
        assert_eq!(tried.sent(), [1, 2]);
        tried.answered(3000);
        assert_eq!(tried.sent(), [1, 2], "one is still under way");
        tried.answered(3001);
        assert_eq!(tried.sent(), [1, 2, 3, 4]);
        tried.enter(5, 10, 3500);
        assert_eq!(tried.sent(), [1, 2, 3, 4, 5], "the new batch is open");
    }

    #[test]
    fn a_lane_rests_as_long_as_it_is_told_to() {
        let tried = Tried::new();
        tried.pace.set(10_000);
        assert_eq!(tried.enter(1, 10, 0), Rests::No);
        assert_eq!(tried.answered(2_000), Rests::No, "nothing waits");
        assert_eq!(tried.enter(2, 10, 2_001), Rests::Yes);
        assert_eq!(tried.enter(3, 10, 4_000), Rests::Yes);
        assert_eq!(tried.go_on(9_999, false), Rests::Yes);
        assert_eq!(tried.sent(), [1]);
        assert_eq!(tried.go_on(10_000, false), Rests::No);
        assert_eq!(tried.sent(), [1, 2, 3]);
        assert_eq!(
            tried.enter(4, 10, 12_000),
            Rests::No,
            "a batch is under way"
        );
        assert_eq!(tried.go_on(30_000, true), Rests::No);
        tried.answered(13_000);
        assert_eq!(tried.answered(13_000), Rests::Yes);
        assert_eq!(
            tried.go_on(13_001, true),
            Rests::No,
            "there is no reason to rest"
        );
        assert_eq!(tried.sent(), [1, 2, 3, 4]);
        tried.enter(5, 10, 14_500);
        let now = tried.began + Duration::from_millis(15);
        tried
            .lane
            .retire(now, |item, _, tuning| tried.send(item, tuning));
        assert_eq!(tried.answered(16_000), Rests::No);
        assert_eq!(tried.sent(), [1, 2, 3, 4, 5], "a retired lane never rests");
        assert_eq!(tried.answered(16_001), Rests::No);
        assert_eq!(tried.enter(6, 10, 0), Rests::No);
        assert_eq!(tried.sent(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn nothing_overtakes_what_waits() {
        let tried = Tried::new();
        tried.enter(1, LIMITS.bytes - 5, 0);
        tried.enter(2, 10, 1);
        tried.enter(3, 1, 2);
        assert_eq!(
            tried.sent(),
            [1],
            "the third would fit, but is not the next"
        );
    }

    #[test]
    fn a_batch_is_not_larger_than_its_limits() {
        let tried = Tried::new();
        tried.enter(0, LIMITS.bytes + 1, 0);
        assert_eq!(tried.sent(), [0], "any one message may go");
        for item in 1..=15_000 {
            tried.enter(item, 1, 1);
        }
        tried.answered(2);
        assert_eq!(tried.sent().len(), 1 + LIMITS.messages);
    }

    #[test]
    fn a_lane_in_which_a_whole_batch_waits_does_not_rest() {
        let tried = Tried::new();
        tried.pace.set(50_000);
        tried.enter(0, 1, 0);
        // Three are a batch.
        let third = LIMITS.bytes / 3;
        for item in [1, 2] {
            tried.enter(item, third, 2_000);
        }
        assert_eq!(tried.answered(3_000), Rests::Yes);
        tried.enter(3, third, 4_000);
        assert_eq!(tried.go_on(4_001, false), Rests::No);
        assert_eq!(tried.sent(), [0, 1, 2, 3], "it has rested enough");
        for item in [4, 5, 6] {
            tried.enter(item, third, 6_000);
        }
        for _ in 1..=3 {
            tried.answered(7_000);
        }
        assert_eq!(tried.sent(), [0, 1, 2, 3, 4, 5, 6], "no rest at all");
        tried.enter(7, third, 9_000);
        for _ in 4..=6 {
            tried.answered(10_000);
        }
        assert_eq!(tried.go_on(10_001, false), Rests::Yes, "one waits");
        assert_eq!(tried.sent().len(), 7);
    }

    #[test]
    fn the_client_is_chosen_for_a_batch_as_a_whole() {
        let lane = Lane::new(Tuned::new(|_| LIMITS));
        let went = RefCell::new(Vec::new());
        let send = |item, _, tuning| {
            went.borrow_mut().push((item, tuning));
            Handed::UnderWay
        };
        let now = Instant::now();
        let later = now + OPEN_FOR;
        lane.enter(0, 1, Tuning::Latency, now, send);
        lane.enter(1, 1, Tuning::Throughput, now, send);
        let both = [(0, Tuning::Latency), (1, Tuning::Latency)];
        assert_eq!(went.take(), both, "what joins a batch goes with it");
        for item in 2..302 {
            lane.enter(item, 1, Tuning::Latency, later, send);
        }
        let answered = || lane.answered(|| later, |_, _, _| Duration::ZERO, send);
        answered();
        assert_eq!(went.take(), [], "not while another client has a message");
        answered();
        let many: Vec<_> = (2..302).map(|item| (item, Tuning::Throughput)).collect();
        assert_eq!(went.take(), many);
        lane.enter(302, 1, Tuning::Throughput, later + OPEN_FOR, send);
        for _ in 0..300 {
            assert_eq!(went.take(), []);
            answered();
        }
        assert_eq!(went.take(), [(302, Tuning::Latency)]);
        answered();
        lane.enter(303, 1, Tuning::Throughput, later, send);
        assert_eq!(went.take(), [(303, Tuning::Throughput)], "it begins one");
    }

    #[test]
    fn what_cannot_be_sent_holds_nothing_up() {
        let lane = Lane::new(Tuned::new(|_| LIMITS));
        let now = Instant::now();
        lane.enter(1, 1, Tuning::Latency, now, |_, _, _| Handed::Not);
        let mut left = Vec::new();
        lane.enter(2, 1, Tuning::Latency, now, |item, _, _| {
            left.push(item);
            Handed::UnderWay
        });
        let later = now + OPEN_FOR;
        for item in [3, 4, 5] {
            lane.enter(item, 1, Tuning::Latency, later, |_, _, _| {
                panic!("has to wait")
            });
        }
        let send = |item, since, _| {
            assert_eq!(since, later);
            left.push(item);
            if item == 5 {
                Handed::UnderWay
            } else {
                Handed::Not
            }
        };
        lane.answered(|| later, |_, _, _| Duration::ZERO, send);
        assert_eq!(left, [2, 3, 4, 5]);
    }

    proptest! {
        #[test]
        fn every_item_leaves_once_and_in_order(
            steps in prop::collection::vec((0..4_u8, 1..400_000_usize, 0..2000_u64), 1..200)
        ) {
            let tried = Tried::new();
            let (mut micros, mut entered, mut answers) = (0, 0, 0);
            for (step, bytes, pause) in steps {
                micros += pause;
                tried.pace.set(pause * 3);
                match step {
                    0 | 1 => {
                        // Now and then as many as make a large batch.
                        let items = if bytes % 5 == 0 { 150 } else { 1 };
                        for _ in 0..items {
                            tried.enter(entered, bytes / items, micros);
                            entered += 1;
                        }
                    }
                    2 if answers < tried.sent().len() => {
                        let under_way = tried.sent().len() - answers;
                        let rests = tried.answered(micros);
                        answers += 1;
                        prop_assert!(rests == Rests::No || under_way == 1);
                    }
                    _ => { tried.go_on(micros, false); }
                }
                let under_way = tried.tunings.borrow()[answers..].to_vec();
                prop_assert!(under_way.windows(2).all(|two| two[0] == two[1]), "with one client at a time");
            }
            while answers < tried.sent().len() {
                if tried.answered(micros) == Rests::Yes {
                    prop_assert_eq!(tried.go_on(micros, true), Rests::No);
                }
                answers += 1;
            }
            if answers < entered as usize {
                tried.go_on(micros, true);
            }
            while answers < tried.sent().len() {
                tried.answered(micros);
                tried.go_on(micros, true);
                answers += 1;
            }
            prop_assert_eq!(tried.sent(), (0..entered).collect::<Vec<_>>());
        }
    }
}
