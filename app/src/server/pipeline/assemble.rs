//! The figures, from what Kafka, Postgres and this process told. Nothing is asked here, and nothing is made
//! up: a figure whose source is silent is none.

use super::books::Told;
use super::pace::{Pace, Paces, events};
use crate::figures::{Broker, Figures, Partition, Spool, judge::judge};
use chrono::{DateTime, Utc};
use collector::SpoolState;
use collector::cluster::{self, BrokerState, Cluster, Retention};
use store::LeaseRow;

/// Everything that was told.
pub struct Parts<'a> {
    /// Now.
    pub at: DateTime<Utc>,
    /// The topic's name.
    pub topic: &'a str,
    /// Kafka's own picture.
    pub kafka: &'a Cluster,
    /// Postgres' last answer.
    pub postgres: &'a Told,
    /// How fast partitions move.
    pub paces: &'a Paces,
    /// This process's spool.
    pub spool: Option<&'a SpoolState>,
}

/// Puts the figures together.
pub fn assemble(parts: Parts<'_>) -> Figures {
    let Parts {
        at,
        topic,
        kafka,
        postgres,
        paces,
        spool,
    } = parts;
    let leases = postgres.leases();
    let partitions: Vec<Partition> = kafka
        .partitions
        .iter()
        .map(|one| {
            let lease = leases.map(|rows| rows.iter().find(|row| row.partition == one.number));
            partition(one, lease, paces.of(one.number), kafka.retention, at)
        })
        .collect();
    let sum = |figure: fn(&Partition) -> Option<u64>| {
        let all: Option<Vec<u64>> = partitions.iter().map(figure).collect();
        all.filter(|all| !all.is_empty())
            .map(|all| all.iter().sum())
    };
    let paced: Option<Vec<f64>> = partitions.iter().map(|one| one.read_per_s).collect();
    let mut figures = Figures {
        balanced: false,
        at,
        topic: topic.to_owned(),
        problems: Vec::new(),
        warnings: Vec::new(),
        books: postgres.books(),
        views: postgres.views(),
        spool: spool.map(spooled),
        lag_events: sum(|one| one.lag_events),
        lag_s: partitions
            .iter()
            .filter_map(|one| one.lag_s)
            .reduce(f64::max),
        read_per_s: paced
            .filter(|all| !all.is_empty())
            .map(|all| all.iter().sum()),
        oldest_leaves_in_s: partitions
            .iter()
            .filter_map(|one| one.leaves_in_s)
            .reduce(f64::min),
        retention_s: match kafka.retention {
            Retention::Limited(limit) => Some(limit.as_secs()),
            Retention::Unknown | Retention::Unlimited => None,
        },
        brokers: kafka
            .brokers
            .iter()
            .map(|one| broker(one, &kafka.partitions))
            .collect(),
        partitions,
    };
    judge(&mut figures, kafka.problem.as_deref());
    figures
}

/// One partition. The outer none of `lease`: Postgres is silent; the inner: nobody has ever read it.
#[expect(
    clippy::option_option,
    reason = "silence, and a partition without a lease, are two things"
)]
fn partition(
    kafka: &cluster::Partition,
    lease: Option<Option<&LeaseRow>>,
    pace: Pace,
    retention: Retention,
    at: DateTime<Utc>,
) -> Partition {
    let row = lease.flatten();
    let next = row.map(|row| row.lease.next.0);
    // What nobody has ever read waits from the lowest offset on.
    let from = lease.and_then(|row| row.map(|row| row.lease.next.0).or(kafka.low));
    // An end of a moment ago lies before what was read since: then nothing waits. One that must be after it and is
    // not tells of another topic, and nobody knows what of that is unread.
    let beyond_s = pace.beyond_s.map(|held| held.max(last_read_s(row, at)));
    let lag = match beyond_s {
        Some(_) => None,
        None => from.zip(kafka.end).map(|(from, end)| unsigned(end - from)),
    };
    let waits = lag.is_some_and(|lag| lag > 0);
    let moves = pace.read_per_s.is_some_and(|read| read > 0.0);
    let since = if waits {
        oldest_unread(kafka, row, from, moves)
    } else {
        None
    };
    let since = since.map(|since| since.min(at));
    let catch_up_s = match (lag, pace.read_per_s, pace.arriving_per_s) {
        (Some(0), ..) => Some(0.0),
        (Some(lag), Some(read), Some(arriving)) if read > arriving => {
            Some(events(lag.cast_signed()) / (read - arriving))
        }
        _ => None,
    };
    let leaves_in_s = match retention {
        Retention::Limited(limit) => since.map(|since| limit.as_secs_f64() - seconds(at - since)),
        Retention::Unknown | Retention::Unlimited => None,
    };
    Partition {
        partition: kafka.number,
        leader: kafka.leader,
        replicas: kafka.replicas.clone(),
        in_sync: kafka.in_sync.clone(),
        low_offset: kafka.low.map(unsigned),
        end_offset: kafka.end.map(unsigned),
        stored_offset: next.map(unsigned),
        lag_events: lag,
        lag_s: since.map(|since| seconds(at - since)),
        read_per_s: pace.read_per_s,
        arriving_per_s: pace.arriving_per_s,
        catch_up_s,
        still_s: pace.still_s,
        beyond_s,
        holder: row.and_then(|row| row.owner.clone()),
        held_since: row.and_then(|row| row.acquired_at),
        leaves_in_s,
        missed_events: next
            .zip(kafka.low)
            .map_or(0, |(next, low)| unsigned(low - next)),
    }
}

/// How long ago the record that was read last was written; 0 when that is not known. For so long Kafka's end has been
/// behind it, if all is well.
fn last_read_s(row: Option<&LeaseRow>, at: DateTime<Utc>) -> f64 {
    row.and_then(|row| row.lease.last)
        .and_then(|last| DateTime::from_timestamp_millis(last.time_ms))
        .map_or(0.0, |written| seconds(at - written).max(0.0))
}

/// When the oldest unread record was written: exactly where it was looked at. While the consumer `moves`, that
/// look is of a moment ago: then not before it, nor before the record that was read last, which are close.
fn oldest_unread(
    kafka: &cluster::Partition,
    row: Option<&LeaseRow>,
    from: Option<i64>,
    moves: bool,
) -> Option<DateTime<Utc>> {
    let wanted = from?.max(kafka.low.unwrap_or(0));
    let looked_at = kafka.unread.filter(|unread| unread.offset <= wanted);
    match looked_at {
        Some(unread) if unread.offset == wanted => Some(unread.written_at),
        _ if !moves => None,
        earlier => {
            let read_last = row
                .and_then(|row| row.lease.last)
                .and_then(|last| DateTime::from_timestamp_millis(last.time_ms));
            earlier.map(|unread| unread.written_at).max(read_last)
        }
    }
}

fn broker(broker: &cluster::Broker, partitions: &[cluster::Partition]) -> Broker {
    let (up, down_since, reason) = match &broker.state {
        BrokerState::Up => (Some(true), None, None),
        BrokerState::Down { since, reason } => (Some(false), Some(*since), Some(reason.clone())),
        // Kafka knows of it, and nobody knows where it is.
        BrokerState::Unknown if broker.address.is_none() => (
            Some(false),
            None,
            Some("the other brokers do not count it as present".to_owned()),
        ),
        BrokerState::Unknown => (None, None, None),
    };
    let which = |has: &dyn Fn(&cluster::Partition, i32) -> bool| -> Vec<i32> {
        let Some(id) = broker.id else {
            return Vec::new();
        };
        let found = partitions.iter().filter(|one| has(one, id));
        found.map(|one| one.number).collect()
    };
    Broker {
        id: broker.id,
        address: broker.address.clone(),
        up,
        down_since,
        reason,
        leads: which(&|one, id| one.leader == Some(id)),
        holds: which(&|one, id| one.replicas.contains(&id)),
        in_sync: which(&|one, id| one.in_sync.contains(&id)),
    }
}

fn spooled(spool: &SpoolState) -> Spool {
    Spool {
        waiting_events: spool.waiting_events,
        waiting_bytes: spool.waiting_bytes,
        max_bytes: spool.max_bytes,
        oldest: spool.oldest,
        problem: spool.problem.clone(),
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn seconds(span: chrono::TimeDelta) -> f64 {
    span.as_seconds_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use domain::{LastSeen, NextOffset};
    use rstest::rstest;
    use std::time::Duration;
    use store::{Balance, LastRecord, Lease};
    use tokio::time::Instant;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_790_000_000_000).unwrap()
    }

    fn before(seconds: i64) -> DateTime<Utc> {
        now() - TimeDelta::seconds(seconds)
    }

    fn kafka(low: i64, end: i64, unread: Option<(i64, i64)>) -> Cluster {
        Cluster {
            brokers: vec![cluster::Broker {
                id: Some(1),
                address: Some("127.0.0.1:19092".into()),
                state: BrokerState::Up,
            }],
            partitions: vec![cluster::Partition {
                number: 0,
                leader: Some(1),
                replicas: vec![1],
                in_sync: vec![1],
                low: Some(low),
                end: Some(end),
                asked: Some(Instant::now()),
                unread: unread.map(|(offset, seconds)| cluster::Unread {
                    offset,
                    written_at: before(seconds),
                }),
            }],
            retention: Retention::Limited(Duration::from_secs(100)),
            problem: None,
        }
    }

    /// A lease that has read up to `next`, the last record having been written so long ago.
    fn lease(next: i64, last_s: i64) -> LeaseRow {
        LeaseRow {
            partition: 0,
            owner: Some("host:7".into()),
            acquired_at: Some(before(60)),
            lease: Lease {
                epoch: 3,
                next: NextOffset(next),
                last: Some(LastRecord {
                    offset: LastSeen(next - 1),
                    time_ms: before(last_s).timestamp_millis(),
                    hash: 0,
                }),
                cluster_id: "c".into(),
            },
        }
    }

    fn figures(kafka: &Cluster, postgres: &Told) -> Figures {
        figures_at(&Paces::default(), kafka, postgres)
    }

    fn figures_at(paces: &Paces, kafka: &Cluster, postgres: &Told) -> Figures {
        assemble(Parts {
            at: now(),
            topic: "clickstream",
            kafka,
            postgres,
            paces,
            spool: None,
        })
    }

    fn told(leases: Vec<LeaseRow>) -> Told {
        let balance = Balance {
            acknowledged: 7,
            stored: 5,
            in_flight: 2,
            ..Balance::default()
        };
        Told::just_now(balance, leases)
    }

    #[tokio::test]
    async fn a_lag_is_counted_in_events_and_in_seconds() {
        let all = figures(&kafka(0, 9, Some((7, 30))), &told(vec![lease(7, 40)]));
        let one = &all.partitions[0];
        assert_eq!((one.stored_offset, one.end_offset), (Some(7), Some(9)));
        assert_eq!((one.lag_events, one.lag_s), (Some(2), Some(30.0)));
        assert_eq!(one.leaves_in_s, Some(70.0));
        assert_eq!((all.lag_events, all.lag_s), (Some(2), Some(30.0)));
        assert_eq!(all.oldest_leaves_in_s, Some(70.0));
        assert!(all.balanced);
    }

    #[rstest]
    #[case(Some((7, 30)), false, Some(30))]
    #[case(Some((7, 30)), true, Some(30))]
    // While the consumer runs, the record that was looked up is one of a moment ago.
    #[case(Some((5, 31)), true, Some(31))]
    #[case(Some((5, 41)), true, Some(40))]
    #[case(None, true, Some(40))]
    // One that was looked up for a later offset, before an operator went back, tells nothing.
    #[case(Some((8, 1)), true, Some(40))]
    // What was read last, long ago, says nothing about what came since.
    #[case(Some((5, 31)), false, None)]
    #[case(None, false, None)]
    fn a_lag_is_told_exactly_or_not_shorter_than_it_is(
        #[case] unread: Option<(i64, i64)>,
        #[case] moves: bool,
        #[case] since_s: Option<i64>,
    ) {
        let partition = &kafka(0, 9, unread).partitions[0];
        let row = lease(7, 40);
        let since = oldest_unread(partition, Some(&row), Some(7), moves);
        assert_eq!(since, since_s.map(before));
    }

    #[tokio::test]
    async fn a_clock_that_is_behind_makes_no_negative_lag() {
        let all = figures(&kafka(0, 9, Some((7, -5))), &told(vec![lease(7, 40)]));
        assert_eq!(all.partitions[0].lag_s, Some(0.0));
    }

    #[tokio::test]
    async fn without_a_lag_nothing_waits_and_nothing_leaves() {
        let all = figures(&kafka(0, 7, Some((6, 30))), &told(vec![lease(7, 40)]));
        let one = &all.partitions[0];
        assert_eq!((one.lag_events, one.lag_s), (Some(0), None));
        assert_eq!((one.catch_up_s, one.leaves_in_s), (Some(0.0), None));
    }

    #[tokio::test]
    async fn what_nobody_ever_read_waits_from_its_beginning() {
        let all = figures(&kafka(3, 9, None), &told(vec![]));
        let one = &all.partitions[0];
        assert_eq!((one.stored_offset, one.lag_events), (None, Some(6)));
        assert_eq!(one.missed_events, 0);
    }

    #[tokio::test]
    async fn what_retention_took_is_missed() {
        let all = figures(&kafka(10, 12, None), &told(vec![lease(7, 40)]));
        assert_eq!(all.partitions[0].missed_events, 3);
        assert!(
            all.problems[0].starts_with("Retention took 3 events"),
            "{:?}",
            all.problems
        );
    }

    #[rstest]
    // The end was asked for after the offset was known, and the record before that offset was there long ago.
    #[case(true, 9, 40, Some(40.0), None)]
    // It was there a moment ago: a new leader's end may trail.
    #[case(true, 9, 1, Some(1.0), None)]
    #[case(true, 50, 40, None, Some(0))]
    // The end was asked for before.
    #[case(false, 9, 40, None, Some(0))]
    #[tokio::test]
    async fn an_end_that_does_not_reach_what_was_read_is_no_end_of_the_lag(
        #[case] asked_after: bool,
        #[case] end: i64,
        #[case] last_s: i64,
        #[case] beyond_s: Option<f64>,
        #[case] lag: Option<u64>,
    ) {
        let before = kafka(0, end, None);
        let told = told(vec![lease(50, last_s)]);
        let after = kafka(0, end, None);
        let kafka = if asked_after { after } else { before };
        let mut paces = Paces::default();
        paces.note(&kafka, &told);
        let all = figures_at(&paces, &kafka, &told);
        let one = &all.partitions[0];
        assert_eq!(one.beyond_s.map(f64::round), beyond_s);
        assert_eq!((one.lag_events, all.lag_events), (lag, lag));
        let red = beyond_s.is_some_and(|beyond| beyond >= 5.0);
        assert_eq!(all.problems.len(), usize::from(red), "{:?}", all.problems);
        assert_eq!(one.catch_up_s, lag.map(|_| 0.0));
    }

    #[tokio::test]
    async fn while_postgres_is_silent_nothing_is_made_up() {
        let all = figures(&kafka(0, 9, Some((7, 30))), &Told::default());
        let one = &all.partitions[0];
        assert_eq!(
            (one.end_offset, one.stored_offset, one.lag_events),
            (Some(9), None, None)
        );
        assert_eq!(
            (all.books.is_none(), all.balanced, all.lag_events),
            (true, false, None)
        );
    }

    #[tokio::test]
    async fn while_kafka_is_silent_the_books_can_still_be_read() {
        let nothing = Cluster {
            problem: Some("no broker tells who leads what".into()),
            ..Cluster::default()
        };
        let all = figures(&nothing, &told(vec![lease(7, 40)]));
        assert!(all.balanced);
        assert_eq!(all.lag_events, None);
        assert_eq!(all.problems, ["Kafka: no broker tells who leads what."]);
    }

    #[tokio::test]
    async fn a_broker_that_nobody_can_find_is_down() {
        let mut cluster = kafka(0, 0, None);
        cluster.brokers.push(cluster::Broker {
            id: Some(2),
            address: None,
            state: BrokerState::Unknown,
        });
        let all = figures(&cluster, &told(vec![]));
        assert_eq!(all.brokers[0].leads, [0]);
        assert_eq!(all.brokers[1].up, Some(false));
    }
}
