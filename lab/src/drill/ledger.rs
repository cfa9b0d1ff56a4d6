//! What the clients hold in their hands: every acknowledgement they heard, on the disk before they go on.
//!
//! One file for all clients of a case, a line for each acknowledged event; lines that come together share
//! one fsync. What is reconciled is read back from the file: it is the word of the clients alone.

use anyhow::Context as _;
use domain::Source;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// One acknowledgement of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// When the client heard it, since the case began; whole microseconds.
    pub at: Duration,
    /// Which client heard it.
    pub client: usize,
    /// Which app said it.
    pub door: usize,
    /// By which way it was sent.
    pub source: Source,
    /// The event.
    pub id: Uuid,
}

/// Lines on their way to the disk, and who waits for them.
type Lines = (String, oneshot::Sender<()>);

/// The open ledger; cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    path: PathBuf,
    lines: mpsc::UnboundedSender<Lines>,
}

impl Ledger {
    /// Begins a new ledger.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create_new(path).with_context(|| path.display().to_string())?;
        let (lines, incoming) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || keep(file, incoming))?;
        Ok(Self {
            path: path.to_owned(),
            lines,
        })
    }

    /// Returns once all of it is on the disk.
    pub async fn write(&self, entries: &[Entry]) -> anyhow::Result<()> {
        let mut text = String::with_capacity(entries.len() * 64);
        for entry in entries {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{} {} {} {} {}",
                entry.at.as_micros(),
                entry.client,
                entry.door,
                entry.source.as_str(),
                entry.id
            );
        }
        let (done, written) = oneshot::channel();
        let broken = "the ledger cannot be written";
        self.lines.send((text, done)).ok().context(broken)?;
        written.await.context(broken)
    }

    /// Everything that has been written, in its order.
    pub fn read(&self) -> anyhow::Result<Vec<Entry>> {
        let text = std::fs::read_to_string(&self.path)?;
        text.lines()
            .map(|line| entry(line).with_context(|| format!("no line of a ledger: {line}")))
            .collect()
    }
}

/// Writes what has come, one fsync for all of it; ends when the ledger is dropped or the disk fails.
fn keep(mut file: File, mut incoming: mpsc::UnboundedReceiver<Lines>) {
    while let Some((mut text, first)) = incoming.blocking_recv() {
        let mut waiting = vec![first];
        while let Ok((more, one)) = incoming.try_recv() {
            text.push_str(&more);
            waiting.push(one);
        }
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            tracing::error!(%error, "the ledger cannot be written");
            return;
        }
        for one in waiting {
            // A client that is gone needs no answer.
            let _ = one.send(());
        }
    }
}

fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split(' ');
    Some(Entry {
        at: Duration::from_micros(fields.next()?.parse().ok()?),
        client: fields.next()?.parse().ok()?,
        door: fields.next()?.parse().ok()?,
        source: Source::from_name(fields.next()?)?,
        id: fields.next()?.parse().ok()?,
    })
}

/// The longest time in which nobody was acknowledged, between the first entry and the last.
pub fn longest_pause(entries: &[Entry]) -> Duration {
    let mut times: Vec<Duration> = entries.iter().map(|entry| entry.at).collect();
    times.sort_unstable();
    times
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Entry {
        Entry {
            at: Duration::from_millis(ms),
            client: 3,
            door: 1,
            source: Source::Events,
            id: Uuid::from_u128(ms.into()),
        }
    }

    #[tokio::test]
    async fn what_was_written_is_read_back_and_lines_that_meet_share_a_sync() {
        let path = std::env::temp_dir().join(format!("ledger-{}", Uuid::new_v4()));
        let ledger = Ledger::create(&path).unwrap();
        let (one, more) = ([at(1)], [at(2), at(3)]);
        let (a, b) = tokio::join!(ledger.write(&one), ledger.write(&more));
        a.unwrap();
        b.unwrap();
        assert_eq!(ledger.read().unwrap(), [at(1), at(2), at(3)]);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_pause_is_between_two_acknowledgements_whoever_heard_them() {
        assert_eq!(longest_pause(&[]), Duration::ZERO);
        assert_eq!(longest_pause(&[at(5)]), Duration::ZERO);
        let entries = [at(50), at(10), at(20)];
        assert_eq!(longest_pause(&entries), Duration::from_millis(30));
    }
}
