//! Apps and consumers get SIGTERM under load. An app answers every request that it has begun with, and ends
//! in time; a consumer gives its partitions away, so that the other one goes on within 2 s.

use crate::drill::scene::{SOON, STOP, Scene};
use std::time::{Duration, Instant};

/// The promise: after a SIGTERM the others go on within this.
const TAKEOVER: Duration = Duration::from_secs(2);
/// A request that was sent less than this before the signal may not have reached the app.
const ON_THE_WIRE: Duration = Duration::from_millis(30);

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let mut stopped = Vec::new();
    for turn in 0..scene.times(6, 1) {
        let number = turn % 2;
        scene.wait_ms(200..900).await;
        stopped.push((number, Instant::now()));
        app(scene, number).await?;
        consumer(scene, number).await?;
    }
    scene.recovered().await?;
    scene.stop_sending().await?;
    for (number, at) in stopped {
        let unanswered: Vec<String> = scene
            .experience
            .unknown
            .iter()
            .filter(|one| one.door == number && one.sent + ON_THE_WIRE < at && one.ended > at)
            .map(|one| one.reason.clone())
            .collect();
        scene.check(
            unanswered.is_empty(),
            format!(
                "app {} answered every request that it was at when it was asked to stop; {} it did not: {:?}",
                number + 1,
                unanswered.len(),
                unanswered.first()
            ),
        );
    }
    Ok(())
}

async fn app(scene: &mut Scene<'_>, number: usize) -> anyhow::Result<()> {
    let asked = Instant::now();
    let status = scene.apps[number].terminate(STOP).await?;
    scene.check(
        status.code() == Some(0),
        format!(
            "app {} ended with {status} after {:.1} s (at most 10 s)",
            number + 1,
            asked.elapsed().as_secs_f64()
        ),
    );
    scene.start_app(number).await
}

async fn consumer(scene: &mut Scene<'_>, number: usize) -> anyhow::Result<()> {
    let before = scene.watch.of(scene.consumers[number].pid());
    let asked = Instant::now();
    let status = scene.consumers[number].terminate(STOP).await?;
    let ended = asked.elapsed();
    let took = scene.watch.taken_over(&before, asked, SOON).await?;
    scene.check(
        status.code() == Some(0),
        format!(
            "consumer {} ended with {status} after {:.1} s (at most 10 s)",
            number + 1,
            ended.as_secs_f64()
        ),
    );
    scene.check(
        took <= TAKEOVER,
        format!(
            "after SIGTERM the other consumer went on with {} partitions after {:.1} s (at most 2 s)",
            before.len(),
            took.as_secs_f64()
        ),
    );
    scene.consumers[number].start(&scene.world)?;
    scene.both_consume().await
}
