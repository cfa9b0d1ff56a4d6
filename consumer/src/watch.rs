//! Looks around every few seconds: how far Kafka's ends are, whether records come, whether a lease was
//! moved by an operator or another holder, and whether both sides can be reached.

use crate::acquire::{self, ANSWER};
use crate::board::{Shared, Stall, View};
use crate::partition::Event;
use crate::session::{News, Report};
use crate::source::Client;
use domain::NextOffset;
use rdkafka::consumer::Consumer;
use service::outage::Complaint;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often.
const EVERY: Duration = Duration::from_secs(3);
/// Records that Kafka has and does not send for this long will not come from this client. It is longer
/// than any statement may take.
const STALLED_AFTER: Duration = Duration::from_secs(20);

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
    let refused = Complaint::new("looking at the leases");
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        // Each look ends soon by itself, and the client must not be held beyond the session's end.
        tokio::join!(
            look_at_kafka(&shared, &client, &sender, &mut progress),
            look_at_leases(&shared, &sender, &refused)
        );
    }
}

/// Compares the end of each partition of ours with what was stored.
async fn look_at_kafka(
    shared: &Shared,
    client: &Arc<Client>,
    sender: &Sender<News>,
    progress: &mut Progress,
) {
    let mut answer = Ok(());
    // The stored offsets are read first: an end that is asked for afterwards cannot be before them.
    let views = shared.board.views();
    progress.keep(|number| views.get(&number).is_some_and(View::is_running));
    for (number, view) in views {
        match acquire::watermarks(client, &shared.topic, number).await {
            Ok(kafka) => {
                shared.board.ends_at(number, kafka.high);
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
            Err(error) => {
                answer = Err(error);
                break;
            }
        }
    }
    if answer.is_err() || shared.board.views().is_empty() {
        // One leader that is away is no outage: the others take over.
        let topic = shared.topic.clone();
        let ask = move |client: &Client| client.fetch_metadata(Some(&topic), ANSWER);
        answer = acquire::ask(client, ask).await.map(drop);
    }
    match answer {
        Ok(()) => shared.kafka.back(),
        Err(error) => shared.kafka.missing(format!("{error:#}")),
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
    fn an_end_before_the_stored_offset_is_seen_at_once() {
        assert_eq!(looks(&[(0, 5, 4)]), [Seen::EndBefore]);
    }
}
