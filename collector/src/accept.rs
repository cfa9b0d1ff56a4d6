//! The one path for every event, whoever sends it: check, produce, wait until Kafka has it or, where it
//! has not, until this machine's own disk has.
//!
//! What is answered with [`Accepted`] is on min-ISR replicas, or synced in the spool. What is answered
//! with an error is not promised to anyone, and the error says whether it may be there all the same.

use crate::clock::{self, Clock};
use crate::counters::{Clicks, Counter, Counters, Problem};
use crate::detour::{Detour, Way};
use crate::draft::Draft;
use crate::enrich::{Stamp, enrich};
use crate::intake::{Intake, IntakeLimits};
use crate::message::Message;
use crate::producer::{Producer, ProducerSettings, QueueFull};
use crate::reach::Reach;
use crate::record::Record;
use crate::report::Reporter;
use crate::request::{Delivered, QueueLimits, never};
use crate::spool::{Spool, SpoolSettings, SpoolState, drain};
use crate::stored::{Desk, Waited};
use crate::tally::Totals;
use crate::telemetry::METERS;
use domain::receipt::{Place, Receipt};
use domain::{LastSeen, Reject, Source};
use service::health::Health;
use service::outage::Outage;
use service::settings::KafkaSettings;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::Store;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// What to tell a sender whose event could not be kept now.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// How soon to come again when more is waiting than this process holds.
const OVERLOADED_RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a collector needs to know to start.
#[derive(Debug, Clone)]
pub struct CollectorSettings {
    /// Where Kafka is, and the topic's name.
    pub kafka: KafkaSettings,
    /// How long Kafka may take to acknowledge a request before it is spooled or, without a spool, its
    /// sender hears [`AcceptError::Unavailable`].
    pub ack_timeout: Duration,
    /// How much may wait for Kafka before what comes is spooled or, without a spool, a sender hears
    /// [`AcceptError::Overloaded`].
    pub queue: QueueLimits,
    /// How much may be read and kept at a time before what comes over HTTP or gRPC is refused unread.
    pub intake: IntakeLimits,
    /// Where events are kept that Kafka cannot take now; without, they are refused.
    pub spool: Option<SpoolSettings>,
    /// Whether only the network of a visitor's address is kept.
    pub truncate_ip: bool,
    /// Who says that Postgres is away: shared with whatever else in this process asks Postgres, so that
    /// it is said once.
    pub postgres: Arc<Outage>,
}

impl CollectorSettings {
    /// The settings with every default: 2 s to be acknowledged, the default queue and intake, no spool, visitors'
    /// whole addresses, and nobody else who asks Postgres.
    pub fn new(kafka: KafkaSettings) -> Self {
        Self {
            kafka,
            ack_timeout: Duration::from_secs(2),
            queue: QueueLimits::default(),
            intake: IntakeLimits::default(),
            spool: None,
            truncate_ip: false,
            postgres: Arc::new(Outage::new("Postgres")),
        }
    }
}

/// An event that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The collector's word, for the sender.
    pub receipt: Receipt,
    /// The message as it lies in Kafka, or will.
    pub json: String,
}

/// Why nothing was accepted; named for what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// An event breaks a rule: tell the sender, don't try again. Nothing of the request was produced.
    #[error("not a valid event: {0}")]
    Invalid(#[from] Reject),
    /// Neither Kafka nor the spool acknowledged all of the request in time: try again later.
    ///
    /// The outcome is unknown: any event of the request may have reached Kafka or the spool, or may still
    /// do so. Trying again with the same [`Draft::event_id`] makes a duplicate that the consumer removes
    /// only when [`Draft::client_id`] is true; an event without an id of its own gets a new one each
    /// time, and may then become two rows.
    #[error("the event could not be kept now")]
    Unavailable {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// More is waiting for Kafka than this process holds, and there is no spool: slow down. Nothing of the
    /// request was produced.
    #[error("too many events are waiting to be kept")]
    Overloaded,
}

impl AcceptError {
    /// A short, stable word for the kind of error: for counting.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Unavailable { .. } => "unavailable",
            Self::Overloaded => "overloaded",
        }
    }

    /// After what time trying again makes sense; none when it makes none.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Invalid(_) => None,
            Self::Unavailable { retry_after } => Some(*retry_after),
            Self::Overloaded => Some(OVERLOADED_RETRY_AFTER),
        }
    }
}

const UNAVAILABLE: AcceptError = AcceptError::Unavailable {
    retry_after: RETRY_AFTER,
};

/// The way into Kafka; cheap to clone.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

struct Inner {
    boot: Uuid,
    clock: Clock,
    producer: Arc<Producer>,
    detour: Arc<Detour>,
    intake: Arc<Intake>,
    spool: Option<Arc<Spool>>,
    /// None without a database.
    desk: Option<Desk>,
    counters: Arc<Counters>,
    ack_timeout: Duration,
    truncate_ip: bool,
    shutdown: CancellationToken,
    background: Background,
}

/// What goes on beside the requests. Dropping it ends all of it.
struct Background {
    /// Ends what brings spooled events to Kafka.
    stop: DropGuard,
    draining: Mutex<Option<JoinHandle<()>>>,
    /// Ends the reports, after a last one.
    closing: DropGuard,
    reporting: Mutex<Option<JoinHandle<()>>>,
}

impl Collector {
    /// Starts the producer, the spool, the poller for receipts when there is a `store`, and what watches
    /// over them; all of it ends with `shutdown`, the reports with [`Self::shutdown`]. Needs a tokio
    /// runtime, but neither Kafka nor Postgres: it finds them when they come, and reports on Kafka as the
    /// health part `kafka`, on the spool as `spool`.
    ///
    /// Blocks while it reads what an earlier run left in the spool. An error means that Kafka's settings
    /// are wrong, or that the spool's folder cannot be used.
    pub fn start(
        settings: CollectorSettings,
        store: Option<Store>,
        health: Health,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        // From now on every number is shown, as 0.
        LazyLock::force(&METERS);
        let boot = Uuid::now_v7();
        let spool = settings.spool.as_ref().map(Spool::open).transpose()?;
        let spool = spool.map(Arc::new);
        let counters = Arc::new(Counters::new(store.is_some()));
        if let Some(spool) = &spool {
            spool.tell(Arc::clone(&counters));
        }
        let totals = Arc::new(Totals::default());
        let meanwhile = {
            let spool = spool.clone();
            move || match &spool {
                Some(spool) => spool.in_words(),
                None => "events are refused".to_owned(),
            }
        };
        let producer = Arc::new(Producer::start(
            ProducerSettings {
                kafka: &settings.kafka,
                ack_timeout: settings.ack_timeout,
                limits: settings.queue,
                totals: Arc::clone(&totals),
            },
            Reach::new(health.part("kafka"), meanwhile),
            shutdown.clone(),
        )?);
        let detour = Arc::new(Detour::default());
        let intake = Arc::new(Intake::new(settings.intake));
        tokio::spawn({
            let (intake, shutdown) = (Arc::clone(&intake), shutdown.clone());
            async move { shutdown.run_until_cancelled(intake.watch()).await }
        });
        let stop = shutdown.child_token();
        let draining = spool.clone().map(|spool| {
            let (part, stopped) = (health.part("spool"), stop.clone());
            tokio::spawn({
                let spool = Arc::clone(&spool);
                async move { stopped.run_until_cancelled(spool.watch(part)).await }
            });
            let (producer, detour) = (Arc::clone(&producer), Arc::clone(&detour));
            tokio::spawn(drain::run(spool, producer, detour, stop.clone()))
        });
        let closing = CancellationToken::new();
        let reporter = Reporter::new(boot, totals, spool.clone(), Arc::clone(&producer));
        let reporting = tokio::spawn(reporter.run(closing.clone()));
        let topic: Arc<str> = settings.kafka.kafka_topic.into();
        if let Some(store) = store.clone() {
            let (topic, counters) = (Arc::clone(&topic), Arc::clone(&counters));
            let (outage, shutdown) = (Arc::clone(&settings.postgres), shutdown.clone());
            tokio::spawn(async move {
                let ask = || async {
                    let asked = store.clicks(&topic, &Counter::TYPES).await;
                    asked.map_err(Problem::from)
                };
                let following = counters.follow(ask, &outage);
                shutdown.run_until_cancelled(following).await;
            });
        }
        let desk = store.map(|store| {
            let ask = move || {
                let (store, topic) = (store.clone(), Arc::clone(&topic));
                async move { store.next_offsets(&topic).await }
            };
            Desk::open(ask, settings.postgres, shutdown.clone())
        });
        tracing::info!(%boot, "the collector has started");
        Ok(Self(Arc::new(Inner {
            boot,
            clock: Clock::default(),
            producer,
            detour,
            intake,
            spool,
            desk,
            counters,
            ack_timeout: settings.ack_timeout,
            truncate_ip: settings.truncate_ip,
            shutdown,
            background: Background {
                stop: stop.drop_guard(),
                draining: Mutex::new(draining),
                closing: closing.drop_guard(),
                reporting: Mutex::new(Some(reporting)),
            },
        })))
    }

    /// Accepts all drafts of one request, or none of them as far as the caller is told; the answers are
    /// in the drafts' order.
    ///
    /// The future may be dropped at any time: what was produced by then still reaches Kafka, and
    /// nobody is told.
    pub async fn accept(&self, drafts: Vec<Draft>) -> Result<Vec<Accepted>, AcceptError> {
        let (started, count) = (Instant::now(), drafts.len() as u64);
        let clicks = self.0.counters.worth(&drafts);
        let accepted = self.keep(drafts).await;
        match &accepted {
            Ok(events) if count > 0 => {
                self.0.counters.acknowledged(&clicks, events);
                METERS.acknowledge.record(started.elapsed().as_secs_f64());
            }
            // One of them breaks a rule, and nothing is known of the others: see [`count_invalid`].
            Ok(_) | Err(AcceptError::Invalid(_)) => {}
            Err(error) => METERS.refused.add(error.code(), count),
        }
        accepted
    }

    async fn keep(&self, drafts: Vec<Draft>) -> Result<Vec<Accepted>, AcceptError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let records = self.records(drafts)?;
        let places = self.produce(&records).await?;
        let left: Vec<&Record> = records
            .iter()
            .zip(&places)
            .filter_map(|(record, place)| place.is_none().then_some(record))
            .collect();
        if !left.is_empty() {
            let spool = self.0.spool.as_ref().ok_or(UNAVAILABLE)?;
            spool.append(&left).await.map_err(|_| UNAVAILABLE)?;
        }
        count_accepted(&records);
        let kept = records.into_iter().zip(places);
        Ok(kept
            .map(|(record, place)| Accepted {
                receipt: Receipt {
                    event_id: record.message.event_id,
                    received_at: record.received_at,
                    place: place.map_or(Place::Spool, in_kafka),
                },
                // A message that has timed out may still wait for its turn.
                json: Arc::unwrap_or_clone(record.message).into_json(),
            })
            .collect())
    }

    /// The drafts as they will be kept.
    fn records(&self, drafts: Vec<Draft>) -> Result<Vec<Record>, Reject> {
        let boot = self.0.boot;
        let times = clock::times(&self.0.clock, &drafts);
        let record = |(draft, received_at)| {
            let stamp = Stamp {
                received_at,
                boot,
                fresh_id: Uuid::now_v7(),
                truncate_ip: self.0.truncate_ip,
            };
            let enriched = enrich(draft, stamp)?;
            Ok(Record {
                message: Arc::new(Message::new(
                    enriched.event.event_id,
                    enriched.event.event_type.as_str(),
                    &enriched.event.key(),
                    enriched.json,
                )),
                boot,
                source: enriched.event.source,
                received_at: enriched.event.received_at,
            })
        };
        drafts.into_iter().zip(times).map(record).collect()
    }

    /// Where Kafka has each of the records, as far as it has said so in time; nowhere while it is known
    /// to be away and there is a spool.
    async fn produce(&self, records: &[Record]) -> Result<Vec<Option<Delivered>>, AcceptError> {
        let detour = &self.0.detour;
        let way = match &self.0.spool {
            Some(spool) if detour.is_on() => detour.way(spool.is_draining()),
            Some(_) | None => Way::Kafka,
        };
        let nowhere = || vec![None; records.len()];
        if way == Way::Spool {
            return Ok(nowhere());
        }
        match self.0.producer.produce(records).await {
            Ok(outcomes) => {
                if outcomes.iter().any(|outcome| outcome.is_err_and(never)) {
                    return Err(UNAVAILABLE);
                }
                if outcomes.iter().any(Result::is_err) {
                    detour.begin();
                } else if way == Way::Try {
                    detour.over();
                }
                Ok(outcomes.into_iter().map(Result::ok).collect())
            }
            Err(QueueFull) if self.0.spool.is_some() => Ok(nowhere()),
            Err(QueueFull) => Err(AcceptError::Overloaded),
        }
    }

    /// Accepts one draft; see [`Self::accept`].
    pub async fn accept_one(&self, draft: Draft) -> Result<Accepted, AcceptError> {
        let accepted = self.accept(vec![draft]).await;
        if matches!(accepted, Err(AcceptError::Invalid(_))) {
            count_invalid(1);
        }
        let mut accepted = accepted?;
        // One draft in, one answer out; were it otherwise, nobody should hear of success.
        accepted.pop().ok_or(UNAVAILABLE)
    }

    /// Waits at most `timeout` until the consumer has dealt with the event; one that is in the spool has
    /// to come to Kafka first.
    ///
    /// Without a database, or after the shutdown has begun, the answer is [`Waited::NotYet`] at once.
    pub async fn wait_stored(&self, receipt: &Receipt, timeout: Duration) -> Waited {
        let Some(desk) = &self.0.desk else {
            return Waited::NotYet;
        };
        let until = Instant::now() + timeout;
        let (partition, offset) = match (receipt.place, &self.0.spool) {
            (Place::Kafka { partition, offset }, _) => (partition, offset),
            (Place::Spool, None) => return Waited::NotYet,
            (Place::Spool, Some(spool)) => {
                let placed = spool.placed(receipt.event_id);
                let in_time = tokio::time::timeout(timeout, placed);
                match self.0.shutdown.run_until_cancelled(in_time).await {
                    Some(Ok(at)) => (at.partition, at.offset),
                    Some(Err(_)) | None => return Waited::NotYet,
                }
            }
        };
        let left = until.saturating_duration_since(Instant::now());
        desk.wait(partition, LastSeen(offset), left).await
    }

    /// Where an event has come to lie that was spooled: in Kafka, as soon as it is there and as long as
    /// that is remembered (the newest 50,000). None for others.
    pub fn place_of(&self, event_id: Uuid) -> Option<Place> {
        let at = self.0.spool.as_ref()?.place_of(event_id)?;
        Some(in_kafka(at))
    }

    /// The live counters: the clicks of all processes, with all that this one has acknowledged. None without
    /// a database, and before it was asked the first time.
    pub fn clicks(&self) -> Option<Clicks> {
        self.0.counters.totals()
    }

    #[cfg(test)]
    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// What waits in the spool; none without one.
    pub fn spool_state(&self) -> Option<SpoolState> {
        self.0.spool.as_ref().map(|spool| spool.state())
    }

    /// This run's id, as every event that it accepts carries it.
    pub fn boot(&self) -> Uuid {
        self.0.boot
    }

    /// Where whoever reads a body asks for room first.
    pub(crate) fn intake(&self) -> &Intake {
        &self.0.intake
    }

    /// Whether only the network of an address is kept.
    pub(crate) fn truncates_ip(&self) -> bool {
        self.0.truncate_ip
    }

    /// Waits until Kafka has answered for everything that was produced, tells a last time how much that
    /// was, and closes the spool: at most a few seconds longer than an acknowledgement may take. Call it
    /// when no more requests come.
    pub async fn shutdown(&self) {
        let background = &self.0.background;
        self.0.producer.flush().await;
        background.stop.token().cancel();
        self.end(&background.draining).await;
        background.closing.token().cancel();
        self.end(&background.reporting).await;
        if let Some(spool) = &self.0.spool {
            spool.close().await;
        }
    }

    /// Waits for a task that was told to end, not longer than Kafka may take to answer it.
    async fn end(&self, task: &Mutex<Option<JoinHandle<()>>>) {
        let task = task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // librdkafka looks for messages whose time is up once a second.
            let limit = self.0.ack_timeout + Duration::from_secs(1);
            // What does not end in time is cut off with the process; it is written down, or told anew.
            let _ = tokio::time::timeout(limit, task).await;
        }
    }
}

const fn in_kafka(at: Delivered) -> Place {
    Place::Kafka {
        partition: at.partition,
        offset: at.offset,
    }
}

/// Counts acknowledged events by source, with one increment for each source of the request.
fn count_accepted(records: &[Record]) {
    for source in Source::ALL {
        let count = records.iter().filter(|r| r.source == *source).count();
        if count > 0 {
            METERS.accepted.add(source.as_str(), count as u64);
        }
    }
}

/// Counts events that broke a rule. Who hears that one of several does finds out how many do.
pub(crate) fn count_invalid(events: usize) {
    METERS.refused.add("invalid", events as u64);
}
