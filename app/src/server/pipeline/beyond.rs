//! Whether a partition's stored offset lies beyond its end in Kafka. That happens only when the topic was created
//! anew, or Kafka lost its newest records; then nobody can read on, and nothing seems to wait.
//!
//! In normal running, and after a leader's death, it must never seem so, although both sides are read at different
//! moments. The end that is shown is mostly older than the offset, so an end tells something only when it was asked
//! for after the offset was known; and only while it is asked for, since the end that a dead leader told last stays in
//! the picture. What remains is a new leader, whose end may trail for a moment: how long that is, is for the judge.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// A look at the end counts for so long: it is asked for once a second, and may take two to be answered.
const FRESH: Duration = Duration::from_secs(5);
/// So many offsets are remembered at most, one a second: more than any end that is fresh needs.
const MOST: usize = 16;

/// What one side told, and when.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// Of a stored offset: when it was known. Of an end: when it was asked for.
    pub at: Instant,
    /// The offset.
    pub offset: i64,
}

/// One partition's two sides, as they came.
#[derive(Debug, Default)]
pub struct Beyond {
    /// The stored offset that was the newest when the end was asked for, and those after it.
    stored: VecDeque<Heard>,
    /// The first look at the end that did not reach the stored offset, and the newest.
    looks: Option<(Instant, Instant)>,
}

impl Beyond {
    /// Notes what both sides told last.
    pub fn note(&mut self, stored: Heard, end: Heard) {
        let last = self.stored.back().copied();
        if last.is_some_and(|last| stored.offset < last.offset) {
            // An operator moved it: what was seen before tells nothing.
            *self = Self::default();
        }
        if last.is_none_or(|last| stored.at > last.at) {
            self.stored.push_back(stored);
        }
        while self.stored.len() > MOST || self.stored.get(1).is_some_and(|next| next.at <= end.at) {
            self.stored.pop_front();
        }
        let known = self.stored.front().filter(|known| known.at <= end.at);
        if let Some(known) = known {
            let before = self
                .looks
                .filter(|(_, newest)| end.at.saturating_duration_since(*newest) < FRESH);
            let first = before.map_or(end.at, |(first, _)| first);
            self.looks = (known.offset > end.offset).then_some((first, end.at));
        }
    }

    /// For how long every look has shown it; none when none has, or nobody looks any more.
    pub fn held(&self, now: Instant) -> Option<Duration> {
        let (first, newest) = self.looks?;
        (now.saturating_duration_since(newest) < FRESH)
            .then(|| now.saturating_duration_since(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// A moment, and what was told by then: a stored offset and an end, each with its own time. All in milliseconds.
    type Moment = (u64, (u64, i64), (u64, i64));

    /// For how long it holds at the last of these moments, in milliseconds.
    fn held(moments: &[Moment]) -> Option<u128> {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let heard = |(ms, offset)| Heard { at: at(ms), offset };
        let mut beyond = Beyond::default();
        let mut held = None;
        for (now, stored, end) in moments {
            beyond.note(heard(*stored), heard(*end));
            held = beyond.held(at(*now));
        }
        held.map(|held| held.as_millis())
    }

    #[rstest]
    #[case::the_end_was_asked_for_before(&[(1000, (900, 50), (800, 40))], None)]
    #[case::the_end_was_asked_for_after(&[(1000, (700, 50), (800, 40))], Some(200))]
    #[case::and_reaches_it(&[(1000, (700, 50), (800, 50))], None)]
    // Both are asked once a second, the end always a little before the offset, and ten a second are read.
    #[case::in_step_and_moving(&[
        (1000, (900, 50), (800, 49)), (2000, (1900, 60), (1800, 59)), (3000, (2900, 70), (2800, 69)),
    ], None)]
    #[case::in_step_and_beyond(&[
        (1000, (900, 50), (800, 9)), (2000, (1900, 50), (1800, 10)), (3000, (2900, 50), (2800, 11)),
    ], Some(1200))]
    // The leader is dead, its last end stays; the offset was read up to what another one has.
    #[case::an_end_that_nobody_tells_any_more(&[
        (1000, (700, 50), (800, 50)), (2000, (1700, 60), (800, 50)), (9000, (8700, 90), (800, 50)),
    ], None)]
    #[case::beyond_and_then_nobody_tells(&[
        (1000, (700, 50), (800, 40)), (5700, (5600, 50), (800, 40)), (5900, (5800, 50), (800, 40)),
    ], None)]
    #[case::it_ends_with_the_first_look_that_reaches_it(&[
        (1000, (700, 50), (800, 40)), (2000, (1700, 50), (1800, 51)),
    ], None)]
    #[case::and_begins_anew(&[
        (1000, (700, 50), (800, 40)), (2000, (1700, 50), (1800, 51)), (3000, (2700, 60), (2800, 51)),
    ], Some(200))]
    #[case::and_also_after_nobody_has_told_for_a_while(&[
        (1000, (700, 50), (800, 40)), (9000, (8700, 50), (8800, 40)),
    ], Some(200))]
    #[case::an_operator_moved_the_offset(&[
        (1000, (700, 50), (800, 40)), (2000, (1700, 0), (1600, 40)),
    ], None)]
    fn only_an_end_that_was_asked_for_after_the_offset_was_known_tells(
        #[case] moments: &[Moment],
        #[case] wanted: Option<u128>,
    ) {
        assert_eq!(held(moments), wanted);
    }

    #[test]
    fn no_silence_of_a_leader_makes_it_remember_without_end() {
        let begun = Instant::now();
        let mut beyond = Beyond::default();
        for second in 1..100 {
            let stored = Heard {
                at: begun + Duration::from_secs(second),
                offset: 7,
            };
            let end = Heard {
                at: begun,
                offset: 5,
            };
            beyond.note(stored, end);
        }
        assert_eq!(beyond.stored.len(), MOST);
    }
}
