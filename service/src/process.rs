//! A process from its first line to its exit code: settings, logs and metrics, what it is there for, and
//! an end that nothing holds up.

use crate::open_files;
use crate::settings;
use crate::telemetry::{self, Telemetry};
use std::process::ExitCode;

/// Reads the settings and does the binary's `work` with them; `name` is its label in the metrics. The
/// first thing in `main`, since reading `.env` changes the environment and no thread may run yet.
///
/// An error of the work becomes a line on stderr and exit code 1; a mistake in the settings ends the
/// process with code 2.
pub fn run<S, W>(name: &'static str, work: impl FnOnce(S, Telemetry) -> W) -> ExitCode
where
    S: clap::Parser,
    W: Future<Output = anyhow::Result<()>>,
{
    let settings = settings::parse();
    open_files::raise_limit();
    let ended = telemetry::init(name).and_then(|telemetry| finish(work(settings, telemetry)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does the work on a runtime of its own, which is gone afterwards.
fn finish(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(work);
    // A look-up that still waits for a broker must not hold up the end.
    runtime.shutdown_background();
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn the_work_says_how_it_ended_and_nothing_left_behind_holds_up_the_end() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let began = Instant::now();
        let ended = finish(async {
            tokio::task::spawn_blocking(|| {
                let _ = tell.send(());
                std::thread::sleep(Duration::from_mins(1));
            });
            told.await?;
            anyhow::bail!("no more")
        });
        assert_eq!(ended.unwrap_err().to_string(), "no more");
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
