//! The pipeline as it really runs: the built binaries, three brokers, Postgres, and faults made on purpose.
//!
//! Every test has a topic, a consumer group, a database and ports of its own. `./test.sh` brings the
//! servers; without `KAFKA_BROKERS` and `DATABASE_URL` in the environment the tests refuse to run, so that
//! they never meet a developer's data by mistake.
//!
//! [`deliver`]: what goes in comes out, or is kept with its reason. [`killed`]: processes die at bad
//! moments. [`outages`]: servers are away. [`rejects`]: what could not become a row is mended. [`counters`]:
//! several collectors count as one. [`shop`]: the same through the shop's own forms.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

mod counters;
mod deliver;
mod killed;
mod outages;
mod rejects;
mod shop;
mod world;
