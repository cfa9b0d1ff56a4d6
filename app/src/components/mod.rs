//! What pages are made of. A component takes plain values and gives markup; it reads no cookie, asks no
//! server and records no event.
//!
//! Only [`live`] reaches the browser's bundle.

pub mod choice;
pub mod drawings;
pub mod live;
pub mod notice;
pub mod pipeline;
pub mod receipt;
pub mod shell;
pub mod stage;
pub mod totals;
