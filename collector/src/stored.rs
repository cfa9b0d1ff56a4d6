//! When an acknowledged event has become a row: one poller per process asks Postgres how far the
//! consumer is and answers every waiting receipt from that, so the database's load does not grow with
//! the number of people who wait.

use domain::{LastSeen, NextOffset};
use service::outage::Outage;
use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// How often the poller asks while someone waits; otherwise it sleeps.
const POLL_EVERY: Duration = Duration::from_millis(20);
/// How often while the database does not answer.
const POLL_EVERY_AWAY: Duration = Duration::from_millis(250);

/// What waiting for a row came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The consumer has dealt with the event: it is a row, a known duplicate, or a reject with its
    /// reason; `Store::progress` says which.
    Stored,
    /// Not within the time, or nobody could say: there is no database, it is away, or this process ends.
    NotYet,
}

/// Where the waiting receipts are kept; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Desk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// None once the poller has ended.
    waiting: Mutex<Option<Vec<Waiting>>>,
    someone: Notify,
}

#[derive(Debug)]
struct Waiting {
    partition: i32,
    offset: LastSeen,
    answer: oneshot::Sender<()>,
}

impl Desk {
    /// Starts the poller; `ask` tells each partition's next offset, and `outage` hears whether it could.
    /// Ends at `shutdown`, and with it all waiting.
    pub fn open<Ask, Answer, Problem>(
        ask: Ask,
        outage: Arc<Outage>,
        shutdown: CancellationToken,
    ) -> Self
    where
        Ask: Fn() -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Vec<(i32, NextOffset)>, Problem>> + Send,
        Problem: Display + Send,
    {
        let desk = Self(Arc::new(Shared {
            waiting: Mutex::new(Some(Vec::new())),
            someone: Notify::new(),
        }));
        let polled = desk.clone();
        tokio::spawn(async move {
            shutdown
                .run_until_cancelled(polled.poll(ask, &outage))
                .await;
            polled.lock().take();
        });
        desk
    }

    /// Waits at most `limit` until the record at this place has been dealt with.
    pub async fn wait(&self, partition: i32, offset: LastSeen, limit: Duration) -> Waited {
        let (answer, answered) = oneshot::channel();
        match self.lock().as_mut() {
            Some(waiting) => waiting.push(Waiting {
                partition,
                offset,
                answer,
            }),
            None => return Waited::NotYet,
        }
        self.0.someone.notify_one();
        match tokio::time::timeout(limit, answered).await {
            Ok(Ok(())) => Waited::Stored,
            Ok(Err(_)) | Err(_) => Waited::NotYet,
        }
    }

    async fn poll<Ask, Answer, Problem>(&self, ask: Ask, outage: &Outage)
    where
        Ask: Fn() -> Answer,
        Answer: Future<Output = Result<Vec<(i32, NextOffset)>, Problem>>,
        Problem: Display,
    {
        loop {
            while self.nobody_waits() {
                self.0.someone.notified().await;
            }
            let pause = match ask().await {
                Ok(next) => {
                    outage.back();
                    self.answer(&next);
                    POLL_EVERY
                }
                Err(problem) => {
                    outage.missing(problem);
                    POLL_EVERY_AWAY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether the poller may sleep; forgets those who no longer wait.
    fn nobody_waits(&self) -> bool {
        let mut waiting = self.lock();
        let Some(waiting) = waiting.as_mut() else {
            return true;
        };
        waiting.retain(|one| !one.answer.is_closed());
        waiting.is_empty()
    }

    /// Answers everyone whose record has been dealt with.
    fn answer(&self, next: &[(i32, NextOffset)]) {
        let mut waiting = self.lock();
        let Some(waiting) = waiting.as_mut() else {
            return;
        };
        let dealt_with = |one: &mut Waiting| {
            next.iter()
                .any(|(partition, next)| *partition == one.partition && next.covers(one.offset))
        };
        for one in waiting.extract_if(.., dealt_with) {
            // An error means that nobody waits any more.
            let _ = one.answer.send(());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<Waiting>>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
    use tokio::time::Instant;

    /// A consumer whose progress in partition 3 the test sets, and how often it was asked.
    #[derive(Clone, Default)]
    struct Consumer {
        next: Arc<AtomicI64>,
        asked: Arc<AtomicUsize>,
    }

    impl Consumer {
        fn desk(&self, shutdown: CancellationToken) -> Desk {
            self.desk_with(Arc::new(Outage::new("Postgres")), shutdown)
        }

        fn desk_with(&self, outage: Arc<Outage>, shutdown: CancellationToken) -> Desk {
            let this = self.clone();
            let ask = move || {
                let this = this.clone();
                async move {
                    this.asked.fetch_add(1, Ordering::Relaxed);
                    match this.next.load(Ordering::Relaxed) {
                        -1 => Err("connection refused"),
                        next => Ok(vec![(3, NextOffset(next))]),
                    }
                }
            };
            Desk::open(ask, outage, shutdown)
        }

        fn at(&self, next: i64) {
            self.next.store(next, Ordering::Relaxed);
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn everyone_is_answered_by_one_poller() {
        let consumer = Consumer::default();
        let desk = consumer.desk(CancellationToken::new());
        consumer.at(5);
        let waits = (0..100).map(|offset| {
            let desk = desk.clone();
            tokio::spawn(async move { desk.wait(3, LastSeen(offset), SECOND).await })
        });
        let waits: Vec<_> = waits.collect();
        tokio::time::sleep(SECOND / 10).await;
        consumer.at(100);
        for wait in waits {
            assert_eq!(wait.await.unwrap(), Waited::Stored);
        }
        assert!(consumer.asked() <= 8, "asked {} times", consumer.asked());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_reached_is_not_stored_and_another_partition_does_not_count() {
        let consumer = Consumer::default();
        let desk = consumer.desk(CancellationToken::new());
        consumer.at(7);
        let started = Instant::now();
        assert_eq!(desk.wait(3, LastSeen(7), SECOND).await, Waited::NotYet);
        assert_eq!(started.elapsed(), SECOND);
        assert_eq!(desk.wait(4, LastSeen(0), SECOND).await, Waited::NotYet);
        assert_eq!(desk.wait(3, LastSeen(6), SECOND).await, Waited::Stored);
    }

    #[tokio::test(start_paused = true)]
    async fn while_nobody_waits_nobody_asks() {
        let consumer = Consumer::default();
        let desk = consumer.desk(CancellationToken::new());
        tokio::time::sleep(100 * SECOND).await;
        assert_eq!(consumer.asked(), 0);
        drop(desk.wait(3, LastSeen(0), SECOND));
        let gone = tokio::time::timeout(SECOND / 10, desk.wait(3, LastSeen(0), SECOND)).await;
        assert!(gone.is_err());
        tokio::time::sleep(SECOND).await;
        let before = consumer.asked();
        tokio::time::sleep(100 * SECOND).await;
        assert_eq!(consumer.asked(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_is_away_means_not_yet_and_its_return_is_noticed() {
        let consumer = Consumer::default();
        let desk = consumer.desk(CancellationToken::new());
        consumer.at(-1);
        assert_eq!(desk.wait(3, LastSeen(0), SECOND).await, Waited::NotYet);
        let waiting = tokio::spawn({
            let desk = desk.clone();
            async move { desk.wait(3, LastSeen(0), 10 * SECOND).await }
        });
        tokio::time::sleep(SECOND).await;
        consumer.at(1);
        assert_eq!(waiting.await.unwrap(), Waited::Stored);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_shares_the_outage_need_not_say_it_again() {
        let consumer = Consumer::default();
        let outage = Arc::new(Outage::new("Postgres"));
        let desk = consumer.desk_with(Arc::clone(&outage), CancellationToken::new());
        consumer.at(-1);
        assert_eq!(desk.wait(3, LastSeen(0), SECOND).await, Waited::NotYet);
        assert!(!outage.missing("said already"));
        consumer.at(1);
        assert_eq!(desk.wait(3, LastSeen(0), SECOND).await, Waited::Stored);
        assert!(outage.back().is_none(), "said already");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_process_ends_all_waiting() {
        let consumer = Consumer::default();
        let shutdown = CancellationToken::new();
        let desk = consumer.desk(shutdown.clone());
        let waiting = tokio::spawn({
            let desk = desk.clone();
            async move { desk.wait(3, LastSeen(0), 100 * SECOND).await }
        });
        tokio::time::sleep(SECOND).await;
        let ended = Instant::now();
        shutdown.cancel();
        assert_eq!(waiting.await.unwrap(), Waited::NotYet);
        assert_eq!(desk.wait(3, LastSeen(0), SECOND).await, Waited::NotYet);
        assert_eq!(ended.elapsed(), Duration::ZERO);
    }
}
