//! Whether this process can do its work now, part by part.
//!
//! A part reports in, again and again; one that falls silent is not ready, since a hung loop cannot
//! report that it hangs. `/readyz` tells why; `/livez` only that the process answers
//! ([`crate::telemetry`]).

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A part that says nothing for this long is not ready; report at least three times as often.
pub const STALE_AFTER: Duration = Duration::from_secs(30);

/// What a report says of a part that can do its work.
pub const READY: &str = "ready";

/// The parts of this process. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Health {
    parts: Arc<Mutex<BTreeMap<&'static str, State>>>,
}

/// One part's way to report in.
#[derive(Debug, Clone)]
pub struct Part {
    name: &'static str,
    health: Health,
}

#[derive(Debug)]
struct State {
    problem: Option<String>,
    reported: Instant,
    stale_after: Duration,
}

/// The state of all parts at one moment, as `/readyz` shows it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every part is ready. A process without parts is.
    pub ready: bool,
    /// [`READY`], or the reason why not, by part.
    pub parts: BTreeMap<&'static str, String>,
}

impl Health {
    /// A process without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part that is not ready yet and goes stale after [`STALE_AFTER`]. The same name again is
    /// the same part, starting anew.
    pub fn part(&self, name: &'static str) -> Part {
        self.part_within(name, STALE_AFTER)
    }

    /// Adds a part with its own deadline; `Duration::MAX` for one that reports only changes.
    pub fn part_within(&self, name: &'static str, stale_after: Duration) -> Part {
        let state = State {
            problem: Some("starting".to_owned()),
            reported: Instant::now(),
            stale_after,
        };
        self.lock().insert(name, state);
        Part {
            name,
            health: self.clone(),
        }
    }

    /// The state of all parts now.
    pub fn report(&self) -> Report {
        self.report_at(Instant::now())
    }

    fn report_at(&self, now: Instant) -> Report {
        let parts: BTreeMap<_, _> = self
            .lock()
            .iter()
            .map(|(name, state)| (*name, state.problem_at(now)))
            .collect();
        Report {
            ready: parts.values().all(Option::is_none),
            parts: parts
                .into_iter()
                .map(|(name, problem)| (name, problem.unwrap_or_else(|| READY.to_owned())))
                .collect(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, State>> {
        // Every write leaves the map whole, so a panic elsewhere does not make it unusable.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn problem_at(&self, now: Instant) -> Option<String> {
        let silent = now.saturating_duration_since(self.reported);
        if silent > self.stale_after {
            return Some(format!("has not reported for {} s", silent.as_secs()));
        }
        self.problem.clone()
    }
}

impl Part {
    /// Reports that this part can do its work.
    pub fn ready(&self) {
        self.set(None);
    }

    /// Reports why this part cannot do its work now.
    pub fn unready(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, problem: Option<String>) {
        if let Some(state) = self.health.lock().get_mut(self.name) {
            state.problem = problem;
            state.reported = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_all_its_parts_are() {
        let health = Health::new();
        assert!(health.report().ready);
        let kafka = health.part("kafka");
        let postgres = health.part("postgres");
        assert_eq!(health.report().parts["kafka"], "starting");
        kafka.ready();
        postgres.unready("connection refused");
        let report = health.report();
        assert!(!report.ready);
        assert_eq!(report.parts["kafka"], "ready");
        assert_eq!(report.parts["postgres"], "connection refused");
        postgres.ready();
        assert!(health.report().ready);
    }

    #[test]
    fn a_part_that_falls_silent_is_not_ready() {
        let health = Health::new();
        let part = health.part_within("loop", Duration::from_secs(5));
        part.ready();
        let later = Instant::now() + Duration::from_secs(8);
        let report = health.report_at(later);
        assert!(!report.ready);
        assert!(report.parts["loop"].starts_with("has not reported for"));
    }

    #[test]
    fn a_part_without_deadline_never_goes_stale() {
        let health = Health::new();
        health.part_within("setup", Duration::MAX).ready();
        assert!(
            health
                .report_at(Instant::now() + Duration::from_hours(24))
                .ready
        );
    }
}
