#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| joinscope_operator::pipeline::fuzz::one(data));
