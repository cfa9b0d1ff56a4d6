//! Whether Kafka can be reached, as the logs and `/readyz` tell it.
//!
//! Two witnesses: what became of the last request, and what a broker says when asked. A broker that has
//! lost its controllers repeats what it knew before, so its word does not count against a request that
//! has just failed.

use service::health::Part;
use service::outage::Outage;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long a failed request speaks louder than a broker that says all is well.
const FAILURE_COUNTS: Duration = Duration::from_secs(10);

/// What is known about the way to Kafka.
pub(crate) struct Reach {
    health: Part,
    outage: Outage,
    failure: Mutex<Option<Failure>>,
    /// What becomes of events meanwhile, for readers of `/readyz`.
    meanwhile: Box<dyn Fn() -> String + Send + Sync>,
}

#[derive(Debug)]
struct Failure {
    at: Instant,
    reason: String,
}

impl Reach {
    /// Nothing is known yet. While Kafka is away, health tells also what `meanwhile` says.
    pub fn new(health: Part, meanwhile: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self {
            health,
            outage: Outage::new("Kafka"),
            failure: Mutex::new(None),
            meanwhile: Box::new(meanwhile),
        }
    }

    /// A request was acknowledged: there is no better proof.
    pub fn acknowledged(&self) {
        if self.failure().take().is_some() {
            self.health.ready();
        }
        self.outage.back();
    }

    /// A request was not acknowledged.
    pub fn failed(&self, reason: impl Display) {
        let reason = reason.to_string();
        self.outage.missing(&reason);
        self.away(&format!("the last request failed: {reason}"));
        *self.failure() = Some(Failure {
            at: Instant::now(),
            reason,
        });
    }

    /// A broker was asked. Returns whether Kafka counts as reachable.
    pub fn looked(&self, looked: Result<(), String>) -> bool {
        let problem = verdict(looked, self.failure().as_ref(), Instant::now());
        match problem {
            None => {
                self.health.ready();
                self.outage.back();
                true
            }
            Some(reason) => {
                self.outage.missing(&reason);
                self.away(&reason);
                false
            }
        }
    }

    fn away(&self, reason: &str) {
        self.health
            .unready(format!("{reason}; {}", (self.meanwhile)()));
    }

    fn failure(&self) -> std::sync::MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong, by both witnesses.
fn verdict(looked: Result<(), String>, failure: Option<&Failure>, now: Instant) -> Option<String> {
    match (looked, failure) {
        (Err(reason), _) => Some(reason),
        (Ok(()), Some(failure)) if now.duration_since(failure.at) < FAILURE_COUNTS => {
            Some(format!("the last request failed: {}", failure.reason))
        }
        (Ok(()), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::health::Health;

    fn reach() -> (Reach, impl Fn() -> String) {
        let health = Health::new();
        let reach = Reach::new(health.part("kafka"), || "events are refused".to_owned());
        (reach, move || health.report().parts["kafka"].clone())
    }

    #[test]
    fn what_a_broker_says_counts_until_a_request_says_otherwise() {
        let (reach, kafka) = reach();
        assert_eq!(kafka(), "starting");
        assert!(reach.looked(Ok(())));
        assert_eq!(kafka(), "ready");
        reach.failed("timed out");
        assert!(!reach.looked(Ok(())), "a broker may not know yet");
        assert_eq!(
            kafka(),
            "the last request failed: timed out; events are refused"
        );
        reach.acknowledged();
        assert_eq!(kafka(), "ready");
        assert!(reach.looked(Ok(())));
        assert!(!reach.looked(Err("no broker answers".into())));
        assert_eq!(kafka(), "no broker answers; events are refused");
    }

    #[test]
    fn a_failure_of_long_ago_is_forgotten() {
        let failure = Failure {
            at: Instant::now(),
            reason: "timed out".into(),
        };
        let at = |later: Duration| verdict(Ok(()), Some(&failure), failure.at + later);
        assert!(at(FAILURE_COUNTS / 2).is_some());
        assert_eq!(at(FAILURE_COUNTS), None);
    }
}
