//! How long a click takes to become a row, at a steady rate that does not wait for answers.

use super::Bench;
use super::budget::Row;
use super::table::{Result, Trial};
use crate::latency::Clicks;
use crate::stack::World;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const CLICKS_PER_SECOND: u16 = 100;

/// Measures with a collector in this process, which is how the shop has it, and the consumer as it is.
pub async fn measure(bench: &Bench) -> anyhow::Result<Result> {
    let world = World::make(&bench.servers, "clicks", &bench.logs).await?;
    let consumer = world.consumer()?;
    let kafka = super::kafka::settings_of(&world);
    let clicks = Clicks::open(kafka, &world.database_url).await?;
    let mut trials = Vec::new();
    for _ in 0..bench.scale.trials {
        // What earlier rows left to be written to the disk should not be in this one.
        sqlx::query("CHECKPOINT").execute(&world.db).await?;
        let meter = bench.meter().process("consumer", consumer.id());
        let end = CancellationToken::new();
        let ways = clicks
            .measure(CLICKS_PER_SECOND, bench.scale.clicks, end)
            .await?;
        let ms = |share| {
            let time = ways.rows.percentile(share).unwrap_or(Duration::MAX);
            time.as_secs_f64() * 1000.0
        };
        let (refused, missing) = (ways.refused, ways.missing);
        let void = (refused + missing > 0)
            .then(|| format!("{refused} clicks were refused, {missing} have no row"));
        trials.push(Trial {
            values: vec![ms(50), ms(99)],
            sides: None,
            used: meter.read()?,
            void: void.into_iter().collect(),
        });
    }
    drop(consumer);
    world.clear().await;
    Ok(Result {
        budget: Row::Clicks.budget(),
        trials,
    })
}
