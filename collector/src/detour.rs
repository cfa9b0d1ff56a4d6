//! While Kafka is away nobody waits in vain for it: what comes in goes to the spool at once, until a
//! message that was sent to find out has arrived.
//!
//! Whoever drains the spool finds out; while nothing lies there, one request a second does.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a request tries Kafka while it is away and nobody else does.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// The way that a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To Kafka.
    Kafka,
    /// To Kafka, to find out whether it is back: say [`Detour::over`] when it is.
    Try,
    /// To the spool.
    Spool,
}

/// Which way requests take.
#[derive(Debug, Default)]
pub(crate) struct Detour {
    /// When a request may next try Kafka; none while all go there.
    next_try: Mutex<Option<Instant>>,
}

impl Detour {
    /// The way for a request of now. `drained` says whether the spool has something to be brought to
    /// Kafka, which is how its return is noticed.
    pub fn way(&self, drained: bool) -> Way {
        let mut next_try = self.lock();
        let (way, next) = decide(*next_try, drained, Instant::now());
        *next_try = next;
        way
    }

    /// Kafka did not take a message.
    pub fn begin(&self) {
        self.lock()
            .get_or_insert_with(|| Instant::now() + TRY_EVERY);
    }

    /// Kafka took what was sent to find out.
    pub fn over(&self) {
        *self.lock() = None;
    }

    /// Whether requests go to the spool at once.
    pub fn is_on(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.next_try.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way, and when a request may next try Kafka.
fn decide(next_try: Option<Instant>, drained: bool, now: Instant) -> (Way, Option<Instant>) {
    match next_try {
        None => (Way::Kafka, None),
        Some(at) if drained || now < at => (Way::Spool, next_try),
        Some(_) => (Way::Try, Some(now + TRY_EVERY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_a_second_tries_when_nobody_else_does() {
        let now = Instant::now();
        let later = Some(now + TRY_EVERY);
        assert_eq!(decide(None, false, now), (Way::Kafka, None));
        assert_eq!(decide(None, true, now), (Way::Kafka, None));
        assert_eq!(decide(later, false, now), (Way::Spool, later));
        assert_eq!(decide(Some(now), true, now), (Way::Spool, Some(now)));
        assert_eq!(decide(Some(now), false, now), (Way::Try, later));
    }

    #[test]
    fn it_begins_with_a_failure_and_ends_when_a_try_worked() {
        let detour = Detour::default();
        assert_eq!(detour.way(false), Way::Kafka);
        detour.begin();
        detour.begin();
        assert!(detour.is_on());
        assert_eq!(detour.way(false), Way::Spool, "not at once");
        detour.over();
        assert_eq!(detour.way(true), Way::Kafka);
    }
}
