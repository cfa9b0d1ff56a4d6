//! From a click to a durable acknowledgement: what was accepted is kept.
//!
//! The modules stand in the order in which an event passes through them: whether it is let in
//! (`connections`, `intake`), what a caller hands in
//! ([`draft`]), which time it gets (`clock`), how it becomes a checked event (`enrich`) and a message
//! (`record`), how a request's messages are kept together (`request`), how they get to Kafka (`lane`, `client`)
//! whatever happens there (`producer`, `reach`), where they are kept when they do not ([`spool`]), who
//! decides (`detour`), the one path that joins all this ([`accept`]), how the books are kept (`tally`,
//! `report`), when the event has become a row ([`stored`]), what the live counters show ([`counters`]), and
//! what is counted on the way (`telemetry`).
//! Apart from all this, [`cluster`] watches Kafka for people who look.
//!
//! Every door of the project (the shop, the lab, [`http`], [`grpc`]) ends in [`Collector::accept`];
//! none answers success before it.
#![warn(missing_docs)]

pub mod accept;
mod client;
mod clock;
pub mod cluster;
mod connections;
pub mod counters;
mod detour;
pub mod draft;
mod enrich;
pub mod grpc;
pub mod http;
pub mod intake;
mod lane;
mod message;
mod producer;
mod reach;
mod record;
mod report;
mod request;
pub mod spool;
pub mod stored;
mod tally;
mod telemetry;
mod tuning;

pub use accept::{AcceptError, Accepted, Collector, CollectorSettings};
pub use cluster::ClusterWatch;
pub use counters::{Clicks, Counter};
pub use draft::Draft;
pub use intake::IntakeLimits;
pub use request::QueueLimits;
pub use spool::{SpoolArgs, SpoolSettings, SpoolState};
pub use stored::Waited;
pub use tuning::Tuning;

/// The settings of the collector's own Kafka client of that kind: for whoever measures against such a one.
pub fn producer_config(settings: &CollectorSettings, tuning: Tuning) -> rdkafka::ClientConfig {
    client::config(
        &settings.kafka,
        tuning,
        settings.ack_timeout,
        settings.queue,
    )
}
