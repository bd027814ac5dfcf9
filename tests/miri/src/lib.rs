//! `core/engine/src/edges/kafka/sys/layout.rs` over a message that is declared
//! here as librdkafka's bindings declare it.
#![allow(dead_code, unreachable_pub)]

extern crate self as rdkafka;

pub mod bindings {
    #![allow(non_camel_case_types)]
    use std::ffi::{c_int, c_void};

    #[repr(C)]
    pub struct rd_kafka_message_t {
        pub err: c_int,
        pub rkt: *mut c_void,
        pub partition: i32,
        pub payload: *mut c_void,
        pub len: usize,
        pub key: *mut c_void,
        pub key_len: usize,
        pub offset: i64,
        pub private: *mut c_void,
    }

    /// # Safety
    /// Nothing is asked.
    pub unsafe fn rd_kafka_version() -> c_int {
        0x020c_01ff
    }
}

#[path = "../../../core/engine/src/edges/kafka/sys/layout.rs"]
mod layout;
