//! Servers go away and come back; what was accepted is neither lost nor doubled, and nobody has to restart anything.

use crate::world::{World, until_said};
use collector::{AcceptError, Collector, Draft};
use domain::EventType;
use lab::stack::{Part, until};
use std::collections::HashSet;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Long enough for a leader to be elected and for a session to time out.
const SOON: Duration = Duration::from_secs(90);

const MESSAGE: &[u8] = br#"{"username":"Ann","category":"shirt"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_stops_and_another_dies_while_events_are_accepted() {
    let world = World::alone("broker_lost").await;
    let _consumer = world.consumer().unwrap();
    let collector = world.collector();
    let topic = world.topic().unwrap();

    let stop = CancellationToken::new();
    let visitor = tokio::spawn(click_until(stop.clone(), collector.clone()));
    until_rows(&world, 50).await;
    world.servers.stop(Part::Broker(2)).await.unwrap();
    let before = world.counts().await.unwrap().events;
    until_rows(&world, before + 100).await;
    world.servers.start(Part::Broker(2)).await.unwrap();
    until_rows(&world, before + 300).await;
    // Both copies that an acknowledgement stands for must be elsewhere before the next one dies.
    topic.until_in_sync(SOON).await.unwrap();
    world.servers.kill_9(Part::Broker(3)).await.unwrap();
    let before = world.counts().await.unwrap().events;
    until_rows(&world, before + 100).await;
    world.servers.start(Part::Broker(3)).await.unwrap();
    topic.until_in_sync(SOON).await.unwrap();
    stop.cancel();
    let clicks = visitor.await.unwrap();
    collector.shutdown().await;

    until("every acknowledged event is a row", SOON, || async {
        let stored: Vec<Uuid> = sqlx::query_scalar("SELECT event_id FROM events")
            .fetch_all(&world.db)
            .await
            .unwrap();
        let rows: HashSet<Uuid> = stored.iter().copied().collect();
        assert_eq!(rows.len(), stored.len(), "an event is stored twice");
        let missing = clicks.acknowledged.difference(&rows).count();
        if missing == 0 {
            // Kafka may have kept an event without being able to say so in time, but none that nobody sent.
            assert!(rows.is_subset(&clicks.tried), "a row that nobody sent");
            Ok(())
        } else {
            let all = clicks.acknowledged.len();
            Err(format!(
                "{missing} of {all} acknowledged events are missing"
            ))
        }
    })
    .await
    .unwrap();
}

/// What the visitors did, by the event's id.
#[derive(Default)]
struct Clicks {
    tried: HashSet<Uuid>,
    acknowledged: HashSet<Uuid>,
}

/// Clicks about a hundred times a second until told to stop.
async fn click_until(stop: CancellationToken, collector: Collector) -> Clicks {
    let mut clicks = Clicks::default();
    while !stop.is_cancelled() {
        let id = Uuid::new_v4();
        clicks.tried.insert(id);
        let draft = Draft {
            event_id: Some(id),
            event_type: EventType::PAGE_VIEW.into(),
            username: Some(format!("visitor {}", clicks.tried.len() % 50)),
            ..Draft::default()
        };
        match collector.accept_one(draft).await {
            Ok(accepted) => {
                assert_eq!(accepted.receipt.event_id, id);
                clicks.acknowledged.insert(id);
            }
            Err(AcceptError::Invalid(reason)) => panic!("refused: {reason}"),
            Err(AcceptError::Unavailable { .. } | AcceptError::Overloaded) => {}
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    clicks
}

async fn until_rows(world: &World, at_least: i64) {
    let what = format!("{at_least} events are rows");
    until(&what, SOON, || async {
        match world.counts().await.unwrap().events {
            n if n >= at_least => Ok(()),
            n => Err(n.to_string()),
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_started_without_postgres_says_so_once_and_goes_on_when_it_is_there() {
    let world = World::new("late_postgres").await;
    let mut gate = world.postgres_gate().await.unwrap();
    gate.slam().await.unwrap();
    let mut consumer = world.consumer_behind(&gate).unwrap();
    world.send(MESSAGE).await;
    let is_away = |said: &str| said.lines().filter(|line| line.contains("is away")).count();
    let missing = "the consumer says what is missing";
    until_said(&consumer, missing, SOON, |said| is_away(said) > 0).await;
    // Several attempts later it has still said it only once.
    let before = gate.attempts();
    until("the consumer has tried again and again", SOON, || async {
        match gate.attempts() - before {
            n if n >= 5 => Ok(()),
            n => Err(format!("{n} attempts")),
        }
    })
    .await
    .unwrap();
    let said = consumer.said().unwrap();
    assert!(consumer.runs().unwrap(), "{said}");
    assert_eq!(is_away(&said), 1, "{said}");
    gate.open().await.unwrap();
    world.until_events(1, SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_postgres_goes_away_and_comes_back_loses_and_doubles_nothing() {
    let world = World::new("postgres_lost").await;
    let mut gate = world.postgres_gate().await.unwrap();
    gate.open().await.unwrap();
    let mut consumer = world.consumer_behind(&gate).unwrap();
    let producer = world.producer().unwrap();
    for round in 1..=3_i64 {
        for _ in 0..20 {
            producer.send(None, Some(MESSAGE)).await.unwrap();
        }
        gate.shut().await;
        for _ in 0..20 {
            producer.send(None, Some(MESSAGE)).await.unwrap();
        }
        gate.open().await.unwrap();
        world.until_events(round * 40, SOON).await.unwrap();
    }
    assert!(consumer.runs().unwrap(), "{}", consumer.said().unwrap());
    let counts = world.counts().await.unwrap();
    assert_eq!((counts.events, counts.distinct_ids), (120, 120));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_started_without_kafka_goes_on_when_it_is_there() {
    let world = World::new("late_kafka").await;
    world.send(MESSAGE).await;
    let mut gate = world.kafka_gate().await.unwrap();
    let settings = [("KAFKA_BROKERS", gate.addr().to_string())];
    let mut consumer = world.start("consumer", &[], "consumer", &settings).unwrap();
    until_said(&consumer, "the consumer complains", SOON, |said| {
        said.lines()
            .any(|line| line.contains("WARN") || line.contains("ERROR"))
    })
    .await;
    assert!(consumer.runs().unwrap(), "{}", consumer.said().unwrap());
    gate.open().await.unwrap();
    world.until_events(1, SOON).await.unwrap();
}
