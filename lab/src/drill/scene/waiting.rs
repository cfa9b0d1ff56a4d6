//! Waits until what a case needs is so: events are acknowledged and stored again, and nothing is left
//! anywhere.

use super::{SOON, Scene};
use crate::drill::watch::{self, Leases};
use crate::stack::topic::Ends;
use crate::stack::until;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A lag counts as none when what was in Kafka is stored so much later.
const AT_ONCE: Duration = Duration::from_millis(400);
/// Collectors report each second; after this nothing more comes from them.
const LAST_REPORT: Duration = Duration::from_millis(1_500);

impl Scene<'_> {
    /// Waits until both consumers hold partitions.
    pub async fn both_consume(&self) -> anyhow::Result<()> {
        until("both consumers hold partitions", SOON, || async {
            let idle: Vec<&str> = self
                .consumers
                .iter()
                .filter(|slot| slot.is_taken() && self.watch.of(slot.pid()).is_empty())
                .map(|slot| slot.name.as_str())
                .collect();
            if idle.is_empty() {
                Ok(())
            } else {
                Err(format!("{} has none", idle.join(" and ")))
            }
        })
        .await
    }

    /// Waits until so many more events are acknowledged.
    pub async fn until_acknowledged(&self, more: u64) -> anyhow::Result<()> {
        let wanted = self.acknowledged() + more;
        until(
            &format!("{more} more events are acknowledged"),
            SOON,
            || async {
                match self.acknowledged() {
                    n if n >= wanted => Ok(()),
                    n => Err(format!("{n} of {wanted}")),
                }
            },
        )
        .await
    }

    /// Waits until events are acknowledged and stored as if nothing had ever happened.
    pub async fn flows(&self) -> anyhow::Result<()> {
        self.until_acknowledged(20).await?;
        self.no_lag(SOON).await
    }

    /// Waits until what Kafka has at one moment is stored right after it.
    async fn no_lag(&self, deadline: Duration) -> anyhow::Result<()> {
        until("nothing is left to be stored", deadline, || async {
            let ends = self.topic.ends().await.map_err(|e| format!("{e:#}"))?;
            let seen = Instant::now();
            loop {
                let leases = watch::leases(&self.world.db, &self.world.topic).await;
                let lag = lag(&ends, &leases.map_err(|e| e.to_string())?);
                if lag == 0 {
                    return Ok(());
                }
                if seen.elapsed() > AT_ONCE {
                    return Err(format!("{lag} records"));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }

    /// The fault is over now: waits until nothing is left to be stored, on any disk or in Kafka, and
    /// remembers how long that took.
    pub async fn recovered(&mut self) -> anyhow::Result<Duration> {
        let over = Instant::now();
        self.no_lag(SOON).await?;
        until("the spools are empty", SOON, || async {
            let balance = self.store.balance(&self.world.topic).await;
            match balance.map_err(|e| e.to_string())?.spooled {
                0 => Ok(()),
                events => Err(format!("{events} events wait there")),
            }
        })
        .await?;
        let took = over.elapsed();
        self.recovery = self.recovery.max(Some(took));
        Ok(took)
    }

    /// Waits until nothing moves any more. That the balance is not quiet is for its check to say.
    pub async fn settled(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            self.no_lag(SOON).await?;
            let before = self.topic.ends().await?;
            tokio::time::sleep(LAST_REPORT).await;
            let balance = self.store.balance(&self.world.topic).await?;
            let moving = self.topic.ends().await? != before || balance.in_flight > 0;
            if !moving || began.elapsed() > SOON / 3 {
                return Ok(());
            }
        }
    }
}

/// How many records of these ends are not stored.
fn lag(ends: &BTreeMap<i32, Ends>, leases: &Leases) -> i64 {
    ends.iter()
        .map(|(partition, ends)| {
            let stored = leases.get(partition).map_or(0, |held| held.next);
            (ends.high - stored).max(0)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::watch::Held;

    #[test]
    fn a_lag_is_what_kafka_has_and_postgres_has_not() {
        let ends = [(0, Ends { low: 0, high: 9 }), (1, Ends { low: 0, high: 4 })].into();
        let leases = [(0, Held { next: 7, pid: 1 }), (1, Held { next: 5, pid: 1 })].into();
        assert_eq!(lag(&ends, &leases), 2);
        assert_eq!(lag(&ends, &BTreeMap::new()), 13);
    }
}
