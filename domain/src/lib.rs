//! What an event is, for everyone who touches one.
//!
//! Nothing here reads a clock, a file or a socket, so every rule can be tested
//! as a function, and the same code runs in the server and in the browser.
//! The modules stand in the order in which a click passes through them:
//! what can be chosen ([`catalogue`], [`choice`]), who chose it ([`username`]),
//! which click it is ([`ids`]), what is recorded ([`event`]), with what it was sent ([`agent`]), how it travels
//! ([`wire`]), why it can be turned away ([`reject`]), where it lies in Kafka
//! ([`offset`]), what the visitor is told ([`receipt`]) and how the books are kept ([`report`]).
#![warn(missing_docs)]

pub mod agent;
pub mod catalogue;
pub mod choice;
pub mod event;
pub mod ids;
pub mod offset;
pub mod receipt;
pub mod reject;
pub mod report;
pub mod username;
pub mod wire;

pub use choice::Choice;
pub use event::{Event, EventType, Source};
pub use offset::{LastSeen, NextOffset};
pub use reject::Reject;
pub use username::Username;
