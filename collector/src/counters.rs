//! The live counters: how many clicks there were on an item, on "add to cart" and on "buy", counting all
//! processes together, answered from memory at any rate.
//!
//! There is no table of counters. Once a second one small query asks Postgres how many clicks are rows,
//! and how far each partition had been read at that instant; to this come the clicks that this process
//! has acknowledged and that lie beyond. So every process comes to the same total within about a second of
//! a click's row, none of a process' own clicks is ever missing from its answer, and a restart loses
//! nothing. The modules: what a click is (`clicks`), the arithmetic (`ledger`); this file is its clock.
//!
//! For a moment a total may be too high, never too low by an own click: a client's second try, and an event
//! that lies in Kafka twice, count until the consumer has read them and knows better. Only what the tracker saw counts
//! when it is a row: the shop mostly saw it, too.

mod clicks;
mod ledger;
#[cfg(test)]
pub(crate) mod stage;

use crate::Accepted;
use crate::draft::Draft;
use crate::request::Delivered;
use crate::telemetry::METERS;
pub use clicks::{Clicks, Counter};
use domain::receipt::Place;
use domain::{LastSeen, Source};
use ledger::Ledger;
use service::outage::{Complaint, Outage};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{StoreError, StoredClicks};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the store is asked.
const EVERY: Duration = Duration::from_secs(1);

/// Why the store did not say.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It cannot be reached.
    Away(String),
    /// It is there, and refuses.
    Refused(String),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_away() {
            Self::Away(error.to_string())
        } else {
            Self::Refused(error.to_string())
        }
    }
}

/// The counters of this process; without a database there are none, and nothing is remembered.
#[derive(Debug)]
pub(crate) struct Counters(Option<Mutex<Ledger>>);

impl Counters {
    /// The counters of a process that has a database, not known yet, or of one that has none.
    pub fn new(has_database: bool) -> Self {
        Self(has_database.then(Mutex::default))
    }

    /// The totals, once they are known.
    pub fn totals(&self) -> Option<Clicks> {
        self.lock()?.totals()
    }

    /// What each of these drafts counts: its place among them, and its clicks. Only those that count.
    pub fn worth(&self, drafts: &[Draft]) -> Vec<(usize, Clicks)> {
        if self.0.is_none() {
            return Vec::new();
        }
        // What the tracker saw the shop mostly saw, too, under the same id: it counts when it is a row.
        let clicks = |draft: &Draft| match draft.source {
            Source::Tracker => Clicks::default(),
            _ => Clicks::of(&draft.event_type, draft.count),
        };
        let all = drafts.iter().map(clicks).enumerate();
        all.filter(|(_, clicks)| *clicks != Clicks::default())
            .collect()
    }

    /// These events are acknowledged. Of those on the disk the spool tells by itself.
    pub fn acknowledged(&self, worth: &[(usize, Clicks)], events: &[Accepted]) {
        if worth.is_empty() {
            return;
        }
        let Some(mut ledger) = self.lock() else {
            return;
        };
        for (index, clicks) in worth {
            let place = events.get(*index).map(|event| event.receipt.place);
            if let Some(Place::Kafka { partition, offset }) = place {
                ledger.placed(partition, LastSeen(offset), *clicks);
            }
        }
    }

    /// So many clicks are on this process' disk, and not in Kafka.
    pub fn spooled(&self, clicks: Clicks) {
        if let Some(mut ledger) = self.lock() {
            ledger.spooled(clicks);
        }
    }

    /// Kafka has these of them now.
    pub fn drained(&self, clicks: impl Iterator<Item = (Delivered, Clicks)>) {
        if self.0.is_none() {
            return;
        }
        // What each of them counts is read from its message: nobody should wait for that.
        let some = clicks.filter(|(_, clicks)| *clicks != Clicks::default());
        let some: Vec<_> = some.collect();
        let Some(mut ledger) = self.lock() else {
            return;
        };
        for (at, clicks) in some {
            ledger.drained(at.partition, LastSeen(at.offset), clicks);
        }
    }

    /// These were on this process' disk, and will never be in Kafka.
    pub fn lost(&self, clicks: Clicks) {
        if let Some(mut ledger) = self.lock() {
            ledger.lost(clicks);
        }
    }

    /// Brings the totals up to date.
    pub fn synchronise(&self, stored: &StoredClicks) {
        if let Some(mut ledger) = self.lock() {
            ledger.synchronise(Clicks::in_order(&stored.clicks), &stored.next);
        }
    }

    /// Asks the store once a second, for ever. While it does not answer, the totals are what it said last,
    /// and this process' own clicks since.
    pub async fn follow<Answer>(&self, ask: impl Fn() -> Answer, outage: &Outage)
    where
        Answer: Future<Output = Result<StoredClicks, Problem>>,
    {
        let refused = Complaint::new("the live counters' query");
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut answered = Instant::now();
        loop {
            tick.tick().await;
            match ask().await {
                Ok(stored) => {
                    self.synchronise(&stored);
                    answered = Instant::now();
                    refused.over();
                    outage.back();
                }
                Err(Problem::Away(why)) => {
                    outage.missing(why);
                }
                Err(Problem::Refused(why)) => {
                    refused.failing(why);
                }
            }
            METERS.counters_age.set(answered.elapsed().as_secs_f64());
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Ledger>> {
        let ledger = self.0.as_ref()?;
        Some(ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::NextOffset;
    use stage::Stage;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn stored(items: u64) -> StoredClicks {
        StoredClicks {
            clicks: vec![items, 0, 0],
            next: vec![(0, NextOffset(0))],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_store_is_asked_once_a_second_whatever_is_asked_of_us() {
        let counters = Arc::new(Counters::new(true));
        let asked = Arc::new(AtomicU64::new(0));
        let (ours, count) = (Arc::clone(&counters), Arc::clone(&asked));
        let following = tokio::spawn(async move {
            let outage = Outage::new("Postgres");
            let ask = || async {
                match count.fetch_add(1, Ordering::Relaxed) {
                    0 => Err(Problem::Refused("no such table".to_owned())),
                    1 => Err(Problem::Away("connection refused".to_owned())),
                    4 => Err(Problem::Away("gone again".to_owned())),
                    n => Ok(stored(n)),
                }
            };
            ours.follow(ask, &outage).await;
        });
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(counters.totals(), None, "nobody has said anything yet");
        for _ in 0..1000 {
            let _ = counters.totals();
        }
        tokio::time::sleep(EVERY * 2).await;
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        let known = counters.totals().unwrap();
        assert_eq!(known.get(Counter::Item), 3);
        tokio::time::sleep(EVERY).await;
        assert_eq!(asked.load(Ordering::Relaxed), 5);
        assert_eq!(counters.totals(), Some(known), "the database is away");
        following.abort();
    }

    #[tokio::test]
    async fn a_click_counts_on_the_disk_after_a_kill_and_in_kafka_each_time_once() {
        let buys = |buy| Clicks {
            buy,
            ..Clicks::default()
        };
        let buy = |count| Draft {
            event_type: "buy".into(),
            count,
            ..Draft::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::open();
        let process = stage.process_with_spool(folder.path()).await;
        process.shows(buys(0)).await;
        stage.kafka.broker_down(1).unwrap();
        let view = Draft {
            event_type: "page_view".into(),
            ..Draft::default()
        };
        for kept in process
            .collector
            .accept(vec![buy(3), view, buy(1)])
            .await
            .unwrap()
        {
            assert_eq!(kept.receipt.place, Place::Spool);
        }
        assert_eq!(process.collector.clicks(), Some(buys(4)));
        drop(process);
        let process = stage.process_with_spool(folder.path()).await;
        process.shows(buys(4)).await;
        stage.kafka.broker_up(1).unwrap();
        // What was never here knows of rows alone.
        stage.process().shows(buys(4)).await;
        process.shows(buys(4)).await;
        process.collector.accept_one(buy(1)).await.unwrap();
        process.shows(buys(5)).await;
    }

    #[test]
    fn without_a_database_nothing_is_known_nor_remembered() {
        let counters = Counters::new(false);
        let click = Draft {
            event_type: "buy".into(),
            ..Draft::default()
        };
        assert!(counters.worth(std::slice::from_ref(&click)).is_empty());
        counters.synchronise(&stored(1));
        assert_eq!(counters.totals(), None);
        let seen = Draft {
            source: Source::Tracker,
            ..click.clone()
        };
        // The shop saw the second one, too.
        let worth = Counters::new(true).worth(&[click, seen]);
        assert_eq!(worth, [(0, Clicks::of("buy", 1))]);
    }
}
