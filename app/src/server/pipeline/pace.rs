//! How fast each partition is read and filled, from offsets alone: both only ever grow by one an event. Also how
//! long nothing was read although there was something, or although Kafka's end is not where it must be.

use super::beyond::{Beyond, Heard};
use super::books::Told;
use collector::cluster::Cluster;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Over how long a pace is measured: long enough to be calm, short enough to follow a change.
const WINDOW: Duration = Duration::from_secs(10);
/// Two moments closer than this say little.
const LEAST: Duration = Duration::from_millis(900);

/// The paces of all partitions.
#[derive(Debug, Default)]
pub struct Paces(BTreeMap<i32, Track>);

/// One partition's offsets over the last seconds.
#[derive(Debug, Default)]
struct Track {
    moments: VecDeque<Moment>,
    /// Since when nothing was read although there was something.
    still_since: Option<Instant>,
    beyond: Beyond,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    at: Instant,
    next: i64,
    end: i64,
}

/// How one partition moves.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[expect(clippy::struct_field_names, reason = "the postfix is the unit")]
pub struct Pace {
    /// Events read a second.
    pub read_per_s: Option<f64>,
    /// Events that arrive a second.
    pub arriving_per_s: Option<f64>,
    /// For how long nothing was read although there was something, in seconds.
    pub still_s: Option<f64>,
    /// For how long every look at the end has shown that it does not reach the stored offset, in seconds.
    pub beyond_s: Option<f64>,
}

impl Paces {
    /// Notes where every partition stands, if both sides were told.
    pub fn note(&mut self, kafka: &Cluster, postgres: &Told) {
        let (Some(leases), Some(told_at)) = (postgres.leases(), postgres.answered_at()) else {
            // Nobody can say whether anything moves.
            for track in self.0.values_mut() {
                track.still_since = None;
                track.beyond = Beyond::default();
            }
            return;
        };
        for partition in &kafka.partitions {
            let lease = leases.iter().find(|row| row.partition == partition.number);
            if let (Some(lease), Some(end), Some(asked)) = (lease, partition.end, partition.asked) {
                let next = lease.lease.next.0;
                let at = Instant::now();
                let track = self.0.entry(partition.number).or_default();
                track.note(Moment { at, next, end });
                let heard = |at, offset| Heard { at, offset };
                track.beyond.note(heard(told_at, next), heard(asked, end));
            }
        }
    }

    /// How a partition moves.
    pub fn of(&self, partition: i32) -> Pace {
        self.0
            .get(&partition)
            .map(|track| track.pace(Instant::now()))
            .unwrap_or_default()
    }
}

impl Track {
    fn note(&mut self, now: Moment) {
        // Another topic, or an operator who went back: what was seen before tells nothing.
        if self
            .moments
            .back()
            .is_some_and(|last| now.next < last.next || now.end < last.end)
        {
            self.moments.clear();
            self.still_since = None;
        }
        let moved = self.moments.back().is_none_or(|last| now.next > last.next);
        if now.next >= now.end || moved {
            self.still_since = None;
        } else {
            self.still_since.get_or_insert(now.at);
        }
        self.moments.push_back(now);
        // One older than the window stays, so that the window is covered.
        while self
            .moments
            .get(1)
            .is_some_and(|second| now.at - second.at >= WINDOW)
        {
            self.moments.pop_front();
        }
    }

    fn pace(&self, now: Instant) -> Pace {
        let still_s = self.still_since.map(|since| (now - since).as_secs_f64());
        let beyond_s = self.beyond.held(now).map(|held| held.as_secs_f64());
        let (Some(first), Some(last)) = (self.moments.front(), self.moments.back()) else {
            return Pace::default();
        };
        let over = last.at - first.at;
        let per_s =
            |from: i64, to: i64| (over >= LEAST).then(|| events(to - from) / over.as_secs_f64());
        Pace {
            read_per_s: per_s(first.next, last.next),
            arriving_per_s: per_s(first.end, last.end),
            still_s,
            beyond_s,
        }
    }
}

/// A number of events to reckon with.
#[expect(
    clippy::cast_precision_loss,
    reason = "a pace needs no more than 52 bits"
)]
pub const fn events(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A track that was noted once a second: (next, end).
    fn track(moments: &[(i64, i64)]) -> (Track, Instant) {
        let mut track = Track::default();
        let mut at = Instant::now();
        for (next, end) in moments {
            at += Duration::from_secs(1);
            track.note(Moment {
                at,
                next: *next,
                end: *end,
            });
        }
        (track, at)
    }

    #[test]
    fn a_pace_is_what_moved_in_the_time() {
        let (track, now) = track(&[(0, 100), (10, 100), (20, 140)]);
        assert_eq!(
            track.pace(now),
            Pace {
                read_per_s: Some(10.0),
                arriving_per_s: Some(20.0),
                still_s: None,
                beyond_s: None
            }
        );
    }

    #[test]
    fn one_moment_is_no_pace() {
        let (track, now) = track(&[(0, 100)]);
        assert_eq!(track.pace(now), Pace::default());
    }

    #[test]
    fn what_was_longer_ago_than_the_window_is_forgotten() {
        let mut moments = vec![(0, 0)];
        moments.extend((0..=12).map(|_| (1000, 1000)));
        let (track, now) = track(&moments);
        assert_eq!(track.pace(now).read_per_s, Some(0.0));
        assert!(track.moments.len() <= 12);
    }

    #[test]
    fn nothing_read_although_there_is_something_is_standing_still() {
        let (waiting, now) = track(&[(5, 9), (5, 9), (5, 12), (5, 12)]);
        assert_eq!(waiting.pace(now).still_s, Some(2.0));
        let (done, now) = track(&[(5, 9), (5, 9), (9, 9)]);
        assert_eq!(done.pace(now).still_s, None);
        let (quiet, now) = track(&[(9, 9), (9, 9), (9, 9)]);
        assert_eq!(quiet.pace(now).still_s, None);
    }

    #[test]
    fn a_topic_that_begins_anew_has_no_negative_pace() {
        let (track, now) = track(&[(100, 100), (100, 100), (0, 3), (3, 3)]);
        assert_eq!(track.pace(now).read_per_s, Some(3.0));
    }
}
