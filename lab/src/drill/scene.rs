//! What a case plays in: a world of its own with two apps, two consumers and clients that never stop, and
//! the words for what happens to them.

mod ending;
mod repair;
mod waiting;

use super::books;
use super::door::Doors;
use super::ledger::{Entry, Ledger};
use super::load::{Experience, Load, Pace};
use super::reconcile::{Allowed, Check};
use super::slot::Slot;
use super::watch::Watch;
use crate::stack::program::{free_port, said};
use crate::stack::{Servers, Topic, World, until};
use crate::visit;
use anyhow::ensure;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use store::Store;
use tokio::task::JoinHandle;

pub use ending::Outcome;
pub use repair::Repair;

/// Everything that is waited for happens within this, or the case fails.
pub const SOON: Duration = Duration::from_secs(90);
/// How long a process that is asked to stop may take.
pub const STOP: Duration = Duration::from_secs(10);
/// What the events of a backlog say they come from.
const BACKLOG: &str = "a backlog";
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

impl Places {
    /// Where a round of the cases leaves its logs: each its own, since checks read them to the end.
    #[must_use]
    pub fn of_round(&self, round: u64) -> Self {
        let logs = match round {
            0 => self.logs.clone(),
            later => self.logs.join(format!("round-{}", later + 1)),
        };
        Self {
            scratch: self.scratch.clone(),
            logs,
        }
    }
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

    /// Events acknowledged so far by the clients that send now.
    pub fn acknowledged(&self) -> u64 {
        self.load.as_ref().map_or(0, Load::acknowledged)
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

    /// The clients stop, each with its last deed acknowledged where that can be.
    pub async fn stop_sending(&mut self) -> anyhow::Result<()> {
        if let Some(load) = self.load.take() {
            self.experience.add(load.stop().await?);
        }
        Ok(())
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
}
