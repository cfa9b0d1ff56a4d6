//! The writer against a real Postgres; `DATABASE_URL` names a role that may create databases, and each test has one
//! of its own.
#![allow(clippy::unwrap_used)]

mod support;
mod writing;
