//! Everything that Postgres knows: each accepted event exactly once, and how far every partition has been read.
//!
//! All SQL of the project lives here, one statement per module, beside the promise that it keeps.
//! The modules stand in the order in which an event meets them: the tables ([`schema`]) and their
//! days ([`partitions`]), who may write ([`lease`]), the one statement that writes ([`ingest`]) and its fast lane
//! for large batches ([`copy`]), what they may answer ([`error`]), and what is read afterwards ([`receipts`],
//! [`clicks`], [`balance`], [`rejects`], [`summary`], [`twice`], [`views`]).
//!
//! Nothing of the database driver shows through: callers see events, offsets and errors that name
//! their next move.
#![warn(missing_docs)]

mod agents;
pub mod balance;
pub mod clicks;
mod columns;
mod connection;
pub mod copy;
pub mod error;
pub mod ingest;
pub mod lease;
pub mod partitions;
pub mod receipts;
pub mod rejects;
pub mod schema;
pub mod summary;
pub mod twice;
pub mod views;

pub use balance::{Balance, DirectCounts, SpoolBalance};
pub use clicks::StoredClicks;
pub use connection::{Store, StoreOptions};
pub use error::{IngestError, StoreError};
pub use ingest::{Batch, Ingested, RejectedRecord};
pub use lease::{FirstContact, Holder, LastRecord, Lease, LeaseRow, PartitionKey};
pub use rejects::{AuditRow, Handled, RejectCursor, RejectFilter, RejectKey, RejectRow};
pub use summary::Summary;
pub use twice::SpotCheck;
pub use views::ShopViews;
