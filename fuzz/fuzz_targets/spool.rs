//! Segments of the spool.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| collector::spool::probes::segment(bytes));
