//! Broken messages of every kind between good ones, in every partition; and a day whose table is not there.
//! Every good one is a row, every broken one is kept as it came with its reason, and no good one is ever
//! refused.

use crate::drill::scene::{SOON, Scene};
use crate::stack::{Producer, until};
use anyhow::ensure;
use chrono::{TimeDelta, Utc};
use domain::wire::{MESSAGE_MAX_BYTES, time_text};
use rand::Rng as _;
use serde_json::json;
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The good ones, between any two broken ones; as an older producer writes them.
const GOOD: &[u8] =
    br##"{"username":"Good","category":"shirt","gender":null,"style":null,"size":"M","color":"#00FF7F"}"##;
/// A day that is believed, and whose table nobody will need today.
const DAYS_AGO: i64 = 20;

/// What cannot be a row, with a word for it. No value is a tombstone.
fn broken() -> Vec<(&'static str, Option<Vec<u8>>)> {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let text = |text: &str| Some(text.as_bytes().to_vec());
    vec![
        ("no JSON", text("not json at all")),
        (
            "invalid UTF-8",
            Some(b"{\"username\":\"\xff\xfe\"}".to_vec()),
        ),
        ("cut off", text(r#"{"username":"Ann""#)),
        ("an array", text("[1,2,3]")),
        ("a lone surrogate", text(r#"{"username":"\ud800"}"#)),
        ("NUL, escaped", text(r#"{"username":"a\u0000b"}"#)),
        ("NUL, real", text("{\"username\":\"a\0b\"}")),
        (
            "NUL in a property",
            text(r#"{"type":"click","properties":{"a":"\u0000"}}"#),
        ),
        (
            "100,000 levels",
            text(&format!(r#"{{"type":"click","properties":{deep}}}"#)),
        ),
        ("NaN", text(r#"{"type":"click","count":NaN}"#)),
        ("a count of nothing", text(r#"{"type":"click","count":0}"#)),
        (
            "a count beyond all",
            text(r#"{"type":"click","count":1e400}"#),
        ),
        (
            "a type of 65 letters",
            text(&format!(r#"{{"type":"{}"}}"#, "t".repeat(65))),
        ),
        ("no type", text(r#"{"category":"shirt"}"#)),
        (
            "six keys without a name",
            text(r#"{"username":null,"size":"M"}"#),
        ),
        (
            "six keys, a name too long",
            text(&format!(r#"{{"username":"{}"}}"#, "n".repeat(33))),
        ),
        (
            "six keys, another size",
            text(r#"{"username":"Ann","size":"XXL"}"#),
        ),
        (
            "an id that is none",
            text(r#"{"type":"click","event_id":"7"}"#),
        ),
        ("too large", Some(vec![b' '; MESSAGE_MAX_BYTES + 1])),
        ("1 MB", Some(vec![b'1'; 1_000_000])),
        ("binary", Some((0..=255).collect())),
        ("empty", Some(Vec::new())),
        ("a tombstone", None),
        (
            "a false report",
            text(r#"{"type":"collector_report","report":{}}"#),
        ),
    ]
}

/// What looks odd and is a row all the same.
fn odd() -> Vec<(&'static str, serde_json::Value)> {
    vec![
        (
            "the year 9999",
            json!({ "occurred_at": "9999-12-31T23:59:59Z" }),
        ),
        (
            "the year 1",
            json!({ "occurred_at": "0001-01-01T00:00:00Z" }),
        ),
        (
            "received in 9999",
            json!({ "received_at": "9999-12-31T23:59:59Z" }),
        ),
        (
            "unknown keys",
            json!({ "colour": { "of": ["the", "sky"] } }),
        ),
        (
            "every plane of Unicode",
            json!({ "url": "\u{7f}\u{80}\u{ffff}\u{10ffff}\u{202e}" }),
        ),
    ]
}

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let producer = scene.world.producer()?;
    let partitions = i32::try_from(scene.topic.copies().await?.len())?;
    let (mut good, mut bad) = (0, 0);
    for _ in 0..scene.times(4, 1) {
        for (what, value) in broken() {
            let partition = scene.rng.random_range(0..partitions);
            let place = producer.send(Some(partition), value.as_deref()).await?;
            producer.send(Some(partition), Some(GOOD)).await?;
            (good, bad) = (good + 1, bad + 1);
            kept(
                scene,
                what,
                place.partition,
                place.offset,
                value.unwrap_or_default(),
            )
            .await?;
        }
    }
    send_odd(scene, &producer).await?;
    a_day_without_its_table(scene, &producer).await?;
    scene.recovered().await?;
    for (sql, wanted, what) in [
        (
            "SELECT count(*) FROM clickstream_data WHERE username = 'Good'",
            good,
            "good messages are rows",
        ),
        (
            "SELECT count(*) FROM rejected_events",
            bad,
            "broken messages are kept, and nothing else is",
        ),
        (
            "SELECT count(*) FROM rejected_events WHERE reason = ''",
            0,
            "have no reason",
        ),
        (
            "SELECT count(*) FROM events WHERE username = 'odd'",
            i64::try_from(odd().len())?,
            "odd messages are rows",
        ),
    ] {
        let found = scene.world.number(sql).await?;
        scene.check(found == wanted, format!("{found} of {wanted} {what}"));
    }
    Ok(())
}

/// Waits until a message is among the rejects, as it came.
async fn kept(
    scene: &mut Scene<'_>,
    what: &str,
    partition: i32,
    offset: i64,
    value: Vec<u8>,
) -> anyhow::Result<()> {
    let raw: Vec<u8> = until(&format!("{what} is kept"), SOON, || async {
        let found = sqlx::query_scalar(
            "SELECT raw FROM rejected_events WHERE kafka_partition = $1 AND kafka_offset = $2",
        )
        .bind(partition)
        .bind(offset)
        .fetch_optional(&scene.world.db)
        .await;
        found
            .map_err(|e| e.to_string())?
            .ok_or_else(|| format!("not there: partition {partition}, offset {offset}"))
    })
    .await?;
    if raw != value {
        scene.check(false, format!("{what} is kept as it came"));
    }
    Ok(())
}

async fn send_odd(scene: &mut Scene<'_>, producer: &Producer) -> anyhow::Result<()> {
    for (_, mut message) in odd() {
        if let Some(map) = message.as_object_mut() {
            map.insert("type".to_owned(), "click".into());
            map.insert("username".to_owned(), "odd".into());
        }
        let partition = scene.rng.random_range(0..6);
        let message = message.to_string();
        producer
            .send(Some(partition), Some(message.as_bytes()))
            .await?;
    }
    Ok(())
}

/// A day's table goes, as if nobody had made it before midnight; then come events of that day.
async fn a_day_without_its_table(scene: &mut Scene<'_>, producer: &Producer) -> anyhow::Result<()> {
    let day = Utc::now() - TimeDelta::days(DAYS_AGO);
    let table = day.format("events_%Y%m%d").to_string();
    for sql in [
        format!("ALTER TABLE events DETACH PARTITION {table}"),
        format!("DROP TABLE {table}"),
    ] {
        sqlx::query(AssertSqlSafe(sql))
            .execute(&scene.world.db)
            .await?;
    }
    let logs = [0, 1].map(|number| scene.log_length(&scene.consumers[number].name));
    let wanted = 30;
    for number in 0..wanted {
        let message = json!({
            "type": "click", "username": "midnight", "received_at": time_text(day), "number": number,
        });
        let message = message.to_string();
        producer
            .send(Some(number % 6), Some(message.as_bytes()))
            .await?;
    }
    // The consumer makes the table by itself, or stops and says how to make it; then that is done.
    let mut repairs = BTreeSet::new();
    let began = Instant::now();
    loop {
        let stored = scene
            .world
            .number("SELECT count(*) FROM events WHERE username = 'midnight'")
            .await?;
        if stored == i64::from(wanted) {
            return Ok(());
        }
        ensure!(
            began.elapsed() < SOON,
            "{stored} of {wanted} events of a day without a table are rows; repairs: {repairs:?}"
        );
        for (number, from) in logs.into_iter().enumerate() {
            let halts = scene.halts(&scene.consumers[number].name, from)?;
            for repair in halts.into_values() {
                if repairs.insert(repair.clone()) {
                    scene.repair(&repair).await?;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
