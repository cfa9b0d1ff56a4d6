//! Bodies that are said to be packed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| collector::http::probes::gzip(bytes));
