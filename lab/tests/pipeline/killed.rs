//! Kill the consumer at any moment, as often as you like: rows == events, none lost, none twice.

use crate::world::{World, until_said};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Choice, Event, EventType, Source, wire};
use lab::stack::world::Counts;
use serde_json::Map;
use std::time::Duration;
use uuid::Uuid;

/// A killed member stays in its group until the session times out (10 s); only then its successor begins.
const SOON: Duration = Duration::from_secs(90);

/// How far the leases have come, in records of all partitions.
const PROGRESS: &str = "SELECT coalesce(sum(next_offset), 0)::bigint FROM partition_leases";

/// A number from the environment, so that `./test.sh full` can ask for more.
fn size(name: &str, default: i64) -> i64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A backlog in the topic, and what must be in the tables when all of it has been consumed.
struct Backlog {
    records: i64,
    rows: Counts,
}

impl Backlog {
    /// This one and another.
    fn and(&self, other: &Self) -> Self {
        let (a, b) = (self.rows, other.rows);
        Self {
            records: self.records + other.records,
            rows: Counts {
                events: a.events + b.events,
                distinct_ids: a.distinct_ids + b.distinct_ids,
                clickstream_data: a.clickstream_data + b.clickstream_data,
                rejected: a.rejected + b.rejected,
            },
        }
    }
}

/// Writes `events` different events, 20 % of them with ids that clients chose, and every 50th of those once
/// more: a client that heard no answer, whose second try is received a moment later.
async fn write_backlog(world: &World, events: i64) -> Backlog {
    let now = Utc::now();
    let mut messages = Vec::new();
    let mut carts = 0;
    for n in 0..events {
        let event = event(n, now);
        carts += i64::from(event.choice.is_some());
        messages.push((event.key().into_owned(), wire::encode(&event)));
        if event.client_id && n % 250 == 0 {
            let again = Event {
                received_at: event.received_at + TimeDelta::microseconds(1),
                ..event
            };
            messages.push((again.key().into_owned(), wire::encode(&again)));
        }
    }
    let records = i64::try_from(messages.len()).unwrap();
    world.producer().unwrap().send_all(messages).await.unwrap();
    Backlog {
        records,
        rows: Counts {
            events,
            distinct_ids: events,
            clickstream_data: carts,
            rejected: 0,
        },
    }
}

fn event(n: i64, now: DateTime<Utc>) -> Event {
    let cart = n % 4 == 0;
    let received_at = wire_time(now - TimeDelta::milliseconds(n % 1000));
    Event {
        event_id: Uuid::new_v4(),
        client_id: n % 5 == 0,
        event_type: EventType::parse(if cart {
            EventType::ADD_TO_CART
        } else {
            EventType::PAGE_VIEW
        })
        .unwrap(),
        username: Some(format!("visitor {}", n % 997)),
        session_id: None,
        url: None,
        path: Some("/".into()),
        referrer: None,
        user_agent: Some("a backlog".into()),
        ip: None,
        occurred_at: received_at,
        received_at,
        source: Source::Seed,
        count: 1,
        boot: None,
        properties: Map::new(),
        choice: cart.then(Choice::default),
    }
}

/// In the whole microseconds that the wire keeps.
fn wire_time(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap()
}

/// Nothing lost, nothing twice, and every counter of the ingest statement says the same.
async fn assert_books_balance(world: &World, backlog: &Backlog) {
    world
        .until_number("the backlog is consumed", backlog.records, SOON, PROGRESS)
        .await
        .unwrap();
    assert_eq!(world.counts().await.unwrap(), backlog.rows);
    let rolled_up = world
        .number("SELECT coalesce(sum(events), 0)::bigint FROM rollup_minute")
        .await
        .unwrap();
    assert_eq!(rolled_up, backlog.rows.events, "the rollups count the rows");
    let balance = world
        .number("SELECT coalesce(sum(stored + duplicate + rejected), 0)::bigint FROM balance")
        .await
        .unwrap();
    assert_eq!(
        balance, backlog.records,
        "each record is accounted for once"
    );
}

/// Waits until at least `records` have been consumed.
async fn until_progress(world: &World, records: i64) {
    let what = format!("{records} records are consumed");
    lab::stack::until(&what, SOON, || async {
        match world.number(PROGRESS).await.unwrap() {
            n if n >= records => Ok(()),
            n => Err(n.to_string()),
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_killed_in_mid_backlog_again_and_again_stores_each_event_once() {
    let world = World::new("killed").await;
    let backlog = write_backlog(&world, size("PIPELINE_BACKLOG", 60_000)).await;
    let kills = size("PIPELINE_KILLS", 4);
    let mut in_mid_backlog = 0;
    for kill in 1..=kills {
        let consumer = world.consumer().unwrap();
        until_progress(&world, backlog.records * kill / (kills + 2)).await;
        consumer.kill_9().unwrap();
        if world.number(PROGRESS).await.unwrap() < backlog.records {
            in_mid_backlog += 1;
        }
    }
    assert!(
        in_mid_backlog * 2 > kills,
        "only {in_mid_backlog} of {kills} kills met a backlog: use a larger one"
    );
    let _consumer = world.consumer().unwrap();
    assert_books_balance(&world, &backlog).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_asked_to_stop_ends_in_order_and_its_successor_goes_on_where_it_stopped() {
    let world = World::new("asked_to_stop").await;
    let backlog = write_backlog(&world, 20_000).await;
    let mut consumer = world.consumer().unwrap();
    until_progress(&world, 1).await;
    let status = consumer.terminate(Duration::from_secs(10)).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", consumer.said().unwrap());
    let _successor = world.consumer().unwrap();
    assert_books_balance(&world, &backlog).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_one_of_two_consumers_dies_the_other_takes_over() {
    let world = World::new("one_of_two").await;
    let first = world.start("consumer", &[], "first", &[]).unwrap();
    let _second = world.start("consumer", &[], "second", &[]).unwrap();
    let backlog = write_backlog(&world, 20_000).await;
    until_progress(&world, 1).await;
    first.kill_9().unwrap();
    assert_books_balance(&world, &backlog).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_frozen_past_its_session_wakes_up_and_changes_nothing() {
    let world = World::new("frozen").await;
    let mut first = world.start("consumer", &[], "first", &[]).unwrap();
    let second = world.start("consumer", &[], "second", &[]).unwrap();
    for consumer in [&first, &second] {
        let what = "both consumers read partitions";
        until_said(consumer, what, SOON, |said| said.contains(" reading ")).await;
    }
    let before = write_backlog(&world, 20_000).await;
    until_progress(&world, 1).await;
    first.freeze().unwrap();
    let during = write_backlog(&world, 5_000).await;
    // Only once the group has given up the frozen one can its partitions be read to their end.
    let so_far = before.and(&during);
    assert_books_balance(&world, &so_far).await;
    first.thaw().unwrap();
    let after = write_backlog(&world, 5_000).await;
    assert_books_balance(&world, &so_far.and(&after)).await;
    assert!(first.runs().unwrap(), "{}", first.said().unwrap());
}
