//! The spool in a folder of its own, from the first append to the last file's end. A crash is a drop
//! without [`Spool::close`]: nothing more is written then than at a kill.

use super::*;
use crate::message::Message;
use crate::record::tests::record;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::time::Instant;
use store::StoredClicks;

mod faulty;
mod told;

const MIB: u64 = 1 << 20;

fn settings(folder: &Path, max_bytes: u64) -> SpoolSettings {
    SpoolSettings {
        folder: folder.to_path_buf(),
        max_bytes,
    }
}

/// Opens a spool. A program that another test starts holds every lock of this process until it runs.
fn open(folder: &Path) -> Spool {
    let began = Instant::now();
    loop {
        match Spool::open(&settings(folder, 64 * MIB)) {
            Ok(spool) => return spool,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(5), "{error:#}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends the spool as a kill would.
fn crash(spool: Spool) {
    let writer = spool.writer.lock().unwrap().take().unwrap();
    drop(spool);
    writer.join().unwrap();
}

async fn append(spool: &Spool, numbers: std::ops::Range<u32>) -> Result<(), Refused> {
    let records: Vec<_> = numbers.map(record).collect();
    spool.append(&records.iter().collect::<Vec<_>>()).await
}

/// Kafka takes the batch; offsets count on from `next`.
fn take(spool: &Spool, batch: drain::Batch, next: &mut i64) -> Vec<u32> {
    let numbers = batch.records.iter().map(number).collect();
    let places: Vec<_> = batch
        .records
        .iter()
        .map(|_| {
            *next += 1;
            Some(Delivered {
                partition: 0,
                offset: *next - 1,
            })
        })
        .collect();
    spool.advance(batch, &places);
    numbers
}

fn number(record: &Record) -> u32 {
    record.message.event_id.as_u128().try_into().unwrap()
}

/// Everything that waits, in the order in which it comes.
async fn drain(spool: &Spool) -> Vec<u32> {
    let (mut numbers, mut next) = (Vec::new(), 0);
    while spool.is_draining() {
        let batch = spool.next_batch().await;
        numbers.extend(take(spool, batch, &mut next));
    }
    numbers
}

/// The names of the files with this ending.
fn files(folder: &Path, ending: &str) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(ending))
        .collect();
    names.sort();
    names
}

fn segment(folder: &Path) -> std::path::PathBuf {
    let names = files(folder, ".log");
    folder.join(names.last().unwrap())
}

/// Lets the spool do its housekeeping until `done`; fails after 10 s.
async fn housekeeping(spool: &Spool, done: impl Fn() -> bool) {
    let started = Instant::now();
    let work = async {
        loop {
            spool.next_batch().await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    let until_done = async {
        while !done() {
            let waited = started.elapsed();
            assert!(waited < Duration::from_secs(10), "{:?}", spool.state());
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = until_done => {}
    }
}

#[tokio::test]
async fn what_was_answered_survives_a_crash_in_order() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path());
    append(&spool, 0..3).await.unwrap();
    append(&spool, 3..10).await.unwrap();
    let before = spool.state();
    crash(spool);
    let spool = open(place.path());
    assert_eq!(spool.state(), before);
    assert_eq!(before.waiting_events, 10);
    assert_eq!(before.oldest, Some(record(0).received_at));
    append(&spool, 10..12).await.unwrap();
    assert_eq!(drain(&spool).await, (0..12).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_drained_spool_leaves_no_segment_also_the_one_that_was_written_to() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path());
    append(&spool, 0..3).await.unwrap();
    assert_eq!(files(place.path(), ".log").len(), 1);
    assert_eq!(drain(&spool).await, [0, 1, 2]);
    housekeeping(&spool, || files(place.path(), ".log").is_empty()).await;
    assert_eq!(spool.state().waiting_bytes, 0);
    append(&spool, 3..4).await.unwrap();
    assert_eq!(drain(&spool).await, [3]);
    spool.close().await;
    assert_eq!(append(&spool, 4..5).await, Err(Refused::Silent));
}

#[tokio::test]
async fn a_batch_is_bounded_however_much_waits() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path());
    append(&spool, 0..2500).await.unwrap();
    let (mut sizes, mut next) = (Vec::new(), 0);
    while spool.is_draining() {
        let batch = spool.next_batch().await;
        sizes.push(take(&spool, batch, &mut next).len());
    }
    assert_eq!(sizes, [1000, 1000, 500]);
}

#[tokio::test]
async fn the_torn_end_of_a_write_is_cut_off_at_every_byte() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path());
    append(&spool, 0..2).await.unwrap();
    let whole = fs::read(segment(place.path())).unwrap();
    append(&spool, 2..3).await.unwrap();
    let all = fs::read(segment(place.path())).unwrap();
    crash(spool);
    let name = segment(place.path());
    for cut in whole.len()..all.len() {
        fs::write(&name, &all[..cut]).unwrap();
        let spool = open(place.path());
        assert_eq!(spool.state().waiting_events, 2, "cut at {cut}");
        crash(spool);
        assert_eq!(fs::read(&name).unwrap(), whole);
    }
    for nothing in [&[][..], &all[..4], &[0; 5000]] {
        fs::write(&name, nothing).unwrap();
        crash(open(place.path()));
        assert!(files(place.path(), ".log").is_empty(), "nothing is kept");
    }
    assert!(files(place.path(), ".damaged").is_empty());
}

#[tokio::test]
async fn a_damaged_segment_delivers_what_can_be_read_and_is_kept_aside() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path());
    append(&spool, 0..5).await.unwrap();
    crash(spool);
    let mut bytes = fs::read(segment(place.path())).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(segment(place.path()), &bytes).unwrap();
    let spool = open(place.path());
    assert_eq!(spool.state().waiting_events, 4);
    assert_eq!(drain(&spool).await, [0, 1, 3, 4]);
    housekeeping(&spool, || files(place.path(), ".log").is_empty()).await;
    let aside = files(place.path(), ".damaged");
    assert_eq!(fs::read(place.path().join(&aside[0])).unwrap(), bytes);
    append(&spool, 5..6).await.unwrap();
    assert_ne!(
        files(place.path(), ".log")[0][..20],
        aside[0][..20],
        "a number of its own"
    );
}

#[tokio::test]
async fn a_file_that_shrinks_meanwhile_stops_nothing() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path());
    append(&spool, 0..5).await.unwrap();
    crash(spool);
    let spool = open(place.path());
    let half = fs::metadata(segment(place.path())).unwrap().len() / 2;
    let file = fs::File::options().write(true).open(segment(place.path()));
    file.unwrap().set_len(half).unwrap();
    let batch = spool.next_batch().await;
    assert_eq!(take(&spool, batch, &mut 0), [0, 1]);
    housekeeping(&spool, || files(place.path(), ".damaged").len() == 1).await;
    let state = spool.state();
    assert_eq!((state.waiting_events, state.oldest), (0, None));
    let (report, boots) = spool.report().await;
    assert_eq!(report.waiting_events, 0);
    assert_eq!(boots[0].acknowledged.values().sum::<u64>(), 5);
    assert_eq!(boots[0].places[&0].events, 2, "three are lost");
    append(&spool, 5..7).await.unwrap();
    assert_eq!(drain(&spool).await, [5, 6]);
}

#[tokio::test]
async fn what_becomes_unreadable_meanwhile_is_lost_and_neither_waits_nor_counts_any_more() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path());
    let counters = Arc::new(Counters::new(true));
    counters.synchronise(&StoredClicks {
        clicks: vec![0; 3],
        next: vec![],
    });
    spool.tell(Arc::clone(&counters));
    let buys: Vec<_> = (0..4).map(buy).collect();
    let buys: Vec<_> = buys.iter().collect();
    spool.append(&buys).await.unwrap();
    assert_eq!(counters.totals(), Some(Clicks::of("buy", 4)));
    let mut bytes = fs::read(segment(place.path())).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(segment(place.path()), bytes).unwrap();

    let batch = spool.next_batch().await;
    assert_eq!(take(&spool, batch, &mut 0).len(), 3);
    housekeeping(&spool, || files(place.path(), ".damaged").len() == 1).await;

    assert_eq!(spool.state().waiting_events, 0);
    // The three that can be read were brought on by this test, which tells the counters nothing.
    assert_eq!(counters.totals(), Some(Clicks::of("buy", 3)));
    // Once all is written down and told, nothing is left to be said of that boot.
    let told = spool.report().await.1;
    spool.reported(Uuid::from_u128(77), &told);
    assert_eq!(spool.report().await.1, []);
}

/// A click on "buy" of this number.
fn buy(number: u32) -> Record {
    let message = Message::new(
        Uuid::from_u128(number.into()),
        "buy",
        "Ann",
        format!(r#"{{"count":1,"number":{number}}}"#),
    );
    Record {
        message: Arc::new(message),
        ..record(number)
    }
}

#[tokio::test]
async fn at_its_cap_it_refuses_and_takes_again_when_a_segment_has_gone() {
    let place = tempfile::tempdir().unwrap();
    let spool = Spool::open(&settings(place.path(), MIB)).unwrap();
    let mut taken = 0;
    let refused = loop {
        match append(&spool, taken..taken + 100).await {
            Ok(()) => taken += 100,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, Refused::Full { max_bytes: MIB });
    let problem = spool.state().problem.unwrap();
    assert!(problem.contains("% full"), "{problem}");
    assert!(files(place.path(), ".log").len() >= 8, "in small segments");
    assert_eq!(drain(&spool).await, (0..taken).collect::<Vec<_>>());
    housekeeping(&spool, || spool.state().problem.is_none()).await;
    append(&spool, 0..100).await.unwrap();
}

#[tokio::test]
async fn the_next_process_goes_on_where_the_last_one_had_written_down_that_it_was() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path());
    append(&spool, 0..1500).await.unwrap();
    let (id, mut next) = (spool.report().await.0.id, 0);
    let batch = spool.next_batch().await;
    take(&spool, batch, &mut next);
    // The first batch is reported, the second is with Kafka when the process dies.
    let (state, boots) = spool.report().await;
    assert_eq!((state.id, state.waiting_events), (id, 500));
    assert_eq!(boots[0].places[&0].events, 1000);
    let batch = spool.next_batch().await;
    take(&spool, batch, &mut next);
    crash(spool);
    let spool = open(place.path());
    let (state, boots) = spool.report().await;
    assert_eq!((state.id, state.waiting_events), (id, 500));
    assert_eq!(boots[0].acknowledged.values().sum::<u64>(), 1500);
    assert_eq!(boots[0].places[&0].events, 1000);
    assert_eq!(drain(&spool).await, (1000..1500).collect::<Vec<_>>());
    let (state, boots) = spool.report().await;
    assert_eq!(
        (state.waiting_events, boots[0].places[&0].events),
        (0, 1500)
    );
}

#[tokio::test]
async fn progress_that_cannot_be_understood_means_from_the_beginning() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path());
    append(&spool, 0..5).await.unwrap();
    assert_eq!(drain(&spool).await.len(), 5);
    spool.report().await;
    crash(spool);
    fs::write(place.path().join(PROGRESS), "{").unwrap();
    assert_eq!(drain(&open(place.path())).await, [0, 1, 2, 3, 4]);
}

/// What can happen to a spool.
#[derive(Debug, Clone, Copy)]
enum Step {
    Append(u32),
    Take,
    Report,
    Crash,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_happens_all_is_delivered_in_order_and_told_once(
        steps in proptest::collection::vec(
            prop_oneof![
                (1..700u32).prop_map(Step::Append),
                Just(Step::Take),
                Just(Step::Report),
                Just(Step::Crash),
            ],
            0..20,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let place = tempfile::tempdir().unwrap();
            let mut spool = open(place.path());
            let (mut appended, mut offset, mut delivered) = (0, 0, Vec::new());
            // What has been told, as whoever reads the reports keeps it: the highest numbers.
            let mut told = 0;
            for step in steps {
                match step {
                    Step::Append(count) => {
                        append(&spool, appended..appended + count).await.unwrap();
                        appended += count;
                    }
                    Step::Take if spool.is_draining() => {
                        let batch = spool.next_batch().await;
                        delivered.extend(take(&spool, batch, &mut offset));
                    }
                    Step::Take => {}
                    Step::Report => told = told.max(placed(&spool).await),
                    Step::Crash => {
                        crash(spool);
                        spool = open(place.path());
                    }
                }
            }
            while spool.is_draining() {
                let batch = spool.next_batch().await;
                delivered.extend(take(&spool, batch, &mut offset));
            }
            // A crash repeats what was not written down, and never skips.
            let mut expected = 0;
            for number in delivered {
                assert!(number <= expected, "{number} before {expected}");
                expected = expected.max(number + 1);
            }
            assert_eq!(expected, appended);
            told = told.max(placed(&spool).await);
            assert_eq!(told, u64::from(appended));
        });
    }
}

/// How many events lie in Kafka by the spool's own report.
async fn placed(spool: &Spool) -> u64 {
    let (state, boots) = spool.report().await;
    let acknowledged: u64 = boots.iter().flat_map(|b| b.acknowledged.values()).sum();
    let placed = boots.iter().flat_map(|b| b.places.values());
    let placed = placed.map(|placed| placed.events).sum();
    assert_eq!(acknowledged, placed + state.waiting_events);
    placed
}
