//! The life of one partition in this process: what may happen to it in each state, and what follows.
//!
//! It is read and written only while it is running. Whatever is in doubt (an outcome that is unknown,
//! a lease that moved) leads back to taking the lease, which says where to read on.

use crate::backoff;
use crate::start::{Halt, Start};
use std::time::Duration;

/// How long a fenced holder waits before it takes the lease back. By then the group has told a member
/// that was frozen that the partition is another's, so it does not disturb its successor.
pub const FENCED_PAUSE: Duration = Duration::from_secs(5);

/// Where a partition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The group gave it to us; its lease is being taken.
    Assigned,
    /// It is read and written under this epoch.
    Running {
        /// The lease's epoch.
        epoch: i64,
    },
    /// Another holder has the lease; after a pause it is taken again, if the partition is still ours.
    Fenced,
    /// It stands still until an operator has repaired it.
    Halted(Halt),
    /// The group took it away.
    Revoked,
}

/// What can happen to a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The lease is ours, and says where to read on.
    Granted(Start),
    /// The lease is ours, and reading on would be wrong.
    Refused(Halt),
    /// Postgres did not answer a batch; the rows may be there or not.
    OutcomeUnknown,
    /// A batch found the lease in other hands.
    Fenced,
    /// Postgres or a record says that this build must not go on.
    Broken(Halt),
    /// The lease was seen with this epoch.
    LeaseSeen {
        /// The epoch in the table.
        epoch: i64,
    },
    /// What Kafka sends does not join with what was read: begin again from the stored offset.
    ReadAgain,
    /// The group took it away.
    Revoked,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Read and write from here.
    Read(Start),
    /// Take the lease after a pause.
    Acquire {
        /// The pause.
        after: Duration,
    },
    /// Say loudly what is wrong and how to repair it.
    Shout(Halt),
}

/// What follows from an event. `failures` are those since the last batch that was written.
///
/// Whoever leaves [`State::Running`] stops reading.
#[expect(clippy::match_same_arms, reason = "the table is read state by state")]
pub fn step(state: State, event: Event, failures: u32) -> (State, Action) {
    use Action::{Acquire, Nothing, Read, Shout};
    use State::{Assigned, Fenced, Halted, Revoked, Running};
    match (state, event) {
        (Assigned | Fenced, Event::Granted(start)) => (Running { epoch: start.epoch }, Read(start)),
        (Assigned | Fenced, Event::Refused(halt)) => (Halted(halt.clone()), Shout(halt)),
        // Nothing is being written in these states, so there is nothing that these could be about.
        (
            state @ (Assigned | Fenced),
            Event::OutcomeUnknown
            | Event::Fenced
            | Event::Broken(_)
            | Event::LeaseSeen { .. }
            | Event::ReadAgain,
        ) => (state, Nothing),

        (Running { .. }, Event::OutcomeUnknown | Event::ReadAgain) => (
            Assigned,
            Acquire {
                after: backoff::pause(failures),
            },
        ),
        (Running { .. }, Event::Fenced) => (
            Fenced,
            Acquire {
                after: FENCED_PAUSE,
            },
        ),
        (Running { .. }, Event::Broken(halt)) => (Halted(halt.clone()), Shout(halt)),
        (Running { epoch }, Event::LeaseSeen { epoch: seen }) if seen > epoch => (
            Fenced,
            Acquire {
                after: FENCED_PAUSE,
            },
        ),
        // An older epoch was read before ours was written.
        (state @ Running { .. }, Event::LeaseSeen { .. }) => (state, Nothing),
        // The lease is taken only in other states, and its answer is ignored once it is out of date.
        (state @ Running { .. }, Event::Granted(_) | Event::Refused(_)) => (state, Nothing),

        // Somebody moved the offset: that is the repair.
        (Halted(halt), Event::LeaseSeen { epoch }) if epoch > halt.epoch => (
            Assigned,
            Acquire {
                after: Duration::ZERO,
            },
        ),
        (
            state @ Halted(_),
            Event::Granted(_)
            | Event::Refused(_)
            | Event::OutcomeUnknown
            | Event::Fenced
            | Event::Broken(_)
            | Event::LeaseSeen { .. }
            | Event::ReadAgain,
        ) => (state, Nothing),

        // The end, from anywhere; when the group gives it to us once more, it begins anew.
        (Assigned | Running { .. } | Fenced | Halted(_), Event::Revoked)
        | (
            Revoked,
            Event::Granted(_)
            | Event::Refused(_)
            | Event::OutcomeUnknown
            | Event::Fenced
            | Event::Broken(_)
            | Event::LeaseSeen { .. }
            | Event::ReadAgain
            | Event::Revoked,
        ) => (Revoked, Nothing),
    }
}

impl State {
    /// One word for metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Running { .. } => "running",
            Self::Fenced => "fenced",
            Self::Halted(_) => "halted",
            Self::Revoked => "revoked",
        }
    }

    /// Every word of [`Self::name`] that a partition of ours can have.
    pub const NAMES: [&'static str; 4] = ["assigned", "running", "fenced", "halted"];
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::NextOffset;
    use proptest::prelude::*;
    use rstest::rstest;

    fn start(epoch: i64) -> Start {
        Start {
            epoch,
            next: NextOffset(0),
            verify: None,
        }
    }

    fn halt(epoch: i64) -> Halt {
        Halt {
            epoch,
            reason: "r".into(),
            repair: "c".into(),
        }
    }

    const NOW: Action = Action::Acquire {
        after: Duration::ZERO,
    };
    const LATER: Action = Action::Acquire {
        after: FENCED_PAUSE,
    };
    const RUNNING: State = State::Running { epoch: 4 };

    #[rstest]
    #[case(
        State::Assigned,
        Event::Granted(start(4)),
        RUNNING,
        Action::Read(start(4))
    )]
    #[case(
        State::Fenced,
        Event::Granted(start(4)),
        RUNNING,
        Action::Read(start(4))
    )]
    #[case(
        State::Assigned,
        Event::Refused(halt(4)),
        State::Halted(halt(4)),
        Action::Shout(halt(4))
    )]
    #[case(RUNNING, Event::OutcomeUnknown, State::Assigned, NOW)]
    #[case(RUNNING, Event::ReadAgain, State::Assigned, NOW)]
    #[case(RUNNING, Event::Fenced, State::Fenced, LATER)]
    #[case(RUNNING, Event::LeaseSeen { epoch: 5 }, State::Fenced, LATER)]
    #[case(RUNNING, Event::LeaseSeen { epoch: 4 }, RUNNING, Action::Nothing)]
    #[case(RUNNING, Event::LeaseSeen { epoch: 3 }, RUNNING, Action::Nothing)]
    #[case(
        RUNNING,
        Event::Broken(halt(4)),
        State::Halted(halt(4)),
        Action::Shout(halt(4))
    )]
    #[case(State::Halted(halt(4)), Event::LeaseSeen { epoch: 4 }, State::Halted(halt(4)), Action::Nothing)]
    #[case(State::Halted(halt(4)), Event::LeaseSeen { epoch: 5 }, State::Assigned, NOW)]
    #[case(
        State::Revoked,
        Event::Granted(start(4)),
        State::Revoked,
        Action::Nothing
    )]
    fn each_event_leads_on(
        #[case] state: State,
        #[case] event: Event,
        #[case] then: State,
        #[case] action: Action,
    ) {
        assert_eq!(step(state, event, 0), (then, action));
    }

    /// Every state with every event: where it leads.
    #[test]
    fn every_pair_is_thought_of() {
        let states = [
            State::Assigned,
            RUNNING,
            State::Fenced,
            State::Halted(halt(4)),
            State::Revoked,
        ];
        let table = [
            (
                Event::Granted(start(4)),
                "running running running halted revoked",
            ),
            (
                Event::Refused(halt(4)),
                "halted running halted halted revoked",
            ),
            (
                Event::OutcomeUnknown,
                "assigned assigned fenced halted revoked",
            ),
            (Event::ReadAgain, "assigned assigned fenced halted revoked"),
            (Event::Fenced, "assigned fenced fenced halted revoked"),
            (
                Event::Broken(halt(4)),
                "assigned halted fenced halted revoked",
            ),
            (
                Event::LeaseSeen { epoch: 5 },
                "assigned fenced fenced assigned revoked",
            ),
            (
                Event::LeaseSeen { epoch: 4 },
                "assigned running fenced halted revoked",
            ),
            (Event::Revoked, "revoked revoked revoked revoked revoked"),
        ];
        for (event, leads_to) in table {
            let then: Vec<_> = states
                .iter()
                .map(|state| step(state.clone(), event.clone(), 0).0.name())
                .collect();
            assert_eq!(then.join(" "), leads_to, "{event:?}");
        }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (1_i64..9).prop_map(|e| Event::Granted(start(e))),
            (1_i64..9).prop_map(|e| Event::Refused(halt(e))),
            Just(Event::OutcomeUnknown),
            Just(Event::Fenced),
            (1_i64..9).prop_map(|e| Event::Broken(halt(e))),
            (1_i64..9).prop_map(|epoch| Event::LeaseSeen { epoch }),
            Just(Event::ReadAgain),
            Just(Event::Revoked),
        ]
    }

    proptest! {
        /// Whatever happens: it is read exactly when it begins to run, it never stands without either
        /// running, having its lease on the way, or having said why, and revoked is the end.
        #[test]
        fn a_partition_is_never_forgotten(events in proptest::collection::vec(any_event(), 0..40), failures in 0_u32..50) {
            let mut state = State::Assigned;
            for event in events {
                let was = state.clone();
                let (next, action) = step(state, event, failures);
                match &action {
                    Action::Read(_) => prop_assert_eq!(next.name(), "running"),
                    Action::Acquire { .. } => prop_assert!(["assigned", "fenced"].contains(&next.name())),
                    Action::Shout(_) => prop_assert_eq!(next.name(), "halted"),
                    Action::Nothing => prop_assert!(next == was || next == State::Revoked),
                }
                prop_assert!(was != State::Revoked || next == State::Revoked);
                state = next;
            }
        }
    }
}
