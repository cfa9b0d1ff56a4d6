//! Bodies of `POST /v1/track`, `/v1/page` and `/v1/identify`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| collector::http::probes::v1_event(bytes));
