//! What becomes of events that Kafka does not take: kept on the disk, brought to Kafka when it is back,
//! and told of in the reports, each of them once.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

mod shop;

use collector::{AcceptError, CollectorSettings, Draft, QueueLimits, SpoolSettings};
use domain::receipt::Place;
use domain::report::CollectorReport;
use rdkafka::message::Message;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use shop::{Reader, Shop, brokers, place, read, settings, spooling, until, view};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Longer than one request waits for Kafka and then for a busy disk, and shorter than two would.
const TWO_WAITS: Duration = Duration::from_secs(4);

fn waiting(shop: &Shop) -> u64 {
    shop.collector.spool_state().unwrap().waiting_events
}

/// The books as a reader of the reports keeps them: the highest numbers by reporter.
#[derive(Debug, Default)]
struct Books {
    acknowledged: BTreeMap<(Uuid, Uuid), u64>,
    placed: BTreeMap<(Uuid, Uuid), u64>,
    waiting: Option<u64>,
}

impl Books {
    fn enter(&mut self, report: &CollectorReport) {
        for boot in &report.boots {
            let of = (report.reporter, boot.boot);
            let highest = |n: &mut u64, now: u64| *n = now.max(*n);
            let acknowledged = boot.acknowledged.values().sum();
            highest(self.acknowledged.entry(of).or_default(), acknowledged);
            let placed = boot.places.values().map(|placed| placed.events).sum();
            highest(self.placed.entry(of).or_default(), placed);
        }
        // The spool speaks for itself; what others say of it may be older.
        if let Some(spool) = report.spool.filter(|spool| spool.id == report.reporter) {
            self.waiting = Some(spool.waiting_events);
        }
    }

    /// Acknowledged, placed and waiting events in all.
    fn sums(&self) -> (u64, u64, u64) {
        (
            self.acknowledged.values().sum(),
            self.placed.values().sum(),
            self.waiting.unwrap_or(0),
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_kafka_is_away_events_are_spooled_and_then_drained_in_order() {
    let (kafka, place_on_disk) = (shop::cluster(), tempfile::tempdir().unwrap());
    let shop = Shop::start(spooling(&kafka, place_on_disk.path()));
    let before = shop.accept("Ann").await;
    place(&before);
    brokers(&kafka, false);

    let started = Instant::now();
    let mut spooled = vec![shop.accept("Ann").await];
    assert!(started.elapsed() < TWO_WAITS);
    let started = Instant::now();
    for _ in 0..20 {
        spooled.push(shop.accept("Ann").await);
    }
    assert!(
        started.elapsed() < TWO_WAITS / 2,
        "nobody else waits in vain"
    );
    assert!(
        spooled
            .iter()
            .all(|event| event.receipt.place == Place::Spool)
    );
    let state = shop.collector.spool_state().unwrap();
    assert_eq!(state.waiting_events, 21);
    assert_eq!(state.oldest, Some(spooled[0].receipt.received_at));
    assert_eq!(state.problem, None);
    assert_eq!(shop.collector.place_of(spooled[0].receipt.event_id), None);
    until(
        || shop.part("kafka"),
        |part| part.contains("kept in the spool: 21 wait"),
    )
    .await;
    assert_eq!(shop.part("spool"), "ready");

    brokers(&kafka, true);
    until(|| waiting(&shop), |waiting| *waiting == 0).await;
    let mut last = place(&before);
    for event in &spooled {
        let now = shop.collector.place_of(event.receipt.event_id);
        let Some(Place::Kafka { partition, offset }) = now else {
            panic!("{now:?}");
        };
        assert!((partition, offset) > last, "in order");
        last = (partition, offset);
        assert_eq!(read(&kafka, last).payload().unwrap(), event.json.as_bytes());
    }
    // Live traffic returns by itself.
    assert_ne!(shop.accept("Ann").await.receipt.place, Place::Spool);
    until(|| shop.part("kafka"), |part| part == "ready").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_kafka_did_not_take_of_a_request_is_spooled() {
    let (kafka, folder) = (shop::cluster(), tempfile::tempdir().unwrap());
    let shop = Shop::start(spooling(&kafka, folder.path()));
    shop.accept("warm").await;
    for partition in 0..shop::PARTITIONS {
        let leader = if partition < 2 { 1 } else { 2 };
        kafka
            .partition_leader(shop::TOPIC, partition, Some(leader))
            .unwrap();
    }
    kafka.broker_down(1).unwrap();
    let drafts = (0..100).map(|n| view(&format!("visitor {n}"))).collect();
    let accepted = shop.collector.accept(drafts).await.unwrap();
    let spooled = accepted
        .iter()
        .filter(|event| event.receipt.place == Place::Spool)
        .count();
    assert!((1..100).contains(&spooled), "{spooled} of 100");
    assert_eq!(waiting(&shop), spooled as u64);
    kafka.broker_up(1).unwrap();
    until(|| waiting(&shop), |waiting| *waiting == 0).await;
    // Each of them lies there. What librdkafka still held when the broker came back may lie there twice:
    // then it is the same event at the same time, which becomes one row.
    let (reader, mut seen) = (Reader::new(&kafka), HashMap::new());
    while seen.len() < 101 {
        let record = reader.next_event(&mut Vec::new());
        let (key, json) = (record.key().unwrap(), record.payload().unwrap());
        if let Some(before) = seen.insert(key.to_vec(), json.to_vec()) {
            assert_eq!(before, json);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_the_queue_is_spooled_and_needs_no_room_in_it_later() {
    let (kafka, folder) = (shop::cluster(), tempfile::tempdir().unwrap());
    let shop = Shop::start(CollectorSettings {
        queue: QueueLimits {
            messages: 5,
            bytes: 1 << 20,
        },
        ..spooling(&kafka, folder.path())
    });
    let drafts = (0..20).map(|_| view("Ann")).collect();
    let accepted = shop.collector.accept(drafts).await.unwrap();
    assert!(
        accepted
            .iter()
            .all(|event| event.receipt.place == Place::Spool)
    );
    until(|| waiting(&shop), |waiting| *waiting == 0).await;
    assert_ne!(shop.accept("Ann").await.receipt.place, Place::Spool);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_is_unknown_is_spooled_under_the_same_id_and_time() {
    let (kafka, folder) = (shop::cluster(), tempfile::tempdir().unwrap());
    let shop = Shop::start(spooling(&kafka, folder.path()));
    shop.accept("warm").await;
    // The brokers take what they get and answer too late.
    for broker in 1..=3 {
        kafka
            .broker_round_trip_time(broker, Duration::from_millis(3500))
            .unwrap();
    }
    let spooled = shop.accept("Ann").await;
    assert_eq!(spooled.receipt.place, Place::Spool);
    for broker in 1..=3 {
        kafka
            .broker_round_trip_time(broker, Duration::ZERO)
            .unwrap();
    }
    until(|| waiting(&shop), |waiting| *waiting == 0).await;
    shop.collector.shutdown().await;
    // However many copies there are, they are one event, and the books have one.
    let (reader, mut reports, mut books) = (Reader::new(&kafka), Vec::new(), Books::default());
    let mut copies = 0;
    while copies == 0 || books.sums() != (2, 2, 0) {
        let record = reader.next();
        match CollectorReport::decode(record.payload().unwrap()) {
            Some(report) => reports.push(report.unwrap()),
            None if record.key() == Some(b"Ann") => {
                assert_eq!(record.payload().unwrap(), spooled.json.as_bytes());
                copies += 1;
            }
            None => {}
        }
        for report in reports.drain(..) {
            books.enter(&report);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_process_brings_to_kafka_what_the_last_one_spooled() {
    let (kafka, folder) = (shop::cluster(), tempfile::tempdir().unwrap());
    brokers(&kafka, false);
    let died = Shop::start(spooling(&kafka, folder.path()));
    let drafts = (0..30).map(|n| view(&format!("visitor {n}"))).collect();
    let spooled = died.collector.accept(drafts).await.unwrap();
    let boot = died.collector.boot();
    drop(died);
    brokers(&kafka, true);
    let shop = Shop::start_again(spooling(&kafka, folder.path())).await;
    until(|| waiting(&shop), |waiting| *waiting == 0).await;
    for event in &spooled {
        assert!(shop.collector.place_of(event.receipt.event_id).is_some());
        let json: serde_json::Value = serde_json::from_str(&event.json).unwrap();
        assert_eq!(json["boot"], boot.to_string());
    }
    // The spool tells of the boot that died without a word.
    let (reader, mut books) = (Reader::new(&kafka), Books::default());
    while books.sums() != (30, 30, 0) {
        books.enter(&reader.next_report());
    }
    let told: HashSet<Uuid> = books.placed.keys().map(|(_, boot)| *boot).collect();
    assert_eq!(told, HashSet::from([boot]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_tell_of_every_event_once_and_where_it_lies() {
    let (kafka, folder) = (shop::cluster(), tempfile::tempdir().unwrap());
    let shop = Shop::start(spooling(&kafka, folder.path()));
    let mut accepted = HashSet::new();
    for round in 0..3 {
        let names = (0..40).map(|n| format!("visitor {round} {n}"));
        let drafts = names.map(|name| view(&name)).collect();
        for event in shop.collector.accept(drafts).await.unwrap() {
            accepted.insert(event.receipt.event_id);
        }
        brokers(&kafka, round == 1);
        if round == 1 {
            until(|| waiting(&shop), |waiting| *waiting == 0).await;
        }
    }
    brokers(&kafka, true);
    until(|| waiting(&shop), |waiting| *waiting == 0).await;
    shop.collector.shutdown().await;

    let (reader, mut reports, mut last) = (Reader::new(&kafka), Vec::new(), HashMap::new());
    let mut found = HashSet::new();
    while found.len() < accepted.len() {
        let record = reader.next_event(&mut reports);
        let json: serde_json::Value = serde_json::from_slice(record.payload().unwrap()).unwrap();
        found.insert(json["event_id"].as_str().unwrap().parse().unwrap());
        last.insert(record.partition(), record.offset());
    }
    assert_eq!(found, accepted);
    let mut books = Books::default();
    for report in &reports {
        books.enter(report);
    }
    while books.sums() != (120, 120, 0) {
        let report = reader.next_report();
        books.enter(&report);
        reports.push(report);
    }
    assert_eq!(books.acknowledged, books.placed);
    assert_eq!(books.placed.len(), 2, "the process and its spool");
    for placed in reports
        .iter()
        .flat_map(|r| &r.boots)
        .flat_map(|b| &b.places)
    {
        assert!(placed.1.last.0 <= last[placed.0], "{placed:?}");
    }
    // What waits is told by the spool alone, beside its own totals.
    for report in &reports {
        let is_the_spools = report.reporter != shop.collector.boot();
        assert_eq!(report.spool.is_some(), is_the_spools, "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_comes_within_seconds_and_says_nothing_twice() {
    let kafka = shop::cluster();
    let shop = Shop::start(settings(&kafka));
    shop.accept("Ann").await;
    let reader = Reader::new(&kafka);
    let first = reader.next_report();
    assert_eq!(first.reporter, shop.collector.boot());
    assert_eq!(first.spool, None);
    assert_eq!(first.boots[0].acknowledged.values().sum::<u64>(), 1);
    shop.accept("Ann").await;
    let second = reader.next_report();
    assert_eq!(second.boots[0].acknowledged.values().sum::<u64>(), 2);
    assert!(second.reported_at > first.reported_at);
    let refused = shop
        .collector
        .accept_one(Draft {
            event_type: "collector_report".into(),
            ..view("Ann")
        })
        .await;
    assert!(matches!(refused, Err(AcceptError::Invalid(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_did_not_arrive_is_told_by_the_next() {
    let kafka = shop::cluster();
    let shop = Shop::start(settings(&kafka));
    shop.accept("Ann").await;
    // More than the client tries within the time of one report.
    let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 12];
    kafka.request_errors(RDKafkaApiKey::Produce, &refusals);
    let report = Reader::new(&kafka).next_report();
    assert_eq!(report.boots[0].acknowledged.values().sum::<u64>(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kafka_will_never_take_is_refused_and_stops_nobody() {
    let (kafka, folder) = (shop::cluster(), tempfile::tempdir().unwrap());
    let shop = Shop::start(spooling(&kafka, folder.path()));
    shop.accept("warm").await;
    let refusal = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE];
    kafka.request_errors(RDKafkaApiKey::Produce, &refusal);
    let refused = shop.collector.accept_one(view("Ann")).await;
    assert!(
        matches!(refused, Err(AcceptError::Unavailable { .. })),
        "{refused:?}"
    );
    assert_eq!(waiting(&shop), 0);
    place(&shop.accept("Ann").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_is_unavailable_at_once_and_takes_again_later() {
    let (kafka, folder) = (shop::cluster(), tempfile::tempdir().unwrap());
    let shop = Shop::start(CollectorSettings {
        spool: Some(SpoolSettings {
            folder: folder.path().to_path_buf(),
            max_bytes: 1 << 20,
        }),
        ..settings(&kafka)
    });
    brokers(&kafka, false);
    let request = || {
        shop.collector
            .accept((0..100).map(|_| view("Ann")).collect())
    };
    let is_full = || {
        let problem = shop.collector.spool_state().unwrap().problem;
        problem.is_some_and(|problem| problem.contains("% full"))
    };
    // The disk may be slow; that is no reason to stop here.
    while request().await.is_ok() || !is_full() {}
    let started = Instant::now();
    let refused = request().await.unwrap_err();
    assert!(
        matches!(refused, AcceptError::Unavailable { .. }),
        "{refused}"
    );
    assert!(started.elapsed() < TWO_WAITS / 2);
    until(|| shop.part("spool"), |part| part.contains("% full")).await;
    brokers(&kafka, true);
    until(|| waiting(&shop), |waiting| *waiting == 0).await;
    until(|| shop.part("spool"), |part| part == "ready").await;
    request().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_in_use_is_an_error_at_the_start_that_names_the_setting() {
    let (kafka, folder) = (shop::cluster(), tempfile::tempdir().unwrap());
    let _holder = Shop::start(spooling(&kafka, folder.path()));
    let refused = Shop::try_start(spooling(&kafka, folder.path()));
    let error = format!("{:#}", refused.err().unwrap());
    for part in ["SPOOL_DIR", "used by process", path(folder.path())] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_comes_twice_in_a_request_is_two_acknowledgements() {
    let kafka = shop::cluster();
    let shop = Shop::start(settings(&kafka));
    let draft = Draft {
        event_id: Some(Uuid::from_u128(7)),
        client_id: true,
        ..view("Ann")
    };
    let drafts = vec![draft.clone(), draft.clone()];
    let mut times = HashSet::new();
    for _ in 0..3 {
        for accepted in shop.collector.accept(drafts.clone()).await.unwrap() {
            assert!(times.insert(accepted.receipt.received_at));
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
