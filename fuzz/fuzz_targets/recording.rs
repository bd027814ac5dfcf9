#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| joinscope_core::edges::recording::fuzz::one(data));
