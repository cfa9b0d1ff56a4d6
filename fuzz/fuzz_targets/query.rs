//! Queries of the collector's addresses.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| collector::http::probes::query(bytes));
