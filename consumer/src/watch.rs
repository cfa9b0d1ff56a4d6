//! Looks around every few seconds: how far Kafka's ends are, whether records come, whether a lease was
//! moved by an operator or another holder, and whether both sides can be reached.

use crate::acquire;
use crate::board::{Shared, Stall, View};
use crate::partition::Event;
use crate::session::{News, Report};
use crate::source::Client;
use crate::start::Watermarks;
use chrono::Utc;
use domain::NextOffset;
use service::outage::Complaint;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often.
const EVERY: Duration = Duration::from_secs(3);
/// Records that Kafka has and does not send for this long will not come from this client. It is longer
/// than any statement may take.
const STALLED_AFTER: Duration = Duration::from_secs(20);
/// A leader that is away has a successor within this time, or none at all: then Kafka is away, though some
/// of its brokers answer.
const SUCCEEDED_AFTER: Duration = Duration::from_secs(10);
/// Partitions that Kafka is asked about at the same time.
const AT_ONCE: usize = 16;

/// Watches until `stop`.
pub async fn watch(
    shared: Arc<Shared>,
    client: Arc<Client>,
    sender: Sender<News>,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut progress = Progress::default();
    let mut leaders = Leaders::default();
    let refused = Complaint::new("looking at the leases");
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        // Each look ends soon by itself, and the client must not be held beyond the session's end.
        tokio::join!(
            look_at_kafka(&shared, &client, &sender, &mut progress, &mut leaders),
            look_at_leases(&shared, &sender, &refused)
        );
        // Also while Kafka is away: what is known to wait grows older.
        shared.board.show_lag(Utc::now());
    }
}

/// Compares the end of each partition of ours with what was stored, and finds out whether Kafka serves.
async fn look_at_kafka(
    shared: &Shared,
    client: &Arc<Client>,
    sender: &Sender<News>,
    progress: &mut Progress,
    leaders: &mut Leaders,
) {
    // The stored offsets are read first: an end that is asked for afterwards cannot be before them.
    let views = shared.board.views();
    progress.keep(|number| views.get(&number).is_some_and(View::is_running));
    let asked = if views.is_empty() {
        // With no partition of ours, all of them tell whether we could read one.
        match acquire::partitions(client, &shared.topic).await {
            Ok(all) => all,
            Err(error) => return shared.kafka.missing(format!("{error:#}")),
        }
    } else {
        views.keys().copied().collect()
    };
    let at = Utc::now();
    let ends = ends(client, &shared.topic, &asked).await;
    for (number, view) in views {
        let Some(Ok(kafka)) = ends.get(&number) else {
            continue;
        };
        shared.board.ends_at(number, kafka.high, at);
        let Some(next) = view.next.filter(|_| view.is_running()) else {
            continue;
        };
        let news = match progress.seen(number, next, kafka.high, Instant::now()) {
            Seen::Fine => continue,
            // Taking the lease again finds out what that means.
            Seen::EndBefore => News::Partition(Report {
                partition: number,
                generation: None,
                event: Event::ReadAgain,
                wrote: false,
            }),
            Seen::Stalled(stall) => News::Stalled(number, stall),
        };
        let _ = sender.send(news);
    }
    let answers = ends.iter().map(|(number, end)| (*number, end.is_ok()));
    let orphans = leaders.seen(answers, Instant::now());
    if !orphans.is_empty() {
        let why = format!("nobody who leads one of the partitions {orphans:?} answers");
        return shared.kafka.missing(why);
    }
    if ends.values().any(Result::is_ok) {
        return shared.kafka.back();
    }
    // Leaders that are away for a moment are no outage: others take over.
    match acquire::partitions(client, &shared.topic).await {
        Ok(_) => shared.kafka.back(),
        Err(error) => shared.kafka.missing(format!("{error:#}")),
    }
}

/// Asks what Kafka has of these partitions, of many at once: each one whose leader is away takes its time.
async fn ends(
    client: &Arc<Client>,
    topic: &str,
    asked: &[i32],
) -> BTreeMap<i32, anyhow::Result<Watermarks>> {
    let mut ends = BTreeMap::new();
    for some in asked.chunks(AT_ONCE) {
        let mut answers = JoinSet::new();
        for number in some.iter().copied() {
            let (client, topic) = (client.clone(), topic.to_owned());
            answers.spawn(async move {
                let end = acquire::watermarks(&client, &topic, number).await;
                (number, end)
            });
        }
        ends.extend(answers.join_all().await);
    }
    ends
}

/// Since when each partition has had nobody who answers for it.
#[derive(Debug, Default)]
struct Leaders(BTreeMap<i32, Instant>);

impl Leaders {
    /// Judges one look at all partitions that were asked about: which of them have been without a leader for
    /// longer than a change of leaders takes.
    fn seen(&mut self, answers: impl Iterator<Item = (i32, bool)>, now: Instant) -> Vec<i32> {
        let mut silent = BTreeMap::new();
        for (number, answered) in answers {
            if !answered {
                let since = self.0.get(&number).copied().unwrap_or(now);
                silent.insert(number, since);
            }
        }
        self.0 = silent;
        let orphans = self.0.iter();
        orphans
            .filter(|(_, since)| now.duration_since(**since) >= SUCCEEDED_AFTER)
            .map(|(number, _)| *number)
            .collect()
    }
}

/// Reports each lease's epoch to the partition that it is about.
async fn look_at_leases(shared: &Shared, sender: &Sender<News>, refused: &Complaint) {
    match shared.store.leases(&shared.topic).await {
        Ok(rows) => {
            shared.postgres.back();
            refused.over();
            for row in rows {
                let _ = sender.send(News::Partition(Report {
                    partition: row.partition,
                    generation: None,
                    event: Event::LeaseSeen {
                        epoch: row.lease.epoch,
                    },
                    wrote: false,
                }));
            }
        }
        Err(error) => shared.postgres_failed(&error, refused),
    }
}

/// At which offset each partition waits for records, and since when.
#[derive(Debug, Default)]
struct Progress(HashMap<i32, (NextOffset, Instant)>);

/// How a partition does.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// It moves, or has nothing to read.
    Fine,
    /// Kafka's end is before what was stored: the topic is not the same, or lost records.
    EndBefore,
    /// There is something to read, and it does not come.
    Stalled(Stall),
}

impl Progress {
    /// Forgets the partitions that nobody reads now: they wait for something else than Kafka.
    fn keep(&mut self, is_running: impl Fn(i32) -> bool) {
        self.0.retain(|number, _| is_running(*number));
    }

    /// Judges one look at a partition.
    fn seen(&mut self, partition: i32, next: NextOffset, high: NextOffset, now: Instant) -> Seen {
        if high <= next {
            self.0.remove(&partition);
            return if high < next {
                Seen::EndBefore
            } else {
                Seen::Fine
            };
        }
        let (waits_at, since) = self.0.entry(partition).or_insert((next, now));
        if *waits_at != next {
            (*waits_at, *since) = (next, now);
        }
        if now.duration_since(*since) >= STALLED_AFTER {
            return Seen::Stalled(Stall { next, high });
        }
        Seen::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at partition 0 at the given seconds, with its stored offset and its end.
    fn looks(at: &[(u64, i64, i64)]) -> Vec<Seen> {
        let (mut progress, begin) = (Progress::default(), Instant::now());
        at.iter()
            .map(|(second, next, high)| {
                let now = begin + Duration::from_secs(*second);
                progress.seen(0, NextOffset(*next), NextOffset(*high), now)
            })
            .collect()
    }

    #[test]
    fn a_partition_that_moves_or_has_nothing_to_read_is_fine() {
        let seen = looks(&[(0, 5, 5), (30, 5, 5), (60, 5, 9), (70, 7, 9), (85, 8, 99)]);
        assert!(seen.iter().all(|seen| *seen == Seen::Fine), "{seen:?}");
    }

    #[test]
    fn records_that_do_not_come_are_a_stall_after_a_while() {
        let stall = Stall {
            next: NextOffset(5),
            high: NextOffset(9),
        };
        let seen = looks(&[(0, 5, 5), (30, 5, 9), (49, 5, 9), (50, 5, 9), (51, 5, 5)]);
        assert_eq!(seen[2], Seen::Fine);
        assert_eq!(seen[3], Seen::Stalled(stall));
        assert_eq!(seen[4], Seen::Fine);
    }

    #[test]
    fn the_time_in_which_a_partition_was_not_read_is_no_stall() {
        let (mut progress, begin) = (Progress::default(), Instant::now());
        let (next, high) = (NextOffset(5), NextOffset(9));
        assert_eq!(progress.seen(0, next, high, begin), Seen::Fine);
        progress.keep(|_| false);
        let later = begin + Duration::from_mins(1);
        assert_eq!(progress.seen(0, next, high, later), Seen::Fine);
    }

    #[test]
    fn a_partition_without_a_leader_for_longer_than_an_election_is_an_outage() {
        let (mut leaders, begin) = (Leaders::default(), Instant::now());
        let mut look = |second, answers: &[(i32, bool)]| {
            let now = begin + Duration::from_secs(second);
            leaders.seen(answers.iter().copied(), now)
        };
        assert!(look(0, &[(0, true), (1, false), (2, false)]).is_empty());
        assert!(look(5, &[(0, true), (1, true), (2, false)]).is_empty());
        assert_eq!(look(10, &[(0, true), (1, false), (2, false)]), [2]);
        assert!(look(15, &[(0, true), (1, false), (2, true)]).is_empty());
        assert_eq!(look(20, &[(0, true), (1, false)]), [1]);
    }

    #[test]
    fn an_end_before_the_stored_offset_is_seen_at_once() {
        assert_eq!(looks(&[(0, 5, 4)]), [Seen::EndBefore]);
    }
}
