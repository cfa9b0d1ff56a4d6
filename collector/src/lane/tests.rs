//! Lanes whose items are numbers, and which lane a key has.

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

/// The hashes are the test vectors of the Java client's `Utils.murmur2`.
#[rstest::rstest]
#[case("21", -973_932_308)]
#[case("foobar", -790_332_482)]
#[case("a-little-bit-long-string", -985_981_536)]
#[case("a-little-bit-longer-string", -1_486_304_829)]
fn a_lane_holds_what_java_puts_into_one_partition(#[case] key: &str, #[case] hash: i32) {
    let partition = (hash & 0x7fff_ffff) % 6;
    assert_eq!(lane_of(key, 6), usize::try_from(partition).unwrap());
    assert_eq!(lane_of(key, 1), 0);
}
