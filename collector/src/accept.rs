//! The one path for every event, whoever sends it: check, produce, wait until Kafka has it.
//!
//! What is answered with [`Accepted`] is on min-ISR replicas. What is answered with an error is not
//! promised to anyone, and the error says whether it may be there all the same.

use crate::client::Message;
use crate::draft::Draft;
use crate::enrich::{Stamp, enrich};
use crate::producer::{ProduceError, Producer};
use crate::request::QueueLimits;
use crate::spool::{SpoolSettings, SpoolState};
use crate::stored::{Desk, Waited};
use crate::telemetry;
use chrono::Utc;
use domain::event::Event;
use domain::receipt::{Place, Receipt};
use domain::{LastSeen, Reject, Source};
use service::health::Health;
use service::outage::Outage;
use service::settings::KafkaSettings;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Store;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What to tell a sender whose event could not be kept now.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What a collector needs to know to start.
#[derive(Debug, Clone)]
pub struct CollectorSettings {
    /// Where Kafka is, and the topic's name.
    pub kafka: KafkaSettings,
    /// How long a request may take to be acknowledged before its sender hears [`AcceptError::Unavailable`].
    pub ack_timeout: Duration,
    /// How much may wait for Kafka before a sender hears [`AcceptError::Overloaded`].
    pub queue: QueueLimits,
    /// Where events are kept that Kafka cannot take now; without, they are refused.
    pub spool: Option<SpoolSettings>,
    /// Who says that Postgres is away: shared with whatever else in this process asks Postgres, so that
    /// it is said once.
    pub postgres: Arc<Outage>,
}

impl CollectorSettings {
    /// The settings with every default: 2 s to be acknowledged, the default queue, no spool, and nobody
    /// else who asks Postgres.
    pub fn new(kafka: KafkaSettings) -> Self {
        Self {
            kafka,
            ack_timeout: Duration::from_secs(2),
            queue: QueueLimits::default(),
            spool: None,
            postgres: Arc::new(Outage::new("Postgres")),
        }
    }
}

/// An event that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The collector's word, for the sender.
    pub receipt: Receipt,
    /// The message as it lies in Kafka.
    pub json: String,
}

/// Why nothing was accepted; named for what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// An event breaks a rule: tell the sender, don't try again. Nothing of the request was produced.
    #[error("not a valid event: {0}")]
    Invalid(#[from] Reject),
    /// Kafka did not acknowledge all of the request in time: try again later.
    ///
    /// The outcome is unknown: any event of the request may have reached Kafka, or may still reach it
    /// within the next second or so. Trying again with the same [`Draft::event_id`] makes a duplicate
    /// that the consumer removes only when [`Draft::client_id`] is true; an event without an id of its
    /// own gets a new one each time, and may then become two rows.
    #[error("the event could not be kept now")]
    Unavailable {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// More is waiting for Kafka than this process holds: slow down. Nothing of the request was produced.
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
}

impl From<ProduceError> for AcceptError {
    fn from(error: ProduceError) -> Self {
        match error {
            ProduceError::Full => Self::Overloaded,
            ProduceError::Unacknowledged => Self::Unavailable {
                retry_after: RETRY_AFTER,
            },
        }
    }
}

/// The way into Kafka; cheap to clone.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

struct Inner {
    producer: Producer,
    /// None without a database.
    desk: Option<Desk>,
    boot: Uuid,
}

impl Collector {
    /// Starts the producer, the poller for receipts when there is a `store`, and what watches over
    /// them; all of it ends with `shutdown`. Needs a tokio runtime, but neither Kafka nor Postgres: it
    /// finds them when they come, and reports on Kafka as the health part `kafka`.
    ///
    /// An error means that Kafka's settings are wrong.
    pub fn start(
        settings: CollectorSettings,
        store: Option<Store>,
        health: Health,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        service::telemetry::describe(&telemetry::METRICS);
        let boot = Uuid::now_v7();
        let producer = Producer::start(
            &settings.kafka,
            settings.ack_timeout,
            settings.queue,
            health.part("kafka"),
            shutdown.clone(),
        )?;
        let topic: Arc<str> = settings.kafka.kafka_topic.into();
        let desk = store.map(|store| {
            let ask = move || {
                let (store, topic) = (store.clone(), Arc::clone(&topic));
                async move { store.next_offsets(&topic).await }
            };
            Desk::open(ask, settings.postgres, shutdown)
        });
        tracing::info!(%boot, "the collector has started");
        Ok(Self(Arc::new(Inner {
            producer,
            desk,
            boot,
        })))
    }

    /// Accepts all drafts of one request, or none of them as far as the caller is told; the answers are
    /// in the drafts' order.
    ///
    /// The future may be dropped at any time: what was produced by then still reaches Kafka, and
    /// nobody is told.
    pub async fn accept(&self, drafts: Vec<Draft>) -> Result<Vec<Accepted>, AcceptError> {
        let started = Instant::now();
        let accepted = self.keep(drafts).await;
        match &accepted {
            Ok(_) => {
                metrics::histogram!(telemetry::ACKNOWLEDGE).record(started.elapsed().as_secs_f64());
            }
            Err(error) => {
                metrics::counter!(telemetry::REFUSED, "reason" => error.code()).increment(1);
            }
        }
        accepted
    }

    async fn keep(&self, drafts: Vec<Draft>) -> Result<Vec<Accepted>, AcceptError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let received_at = Utc::now();
        let mut events = Vec::with_capacity(drafts.len());
        let mut messages = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let stamp = Stamp {
                received_at,
                boot: self.0.boot,
                fresh_id: Uuid::now_v7(),
            };
            let enriched = enrich(draft, stamp)?;
            messages.push(Message {
                key: enriched.event.key(),
                json: enriched.json,
                event_type: enriched.event.event_type.clone(),
                event_id: enriched.event.event_id,
            });
            events.push(enriched.event);
        }
        // What Kafka cannot take goes back to the caller here, whole and with its ids.
        let places = self.0.producer.produce(&messages).await?;
        count_accepted(&events);
        let kept = events.into_iter().zip(messages).zip(places);
        Ok(kept
            .map(|((event, message), place)| Accepted {
                receipt: Receipt {
                    event_id: event.event_id,
                    received_at: event.received_at,
                    place: Place::Kafka {
                        partition: place.partition,
                        offset: place.offset,
                    },
                },
                json: message.json,
            })
            .collect())
    }

    /// Accepts one draft; see [`Self::accept`].
    pub async fn accept_one(&self, draft: Draft) -> Result<Accepted, AcceptError> {
        let mut accepted = self.accept(vec![draft]).await?;
        // One draft in, one answer out; were it otherwise, nobody should hear of success.
        accepted.pop().ok_or(AcceptError::Unavailable {
            retry_after: RETRY_AFTER,
        })
    }

    /// Waits at most `timeout` until the consumer has dealt with the event.
    ///
    /// Without a database, or after the shutdown has begun, the answer is [`Waited::NotYet`] at once.
    pub async fn wait_stored(&self, receipt: &Receipt, timeout: Duration) -> Waited {
        match (&self.0.desk, receipt.place) {
            (Some(desk), Place::Kafka { partition, offset }) => {
                desk.wait(partition, LastSeen(offset), timeout).await
            }
            (None, _) | (_, Place::Spool) => Waited::NotYet,
        }
    }

    /// Where an event has come to lie that was spooled, as far as that is remembered; none for others.
    #[expect(clippy::unused_self, reason = "the spool is not built yet")]
    pub fn place_of(&self, _event_id: Uuid) -> Option<Place> {
        None
    }

    /// What waits in the spool; none without one.
    #[expect(clippy::unused_self, reason = "the spool is not built yet")]
    pub fn spool_state(&self) -> Option<SpoolState> {
        None
    }

    /// This run's id, as every event that it accepts carries it.
    pub fn boot(&self) -> Uuid {
        self.0.boot
    }

    /// Waits until Kafka has answered for everything that was produced, at most a second longer than an
    /// acknowledgement may take. Call it when no more requests come.
    pub async fn shutdown(&self) {
        self.0.producer.flush().await;
    }
}

/// Counts acknowledged events by source, with one increment for each source of the request.
fn count_accepted(events: &[Event]) {
    for source in Source::ALL {
        let count = events.iter().filter(|e| e.source == *source).count();
        if count > 0 {
            metrics::counter!(telemetry::ACCEPTED, "source" => source.as_str())
                .increment(count as u64);
        }
    }
}
