//! Says once what is missing, and once when it is back, however often it is tried in between.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Something that fails although what it needs is there. It says so once, until it works again.
#[derive(Debug)]
pub struct Complaint {
    what: Cow<'static, str>,
    failing: AtomicBool,
}

impl Complaint {
    /// Nothing fails yet. `what` begins the log lines, such as `"the summary"`.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self {
            what: what.into(),
            failing: AtomicBool::new(false),
        }
    }

    /// It failed and is tried again by itself. Warns when that is news, and returns whether it was.
    pub fn failing(&self, reason: impl Display) -> bool {
        let news = !self.failing.swap(true, Ordering::Relaxed);
        if news {
            tracing::warn!(%reason, "{} fails; trying again", self.what);
        }
        news
    }

    /// It will fail until somebody mends it. An error in the log when that is news; returns whether it was.
    pub fn broken(&self, reason: impl Display, repair: &str) -> bool {
        let news = !self.failing.swap(true, Ordering::Relaxed);
        if news {
            tracing::error!(%reason, "{} is refused. Repair: {repair}", self.what);
        }
        news
    }

    /// It works. Says so when that is news, and returns whether it was.
    pub fn over(&self) -> bool {
        let news = self.failing.swap(false, Ordering::Relaxed);
        if news {
            tracing::info!("{} works again", self.what);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_made_once_until_it_is_over() {
        let complaint = Complaint::new("the summary");
        assert!(!complaint.over());
        assert!(complaint.failing("too slow"));
        assert!(!complaint.failing("too slow"));
        assert!(!complaint.broken("no right", "grant it"));
        assert!(complaint.over());
        assert!(complaint.broken("no right", "grant it"));
    }

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
