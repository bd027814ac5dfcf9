//! Messages, in batches.

use std::ffi::c_char;
use std::marker::PhantomData;
use std::ptr;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rd;

use super::client::Handle;
use super::{Code, millis};
use crate::operator::record::TimestampType;

/// Messages taken from a queue; they live until the batch is filled again,
/// cleared or dropped.
pub struct Batch {
    messages: Vec<*mut rd::rd_kafka_message_t>,
    handle: Arc<Handle>,
}

// SAFETY: messages may be read and destroyed on any thread.
unsafe impl Send for Batch {}

impl Batch {
    pub(super) fn new(handle: Arc<Handle>, capacity: usize) -> Self {
        Self { messages: Vec::with_capacity(capacity.max(1)), handle }
    }

    /// Takes at most `limit` messages (and not more than fit) of a client's queue;
    /// waits up to `timeout` for the last of them.
    pub(super) fn fill(
        &mut self,
        queue: *mut rd::rd_kafka_queue_t,
        of: &Arc<Handle>,
        limit: usize,
        timeout: Duration,
    ) {
        self.clear();
        // Its messages keep the client that they came from.
        if !Arc::ptr_eq(&self.handle, of) {
            self.handle = Arc::clone(of);
        }
        let limit = limit.min(self.messages.capacity());
        // SAFETY: the queue lives (its owner calls us); there is room for
        // `limit` pointers, of which the first `taken` are then set.
        unsafe {
            let taken = rd::rd_kafka_consume_batch_queue(
                queue,
                millis(timeout),
                self.messages.as_mut_ptr(),
                limit,
            );
            self.messages.set_len(usize::try_from(taken).unwrap_or(0).min(limit));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Message<'_>> {
        self.messages.iter().map(|message| Message { message: *message, batch: PhantomData })
    }

    /// Gives the messages back.
    pub fn clear(&mut self) {
        for message in self.messages.drain(..) {
            // SAFETY: ours since it was taken from the queue; given back once.
            unsafe { rd::rd_kafka_message_destroy(message) };
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A record, or an error or the end of a partition.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    message: *const rd::rd_kafka_message_t,
    batch: PhantomData<&'a Batch>,
}

impl<'a> Message<'a> {
    #[inline]
    fn get(self) -> &'a rd::rd_kafka_message_t {
        // SAFETY: the message lives as long as its batch is borrowed.
        unsafe { &*self.message }
    }

    #[cfg(test)]
    pub(super) fn raw(self) -> *const rd::rd_kafka_message_t {
        self.message
    }

    /// `Err` where it is no record.
    #[inline]
    pub fn code(self) -> Result<(), Code> {
        // SAFETY: read as the integer that it is in C: a newer broker's code
        // may be none of the enum's.
        let code = unsafe { ptr::addr_of!((*self.message).err).cast::<i32>().read() };
        if code == 0 { Ok(()) } else { Err(Code(code)) }
    }

    /// An error's text.
    pub fn error_text(self) -> String {
        // SAFETY: the message lives; the text is copied at once.
        unsafe { super::text(rd::rd_kafka_message_errstr(self.message)) }
    }

    /// Identifies the topic: the same for all messages of one topic and client;
    /// 0 where an error belongs to none.
    #[inline]
    pub fn topic_id(self) -> usize {
        self.get().rkt.addr()
    }

    /// The topic's name; empty where an error belongs to none.
    pub fn topic(self) -> String {
        let topic = self.get().rkt;
        if topic.is_null() {
            return String::new();
        }
        // SAFETY: the message keeps its topic's handle.
        unsafe { super::text(rd::rd_kafka_topic_name(topic)) }
    }

    #[inline]
    pub fn partition(self) -> i32 {
        self.get().partition
    }

    #[inline]
    pub fn offset(self) -> i64 {
        self.get().offset
    }

    #[inline]
    pub fn key(self) -> Option<&'a [u8]> {
        let message = self.get();
        // SAFETY: key and length describe bytes that live as long as the message.
        unsafe { bytes(message.key.cast(), message.key_len) }
    }

    #[inline]
    pub fn value(self) -> Option<&'a [u8]> {
        let message = self.get();
        // SAFETY: payload and length describe bytes that live as long as the message.
        unsafe { bytes(message.payload.cast(), message.len) }
    }

    /// ms, and what it means. Kafka's −1 is none.
    #[inline]
    pub fn timestamp(self) -> (Option<i64>, TimestampType) {
        let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message lives; `kind` is written.
        let ms = unsafe { rd::rd_kafka_message_timestamp(self.message, &raw mut kind) };
        let kind = match kind {
            rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => TimestampType::Create,
            rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => {
                TimestampType::LogAppend
            }
            rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => TimestampType::None,
        };
        if kind == TimestampType::None || ms == -1 {
            (None, TimestampType::None)
        } else {
            (Some(ms), kind)
        }
    }

    #[inline]
    pub fn leader_epoch(self) -> Option<i32> {
        // SAFETY: the message lives.
        let epoch = unsafe { rd::rd_kafka_message_leader_epoch(self.message) };
        (epoch >= 0).then_some(epoch)
    }

    /// True where a record has no headers for certain; it costs nothing, where
    /// [`Message::headers`] allocates.
    #[inline]
    pub fn has_no_headers(self) -> bool {
        // SAFETY: the message lives; an error has no headers to look for.
        self.code().is_ok() && unsafe { super::layout::has_no_headers(self.message) }
    }

    /// Calls `take(key, value)` for each header, in order.
    ///
    /// # Errors
    /// The record's header block cannot be read.
    pub fn headers(self, mut take: impl FnMut(&'a [u8], Option<&'a [u8]>)) -> Result<(), Code> {
        let mut headers = ptr::null_mut();
        // SAFETY: the message lives and keeps the headers that it parses here.
        let answer = unsafe { rd::rd_kafka_message_headers(self.message, &raw mut headers) };
        match answer {
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__NOENT => return Ok(()),
            other => return Err(Code(other as i32)),
        }
        for index in 0.. {
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the headers live with the message; an index beyond the
            // last is answered by an error.
            let answer = unsafe {
                rd::rd_kafka_header_get_all(
                    headers,
                    index,
                    &raw mut name,
                    &raw mut value,
                    &raw mut size,
                )
            };
            if answer != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                break;
            }
            // SAFETY: librdkafka terminates names; value and size describe
            // bytes that live as long as the message.
            unsafe { take(name_bytes(name), bytes(value.cast(), size)) };
        }
        Ok(())
    }
}

/// # Safety
/// `start` is null, or the first of `len` bytes that live for `'a`.
#[inline]
unsafe fn bytes<'a>(start: *const u8, len: usize) -> Option<&'a [u8]> {
    // SAFETY: not null; the rest is the caller's promise.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start, len) })
}

/// # Safety
/// `name` is a terminated text that lives for `'a`.
unsafe fn name_bytes<'a>(name: *const c_char) -> &'a [u8] {
    // SAFETY: the caller's promise.
    unsafe { std::ffi::CStr::from_ptr(name) }.to_bytes()
}
