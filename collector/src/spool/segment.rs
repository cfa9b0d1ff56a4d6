//! Reads a segment piece by piece, and past what cannot be read: a damaged frame costs itself and
//! nothing that follows.
//!
//! A segment begins with [`START`] bytes that say what it is; then frames follow until the end.

use super::frame::{self, Frame};
use crate::record::Record;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;

/// What a segment begins with.
pub(super) const MAGIC: [u8; 8] = *b"spooled1";

/// Where the first frame begins.
pub(super) const START: u64 = MAGIC.len() as u64;

/// So much is read from the disk at once, at most.
const PIECE: usize = 256 << 10;

/// What lies at one place of a segment.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    /// A record in a frame of so many bytes.
    Record(Box<Record>, u64),
    /// Bytes that are no frame.
    Hole {
        /// How many.
        bytes: u64,
        /// Whether this is what a crash leaves at the end of a segment: a frame that is cut short, or
        /// that ends in zeros although every frame ends with the `}` of its message.
        torn: bool,
    },
}

/// Reads the frames of one segment between two places.
#[derive(Debug)]
pub(super) struct Reader<R> {
    source: R,
    /// Bytes that the source still has for us.
    left: u64,
    buffer: Vec<u8>,
    /// Where in the buffer the next item begins.
    at: usize,
}

impl Reader<File> {
    /// Reads `path` from one offset to another; the file may be longer.
    pub fn open(path: &Path, from: u64, to: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        Ok(Self::new(file, to.saturating_sub(from)))
    }
}

impl<R: Read> Reader<R> {
    /// Reads the next `length` bytes of `source`.
    pub fn new(source: R, length: u64) -> Self {
        Self {
            source,
            left: length,
            buffer: Vec::new(),
            at: 0,
        }
    }

    /// The next item; none at the end.
    pub fn next(&mut self) -> io::Result<Option<Item>> {
        let mut skipped = 0;
        let mut cut_short = false;
        loop {
            match self.frame()? {
                Found::Record(record, bytes) if skipped == 0 => {
                    self.at += bytes;
                    return Ok(Some(Item::Record(record, bytes as u64)));
                }
                Found::Nothing if skipped == 0 => return Ok(None),
                Found::Record(..) => {
                    return Ok(Some(Item::Hole {
                        bytes: skipped,
                        torn: false,
                    }));
                }
                Found::Nothing => {
                    let ends_in_zero = self.buffer.last() == Some(&0);
                    return Ok(Some(Item::Hole {
                        bytes: skipped,
                        torn: cut_short || ends_in_zero,
                    }));
                }
                Found::Short if skipped == 0 => cut_short = true,
                Found::Short | Found::Bad => {}
            }
            // A frame may begin at any byte: messages are text without NUL, and a length has one.
            self.at += 1;
            skipped += 1;
        }
    }

    /// What lies where we are.
    fn frame(&mut self) -> io::Result<Found> {
        let mut wanted = frame::HEAD;
        loop {
            let here = &self.buffer[self.at..];
            match frame::read(here) {
                Frame::Whole(payload) => {
                    return Ok(match Record::read(payload) {
                        Some(record) => {
                            Found::Record(Box::new(record), frame::HEAD + payload.len())
                        }
                        None => Found::Bad,
                    });
                }
                Frame::Bad => return Ok(Found::Bad),
                Frame::Short(needed) => wanted = wanted.max(needed),
            }
            let have = here.len();
            if self.left == 0 {
                return Ok(if have == 0 {
                    Found::Nothing
                } else {
                    Found::Short
                });
            }
            self.fill(wanted - have)?;
        }
    }

    /// Reads at least `wanted` more bytes, as far as there are.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let piece = self.left.min(wanted.max(PIECE) as u64);
        let read = (&mut self.source)
            .take(piece)
            .read_to_end(&mut self.buffer)? as u64;
        // A file that is shorter than it was said to be ends where it ends.
        self.left = if read < piece { 0 } else { self.left - read };
        Ok(())
    }
}

/// What one look found.
enum Found {
    Record(Box<Record>, usize),
    /// What would need more bytes than there are.
    Short,
    Bad,
    /// The end.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn frames(numbers: std::ops::Range<u32>) -> Vec<Vec<u8>> {
        numbers
            .map(|number| {
                let mut bytes = Vec::new();
                frame::write(&mut bytes, |bytes| record(number).write(bytes));
                bytes
            })
            .collect()
    }

    /// The numbers of the records that were read, and the holes as (bytes, torn).
    fn read(bytes: &[u8]) -> (Vec<u128>, Vec<(u64, bool)>) {
        let mut reader = Reader::new(bytes, bytes.len() as u64);
        let (mut records, mut holes) = (Vec::new(), Vec::new());
        while let Some(item) = reader.next().unwrap() {
            match item {
                Item::Record(record, _) => records.push(record.message.event_id.as_u128()),
                Item::Hole { bytes, torn } => holes.push((bytes, torn)),
            }
        }
        (records, holes)
    }

    #[test]
    fn a_segment_that_is_cut_anywhere_has_all_records_before_the_cut_and_a_torn_tail() {
        let frames = frames(0..3);
        let bytes = frames.concat();
        for cut in 0..=bytes.len() {
            let (records, holes) = read(&bytes[..cut]);
            let (mut whole, mut ends) = (0, 0);
            while whole < frames.len() && ends + frames[whole].len() <= cut {
                ends += frames[whole].len();
                whole += 1;
            }
            assert_eq!(records.len(), whole, "cut at {cut}");
            let tail = (cut - ends) as u64;
            assert_eq!(
                holes,
                if tail == 0 {
                    vec![]
                } else {
                    vec![(tail, true)]
                }
            );
        }
    }

    #[test]
    fn zeros_at_the_end_are_a_torn_tail_too() {
        let frames = frames(0..2);
        let (records, holes) = read(&[&frames[0][..], &[0; 5000]].concat());
        assert_eq!((records, holes), (vec![0], vec![(5000, true)]));
        // The first page of a frame reached the disk, the second did not.
        let half = frames[1].len() / 2;
        let mut last = frames[1].clone();
        last[half..].fill(0);
        let (records, holes) = read(&[&frames[0][..], &last].concat());
        assert_eq!(records, [0]);
        assert_eq!(holes, [(last.len() as u64, true)]);
    }

    #[test]
    fn damage_in_the_middle_costs_the_damaged_record_alone() {
        let frames = frames(0..5);
        for at in 0..frames[2].len() {
            let mut broken = frames.clone();
            broken[2][at] ^= 0x10;
            let (records, holes) = read(&broken.concat());
            assert_eq!(records, [0, 1, 3, 4], "byte {at}");
            assert_eq!(holes, [(frames[2].len() as u64, false)]);
        }
        let mut last = frames.clone();
        last[4][20] ^= 1;
        let (records, holes) = read(&last.concat());
        assert_eq!(records, [0, 1, 2, 3]);
        assert_eq!(holes, [(frames[4].len() as u64, false)], "whole, but wrong");
    }

    #[test]
    fn records_larger_than_a_piece_are_read_whole() {
        let mut large = record(1);
        large.message = Arc::new(crate::message::Message::new(
            large.message.event_id,
            "click",
            "a visitor",
            format!("{{{}}}", "x".repeat(PIECE - 500)),
        ));
        let mut bytes = Vec::new();
        for record in [&record(0), &large, &large, &record(2)] {
            frame::write(&mut bytes, |bytes| record.write(bytes));
        }
        assert_eq!(read(&bytes), (vec![0, 1, 1, 2], vec![]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail_and_none_go_unmentioned(bytes in any::<Vec<u8>>()) {
            let (records, holes) = read(&bytes);
            prop_assert!(records.is_empty());
            let told: u64 = holes.iter().map(|(bytes, _)| bytes).sum();
            prop_assert_eq!(told, bytes.len() as u64);
        }
    }
}
