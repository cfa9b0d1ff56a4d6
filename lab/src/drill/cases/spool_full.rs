//! Kafka stands still until one app's spool is at its cap and the other's disk is full: both then refuse,
//! with 503, and what they took before is not lost. In a short drill large events fill them, in a few seconds; in
//! a whole one it is the clients' load alone, and the brokers stand still for longer than their sessions.

use crate::drill::deed::Request;
use crate::drill::door::Answer;
use crate::drill::ledger::Entry;
use crate::drill::load::Unknown;
use crate::drill::scene::{STOP, Scene, Size};
use crate::stack::{Part, until};
use crate::visit;
use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

/// The smallest cap there is, and the size of the small disk.
const BYTES: u64 = 1 << 20;
/// Whose acknowledgements those of the large events are, in the ledger.
const CLIENT: usize = 998;
/// How much is in each of them, below the most that an event may be.
const LARGE_BYTES: usize = 30_000;
/// More of them than an app has room for.
const LARGE: usize = 40;

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
    if scene.size == Size::Short {
        for door in 0..2 {
            fill(scene, door).await?;
        }
    }
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

/// Sends large events to an app, until it takes no more.
async fn fill(scene: &mut Scene<'_>, door: usize) -> anyhow::Result<()> {
    let (doors, ledger) = scene.doors();
    for _ in 0..LARGE {
        let id = visit::id(&mut scene.rng);
        let filling = "x".repeat(LARGE_BYTES);
        let body = json!({ "id": id, "type": "custom", "user_id": "large", "metadata": { "filling": filling } });
        let request = Request::Event { id, body };
        scene.experience.tried.insert(id);
        let sent = Instant::now();
        match doors.send(door, &request).await {
            Answer::Kept(ids) => {
                let at = scene.began().elapsed();
                let source = request.source();
                let entry = |id| Entry {
                    at,
                    client: CLIENT,
                    door,
                    source,
                    id,
                };
                let entries: Vec<Entry> = ids.into_iter().map(entry).collect();
                ledger.write(&entries).await?;
            }
            Answer::Refused(_) => {
                scene.experience.refused_events += 1;
                return Ok(());
            }
            Answer::Unknown(reason) => scene.experience.unknown.push(Unknown {
                sent,
                ended: Instant::now(),
                door,
                events: 1,
                reason,
            }),
            Answer::Unreached => scene.experience.unreached += 1,
            Answer::Wrong(what) => bail!(what),
        }
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
