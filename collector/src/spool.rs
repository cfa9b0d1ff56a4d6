//! What Kafka cannot take now is kept on the disk: acknowledged after the sync, brought to Kafka later.

use chrono::{DateTime, Utc};
use std::path::PathBuf;

/// The least that [`SpoolArgs::spool_max_bytes`] may be, other than nothing.
const MIN_BYTES: u64 = 1 << 20;

/// Where what Kafka cannot take now is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    /// The folder, made when it is not there; one process's own as long as it runs.
    pub folder: PathBuf,
    /// The most bytes of files in it.
    pub max_bytes: u64,
}

/// The spool's settings, for a binary to flatten into its own.
#[derive(Debug, Clone, clap::Args)]
pub struct SpoolArgs {
    /// Folder that keeps clicks while Kafka cannot take them; only one process may use it.
    #[arg(
        long,
        env = "SPOOL_DIR",
        value_name = "FOLDER",
        default_value = ".clickshop/spool"
    )]
    pub spool_dir: PathBuf,
    /// The most bytes kept there, at least 1 MiB; when it is full, clicks are refused. 0 is no spool.
    #[arg(
        long,
        env = "SPOOL_MAX_BYTES",
        value_name = "BYTES",
        default_value = "1073741824",
        value_parser = max_bytes
    )]
    pub spool_max_bytes: u64,
}

impl SpoolArgs {
    /// The spool that is wanted; none when it may hold nothing.
    pub fn settings(&self) -> Option<SpoolSettings> {
        (self.spool_max_bytes > 0).then(|| SpoolSettings {
            folder: self.spool_dir.clone(),
            max_bytes: self.spool_max_bytes,
        })
    }
}

/// Reads a number of bytes: 0, or at least 1 MiB.
fn max_bytes(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(bytes @ (0 | MIN_BYTES..)) => Ok(bytes),
        _ => Err(format!("expected bytes, 0 or at least {MIN_BYTES}")),
    }
}

/// What waits in the spool, and whether it can take more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolState {
    /// Events that were acknowledged and are not in Kafka yet.
    pub waiting_events: u64,
    /// Their bytes on the disk.
    pub waiting_bytes: u64,
    /// When the oldest of them was received.
    pub oldest: Option<DateTime<Utc>>,
    /// The most bytes that the spool may hold.
    pub max_bytes: u64,
    /// Why it cannot take more now, or what else is wrong with it.
    pub problem: Option<String>,
}
