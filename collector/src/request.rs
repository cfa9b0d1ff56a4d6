//! One request's messages, from the moment they are handed to Kafka's client until each has its answer:
//! however many there are, the caller is woken once, by the last.

use rdkafka::error::RDKafkaErrorCode;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Where a message lies, or why it is not known to lie anywhere.
pub(crate) type Outcome = Result<Delivered, RDKafkaErrorCode>;

/// A message that enough replicas have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub partition: i32,
    pub offset: i64,
}

/// The messages of one request that have no answer yet. Nobody needs to wait for them: when the caller
/// has gone, the last answer frees what is left.
#[derive(Debug)]
pub(crate) struct Request {
    open: Mutex<Open>,
    /// The request's share of the queue, given back with the last message.
    _room: Room,
}

#[derive(Debug)]
struct Open {
    outcomes: Vec<Outcome>,
    missing: usize,
    answer: Option<oneshot::Sender<Vec<Outcome>>>,
}

/// One message's way back to its request; Kafka's client carries it and hands it back with the report.
#[derive(Debug)]
pub(crate) struct Ticket {
    request: Arc<Request>,
    index: usize,
}

impl Request {
    /// Tickets for `messages` (at least one) messages, and what tells the outcome of all, in order.
    pub fn open(
        messages: usize,
        room: Room,
    ) -> (
        impl Iterator<Item = Ticket>,
        oneshot::Receiver<Vec<Outcome>>,
    ) {
        let (answer, answered) = oneshot::channel();
        let request = Arc::new(Self {
            open: Mutex::new(Open {
                outcomes: vec![Err(RDKafkaErrorCode::Unknown); messages],
                missing: messages,
                answer: Some(answer),
            }),
            _room: room,
        });
        let tickets = (0..messages).map(move |index| Ticket {
            request: Arc::clone(&request),
            index,
        });
        (tickets, answered)
    }
}

impl Ticket {
    /// Gives this message its answer; the last one wakes the caller.
    pub fn settle(self, outcome: Outcome) {
        let answer = {
            let mut open = self
                .request
                .open
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            open.outcomes[self.index] = outcome;
            open.missing -= 1;
            if open.missing > 0 {
                return;
            }
            open.answer
                .take()
                .map(|answer| (answer, std::mem::take(&mut open.outcomes)))
        };
        // The room is free before the caller runs, so that it may come again at once.
        drop(self.request);
        if let Some((answer, outcomes)) = answer {
            // An error means that the caller has gone, which is its right.
            let _ = answer.send(outcomes);
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

    #[test]
    fn the_last_answer_tells_all_in_the_order_of_the_request() {
        let queue = queue(3);
        let (tickets, mut answered) = Request::open(3, queue.reserve(3, 30).unwrap());
        let mut tickets: Vec<_> = tickets.collect();
        tickets.remove(1).settle(Ok(at(11)));
        tickets
            .remove(1)
            .settle(Err(RDKafkaErrorCode::MessageTimedOut));
        assert!(answered.try_recv().is_err(), "one is still missing");
        tickets.remove(0).settle(Ok(at(10)));
        assert_eq!(
            answered.try_recv().unwrap(),
            [
                Ok(at(10)),
                Ok(at(11)),
                Err(RDKafkaErrorCode::MessageTimedOut)
            ]
        );
    }

    #[test]
    fn a_caller_that_has_gone_keeps_no_room() {
        let queue = queue(2);
        let (tickets, answered) = Request::open(2, queue.reserve(2, 1000).unwrap());
        drop(answered);
        assert!(queue.reserve(1, 0).is_none());
        for ticket in tickets {
            ticket.settle(Ok(at(1)));
        }
        assert!(queue.reserve(2, 1000).is_some());
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
