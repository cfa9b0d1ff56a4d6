//! Every broker gets SIGKILL at the same time. What they had acknowledged is in their files, or still in the
//! system's memory of them: a process that dies loses neither.

use crate::drill::scene::{SOON, Scene, Size};
use crate::stack::Part;
use std::time::Duration;

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    scene.pause_allowed = Some(Duration::from_secs(5));
    for _ in 0..scene.times(2, 1) {
        let [a, b, c] = Part::BROKERS;
        tokio::try_join!(
            scene.servers.kill_9(a),
            scene.servers.kill_9(b),
            scene.servers.kill_9(c)
        )?;
        let before = scene.acknowledged();
        let down = match scene.size {
            Size::Full => 4_000..8_000,
            Size::Short => 3_000..4_000,
        };
        scene.wait_ms(down).await;
        let during = scene.acknowledged() - before;
        scene.check(
            during > 50,
            format!("{during} events were acknowledged without any broker"),
        );
        scene.servers.start_all(&Part::BROKERS).await?;
        scene.recovered().await?;
        scene.topic.until_in_sync(SOON).await?;
    }
    Ok(())
}
