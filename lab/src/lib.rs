//! The project's own load, and what breaks the project on purpose.
//!
//! Load: `seed` fills the pipeline through the collector, `traffic` walks through the running shop as
//! visitors do, `latency` measures how long a click takes to become a row. What a visit looks like is in
//! [`visit`], who comes in [`people`]. Breaking: [`stack`] is a pipeline of one's own with every way to
//! make it fail, [`drill`] does all that under load and reconciles what was acknowledged with what is
//! stored. Nothing here is needed to run the shop.

pub mod bench;
pub mod drill;
pub mod figures;
pub mod latency;
pub mod page;
pub mod people;
pub mod seed;
pub mod shopper;
pub mod stack;
pub mod traffic;
pub mod visit;
