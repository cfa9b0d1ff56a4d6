//! What must be true of a record, whatever its value is. The fuzz target asks it of millions of values
//! (`fuzz/README.md`), the tests of those in `fuzz/seeds` and of made-up ones.

use super::{Chunk, LastSeen, PartitionKey, Record, batch, wire};
use domain::NextOffset;
use store::Batch;

/// A record with this value becomes one thing: an event, which every rule of the tables allows and which is
/// the same when it is written and read again; a collector's report, likewise; or a reject that keeps the
/// value and has a reason.
pub fn value(value: &[u8]) {
    let read = read(value);
    let (events, reports, rejects) = (&read.events, &read.reports, &read.rejects);
    assert_eq!(events.len() + reports.len() + rejects.len(), 1, "one thing");
    assert_eq!(read.to, NextOffset(8), "its offset is dealt with");
    if let Some((offset, event)) = events.first() {
        assert_eq!(*offset, LastSeen(7));
        assert_eq!(event.check(), Ok(()), "the tables allow it");
        let json = wire::encode(event);
        // Some texts need more bytes than they came in.
        if json.len() <= wire::MESSAGE_MAX_BYTES {
            assert_eq!(self::read(&json).events, *events, "written and read again");
        }
    }
    if let Some(report) = reports.first() {
        assert_eq!(self::read(&report.encode()).reports, *reports, "read again");
    }
    if let Some(reject) = rejects.first() {
        assert_eq!(reject.raw, value, "it is kept as it came");
        assert!(!reject.reason.to_string().is_empty(), "a reason");
    }
}

fn read(value: &[u8]) -> Batch {
    let key = PartitionKey {
        topic: "clickstream".to_owned(),
        partition: 4,
    };
    let chunk = Chunk {
        from: NextOffset(7),
        records: vec![Record {
            offset: LastSeen(7),
            time_ms: 1_790_000_000_000,
            key: None,
            value: value.to_vec(),
            schema: None,
        }],
    };
    let (batch, newer) = batch(&key, 1, &chunk);
    assert_eq!(newer, None, "nothing said that its format is newer");
    batch.expect("there is a record")
}

#[cfg(test)]
mod tests {
    use super::value;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    fn every_seed_keeps_the_promise(
        #[files("../fuzz/seeds/record/*")]
        #[mode = bytes]
        bytes: &[u8],
    ) {
        value(bytes);
    }

    const KEYS: [&str; 12] = [
        "type",
        "username",
        "category",
        "size",
        "color",
        "event_id",
        "occurred_at",
        "received_at",
        "count",
        "client_id",
        "properties",
        "other",
    ];
    const VALUES: [&str; 14] = [
        "null",
        "true",
        "5",
        "1.7976931348623157e308",
        "0.1",
        "\"\"",
        "\"buy\"",
        "\"add_to_cart\"",
        "\"shirt\"",
        "\"S\"",
        "\"#00ff00\"",
        "\"2026-05-01T10:00:00.1234567+01:00\"",
        "\"0190a8f2-0000-7000-8000-00000000000a\"",
        "{\"a\":[1e-7,{\"b\":null}]}",
    ];

    proptest! {
        #[test]
        fn an_object_of_known_keys_keeps_the_promise(
            pairs in proptest::collection::vec(
                (proptest::sample::select(&KEYS[..]), proptest::sample::select(&VALUES[..])), 0..8),
        ) {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            value(format!("{{{}}}", pairs.join(",")).as_bytes());
        }

        #[test]
        fn any_number_keeps_the_promise(number in any::<f64>()) {
            value(format!(r#"{{"type":"x","n":{number:e}}}"#).as_bytes());
        }

        #[test]
        fn any_bytes_keep_the_promise(bytes in any::<Vec<u8>>()) {
            value(&bytes);
        }
    }
}
