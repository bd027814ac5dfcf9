//! Whether a message has headers, without asking librdkafka to parse them.
//!
//! `rd_kafka_message_headers` makes a buffer to read that a record's number of
//! headers is 0, which takes a quarter of all the time that it takes to consume
//! a record. So the length of the unparsed headers is read where it lies. What
//! lies there is known of one version of librdkafka, the one that the bindings
//! carry; under any other the question is always answered by the call.

use std::ffi::c_int;
use std::sync::OnceLock;

use rdkafka::bindings as rd;

/// The version whose `rdkafka_msg.h` is written down below (2.12.1).
const KNOWN: c_int = 0x020c_01ff;

/// `rd_kafka_msg_t` up to the headers of a consumed record.
#[repr(C)]
struct Inside {
    message: rd::rd_kafka_message_t,
    link: [*const u8; 2],
    flags: c_int,
    timestamp_type: c_int,
    timestamp: i64,
    headers: *const u8,
    status: c_int,
    broker: i32,
    unparsed_len: i32,
    unparsed: *const u8,
}

#[inline]
fn known() -> bool {
    static KNOWS: OnceLock<bool> = OnceLock::new();
    // SAFETY: takes nothing and returns a number.
    *KNOWS.get_or_init(|| unsafe { rd::rd_kafka_version() } == KNOWN)
}

/// True where a record has no headers for certain; false: ask.
///
/// # Safety
/// `message` is a record (no error) of a consumer, and lives.
#[inline]
pub(super) unsafe fn has_no_headers(message: *const rd::rd_kafka_message_t) -> bool {
    if !known() {
        return false;
    }
    // SAFETY: in this version every message that a consumer is given is the
    // first field of such a structure ("MUST be first field").
    let inside = unsafe { &*message.cast::<Inside>() };
    // No bytes, or the one byte of the number 0.
    inside.headers.is_null()
        && (inside.unparsed_len == 0
            // SAFETY: as many bytes lie there, as long as the message lives.
            || (inside.unparsed_len == 1 && unsafe { *inside.unparsed } == 0))
}
