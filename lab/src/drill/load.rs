//! Clients that never stop: each does one deed after the other, repeats what was not acknowledged, and
//! writes down what was.

use super::deed::{Deed, Deeds, Request};
use super::door::{Answer, Doors};
use super::ledger::{Entry, Ledger};
use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long after the end a client goes on trying to have its last deed acknowledged.
const LAST_TRIES: Duration = Duration::from_secs(30);

/// How much is sent.
#[derive(Debug, Clone)]
pub struct Pace {
    /// How many clients there are.
    pub clients: usize,
    /// How long each waits between two deeds, in milliseconds.
    pub pause_ms: Range<u64>,
}

impl Default for Pace {
    /// About two hundred events a second on a machine that also carries everything else.
    fn default() -> Self {
        Self {
            clients: 12,
            pause_ms: 20..150,
        }
    }
}

/// A request without an answer.
#[derive(Debug, Clone)]
pub struct Unknown {
    /// When it was sent.
    pub sent: Instant,
    /// When the client gave it up.
    pub ended: Instant,
    /// Which app got it.
    pub door: usize,
    /// How many events it held.
    pub events: u64,
    /// What the client saw instead.
    pub reason: String,
}

/// What all clients of a case experienced.
#[derive(Debug, Default)]
pub struct Experience {
    /// Every id that was sent, acknowledged or not; minted ones are not known.
    pub tried: HashSet<Uuid>,
    /// Requests that were told to come again, by status and door.
    pub refused: BTreeMap<(u16, usize), u64>,
    /// How many events they held: refused is not acknowledged, but it may be kept all the same.
    pub refused_events: u64,
    /// Requests without an answer.
    pub unknown: Vec<Unknown>,
    /// Tries that met no listener.
    pub unreached: u64,
    /// Answers that must not be.
    pub wrong: Vec<String>,
    /// Deeds that could be repeated, and were not acknowledged in the end.
    pub given_up: u64,
}

impl Experience {
    /// Adds that of others.
    pub fn add(&mut self, other: Self) {
        self.tried.extend(other.tried);
        for (what, times) in other.refused {
            *self.refused.entry(what).or_default() += times;
        }
        self.refused_events += other.refused_events;
        self.unknown.extend(other.unknown);
        self.unreached += other.unreached;
        self.wrong.extend(other.wrong);
        self.given_up += other.given_up;
    }
}

/// The clients at work.
pub struct Load {
    stop: CancellationToken,
    clients: JoinSet<anyhow::Result<Experience>>,
    counters: Arc<Counters>,
}

/// What can be seen while they work.
#[derive(Debug, Default)]
struct Counters {
    acknowledged: AtomicU64,
    /// By door.
    refused: [AtomicU64; 2],
}

impl Load {
    /// Starts them; times in the ledger count from `began`.
    pub fn start(
        seed: u64,
        pace: &Pace,
        doors: &[String; 2],
        ledger: &Ledger,
        began: Instant,
    ) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let counters: Arc<Counters> = Arc::default();
        let mut clients = JoinSet::new();
        for number in 0..pace.clients {
            let client = LoadClient {
                number,
                began,
                deeds: Deeds::new(seed, number, pace.pause_ms.clone()),
                // Apart from the deeds: how often something is repeated is not the seed's to say.
                rng: StdRng::seed_from_u64(seed.wrapping_add(number as u64)),
                doors: Doors::new(doors)?,
                ledger: ledger.clone(),
                stop: stop.clone(),
                counters: Arc::clone(&counters),
                experience: Experience::default(),
            };
            clients.spawn(client.live());
        }
        Ok(Self {
            stop,
            clients,
            counters,
        })
    }

    /// Acknowledged so far, in events.
    pub fn acknowledged(&self) -> u64 {
        self.counters.acknowledged.load(Ordering::Relaxed)
    }

    /// Told to come again so far, by app.
    pub fn refused(&self) -> [u64; 2] {
        let refused = &self.counters.refused;
        [0, 1].map(|door| refused[door].load(Ordering::Relaxed))
    }

    /// Lets every client finish what it is at.
    pub async fn stop(mut self) -> anyhow::Result<Experience> {
        self.stop.cancel();
        let mut all = Experience::default();
        while let Some(one) = self.clients.join_next().await {
            all.add(one.context("a client")??);
        }
        Ok(all)
    }
}

/// One client.
struct LoadClient {
    number: usize,
    began: Instant,
    deeds: Deeds,
    rng: StdRng,
    doors: Doors,
    ledger: Ledger,
    stop: CancellationToken,
    counters: Arc<Counters>,
    experience: Experience,
}

impl LoadClient {
    async fn live(mut self) -> anyhow::Result<Experience> {
        while let Some(Deed {
            pause,
            door,
            request,
        }) = self.deeds.next()
        {
            let pause = tokio::time::sleep(pause);
            if self.stop.run_until_cancelled(pause).await.is_none() {
                break;
            }
            self.experience.tried.extend(request.ids());
            self.carry_out(door, &request).await?;
        }
        Ok(self.experience)
    }

    /// Sends a request until it is acknowledged; one whose id is not ours only once.
    async fn carry_out(&mut self, mut door: usize, request: &Request) -> anyhow::Result<()> {
        let mut stopped: Option<Instant> = None;
        loop {
            let sent = Instant::now();
            match self.doors.send(door, request).await {
                Answer::Kept(ids) => return self.write_down(door, request, ids).await,
                Answer::Refused(status) => {
                    let what = (status.as_u16(), door);
                    *self.experience.refused.entry(what).or_default() += 1;
                    self.experience.refused_events += request.events();
                    self.counters.refused[door].fetch_add(1, Ordering::Relaxed);
                }
                Answer::Unknown(reason) => self.experience.unknown.push(Unknown {
                    sent,
                    ended: Instant::now(),
                    door,
                    events: request.events(),
                    reason,
                }),
                Answer::Unreached => self.experience.unreached += 1,
                Answer::Wrong(what) => {
                    self.experience.wrong.push(what);
                    return Ok(());
                }
            }
            if !request.may_be_repeated() {
                return Ok(());
            }
            if self.stop.is_cancelled() {
                let since = stopped.get_or_insert_with(Instant::now);
                if since.elapsed() > LAST_TRIES {
                    self.experience.given_up += 1;
                    return Ok(());
                }
            }
            let pause = self.rng.random_range(50..200);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            // Most often the other one: this one may be down.
            if self.rng.random_bool(0.7) {
                door = 1 - door;
            }
        }
    }

    async fn write_down(
        &mut self,
        door: usize,
        request: &Request,
        ids: Vec<Uuid>,
    ) -> anyhow::Result<()> {
        let at = self.began.elapsed();
        let source = request.source();
        let entries: Vec<Entry> = ids
            .into_iter()
            .map(|id| Entry {
                at,
                client: self.number,
                door,
                source,
                id,
            })
            .collect();
        self.ledger.write(&entries).await?;
        self.counters
            .acknowledged
            .fetch_add(entries.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}
