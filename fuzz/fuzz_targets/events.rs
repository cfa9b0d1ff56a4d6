//! Bodies of `POST /events`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| collector::http::probes::events(bytes));
