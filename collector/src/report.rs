//! Each second a collector that has acknowledged anything says so, in the topic itself: whoever has read
//! the reports knows how many events there must be, and where.
//!
//! Two speak. The process tells of what it gave to Kafka itself, under its boot. The spool tells of what
//! was ever put into it and where that came to lie, under its own id: it outlives processes and writes
//! down what it tells, so its totals are right also after a kill in mid-drain. Each event is told of by
//! one of the two. What the spool was told to keep, did not bring to Kafka and does not say is waiting, is
//! lost: so what waits is told only by the spool, in one report with its totals. It tells that once for each
//! process that finds an older folder, also when there is nothing in it any more.

use crate::message::Message;
use crate::producer::Producer;
use crate::spool::Spool;
use crate::tally::{Tally, Totals};
use chrono::{SubsecRound as _, Utc};
use domain::report::{BootReport, COLLECTOR_REPORT, CollectorReport, SpoolReport};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often there is a report, when there is something new.
const EVERY: Duration = Duration::from_secs(1);

/// How often the spool says again that something waits when nothing else is new: whoever does not hear of
/// it takes its machine for gone.
const STILL_WAITING: Duration = Duration::from_secs(10);

/// Tells what this process and its spool have done.
pub(crate) struct Reporter {
    boot: Uuid,
    totals: Arc<Totals>,
    spool: Option<Arc<Spool>>,
    producer: Arc<Producer>,
    /// What Kafka has taken of it.
    told: Told,
}

#[derive(Debug, Default)]
struct Told {
    process: Tally,
    spool: Option<(SpoolReport, Vec<BootReport>)>,
    /// When it took the spool's.
    spool_at: Option<Instant>,
}

impl Told {
    /// Whether the spool need not say this again now.
    fn knows(&self, news: &(SpoolReport, Vec<BootReport>)) -> bool {
        let is_recent = (self.spool_at).is_some_and(|at| at.elapsed() < STILL_WAITING);
        self.spool.as_ref() == Some(news) && (is_recent || news.0.waiting_events == 0)
    }
}

impl Reporter {
    /// Has told nothing yet.
    pub fn new(
        boot: Uuid,
        totals: Arc<Totals>,
        spool: Option<Arc<Spool>>,
        producer: Arc<Producer>,
    ) -> Self {
        Self {
            boot,
            totals,
            spool,
            producer,
            told: Told::default(),
        }
    }

    /// Reports until `closing`, and then once more.
    pub async fn run(mut self, closing: CancellationToken) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while closing.run_until_cancelled(tick.tick()).await.is_some() {
            self.tell().await;
        }
        self.tell().await;
    }

    /// Tells what is new. What does not arrive is told again the next time: reports are totals.
    pub async fn tell(&mut self) {
        let tally = self.totals.now();
        if tally != self.told.process
            && self
                .send(self.boot, None, vec![tally.report(self.boot)])
                .await
        {
            self.told.process = tally;
        }
        let Some(spool) = &self.spool else {
            return;
        };
        let news = spool.report().await;
        // An older folder's spool may have told of events that are not in it any more.
        let nothing_yet = self.told.spool.is_none() && news.1.is_empty() && spool.is_new();
        if nothing_yet {
            return;
        }
        if self.told.knows(&news) {
            // The spool may have had more to write down.
            spool.reported(self.boot, &news.1);
        } else if self.send(news.0.id, Some(news.0), news.1.clone()).await {
            spool.reported(self.boot, &news.1);
            self.told.spool = Some(news);
            self.told.spool_at = Some(Instant::now());
        }
    }

    /// Sends one report; returns whether Kafka took it.
    async fn send(
        &self,
        reporter: Uuid,
        spool: Option<SpoolReport>,
        boots: Vec<BootReport>,
    ) -> bool {
        let report = CollectorReport {
            reporter,
            reported_at: Utc::now().trunc_subsecs(6),
            spool,
            boots,
        };
        let Some(message) = message(&report) else {
            return false;
        };
        let outcomes = self.producer.carry(&[&Arc::new(message)]).await;
        outcomes.iter().all(Result::is_ok)
    }
}

/// The report's message; there is always one, since its JSON is text.
fn message(report: &CollectorReport) -> Option<Message> {
    let json = String::from_utf8(report.encode()).ok()?;
    let key = report.reporter.to_string();
    Some(Message::new(Uuid::now_v7(), COLLECTOR_REPORT, &key, json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_told_again_and_again_and_what_does_not_is_told_once() {
        let news = |waiting_events| {
            let spool = SpoolReport {
                id: Uuid::from_u128(9),
                waiting_events,
                waiting_bytes: 0,
            };
            (spool, vec![])
        };
        for (waiting, known_later) in [(3, false), (0, true)] {
            let told = Told {
                spool: Some(news(waiting)),
                spool_at: Some(Instant::now()),
                ..Told::default()
            };
            assert!(told.knows(&news(waiting)));
            assert!(!told.knows(&news(waiting + 1)));
            tokio::time::advance(STILL_WAITING).await;
            assert_eq!(told.knows(&news(waiting)), known_later, "{waiting} wait");
        }
        assert!(!Told::default().knows(&news(0)));
    }

    #[test]
    fn a_report_travels_as_a_message_that_says_so() {
        let report = CollectorReport {
            reporter: Uuid::from_u128(7),
            reported_at: Utc::now().trunc_subsecs(6),
            spool: None,
            boots: vec![Tally::default().report(Uuid::from_u128(7))],
        };
        let message = message(&report).unwrap();
        assert_eq!(message.key(), Uuid::from_u128(7).to_string());
        assert_eq!(message.event_type(), "collector_report");
        let read = CollectorReport::decode(message.json().as_bytes());
        assert_eq!(read, Some(Ok(report)));
    }
}
