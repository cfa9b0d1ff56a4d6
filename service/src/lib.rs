//! What any process of ours needs, and nothing that knows what an event is.
//!
//! In the order in which a process uses it: what every `main` begins with ([`process`]), settings
//! ([`settings`]), logs and metrics ([`telemetry`]), room for many connections ([`open_files`]), a port of
//! its own ([`port`]), health ([`health`]), the settings of a Kafka client ([`kafka`]), saying once what is
//! missing ([`outage`]) and an orderly end ([`shutdown`]).
#![warn(missing_docs)]

pub mod health;
pub mod kafka;
pub mod open_files;
pub mod outage;
pub mod port;
pub mod process;
pub mod settings;
pub mod shutdown;
pub mod telemetry;

/// Every process allocates and frees for each event on several threads; glibc's allocator then took a fifth
/// of the collector's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
