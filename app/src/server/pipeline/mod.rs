//! The pipeline as this process sees it, once a second while somebody looks, and not at all otherwise.
//!
//! However many look, there is one watch over Kafka, one question to Postgres and one rendering a second;
//! all viewers are given the same. None of the sources can hold up the others: each has its own loop, and
//! one that is silent leaves a gap in the figures that says so.

mod assemble;
mod beyond;
mod books;
mod pace;
pub mod text;

use crate::figures::Figures;
use assemble::{Parts, assemble};
use books::{Told, ask_postgres};
use collector::cluster::{BrokerChanges, BrokerState, Cluster, ClusterWatch};
use collector::{Collector, SpoolState};
use pace::Paces;
use service::settings::KafkaSettings;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use store::Store;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often there are new figures. The death of a broker does not wait for it.
const EVERY: Duration = Duration::from_secs(1);
/// How long the first figures may wait for sources that have not spoken yet, and how often they are asked.
const FIRST_WITHIN: Duration = Duration::from_millis(1500);
const FIRST_EVERY: Duration = Duration::from_millis(50);
/// So long the watch goes on for a viewer who comes again: a page without scripts, a command in a loop.
const LINGER: Duration = Duration::from_secs(15);
/// The most viewers who are sent news; each holds a connection.
const SEATS: usize = 64;

/// The watch over the pipeline; cheap to clone.
#[derive(Clone)]
pub struct Pipeline(Arc<Inner>);

struct Inner {
    sources: Sources,
    crowd: Mutex<Crowd>,
    seats: Arc<Semaphore>,
    shown: watch::Sender<Option<Arc<Shown>>>,
    stop: CancellationToken,
}

/// Whom the watch asks.
pub struct Sources {
    /// Where Kafka is.
    pub kafka: KafkaSettings,
    /// Where rows and offsets are.
    pub store: Store,
    /// Whose spool is shown.
    pub collector: Collector,
}

/// Who looks, and whether anybody works for them.
#[derive(Debug, Default)]
struct Crowd {
    lookers: usize,
    watched: bool,
}

/// What everybody who looks is shown.
pub struct Shown {
    /// The figures.
    pub figures: Figures,
    markup: OnceLock<String>,
}

impl Shown {
    /// The figures as markup, made once for all.
    pub fn markup(&self, make: impl FnOnce(&Figures) -> String) -> &str {
        self.markup.get_or_init(|| make(&self.figures))
    }
}

/// Somebody who looks. While there is one, there are new figures.
pub struct Look {
    pipeline: Pipeline,
    shown: watch::Receiver<Option<Arc<Shown>>>,
}

/// A [`Look`] that is sent news, of which there are only so many.
pub struct Seat {
    look: Look,
    _permit: OwnedSemaphorePermit,
}

impl Pipeline {
    /// Nobody looks yet, so nothing is asked.
    pub fn new(sources: Sources, stop: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            sources,
            crowd: Mutex::default(),
            seats: Arc::new(Semaphore::new(SEATS)),
            shown: watch::Sender::new(None),
            stop,
        }))
    }

    /// Looks. Must be called within a tokio runtime.
    pub fn look(&self) -> Look {
        let mut crowd = self.crowd();
        crowd.lookers += 1;
        if !crowd.watched {
            crowd.watched = true;
            // What was shown last may be hours old.
            self.0.shown.send_replace(None);
            tokio::spawn(self.clone().watch());
        }
        drop(crowd);
        Look {
            shown: self.0.shown.subscribe(),
            pipeline: self.clone(),
        }
    }

    /// Looks, and is told of news; none when too many are told already.
    pub fn seat(&self) -> Option<Seat> {
        let permit = Arc::clone(&self.0.seats).try_acquire_owned().ok()?;
        Some(Seat {
            look: self.look(),
            _permit: permit,
        })
    }

    fn crowd(&self) -> std::sync::MutexGuard<'_, Crowd> {
        self.0.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the watch may end. Once it may, the next one who looks starts another.
    fn deserted(&self) -> bool {
        let mut crowd = self.crowd();
        if crowd.lookers == 0 {
            crowd.watched = false;
        }
        crowd.lookers == 0
    }

    /// Watches until nobody has looked for a while, or the process ends.
    async fn watch(self) {
        let Inner { sources, stop, .. } = &*self.0;
        let cluster = match ClusterWatch::start(&sources.kafka) {
            Ok(cluster) => Some(cluster),
            Err(error) => {
                // The producer has the same settings, so this process would not have started.
                tracing::error!(%error, "cannot watch Kafka");
                None
            }
        };
        let postgres = watch::Sender::new(Told::default());
        let told = postgres.subscribe();
        let topic = sources.kafka.kafka_topic.clone();
        let asking = ask_postgres(sources.store.clone(), topic, postgres);
        let showing = self.show(cluster.as_ref(), told);
        tokio::select! {
            () = asking => {}
            () = showing => {}
            () = stop.cancelled() => {}
        }
    }

    /// Puts the figures together, again and again.
    async fn show(&self, cluster: Option<&ClusterWatch>, told: watch::Receiver<Told>) {
        let sources = &self.0.sources;
        let started = Instant::now();
        let mut paces = Paces::default();
        let mut changes = BrokerChanges::default();
        let mut looked_at = Instant::now();
        loop {
            let kafka = cluster.map(ClusterWatch::now).unwrap_or_default();
            let postgres = told.borrow().clone();
            if let Some(cluster) = cluster {
                cluster.read_from(postgres.next_offsets());
            }
            paces.note(&kafka, &postgres);
            let early = started.elapsed() < FIRST_WITHIN && !all_spoke(&kafka, &postgres);
            if !early {
                let spool = sources.collector.spool_state();
                let figures = self.figures(&kafka, &postgres, &paces, spool.as_ref());
                self.0.shown.send_replace(Some(Arc::new(Shown {
                    figures,
                    markup: OnceLock::new(),
                })));
            }
            if self.crowd().lookers > 0 {
                looked_at = Instant::now();
            } else if looked_at.elapsed() > LINGER && self.deserted() {
                return;
            }
            let pause = tokio::time::sleep(if early { FIRST_EVERY } else { EVERY });
            match cluster {
                Some(cluster) => tokio::select! {
                    () = pause => {}
                    () = cluster.broker_changed(&mut changes) => {}
                },
                None => pause.await,
            }
        }
    }

    fn figures(
        &self,
        kafka: &Cluster,
        postgres: &Told,
        paces: &Paces,
        spool: Option<&SpoolState>,
    ) -> Figures {
        assemble(Parts {
            at: chrono::Utc::now(),
            topic: &self.0.sources.kafka.kafka_topic,
            kafka,
            postgres,
            paces,
            spool,
        })
    }
}

impl Look {
    /// The newest figures; waits for the first ones, which come within two seconds. None only when this
    /// process ends.
    pub async fn shown(&mut self) -> Option<Arc<Shown>> {
        let stop = self.pipeline.0.stop.clone();
        let first = stop.run_until_cancelled(self.shown.wait_for(Option::is_some));
        first.await?.ok()?.clone()
    }

    /// The figures after those that were seen last. None when this process ends.
    pub async fn next(&mut self) -> Option<Arc<Shown>> {
        let stop = self.pipeline.0.stop.clone();
        loop {
            stop.run_until_cancelled(self.shown.changed()).await?.ok()?;
            let shown = self.shown.borrow_and_update().clone();
            if shown.is_some() {
                return shown;
            }
        }
    }
}

impl Seat {
    /// As [`Look::next`].
    pub async fn next(&mut self) -> Option<Arc<Shown>> {
        self.look.next().await
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.pipeline.crowd().lookers -= 1;
    }
}

/// Whether every source has said something, be it that it cannot.
fn all_spoke(kafka: &Cluster, postgres: &Told) -> bool {
    let probed = |broker: &collector::cluster::Broker| {
        broker.address.is_none() || broker.state != BrokerState::Unknown
    };
    let placed = kafka.problem.is_some()
        || (!kafka.partitions.is_empty() && kafka.partitions.iter().all(|one| one.end.is_some()));
    postgres.spoke() && placed && kafka.brokers.iter().all(probed)
}
