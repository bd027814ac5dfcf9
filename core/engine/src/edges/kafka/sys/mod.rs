//! librdkafka's simple consumer, held safely: the only place of the Kafka edge
//! with `unsafe`.
//!
//! Why not rdkafka's own consumer: it has no batches (one call and one event
//! for each record: 440 ns instead of 290), no leader epochs, no topic ids, and
//! its `assign` wants a group and looks up that group's coordinator. The simple
//! consumer needs no group at all, so nothing of one can appear on the cluster.
//!
//! Rules that keep it sound:
//! 1. [`Handle`] owns the client; queues and batches share it by `Arc`, so the
//!    client is destroyed after all of them.
//! 2. A message lives in its [`Batch`] until the batch is cleared; what is read
//!    of it borrows the batch.
//! 3. The callbacks reach [`Events`] by the client's opaque pointer; `Events` is
//!    boxed in the `Handle` and dropped after the client.
#![allow(unsafe_code, reason = "librdkafka's C interface; the rules above")]

mod client;
mod describe;
mod layout;
mod message;
mod offsets;
#[cfg(test)]
mod tests;

pub use client::{Client, ClientEvent, Queue};
#[cfg(test)]
pub use describe::Replicas;
pub use describe::TopicDescription;
pub use message::{Batch, Message};

use std::ffi::{CStr, c_char};

use rdkafka::bindings as rd;

/// One of librdkafka's error codes: negative its own, positive the broker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i32);

impl Code {
    pub const BAD_MESSAGE: Self = Self(-199);
    pub const TRANSPORT: Self = Self(-195);
    pub const RESOLVE: Self = Self(-193);
    pub const PARTITION_EOF: Self = Self(-191);
    pub const UNKNOWN_PARTITION: Self = Self(-190);
    pub const UNKNOWN_TOPIC: Self = Self(-188);
    pub const ALL_BROKERS_DOWN: Self = Self(-187);
    pub const TIMED_OUT: Self = Self(-185);
    pub const SSL: Self = Self(-181);
    pub const AUTHENTICATION: Self = Self(-169);
    pub const TIMED_OUT_QUEUE: Self = Self(-166);
    pub const AUTO_OFFSET_RESET: Self = Self(-140);
    pub const LOG_TRUNCATION: Self = Self(-139);
    pub const DESTROY_BROKER: Self = Self(-137);
    pub const OFFSET_OUT_OF_RANGE: Self = Self(1);
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    pub const TOPIC_AUTHORIZATION: Self = Self(29);
    pub const SASL_AUTHENTICATION: Self = Self(58);
    pub const UNKNOWN_TOPIC_ID: Self = Self(100);

    /// Whether the broker refused who we are, or we its certificate: trying again does
    /// not help.
    pub fn refuses_us(self) -> bool {
        matches!(self, Self::AUTHENTICATION | Self::SASL_AUTHENTICATION | Self::SSL)
    }

    /// Whether it speaks of connections, which may come back: also where the broker that
    /// was asked stands in the cluster's metadata no more, and what waited for it is let
    /// go of (`_DESTROY_BROKER`, `rd_kafka_broker_decommission`).
    pub fn is_connection(self) -> bool {
        matches!(
            self,
            Self::TRANSPORT
                | Self::RESOLVE
                | Self::ALL_BROKERS_DOWN
                | Self::TIMED_OUT
                | Self::TIMED_OUT_QUEUE
                | Self::DESTROY_BROKER
        )
    }

    /// Whether a partition's leader is changing or starting: the same question
    /// has an answer soon. Of Kafka's table of error codes: leader not
    /// available (5), not leader or follower (6), request timed out (7), replica
    /// not available (9), storage error (56), fenced and unknown leader epoch
    /// (74, 75), offset not available (78).
    pub fn is_moving(self) -> bool {
        matches!(self.0, 5 | 6 | 7 | 9 | 56 | 74 | 75 | 78)
    }

    /// Whether the same question may be answered soon.
    pub fn is_passing(self) -> bool {
        self.is_connection() || self.is_moving()
    }

    fn of(code: rd::rd_kafka_resp_err_t) -> Result<(), Self> {
        match code as i32 {
            0 => Ok(()),
            code => Err(Self(code)),
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Only codes that the bindings know: the C function takes an enum.
        match rdkafka_code(self.0) {
            Some(code) => {
                // SAFETY: any code is answered by a static text.
                let text = unsafe { CStr::from_ptr(rd::rd_kafka_err2str(code)) };
                f.write_str(&text.to_string_lossy())
            }
            None => write!(f, "Kafka's error {}", self.0),
        }
    }
}

/// The enum of a code, if it is one of those named here.
fn rdkafka_code(code: i32) -> Option<rd::rd_kafka_resp_err_t> {
    use rd::rd_kafka_resp_err_t as E;
    [
        E::RD_KAFKA_RESP_ERR__BAD_MSG,
        E::RD_KAFKA_RESP_ERR__BAD_COMPRESSION,
        E::RD_KAFKA_RESP_ERR__TRANSPORT,
        E::RD_KAFKA_RESP_ERR__RESOLVE,
        E::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
        E::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        E::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
        E::RD_KAFKA_RESP_ERR__TIMED_OUT,
        E::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
        E::RD_KAFKA_RESP_ERR__SSL,
        E::RD_KAFKA_RESP_ERR__AUTHENTICATION,
        E::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET,
        E::RD_KAFKA_RESP_ERR__LOG_TRUNCATION,
        E::RD_KAFKA_RESP_ERR__DESTROY_BROKER,
        E::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
        E::RD_KAFKA_RESP_ERR_INVALID_MSG,
        E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        E::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        E::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
        E::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
        E::RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM,
        E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID,
    ]
    .into_iter()
    .find(|known| *known as i32 == code)
}

/// A text of librdkafka's, copied; empty for a null pointer.
///
/// # Safety
/// `text` is null or a terminated string that lives through the call.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null; the rest is the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// A timeout as librdkafka takes it: ms, at least 0.
fn millis(timeout: std::time::Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}
