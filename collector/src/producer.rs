//! To Kafka and back within a time, and the process says truly whether Kafka can be reached.
//!
//! There are two clients, because how long messages wait for others is set for a client as a whole: one that answers
//! soon, for requests of a few events, and one that carries much. A visitor's events stay in order all the same where
//! they have one: what is sent after the answer to what came before, and what comes in requests of the same kind.

use crate::QueueLimits;
use crate::client::{self, Client, Kept, Tuning};
use crate::message::Message;
use crate::reach::Reach;
use crate::record::Record;
use crate::request::{self, Count, Outcome, Queue};
use crate::tally::Totals;
use service::kafka::explain;
use service::settings::KafkaSettings;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How often Kafka is looked at; a first failure is followed by a shorter pause.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often while it is away, or was a moment ago.
const LOOK_EVERY_AWAY: Duration = Duration::from_secs(1);
/// How long one look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);
/// A request of so many messages goes by the client that carries much.
const MANY: usize = 20;

/// There is no room in the queue; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueFull;

/// What a producer needs to know to start.
pub(crate) struct ProducerSettings<'a> {
    pub kafka: &'a KafkaSettings,
    pub ack_timeout: Duration,
    pub limits: QueueLimits,
    /// Who counts what Kafka takes of requests.
    pub totals: Arc<Totals>,
}

/// Sends requests and watches over the clients.
pub(crate) struct Producer {
    clients: Arc<Clients>,
    queue: Queue,
    ack_timeout: Duration,
    totals: Arc<Totals>,
    reach: Arc<Reach>,
}

/// The ways to Kafka.
struct Clients {
    latency: Kept,
    throughput: Kept,
}

impl Producer {
    /// Makes the clients and starts the tasks that watch them until `shutdown`.
    ///
    /// An error means that the settings are wrong; Kafka need not be there.
    pub fn start(
        settings: ProducerSettings<'_>,
        reach: Reach,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let ProducerSettings {
            kafka,
            ack_timeout,
            limits,
            totals,
        } = settings;
        let kept = |tuning| {
            let config = client::config(kafka, tuning, ack_timeout, limits);
            let shutdown = shutdown.clone();
            Kept::start(config, tuning, &kafka.kafka_topic, ack_timeout, shutdown).map_err(explain)
        };
        let clients = Arc::new(Clients {
            latency: kept(Tuning::Latency)?,
            throughput: kept(Tuning::Throughput)?,
        });
        let reach = Arc::new(reach);
        tokio::spawn(look_after(
            Arc::downgrade(&clients),
            Arc::clone(&reach),
            shutdown,
        ));
        Ok(Self {
            clients,
            queue: Queue::new(limits),
            ack_timeout,
            totals,
            reach,
        })
    }

    /// Sends the messages of one request (at least one) and returns what became of each, in their order.
    ///
    /// Answers within the acknowledgement's time; a message without an answer by then has failed. Dropping
    /// the future stops the waiting, not the sending.
    pub async fn produce(&self, records: &[Record]) -> Result<Vec<Outcome>, QueueFull> {
        let bytes = records.iter().map(|r| r.message.size()).sum();
        let room = self.queue.reserve(records.len(), bytes).ok_or(QueueFull)?;
        let count = Count {
            totals: Arc::clone(&self.totals),
            sources: records.iter().map(|record| record.source).collect(),
        };
        let (tickets, mut answers) = request::open(records.len(), Some(room), Some(count));
        let answered = async {
            if let Some(client) = self.clients.way_of(records.len()).sound().await {
                let messages = records.iter().map(|record| &record.message);
                client.send(messages.zip(tickets));
            }
            answers.complete().await;
        };
        let in_time = timeout(self.ack_timeout, answered).await;
        let outcomes = answers.outcomes();
        match in_time {
            Ok(()) => self.witness(&outcomes),
            Err(_) => self.reach.failed("no acknowledgement in time"),
        }
        Ok(outcomes)
    }

    /// Sends messages that are kept elsewhere already; they need no room in the queue of requests and are
    /// not counted. Returns what became of each, in their order.
    pub async fn deliver(&self, messages: &[&Arc<Message>]) -> Vec<Outcome> {
        let outcomes = self.carry(messages).await;
        self.witness(&outcomes);
        outcomes
    }

    /// Like [`Self::deliver`], for a message of our own: whether it arrives says little about requests.
    pub async fn carry(&self, messages: &[&Arc<Message>]) -> Vec<Outcome> {
        let (tickets, mut answers) = request::open(messages.len(), None, None);
        if let Some(client) = self.clients.way_of(messages.len()).sound().await {
            client.send(messages.iter().copied().zip(tickets));
            drop(client);
            // A message waits its time in its lane, and then its time in librdkafka, which looks at the
            // clock once a second. What has no answer after that has been forgotten.
            let limit = 2 * (self.ack_timeout + Duration::from_secs(1));
            if timeout(limit, answers.complete()).await.is_err() {
                tracing::error!("Kafka's client does not answer for its messages");
            }
        }
        answers.outcomes()
    }

    /// Tells what the outcomes say about the way to Kafka.
    fn witness(&self, outcomes: &[Outcome]) {
        match outcomes.iter().find_map(|outcome| outcome.err()) {
            None => self.reach.acknowledged(),
            Some(code) => self.reach.failed(code),
        }
    }

    /// Waits until every message has its answer, which is at most the acknowledgement's time.
    pub async fn flush(&self) {
        // librdkafka looks for messages whose time is up once a second.
        let limit = self.ack_timeout + Duration::from_secs(1);
        let flushed = self
            .clients
            .with_both(move |client| client.flush(limit))
            .await;
        if flushed.is_some_and(|flushed| flushed.contains(&false)) {
            tracing::warn!("some messages have no answer from Kafka; their senders were told");
        }
    }
}

impl Clients {
    /// By which client a request of so many messages goes.
    const fn way_of(&self, messages: usize) -> &Kept {
        if messages < MANY {
            &self.latency
        } else {
            &self.throughput
        }
    }

    /// Does something that blocks with both at once; none when the runtime is ending.
    async fn with_both<T: Send + 'static>(
        &self,
        act: impl Fn(Arc<Client>) -> T + Clone + Send + 'static,
    ) -> Option<[T; 2]> {
        let begin = |kept: &Kept| {
            let (act, client) = (act.clone(), kept.now());
            tokio::task::spawn_blocking(move || act(client))
        };
        let (latency, throughput) = (begin(&self.latency), begin(&self.throughput));
        Some([latency.await.ok()?, throughput.await.ok()?])
    }
}

/// Reports whether Kafka could take a message now. The first look also makes the topic known, so that
/// the first click does not wait for that.
async fn look_after(clients: Weak<Clients>, reach: Arc<Reach>, shutdown: CancellationToken) {
    while let Some(clients) = clients.upgrade() {
        let looked = clients.with_both(|client| client.look(LOOK_TIMEOUT)).await;
        drop(clients);
        let Some([latency, throughput]) = looked else {
            return;
        };
        let pause = if reach.looked(latency.and(throughput)) {
            LOOK_EVERY
        } else {
            LOOK_EVERY_AWAY
        };
        if shutdown.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
    }
}
