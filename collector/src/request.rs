//! One request's messages, from the moment they are handed to Kafka's client until each has its answer:
//! however many there are, the caller is woken once, by the last.

use crate::tally::Totals;
use domain::Source;
use rdkafka::error::RDKafkaErrorCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Where a message lies, or why it is not known to lie anywhere.
pub(crate) type Outcome = Result<Delivered, RDKafkaErrorCode>;

/// A message that enough replicas have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub partition: i32,
    pub offset: i64,
}

/// Whether Kafka will not take this message later either, or not in the batch in which it was sent. Nothing that was
/// checked here is so, unless the topic's own limits are lower than ours.
pub(crate) const fn never(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord
    )
}

/// The messages of one request that have no answer yet. Nobody needs to wait for them: when the caller
/// has gone, the last answer counts what was taken and frees what is left.
#[derive(Debug)]
struct Request {
    open: Mutex<Open>,
    /// What counts the messages that Kafka took.
    count: Option<Count>,
    /// The request's share of the queue, given back with the last message.
    _room: Option<Room>,
}

#[derive(Debug)]
struct Open {
    outcomes: Vec<Outcome>,
    missing: usize,
    /// Whether it is settled what Kafka has: by the last answer, or by a caller who waits no longer. An
    /// answer that comes later changes nothing, since the caller has kept that message elsewhere.
    decided: bool,
    answer: Option<oneshot::Sender<()>>,
}

/// Who hears what Kafka took of a request, and by which door each message came in.
#[derive(Debug)]
pub(crate) struct Count {
    pub totals: Arc<Totals>,
    pub sources: Vec<Source>,
}

/// One message's way back to its request; Kafka's client carries it and hands it back with the report.
#[derive(Debug)]
pub(crate) struct Ticket {
    request: Arc<Request>,
    index: usize,
}

/// The caller's end of a request.
#[derive(Debug)]
pub(crate) struct Answers {
    request: Arc<Request>,
    complete: oneshot::Receiver<()>,
}

/// Tickets for so many messages (at least one), and what tells the outcome of all, in order.
pub(crate) fn open(
    messages: usize,
    room: Option<Room>,
    count: Option<Count>,
) -> (impl ExactSizeIterator<Item = Ticket>, Answers) {
    let (answer, complete) = oneshot::channel();
    let request = Arc::new(Request {
        open: Mutex::new(Open {
            outcomes: vec![Err(RDKafkaErrorCode::MessageTimedOut); messages],
            missing: messages,
            decided: false,
            answer: Some(answer),
        }),
        count,
        _room: room,
    });
    let answers = Answers {
        request: Arc::clone(&request),
        complete,
    };
    let tickets = (0..messages).map(move |index| Ticket {
        request: Arc::clone(&request),
        index,
    });
    (tickets, answers)
}

impl Answers {
    /// Waits until every message has its answer.
    pub async fn complete(&mut self) {
        // An error cannot be: the request has the sender, and we have the request.
        let _ = (&mut self.complete).await;
    }

    /// The outcome of all; a message that has no answer yet has timed out, whatever becomes of it.
    pub fn outcomes(self) -> Vec<Outcome> {
        let mut open = self.request.lock();
        self.request.decide(&mut open);
        std::mem::take(&mut open.outcomes)
    }
}

impl Request {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what Kafka has taken so far, once.
    fn decide(&self, open: &mut Open) {
        if std::mem::replace(&mut open.decided, true) {
            return;
        }
        if let Some(Count { totals, sources }) = &self.count {
            let outcomes = sources.iter().zip(&open.outcomes);
            totals
                .count(outcomes.filter_map(|(source, outcome)| Some((*source, (*outcome).ok()?))));
        }
    }
}

impl Ticket {
    /// Gives this message its answer; the last one wakes the caller.
    pub fn settle(self, outcome: Outcome) {
        let answer = {
            let mut open = self.request.lock();
            open.missing -= 1;
            if open.decided {
                return;
            }
            open.outcomes[self.index] = outcome;
            if open.missing > 0 {
                return;
            }
            self.request.decide(&mut open);
            open.answer.take()
        };
        drop(self.request);
        if let Some(answer) = answer {
            // An error means that the caller has gone, which is its right.
            let _ = answer.send(());
        }
    }
}

/// How much may wait for Kafka in this process, so that its memory stays bounded under any load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages.
    pub messages: u32,
    /// Bytes of keys and values.
    pub bytes: u32,
}

impl Default for QueueLimits {
    /// 100,000 messages in 64 MiB. A message waits for two seconds at most, so this is room for 50,000
    /// messages a second of 670 bytes while Kafka says nothing.
    fn default() -> Self {
        Self {
            messages: 100_000,
            bytes: 64 << 20,
        }
    }
}

/// The space of [`QueueLimits`]; a request gets all the room it needs, or none.
#[derive(Debug)]
pub(crate) struct Queue {
    messages: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// A request's share of a [`Queue`], given back when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    _messages: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: QueueLimits) -> Self {
        let space = |permits: u32| Arc::new(Semaphore::new(permits as usize));
        Self {
            messages: space(limits.messages),
            bytes: space(limits.bytes),
        }
    }

    /// Room for so much, if there is.
    pub fn reserve(&self, messages: usize, bytes: usize) -> Option<Room> {
        let take = |space: &Arc<Semaphore>, permits: usize| {
            Arc::clone(space)
                .try_acquire_many_owned(u32::try_from(permits).ok()?)
                .ok()
        };
        Some(Room {
            _messages: take(&self.messages, messages)?,
            _bytes: take(&self.bytes, bytes)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(messages: u32) -> Queue {
        Queue::new(QueueLimits {
            messages,
            bytes: 1000,
        })
    }

    const fn at(offset: i64) -> Delivered {
        Delivered {
            partition: 0,
            offset,
        }
    }

    /// Three messages of the shop, their tickets, and what is counted of them.
    fn three(queue: &Queue) -> (Vec<Ticket>, Answers, Arc<Totals>) {
        let totals = Arc::new(Totals::default());
        let count = Count {
            totals: Arc::clone(&totals),
            sources: vec![Source::Shop; 3],
        };
        let (tickets, answers) = open(3, queue.reserve(3, 30), Some(count));
        (tickets.collect(), answers, totals)
    }

    const LOST: Outcome = Err(RDKafkaErrorCode::MessageTimedOut);

    #[tokio::test]
    async fn the_last_answer_tells_all_in_the_order_of_the_request() {
        let (mut tickets, mut answers, totals) = three(&queue(3));
        tickets.remove(1).settle(Ok(at(11)));
        tickets.remove(1).settle(LOST);
        assert!(answers.complete.try_recv().is_err(), "one is still missing");
        assert_eq!(totals.now().events(), 0);
        tickets.remove(0).settle(Ok(at(10)));
        answers.complete().await;
        assert_eq!(answers.outcomes(), [Ok(at(10)), Ok(at(11)), LOST]);
        assert_eq!(totals.now().events(), 2, "counted once");
    }

    #[test]
    fn what_comes_after_the_caller_has_given_up_does_not_count() {
        let (mut tickets, answers, totals) = three(&queue(3));
        tickets.remove(0).settle(Ok(at(10)));
        assert_eq!(answers.outcomes(), [Ok(at(10)), LOST, LOST]);
        for late in tickets {
            late.settle(Ok(at(11)));
        }
        assert_eq!(totals.now().events(), 1);
    }

    #[test]
    fn a_caller_that_has_gone_keeps_no_room_and_its_messages_count() {
        let queue = queue(3);
        let (tickets, answers, totals) = three(&queue);
        drop(answers);
        assert!(queue.reserve(1, 0).is_none());
        for ticket in tickets {
            ticket.settle(Ok(at(1)));
        }
        assert!(queue.reserve(3, 1000).is_some());
        assert_eq!(totals.now().events(), 3);
    }

    #[test]
    fn a_request_gets_all_its_room_or_none() {
        let queue = queue(10);
        let first = queue.reserve(6, 10).unwrap();
        assert!(queue.reserve(5, 10).is_none(), "too many messages");
        assert!(queue.reserve(1, 991).is_none(), "too many bytes");
        assert!(queue.reserve(4, 990).is_some(), "a refusal takes nothing");
        drop(first);
        assert!(queue.reserve(10, 1000).is_some());
    }
}
