//! Everything is read again from the beginning, again and again: with an operator's reset, with a replay from a
//! time, and with one of what came between two times. No row, no rollup and no count changes.

use crate::drill::scene::Scene;
use anyhow::ensure;
use chrono::{TimeDelta, Utc};
use domain::wire::time_text;

/// What must not change.
const SUMS: [(&str, &str); 6] = [
    ("rows", "SELECT count(*) FROM events"),
    (
        "rows of clickstream_data",
        "SELECT count(*) FROM clickstream_data",
    ),
    ("rejects", "SELECT count(*) FROM rejected_events"),
    (
        "events in the rollups",
        "SELECT coalesce(sum(events), 0)::bigint FROM rollup_minute",
    ),
    (
        "clicks in the rollups",
        "SELECT coalesce(sum(clicks), 0)::bigint FROM rollup_minute",
    ),
    (
        "records in the balance",
        "SELECT coalesce(sum(stored + duplicate + rejected + expired), 0)::bigint FROM balance",
    ),
];

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    scene
        .until_acknowledged(scene.times(1_500, 300) as u64)
        .await?;
    let producer = scene.world.producer()?;
    for broken in ["not json", "{\"type\":1}"] {
        producer.send(None, Some(broken.as_bytes())).await?;
    }
    scene.quiet().await?;
    let before = sums(scene).await?;
    let an_hour_ago = time_text(Utc::now() - TimeDelta::hours(1));
    for verb in [
        "offsets reset --partition all --to beginning --yes".to_owned(),
        format!("replay --from {an_hour_ago} --yes"),
        format!(
            "replay --from {an_hour_ago} --to {} --yes",
            time_text(Utc::now())
        ),
    ] {
        let moved = scene.watch.newest();
        let args: Vec<&str> = verb.split(' ').collect();
        let said = scene.watch.while_moved(scene.world.operate(&args)).await?;
        ensure!(!said.is_empty(), "consumer {verb} said nothing");
        scene.recovered().await?;
        scene.settled().await?;
        let after = sums(scene).await?;
        scene.check(
            before == after,
            format!("consumer {verb} changed nothing: before {before:?}, after {after:?}"),
        );
        let now = scene.watch.newest();
        scene.check(
            now.iter().all(|(partition, held)| {
                moved
                    .get(partition)
                    .is_some_and(|was| held.next >= was.next)
            }),
            "everything was read again to its end",
        );
    }
    scene.send()?;
    scene.flows().await
}

async fn sums(scene: &Scene<'_>) -> anyhow::Result<Vec<(&'static str, i64)>> {
    let mut sums = Vec::new();
    for (what, sql) in SUMS {
        sums.push((what, scene.world.number(sql).await?));
    }
    Ok(sums)
}
