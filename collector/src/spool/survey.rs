//! What an earlier process left behind: which events wait, and whether they can all be read.

use super::book::{Counts, Cursor, Segment};
use super::folder::Folder;
use super::segment::{Item, MAGIC, Reader, START};
use crate::counters::Clicks;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// In their order; those that the cursor has passed, and empty ones, are gone.
    pub segments: Vec<Segment>,
    /// The clicks behind the cursor.
    pub clicks: Clicks,
    /// The highest number that a segment ever had.
    pub highest: u64,
}

/// What one segment holds behind some offset.
#[derive(Debug, Default, PartialEq)]
struct Content {
    /// Where the last record ends.
    end: u64,
    /// Bytes that cannot be read.
    unreadable: u64,
    /// Bytes at the end that a crash left.
    torn: u64,
    records: u64,
}

/// Reads all that lies behind the cursor.
///
/// The torn end of the last segment is cut off: it was never acknowledged. What cannot be read elsewhere
/// is passed over, said loudly, and its segment marked, so that it is kept aside in the end.
pub(super) fn survey(folder: &Folder, cursor: Cursor) -> io::Result<Survey> {
    let (numbers, highest) = folder.segments()?;
    let mut found = Survey {
        highest,
        ..Survey::default()
    };
    let last = numbers.last().copied();
    for number in numbers {
        if number < cursor.segment {
            folder.remove(number)?;
            continue;
        }
        let path = folder.segment(number);
        let from = match cursor {
            Cursor { segment, position } if segment == number => position,
            _ => START,
        };
        let mut len = path.metadata()?.len();
        let mut waiting = Counts::default();
        let mut content = read(&path, from.min(len), len, &mut waiting)?;
        if content.torn > 0 && Some(number) == last {
            tracing::warn!(
                segment = %path.display(),
                bytes = content.torn,
                "cut off the end of the spool that a crash left half written; it was never acknowledged"
            );
            cut(&path, content.end)?;
            len = content.end;
            content.torn = 0;
        }
        if len <= START || (content.records == 0 && content.end == len) {
            folder.remove(number)?;
            continue;
        }
        let unreadable = content.unreadable + content.torn;
        let damaged = unreadable > 0 || !begins_as_one(&path)?;
        if damaged {
            crate::telemetry::METERS.spool_damaged.increment(1);
            tracing::error!(
                segment = %path.display(),
                unreadable_bytes = unreadable,
                readable_events = content.records,
                "a segment of the spool is damaged: acknowledged events may be lost; what can be read is delivered, and the file is kept beside as .damaged"
            );
        }
        found.clicks += waiting.clicks;
        found.segments.push(Segment {
            number,
            len,
            damaged,
            waiting,
        });
    }
    Ok(found)
}

fn read(path: &Path, from: u64, to: u64, counts: &mut Counts) -> io::Result<Content> {
    let mut reader = Reader::open(path, from, to)?;
    let mut content = Content {
        end: from,
        ..Content::default()
    };
    let mut hole = 0;
    while let Some(item) = reader.next()? {
        match item {
            Item::Record(record, bytes) => {
                counts.add(record.boot, record.source, record.received_at);
                counts.clicks += record.clicks();
                content.records += 1;
                content.end += hole + bytes;
                hole = 0;
            }
            Item::Hole { bytes, torn: true } => content.torn = bytes,
            Item::Hole { bytes, torn: false } => {
                content.unreadable += bytes;
                hole = bytes;
            }
        }
    }
    Ok(content)
}

fn cut(path: &Path, len: u64) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_len(len)?;
    file.sync_all()
}

fn begins_as_one(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    File::open(path)?.take(START).read_to_end(&mut begin)?;
    Ok(begin == MAGIC)
}
