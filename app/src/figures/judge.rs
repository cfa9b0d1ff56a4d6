//! What is wrong, in words, from the figures alone. Red is what costs events, or would cost them with the
//! next fault that is expected to be survived: a broker that is down, books that do not close, a partition
//! that nobody reads.

use super::words::{count, list, many, span};
use super::{Books, Figures, Partition, SpoolTold};

/// `min.insync.replicas` of our topic: with fewer, Kafka takes no events.
const MIN_IN_SYNC: usize = 2;
/// A partition that has something to read and is not read for so long stands still. A consumer's successor
/// goes on within 12 s of a kill; until then it does stand still.
const STILL_S: f64 = 5.0;
/// After a change of leader its end may trail what was read before, for a moment. A stored offset that has been beyond
/// the end for so long stays there.
const BEYOND_S: f64 = 5.0;
/// Behind by more than this is worth a word.
const BEHIND_S: f64 = 10.0;
/// A spool in which something waits reports every ten seconds, as long as Kafka takes it. Who was not heard for so
/// long may be gone, with its disk.
const SILENT_S: f64 = 60.0;
/// An event that leaves Kafka within this time needs somebody now.
const LEAVES_SOON_S: f64 = 24.0 * 3600.0;

/// Fills in `balanced`, `problems` and `warnings`. `kafka` is what Kafka's own picture lacks.
pub fn judge(figures: &mut Figures, kafka: Option<&str>) {
    let books = figures.books.as_ref();
    figures.balanced = books.is_some_and(|books| books.lost == 0 && books.difference == 0);
    let mut problems = Vec::new();
    match books {
        Some(books) => about_books(books, &mut problems),
        None => problems.push("Postgres does not answer, so nobody can read the books.".to_owned()),
    }
    about_brokers(figures, &mut problems);
    if let Some(problem) = kafka {
        problems.push(format!("Kafka: {problem}."));
    }
    about_partitions(&figures.partitions, &mut problems);
    if let Some(problem) = figures
        .spool
        .as_ref()
        .and_then(|spool| spool.problem.as_ref())
    {
        problems.push(format!("This process's spool: {problem}."));
    }
    figures.warnings = warnings(figures, kafka.is_none());
    figures.problems = problems;
}

fn about_books(books: &Books, problems: &mut Vec<String>) {
    if books.lost > 0 {
        problems.push(format!(
            "{} that a collector acknowledged {} lost.",
            many(books.lost, "event"),
            are(books.lost)
        ));
    } else if books.difference != 0 {
        problems.push(format!(
            "The books do not close: {} more or less than acknowledged.",
            count(books.difference.unsigned_abs())
        ));
    }
    for spool in books.spools.iter().filter(|spool| spool.gone > 0) {
        problems.push(format!(
            "{} that waited in the spool {} {} gone from its disk.",
            many(spool.gone, "event"),
            spool.id,
            are(spool.gone)
        ));
    }
    if let Some(twice) = books.twice.filter(|twice| twice.found > 0) {
        problems.push(format!(
            "{} of {} looked at {} another row's id.",
            count(twice.found),
            many(twice.among, "row"),
            if twice.found == 1 { "has" } else { "have" }
        ));
    }
}

fn about_brokers(figures: &Figures, problems: &mut Vec<String>) {
    for broker in figures.brokers.iter().filter(|one| one.up == Some(false)) {
        let name = match (broker.id, &broker.address) {
            (Some(id), _) => format!("Broker {id}"),
            (None, Some(address)) => format!("The broker at {address}"),
            (None, None) => "A broker".to_owned(),
        };
        let since = broker
            .down_since
            .map(|since| format!(" since {} UTC", since.format("%H:%M:%S")))
            .unwrap_or_default();
        let reason = broker.reason.as_deref().unwrap_or("it does not answer");
        problems.push(format!("{name} is down{since}: {reason}."));
    }
}

fn about_partitions(partitions: &[Partition], problems: &mut Vec<String>) {
    let which = |fault: &dyn Fn(&Partition) -> bool| -> Vec<i32> {
        let found = partitions.iter().filter(|one| fault(one));
        found.map(|one| one.partition).collect()
    };
    let mut say = |found: &[i32], one: &str, several: &str| match found {
        [] => {}
        [only] => problems.push(format!("Partition {only} {one}.")),
        more => problems.push(format!("Partitions {} {several}.", list(more))),
    };
    say(
        &which(&|one| one.leader.is_none()),
        "has no leader: Kafka takes no events there",
        "have no leader: Kafka takes no events there",
    );
    say(
        &which(&|one| one.leader.is_some() && lacks_copies(one)),
        "has too few complete copies: Kafka takes no events there",
        "have too few complete copies: Kafka takes no events there",
    );
    say(
        &which(&is_beyond_the_end),
        &format!("stands still: its {BEYOND_WORDS}"),
        &format!("stand still: their {BEYOND_WORDS}"),
    );
    let still: Vec<&Partition> = partitions.iter().filter(|one| stands_still(one)).collect();
    if let Some(longest) = still.iter().filter_map(|one| one.still_s).reduce(f64::max) {
        let waiting = still.iter().filter_map(|one| one.lag_events).sum();
        let numbers: Vec<i32> = still.iter().map(|one| one.partition).collect();
        problems.push(format!(
            "Nobody reads partition{} {}: {} for {}. Is the consumer running?",
            if numbers.len() == 1 { "" } else { "s" },
            list(&numbers),
            if waiting == 1 {
                "1 record waits".to_owned()
            } else {
                format!("{} records wait", count(waiting))
            },
            span(longest)
        ));
    }
    for one in partitions.iter().filter(|one| one.missed_events > 0) {
        problems.push(format!(
            "Retention took {} of partition {} before {} read.",
            many(one.missed_events, "event"),
            one.partition,
            if one.missed_events == 1 {
                "it was"
            } else {
                "they were"
            }
        ));
    }
}

fn warnings(figures: &Figures, kafka_answers: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    let short = figures.partitions.iter().filter(|one| {
        one.leader.is_some() && !lacks_copies(one) && one.in_sync.len() < one.replicas.len()
    });
    let short: Vec<i32> = short.map(|one| one.partition).collect();
    match short[..] {
        [] => {}
        [only] => warnings.push(format!(
            "Partition {only} has fewer complete copies than it should; events are still taken."
        )),
        _ => warnings.push(format!(
            "Partitions {} have fewer complete copies than they should; events are still taken.",
            list(&short)
        )),
    }
    if let Some(spool) = figures
        .spool
        .as_ref()
        .filter(|spool| spool.waiting_events > 0)
    {
        warnings.push(format!(
            "{} on this process's disk {} for Kafka.",
            many(spool.waiting_events, "event"),
            if spool.waiting_events == 1 {
                "waits"
            } else {
                "wait"
            }
        ));
    }
    for (spool, silent) in
        silent_spools(figures).filter(|_| kafka_answers && takes_reports(figures))
    {
        warnings.push(format!(
            "The spool {}, in which {} for Kafka, has not reported since {} UTC, for {}. Is its machine gone?",
            spool.id,
            if spool.waiting == 1 {
                "1 event waits".to_owned()
            } else {
                format!("{} events wait", count(spool.waiting))
            },
            spool.reported_at.format("%Y-%m-%d %H:%M:%S"),
            span(silent)
        ));
    }
    if let Some(behind) = figures.lag_s.filter(|lag| *lag > BEHIND_S) {
        warnings.push(format!("Postgres is {} behind.", span(behind)));
    }
    if let Some(left) = figures
        .oldest_leaves_in_s
        .filter(|left| *left < LEAVES_SOON_S)
    {
        warnings.push(if left > 0.0 {
            format!("The oldest unread event leaves Kafka in {}.", span(left))
        } else {
            "The oldest unread event may leave Kafka at any moment.".to_owned()
        });
    }
    warnings
}

/// Whether spools can be heard: their reports go by way of Kafka, and into any of its partitions. A broker that is down
/// may still stand in the picture that Kafka gave last.
fn takes_reports(figures: &Figures) -> bool {
    let down = |id: i32| {
        let mut brokers = figures.brokers.iter();
        brokers.any(|broker| broker.id == Some(id) && broker.up == Some(false))
    };
    let takes = |one: &Partition| {
        let copies = one.in_sync.iter().filter(|id| !down(**id)).count();
        one.leader.is_some_and(|id| !down(id)) && copies >= copies_needed(one)
    };
    !figures.partitions.is_empty() && figures.partitions.iter().all(takes)
}

/// Spools in which something waits and that have said nothing for long, with for how long, in seconds. What they
/// said may lie unread in Kafka: no longer than what is unread does.
fn silent_spools(figures: &Figures) -> impl Iterator<Item = (&SpoolTold, f64)> {
    let spools = figures.books.iter().flat_map(|books| &books.spools);
    let unread = figures.lag_s.unwrap_or_default();
    spools
        .filter(|spool| spool.waiting > 0)
        .filter_map(move |spool| {
            let silent = (figures.at - spool.reported_at).as_seconds_f64();
            (silent - unread > SILENT_S).then_some((spool, silent))
        })
}

/// Whether Kafka refuses events for want of copies.
pub fn lacks_copies(partition: &Partition) -> bool {
    partition.in_sync.len() < copies_needed(partition)
}

fn copies_needed(partition: &Partition) -> usize {
    partition.replicas.len().min(MIN_IN_SYNC)
}

/// What is wrong when Postgres has read more than there is, and who knows the repair.
const BEYOND_WORDS: &str = "stored offset is beyond the end of what Kafka has. The topic was created anew, or Kafka \
    lost its newest records; nothing is skipped by itself, and cargo run -p consumer -- offsets show names the repair";

/// Whether the stored offset lies where Kafka has nothing, so that nobody can read on.
pub fn is_beyond_the_end(partition: &Partition) -> bool {
    partition.beyond_s.is_some_and(|beyond| beyond >= BEYOND_S)
}

/// Whether there is something to read, and nobody reads it.
pub fn stands_still(partition: &Partition) -> bool {
    partition.still_s.is_some_and(|still| still >= STILL_S)
}

const fn are(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

#[cfg(test)]
mod tests {
    use super::super::tests::well;
    use super::super::{Spool, Twice};
    use super::*;
    use chrono::{DateTime, TimeDelta};
    use rstest::rstest;

    /// The figures with a fault in them, judged.
    fn with(fault: impl FnOnce(&mut Figures)) -> Figures {
        let mut figures = well();
        fault(&mut figures);
        judge(&mut figures, None);
        figures
    }

    fn books(figures: &mut Figures) -> &mut Books {
        figures.books.as_mut().unwrap()
    }

    /// A spool that has been silent for so many seconds.
    fn spool(figures: &Figures, waiting: u64, gone: u64, silent: i64) -> SpoolTold {
        SpoolTold {
            id: "0193".into(),
            waiting,
            gone,
            reported_at: figures.at - TimeDelta::seconds(silent),
        }
    }

    #[test]
    fn when_all_is_well_there_is_nothing_to_say() {
        let figures = well();
        assert!(figures.balanced);
        assert_eq!((figures.problems, figures.warnings), (vec![], vec![]));
    }

    #[rstest]
    #[case(|f: &mut Figures| { books(f).lost = 1; books(f).difference = 1 }, "1 event that a collector acknowledged is lost.")]
    #[case(|f: &mut Figures| { books(f).lost = 1200; books(f).difference = 1200 }, "1,200 events that a collector acknowledged are lost.")]
    #[case(|f: &mut Figures| books(f).difference = -3, "The books do not close: 3 more or less than acknowledged.")]
    #[case(|f: &mut Figures| f.books = None, "Postgres does not answer, so nobody can read the books.")]
    fn books_that_do_not_close_do_not_balance(#[case] fault: fn(&mut Figures), #[case] text: &str) {
        let figures = with(fault);
        assert!(!figures.balanced);
        assert_eq!(figures.problems, [text]);
    }

    #[rstest]
    #[case(|f: &mut Figures| books(f).twice = Some(Twice { found: 2, among: 200 }),
        "2 of 200 rows looked at have another row's id.")]
    #[case(|f: &mut Figures| {
        f.brokers[1].up = Some(false);
        f.brokers[1].down_since = Some(DateTime::UNIX_EPOCH);
        f.brokers[1].reason = Some("nobody listens there".into());
    }, "Broker 2 is down since 00:00:00 UTC: nobody listens there.")]
    #[case(|f: &mut Figures| { f.brokers[0].up = Some(false); f.brokers[0].id = None },
        "The broker at 127.0.0.1:19092 is down: it does not answer.")]
    #[case(|f: &mut Figures| f.partitions[1].leader = None,
        "Partition 1 has no leader: Kafka takes no events there.")]
    #[case(|f: &mut Figures| f.partitions.iter_mut().for_each(|p| p.in_sync = vec![1]),
        "Partitions 0 and 1 have too few complete copies: Kafka takes no events there.")]
    #[case(|f: &mut Figures| { f.partitions[0].lag_events = Some(3); f.partitions[0].still_s = Some(6.2) },
        "Nobody reads partition 0: 3 records wait for 6.2 s. Is the consumer running?")]
    #[case(|f: &mut Figures| f.partitions[1].beyond_s = Some(5.0),
        "Partition 1 stands still: its stored offset is beyond the end of what Kafka has. The topic was created anew, \
         or Kafka lost its newest records; nothing is skipped by itself, and cargo run -p consumer -- offsets show \
         names the repair.")]
    #[case(|f: &mut Figures| f.partitions.iter_mut().for_each(|p| p.beyond_s = Some(300.0)),
        "Partitions 0 and 1 stand still: their stored offset is beyond the end of what Kafka has. The topic was \
         created anew, or Kafka lost its newest records; nothing is skipped by itself, and \
         cargo run -p consumer -- offsets show names the repair.")]
    #[case(|f: &mut Figures| f.partitions[0].missed_events = 1,
        "Retention took 1 event of partition 0 before it was read.")]
    #[case(|f: &mut Figures| f.spool = Some(Spool {
        waiting_events: 0, waiting_bytes: 0, max_bytes: 1, oldest: None, problem: Some("it is full".into()),
    }), "This process's spool: it is full.")]
    fn what_is_down_is_said_while_the_books_balance(
        #[case] fault: fn(&mut Figures),
        #[case] text: &str,
    ) {
        let figures = with(fault);
        assert!(figures.balanced);
        assert_eq!(figures.problems, [text]);
        assert_eq!(figures.warnings, [""; 0]);
    }

    #[rstest]
    #[case(|f: &mut Figures| f.partitions[0].in_sync = vec![1, 3],
        "Partition 0 has fewer complete copies than it should; events are still taken.")]
    #[case(|f: &mut Figures| f.lag_s = Some(75.0), "Postgres is 1 min 15 s behind.")]
    #[case(|f: &mut Figures| f.oldest_leaves_in_s = Some(1800.0),
        "The oldest unread event leaves Kafka in 30 min.")]
    #[case(|f: &mut Figures| f.oldest_leaves_in_s = Some(-1.0),
        "The oldest unread event may leave Kafka at any moment.")]
    #[case(|f: &mut Figures| f.spool = Some(Spool {
        waiting_events: 1, waiting_bytes: 700, max_bytes: 1000, oldest: None, problem: None,
    }), "1 event on this process's disk waits for Kafka.")]
    fn what_costs_nothing_yet_is_a_warning(#[case] fault: fn(&mut Figures), #[case] text: &str) {
        let figures = with(fault);
        assert_eq!(figures.problems, [""; 0]);
        assert_eq!(figures.warnings, [text]);
    }

    #[rstest]
    #[case(Some(4.9), true)]
    #[case(Some(5.0), false)]
    #[case(None, true)]
    fn a_moment_without_reading_is_nothing(#[case] still_s: Option<f64>, #[case] fine: bool) {
        let figures = with(|figures| figures.partitions[0].still_s = still_s);
        assert_eq!(figures.problems.is_empty(), fine);
    }

    #[rstest]
    #[case(Some(4.9), true)]
    #[case(Some(5.0), false)]
    #[case(None, true)]
    fn an_end_that_trails_for_a_moment_is_nothing(
        #[case] beyond_s: Option<f64>,
        #[case] fine: bool,
    ) {
        let figures = with(|figures| figures.partitions[0].beyond_s = beyond_s);
        assert_eq!(figures.problems.is_empty(), fine);
    }

    #[test]
    fn what_is_gone_from_a_disk_is_lost_and_the_disk_is_named() {
        let figures = with(|figures| {
            let gone = spool(figures, 0, 2, 9000);
            books(figures).spools = vec![gone];
            books(figures).lost = 2;
            books(figures).difference = 2;
        });
        assert!(!figures.balanced);
        let lost = "2 events that a collector acknowledged are lost.";
        let gone = "2 events that waited in the spool 0193 are gone from its disk.";
        assert_eq!(figures.problems, [lost, gone]);
        assert_eq!(figures.warnings, [""; 0]);
    }

    #[rstest]
    #[case::silent(3, 90, None, Some("3 events wait"))]
    #[case::silent_with_one(1, 90, None, Some("1 event waits"))]
    #[case::just_heard(3, 60, None, None)]
    #[case::its_report_may_be_unread(3, 90, Some(40.0), None)]
    #[case::longer_than_anything_is_unread(3, 90, Some(4.0), Some("3 events wait"))]
    #[case::nothing_waits(0, 90, None, None)]
    fn a_spool_that_went_silent_with_events_is_a_warning(
        #[case] waiting: u64,
        #[case] silent: i64,
        #[case] lag_s: Option<f64>,
        #[case] wait: Option<&str>,
    ) {
        let figures = with(|figures| {
            figures.at = DateTime::UNIX_EPOCH + TimeDelta::seconds(silent);
            figures.lag_s = lag_s;
            let told = spool(figures, waiting, 0, silent);
            books(figures).spools = vec![told];
        });
        assert!(figures.balanced && figures.problems.is_empty());
        let expected = wait.map(|wait| {
            format!(
                "The spool 0193, in which {wait} for Kafka, has not reported since 1970-01-01 00:00:00 UTC, for 1 min 30 s. Is its machine gone?"
            )
        });
        let about_spools = figures.warnings.iter().find(|one| one.contains("0193"));
        assert_eq!(about_spools, expected.as_ref());
    }

    #[rstest]
    #[case::no_leader(|f: &mut Figures| f.partitions[1].leader = None, None)]
    #[case::too_few_copies(|f: &mut Figures| f.partitions[1].in_sync = vec![1], None)]
    #[case::not_seen(|f: &mut Figures| f.partitions.clear(), None)]
    #[case::two_are_down_in_an_old_picture(
        |f: &mut Figures| for broker in &mut f.brokers[1..] { broker.up = Some(false) }, None)]
    #[case::all_are_silent(|_: &mut Figures| {}, Some("no broker answers"))]
    fn a_spool_is_not_called_silent_while_kafka_takes_no_reports(
        #[case] fault: fn(&mut Figures),
        #[case] kafka: Option<&str>,
    ) {
        let named = |fault: fn(&mut Figures), kafka| {
            let mut figures = well();
            let told = spool(&figures, 3, 0, 90);
            books(&mut figures).spools = vec![told];
            fault(&mut figures);
            judge(&mut figures, kafka);
            figures.warnings.iter().any(|one| one.contains("0193"))
        };
        assert!(named(|_| {}, None));
        assert!(!named(fault, kafka));
    }

    #[test]
    fn what_kafka_cannot_tell_is_said() {
        let mut figures = well();
        judge(&mut figures, Some("no broker tells who leads what"));
        assert_eq!(figures.problems, ["Kafka: no broker tells who leads what."]);
    }
}
