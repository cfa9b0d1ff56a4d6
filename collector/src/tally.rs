//! How many events were acknowledged, by source, and where they lie, by partition: what a report says
//! about one boot.

use crate::request::Delivered;
use domain::report::{BootReport, Placed};
use domain::{LastSeen, Source};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Nobody waits for an answer of Kafka for so long. So an offset below one that was answered longer ago was not on its
/// way at that time: the topic was created anew, and counts from 0 again.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);

/// Totals of one boot; they only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Events that were acknowledged.
    pub acknowledged: BTreeMap<Source, u64>,
    /// Events that lie in Kafka.
    pub places: BTreeMap<i32, Placed>,
    /// When each partition's highest offset was answered. What another process wrote down was answered long ago.
    #[serde(skip)]
    answered: BTreeMap<i32, Instant>,
}

impl Tally {
    /// Counts events that were acknowledged.
    pub fn acknowledge(&mut self, source: Source, events: u64) {
        *self.acknowledged.entry(source).or_default() += events;
    }

    /// Counts one event that Kafka took, and answered for now.
    ///
    /// Answers may come in another order than the offsets have, so the highest one stands; but in a topic that was
    /// created anew, the old one's would hide for long that the new one has been read.
    pub fn place(&mut self, at: Delivered, now: Instant) {
        let last = LastSeen(at.offset);
        let placed = self
            .places
            .entry(at.partition)
            .or_insert(Placed { events: 0, last });
        placed.events += 1;
        let answered = self.answered.get(&at.partition);
        let is_old = answered.is_none_or(|then| now.duration_since(*then) > ANSWERS_WITHIN);
        if last >= placed.last || is_old {
            placed.last = last;
            self.answered.insert(at.partition, now);
        }
    }

    /// How many events were acknowledged in all.
    pub fn events(&self) -> u64 {
        self.acknowledged.values().sum()
    }

    /// As a report tells it.
    pub fn report(&self, boot: Uuid) -> BootReport {
        BootReport {
            boot,
            acknowledged: self.acknowledged.clone(),
            places: self.places.clone(),
        }
    }
}

/// What this run gave to Kafka itself, counted when Kafka answers, whether or not anybody still waits.
#[derive(Debug, Default)]
pub(crate) struct Totals(Mutex<Tally>);

impl Totals {
    /// Counts the events of one request that Kafka took.
    pub fn count(&self, taken: impl Iterator<Item = (Source, Delivered)>) {
        let now = Instant::now();
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (source, at) in taken {
            tally.acknowledge(source, 1);
            tally.place(at, now);
        }
    }

    /// The totals of this moment.
    pub fn now(&self) -> Tally {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_source_and_by_partition_with_the_highest_offset() {
        let totals = Totals::default();
        let at = |partition, offset| Delivered { partition, offset };
        totals.count([(Source::Shop, at(1, 7)), (Source::Seed, at(1, 5))].into_iter());
        totals.count([(Source::Shop, at(0, 0))].into_iter());
        let report = totals.now().report(Uuid::from_u128(4));
        assert_eq!(
            report.acknowledged,
            [(Source::Shop, 2), (Source::Seed, 1)].into()
        );
        let placed = |events, last| Placed {
            events,
            last: LastSeen(last),
        };
        assert_eq!(report.places, [(0, placed(1, 0)), (1, placed(2, 7))].into());
        assert_eq!(totals.now().events(), 3);
    }

    #[test]
    fn an_offset_below_one_of_long_ago_is_one_of_a_new_topic() {
        let mut tally = Tally::default();
        let began = Instant::now();
        let mut place = |after: Duration, offset| {
            let at = Delivered {
                partition: 0,
                offset,
            };
            tally.place(at, began + after);
            tally.places[&0].last.0
        };
        let second = Duration::from_secs(1);
        assert_eq!(place(Duration::ZERO, 1000), 1000);
        assert_eq!(place(second, 998), 1000, "answered in another order");
        assert_eq!(place(ANSWERS_WITHIN, 2), 1000, "not for certain yet");
        assert_eq!(place(ANSWERS_WITHIN + second, 3), 3);
        assert_eq!(place(ANSWERS_WITHIN + 2 * second, 2), 3);
        assert_eq!(place(ANSWERS_WITHIN + 2 * second, 5), 5);
        assert_eq!(tally.places[&0].events, 6);
    }

    #[test]
    fn what_a_process_before_this_one_wrote_down_was_answered_long_ago() {
        let mut tally = Tally::default();
        let at = |offset| Delivered {
            partition: 0,
            offset,
        };
        let now = Instant::now();
        tally.place(at(1000), now);
        let json = serde_json::to_string(&tally).unwrap();
        let mut next: Tally = serde_json::from_str(&json).unwrap();
        next.place(at(4), now);
        assert_eq!(next.places[&0].last, LastSeen(4));
    }
}
