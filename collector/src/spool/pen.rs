//! Writes to the last segment, and never again to one that has failed: after a failed sync nobody can say
//! what of it is on the disk.

use super::book::Refused;
use super::disk::{Disk, Segment};
use super::segment::START;
use crate::telemetry::METERS;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

/// A segment is closed when it has so many bytes: a small part of the spool, so that space comes back
/// while it is drained.
const SEGMENT_BYTES: u64 = 16 << 20;

/// The way onto the disk.
pub(super) struct Pen {
    disk: Box<dyn Disk>,
    path: Box<dyn Fn(u64) -> PathBuf + Send>,
    current: Option<Current>,
    /// The next segment's number; each is used once, also when nothing came of it.
    next: u64,
    segment_bytes: u64,
}

struct Current {
    number: u64,
    segment: Box<dyn Segment>,
    /// Bytes that are known to be on the disk.
    len: u64,
}

/// Where the bytes lie.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The segment's number.
    pub number: u64,
    /// Its length with them.
    pub len: u64,
}

impl Pen {
    /// Will begin with the segment `next`. `max_bytes` is all that the spool may hold.
    pub fn new(
        disk: Box<dyn Disk>,
        path: Box<dyn Fn(u64) -> PathBuf + Send>,
        next: u64,
        max_bytes: u64,
    ) -> Self {
        Self {
            disk,
            path,
            current: None,
            next,
            segment_bytes: SEGMENT_BYTES.min(max_bytes / 8),
        }
    }

    /// Returns when the bytes, whole frames, survive a power cut. When that fails they are written once
    /// more, into a new segment; an error means that this failed too, and that they are nowhere.
    pub fn write(&mut self, frames: &[u8]) -> Result<Written, Refused> {
        let first = match self.attempt(frames) {
            Ok(written) => return Ok(written),
            Err(error) => error,
        };
        tracing::error!(error = %first, "cannot write to the spool; trying a new segment");
        self.poison();
        self.attempt(frames).map_err(|error| {
            self.poison();
            Refused::Disk(error.to_string())
        })
    }

    /// Whether a segment can be made, for one who has failed.
    pub fn can_begin(&mut self) -> Result<(), Refused> {
        self.current()
            .map(|_| ())
            .map_err(|error| Refused::Disk(error.to_string()))
    }

    /// The segment that is being written to; none when the next bytes begin a new one.
    pub fn open(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.number)
    }

    /// Ends the segment: what comes next begins a new one.
    pub fn seal(&mut self) {
        self.current = None;
    }

    fn attempt(&mut self, frames: &[u8]) -> io::Result<Written> {
        let length = frames.len() as u64;
        let segment_bytes = self.segment_bytes;
        self.current
            .take_if(|current| current.len > START && current.len + length > segment_bytes);
        let current = self.current()?;
        current.segment.append(frames)?;
        let started = Instant::now();
        current.segment.sync()?;
        METERS.spool_sync.record(started.elapsed().as_secs_f64());
        current.len += length;
        Ok(Written {
            number: current.number,
            len: current.len,
        })
    }

    fn current(&mut self) -> io::Result<&mut Current> {
        let current = if let Some(current) = self.current.take() {
            current
        } else {
            let number = self.next;
            self.next += 1;
            Current {
                number,
                segment: self.disk.create(&(self.path)(number))?,
                len: START,
            }
        };
        Ok(self.current.insert(current))
    }

    /// Leaves a segment that has failed. What was written and not synced is cut off, so that nobody
    /// takes it for acknowledged; should that fail too, it may be delivered twice after a restart.
    fn poison(&mut self) {
        let Some(mut failed) = self.current.take() else {
            return;
        };
        if let Err(error) = failed.segment.cut(failed.len) {
            tracing::warn!(%error, segment = failed.number, "cannot cut the end of a failed segment");
        }
        if failed.len == START {
            // Nothing in it was ever acknowledged; should it stay, the next start removes it.
            let _ = std::fs::remove_file((self.path)(failed.number));
        }
    }
}
