//! Two of three brokers are gone for a minute, and with them the controllers' majority: no partition has
//! enough copies, many have no leader. Acknowledgements come from the apps' disks meanwhile.

use crate::drill::scene::{SOON, Scene};
use crate::stack::Part;
use rand::seq::SliceRandom as _;
use std::time::Duration;

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    scene.pause_allowed = Some(Duration::from_secs(5));
    let mut brokers = Part::BROKERS;
    brokers.shuffle(&mut scene.rng);
    let [down @ .., _] = brokers;
    for broker in down {
        scene.servers.kill_9(broker).await?;
    }
    let before = scene.acknowledged();
    tokio::time::sleep(scene.seconds(60, 5)).await;
    let during = scene.acknowledged() - before;
    scene.check(
        during > 100,
        format!("{during} events were acknowledged with two brokers down"),
    );
    scene.servers.start_all(&down).await?;
    scene.recovered().await?;
    scene.topic.until_in_sync(SOON).await
}
