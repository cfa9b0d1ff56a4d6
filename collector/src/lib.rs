//! From a click to a durable acknowledgement: what was accepted is kept.
//!
//! The modules stand in the order in which an event passes through them: what a caller hands in
//! ([`draft`]), how it becomes a checked event (`enrich`), how it gets to Kafka and what Kafka said
//! (`producer`), the one path that joins them ([`accept`]), and when the event has become a row
//! ([`stored`]). Every door of the project (the shop, the lab, later HTTP and gRPC) ends in
//! [`Collector::accept`]; none answers success before it.
#![warn(missing_docs)]

pub mod accept;
pub mod draft;
mod enrich;
mod producer;
pub mod stored;

pub use accept::{AcceptError, Accepted, Collector, CollectorSettings};
pub use draft::Draft;
pub use stored::Waited;
