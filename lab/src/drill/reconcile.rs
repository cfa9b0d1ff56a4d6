//! What the clients hold in their hands against what the database says: pure, and the judge of every case.

use super::books::Books;
use super::ledger::{Entry, longest_pause};
use super::load::Experience;
use domain::Source;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;
use uuid::Uuid;

/// What a case does on purpose that other cases must not.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// An app was killed: what it acknowledged in its last second, nobody has counted for it.
    pub app_killed: bool,
    /// The events of collectors in the records that an operator gave up, with the command that a halt printed: an
    /// id for each record. The books must say so of each that is nowhere else.
    pub given_up: Vec<Uuid>,
    /// Ids that come from elsewhere than the clients.
    pub others: HashSet<Uuid>,
}

/// A case in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Different events that were acknowledged to the clients.
    pub acknowledged: usize,
    /// Of them, rows.
    pub stored: usize,
    /// Of them, neither a row, nor a reject, nor given up on purpose.
    pub lost: usize,
    /// Rows too many, of whatever event.
    pub twice: usize,
    /// The longest time in which no client was acknowledged.
    pub pause: Duration,
    /// The longest time in which no row was written.
    pub rows_pause: Duration,
}

/// Whether one thing is as it must be, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub good: bool,
    pub what: String,
}

impl Check {
    pub fn new(good: bool, what: impl Into<String>) -> Self {
        Self {
            good,
            what: what.into(),
        }
    }
}

/// Compares.
pub fn reconcile(
    ledger: &[Entry],
    experience: &Experience,
    books: &Books,
    allowed: &Allowed,
) -> (Figures, Vec<Check>) {
    let acknowledged: HashSet<Uuid> = ledger.iter().map(|entry| entry.id).collect();
    let rejected: HashSet<Uuid> = books.rejected.iter().filter_map(|raw| id_of(raw)).collect();
    let stored = acknowledged
        .iter()
        .filter(|id| books.rows.contains_key(id))
        .count();
    let missing: Vec<&Uuid> = acknowledged
        .iter()
        .filter(|id| !books.rows.contains_key(id) && !rejected.contains(id))
        .collect();
    // Given up: not lost without a word, if the books have that word.
    let (excused, lost): (Vec<&Uuid>, Vec<&Uuid>) =
        missing.iter().partition(|id| allowed.given_up.contains(id));
    let twice: u32 = books.rows.values().map(|rows| rows - 1).sum();
    let figures = Figures {
        acknowledged: acknowledged.len(),
        stored,
        lost: lost.len(),
        twice: twice as usize,
        pause: longest_pause(ledger),
        rows_pause: books.longest_pause,
    };
    let mut checks = vec![
        Check::new(
            figures.lost == 0,
            format!(
                "every acknowledged event is a row or a reject; {} are not, {} of them given up on purpose{}",
                missing.len(),
                excused.len(),
                some(&lost)
            ),
        ),
        expired(excused.len(), books, allowed),
        Check::new(twice == 0, format!("no event is a row twice; {twice} are")),
        Check::new(
            experience.wrong.is_empty(),
            format!(
                "every answer was one of those promised; not so: {} {:?}",
                experience.wrong.len(),
                experience.wrong.first()
            ),
        ),
        Check::new(
            experience.given_up == 0,
            format!(
                "every client had its events acknowledged in the end; {} gave up",
                experience.given_up
            ),
        ),
        strangers(experience, books, &acknowledged, allowed),
        told(experience),
    ];
    for (what, lines) in &books.disagreements {
        checks.push(Check::new(*lines == 0, format!("{what}: {lines}")));
    }
    checks.extend(balance(ledger, experience, books, allowed));
    (figures, checks)
}

/// What was given up is counted as that, and nothing else is.
fn expired(excused: usize, books: &Books, allowed: &Allowed) -> Check {
    let (expired, most) = (books.balance.expired, allowed.given_up.len());
    Check::new(
        (excused as u64..=most as u64).contains(&expired),
        format!("expired: {expired}, at least {excused} and at most {most}"),
    )
}

/// What else the clients met: nothing that must not be, but worth knowing where something else is wrong.
fn told(experience: &Experience) -> Check {
    let Experience {
        refused,
        unknown,
        unreached,
        ..
    } = experience;
    let reasons: BTreeMap<(usize, &str), usize> =
        unknown.iter().fold(BTreeMap::new(), |mut reasons, one| {
            *reasons.entry((one.door, one.reason.as_str())).or_default() += 1;
            reasons
        });
    Check::new(
        true,
        format!(
            "clients were told to come again {refused:?} (status, app), had no answer {reasons:?}, and met nobody {unreached} times"
        ),
    )
}

/// No row may have an id that nobody sent.
fn strangers(
    experience: &Experience,
    books: &Books,
    acknowledged: &HashSet<Uuid>,
    allowed: &Allowed,
) -> Check {
    let strangers: Vec<&Uuid> = books
        .client_rows
        .iter()
        .filter(|id| {
            !experience.tried.contains(id)
                && !acknowledged.contains(id)
                && !allowed.others.contains(id)
        })
        .collect();
    Check::new(
        strangers.is_empty(),
        format!(
            "no row has an id that no client sent; {} have{}",
            strangers.len(),
            some(&strangers)
        ),
    )
}

/// The balance by the collectors' own reports, against itself and against the ledger.
fn balance(
    ledger: &[Entry],
    experience: &Experience,
    books: &Books,
    allowed: &Allowed,
) -> Vec<Check> {
    let b = &books.balance;
    let mut heard: BTreeMap<Source, u64> = BTreeMap::new();
    for entry in ledger {
        *heard.entry(entry.source).or_default() += 1;
    }
    let unanswered: u64 = experience.unknown.iter().map(|one| one.events).sum();
    let unknown = unanswered + experience.refused_events;
    // Whatever was counted, somebody has sent and heard of, or does not know of: a copy that is counted as another
    // event, or an acknowledgement that is counted nowhere, falls out of this.
    let known = b.acknowledged + b.unreported;
    let least: u64 = heard.values().sum();
    let most = least + unknown;
    let reported = |source: Source| {
        let name = source.as_str();
        let found = b.by_source.iter().find(|(other, _)| other == name);
        found.map_or(0, |(_, events)| *events)
    };
    let mut checks = vec![
        Check::new(b.lost == 0, format!("the balance says lost = {}", b.lost)),
        Check::new(
            b.in_flight == 0 && b.spooled == 0,
            format!(
                "all is quiet: in flight {}, spooled {}",
                b.in_flight, b.spooled
            ),
        ),
        Check::new(
            (least..=most).contains(&known),
            format!(
                "acknowledged {} + unreported {} (stored {}, duplicate {}, rejected {}, expired {}, lost {}), the clients heard {least} (and {unknown} refused or without an answer)",
                b.acknowledged, b.unreported, b.stored, b.duplicate, b.rejected, b.expired, b.lost
            ),
        ),
    ];
    if !allowed.app_killed {
        for (source, heard) in heard {
            let reported = reported(source);
            // What has no answer, or came too late for one, may have been kept all the same.
            let most = heard + unknown;
            checks.push(Check::new(
                (heard..=most).contains(&reported),
                format!(
                    "by {}: reported {reported} acknowledgements, heard {heard} (and {unknown} refused or without an answer)",
                    source.as_str()
                ),
            ));
        }
    }
    checks
}

/// The event's id in a raw message.
pub fn id_of(raw: &[u8]) -> Option<Uuid> {
    let value: Value = serde_json::from_slice(raw).ok()?;
    value["event_id"].as_str()?.parse().ok()
}

/// A few of them, to look for.
fn some(ids: &[&Uuid]) -> String {
    match ids {
        [] => String::new(),
        ids => format!(", such as {:?}", &ids[..ids.len().min(3)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::collections::HashMap;
    use store::Balance;

    const ID: [Uuid; 3] = [Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)];

    fn heard(id: Uuid) -> Entry {
        Entry {
            at: Duration::from_millis(5),
            client: 0,
            door: 0,
            source: Source::Event,
            id,
        }
    }

    /// Three events, sent, acknowledged, stored and counted.
    fn good() -> (Vec<Entry>, Experience, Books, Allowed) {
        let experience = Experience {
            tried: ID.into(),
            ..Experience::default()
        };
        let books = Books {
            rows: ID.map(|id| (id, 1)).into(),
            client_rows: ID.to_vec(),
            rejected: Vec::new(),
            longest_pause: Duration::ZERO,
            disagreements: vec![("sums", 0)],
            balance: Balance {
                by_source: vec![("event".to_owned(), 3)],
                acknowledged: 3,
                stored: 3,
                ..Balance::default()
            },
        };
        (
            ID.map(heard).to_vec(),
            experience,
            books,
            Allowed::default(),
        )
    }

    type Case = (Vec<Entry>, Experience, Books, Allowed);

    fn judge((ledger, experience, books, allowed): &Case) -> (Figures, Vec<String>) {
        let (figures, checks) = reconcile(ledger, experience, books, allowed);
        let bad = checks.into_iter().filter(|check| !check.good);
        (figures, bad.map(|check| check.what).collect())
    }

    fn with(change: impl FnOnce(&mut Case)) -> Case {
        let mut case = good();
        change(&mut case);
        case
    }

    #[test]
    fn what_is_as_it_must_be_is_not_complained_of() {
        let (figures, bad) = judge(&good());
        assert_eq!(bad, Vec::<String>::new());
        assert_eq!((figures.acknowledged, figures.stored), (3, 3));
    }

    #[rstest]
    #[case::an_acknowledged_event_without_a_row(with(|c| {
        c.2.rows.remove(&ID[1]);
        c.2.client_rows.remove(1);
    }), "every acknowledged event")]
    #[case::a_row_twice(with(|c| { c.2.rows.insert(ID[0], 2); }), "twice")]
    #[case::a_row_that_nobody_sent(with(|c| c.2.client_rows.push(Uuid::from_u128(9))), "no client sent")]
    #[case::an_answer_that_must_not_be(with(|c| c.1.wrong.push("400".to_owned())), "every answer")]
    #[case::a_client_that_gave_up(with(|c| c.1.given_up = 1), "gave up")]
    #[case::sums_that_disagree(with(|c| c.2.disagreements[0].1 = 2), "sums: 2")]
    #[case::a_loss_by_the_collectors_word(with(|c| c.2.balance.lost = 1), "lost = 1")]
    #[case::something_on_its_way(with(|c| c.2.balance.in_flight = 1), "in flight 1")]
    #[case::more_counted_than_anybody_heard(with(|c| {
        c.2.balance.duplicate = 1;
        c.2.balance.unreported = 1;
    }), "acknowledged 3 + unreported 1")]
    #[case::less_counted_than_was_heard(with(|c| {
        c.2.balance.acknowledged = 2;
        c.2.balance.stored = 2;
        c.3.app_killed = true;
    }), "acknowledged 2 + unreported 0")]
    #[case::more_reported_than_heard(with(|c| c.2.balance.by_source[0].1 = 4), "reported 4")]
    #[case::less_reported_than_heard(with(|c| c.2.balance.by_source[0].1 = 2), "reported 2")]
    #[case::given_up_by_nobody(with(|c| {
        c.2.balance.expired = 1;
        c.2.balance.acknowledged = 4;
    }), "expired: 1, at least 0 and at most 0")]
    #[case::given_up_and_not_in_the_books(with(|c| {
        c.2.rows.remove(&ID[2]);
        c.2.client_rows.pop();
        c.3.given_up = vec![ID[2]];
    }), "expired: 0, at least 1 and at most 1")]
    #[case::another_one_than_was_given_up(with(|c| {
        c.2.rows.remove(&ID[1]);
        c.2.client_rows.remove(1);
        c.2.balance.stored = 2;
        c.2.balance.expired = 1;
        c.3.given_up = vec![ID[2]];
    }), "every acknowledged event")]
    fn what_is_not_is(#[case] case: Case, #[case] complaint: &str) {
        let (_, bad) = judge(&case);
        assert!(bad.iter().any(|what| what.contains(complaint)), "{bad:?}");
    }

    #[test]
    fn a_reject_is_no_loss_and_what_an_operator_gave_up_is_none_either() {
        let rejected = with(|(_, _, books, _)| {
            books.rows.remove(&ID[2]);
            books.client_rows.pop();
            let raw = format!(r#"{{"event_id":"{}"}}"#, ID[2]);
            books.rejected.push(raw.into_bytes());
            books.balance.stored = 2;
            books.balance.rejected = 1;
        });
        let (figures, bad) = judge(&rejected);
        assert_eq!((figures.lost, figures.stored), (0, 2), "{bad:?}");
        assert_eq!(bad, Vec::<String>::new());

        let expired = with(|(_, _, books, allowed)| {
            books.rows = HashMap::from([(ID[0], 1), (ID[1], 1)]);
            books.client_rows.pop();
            books.balance.stored = 2;
            books.balance.expired = 1;
            allowed.given_up = vec![ID[2], ID[0]];
        });
        let (figures, bad) = judge(&expired);
        assert_eq!(figures.lost, 0);
        assert_eq!(bad, Vec::<String>::new());
    }

    #[test]
    fn a_collectors_report_is_nobodys_event() {
        let report = domain::report::CollectorReport {
            reporter: ID[0],
            reported_at: chrono::DateTime::UNIX_EPOCH,
            spool: None,
            boots: Vec::new(),
        };
        assert_eq!(id_of(&report.encode()), None);
        let event = format!(r#"{{"type":"click","event_id":"{}"}}"#, ID[1]);
        assert_eq!(id_of(event.as_bytes()), Some(ID[1]));
    }

    #[test]
    fn a_killed_app_may_have_acknowledged_more_than_it_reported() {
        let killed = with(|(_, _, books, allowed)| {
            books.balance.by_source[0].1 = 2;
            books.balance.acknowledged = 2;
            books.balance.unreported = 1;
            allowed.app_killed = true;
        });
        assert_eq!(judge(&killed).1, Vec::<String>::new());
    }
}
