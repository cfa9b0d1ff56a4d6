//! Every three seconds a consumer leaves in order or comes back, so that the group hardly does anything else
//! than rebalance.

use crate::drill::scene::{STOP, Scene};
use std::time::{Duration, Instant};

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let every = Duration::from_secs(3);
    for turn in 0..scene.times(12, 4) {
        let began = Instant::now();
        // One of them is always there.
        let number = turn / 2 % 2;
        if scene.consumers[number].is_taken() {
            let status = scene.consumers[number].terminate(STOP).await?;
            scene.check(
                status.success(),
                format!("consumer {} ended with {status}", number + 1),
            );
        } else {
            scene.consumers[number].start(&scene.world)?;
        }
        tokio::time::sleep(every.saturating_sub(began.elapsed())).await;
    }
    scene.recovered().await?;
    scene.both_consume().await
}
