use super::*;

const BOOT: Uuid = Uuid::from_u128(1);
const OLD: Uuid = Uuid::from_u128(2);

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

fn counts(boot: Uuid, events: u32, first: i64) -> Counts {
    let mut counts = Counts::default();
    for n in 0..events {
        counts.add(boot, Source::Shop, at(first + i64::from(n)));
    }
    counts
}

fn taken(boot: Uuid, events: i64) -> impl Iterator<Item = Passed> {
    (0..events).map(move |offset| {
        let at = Delivered {
            partition: 0,
            offset,
        };
        Passed {
            boot,
            source: Source::Shop,
            clicks: Clicks::default(),
            at: Some(at),
        }
    })
}

fn empty() -> Book {
    Book::new(1000, Progress::new(Uuid::from_u128(9)), vec![])
}

#[test]
fn a_segment_goes_only_when_all_of_it_is_in_kafka_and_nobody_writes_to_it() {
    let mut book = empty();
    assert_eq!(book.next(), Next::Wait);
    book.wrote(1, 108, &counts(BOOT, 2, 50));
    book.wrote(1, 208, &counts(BOOT, 2, 60));
    let (number, to) = (1, 208);
    assert_eq!(
        book.next(),
        Next::Read {
            number,
            from: 8,
            to
        }
    );
    book.advance(108, taken(BOOT, 2));
    assert_eq!(
        book.next(),
        Next::Read {
            number,
            from: 108,
            to
        }
    );
    book.advance(208, taken(BOOT, 2));
    assert_eq!(book.next(), Next::Seal { number });
    book.sealed();
    assert_eq!(
        book.next(),
        Next::Finish {
            number,
            damaged: false
        }
    );
    book.finish();
    assert_eq!((book.next(), book.bytes()), (Next::Wait, 0));
    book.wrote(2, 58, &counts(BOOT, 1, 70));
    assert_eq!(
        book.next(),
        Next::Read {
            number: 2,
            from: 8,
            to: 58
        }
    );
}

#[test]
fn the_cap_counts_what_is_promised_and_what_is_not_gone_yet() {
    let mut book = empty();
    book.reserve(600).unwrap();
    assert_eq!(book.reserve(401), Err(Refused::Full { max_bytes: 1000 }));
    book.reserve(400).unwrap();
    book.release(1000);
    book.wrote(1, 900, &counts(BOOT, 1, 0));
    book.advance(900, taken(BOOT, 1));
    assert!(book.reserve(101).is_err(), "the file is still there");
    book.sealed();
    book.finish();
    book.reserve(1000).unwrap();
    book.write_problem = Some(Refused::Disk("gone".into()));
    assert_eq!(book.reserve(1), Err(Refused::Disk("gone".into())));
}

#[test]
fn reports_tell_only_what_is_written_down_and_always_add_up() {
    let mut book = empty();
    book.wrote(1, 108, &counts(BOOT, 5, 0));
    book.advance(58, taken(BOOT, 3));
    let sums = |book: &Book| {
        let (spool, boots) = book.report();
        let placed: u64 = boots
            .iter()
            .flat_map(|boot| boot.places.values().map(|placed| placed.events))
            .sum();
        (
            boots[0].acknowledged[&Source::Shop],
            placed,
            spool.waiting_events,
        )
    };
    assert_eq!(sums(&book), (5, 0, 5));
    assert_eq!(book.waiting_events(), 2);
    book.written(book.unwritten().unwrap());
    assert_eq!(book.unwritten(), None);
    assert_eq!(sums(&book), (5, 3, 2));
    book.wrote(1, 208, &counts(BOOT, 1, 0));
    assert_eq!(sums(&book), (6, 3, 3));
}

#[test]
fn the_next_process_goes_on_with_the_same_totals() {
    let mut progress = Progress::new(Uuid::from_u128(9));
    progress.cursor = Cursor {
        segment: 3,
        position: 58,
    };
    progress
        .boots
        .entry(OLD)
        .or_default()
        .acknowledge(Source::Shop, 4);
    let segments = vec![
        Segment {
            number: 3,
            len: 108,
            damaged: false,
            waiting: counts(OLD, 2, 40),
        },
        Segment {
            number: 5,
            len: 58,
            damaged: true,
            waiting: counts(OLD, 1, 42),
        },
    ];
    let mut book = Book::new(1000, progress, segments);
    assert_eq!((book.waiting_events(), book.waiting_bytes()), (3, 100));
    assert_eq!(book.oldest(), Some(at(40)));
    assert_eq!(
        book.next(),
        Next::Read {
            number: 3,
            from: 58,
            to: 108
        }
    );
    assert_eq!(book.report().1[0].acknowledged[&Source::Shop], 7);
    book.advance(108, taken(OLD, 2));
    assert_eq!(
        book.next(),
        Next::Finish {
            number: 3,
            damaged: false
        }
    );
    book.finish();
    book.advance(58, taken(OLD, 1));
    assert_eq!(
        book.next(),
        Next::Finish {
            number: 5,
            damaged: true
        }
    );
    book.finish();
    assert_eq!((book.waiting_events(), book.oldest()), (0, None));
    let told = book.report().1;
    book.forget_all_but(BOOT, &told);
    assert_eq!(book.report().1.len(), 1, "not written down yet");
    book.written(book.unwritten().unwrap());
    book.forget_all_but(BOOT, &told);
    assert_eq!(book.report().1.len(), 1, "the last ones are not told yet");
    let told = book.report().1;
    book.forget_all_but(BOOT, &told);
    assert!(book.report().1.is_empty());
}

#[test]
fn a_forgotten_boot_counts_no_more_also_while_that_cannot_be_written_down() {
    let mut book = empty();
    book.wrote(1, 108, &counts(OLD, 3, 0));
    book.wrote(1, 208, &counts(BOOT, 2, 10));
    book.advance(208, taken(OLD, 3).chain(taken(BOOT, 2)));
    book.written(book.unwritten().unwrap());
    let told = book.report().1;
    book.forget_all_but(BOOT, &told);
    assert!(
        book.unwritten().is_some(),
        "what the disk still has to take"
    );
    book.wrote(1, 308, &counts(BOOT, 4, 20));
    let (spool, boots) = book.report();
    let told: Vec<_> = boots.iter().map(|boot| boot.boot).collect();
    assert_eq!(told, [BOOT]);
    assert_eq!((spool.waiting_events, book.waiting_events()), (4, 4));
}

#[test]
fn what_is_lost_waits_no_longer_and_is_never_told_to_be_in_kafka() {
    let mut book = empty();
    book.wrote(1, 108, &counts(OLD, 3, 0));
    book.wrote(1, 208, &counts(BOOT, 4, 10));
    // One is set aside, and of the last two nothing can be read.
    let aside = Passed {
        at: None,
        ..taken(OLD, 1).next().unwrap()
    };
    book.advance(208, taken(OLD, 2).chain([aside]).chain(taken(BOOT, 2)));
    assert_eq!(book.waiting_events(), 2);
    assert!(book.is_damaged() && !book.is_damaged(), "news once");
    book.sealed();
    let lost = book.finish();
    assert_eq!(lost.events[&(BOOT, Source::Shop)], 2);
    assert_eq!(lost.total(), 2);
    assert_eq!((book.waiting_events(), book.oldest()), (0, None));
    book.written(book.unwritten().unwrap());
    let (spool, told) = book.report();
    assert_eq!(spool.waiting_events, 0);
    let placed = |boot: &BootReport| boot.places.values().map(|placed| placed.events).sum();
    let sums: Vec<(u64, u64)> = told
        .iter()
        .map(|boot| (boot.acknowledged[&Source::Shop], placed(boot)))
        .collect();
    assert_eq!(sums, [(4, 2), (3, 2)]);
    // What comes later waits as ever, also once the old boot is forgotten.
    book.forget_all_but(BOOT, &told);
    assert_eq!(book.report().1.len(), 1);
    book.written(book.unwritten().unwrap());
    book.wrote(2, 58, &counts(BOOT, 5, 20));
    assert_eq!(
        (book.waiting_events(), book.report().0.waiting_events),
        (5, 5)
    );
}

#[test]
fn it_complains_before_it_is_full() {
    let mut book = empty();
    book.wrote(1, 900, &counts(BOOT, 1, 0));
    assert_eq!(book.problem(), None);
    book.wrote(1, 910, &counts(BOOT, 1, 0));
    assert!(book.problem().unwrap().starts_with("91 % full"));
    book.drain_problem = Some("cannot read".into());
    assert_eq!(book.problem().unwrap(), "cannot read");
}
