//! To Kafka and back within a time: there is always a client to send with, or one in the making, and
//! the process says truly whether Kafka can be reached.

use crate::QueueLimits;
use crate::client::{self, Client, Message};
use crate::reach::Reach;
use crate::request::{Delivered, Queue, Request};
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use service::health::Part;
use service::kafka::explain;
use service::settings::KafkaSettings;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How often Kafka is looked at; a first failure is followed by a shorter pause.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often while it is away, or was a moment ago.
const LOOK_EVERY_AWAY: Duration = Duration::from_secs(1);
/// How long one look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);
/// A client that dies at once is not replaced more often than this.
const REBUILD_PAUSE: Duration = Duration::from_secs(1);

/// Why a request has no places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProduceError {
    /// There is no room in the queue; nothing was sent.
    Full,
    /// At least one message was not acknowledged; some of them may lie in Kafka all the same.
    Unacknowledged,
}

/// Sends requests and watches over the client.
pub(crate) struct Producer {
    current: watch::Receiver<Arc<Client>>,
    queue: Queue,
    ack_timeout: Duration,
    reach: Arc<Reach>,
}

impl Producer {
    /// Makes the first client and starts the tasks that watch it until `shutdown`.
    ///
    /// An error means that the settings are wrong; Kafka need not be there.
    pub fn start(
        settings: &KafkaSettings,
        ack_timeout: Duration,
        limits: QueueLimits,
        health: Part,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let config = client::config(settings, ack_timeout, limits);
        let mend = Arc::new(Notify::new());
        let first =
            Client::new(&config, &settings.kafka_topic, Arc::clone(&mend)).map_err(explain)?;
        let (replace, current) = watch::channel(Arc::new(first));
        let reach = Arc::new(Reach::new(health));
        tokio::spawn(look_after(
            current.clone(),
            Arc::clone(&reach),
            shutdown.clone(),
        ));
        tokio::spawn(mend_client(
            config,
            settings.kafka_topic.clone(),
            mend,
            replace,
            shutdown,
        ));
        Ok(Self {
            current,
            queue: Queue::new(limits),
            ack_timeout,
            reach,
        })
    }

    /// Sends all messages (at least one) and returns where each lies, in their order.
    ///
    /// Answers within the acknowledgement's time. Dropping the future stops the waiting, not the
    /// sending.
    pub async fn produce(&self, messages: &[Message]) -> Result<Vec<Delivered>, ProduceError> {
        let bytes = messages.iter().map(|m| m.key.len() + m.json.len()).sum();
        let room = self
            .queue
            .reserve(messages.len(), bytes)
            .ok_or(ProduceError::Full)?;
        let answered = async {
            let client = self.client().await?;
            let (tickets, answered) = Request::open(messages.len(), room);
            for (message, ticket) in messages.iter().zip(tickets) {
                client.send(message, ticket);
            }
            drop(client);
            answered.await.ok()
        };
        let outcomes = match timeout(self.ack_timeout, answered).await {
            Ok(Some(outcomes)) => outcomes,
            Ok(None) => return Err(ProduceError::Unacknowledged),
            Err(_) => {
                self.reach.failed("no acknowledgement in time");
                return Err(ProduceError::Unacknowledged);
            }
        };
        let places: Result<Vec<_>, RDKafkaErrorCode> = outcomes.into_iter().collect();
        match places {
            Ok(places) => {
                self.reach.acknowledged();
                Ok(places)
            }
            Err(code) => {
                self.reach.failed(code);
                Err(ProduceError::Unacknowledged)
            }
        }
    }

    /// The client of the moment; waits while a broken one is being replaced. None at shutdown.
    async fn client(&self) -> Option<Arc<Client>> {
        let client = Arc::clone(&self.current.borrow());
        if client.is_broken().is_none() {
            return Some(client);
        }
        drop(client);
        let mut current = self.current.clone();
        let mended = current
            .wait_for(|client| client.is_broken().is_none())
            .await
            .ok()?;
        Some(Arc::clone(&mended))
    }

    /// Waits until every message has its answer, which is at most the acknowledgement's time.
    pub async fn flush(&self) {
        let client = Arc::clone(&self.current.borrow());
        // librdkafka looks for messages whose time is up once a second.
        let limit = self.ack_timeout + Duration::from_secs(1);
        let flushed = tokio::task::spawn_blocking(move || client.flush(limit)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "some messages have no answer from Kafka; their senders were told");
        }
    }
}

/// Reports whether Kafka could take a message now. The first look also makes the topic known, so that
/// the first click does not wait for that.
async fn look_after(
    current: watch::Receiver<Arc<Client>>,
    reach: Arc<Reach>,
    shutdown: CancellationToken,
) {
    loop {
        let client = Arc::clone(&current.borrow());
        let looked = tokio::task::spawn_blocking(move || client.look(LOOK_TIMEOUT)).await;
        // An error means that the runtime is ending.
        let Ok(looked) = looked else { return };
        let pause = if reach.looked(looked) {
            LOOK_EVERY
        } else {
            LOOK_EVERY_AWAY
        };
        if shutdown.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Replaces a client that cannot go on. Its messages get their answers when it is dropped.
async fn mend_client(
    config: ClientConfig,
    topic: String,
    mend: Arc<Notify>,
    replace: watch::Sender<Arc<Client>>,
    shutdown: CancellationToken,
) {
    loop {
        if shutdown
            .run_until_cancelled(mend.notified())
            .await
            .is_none()
        {
            return;
        }
        let Some(why) = replace.borrow().is_broken() else {
            continue;
        };
        tracing::error!(%why, "Kafka's client cannot go on; making a new one");
        match Client::new(&config, &topic, Arc::clone(&mend)) {
            Ok(client) => {
                let dead = replace.send_replace(Arc::new(client));
                tokio::task::spawn_blocking(move || drop(dead));
            }
            Err(error) => {
                tracing::error!(%error, "no new client for Kafka; trying again");
                mend.notify_one();
            }
        }
        if shutdown
            .run_until_cancelled(sleep(REBUILD_PAUSE))
            .await
            .is_none()
        {
            return;
        }
    }
}
