//! What Kafka's client complains about, and what that means for the partitions: nothing is skipped
//! because a complaint went unheard.

use super::Session;
use crate::board::Stall;
use crate::partition::Event;
use crate::start::unreadable;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// What a complaint of the client means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The client has to be replaced: one that has known a topic does not always find its way into a new
    /// one of that name.
    TopicGone,
    /// No broker can be reached.
    KafkaAway,
    /// An offset that was asked for is not there.
    NoSuchOffset,
    /// A batch was skipped: it is damaged, or in a form that the client does not know.
    Skipped,
    /// One connection; the client mends it by itself.
    Connection,
    /// Something else, which somebody should know of.
    Other,
}

/// Sorts a complaint.
fn meaning(code: RDKafkaErrorCode) -> Meaning {
    use RDKafkaErrorCode as Code;
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopicId => Meaning::TopicGone,
        Code::AllBrokersDown => Meaning::KafkaAway,
        Code::OffsetOutOfRange | Code::AutoOffsetReset => Meaning::NoSuchOffset,
        Code::BadMessage | Code::BadCompression | Code::NotImplemented => Meaning::Skipped,
        Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut => {
            Meaning::Connection
        }
        _ => Meaning::Other,
    }
}

impl Session {
    /// What the client says about itself or about a partition that it does not name; returns why it is of
    /// no more use, when it is.
    pub(super) fn trouble(&mut self, error: &KafkaError) -> Option<String> {
        let Some(code) = error.rdkafka_error_code() else {
            tracing::debug!(%error, "Kafka client");
            return None;
        };
        match meaning(code) {
            Meaning::TopicGone => {
                return Some(format!("the topic {} is gone", self.shared.topic));
            }
            Meaning::KafkaAway => self.shared.kafka.missing("no broker answers"),
            Meaning::NoSuchOffset => {
                // Taking the leases again finds the partition that it is about, and why.
                tracing::warn!(
                    "Kafka does not have an offset that was asked for; comparing all stored offsets"
                );
                let numbers: Vec<i32> = self.partitions.keys().copied().collect();
                for number in numbers {
                    self.happened(number, Event::ReadAgain);
                }
            }
            Meaning::Skipped => {
                self.say_once(code, error);
                // Each partition whose next record joins shows that it was not about it.
                for partition in self.partitions.values() {
                    if let Some(reading) = &partition.reading {
                        reading.mailbox.unreadable();
                    }
                }
            }
            Meaning::Connection => tracing::debug!(%error, "Kafka client"),
            Meaning::Other => self.say_once(code, error),
        }
        None
    }

    /// Records of a partition do not come. A new client finds those that only this one does not find;
    /// returns why that is needed, when it is.
    pub(super) fn stalled(&mut self, number: i32, stall: Stall) -> Option<String> {
        let reading = self.partitions.get(&number)?.reading.as_ref()?;
        if !reading.mailbox.is_idle() {
            return None;
        }
        if self.shared.board.stalls(number, stall) {
            return Some(format!(
                "partition {number} has records from {} to {} that do not come",
                stall.next, stall.high
            ));
        }
        // Nor did they come to the new client, which said why.
        if reading.mailbox.is_unreadable() {
            let halt = unreadable(number, reading.epoch, stall.next, None);
            self.happened(number, Event::Broken(halt));
        }
        None
    }

    /// Warns of a complaint the first time that this client makes it.
    fn say_once(&mut self, code: RDKafkaErrorCode, error: &KafkaError) {
        if self.complaints.contains(&code) {
            tracing::debug!(%error, "Kafka client");
        } else {
            self.complaints.push(code);
            tracing::warn!(%error, "the Kafka client complains; said once for each kind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_skips_and_what_nobody_thought_of_is_told_apart_from_noise() {
        for code in [
            RDKafkaErrorCode::BadMessage,
            RDKafkaErrorCode::BadCompression,
            RDKafkaErrorCode::NotImplemented,
        ] {
            assert_eq!(meaning(code), Meaning::Skipped, "{code}");
        }
        let connection = meaning(RDKafkaErrorCode::BrokerTransportFailure);
        assert_eq!(connection, Meaning::Connection);
        let refused = meaning(RDKafkaErrorCode::TopicAuthorizationFailed);
        assert_eq!(refused, Meaning::Other);
    }
}
