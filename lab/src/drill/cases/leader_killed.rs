//! The leader of some partition gets SIGKILL; another one takes over; it comes back and the copies catch
//! up; and again.

use crate::drill::scene::{SOON, Scene};
use crate::stack::Part;
use rand::Rng as _;
use std::time::Duration;

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    // An app answers within 2 s: from Kafka, or from its disk.
    scene.pause_allowed = Some(Duration::from_secs(5));
    for _ in 0..scene.times(5, 1) {
        let partitions = i32::try_from(scene.topic.copies().await?.len())?;
        let partition = scene.rng.random_range(0..partitions);
        let leader = Part::Broker(scene.topic.leader(partition).await?);
        scene.servers.kill_9(leader).await?;
        scene.wait_ms(3_000..8_000).await;
        scene.servers.start(leader).await?;
        // An acknowledgement stands for two copies: both must be elsewhere before the next one dies.
        scene.topic.until_in_sync(SOON).await?;
        scene.recovered().await?;
    }
    Ok(())
}
