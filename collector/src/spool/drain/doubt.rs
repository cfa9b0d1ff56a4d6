//! Whether Kafka will ever take a message. A broker refuses a whole batch for one message in it, or for all of them
//! together, so only a message that is refused again and again when nothing was sent with it is at fault itself.
//! Whoever asks pauses between two tries: live traffic may have shared a try's batch, and an operator may be at
//! the topic's settings just now.

use crate::request::{Outcome, never};
use rdkafka::error::RDKafkaErrorCode;

/// So often a message is sent alone before it is given up.
const TRIES: u32 = 15;

/// What is known of the first message that has not arrived.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    alone: bool,
    refused: u32,
}

/// What the outcomes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All have arrived.
    Arrived,
    /// Kafka is not there for all of them.
    Away,
    /// It is, and has refused some: go on, and ask [`Doubt::sends_alone`].
    Refused,
    /// It will never take the one that was sent.
    Never(RDKafkaErrorCode),
}

impl Doubt {
    /// Whether one message is to be sent and no more.
    pub const fn sends_alone(&self) -> bool {
        self.alone
    }

    /// Judges what became of what was sent.
    pub fn judge(&mut self, outcomes: &[Outcome]) -> Verdict {
        let mut failures = outcomes.iter().filter_map(|outcome| outcome.err());
        let refusal = failures.clone().find(|code| never(*code));
        if failures.any(|code| !never(code)) {
            return Verdict::Away;
        }
        let Some(code) = refusal else {
            self.refused = 0;
            return Verdict::Arrived;
        };
        if outcomes.len() > 1 {
            self.alone = true;
            return Verdict::Refused;
        }
        self.refused += 1;
        if self.refused < TRIES {
            self.alone = true;
            return Verdict::Refused;
        }
        *self = Self::default();
        Verdict::Never(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Delivered;

    const ARRIVED: Outcome = Ok(Delivered {
        partition: 0,
        offset: 0,
    });
    const AWAY: Outcome = Err(RDKafkaErrorCode::MessageTimedOut);
    const TOO_LARGE: Outcome = Err(RDKafkaErrorCode::MessageSizeTooLarge);

    #[test]
    fn a_message_is_given_up_when_it_was_refused_alone_many_times() {
        let never = Verdict::Never(RDKafkaErrorCode::MessageSizeTooLarge);
        let refused: (&[Outcome], Verdict, bool) = (&[TOO_LARGE], Verdict::Refused, true);
        let given_up: (&[Outcome], Verdict, bool) = (&[TOO_LARGE], never, false);
        let all_but_last = || vec![refused; TRIES as usize - 1];
        let steps = [
            vec![
                (&[ARRIVED, ARRIVED][..], Verdict::Arrived, false),
                // Together they were too large, and alone they are not.
                (&[TOO_LARGE, TOO_LARGE], Verdict::Refused, true),
                refused,
                (&[ARRIVED], Verdict::Arrived, true),
            ],
            // One of them is.
            all_but_last(),
            vec![given_up, (&[ARRIVED, AWAY], Verdict::Away, false)],
            // That Kafka was away meanwhile says nothing of the message.
            all_but_last(),
            vec![
                (&[AWAY], Verdict::Away, true),
                (&[TOO_LARGE, AWAY], Verdict::Away, true),
                given_up,
            ],
        ];
        let mut doubt = Doubt::default();
        for (n, (outcomes, verdict, alone)) in steps.concat().into_iter().enumerate() {
            assert_eq!(doubt.judge(outcomes), verdict, "step {n}");
            assert_eq!(doubt.sends_alone(), alone, "step {n}");
        }
    }
}
