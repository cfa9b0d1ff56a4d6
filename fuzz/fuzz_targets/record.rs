//! Values of Kafka records.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| consumer::decode::probes::value(bytes));
