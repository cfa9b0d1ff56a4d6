//! An app gets SIGKILL under load, and is started again; every fourth and the last time while Kafka stands still,
//! so that it dies with events on its disk that only its successor can bring to Kafka.

use crate::drill::scene::Scene;
use crate::stack::Part;
use rand::Rng as _;

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let kills = scene.times(20, 2);
    for kill in 1..=kills {
        let app = scene.rng.random_range(0..2);
        let on_disk = kill % 4 == 0 || kill == kills;
        if on_disk {
            for broker in Part::BROKERS {
                scene.servers.freeze(broker)?;
            }
            // Longer than an app waits for Kafka, shorter than a broker's session.
            scene.wait_ms(3_000..4_500).await;
        } else {
            scene.wait_ms(100..1_200).await;
        }
        scene.kill_app(app)?;
        if on_disk {
            for broker in Part::BROKERS {
                scene.servers.thaw(broker)?;
            }
        }
        scene.wait_ms(0..400).await;
        scene.start_app(app).await?;
    }
    scene.recovered().await?;
    Ok(())
}
