//! Where spooled events have come to lie: remembered for those whose receipt said "kept on the disk",
//! as long as there is room for it.

use crate::request::Delivered;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;
use uuid::Uuid;

/// So many of the newest are remembered, in a few megabytes.
const REMEMBERED: usize = 50_000;

/// The newest places, by event.
#[derive(Debug)]
pub(crate) struct Places {
    known: Mutex<Known>,
    /// Changes whenever there are new ones.
    news: watch::Sender<()>,
    most: usize,
}

#[derive(Debug, Default)]
struct Known {
    places: HashMap<Uuid, Delivered>,
    /// The oldest first.
    order: VecDeque<Uuid>,
}

impl Default for Places {
    fn default() -> Self {
        Self::of(REMEMBERED)
    }
}

impl Places {
    fn of(most: usize) -> Self {
        Self {
            known: Mutex::default(),
            news: watch::channel(()).0,
            most,
        }
    }

    /// Kafka has these now.
    pub fn add(&self, places: impl Iterator<Item = (Uuid, Delivered)>) {
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            for (event, at) in places {
                if known.places.insert(event, at).is_none() {
                    known.order.push_back(event);
                }
            }
            while known.order.len() > self.most {
                if let Some(oldest) = known.order.pop_front() {
                    known.places.remove(&oldest);
                }
            }
        }
        self.news.send_replace(());
    }

    /// Where the event lies, when that is known.
    pub fn get(&self, event: Uuid) -> Option<Delivered> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.places.get(&event).copied()
    }

    /// Waits until it is known where the event lies.
    pub async fn wait(&self, event: Uuid) -> Delivered {
        let mut news = self.news.subscribe();
        loop {
            if let Some(at) = self.get(event) {
                return at;
            }
            if news.changed().await.is_err() {
                // The sender is ours, so this does not happen.
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> (Uuid, Delivered) {
        let event = Uuid::from_u128(u128::try_from(offset).unwrap());
        (
            event,
            Delivered {
                partition: 1,
                offset,
            },
        )
    }

    #[test]
    fn the_newest_are_remembered() {
        let places = Places::of(3);
        places.add((0..3).map(at));
        places.add([at(1), at(3)].into_iter());
        assert_eq!(places.get(at(0).0), None);
        for known in 1..4 {
            assert_eq!(places.get(at(known).0), Some(at(known).1));
        }
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_it() {
        let places = std::sync::Arc::new(Places::default());
        let waiting = tokio::spawn({
            let places = std::sync::Arc::clone(&places);
            async move { places.wait(at(7).0).await }
        });
        tokio::task::yield_now().await;
        places.add([at(5)].into_iter());
        places.add([at(7)].into_iter());
        assert_eq!(waiting.await.unwrap(), at(7).1);
    }
}
