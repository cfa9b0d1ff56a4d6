//! Our own binaries as processes: started with settings of their own, logging into a file that a failing
//! test names, and killed at the latest when the test ends.

use super::wait::until;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A running program.
pub struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `binary` (such as `consumer`) with these arguments and settings; the log is appended to, so
    /// that a program started again goes on in the same file.
    pub fn start(binary: &str, args: &[&str], settings: &[(&str, String)], log: &Path) -> Self {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .unwrap_or_else(|e| panic!("cannot write {}: {e}", log.display()));
        let child = Command::new(binary_path(binary))
            .args(args)
            // Away from the repository, so that no developer's .env is found.
            .current_dir(std::env::temp_dir())
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {binary}: {e}"));
        Self {
            name: binary.to_owned(),
            child,
            log: log.to_owned(),
        }
    }

    /// SIGKILL: the program learns nothing and finishes nothing.
    pub fn kill_9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the wait for the end.
    ///
    /// # Panics
    /// When the program still runs after `deadline`.
    pub async fn terminate(&mut self, deadline: Duration) -> ExitStatus {
        self.signal("TERM");
        self.wait(deadline).await
    }

    /// SIGSTOP: it stands still and notices nothing, as on a machine that sleeps, until [`Self::thaw`].
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success(), "{} was gone before SIG{name}", self.name);
    }

    /// Waits until the program has ended by itself.
    ///
    /// # Panics
    /// When it still runs after `deadline`.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("{} has ended (log: {})", self.name, self.log.display());
        let child = std::cell::RefCell::new(&mut self.child);
        until(&what, deadline, || async {
            let ended = child.borrow_mut().try_wait().unwrap();
            ended.ok_or_else(|| "it runs".to_owned())
        })
        .await
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Everything it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary beside this test's own: `target/debug/deps/pipeline-…` → `target/debug/NAME`.
fn binary_path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not built; ./test.sh builds it, or: cargo build --workspace --features app/ssr --all-targets",
        path.display()
    );
    path
}

/// A port of 127.0.0.1 that nobody listens on.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
