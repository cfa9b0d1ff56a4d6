//! What Kafka has no longer joins with what Postgres has: retention went past the stored offset, the topic
//! was recreated, all of Kafka was wiped. The partitions concerned stop loudly, skip nothing, and go on
//! after the command that they print.

use crate::drill::reconcile::id_of;
use crate::drill::scene::{Repair, SOON, STOP, Scene, Size};
use crate::drill::watch::Leases;
use crate::stack::until;
use anyhow::Context as _;
use rand::Rng as _;
use std::collections::BTreeMap;
use std::time::Duration;

/// Records that retention takes before they were read.
const TAKEN: i64 = 5;
/// How long an app's page may take to be red.
const RED: Duration = Duration::from_secs(15);

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    match scene.size {
        Size::Full => {
            retention_went_past(scene).await?;
            recreated(scene).await?;
            wiped(scene).await
        }
        // A short drill has one of the two that need no new cluster.
        Size::Short if scene.rng.random_bool(0.5) => retention_went_past(scene).await,
        Size::Short => recreated(scene).await,
    }
}

async fn retention_went_past(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    for consumer in &mut scene.consumers {
        consumer.terminate(STOP).await?;
    }
    scene.until_acknowledged(150).await?;
    scene.stop_sending().await?;
    let leases = scene.watch.newest();
    let ends = scene.topic.ends().await?;
    let (partition, next) = ends
        .iter()
        .find_map(|(partition, ends)| {
            let next = leases.get(partition)?.next;
            (ends.high - next > TAKEN).then_some((*partition, next))
        })
        .context("no partition has records that nobody has read")?;
    // Those of them that are collectors' reports have no id, and are nobody's event.
    let taken = scene.topic.values(partition, next..next + TAKEN).await?;
    let events = taken.iter().flatten().filter_map(|value| id_of(value));
    scene.allowed.given_up = events.collect();
    scene.topic.forget_before(partition, next + TAKEN).await?;
    let logs = log_lengths(scene);
    for consumer in &mut scene.consumers {
        consumer.start(&scene.world)?;
    }
    let repairs = halted(scene, logs, &[partition], "retention").await?;
    scene.check(
        scene.watch.newest().get(&partition).map(|held| held.next) == Some(next),
        format!("partition {partition} stands at its offset {next}: nothing is skipped"),
    );
    repair(scene, &repairs).await
}

async fn recreated(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    scene.quiet().await?;
    let before = scene.watch.newest();
    let logs = log_lengths(scene);
    scene.topic.delete().await?;
    scene.world.set_up().await?;
    scene.send()?;
    let repairs = halted(scene, logs, &read_before(&before), "a recreated topic").await?;
    stands(scene, &before);
    repair(scene, &repairs).await
}

async fn wiped(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    scene.quiet().await?;
    let before = scene.watch.newest();
    let logs = log_lengths(scene);
    scene.servers.wipe_kafka().await?;
    scene.world.set_up().await?;
    scene.send()?;
    let repairs = halted(scene, logs, &read_before(&before), "a wiped Kafka").await?;
    stands(scene, &before);
    repair(scene, &repairs).await
}

/// The partitions of which something had been read.
fn read_before(leases: &Leases) -> Vec<i32> {
    leases
        .iter()
        .filter(|(_, held)| held.next > 0)
        .map(|(partition, _)| *partition)
        .collect()
}

/// No offset has moved.
fn stands(scene: &mut Scene<'_>, before: &Leases) {
    let now = scene.watch.newest();
    let moved: Vec<_> = before
        .iter()
        .filter(|(partition, was)| now.get(partition).is_none_or(|is| is.next != was.next))
        .collect();
    let good = moved.is_empty();
    let moved = format!("{moved:?}");
    scene.check(
        good,
        format!("no stored offset moves by itself; moved: {moved}"),
    );
}

fn log_lengths(scene: &Scene<'_>) -> [usize; 2] {
    [0, 1].map(|number| scene.log_length(&scene.consumers[number].name))
}

/// Waits until these partitions have said that they stand still, and returns the repair of each.
async fn halted(
    scene: &mut Scene<'_>,
    logs: [usize; 2],
    partitions: &[i32],
    why: &str,
) -> anyhow::Result<BTreeMap<i32, Repair>> {
    let look = || async {
        let mut repairs = BTreeMap::new();
        for (number, from) in logs.into_iter().enumerate() {
            let said = scene.halts(&scene.consumers[number].name, from);
            repairs.extend(said.map_err(|e| e.to_string())?);
        }
        let quiet = partitions.iter().filter(|n| !repairs.contains_key(n));
        match quiet.count() {
            0 => Ok(repairs),
            n => Err(format!("{n} of {} have not said so", partitions.len())),
        }
    };
    let what = format!("partitions say that they stand still: {why}");
    let repairs = until(&what, SOON, look).await?;
    // A stop, not a stumble.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let shown = scene.world.operate(&["offsets", "show"]).await;
    scene.check(
        shown.is_err_and(|error| format!("{error:#}").contains("offsets reset")),
        format!("`offsets show` fails and names the repair: {why}"),
    );
    red(scene, why).await;
    Ok(repairs)
}

/// The apps' pages say that somebody is needed, and about what.
async fn red(scene: &mut Scene<'_>, why: &str) {
    let (doors, _) = scene.doors();
    for door in 0..2 {
        let what = format!("app {} tells of partitions that stand still", door + 1);
        // New figures take two seconds; that nobody reads, or that an end stays where it is, five more.
        let said = until(&what, RED, || async {
            let said = doors.problems(door).await.map_err(|e| format!("{e:#}"))?;
            if said.iter().any(|problem| is_about_reading(problem)) {
                Ok(said)
            } else {
                Err(format!("{said:?}"))
            }
        })
        .await;
        let good = said.is_ok();
        let said = said.unwrap_or_else(|error| vec![format!("{error:#}")]);
        scene.check(
            good,
            format!("app {}'s page is red over {why}: {said:?}", door + 1),
        );
    }
}

/// A partition whose end is lost, whose records are gone, or in which records wait that nobody reads: when a new topic
/// grows past the stored offsets, the first becomes the last.
fn is_about_reading(problem: &str) -> bool {
    problem.contains("offsets show")
        || problem.starts_with("Retention took")
        || problem.starts_with("Nobody reads")
}

/// Does what each partition has printed, and waits until everything flows again.
async fn repair(scene: &mut Scene<'_>, repairs: &BTreeMap<i32, Repair>) -> anyhow::Result<()> {
    let repairing = async {
        for repair in repairs.values() {
            scene.repair(repair).await?;
        }
        Ok(())
    };
    scene.watch.while_moved(repairing).await?;
    scene.send()?;
    scene.recovered().await?;
    scene.flows().await
}
