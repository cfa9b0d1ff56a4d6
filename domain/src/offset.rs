//! Places in a Kafka partition, typed so that "the last one seen" and "the next one wanted" cannot be mixed up.

use serde::{Deserialize, Serialize};

/// The offset of a record that has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LastSeen(pub i64);

/// The offset that is to be read next: everything below it is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NextOffset(pub i64);

impl LastSeen {
    /// The offset after this record.
    pub const fn next(self) -> NextOffset {
        NextOffset(self.0 + 1)
    }
}

impl NextOffset {
    /// Whether the record at `offset` has been dealt with.
    pub const fn covers(self, offset: LastSeen) -> bool {
        offset.0 < self.0
    }
}

impl std::fmt::Display for LastSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Display for NextOffset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_covered_once_the_next_offset_has_passed_it() {
        assert!(!NextOffset(7).covers(LastSeen(7)));
        assert!(LastSeen(7).next().covers(LastSeen(7)));
    }
}
