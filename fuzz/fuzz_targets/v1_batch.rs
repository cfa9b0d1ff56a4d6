//! Bodies of `POST /v1/batch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| collector::http::probes::v1_batch(bytes));
