//! The drill: everything fails that can fail, under load, and nothing that was acknowledged is lost or
//! stored twice.
//!
//! The [`plan`] says which case's turn it is. In the order of a case: the stage is set ([`scene`]: a world of its
//! own on the drill's own servers, with two apps and two consumers in their places, [`slot`]), clients send
//! ([`load`]) what the seed decides ([`deed`]) to both front doors ([`door`]) and write down every acknowledgement
//! ([`ledger`]), the fault happens ([`cases`]) while somebody looks at the leases ([`watch`]) and, where a process may
//! come back from the dead, at who writes ([`writes`]); when all is quiet the database is read ([`books`]) and compared
//! with what the clients heard ([`reconcile`]). Then the [`table`].
//!
//! The judge is apart from what it judges: the clients' own files on one side, plain SQL over the rows on
//! the other; the collectors' reports are one more witness.

pub mod books;
pub mod cases;
pub mod deed;
pub mod door;
pub mod ledger;
pub mod load;
pub mod machine;
pub mod plan;
pub mod reconcile;
pub mod scene;
pub mod slot;
pub mod table;
pub mod watch;
pub mod writes;

use crate::stack::Servers;
use crate::stack::program::binary_path;
use anyhow::{Context as _, bail, ensure};
use cases::Case;
use futures::future::join_all;
use load::Pace;
use plan::{Plan, Turn};
use scene::{Outcome, Places, Scene, Size};
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use table::{Ended, Line};
use tokio_util::sync::CancellationToken;

/// Which cases, and how.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// Only this case, by its name or number; may be given several times.
    #[arg(long, value_name = "NAME", value_parser = cases::find)]
    case: Vec<&'static Case>,
    /// Plays each case once and then goes on with them, each time with other faults, until so many minutes have
    /// passed.
    #[arg(long, value_name = "N")]
    minutes: Option<u64>,
    /// The same number repeats a drill's plan; else a random one.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Each kind of fault once or a few times, some of them at once, in a few minutes.
    #[arg(long)]
    short: bool,
    /// Also writes the table into this document.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// Drills; whatever happens, everything that was brought up is taken down.
///
/// # Errors
/// Something was lost or twice or else not as it must be; or it could not be found out.
pub async fn run(settings: Settings, end: CancellationToken) -> anyhow::Result<()> {
    // In a box: it is the largest future there is.
    match end.run_until_cancelled(Box::pin(drill(&settings))).await {
        Some(done) => done,
        None => bail!("interrupted; everything has been taken down"),
    }
}

async fn drill(settings: &Settings) -> anyhow::Result<()> {
    for binary in ["app", "consumer"] {
        binary_path(binary)?;
    }
    let began = Instant::now();
    let seed = settings
        .seed
        .unwrap_or_else(|| rand::random_range(0..1_000_000));
    let size = if settings.short {
        Size::Short
    } else {
        Size::Full
    };
    let plan = Plan::new(&settings.case, settings.short, seed, settings.minutes);
    let scratch = tempfile::Builder::new()
        .prefix("clickshop-drill.")
        .tempdir()?;
    // Postgres runs as another user when root runs this.
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o711))?;
    let places = Places {
        scratch: scratch.path().to_owned(),
        logs: log_folder()?,
    };
    println!("seed {seed}; logs in {}", places.logs.display());
    println!("three brokers and Postgres are coming up");
    let servers = Servers::bring_up(scratch.path()).await?;
    let mut lines = Vec::new();
    let mut turns = 0;
    while let Some(turn) = plan.turn(turns, began.elapsed()) {
        turns += 1;
        let places = places.of_round(turn.round);
        let cases = turn
            .cases
            .iter()
            .map(|case| play(&servers, case, size, &turn, &places));
        lines.extend(join_all(cases).await);
    }
    // Cases that were played at once stand in the order of their numbers, too; rounds stay apart.
    lines.sort_by_key(|line: &Line| (line.round, line.number));
    // What the servers said is worth keeping only where something went wrong.
    if lines.iter().any(|line| !line.is_good()) {
        keep_logs(&servers.logs(), &places.logs);
    }
    let table = table::markdown(&lines);
    println!("\n{table}");
    if let Some(file) = &settings.markdown {
        write_document(file, &table, &lines, seed, began.elapsed())?;
    }
    let failed = lines.iter().filter(|line| !line.is_good()).count();
    ensure!(
        failed == 0,
        "{failed} of {} cases were not as they must be (seed {seed}, logs in {})",
        lines.len(),
        places.logs.display()
    );
    println!(
        "{} cases, nothing lost, nothing twice; seed {seed}, {:.0} s",
        lines.len(),
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Plays one case and says how it went; never fails itself.
async fn play(
    servers: &Servers,
    case: &'static Case,
    size: Size,
    turn: &Turn,
    places: &Places,
) -> Line {
    let began = Instant::now();
    let Turn { seed, round, .. } = *turn;
    println!("\n{}. {} (seed {seed})", case.number, case.about);
    // Each case has its own course, whichever cases run beside it.
    let own_seed = seed.wrapping_mul(100).wrapping_add(case.number.into());
    let ended = match on_stage(servers, case, size, own_seed, places).await {
        Ok(Outcome {
            figures,
            recovery,
            checks,
            skipped,
        }) => Ended::Played {
            figures,
            recovery,
            checks,
            skipped,
        },
        Err(error) => {
            let mut why = format!("{error:#}");
            // The next case needs all of them.
            if let Err(error) = servers.up().await {
                why = format!("{why}; and the servers did not come back: {error:#}");
            }
            Ended::Broken(why)
        }
    };
    let line = Line {
        number: case.number,
        about: case.about,
        round,
        took: began.elapsed(),
        ended,
    };
    println!("   {}. {}", case.number, line.summary());
    let notes = places.logs.join(format!("{}-checks.log", case.name));
    if let Err(error) = std::fs::write(&notes, line.all_checks()) {
        tracing::warn!(%error, "{} was not written", notes.display());
    }
    for complaint in line.complaints() {
        println!("   {}. FAILED: {complaint}", case.number);
    }
    line
}

async fn on_stage(
    servers: &Servers,
    case: &'static Case,
    size: Size,
    seed: u64,
    places: &Places,
) -> anyhow::Result<Outcome> {
    let mut scene = Scene::open(servers, case.name, size, seed, places, Pace::default())
        .await
        .context("setting the stage")?;
    let played = case.play(&mut scene).await;
    if played.is_err() {
        // What is lost is worth knowing all the same.
        servers.up().await?;
        let text = played.as_ref().err().map(|error| format!("{error:#}"));
        scene.check(false, text.unwrap_or_default());
        for number in 0..2 {
            for slot in [&mut scene.apps[number], &mut scene.consumers[number]] {
                let _ = slot.thaw();
                if !slot.is_taken() {
                    slot.start(&scene.world)?;
                }
            }
        }
    }
    scene.close().await.context("reconciling")
}

/// Where the programs' logs stay: test.sh's artefacts, else beside what is built.
fn log_folder() -> anyhow::Result<PathBuf> {
    let folder = match std::env::var_os("ARTIFACTS") {
        Some(artefacts) => PathBuf::from(artefacts).join("logs/drill"),
        None => binary_path("lab")?.with_file_name("drill-logs"),
    };
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Copies the servers' logs to those of the programs.
fn keep_logs(from: &Path, to: &Path) {
    let Ok(logs) = std::fs::read_dir(from) else {
        return;
    };
    for log in logs.flatten() {
        let name = format!("server-{}", log.file_name().to_string_lossy());
        if let Err(error) = std::fs::copy(log.path(), to.join(name)) {
            tracing::warn!(%error, "a server's log was not kept");
        }
    }
}

/// The document with the table, and everything that repeats it.
fn write_document(
    file: &Path,
    table: &str,
    lines: &[Line],
    seed: u64,
    took: Duration,
) -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut text = format!(
        "# The drill\n\n\
         Written by the drill itself; `cargo run --release -p lab -- drill --markdown docs/drill.md` writes it anew.\n\n\
         - Date: {}\n- Machine: {}\n- Commit: {}\n- Command: `cargo run --release -p lab -- {}`\n- Seed: {seed}\n- Time: {:.0} minutes\n\n{table}\n",
        chrono::Utc::now().format("%Y-%m-%d %H:%M UTC"),
        machine::describe(),
        machine::commit(),
        args.join(" "),
        took.as_secs_f64() / 60.0,
    );
    text.push_str(NOTES);
    for line in lines {
        for complaint in line.complaints() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "- FAILED, case {}: {complaint}", line.number);
        }
    }
    std::fs::write(file, text).with_context(|| file.display().to_string())
}

/// What the columns mean.
const NOTES: &str = "\
Acknowledged are different events that clients heard a success for, each on the clients' disk before they went on;
stored are those of them that are rows of `events`. Lost is neither a row, nor a reject with its reason, nor given up
by an operator with a command that says so. The longest pauses are between two acknowledgements to any client, and
between two rows; recovery is the longest time from a fault's end until nothing was left to be stored. A case also
fails when a rollup, `clickstream_data`, a claimed id or the collectors' own balance does not agree with the rows, or
when a stored offset went back.
";
