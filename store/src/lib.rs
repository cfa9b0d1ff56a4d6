//! All SQL of the project.
#![warn(missing_docs)]
