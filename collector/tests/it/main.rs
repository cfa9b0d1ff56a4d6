//! What a sender is told who waits for the row or asks for totals: a collector on librdkafka's mock cluster and
//! on a real Postgres, where the test plays the consumer; `DATABASE_URL` names a role that may create databases, and
//! each test has one of its own.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

#[path = "../alone/mod.rs"]
mod alone;
#[path = "../shop/mod.rs"]
mod shop;
mod totals;
mod waiting;
