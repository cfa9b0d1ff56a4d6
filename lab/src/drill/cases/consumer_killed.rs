//! Consumers get SIGKILL at random points: while they join, take leases, read, write.
//!
//! A group gives up a dead member only when its session times out, so in one group fifty kills would mostly
//! meet consumers that wait. Most kills here are therefore of consumers in a group of their own, which share
//! the partitions with the others without knowing of them: then only the leases keep the rows right.

use crate::drill::scene::{SOON, Scene};
use rand::Rng as _;
use std::time::{Duration, Instant};

/// Events that come at once around every other kill: consumers then do nothing but write.
const BURST: usize = 8_000;
/// The promise: after a kill the others go on within this.
const TAKEOVER: Duration = Duration::from_secs(12);

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    for kill in 0..scene.times(3, 1) {
        one_of_two(scene, kill % 2).await?;
    }
    let kills = scene.times(41, 3);
    let mut at_work = 0;
    for kill in 0..kills {
        let burst = match kill % 2 {
            0 => Some(scene.backlog(BURST)?),
            _ => None,
        };
        scene.wait_ms(50..400).await;
        let held = |one: usize| scene.watch.of(scene.consumers[one].pid()).len();
        // Whoever came last took the partitions from the other one: mostly the one at work is killed.
        let at_work_now = usize::from(held(1) > held(0));
        let victim = if scene.rng.random_bool(0.25) {
            1 - at_work_now
        } else {
            at_work_now
        };
        if held(victim) > 0 {
            at_work += 1;
        }
        let group = format!("{}-{kill}", scene.world.topic);
        let consumer = &mut scene.consumers[victim];
        consumer.kill_9()?;
        consumer.set("CONSUMER_GROUP", group);
        consumer.start(&scene.world)?;
        scene.wait_ms(100..1_500).await;
        if let Some(burst) = burst {
            burst.await??;
        }
    }
    scene.check(
        at_work * 3 >= kills,
        format!("{at_work} of {kills} consumers held partitions when they were killed"),
    );
    // Together again, with kills in the midst of rebalances.
    for consumer in &mut scene.consumers {
        consumer.kill_9()?;
        consumer.unset("CONSUMER_GROUP");
        consumer.start(&scene.world)?;
    }
    for kill in 0..scene.times(6, 0) {
        scene.wait_ms(200..2_500).await;
        scene.consumers[kill % 2].kill_9()?;
        scene.consumers[kill % 2].start(&scene.world)?;
    }
    scene.recovered().await?;
    scene.both_consume().await
}

/// Kills one of two in their group, and measures how long its partitions stood still.
async fn one_of_two(scene: &mut Scene<'_>, number: usize) -> anyhow::Result<()> {
    let before = scene.watch.of(scene.consumers[number].pid());
    let killed = Instant::now();
    scene.consumers[number].kill_9()?;
    let took = scene.watch.taken_over(&before, killed, SOON).await?;
    scene.check(
        took <= TAKEOVER,
        format!(
            "after kill -9 the other consumer went on with {} partitions after {:.1} s (at most 12 s)",
            before.len(),
            took.as_secs_f64()
        ),
    );
    scene.consumers[number].start(&scene.world)?;
    scene.both_consume().await
}
