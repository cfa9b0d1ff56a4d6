//! What a process has used, as the kernel counts it (proc(5)).

use anyhow::Context as _;
use std::time::{Duration, Instant};

/// The kernel tells processor time in hundredths of a second, whatever its own clock (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process used during a measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Used {
    /// Its name in the table.
    pub process: String,
    /// Processor seconds per second.
    pub cores: f64,
    /// The most resident memory since its start, millions of bytes; none for what is no process.
    pub peak_mb: Option<f64>,
}

/// Processes that are watched from now on.
#[derive(Debug)]
pub struct Meter {
    began: Instant,
    /// What the whole machine had used by then.
    machine: u64,
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    name: String,
    id: u32,
    /// Whether its children count with it, as a server's workers do.
    family: bool,
    ticks: u64,
}

impl Meter {
    /// Watches nothing yet.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            machine: machine_ticks(),
            watched: Vec::new(),
        }
    }

    /// Watches one process.
    #[must_use]
    pub fn process(self, name: &str, id: u32) -> Self {
        self.watch(name, id, false)
    }

    /// Watches a process and its children; of memory the largest one's counts, since they share most of it.
    #[must_use]
    pub fn family(self, name: &str, id: u32) -> Self {
        self.watch(name, id, true)
    }

    fn watch(mut self, name: &str, id: u32, family: bool) -> Self {
        let mut watched = Watched {
            name: name.to_owned(),
            id,
            family,
            ticks: 0,
        };
        // One that cannot be seen is told by `read`.
        watched.ticks = watched.now().map_or(0, |now| now.ticks);
        self.watched.push(watched);
        self
    }

    /// What each has used since, and last what was used by everything else on the machine: a measurement
    /// beside much of that says little.
    pub fn read(&self) -> anyhow::Result<Vec<Used>> {
        let during = self.began.elapsed();
        let mut elsewhere = machine_ticks().saturating_sub(self.machine);
        let mut all = Vec::with_capacity(self.watched.len() + 1);
        for watched in &self.watched {
            let now = watched
                .now()
                .with_context(|| format!("{} (process {}) has gone", watched.name, watched.id))?;
            let ticks = now.ticks.saturating_sub(watched.ticks);
            elsewhere = elsewhere.saturating_sub(ticks);
            all.push(Used {
                process: watched.name.clone(),
                cores: cores(ticks, during),
                peak_mb: Some(megabytes(now.peak_kb)),
            });
        }
        all.push(Used {
            process: "everything else".to_owned(),
            cores: cores(elsewhere, during),
            peak_mb: None,
        });
        Ok(all)
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Watched {
    fn now(&self) -> Option<Now> {
        let one = Now::of(self.id)?;
        if !self.family {
            return Some(one);
        }
        let others = std::fs::read_dir("/proc").ok()?.flatten();
        let others = others
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Now::of)
            .filter(|other| other.parent == self.id);
        Some(others.fold(one, |sum, other| Now {
            ticks: sum.ticks + other.ticks,
            peak_kb: sum.peak_kb.max(other.peak_kb),
            ..sum
        }))
    }
}

/// One process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Now {
    parent: u32,
    /// Its own time, and that of its children that have ended.
    ticks: u64,
    peak_kb: u64,
}

impl Now {
    fn of(id: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (parent, ticks) = parent_and_ticks(&stat)?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        Some(Self {
            parent,
            ticks,
            peak_kb: peak_kb(&status)?,
        })
    }
}

/// What all processors have worked since the machine's start; 0 where nobody tells.
fn machine_ticks() -> u64 {
    std::fs::read_to_string("/proc/stat")
        .ok()
        .and_then(|stat| busy_ticks(&stat))
        .unwrap_or(0)
}

/// Of `/proc/stat`: all but idling and waiting for disks. What guests use is counted as their host's already.
fn busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields = line.split_whitespace().map(str::parse);
    let fields: Vec<u64> = fields.collect::<Result<_, _>>().ok()?;
    let idle: u64 = fields.get(3..5)?.iter().sum();
    Some(fields.get(..8)?.iter().sum::<u64>() - idle)
}

/// Of `/proc/PID/stat`: the parent, and the processor time of the process and its ended children.
fn parent_and_ticks(stat: &str) -> Option<(u32, u64)> {
    // The name stands in brackets and may hold anything, brackets too.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // The first of these fields is the third of the line.
    let parent = fields.get(1)?.parse().ok()?;
    let ticks = fields.get(11..15)?;
    let ticks = ticks.iter().map(|field| field.parse::<u64>().ok());
    Some((parent, ticks.sum::<Option<u64>>()?))
}

/// Of `/proc/PID/status`: the most resident memory so far.
fn peak_kb(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn cores(ticks: u64, during: Duration) -> f64 {
    ticks as f64 / TICKS_PER_SECOND / during.as_secs_f64().max(f64::EPSILON)
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn megabytes(kb: u64) -> f64 {
    kb as f64 * 1.024 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read_whatever_a_process_calls_itself() {
        let stat = "77 (a b) c) S 1 77 70 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 9 0 5 6 7";
        assert_eq!(parent_and_ticks(stat), Some((1, 127)));
        assert_eq!(parent_and_ticks("77 (x) S"), None);
        let status = "Name:\tx\nVmPeak:\t  900 kB\nVmHWM:\t   512 kB\n";
        assert_eq!(peak_kb(status), Some(512));
        assert_eq!(peak_kb("Name:\tkthreadd\n"), None);
        let stat = "cpu  10 1 5 100 50 2 3 4 7 7\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(busy_ticks(stat), Some(25));
        assert_eq!(busy_ticks("intr 1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_some_memory() {
        let meter = Meter::new().process("this", std::process::id());
        let used = meter.read().unwrap();
        assert_eq!(used[0].process, "this");
        assert!(used[0].peak_mb.unwrap() > 1.0, "{used:?}");
        assert_eq!(used[1].process, "everything else");
    }
}
