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

fn is_known(version: c_int) -> bool {
    version == KNOWN
}

#[inline]
fn known() -> bool {
    static KNOWS: OnceLock<bool> = OnceLock::new();
    // SAFETY: takes nothing and returns a number.
    *KNOWS.get_or_init(|| is_known(unsafe { rd::rd_kafka_version() }))
}

/// True where a record has no headers for certain; false: ask.
///
/// # Safety
/// `message` is a record (no error) of a consumer, and lives.
#[inline]
pub(super) unsafe fn has_no_headers(message: *const rd::rd_kafka_message_t) -> bool {
    // SAFETY: in this version every message that a consumer is given is the
    // first field of such a structure ("MUST be first field").
    known() && unsafe { empty(message.cast()) }
}

/// # Safety
/// As many bytes lie at `unparsed` as `unparsed_len` says, and live.
#[inline]
unsafe fn empty(inside: *const Inside) -> bool {
    // SAFETY: the caller's promise.
    let inside = unsafe { &*inside };
    // No bytes, or the one byte of the number 0.
    inside.headers.is_null()
        && (inside.unparsed_len == 0
            // SAFETY: as above.
            || (inside.unparsed_len == 1 && unsafe { *inside.unparsed } == 0))
}

/// What lies beside the headers, to be held against what librdkafka's functions say.
#[cfg(test)]
pub(super) struct Beside {
    pub timestamp_type: c_int,
    pub timestamp: i64,
    pub broker: i32,
}

/// # Safety
/// As for [`has_no_headers`].
#[cfg(test)]
pub(super) unsafe fn beside(message: *const rd::rd_kafka_message_t) -> Option<Beside> {
    // SAFETY: as in `has_no_headers`.
    known().then(|| unsafe {
        let inside = &*message.cast::<Inside>();
        let Inside { timestamp_type, timestamp, broker, .. } = *inside;
        Beside { timestamp_type, timestamp, broker }
    })
}

/// Without librdkafka, so that Miri can run them: `scripts/unsafe.sh`.
#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    /// A message with these unparsed headers.
    fn inside(unparsed: &[u8]) -> Inside {
        // SAFETY: plain numbers and pointers, for all of which 0 is a value.
        let mut inside: Inside = unsafe { std::mem::zeroed() };
        inside.unparsed_len = unparsed.len() as i32;
        inside.unparsed = if unparsed.is_empty() { ptr::null() } else { unparsed.as_ptr() };
        inside
    }

    #[test]
    fn only_no_bytes_and_the_number_0_are_no_headers() {
        let is_empty = |bytes: &[u8]| {
            let inside = Box::new(inside(bytes));
            // SAFETY: the bytes outlive the call.
            unsafe { empty(&raw const *inside) }
        };
        assert!(is_empty(&[]));
        assert!(is_empty(&[0]));
        // One header (zigzag 2); a number that begins with 0 bits in two bytes.
        assert!(!is_empty(&[2]));
        assert!(!is_empty(&[0x80, 0]));
        assert!(!is_empty(&[2, 2, b'k', 1]));
        let mut parsed = inside(&[]);
        parsed.headers = [1u8].as_ptr();
        // SAFETY: `headers` is compared, not followed.
        assert!(!unsafe { empty(&raw const parsed) });
    }

    #[test]
    fn any_other_version_is_asked_instead() {
        assert!(is_known(0x020c_01ff));
        // 2.12.1-RC1, 2.12.0, 2.12.2, 2.13.1, 1.12.1.
        for version in [0x020c_0101, 0x020c_00ff, 0x020c_02ff, 0x020d_01ff, 0x010c_01ff, 0] {
            assert!(!is_known(version), "{version:#x}");
        }
    }
}
