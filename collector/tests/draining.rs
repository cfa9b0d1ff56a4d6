//! What an outage left on the disk is brought to Kafka beside the live traffic, not before it: visitors do not
//! wait for a backlog.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

mod shop;

use collector::Draft;
use domain::receipt::Place;
use shop::{Shop, brokers, spooling, until, view};
use std::time::{Duration, Instant};

/// Events of the outage: work for some forty of the drain's batches.
const BACKLOG: usize = 40_000;
/// How many of them a request brings.
const TOGETHER: usize = 1_000;
/// Nobody should wait longer beside a drain; half of what is allowed for Kafka to answer at all.
const AT_MOST: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visitors_do_not_wait_for_a_backlog_that_is_being_drained() {
    let (kafka, place_on_disk) = (shop::cluster(), tempfile::tempdir().unwrap());
    let shop = Shop::start(spooling(&kafka, place_on_disk.path()));
    shop.accept("Ann").await;
    brokers(&kafka, false);
    for request in 0..BACKLOG / TOGETHER {
        let drafts: Vec<Draft> = (0..TOGETHER)
            .map(|number| view(&format!("visitor {}", request * TOGETHER + number)))
            .collect();
        let kept = shop.collector.accept(drafts).await.unwrap();
        assert!(kept.iter().all(|one| one.receipt.place == Place::Spool));
    }
    let waiting = || shop.collector.spool_state().unwrap().waiting_events;
    assert_eq!(waiting(), BACKLOG as u64);

    brokers(&kafka, true);
    until(waiting, |left| *left < BACKLOG as u64).await;
    let (mut waits, mut left) = (Vec::new(), waiting());
    while left > 0 {
        let asked = Instant::now();
        let kept = shop.accept("Ann").await;
        let waited = asked.elapsed();
        if kept.receipt.place != Place::Spool {
            waits.push(waited);
        }
        assert!(waited <= AT_MOST, "{waited:?} with {left} events to drain");
        left = waiting();
    }
    waits.sort();
    println!(
        "{} live events went into Kafka meanwhile, the slowest after {:?}",
        waits.len(),
        waits.last()
    );
    assert!(waits.len() >= 5, "live traffic went on: {waits:?}");
}
