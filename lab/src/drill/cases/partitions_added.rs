//! The topic gets three more partitions under load. Producers find them, consumers read them from their
//! beginning, and nothing that was written meanwhile is skipped.

use crate::drill::scene::{SOON, Scene};
use crate::stack::until;

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let before = scene.topic.copies().await?.len();
    let wanted = before + 3;
    scene.topic.grow_to(wanted).await?;
    until("rows come from every new partition", SOON, || async {
        let sql = "SELECT count(DISTINCT kafka_partition) FROM events";
        match scene.world.number(sql).await {
            Ok(n) if usize::try_from(n).is_ok_and(|n| n >= wanted) => Ok(()),
            Ok(n) => Err(format!("{n} of {wanted} partitions")),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await?;
    scene.recovered().await?;
    let leases = scene.watch.newest().len();
    scene.check(
        leases == wanted,
        format!("{leases} of {wanted} partitions have a lease"),
    );
    Ok(())
}
