//! To Kafka and back within a time: there is always a client to send with, or one in the making, and
//! the process says truly whether Kafka can be reached.

use crate::QueueLimits;
use crate::client::{self, Client};
use crate::message::Message;
use crate::reach::Reach;
use crate::record::Record;
use crate::request::{self, Count, Outcome, Queue};
use crate::tally::Totals;
use crate::tuning::Tuned;
use rdkafka::error::KafkaResult;
use service::kafka::explain;
use service::settings::KafkaSettings;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often Kafka is looked at; a first failure is followed by a shorter pause.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often while it is away, or was a moment ago.
const LOOK_EVERY_AWAY: Duration = Duration::from_secs(1);
/// How long one look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);
/// A client that dies at once is not replaced more often than this.
const REBUILD_PAUSE: Duration = Duration::from_secs(1);

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

/// Sends requests and watches over the client.
pub(crate) struct Producer {
    current: watch::Receiver<Arc<Client>>,
    queue: Queue,
    ack_timeout: Duration,
    totals: Arc<Totals>,
    reach: Arc<Reach>,
    /// Ends what must outlive the shutdown: requests are answered after it has begun.
    _ended: DropGuard,
}

impl Producer {
    /// Makes the first client and starts the tasks that watch it until `shutdown`.
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
        let configs = Tuned::new(|tuning| client::config(kafka, tuning, ack_timeout, limits));
        let mend = Arc::new(Notify::new());
        let first = Client::new(
            &configs,
            &kafka.kafka_topic,
            // Until Kafka has told how many there are.
            1,
            ack_timeout,
            Arc::clone(&mend),
        )
        .map_err(explain)?;
        let (replace, current) = watch::channel(Arc::new(first));
        let reach = Arc::new(reach);
        tokio::spawn(look_after(
            current.clone(),
            Arc::clone(&reach),
            shutdown.clone(),
        ));
        let topic = kafka.kafka_topic.clone();
        let remake = {
            let mend = Arc::clone(&mend);
            move |partitions| {
                Client::new(&configs, &topic, partitions, ack_timeout, Arc::clone(&mend))
            }
        };
        tokio::spawn(mend_client(remake, mend, replace, shutdown));
        let ended = CancellationToken::new();
        tokio::spawn(keep_going(current.clone(), ended.clone()));
        Ok(Self {
            _ended: ended.drop_guard(),
            current,
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
            if let Some(client) = self.client().await {
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
        if let Some(client) = self.client().await {
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

    /// Tells what the outcomes say about the way to Kafka; a message that is at fault itself says nothing.
    fn witness(&self, outcomes: &[Outcome]) {
        let mut failures = outcomes.iter().filter_map(|outcome| outcome.err());
        match failures.find(|code| !request::never(*code)) {
            Some(code) => self.reach.failed(code),
            None if outcomes.iter().any(Result::is_ok) => self.reach.acknowledged(),
            None => {}
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
        if let Ok(false) = flushed {
            tracing::warn!("some messages have no answer from Kafka; their senders were told");
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
        let looked = match looked {
            Ok(looked) => looked,
            Err(error) if error.is_panic() => Err("the look panicked".to_owned()),
            // The runtime is ending.
            Err(_) => return,
        };
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

/// Sends what waits in the client's lanes after their rests.
async fn keep_going(mut current: watch::Receiver<Arc<Client>>, ended: CancellationToken) {
    while !ended.is_cancelled() {
        let client = Arc::clone(&current.borrow_and_update());
        let replaced = async {
            // An error means that there will be no other client.
            if current.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = client.after_rests() => {}
            () = replaced => {}
            () = ended.cancelled() => {}
        }
    }
}

/// Replaces a client that cannot go on. Its messages get their answers when it is dropped.
async fn mend_client(
    remake: impl Fn(usize) -> KafkaResult<Client> + Send,
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
        let partitions = replace.borrow().partitions();
        match remake(partitions) {
            Ok(client) => replace.send_replace(Arc::new(client)).end(),
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
