//! The store against a real Postgres; `DATABASE_URL` names a role that may create databases, and each test has one
//! of its own.
#![allow(clippy::unwrap_used)]

mod books;
mod clicks;
mod concurrency;
mod copying;
mod frozen;
mod hostile;
mod ingest;
mod leases;
mod outages;
mod reading;
mod rejects;
mod schema;
mod support;
mod views;
