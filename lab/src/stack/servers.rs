//! Three brokers and a Postgres: those that a test run has brought up, or one's own, on free ports and in
//! a temporary folder, gone when this is dropped.

use super::program::{free_port, signal};
use anyhow::{Context as _, bail};
use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, PoisonError, RwLock};

/// Everything about servers as processes is in this script.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docker/native/servers.sh");

/// The ports that the script wants to be told.
const PORTS: [&str; 7] = [
    "BROKER1_PORT",
    "BROKER2_PORT",
    "BROKER3_PORT",
    "CONTROLLER1_PORT",
    "CONTROLLER2_PORT",
    "CONTROLLER3_PORT",
    "POSTGRES_PORT",
];

/// One server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Broker 1, 2 or 3, by its node id.
    Broker(i32),
    Postgres,
}

impl Part {
    /// All brokers.
    pub const BROKERS: [Self; 3] = [Self::Broker(1), Self::Broker(2), Self::Broker(3)];
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(id) => write!(f, "broker{id}"),
            Self::Postgres => f.write_str("postgres"),
        }
    }
}

/// The servers, and how to break them.
#[derive(Debug)]
pub struct Servers {
    /// What the script is told beside the environment; empty for a test run's.
    settings: Vec<(&'static str, String)>,
    /// Where their data, logs and process ids are.
    data: PathBuf,
    brokers: String,
    database_url: String,
    /// To be stopped and deleted with this.
    own: bool,
    /// Read by each run of the script, so that the last one, which deletes, begins when all others have ended.
    busy: Arc<RwLock<()>>,
}

impl Servers {
    /// The servers that `./test.sh` has brought up.
    ///
    /// # Errors
    /// Nobody has: a developer's own servers are never taken by mistake.
    pub fn from_environment() -> anyhow::Result<Self> {
        let setting = |name: &str| {
            std::env::var(name).with_context(|| {
                format!(
                    "{name} is not set: this needs servers of its own, which ./test.sh brings up"
                )
            })
        };
        Ok(Self {
            settings: Vec::new(),
            data: setting("CLICKSHOP_DATA")?.into(),
            brokers: setting("KAFKA_BROKERS")?,
            database_url: setting("DATABASE_URL")?,
            own: false,
            busy: Arc::default(),
        })
    }

    /// Brings up servers of one's own below `folder`, which other users must be able to enter: root's
    /// Postgres runs as somebody else.
    pub async fn bring_up(folder: &Path) -> anyhow::Result<Self> {
        let mut ports = BTreeSet::new();
        while ports.len() < PORTS.len() {
            ports.insert(free_port()?);
        }
        let ports: Vec<u16> = ports.into_iter().collect();
        let data = folder.join("servers");
        let mut settings: Vec<(&'static str, String)> = PORTS
            .iter()
            .zip(&ports)
            .map(|(name, port)| (*name, port.to_string()))
            .collect();
        settings.push(("CLICKSHOP_DATA", data.display().to_string()));
        settings.push(("CLICKSHOP_ENV_FILE", "/dev/null".to_owned()));
        let brokers: Vec<String> = ports[..3]
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        let servers = Self {
            settings,
            data,
            brokers: brokers.join(","),
            database_url: format!(
                "postgres://default:default123@127.0.0.1:{}/clickstream",
                ports[6]
            ),
            // From here on, also when bringing them up fails half-way.
            own: true,
            busy: Arc::default(),
        };
        servers.up().await?;
        Ok(servers)
    }

    /// The brokers' addresses.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// A database of the server that always exists.
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// Where the servers log.
    pub fn logs(&self) -> PathBuf {
        self.data.join("logs")
    }

    /// Starts a server (again) and waits until it serves.
    pub async fn start(&self, part: Part) -> anyhow::Result<()> {
        self.script(&["start".to_owned(), part.to_string()]).await
    }

    /// Stops a server in order.
    pub async fn stop(&self, part: Part) -> anyhow::Result<()> {
        self.script(&["stop".to_owned(), part.to_string()]).await
    }

    /// SIGKILL.
    pub async fn kill_9(&self, part: Part) -> anyhow::Result<()> {
        self.script(&["kill9".to_owned(), part.to_string()]).await
    }

    /// Starts several brokers at once: the first of them may need another one to be let in.
    pub async fn start_all(&self, parts: &[Part]) -> anyhow::Result<()> {
        match parts {
            [a, b, c] => tokio::try_join!(self.start(*a), self.start(*b), self.start(*c)).map(drop),
            [a, b] => tokio::try_join!(self.start(*a), self.start(*b)).map(drop),
            several => {
                for part in several {
                    self.start(*part).await?;
                }
                Ok(())
            }
        }
    }

    /// SIGSTOP: the server accepts connections, by its kernel, and answers nothing.
    pub fn freeze(&self, part: Part) -> anyhow::Result<()> {
        signal(self.pid(part)?, "STOP").with_context(|| part.to_string())
    }

    /// SIGCONT.
    pub fn thaw(&self, part: Part) -> anyhow::Result<()> {
        signal(self.pid(part)?, "CONT").with_context(|| part.to_string())
    }

    /// Makes Kafka a new and empty one, as when somebody deleted its volumes. Only one's own.
    pub async fn wipe_kafka(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.own, "a test run's Kafka is not ours to wipe");
        for part in Part::BROKERS {
            self.kill_9(part).await?;
        }
        tokio::fs::remove_dir_all(self.data.join("kafka")).await?;
        self.up().await
    }

    /// Starts whatever does not run, and wakes what was frozen.
    pub async fn up(&self) -> anyhow::Result<()> {
        for part in Part::BROKERS {
            // One that does not run is started below.
            let _ = self.thaw(part);
        }
        self.script(&["up".to_owned()]).await
    }

    /// The process's id, as the script has written it down.
    pub fn pid(&self, part: Part) -> anyhow::Result<u32> {
        let file = self.data.join(format!("run/{part}.pid"));
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("{part} does not run: {}", file.display()))?;
        let pid = text
            .split_whitespace()
            .next()
            .and_then(|pid| pid.parse().ok());
        pid.with_context(|| format!("{} holds no process id", file.display()))
    }

    async fn script(&self, args: &[String]) -> anyhow::Result<()> {
        let mut command = self.command(args);
        let busy = Arc::clone(&self.busy);
        let run = move || {
            let _busy = busy.read().unwrap_or_else(PoisonError::into_inner);
            command.output()
        };
        let done = tokio::task::spawn_blocking(run).await??;
        checked(args, &done)
    }

    fn command(&self, args: &[String]) -> Command {
        let mut command = Command::new("bash");
        command
            .arg(SCRIPT)
            .args(args)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(std::process::Stdio::null())
            // Ctrl-C in a terminal is for us: cut off between a server's start and the note of its process id,
            // the script would leave one behind that nobody knows.
            .process_group(0);
        command
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if !self.own {
            return;
        }
        // One that was begun before goes on, also when nobody waits for it any more.
        let _last = self.busy.write().unwrap_or_else(PoisonError::into_inner);
        // A frozen one would not hear that it is to stop.
        for part in Part::BROKERS {
            if let Ok(pid) = self.pid(part) {
                let _ = signal(pid, "KILL");
            }
        }
        let args = ["wipe".to_owned()];
        let wiped = self.command(&args).output();
        if let Err(error) = wiped
            .map_err(anyhow::Error::from)
            .and_then(|done| checked(&args, &done))
        {
            eprintln!("the drill's servers were not taken down: {error:#}");
        }
    }
}

fn checked(args: &[String], done: &Output) -> anyhow::Result<()> {
    if !done.status.success() {
        bail!(
            "servers.sh {}: {}{}",
            args.join(" "),
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
    }
    Ok(())
}
