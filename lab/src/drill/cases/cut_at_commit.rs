//! The consumers' connection to Postgres breaks at the commit: before it, at the same time, or after it and
//! before the answer. Nobody can know then whether the rows are there; taking the lease again tells.

use crate::drill::scene::{STOP, Scene};
use crate::stack::Cutter;
use crate::stack::cutter::{At, Manner};
use anyhow::Context as _;
use rand::seq::SliceRandom as _;
use std::time::Duration;

/// Under load a batch is committed many times a second.
const NEXT_COMMIT: Duration = Duration::from_secs(30);

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let cutter = Cutter::before(scene.world.postgres().await?).await?;
    let behind = scene.world.database_url_behind(cutter.addr())?;
    for consumer in &mut scene.consumers {
        consumer.terminate(STOP).await?;
        consumer.set("DATABASE_URL", &behind);
        consumer.start(&scene.world)?;
    }
    scene.both_consume().await?;
    let mut order = [0, 1, 2];
    for turn in 0..scene.times(24, 3) {
        if turn % 3 == 0 {
            order.shuffle(&mut scene.rng);
        }
        // Each of them in three turns, in another order each time.
        let manner = match order[turn % 3] {
            0 => Manner::CutBefore,
            1 => Manner::CutAtOnce,
            _ => Manner::CutAnswer,
        };
        let cut = cutter.arm(At::Commit, manner);
        if turn % 3 == 0 {
            // A transaction with a COPY in it, not a single statement.
            scene.backlog(20_000)?.await??;
        }
        tokio::time::timeout(NEXT_COMMIT, cut)
            .await
            .context("nothing was committed")??;
        scene.wait_ms(200..900).await;
    }
    scene.recovered().await?;
    // Past the proxy again, before it goes.
    for consumer in &mut scene.consumers {
        consumer.terminate(STOP).await?;
        consumer.unset("DATABASE_URL");
        consumer.start(&scene.world)?;
    }
    scene.both_consume().await
}
