//! From Kafka to Postgres: each record becomes a row, or a reject with its reason, exactly once.
//!
//! The modules stand in the order in which a record passes through them:
//!
//! 1. [`source`]: the Kafka client; which partitions are ours; a record as it came.
//! 2. [`start`] and [`acquire`]: the right to write a partition, and the offset to read from.
//! 3. [`inbox`]: what was read and not yet written, in order, bounded.
//! 4. [`decode`]: a record becomes an event or a reject.
//! 5. [`split`] and [`writer`]: a batch becomes rows in one statement; a bad value is found by halves.
//! 6. [`partition`]: the states of a partition and what leads from one to another.
//! 7. [`session`]: one thread polls and ties the above together; [`watch`] looks around; [`run`] keeps a
//!    session going; [`board`] is what the parts share.
//!
//! Beside the way of the data: [`settings`], [`measures`] and [`summary`] for who watches, and the
//! operator's [`verbs`]: [`setup`], [`offsets`], [`replay`] and [`rejects`], each after [`consent`].

pub mod acquire;
pub mod backoff;
pub mod board;
pub mod consent;
pub mod decode;
pub mod inbox;
pub mod measures;
pub mod offsets;
pub mod partition;
pub mod rejects;
pub mod replay;
pub mod run;
pub mod session;
pub mod settings;
pub mod setup;
pub mod source;
pub mod split;
pub mod start;
pub mod summary;
pub mod verbs;
pub mod watch;
pub mod writer;
