//! One Kafka client from its making to its end: a thread of its own polls it, and everything that
//! happens to a partition comes together here.
//!
//! The thread polls whatever happens, so that the group keeps us as a member while Postgres is away: a
//! partition whose inbox is full is waited for a moment, then paused.

use crate::acquire;
use crate::board::{Shared, Stall};
use crate::inbox::{Gap, Inbox, Mailbox, Taken, Trouble};
use crate::measures::METERS;
use crate::partition::{Action, Event, State, step};
use crate::source::{Change, Client, Record};
use crate::start::{Start, another_record, unreadable};
use crate::writer::Writer;
use domain::NextOffset;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use service::outage::Complaint;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod ending;
mod trouble;

/// How long one poll may wait; what other threads report is heard at least so often.
const POLL: Duration = Duration::from_millis(50);
/// Messages taken between two looks at what others report.
const POLLS_AT_ONCE: usize = 1_000;
/// How long a full inbox may hold up the other partitions before its partition is paused.
const ROOM_PATIENCE: Duration = Duration::from_millis(100);

/// Why a session ended.
#[derive(Debug)]
pub enum Ended {
    /// It was asked to.
    Asked,
    /// The client is of no more use; a new one is needed.
    ClientBroken(String),
}

/// What other threads found out.
#[derive(Debug)]
pub enum News {
    /// Something happened to a partition.
    Partition(Report),
    /// Kafka has records of a partition that do not come.
    Stalled(i32, Stall),
}

/// What happened to a partition, from the task that found out.
#[derive(Debug)]
pub struct Report {
    /// The partition.
    pub partition: i32,
    /// Which of its tasks reports; an older one's news is out of date. None: it is no task of the
    /// partition's own.
    pub generation: Option<u64>,
    /// What happened.
    pub event: Event,
    /// Whether a batch was written since the last failure.
    pub wrote: bool,
}

/// One Kafka client and the partitions it was given.
pub struct Session {
    shared: Arc<Shared>,
    client: Arc<Client>,
    runtime: Handle,
    partitions: HashMap<i32, Partition>,
    sender: mpsc::Sender<News>,
    news: mpsc::Receiver<News>,
    /// What writes.
    writers: TaskTracker,
    /// What else works for this session.
    tasks: TaskTracker,
    generation: u64,
    committed: HashMap<i32, NextOffset>,
    last_commit: Instant,
    /// What the client complained about, each said once.
    complaints: Vec<RDKafkaErrorCode>,
}

struct Partition {
    state: State,
    generation: u64,
    failures: u32,
    /// The hole that was met and is being read again.
    met: Option<Gap>,
    reading: Option<Reading>,
    slow: Arc<Complaint>,
    /// Ends the taking of the lease.
    cancel: CancellationToken,
}

struct Reading {
    mailbox: Arc<Mailbox>,
    epoch: i64,
    paused: bool,
}

impl Session {
    /// A session of a client that has subscribed to the topic.
    pub fn new(shared: Arc<Shared>, client: Client, runtime: Handle) -> Self {
        let (sender, news) = mpsc::channel();
        Self {
            shared,
            client: Arc::new(client),
            runtime,
            partitions: HashMap::new(),
            sender,
            news,
            writers: TaskTracker::new(),
            tasks: TaskTracker::new(),
            generation: 0,
            committed: HashMap::new(),
            last_commit: Instant::now(),
            complaints: Vec::new(),
        }
    }

    /// Polls until `stop`, or until the client is of no more use. Blocks its thread.
    pub fn run(mut self, stop: &CancellationToken) -> Ended {
        let ending = CancellationToken::new();
        self.tasks.spawn_on(
            crate::watch::watch(
                self.shared.clone(),
                self.client.clone(),
                self.sender.clone(),
                ending.clone(),
            ),
            &self.runtime,
        );
        let ended = loop {
            if stop.is_cancelled() {
                break Ended::Asked;
            }
            if let Some(broken) = self.poll().or_else(|| self.hear()) {
                break Ended::ClientBroken(broken);
            }
            self.resume();
            self.tell_kafka();
        };
        ending.cancel();
        self.end();
        ended
    }

    /// Takes what has come; returns why the client is of no more use, when it is.
    fn poll(&mut self) -> Option<String> {
        let client = self.client.clone();
        let mut wait = POLL;
        for _ in 0..POLLS_AT_ONCE {
            match client.poll(wait)? {
                Ok(message) => self.deliver(&message),
                Err(KafkaError::MessageConsumptionFatal(code)) => return Some(code.to_string()),
                Err(error) => {
                    if let Some(broken) = self.trouble(&error) {
                        return Some(broken);
                    }
                }
            }
            wait = Duration::ZERO;
        }
        None
    }

    /// Puts a message into its partition's inbox.
    fn deliver(&mut self, message: &BorrowedMessage<'_>) {
        let number = message.partition();
        let Some(partition) = self.partitions.get_mut(&number) else {
            return;
        };
        // Not reading: left over from before a stop.
        let Some(reading) = &mut partition.reading else {
            return;
        };
        match reading.mailbox.put(Record::from_message(message)) {
            Ok(Taken { full, hole }) => {
                if let Some(gap) = hole {
                    METERS.holes.increment(1);
                    tracing::info!(partition = number, expected = %gap.expected, found = %gap.found, "the offsets between hold no records, such as a transaction's markers; going on");
                }
                if full && !reading.paused && !reading.mailbox.wait_for_room(ROOM_PATIENCE) {
                    let list = list(&self.shared.topic, number, None);
                    reading.paused = log_failure("pausing", self.client.pause(&list));
                }
            }
            Err(Trouble::Gap(gap)) => {
                tracing::warn!(partition = number, expected = %gap.expected, found = %gap.found, "offsets are missing; reading again to make sure");
                partition.met = Some(gap);
                self.happened(number, Event::ReadAgain);
            }
            Err(Trouble::Unreadable(gap)) => {
                let halt = unreadable(number, reading.epoch, gap.expected, Some(gap.found));
                self.happened(number, Event::Broken(halt));
            }
            Err(Trouble::AnotherRecord(offset)) => {
                let halt = another_record(number, reading.epoch, offset);
                self.happened(number, Event::Broken(halt));
            }
        }
    }

    /// Follows the group's decisions, and hears what other threads found out; returns why the client is
    /// of no more use, when it is.
    fn hear(&mut self) -> Option<String> {
        self.rebalanced();
        while let Ok(news) = self.news.try_recv() {
            match news {
                News::Partition(report) => self.reported(report),
                News::Stalled(number, stall) => {
                    if let Some(broken) = self.stalled(number, stall) {
                        return Some(broken);
                    }
                }
            }
        }
        None
    }

    /// Follows the group's decisions.
    fn rebalanced(&mut self) {
        for change in self.client.context().take_changes() {
            match change {
                Change::Assigned(numbers) => {
                    tracing::info!(partitions = ?numbers, "assigned");
                    for number in numbers {
                        self.assigned(number);
                    }
                }
                Change::Revoked(numbers) => {
                    tracing::info!(partitions = ?numbers, "revoked");
                    for number in numbers {
                        self.happened(number, Event::Revoked);
                    }
                }
            }
        }
    }

    fn assigned(&mut self, number: i32) {
        let partition = Partition {
            state: State::Assigned,
            generation: 0,
            failures: 0,
            met: None,
            reading: None,
            slow: Arc::new(Complaint::new(format!("writing partition {number}"))),
            cancel: CancellationToken::new(),
        };
        self.shared.board.state(number, &partition.state);
        self.partitions.insert(number, partition);
        self.acquire(number, Duration::ZERO);
    }

    /// Hears what a task found out.
    fn reported(&mut self, report: Report) {
        let Some(partition) = self.partitions.get_mut(&report.partition) else {
            return;
        };
        if report
            .generation
            .is_some_and(|generation| generation != partition.generation)
        {
            return;
        }
        if report.wrote {
            partition.failures = 0;
            partition.met = None;
        }
        self.happened(report.partition, report.event);
    }

    /// Steps a partition's state and does what follows.
    fn happened(&mut self, number: i32, event: Event) {
        let Some(partition) = self.partitions.get_mut(&number) else {
            return;
        };
        let was = partition.state.clone();
        let (state, action) = step(was.clone(), event, partition.failures);
        if state != was {
            tracing::debug!(
                partition = number,
                from = was.name(),
                to = state.name(),
                "partition"
            );
            self.shared.board.state(number, &state);
        }
        partition.state = state.clone();
        if !matches!(state, State::Running { .. }) {
            self.stop_reading(number);
        }
        match action {
            Action::Nothing => {}
            Action::Read(start) => self.read(number, &start),
            Action::Acquire { after } => {
                if let Some(partition) = self.partitions.get_mut(&number) {
                    partition.failures += 1;
                }
                self.acquire(number, after);
            }
            Action::Shout(halt) => {
                tracing::error!(
                    "partition {number} stands still: {}. Repair: {}",
                    halt.reason,
                    halt.repair
                );
            }
        }
        if state == State::Revoked
            && let Some(partition) = self.partitions.remove(&number)
        {
            partition.cancel.cancel();
            self.committed.remove(&number);
        }
    }

    /// Starts taking a partition's lease.
    fn acquire(&mut self, number: i32, after: Duration) {
        self.generation += 1;
        let generation = self.generation;
        let Some(partition) = self.partitions.get_mut(&number) else {
            return;
        };
        partition.generation = generation;
        partition.cancel.cancel();
        partition.cancel = CancellationToken::new();
        let cancel = partition.cancel.clone();
        let (shared, client, sender) = (
            self.shared.clone(),
            self.client.clone(),
            self.sender.clone(),
        );
        self.tasks.spawn_on(
            async move {
                let event = match acquire::acquire(&shared, &client, number, after, &cancel).await {
                    None => return,
                    Some(Ok(start)) => Event::Granted(start),
                    Some(Err(halt)) => Event::Refused(halt),
                };
                drop(client);
                // Nobody listens any more once the session has ended.
                let _ = sender.send(News::Partition(Report {
                    partition: number,
                    generation: Some(generation),
                    event,
                    wrote: false,
                }));
            },
            &self.runtime,
        );
    }

    /// Starts reading and writing a partition from where its lease says.
    fn read(&mut self, number: i32, start: &Start) {
        let Some(partition) = self.partitions.get_mut(&number) else {
            return;
        };
        tracing::info!(partition = number, epoch = start.epoch, offset = %start.next, "reading");
        let verified = start.verify.map(|last| last.time_ms);
        self.shared.board.reads_from(number, start.next, verified);
        let inbox = Inbox::new(self.shared.limits, start, partition.met);
        let mailbox = Arc::new(Mailbox::new(inbox));
        let writer = Writer::new(
            self.shared.clone(),
            number,
            start.epoch,
            partition.failures,
            partition.slow.clone(),
        );
        partition.reading = Some(Reading {
            mailbox: mailbox.clone(),
            epoch: start.epoch,
            paused: false,
        });
        let (sender, generation) = (self.sender.clone(), partition.generation);
        self.writers.spawn_on(
            async move {
                if let Some(stopped) = writer.run(&mailbox).await {
                    let _ = sender.send(News::Partition(Report {
                        partition: number,
                        generation: Some(generation),
                        event: stopped.event,
                        wrote: stopped.wrote,
                    }));
                }
            },
            &self.runtime,
        );
        let list = list(&self.shared.topic, number, Some(start.position()));
        if !log_failure("starting to read", self.client.incremental_assign(&list)) {
            self.happened(number, Event::ReadAgain);
        }
    }

    /// Stops reading a partition; a statement under way goes on to its end.
    fn stop_reading(&mut self, number: i32) {
        let Some(partition) = self.partitions.get_mut(&number) else {
            return;
        };
        let Some(reading) = partition.reading.take() else {
            return;
        };
        reading.mailbox.close();
        let list = list(&self.shared.topic, number, None);
        // After a rebalance it has been released already, in the callback.
        let held = self
            .client
            .assignment()
            .is_ok_and(|held| held.find_partition(&self.shared.topic, number).is_some());
        if held {
            if reading.paused {
                log_failure("resuming", self.client.resume(&list));
            }
            log_failure("stopping to read", self.client.incremental_unassign(&list));
        }
    }

    /// Reads on where there is room again.
    fn resume(&mut self) {
        let topic = &self.shared.topic;
        for (number, partition) in &mut self.partitions {
            if let Some(reading) = &mut partition.reading
                && reading.paused
                && reading.mailbox.has_room()
            {
                reading.paused =
                    !log_failure("resuming", self.client.resume(&list(topic, *number, None)));
            }
        }
    }
}

/// A list of one partition, with the offset to read from.
fn list(topic: &str, number: i32, position: Option<NextOffset>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    let mut element = list.add_partition(topic, number);
    if let Some(NextOffset(offset)) = position {
        // Fails only for an offset below zero, which no lease has.
        let _ = element.set_offset(Offset::Offset(offset));
    }
    list
}

/// Says whether it worked, and in the log when it did not.
fn log_failure(what: &str, result: KafkaResult<()>) -> bool {
    if let Err(error) = &result {
        tracing::warn!(%error, "{what} failed");
    }
    result.is_ok()
}
