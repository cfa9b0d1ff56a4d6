//! Bodies of `POST /event`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| collector::http::probes::event(bytes));
