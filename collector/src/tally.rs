//! How many events were acknowledged, by source, and where they lie, by partition: what a report says
//! about one boot.

use crate::request::Delivered;
use domain::report::{BootReport, Placed};
use domain::{LastSeen, Source};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// Totals of one boot; they only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Events that were acknowledged.
    pub acknowledged: BTreeMap<Source, u64>,
    /// Events that lie in Kafka.
    pub places: BTreeMap<i32, Placed>,
}

impl Tally {
    /// Counts events that were acknowledged.
    pub fn acknowledge(&mut self, source: Source, events: u64) {
        *self.acknowledged.entry(source).or_default() += events;
    }

    /// Counts one event that Kafka took.
    pub fn place(&mut self, at: Delivered) {
        let last = LastSeen(at.offset);
        let placed = self
            .places
            .entry(at.partition)
            .or_insert(Placed { events: 0, last });
        placed.events += 1;
        placed.last = placed.last.max(last);
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
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (source, at) in taken {
            tally.acknowledge(source, 1);
            tally.place(at);
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
}
