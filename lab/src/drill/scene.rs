//! What a case plays in: a world of its own with two apps, two consumers and clients that never stop, and
//! the words for what happens to them.

mod repair;

use super::books;
use super::door::Doors;
use super::ledger::{Entry, Ledger};
use super::load::{Experience, Load, Pace};
use super::reconcile::{Allowed, Check, Figures, reconcile};
use super::slot::Slot;
use super::watch::{self, Watch};
use crate::stack::program::{free_port, said};
use crate::stack::topic::Ends;
use crate::stack::{Servers, Topic, World, until};
use crate::visit;
use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use store::Store;
use tokio::task::JoinHandle;

pub use repair::Repair;

/// Everything that is waited for happens within this, or the case fails.
pub const SOON: Duration = Duration::from_secs(90);
/// How long a process that is asked to stop may take.
pub const STOP: Duration = Duration::from_secs(10);
/// A lag counts as none when what was in Kafka is stored so much later.
const AT_ONCE: Duration = Duration::from_millis(400);
/// What the events of a backlog say they come from.
const BACKLOG: &str = "a backlog";
/// Collectors report each second; after this nothing more comes from them.
const LAST_REPORT: Duration = Duration::from_millis(1_500);

/// How much of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As often and as long as it takes to trust it.
    Full,
    /// Each kind of fault once or a few times.
    Short,
}

/// Where a drill leaves what.
#[derive(Debug, Clone)]
pub struct Places {
    /// Gone at its end: the servers' data, the spools, the ledgers.
    pub scratch: PathBuf,
    /// What the programs said; stays.
    pub logs: PathBuf,
}

/// One case's stage.
pub struct Scene<'a> {
    pub servers: &'a Servers,
    pub world: World,
    pub topic: Topic,
    pub rng: StdRng,
    pub apps: [Slot; 2],
    pub consumers: [Slot; 2],
    pub watch: Watch,
    pub allowed: Allowed,
    /// The longest time without an acknowledgement that this case's fault excuses.
    pub pause_allowed: Option<Duration>,
    /// What could not be done here, and why.
    pub skipped: Option<String>,
    /// What the clients that have stopped experienced.
    pub experience: Experience,
    /// Where the case may leave files; nobody else's.
    pub folder: PathBuf,
    /// Beside the world's pool, as the pages read it.
    pub store: Store,
    pub size: Size,
    seed: u64,
    pace: Pace,
    addresses: [String; 2],
    doors: Doors,
    ledger: Ledger,
    load: Option<Load>,
    began: Instant,
    recovery: Option<Duration>,
    checks: Vec<Check>,
    /// Events that were written past the collectors.
    backlog: usize,
}

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

impl<'a> Scene<'a> {
    /// Sets the stage: everything runs, both consumers have partitions, and clients send.
    pub async fn open(
        servers: &'a Servers,
        name: &str,
        size: Size,
        seed: u64,
        places: &Places,
        pace: Pace,
    ) -> anyhow::Result<Self> {
        let folder = places.scratch.join(format!("{name}-{seed}"));
        std::fs::create_dir_all(&folder)?;
        let world = World::make(servers, name, &places.logs).await?;
        let addresses = [
            format!("127.0.0.1:{}", free_port()?),
            format!("127.0.0.1:{}", free_port()?),
        ];
        let app = |number: usize| {
            let spool = folder.join(format!("spool{number}"));
            let settings = vec![
                ("LEPTOS_SITE_ADDR", addresses[number - 1].clone()),
                ("SPOOL_DIR", spool.display().to_string()),
            ];
            Slot::new("app", format!("app{number}"), settings)
        };
        let consumer = |number| Slot::new("consumer", format!("consumer{number}"), Vec::new());
        let ledger = Ledger::create(&folder.join("ledger"))?;
        let mut scene = Self {
            servers,
            topic: world.topic()?,
            rng: StdRng::seed_from_u64(seed),
            apps: [app(1), app(2)],
            consumers: [consumer(1), consumer(2)],
            watch: Watch::start(world.db.clone(), world.topic.clone()),
            allowed: Allowed::default(),
            pause_allowed: None,
            skipped: None,
            experience: Experience::default(),
            store: books::store(&world.database_url)?,
            doors: Doors::new(&addresses)?,
            folder,
            world,
            size,
            seed,
            pace,
            addresses,
            ledger,
            load: None,
            began: Instant::now(),
            recovery: None,
            checks: Vec::new(),
            backlog: 0,
        };
        for number in 0..2 {
            scene.consumers[number].start(&scene.world)?;
            scene.apps[number].start(&scene.world)?;
        }
        for number in 0..2 {
            scene.app_open(number).await?;
        }
        scene.send()?;
        scene.both_consume().await?;
        scene.flows().await?;
        Ok(scene)
    }

    /// So many times in a full drill, and so many in a short one.
    pub fn times(&self, full: usize, short: usize) -> usize {
        match self.size {
            Size::Full => full,
            Size::Short => short,
        }
    }

    /// So many seconds in a full drill, and in a short one.
    pub fn seconds(&self, full: u64, short: u64) -> Duration {
        Duration::from_secs(match self.size {
            Size::Full => full,
            Size::Short => short,
        })
    }

    /// A time from the seed.
    pub fn some_ms(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.rng.random_range(range))
    }

    /// Lets some time pass while the clients send.
    pub async fn wait_ms(&mut self, range: Range<u64>) {
        let time = self.some_ms(range);
        tokio::time::sleep(time).await;
    }

    /// Notes whether something is as it must be.
    pub fn check(&mut self, good: bool, what: impl Into<String>) {
        let check = Check::new(good, what);
        if !check.good {
            tracing::warn!("not as it must be: {}", check.what);
        }
        self.checks.push(check);
    }

    /// Lets the clients send (again).
    pub fn send(&mut self) -> anyhow::Result<()> {
        if self.load.is_none() {
            // Another time it is other deeds.
            self.seed = self.seed.wrapping_add(0x5eed);
            let load = Load::start(
                self.seed,
                &self.pace,
                &self.addresses,
                &self.ledger,
                self.began,
            )?;
            self.load = Some(load);
        }
        Ok(())
    }

    /// Waits until an app answers.
    pub async fn app_open(&self, number: usize) -> anyhow::Result<()> {
        let what = format!("app {} answers", number + 1);
        until(&what, SOON, || self.doors.is_open(number)).await
    }

    /// Starts an app (again) and waits until it answers.
    pub async fn start_app(&mut self, number: usize) -> anyhow::Result<()> {
        self.apps[number].start(&self.world)?;
        self.app_open(number).await
    }

    /// SIGKILL for an app.
    pub fn kill_app(&mut self, number: usize) -> anyhow::Result<()> {
        self.allowed.app_killed = true;
        self.apps[number].kill_9()
    }

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

    /// Events acknowledged so far by the clients that send now.
    pub fn acknowledged(&self) -> u64 {
        self.load.as_ref().map_or(0, Load::acknowledged)
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

    /// Begins to write so many events into the topic, past the collectors: work for large batches, so that a
    /// fault meets consumers in the midst of one. All are written when the task has ended.
    pub fn backlog(&mut self, events: usize) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
        let messages: Vec<(String, Vec<u8>)> = (0..events)
            .map(|number| {
                let username = format!("late {}", number % 500);
                let message = json!({
                    "event_id": visit::id(&mut self.rng), "type": "page_view", "username": username,
                    "path": "/", "user_agent": BACKLOG, "source": "seed",
                });
                (username, message.to_string().into_bytes())
            })
            .collect();
        self.backlog += events;
        let producer = self.world.producer()?;
        Ok(tokio::spawn(
            async move { producer.send_all(messages).await },
        ))
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

    /// The clients stop, each with its last deed acknowledged where that can be.
    pub async fn stop_sending(&mut self) -> anyhow::Result<()> {
        if let Some(load) = self.load.take() {
            self.experience.add(load.stop().await?);
        }
        Ok(())
    }

    /// The clients stop, and everything that is on its way arrives.
    pub async fn quiet(&mut self) -> anyhow::Result<()> {
        self.stop_sending().await?;
        self.settled().await
    }

    /// Requests of the clients that send now which were told to come again, by app.
    pub fn refused(&self) -> [u64; 2] {
        self.load.as_ref().map_or([0; 2], Load::refused)
    }

    /// The apps' front doors, for requests of the case itself, and where their acknowledgements go.
    pub fn doors(&self) -> (Doors, Ledger) {
        (self.doors.clone(), self.ledger.clone())
    }

    /// The time that the ledger's entries count from.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Every acknowledgement that was heard so far.
    pub fn heard(&self) -> anyhow::Result<Vec<Entry>> {
        self.ledger.read()
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

    /// Which partitions stand still, as a consumer says it since `from` bytes of its log: the repair by
    /// partition.
    pub fn halts(&self, consumer: &str, from: usize) -> anyhow::Result<BTreeMap<i32, Repair>> {
        let said = said(&self.world.log(consumer))?;
        Ok(repair::halts_in(said.get(from..).unwrap_or_default()))
    }

    /// Does what a halt says.
    pub async fn repair(&self, repair: &Repair) -> anyhow::Result<()> {
        ensure!(!repair.is_empty(), "a halt without a repair");
        for verb in repair {
            let args: Vec<&str> = verb.iter().map(String::as_str).collect();
            self.world.operate(&args).await?;
        }
        Ok(())
    }

    /// How long a program's log is now.
    pub fn log_length(&self, name: &str) -> usize {
        said(&self.world.log(name)).map_or(0, |said| said.len())
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

/// How many records of these ends are not stored.
pub fn lag(ends: &BTreeMap<i32, Ends>, leases: &watch::Leases) -> i64 {
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
    use watch::Held;

    #[test]
    fn a_lag_is_what_kafka_has_and_postgres_has_not() {
        let ends = [(0, Ends { low: 0, high: 9 }), (1, Ends { low: 0, high: 4 })].into();
        let leases = [(0, Held { next: 7, pid: 1 }), (1, Held { next: 5, pid: 1 })].into();
        assert_eq!(lag(&ends, &leases), 2);
        assert_eq!(lag(&ends, &BTreeMap::new()), 13);
    }
}
