//! What is written can be told from what was only half written: each record lies in a frame that says
//! how long it is and carries a checksum over that and the record.
//!
//! A frame is the payload's length (u32), the CRC32C of length and payload (u32), the payload; little
//! endian. The length is part of the checksum, so that zeros, which a crash may leave, are no frame.

use domain::wire::MESSAGE_MAX_BYTES;

/// The bytes before the payload.
pub(super) const HEAD: usize = 8;

/// The longest payload: the largest message, its key and what stands beside it.
pub(super) const PAYLOAD_MAX: usize = MESSAGE_MAX_BYTES + 4096;

/// What some bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A whole frame with this payload.
    Whole(&'a [u8]),
    /// What may be the beginning of a frame: so many bytes are needed to tell.
    Short(usize),
    /// No frame.
    Bad,
}

/// Appends a frame with the payload that `write` appends.
pub(super) fn write(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; HEAD]);
    write(bytes);
    let payload = start + HEAD;
    let length = u32::try_from(bytes.len() - payload)
        .unwrap_or(u32::MAX)
        .to_le_bytes();
    let checksum = checksum(length, &bytes[payload..]).to_le_bytes();
    bytes[start..start + 4].copy_from_slice(&length);
    bytes[start + 4..payload].copy_from_slice(&checksum);
}

/// Reads the frame that `bytes` begin with.
pub(super) fn read(bytes: &[u8]) -> Frame<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
        return Frame::Short(HEAD);
    };
    let [a, b, c, d, checksum @ ..] = *head;
    let length = [a, b, c, d];
    let payload_length = u32::from_le_bytes(length) as usize;
    if payload_length == 0 || payload_length > PAYLOAD_MAX {
        return Frame::Bad;
    }
    let Some(payload) = rest.get(..payload_length) else {
        return Frame::Short(HEAD + payload_length);
    };
    if u32::from_le_bytes(checksum) == self::checksum(length, payload) {
        Frame::Whole(payload)
    } else {
        Frame::Bad
    }
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, |bytes| bytes.extend_from_slice(payload));
        bytes
    }

    #[test]
    fn the_checksum_is_crc32c() {
        // The check value of the catalogue of CRCs for CRC-32/ISCSI.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(
            crc32c::crc32c_append(crc32c::crc32c(b"1234"), b"56789"),
            0xe306_9283
        );
    }

    #[test]
    fn zeros_and_lengths_beyond_the_largest_are_no_frame() {
        assert_eq!(read(&[0; 100]), Frame::Bad);
        assert_eq!(read(&framed(&[])), Frame::Bad);
        let longest = framed(&vec![b'x'; PAYLOAD_MAX]);
        assert!(matches!(read(&longest), Frame::Whole(_)));
        assert_eq!(read(&framed(&vec![b'x'; PAYLOAD_MAX + 1])), Frame::Bad);
    }

    proptest! {
        #[test]
        fn a_frame_is_read_back_whatever_follows(
            payload in proptest::collection::vec(any::<u8>(), 1..400),
            rest in any::<Vec<u8>>(),
        ) {
            let bytes = [framed(&payload), rest].concat();
            prop_assert_eq!(read(&bytes), Frame::Whole(&payload));
        }

        #[test]
        fn a_frame_that_is_cut_anywhere_is_short(payload in proptest::collection::vec(any::<u8>(), 1..100)) {
            let bytes = framed(&payload);
            for length in 0..bytes.len() {
                let needed = if length < HEAD { HEAD } else { bytes.len() };
                prop_assert_eq!(read(&bytes[..length]), Frame::Short(needed));
            }
        }

        #[test]
        fn every_flipped_bit_is_noticed(payload in proptest::collection::vec(any::<u8>(), 1..60)) {
            let bytes = framed(&payload);
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(!matches!(read(&flipped), Frame::Whole(_)), "bit {}", bit);
            }
        }

        #[test]
        fn no_bytes_make_the_reader_fail(bytes in any::<Vec<u8>>()) {
            if let Frame::Whole(payload) = read(&bytes) {
                prop_assert!(payload.len() <= bytes.len());
            }
        }
    }
}
