//! The writer, and the whole process, against a real Postgres; `DATABASE_URL` names a role that may create
//! databases, and each test has one of its own.
#![allow(clippy::unwrap_used)]

mod ops;
mod support;
mod writing;
