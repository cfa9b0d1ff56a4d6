//! When an acknowledged event has become a row.

/// What waiting for a row came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The consumer has dealt with the event: it is a row, a known duplicate, or a reject with its
    /// reason; `Store::progress` says which.
    Stored,
    /// Not within the time, or nobody could say: there is no database, or it is away.
    NotYet,
}
