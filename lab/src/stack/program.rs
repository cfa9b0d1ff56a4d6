//! Our own binaries as processes: started with settings of their own, logging into a file that a failure
//! names, and killed at the latest when they are dropped.

use super::wait::until;
use anyhow::{Context as _, bail, ensure};
use rand::Rng as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// What a program gets of the environment it is started from; the rest of it means a developer's own stack.
const KEPT: [&str; 6] = ["PATH", "HOME", "USER", "TMPDIR", "LANG", "LD_LIBRARY_PATH"];

/// A running program.
pub struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `binary` (such as `consumer`) with these arguments and settings; the log is appended to, so
    /// that a program started again goes on in the same file.
    pub fn start(
        binary: &str,
        args: &[&str],
        settings: &[(&str, String)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let kept = KEPT
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        let child = Command::new(binary_path(binary)?)
            .args(args)
            // Away from the repository, so that no developer's .env is found.
            .current_dir(std::env::temp_dir())
            .env_clear()
            .envs(kept)
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {binary}"))?;
        Ok(Self {
            name: binary.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: the program learns nothing and finishes nothing.
    pub fn kill_9(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and the wait for the end.
    ///
    /// # Errors
    /// The program still runs after `deadline`.
    pub async fn terminate(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        self.signal("TERM")?;
        self.wait(deadline).await
    }

    /// SIGSTOP: it stands still and notices nothing, as on a machine that sleeps, until [`Self::thaw`].
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal("STOP")
    }

    /// SIGCONT.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> anyhow::Result<()> {
        signal(self.child.id(), name)
            .with_context(|| format!("{} was gone before SIG{name}", self.name))
    }

    /// Waits until the program has ended by itself.
    ///
    /// # Errors
    /// It still runs after `deadline`.
    pub async fn wait(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        let what = format!("{} has ended (log: {})", self.name, self.log.display());
        let child = std::cell::RefCell::new(&mut self.child);
        until(&what, deadline, || async {
            let ended = child.borrow_mut().try_wait().map_err(|e| e.to_string())?;
            ended.ok_or_else(|| "it runs".to_owned())
        })
        .await
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Everything it has said so far, and those before it with the same log.
    pub fn said(&self) -> anyhow::Result<String> {
        said(&self.log)
    }

    /// The log's place.
    pub fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A whole log, whatever bytes are in it.
pub fn said(log: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Sends a signal (`TERM`, `STOP`, …) to a process.
pub fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    let sent = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .stderr(Stdio::null())
        .status()?;
    ensure!(sent.success(), "SIG{name} reached no process {pid}");
    Ok(())
}

/// A binary beside this program's own; beside its folder where this is a test (`target/debug/deps`).
pub fn binary_path(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let mut folder = own.parent().unwrap_or(Path::new("."));
    if folder.ends_with("deps") {
        folder = folder.parent().unwrap_or(folder);
    }
    let path = folder.join(name);
    let release = if folder.ends_with("release") {
        " --release"
    } else {
        ""
    };
    ensure!(
        path.exists(),
        "{} is not built; run: cargo build{release} --workspace --features app/ssr",
        path.display()
    );
    Ok(path)
}

/// A port of 127.0.0.1 that nobody listens on, below the range from which systems take the ports of
/// outgoing connections: a program that is started again finds it free again.
pub fn free_port() -> anyhow::Result<u16> {
    for _ in 0..1_000 {
        let port = rand::rng().random_range(20_000..32_000);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between 20000 and 32000")
}
