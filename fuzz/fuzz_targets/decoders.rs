#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| joinscope_operator::codec::fuzz::one(data));
