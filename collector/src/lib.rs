//! From a click to a durable acknowledgement.
#![warn(missing_docs)]
