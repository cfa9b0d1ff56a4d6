//! The arithmetic of the live counters: what the store has, and what of ours it does not have yet, without
//! counting anything twice.

use super::Clicks;
use domain::{LastSeen, NextOffset};
use std::collections::BTreeMap;

/// The most places that are remembered of a partition. Beyond, neighbours are counted as one, at the last
/// one's place: while the consumer passes between them, the total is too high by those before it.
const MOST_PLACES: usize = 16_384;

/// All that the totals are made of.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// What the store said last; nothing yet.
    stored: Option<Clicks>,
    partitions: BTreeMap<i32, Partition>,
    /// The sum over all places of all partitions.
    ahead: Clicks,
    /// On this process' disk.
    spooled: Clicks,
}

/// One partition: how far the store is, and our clicks beyond.
#[derive(Debug)]
struct Partition {
    next: NextOffset,
    /// By their offset, without its last `grain` bits.
    ahead: BTreeMap<i64, Neighbours>,
    grain: u32,
}

/// Clicks that are counted as one, and the last one's place.
#[derive(Debug)]
struct Neighbours {
    last: LastSeen,
    clicks: Clicks,
}

impl Default for Partition {
    fn default() -> Self {
        Self {
            next: NextOffset(0),
            ahead: BTreeMap::new(),
            grain: 0,
        }
    }
}

impl Ledger {
    /// The totals; none before the store has said anything.
    pub fn totals(&self) -> Option<Clicks> {
        Some(self.stored? + self.ahead + self.spooled)
    }

    /// An acknowledged event of ours lies there.
    pub fn placed(&mut self, partition: i32, at: LastSeen, clicks: Clicks) {
        let partition = self.partitions.entry(partition).or_default();
        if clicks == Clicks::default() || partition.next.covers(at) {
            return;
        }
        partition.add(at, clicks);
        self.ahead += clicks;
    }

    /// These are on the disk.
    pub fn spooled(&mut self, clicks: Clicks) {
        self.spooled += clicks;
    }

    /// These were, and will be nowhere else.
    pub fn lost(&mut self, clicks: Clicks) {
        self.spooled = self.spooled.above(clicks);
    }

    /// These were, and lie there now.
    pub fn drained(&mut self, partition: i32, at: LastSeen, clicks: Clicks) {
        self.spooled = self.spooled.above(clicks);
        self.placed(partition, at, clicks);
    }

    /// The store has so many, which are those of all events below these places.
    pub fn synchronise(&mut self, stored: Clicks, next: &[(i32, NextOffset)]) {
        self.stored = Some(stored);
        for (number, next) in next {
            self.partitions.entry(*number).or_default().next = *next;
        }
        for (number, partition) in &mut self.partitions {
            if next.iter().all(|(known, _)| known != number) {
                // The store knows nothing of it (any more).
                partition.next = NextOffset(0);
            }
            self.ahead = self.ahead.above(partition.take_read());
        }
    }
}

impl Partition {
    /// Remembers clicks at a place.
    fn add(&mut self, at: LastSeen, clicks: Clicks) {
        let there = self.ahead.entry(at.0 >> self.grain).or_insert(Neighbours {
            last: at,
            clicks: Clicks::default(),
        });
        there.last = there.last.max(at);
        there.clicks += clicks;
        if self.ahead.len() > MOST_PLACES {
            self.grain += 1;
            for neighbours in std::mem::take(&mut self.ahead).into_values() {
                self.add(neighbours.last, neighbours.clicks);
            }
        }
    }

    /// Forgets what the store has read, and tells how much that was.
    fn take_read(&mut self) -> Clicks {
        let mut read = Clicks::default();
        while let Some(first) = self.ahead.first_entry() {
            if !self.next.covers(first.get().last) {
                return read;
            }
            read += first.remove().clicks;
        }
        self.grain = 0;
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn items(item: u64) -> Clicks {
        Clicks {
            item,
            ..Clicks::default()
        }
    }

    fn ledger(stored: u64, next: i64) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.synchronise(items(stored), &[(0, NextOffset(next))]);
        ledger
    }

    #[rstest]
    #[case::reached(9, 100)]
    #[case::not_reached(10, 101)]
    #[case::far_ahead(99, 101)]
    fn an_own_click_counts_from_where_the_store_ends(#[case] offset: i64, #[case] total: u64) {
        let mut ledger = ledger(100, 10);
        ledger.placed(0, LastSeen(offset), items(1));
        assert_eq!(ledger.totals(), Some(items(total)));
    }

    #[test]
    fn before_the_store_has_spoken_nothing_is_known_and_nothing_forgotten() {
        let mut ledger = Ledger::default();
        ledger.placed(0, LastSeen(4), items(1));
        ledger.placed(0, LastSeen(5), items(2));
        ledger.spooled(items(4));
        assert_eq!(ledger.totals(), None);
        ledger.synchronise(items(100), &[(0, NextOffset(5))]);
        assert_eq!(ledger.totals(), Some(items(106)));
    }

    #[test]
    fn a_click_keeps_counting_on_its_way_from_the_disk_to_its_row() {
        let mut ledger = ledger(10, 0);
        ledger.spooled(items(3));
        assert_eq!(ledger.totals(), Some(items(13)));
        ledger.drained(0, LastSeen(7), items(3));
        assert_eq!(ledger.totals(), Some(items(13)));
        ledger.synchronise(items(13), &[(0, NextOffset(8))]);
        assert_eq!(ledger.totals(), Some(items(13)));
        // Read before we heard of it.
        ledger.spooled(items(1));
        ledger.synchronise(items(14), &[(0, NextOffset(9))]);
        ledger.drained(0, LastSeen(8), items(1));
        assert_eq!(ledger.totals(), Some(items(14)));
    }

    #[test]
    fn an_operator_who_reads_again_counts_nothing_twice() {
        let mut ledger = ledger(10, 20);
        ledger.placed(0, LastSeen(25), items(1));
        ledger.synchronise(items(10), &[(0, NextOffset(0))]);
        assert_eq!(ledger.totals(), Some(items(11)));
        ledger.synchronise(items(11), &[(0, NextOffset(26))]);
        assert_eq!(ledger.totals(), Some(items(11)));
    }

    #[test]
    fn however_long_the_store_is_away_memory_is_bounded_and_the_end_exact() {
        let mut ledger = ledger(0, 0);
        let clicks = i64::try_from(MOST_PLACES).unwrap() * 5 + 1;
        for offset in 0..clicks {
            ledger.placed(0, LastSeen(offset), items(1));
        }
        let all = items(clicks.unsigned_abs());
        assert!(ledger.partitions[&0].ahead.len() <= MOST_PLACES);
        assert_eq!(ledger.totals(), Some(all));
        for next in [clicks / 3, clicks / 2, clicks] {
            ledger.synchronise(items(next.unsigned_abs()), &[(0, NextOffset(next))]);
            let total = ledger.totals().unwrap().item;
            // Eight places are counted as one.
            assert!(
                (all.item..all.item + 8).contains(&total),
                "{total} at {next}"
            );
        }
        assert_eq!(ledger.totals(), Some(all));
        assert_eq!(ledger.partitions[&0].grain, 0);
    }

    /// What may happen to this process and to the store.
    #[derive(Debug, Clone)]
    enum Happens {
        /// We put an event into a partition, so many of others before it.
        Placed(i32, i64, Clicks),
        Spooled(Clicks),
        /// The oldest event on the disk goes to a partition.
        Drained(i32),
        /// The consumer reads so many records of a partition.
        Read(i32, usize),
        Synchronised,
    }

    fn clicks() -> impl Strategy<Value = Clicks> {
        (0..3u64, 0..3u64, 0..3u64).prop_map(|(item, add_to_cart, buy)| Clicks {
            item,
            add_to_cart,
            buy,
        })
    }

    fn happens() -> impl Strategy<Value = Happens> {
        let partition = 0..3i32;
        prop_oneof![
            4 => (partition.clone(), 0..4i64, clicks()).prop_map(|(p, n, c)| Happens::Placed(p, n, c)),
            2 => clicks().prop_map(Happens::Spooled),
            2 => partition.clone().prop_map(Happens::Drained),
            3 => (partition, 0..6usize).prop_map(|(p, n)| Happens::Read(p, n)),
            3 => Just(Happens::Synchronised),
        ]
    }

    proptest! {
        #[test]
        fn the_total_is_the_stores_and_ours_that_it_has_not_read(
            story in proptest::collection::vec(happens(), 0..120)
        ) {
            // Each partition's records: whether they are ours, and their clicks; and how far it was read.
            let mut topic: [Vec<(bool, Clicks)>; 3] = Default::default();
            let mut read = [0usize; 3];
            let mut disk = std::collections::VecDeque::new();
            let mut known = None;
            let mut ledger = Ledger::default();
            let index = |p: i32| usize::try_from(p).unwrap();
            let last = |records: &[(bool, Clicks)]| LastSeen(i64::try_from(records.len()).unwrap() - 1);
            for event in story {
                match event {
                    Happens::Placed(p, others, clicks) => {
                        let records = &mut topic[index(p)];
                        records.extend((0..others).map(|_| (false, items(1))));
                        records.push((true, clicks));
                        ledger.placed(p, last(records), clicks);
                    }
                    Happens::Spooled(clicks) => {
                        disk.push_back(clicks);
                        ledger.spooled(clicks);
                    }
                    Happens::Drained(p) => {
                        if let Some(clicks) = disk.pop_front() {
                            let records = &mut topic[index(p)];
                            records.push((true, clicks));
                            ledger.drained(p, last(records), clicks);
                        }
                    }
                    Happens::Read(p, records) => {
                        let p = index(p);
                        read[p] = (read[p] + records).min(topic[p].len());
                    }
                    Happens::Synchronised => {
                        let stored = (0..3).flat_map(|p| &topic[p][..read[p]]);
                        let stored = stored.fold(Clicks::default(), |sum, (_, clicks)| sum + *clicks);
                        let next: Vec<_> = (0..3)
                            .map(|p| (p, NextOffset(i64::try_from(read[index(p)]).unwrap())))
                            .collect();
                        ledger.synchronise(stored, &next);
                        known = Some(read);
                    }
                }
                let wanted = known.map(|known| {
                    let of_store = (0..3).flat_map(|p| &topic[p][..known[p]]);
                    let ours = (0..3).flat_map(|p| &topic[p][known[p]..]).filter(|(ours, _)| *ours);
                    let sum = of_store.chain(ours).map(|(_, clicks)| *clicks);
                    sum.chain(disk.iter().copied()).fold(Clicks::default(), |sum, clicks| sum + clicks)
                });
                prop_assert_eq!(ledger.totals(), wanted);
            }
        }
    }
}
