//! A broker gets SIGSTOP: its kernel accepts connections, nobody answers. It leads partitions, and is the
//! controller or not, as the seed will have it. A minute later it wakes up and believes that no time passed.

use crate::drill::scene::{SOON, Scene};
use crate::stack::Part;
use rand::Rng as _;
use std::time::Duration;

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    scene.pause_allowed = Some(Duration::from_secs(5));
    let broker = Part::Broker(scene.rng.random_range(1..=3));
    scene.servers.freeze(broker)?;
    tokio::time::sleep(scene.seconds(60, 9)).await;
    scene.servers.thaw(broker)?;
    scene.recovered().await?;
    scene.topic.until_in_sync(SOON).await
}
