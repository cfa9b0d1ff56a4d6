//! Postgres gets SIGKILL, in the midst of large batches, recovers from its log and goes on, ten times. Clients
//! notice nothing: what they send is acknowledged by Kafka.

use crate::drill::scene::Scene;
use crate::stack::Part;
use std::time::Duration;

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    scene.pause_allowed = Some(Duration::from_secs(3));
    for _ in 0..scene.times(10, 1) {
        scene.wait_ms(300..1_500).await;
        let backlog = scene.backlog(20_000)?;
        scene.wait_ms(100..600).await;
        scene.servers.kill_9(Part::Postgres).await?;
        scene.wait_ms(0..1_000).await;
        scene.servers.start(Part::Postgres).await?;
        backlog.await??;
        scene.recovered().await?;
    }
    Ok(())
}
