//! A client of Kafka, from its making to its end. It never loses a message silently: each gets its
//! answer through its [`Ticket`], also when the client dies.
//!
//! It consists of two of librdkafka's, one for each [`Tuning`]; the lanes see to it that a partition has messages
//! with one of them at a time. There are two exceptions: what is under way when the number of partitions changes keeps
//! its lane, and keys move to others; what is under way when a broken client is replaced stays with that one.

mod config;
mod look;

pub(crate) use config::config;

use crate::lane::{Handed, Lane, Limits, Rests, lane_of};
use crate::message::Message;
use crate::request::{Delivered, Outcome, Ticket};
use crate::telemetry::{Brokers, METERS};
use crate::tuning::{Tuned, Tuning};
use domain::wire;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use std::cell::LazyCell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use uuid::Uuid;

/// With so many messages under way or waiting there is enough for large batches: lanes then rest,
const BUSY: usize = 100;
/// and for so long afterwards.
const BUSY_FOR: Duration = Duration::from_millis(100);
/// How often lanes that rest are looked at.
const REST_LOOK: Duration = Duration::from_millis(2);
/// How long one wait for answers lasts.
const POLL: Duration = Duration::from_millis(100);

/// A client of Kafka and the threads that take its answers.
pub(crate) struct Client {
    shared: Arc<Shared>,
    senders: Arc<Tuned<Sender>>,
    /// One for each partition, as far as they are known.
    lanes: RwLock<Lanes>,
    limits: Tuned<Limits>,
    stop: Arc<AtomicBool>,
    answering: Vec<JoinHandle<()>>,
}

type Sender = BaseProducer<Context>;
type Lanes = Arc<[Arc<Lane<Parcel>>]>;

/// What librdkafka calls back.
struct Context {
    shared: Arc<Shared>,
    brokers: Brokers,
}

/// What the callbacks share with those who use the client.
struct Shared {
    topic: String,
    /// [`wire::SCHEMA_VERSION`], as the header has it.
    schema: String,
    /// A message that has waited so long is not sent any more: its sender has kept it elsewhere.
    ack_timeout: Duration,
    /// Told when the client may have become useless.
    mend: Arc<Notify>,
    /// For the next batch; gone while they are being dropped. They have one owner: whoever runs a callback of one has
    /// both, or neither, so that none is dropped in the midst of one.
    senders: OnceLock<Weak<Tuned<Sender>>>,
    /// There is another client by now, or there will be none: what still waits must not be sent beside it.
    ended: AtomicBool,
    /// Messages without an answer, sent or not.
    open: AtomicUsize,
    /// When the client was made; times are counted from here.
    made: Instant,
    /// Until when it is busy, in milliseconds.
    busy_until: AtomicU64,
    /// Told when a lane rests.
    rests: Notify,
}

/// A message on its way to librdkafka.
#[derive(Debug)]
struct Parcel {
    message: Arc<Message>,
    label: Label,
}

/// What librdkafka carries with a message and hands back with the answer.
#[derive(Debug)]
struct Label {
    ticket: Ticket,
    lane: Arc<Lane<Parcel>>,
}

impl Client {
    /// Makes a client; it connects by itself, now or when Kafka is there. `mend` is notified whenever
    /// it is time to ask [`Self::is_broken`].
    ///
    /// # Errors
    /// A setting is wrong, or there can be no more threads.
    pub fn new(
        configs: &Tuned<ClientConfig>,
        topic: &str,
        partitions: usize,
        ack_timeout: Duration,
        mend: Arc<Notify>,
    ) -> KafkaResult<Self> {
        let shared = Arc::new(Shared {
            topic: topic.to_owned(),
            schema: wire::SCHEMA_VERSION.to_string(),
            ack_timeout,
            mend,
            senders: OnceLock::new(),
            ended: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            made: Instant::now(),
            busy_until: AtomicU64::new(0),
            rests: Notify::new(),
        });
        let limits = Tuned::try_new(|tuning| config::limits(configs.of(tuning)))?;
        let senders = Tuned::try_new(|tuning| {
            let context = Context {
                shared: Arc::clone(&shared),
                brokers: Brokers::default(),
            };
            Sender::from_config_and_context(configs.of(tuning), context)
        })?;
        let senders = Arc::new(senders);
        // They are set here alone.
        let _ = shared.senders.set(Arc::downgrade(&senders));
        let mut client = Self {
            shared,
            lanes: RwLock::new(lanes(partitions, limits)),
            limits,
            stop: Arc::default(),
            answering: Vec::new(),
            senders,
        };
        for tuning in [Tuning::Latency, Tuning::Throughput] {
            let (senders, stop) = (Arc::clone(&client.senders), Arc::clone(&client.stop));
            let answering = thread::Builder::new()
                .name("Kafka's answers".to_owned())
                .spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        senders.of(tuning).poll(POLL);
                    }
                });
            let answering =
                answering.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
            client.answering.push(answering);
        }
        Ok(client)
    }

    /// Why only a new client can help, once that is so.
    pub fn is_broken(&self) -> Option<String> {
        let mut both = self.senders.both().into_iter();
        both.find_map(|sender| sender.client().fatal_error())
            .map(|(_, why)| why)
    }

    /// Hands messages over without waiting; the answers come through the tickets, at once for what the
    /// client does not take.
    pub fn send<'a>(&self, messages: impl ExactSizeIterator<Item = (&'a Arc<Message>, Ticket)>) {
        let (lanes, now, tuning) = (self.lanes(), Instant::now(), Tuning::of(messages.len()));
        let shared = &self.shared;
        shared.opened(messages.len(), now);
        for (message, ticket) in messages {
            let lane = &lanes[lane_of(message.key(), lanes.len())];
            let parcel = Parcel {
                message: Arc::clone(message),
                label: Label {
                    ticket,
                    lane: Arc::clone(lane),
                },
            };
            let send = |parcel, _, tuning| shared.hand_over(self.senders.of(tuning), parcel);
            if lane.enter(parcel, message.size_in_batch(), tuning, now, send) == Rests::Yes {
                shared.rests.notify_one();
            }
        }
    }

    /// Waits until a lane has rested, and sends what waits there. Whoever has a client calls this again and
    /// again, until the client is dropped.
    pub async fn after_rests(&self) {
        let shared = &self.shared;
        shared.rests.notified().await;
        let mut rests = Rests::Yes;
        while rests == Rests::Yes {
            tokio::time::sleep(REST_LOOK).await;
            rests = Rests::No;
            let now = Instant::now();
            let at_once = !shared.is_busy(now);
            for lane in self.lanes().iter() {
                if lane.go_on(now, at_once, shared.hand_over_late()) == Rests::Yes {
                    rests = Rests::Yes;
                }
            }
        }
    }

    /// How many partitions the topic has, as far as that is known.
    pub fn partitions(&self) -> usize {
        self.lanes().len()
    }

    fn lanes(&self) -> Lanes {
        Arc::clone(&self.lanes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on there are so many partitions. What waits by the old count leaves by it, too.
    fn has_partitions(&self, count: usize) {
        if count == 0 || count == self.lanes().len() {
            return;
        }
        let old = {
            let mut current = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, lanes(count, self.limits))
        };
        self.retire(&old);
    }

    fn retire(&self, lanes: &Lanes) {
        let now = Instant::now();
        for lane in lanes.iter() {
            lane.retire(now, self.shared.hand_over_late());
        }
    }

    /// Waits until every message has its answer, at most `timeout`; says whether they have. Blocks.
    pub fn flush(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        // Nothing rests while somebody waits for the end.
        self.retire(&self.lanes());
        while self.shared.open.load(Ordering::Relaxed) > 0 {
            for sender in self.senders.both() {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                // What it says is what the count says, too.
                let _ = sender.flush(left.min(POLL));
            }
        }
        true
    }

    /// Asks brokers whether the topic could take a message now, or says what is in the way. Blocks for
    /// at most `timeout`.
    pub fn look(&self, timeout: Duration) -> Result<(), String> {
        let ask = |tuning| look::ask(self.senders.of(tuning), &self.shared.topic, timeout);
        let both = thread::scope(|scope| {
            let other = scope.spawn(move || ask(Tuning::Throughput));
            let one = ask(Tuning::Latency);
            let other = other.join();
            [
                one,
                other.unwrap_or_else(|_| Err("the look panicked".to_owned())),
            ]
        });
        // One of them may have been told by a broker that is behind.
        let known = both.iter().flatten().map(|(partitions, _)| *partitions);
        self.has_partitions(known.max().unwrap_or(0));
        both.into_iter().try_for_each(|seen| seen?.1)
    }

    /// From now on nothing is sent; what waits is answered so when what is under way before it is.
    pub fn end(&self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.retire(&self.lanes());
    }
}

impl Drop for Client {
    /// What waits is answered, and so is, within about a second, what is under way: on a thread of its own,
    /// because nobody who drops a client may wait so long.
    fn drop(&mut self) {
        self.end();
        self.stop.store(true, Ordering::Relaxed);
        let (answering, senders) = (
            std::mem::take(&mut self.answering),
            Arc::clone(&self.senders),
        );
        let end = move || {
            for thread in answering {
                // Should it have panicked, the panic hook has said so.
                let _ = thread.join();
            }
            // Whoever lets go of them last waits for the answers to what is purged: this thread.
            while Arc::strong_count(&senders) > 1 {
                thread::sleep(Duration::from_millis(1));
            }
            drop(senders);
        };
        // Where there can be no more threads, an answering one is the last.
        let _ = thread::Builder::new()
            .name("Kafka's end".to_owned())
            .spawn(end);
    }
}

impl Shared {
    /// Gives a message to librdkafka; when that does not take it, its sender hears so at once.
    fn hand_over(&self, sender: &Sender, parcel: Parcel) -> Handed {
        if self.ended.load(Ordering::Relaxed) {
            return self.not_sent(parcel, RDKafkaErrorCode::PurgeQueue);
        }
        let Parcel { message, label } = parcel;
        let mut id = Uuid::encode_buffer();
        let id = message.event_id.as_hyphenated().encode_lower(&mut id);
        let headers = OwnedHeaders::new_with_capacity(3)
            .insert(header(wire::HEADER_EVENT, message.event_type()))
            .insert(header(wire::HEADER_EVENT_ID, id))
            .insert(header(wire::HEADER_SCHEMA, &self.schema));
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new(label))
            .key(message.key())
            .payload(message.json())
            .headers(headers);
        match sender.send(record) {
            Ok(()) => Handed::UnderWay,
            Err((error, record)) => {
                let code = code(&error);
                self.failed(code);
                self.settle(record.delivery_opaque.ticket, Err(code));
                Handed::Not
            }
        }
    }

    /// Hands over messages that have waited, each unless it has waited too long.
    fn hand_over_late(&self) -> impl FnMut(Parcel, Instant, Tuning) -> Handed {
        // Asked for once for all that leave together, and not at all when none does.
        let now = LazyCell::new(Instant::now);
        let senders = LazyCell::new(|| self.senders.get().and_then(Weak::upgrade));
        move |parcel, since, tuning| {
            if now.saturating_duration_since(since) >= self.ack_timeout {
                return self.not_sent(parcel, RDKafkaErrorCode::MessageTimedOut);
            }
            match &*senders {
                Some(senders) => self.hand_over(senders.of(tuning), parcel),
                None => self.not_sent(parcel, RDKafkaErrorCode::PurgeQueue),
            }
        }
    }

    fn not_sent(&self, parcel: Parcel, why: RDKafkaErrorCode) -> Handed {
        self.failed(why);
        self.settle(parcel.label.ticket, Err(why));
        Handed::Not
    }

    fn settle(&self, ticket: Ticket, outcome: Outcome) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        ticket.settle(outcome);
    }

    /// Counts messages that have come.
    fn opened(&self, messages: usize, now: Instant) {
        if self.open.fetch_add(messages, Ordering::Relaxed) + messages > BUSY {
            let until = self.millis(now + BUSY_FOR);
            self.busy_until.store(until, Ordering::Relaxed);
        }
    }

    fn is_busy(&self, now: Instant) -> bool {
        self.millis(now) < self.busy_until.load(Ordering::Relaxed)
    }

    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.made).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    /// How long after the beginning of a batch that took so long until `now` the next one may begin.
    fn pace(&self, now: Instant, took: Duration, tuning: Tuning) -> Duration {
        if self.is_busy(now) {
            tuning.rest(took)
        } else {
            Duration::ZERO
        }
    }

    /// Counts a message that was not delivered.
    fn failed(&self, code: RDKafkaErrorCode) {
        METERS.produce_failed(code);
        self.mend.notify_one();
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        service::kafka::log_line(level, facility, message);
    }

    /// Called for what happens to the client itself. A fatal error comes under the code of its cause,
    /// so the client has to be asked. Brokers that come and go are seen by [`Client::look`], which can
    /// also tell when they are back.
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka's client reports");
        self.shared.mend.notify_one();
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.brokers.heard(statistics);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Label>;

    fn delivery(&self, report: &DeliveryResult<'_>, label: Box<Label>) {
        let (Label { ticket, lane }, shared) = (*label, &self.shared);
        let outcome = match report {
            Ok(message) => Ok(Delivered {
                partition: message.partition(),
                offset: message.offset(),
            }),
            Err((error, _)) => {
                let code = code(error);
                shared.failed(code);
                Err(code)
            }
        };
        shared.settle(ticket, outcome);
        let pace = |now, took, tuning| shared.pace(now, took, tuning);
        if lane.answered(Instant::now, pace, shared.hand_over_late()) == Rests::Yes {
            shared.rests.notify_one();
        }
    }
}

fn lanes(count: usize, limits: Tuned<Limits>) -> Lanes {
    (0..count).map(|_| Arc::new(Lane::new(limits))).collect()
}

fn code(error: &KafkaError) -> RDKafkaErrorCode {
    error
        .rdkafka_error_code()
        .unwrap_or(RDKafkaErrorCode::Unknown)
}

fn header<'a>(key: &'a str, value: &'a str) -> Header<'a, &'a str> {
    Header {
        key,
        value: Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{self, Answers};
    use config::tests::settings;

    #[test]
    fn what_a_client_has_when_it_ends_is_answered_and_not_sent() {
        let (timeout, limits) = (Duration::from_mins(1), crate::QueueLimits::default());
        let configs = Tuned::new(|tuning| config(&settings(), tuning, timeout, limits));
        let client = Client::new(&configs, "clickstream", 1, timeout, Arc::default()).unwrap();
        let shared = Arc::clone(&client.shared);
        let message = Arc::new(Message::new(Uuid::nil(), "click", "Ann", "{}".to_owned()));
        let send = || -> Answers {
            let (tickets, answers) = request::open(1, None, None);
            client.send([&message].into_iter().zip(tickets));
            // The next one comes too late for the batch.
            thread::sleep(Duration::from_millis(20));
            answers
        };
        let answers = [send(), send()];
        drop(client);
        let began = Instant::now();
        while shared.open.load(Ordering::Relaxed) > 0 {
            assert!(began.elapsed() < timeout / 2, "still not answered");
            thread::sleep(POLL);
        }
        for answers in answers {
            assert_eq!(answers.outcomes(), [Err(RDKafkaErrorCode::PurgeQueue)]);
        }
    }
}
