//! No two acknowledgements of the same id carry the same time: whoever meets two copies with one id and
//! one `received_at` knows that they are one acknowledgement, delivered twice, and not a client's retry.
//!
//! So each request takes microseconds of its own from this clock.

use crate::draft::Draft;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use uuid::Uuid;

/// How far the system's clock may step back before this one follows, in microseconds. Until then its
/// times run on in front, one for each request.
const FOLLOW_BACK_US: i64 = 1_000_000;

/// A clock of whole microseconds that gives none of them twice.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The last microsecond that was given away, since 1970.
    last: AtomicI64,
}

impl Clock {
    /// Takes `count` (at least 1) microseconds that begin now, or as soon as they are free; returns the
    /// first.
    pub fn take(&self, count: u32) -> DateTime<Utc> {
        let now = Utc::now();
        let first = |last| first_free(last, now.timestamp_micros());
        let claimed = |last| Some(first(last) + i64::from(count) - 1);
        let before = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, claimed)
            .unwrap_or_else(|last| last);
        DateTime::from_timestamp_micros(first(before)).unwrap_or(now)
    }
}

/// The first free microsecond at `now` when all up to `last` are gone.
fn first_free(last: i64, now: i64) -> i64 {
    if now > last || now < last - FOLLOW_BACK_US {
        now
    } else {
        last + 1
    }
}

/// The time of each draft of one request: the first use of an id has the request's own, the next use the
/// microsecond after, and so on.
pub(crate) fn times(clock: &Clock, drafts: &[Draft]) -> Vec<DateTime<Utc>> {
    let mut uses: HashMap<Uuid, u32> = HashMap::new();
    let later: Vec<u32> = match drafts {
        [_] => vec![0],
        drafts => drafts
            .iter()
            .map(|draft| {
                draft.event_id.map_or(0, |id| {
                    let count = uses.entry(id).or_default();
                    *count += 1;
                    *count - 1
                })
            })
            .collect(),
    };
    let first = clock.take(later.iter().max().map_or(1, |last| last + 1));
    later
        .into_iter()
        .map(|later| first + TimeDelta::microseconds(later.into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::collections::HashSet;

    #[rstest]
    #[case::time_has_passed(10, 11, 11)]
    #[case::the_same_microsecond(10, 10, 11)]
    #[case::a_small_step_back(1_000_010, 10, 1_000_011)]
    #[case::a_large_step_back(1_000_011, 10, 10)]
    #[case::the_first(0, 5, 5)]
    fn a_microsecond_is_given_once(#[case] last: i64, #[case] now: i64, #[case] first: i64) {
        assert_eq!(first_free(last, now), first);
    }

    #[test]
    fn threads_that_ask_at_once_get_times_of_their_own() {
        let clock = Clock::default();
        let times: HashSet<_> = std::thread::scope(|scope| {
            let askers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..5000).map(|_| clock.take(1)).collect::<Vec<_>>()))
                .collect();
            askers.into_iter().flat_map(|a| a.join().unwrap()).collect()
        });
        assert_eq!(times.len(), 20_000);
    }

    #[test]
    fn an_id_that_comes_twice_in_a_request_has_two_times_and_the_next_request_others() {
        let clock = Clock::default();
        let with = |id: u128| Draft {
            event_id: Some(Uuid::from_u128(id)),
            ..Draft::default()
        };
        let drafts = [with(1), with(2), with(1), Draft::default(), with(1)];
        let all = times(&clock, &drafts);
        let later: Vec<_> = all
            .iter()
            .map(|time| (*time - all[0]).num_microseconds())
            .collect();
        assert_eq!(later, [0, 0, 1, 0, 2].map(Some));
        assert!(times(&clock, &drafts)[0] > all[4]);
        assert!(times(&clock, &[]).is_empty());
    }
}
