//! Kafka stands still until one app's spool is at its cap and the other's disk is full: both then refuse,
//! with 503, and what they took before is not lost.

use crate::drill::scene::{STOP, Scene};
use crate::stack::{Part, until};
use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The smallest cap there is, and the size of the small disk.
const BYTES: u64 = 1 << 20;

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    let capped = scene.folder.join("spool-capped");
    let small = SmallDisk::mount(scene.folder.join("spool-on-a-small-disk"));
    if let Err(error) = &small {
        tracing::warn!("no small disk: {error:#}");
        scene.skipped = Some("a full disk: skipped, needs root".to_owned());
    }
    for app in 0..2 {
        scene.apps[app].terminate(STOP).await?;
        match &small {
            // The disk is full before the cap is reached.
            Ok(disk) if app == 1 => scene.apps[app].set("SPOOL_DIR", text(&disk.0.join("spool"))),
            _ => {
                let folder = capped.with_extension(app.to_string());
                scene.apps[app].set("SPOOL_DIR", text(&folder));
                scene.apps[app].set("SPOOL_MAX_BYTES", BYTES.to_string());
            }
        }
        scene.start_app(app).await?;
    }
    scene.flows().await?;
    for broker in Part::BROKERS {
        scene.servers.freeze(broker)?;
    }
    let before = scene.refused();
    let both = until("both apps refuse", Duration::from_mins(2), || async {
        let now = scene.refused();
        if now[0] > before[0] + 5 && now[1] > before[1] + 5 {
            Ok(())
        } else {
            Err(format!("refused {before:?}, now {now:?}"))
        }
    })
    .await;
    // Full for a while, not only for a moment.
    scene.wait_ms(1_500..3_000).await;
    for broker in Part::BROKERS {
        scene.servers.thaw(broker)?;
    }
    both?;
    for app in 0..2 {
        let runs = scene.apps[app].runs()?;
        scene.check(runs, format!("app {} still runs", app + 1));
    }
    scene.recovered().await?;
    scene.flows().await?;
    if small.is_ok() {
        // Off the small disk, which is about to go.
        let folder = text(&capped.with_extension("last"));
        scene.apps[1].terminate(STOP).await?;
        scene.apps[1].set("SPOOL_DIR", folder);
        scene.start_app(1).await?;
    }
    Ok(())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A disk in memory, which only root can mount; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let options = format!("size={BYTES}");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &options, "clickshop-drill"]);
        let done = command.arg(&folder).output().context("mount")?;
        ensure!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        Ok(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: after an error somebody may still use it.
        let done = Command::new("umount").arg("-l").arg(&self.0).status();
        if !done.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.0.display());
        }
    }
}
