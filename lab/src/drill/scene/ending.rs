//! A case's end: all goes quiet, what the clients heard is compared with what is stored, and what belongs to
//! the case is taken down.

use super::{BACKLOG, Scene};
use crate::drill::books;
use crate::drill::reconcile::{Check, Figures, reconcile};
use crate::stack::program::said;
use anyhow::Context as _;
use std::time::Duration;

/// How a case ended.
#[derive(Debug)]
pub struct Outcome {
    pub figures: Figures,
    /// The longest time from a fault's end until nothing was left to be stored.
    pub recovery: Option<Duration>,
    pub checks: Vec<Check>,
    /// What could not be done here, and why.
    pub skipped: Option<String>,
}

impl Scene<'_> {
    /// The clients stop, and everything that is on its way arrives.
    pub async fn quiet(&mut self) -> anyhow::Result<()> {
        self.stop_sending().await?;
        self.settled().await
    }

    /// Ends the case: all goes quiet, and what the clients heard is compared with what is stored.
    pub async fn close(mut self) -> anyhow::Result<Outcome> {
        self.quiet().await.context("going quiet")?;
        let ledger = self.ledger.read()?;
        let books = books::read(&self.world.db, &self.store, &self.world.topic).await?;
        let (figures, found) = reconcile(&ledger, &self.experience, &books, &self.allowed);
        let mut checks = std::mem::take(&mut self.checks);
        checks.extend(found);
        checks.push(self.backlog_is_stored().await?);
        let back = self.watch.went_back();
        checks.push(Check::new(
            back.is_empty(),
            format!("no stored offset ever went back; {back:?} did"),
        ));
        if let Some(most) = self.pause_allowed {
            checks.push(Check::new(
                figures.pause <= most,
                format!(
                    "the longest pause without an acknowledgement, {:.1} s, is at most {:.1} s",
                    figures.pause.as_secs_f64(),
                    most.as_secs_f64()
                ),
            ));
        }
        for slot in self.apps.iter_mut().chain(&mut self.consumers) {
            let alive = !slot.is_taken() || slot.runs()?;
            checks.push(Check::new(
                alive,
                format!("{} has not ended by itself", slot.name),
            ));
            let said = said(&self.world.log(&slot.name)).unwrap_or_default();
            checks.push(Check::new(
                !said.contains("panicked at"),
                format!("{} did not panic", slot.name),
            ));
        }
        let outcome = Outcome {
            figures,
            recovery: self.recovery,
            checks,
            skipped: self.skipped.take(),
        };
        self.leave().await;
        Ok(outcome)
    }

    /// Nobody has acknowledged a backlog, but Kafka has it, and each of it once.
    async fn backlog_is_stored(&self) -> anyhow::Result<Check> {
        let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE user_agent = $1")
            .bind(BACKLOG)
            .fetch_one(&self.world.db)
            .await?;
        let sent = self.backlog;
        Ok(Check::new(
            usize::try_from(stored)? == sent,
            format!("{stored} of {sent} events that were written past the collectors are rows"),
        ))
    }

    /// Takes down what belongs to this case.
    async fn leave(self) {
        let Self {
            apps,
            consumers,
            watch,
            store,
            world,
            ..
        } = self;
        drop((apps, consumers, watch));
        store.close().await;
        world.clear().await;
    }
}
