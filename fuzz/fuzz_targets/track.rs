//! Bodies of `POST /track`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| collector::http::probes::track(bytes));
