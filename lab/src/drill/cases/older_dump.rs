//! Postgres is lost, and an older dump of it restored, made while everything ran. The consumers go on from
//! the dump's own offsets and read again all that Kafka still has.

use crate::drill::scene::Scene;
use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

pub async fn run(scene: &mut Scene<'_>) -> anyhow::Result<()> {
    scene.until_acknowledged(300).await?;
    let dump = scene.folder.join("dump");
    let url = scene.world.database_url.clone();
    postgres_tool(
        "pg_dump",
        &["--format=custom", "--file", &text(&dump), "--dbname", &url],
    )
    .await?;
    scene
        .until_acknowledged(scene.times(2_000, 300) as u64)
        .await?;
    let rows = scene.world.number("SELECT count(*) FROM events").await?;
    for consumer in &mut scene.consumers {
        consumer.kill_9()?;
    }
    let restored = async {
        scene.world.empty_database().await?;
        let dump = text(&dump);
        let args = ["--exit-on-error", "--dbname", &url, &dump];
        postgres_tool("pg_restore", &args).await
    };
    scene.watch.while_moved(restored).await?;
    let restored = scene.world.number("SELECT count(*) FROM events").await?;
    scene.check(
        restored < rows,
        format!("the dump is older: {restored} rows instead of {rows}"),
    );
    for consumer in &mut scene.consumers {
        consumer.start(&scene.world)?;
    }
    scene.recovered().await?;
    let caught_up = scene.world.number("SELECT count(*) FROM events").await?;
    scene.check(
        caught_up >= rows,
        format!("{caught_up} rows are there again, {rows} there were"),
    );
    scene.both_consume().await
}

/// Runs one of Postgres' own tools: the newest that Debian has, else the one on the path.
async fn postgres_tool(name: &'static str, args: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(newest(name).unwrap_or_else(|| name.into()));
    command.args(args);
    let done = tokio::task::spawn_blocking(move || command.output())
        .await?
        .context(name)?;
    ensure!(
        done.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(())
}

fn newest(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|version| {
            let number = version.file_name().to_str()?.parse().ok()?;
            let tool = version.path().join("bin").join(name);
            tool.exists().then_some((number, tool))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, tool)| tool)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
