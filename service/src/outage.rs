//! Says once what is missing, and once when it is back, however often it is tried in between.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The way to one thing that may be away, such as Kafka. Shared by reference between those who try.
#[derive(Debug)]
pub struct Outage {
    what: &'static str,
    since: Mutex<Option<Instant>>,
}

impl Outage {
    /// Nothing is missing yet. `what` begins the log lines, such as `"Postgres"`.
    pub const fn new(what: &'static str) -> Self {
        Self {
            what,
            since: Mutex::new(None),
        }
    }

    /// It cannot be reached. Logs the reason when that is news, and returns whether it was.
    pub fn missing(&self, reason: impl Display) -> bool {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_some() {
            return false;
        }
        *since = Some(Instant::now());
        tracing::warn!(%reason, "{} is away; trying until it is back", self.what);
        true
    }

    /// It works. Logs and returns how long it was away when that is news.
    pub fn back(&self) -> Option<Duration> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let away = since.take()?.elapsed();
        tracing::info!(away_s = away.as_secs_f32(), "{} is back", self.what);
        Some(away)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_once_that_it_is_away_and_once_that_it_is_back() {
        let outage = Outage::new("Kafka");
        assert!(outage.back().is_none());
        assert!(outage.missing("refused"));
        assert!(!outage.missing("refused again"));
        assert!(outage.back().is_some());
        assert!(outage.back().is_none());
        assert!(outage.missing("refused"));
    }
}
