//! A consumer gets SIGSTOP, longer than its session: between statements, with a statement committed whose
//! answer it has not read, and in the midst of a large batch. Others take over and are not delayed; when it
//! wakes up, it writes nothing. A short drill has the last of them, which is the hardest.

use crate::drill::scene::{SOON, STOP, Scene, Size};
use crate::drill::slot::Slot;
use crate::drill::watch::Leases;
use crate::drill::writes;
use crate::stack::Cutter;
use crate::stack::cutter::{At, Manner};
use anyhow::Context as _;
use rand::Rng as _;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A session of 10 s, and then as long as after a kill.
const TAKEOVER: Duration = Duration::from_secs(12);
/// Events of a backlog: large enough for the quickest way into Postgres.
const BACKLOG: usize = 30_000;

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    writes::note(&scene.world.db).await?;
    let first = scene.rng.random_range(0..2);
    if scene.size == Size::Full {
        scene.wait_ms(0..500).await;
        let before = scene.watch.of(scene.consumers[first].pid());
        scene.consumers[first].freeze()?;
        taken_over(scene, &before, first, "between statements").await?;
    }

    let cutter = Cutter::before(scene.world.postgres().await?).await?;
    let behind = scene.world.database_url_behind(cutter.addr())?;
    let frozen = 1 - first;
    scene.consumers[frozen].terminate(STOP).await?;
    scene.consumers[frozen].set("DATABASE_URL", &behind);
    scene.consumers[frozen].start(&scene.world)?;
    scene.both_consume().await?;
    if scene.size == Size::Full {
        let (before, release) = freeze_at(scene, &cutter, At::Commit, frozen).await?;
        // Postgres answers; nobody reads it.
        drop(release);
        taken_over(scene, &before, frozen, "before a commit's answer").await?;
    }

    // A backlog, that only the one that will freeze begins with.
    for consumer in &mut scene.consumers {
        consumer.terminate(STOP).await?;
    }
    scene.backlog(BACKLOG)?.await??;
    let held = arm(&cutter, At::Middle);
    scene.consumers[frozen].start(&scene.world)?;
    let (before, release) = hold(scene, held, frozen).await?;
    scene.consumers[first].start(&scene.world)?;
    taken_over(scene, &before, frozen, "in the midst of a batch").await?;
    drop(release);

    scene.consumers[frozen].terminate(STOP).await?;
    scene.consumers[frozen].unset("DATABASE_URL");
    scene.consumers[frozen].start(&scene.world)?;
    scene.both_consume().await?;
    scene.recovered().await?;
    let writers = writes::noted(&scene.world.db).await?;
    scene.check(
        writers.connections > 1 && writers.usurped.is_empty(),
        format!(
            "none of {} connections wrote under another process's lease; these did: {:?}",
            writers.connections, writers.usurped
        ),
    );
    Ok(())
}

/// What tells that the connection is held, and what lets it go.
type Held = (oneshot::Receiver<()>, oneshot::Sender<()>);

fn arm(cutter: &Cutter, at: At) -> Held {
    let (told, held) = oneshot::channel();
    let (release, released) = oneshot::channel();
    drop(cutter.arm(at, Manner::Hold(told, released)));
    (held, release)
}

/// Freezes a consumer at that place.
async fn freeze_at(
    scene: &mut Scene<'_>,
    cutter: &Cutter,
    at: At,
    number: usize,
) -> anyhow::Result<(Leases, oneshot::Sender<()>)> {
    let held = arm(cutter, at);
    hold(scene, held, number).await
}

/// Waits until the connection is held and freezes its consumer; returns what that one holds.
async fn hold(
    scene: &mut Scene<'_>,
    (held, release): Held,
    number: usize,
) -> anyhow::Result<(Leases, oneshot::Sender<()>)> {
    tokio::time::timeout(SOON, held)
        .await
        .context("nothing was written")??;
    scene.consumers[number].freeze()?;
    // What is committed now may have been seen just before.
    let before = scene.watch.of(scene.consumers[number].pid());
    Ok((before, release))
}

/// Measures the takeover from a consumer that is frozen, wakes it up, and waits until it is one of two again.
async fn taken_over(
    scene: &mut Scene<'_>,
    before: &Leases,
    number: usize,
    place: &str,
) -> anyhow::Result<()> {
    let frozen = Instant::now();
    let took = scene.watch.taken_over(before, frozen, SOON).await;
    let Slot { name, .. } = &scene.consumers[number];
    let name = name.clone();
    scene.consumers[number].thaw()?;
    let took = took?;
    scene.check(
        took <= TAKEOVER,
        format!(
            "{name} froze {place}: the other went on with its {} partitions after {:.1} s (at most 12 s)",
            before.len(),
            took.as_secs_f64()
        ),
    );
    scene.wait_ms(500..1_500).await;
    let runs = scene.consumers[number].runs()?;
    scene.check(runs, format!("{name} goes on after it was frozen {place}"));
    scene.both_consume().await
}
