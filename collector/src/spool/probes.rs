//! What must be true of a segment of the spool, whatever bytes it holds. The fuzz target asks it of millions
//! of inputs (`fuzz/README.md`), the tests of those in `fuzz/seeds` and of made-up bytes.

use super::frame;
use super::segment::{Item, Reader};
use crate::message::Message;
use crate::record::Record;
use chrono::DateTime;
use domain::{EventType, Source};
use std::sync::Arc;
use uuid::Uuid;

/// The most records that are made of one input.
const RECORDS_MAX: usize = 8;

/// Bytes as they may lie on a disk.
///
/// Every byte is accounted for, and a record is only what was written as one. Of records that are made from
/// the bytes, a cut costs no more than the one that it hits, and a flipped bit likewise.
pub fn segment(bytes: &[u8]) {
    let mut at = 0;
    for item in items(bytes) {
        match item {
            Item::Record(record, length) => {
                let length = to_usize(length);
                assert_eq!(framed(&record), bytes[at..at + length], "as it was written");
                at += length;
            }
            Item::Hole { bytes, .. } => at += to_usize(bytes),
        }
    }
    assert_eq!(at, bytes.len(), "every byte is told of");

    let Some((place, texts)) = bytes.split_first_chunk::<3>() else {
        return;
    };
    let records = made_of(texts);
    let frames: Vec<_> = records.iter().map(framed).collect();
    let whole = frames.concat();
    let place_in = |length: usize| usize::from(u16::from_le_bytes([place[0], place[1]])) % length;

    let cut = place_in(whole.len() + 1);
    let before = frames_before(&frames, cut);
    let kept: usize = frames[..before].iter().map(Vec::len).sum();
    let mut wanted: Vec<_> = as_items(&records[..before], &frames);
    if cut > kept {
        wanted.push(Item::Hole {
            bytes: (cut - kept) as u64,
            torn: true,
        });
    }
    assert_eq!(items(&whole[..cut]), wanted, "cut at {cut}");

    if !whole.is_empty() {
        let at = place_in(whole.len());
        let mut flipped = whole;
        flipped[at] ^= 1 << (place[2] % 8);
        let hit = frames_before(&frames, at);
        let read = items(&flipped).into_iter().filter_map(|item| match item {
            Item::Record(record, _) => Some(*record),
            Item::Hole { .. } => None,
        });
        let mut left = records;
        left.remove(hit);
        assert_eq!(read.collect::<Vec<_>>(), left, "a bit flipped at {at}");
    }
}

/// How many frames end at or before this place.
fn frames_before(frames: &[Vec<u8>], place: usize) -> usize {
    let mut end = 0;
    let ends = frames.iter().map(|frame| {
        end += frame.len();
        end
    });
    ends.take_while(|end| *end <= place).count()
}

fn as_items(records: &[Record], frames: &[Vec<u8>]) -> Vec<Item> {
    let both = records.iter().zip(frames);
    both.map(|(record, frame)| Item::Record(Box::new(record.clone()), frame.len() as u64))
        .collect()
}

fn items(bytes: &[u8]) -> Vec<Item> {
    let mut reader = Reader::new(bytes, bytes.len() as u64);
    std::iter::from_fn(|| reader.next().expect("bytes in memory can be read")).collect()
}

fn framed(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, |bytes| record.write(bytes));
    bytes
}

/// Records as the collector makes them: texts without NUL, a message that ends with `}`.
fn made_of(texts: &[u8]) -> Vec<Record> {
    let texts = texts.split(|byte| *byte == b'\n').take(RECORDS_MAX);
    let record = |(number, text): (u128, &[u8])| {
        let text = String::from_utf8_lossy(text).replace('\0', "");
        let key: String = text.chars().take(20).collect();
        Record {
            message: Arc::new(Message::new(
                Uuid::from_u128(number),
                EventType::BUY,
                &key,
                format!("{{{text}}}"),
            )),
            boot: Uuid::from_u128(number + 1),
            source: Source::Track,
            received_at: DateTime::UNIX_EPOCH,
        }
    };
    (0..).zip(texts).map(record).collect()
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).expect("it lies in memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    fn every_seed_keeps_the_promise(
        #[files("../fuzz/seeds/spool/*")]
        #[mode = bytes]
        bytes: &[u8],
    ) {
        segment(bytes);
    }

    proptest! {
        #[test]
        fn any_bytes_keep_the_promise(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            segment(&bytes);
        }
    }
}
