//! A log without a cluster: topics, partitions, transactions with control
//! records that take offsets, aborted data, the last stable offset, fencing and
//! transaction time-outs, as a Kafka broker has them (11-peers).
//!
//! Deterministic: time stands still until [`SimLog::advance_to`], and errors
//! come where a [`Script`] says, at the n-th call of a kind. One [`SimLog`] is the
//! cluster; each [`SimLog::client`] is one process' way to it, which
//! [`SimClient::kill`] cuts off in the middle of whatever it does.

mod broker;
mod client;
mod producer;
mod script;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{InMessage, LogError, OutMessage};
use crate::operator::record::TopicPartition;
use broker::Broker;

pub use broker::{Fate, Stored};
pub use client::SimClient;
pub(crate) use producer::{BATCH, failed};
pub use script::{Call, Fault, Script};

/// The cluster.
#[derive(Clone, Default)]
pub struct SimLog {
    broker: Arc<Mutex<Broker>>,
}

impl SimLog {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A process' way to the cluster.
    #[must_use]
    pub fn client(&self) -> SimClient {
        SimClient::new(Arc::clone(&self.broker))
    }

    /// Errors from here on; what an earlier script still had is gone.
    pub fn script(&self, script: Script) {
        self.lock().script = script;
    }

    /// The cluster's clock, ms; it never goes back. Transactions that are open
    /// for longer than their time-out are aborted and their producer fenced.
    pub fn advance_to(&self, now_ms: i64) {
        self.lock().advance_to(now_ms);
    }

    /// The cluster's clock, ms.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.lock().now_ms
    }

    /// Ends all transactions that are open now, as their time-out would.
    pub fn time_out_transactions(&self) {
        self.lock().time_out(i64::MAX);
    }

    /// Retention: what lies before `offset` is gone.
    pub fn delete_before(&self, of: &TopicPartition, offset: i64) {
        self.lock().delete_before(of, offset);
    }

    /// Deletes a topic, and makes it again with as many partitions, empty and
    /// under another id.
    pub fn make_anew(&self, topic: &str) {
        self.lock().make_anew(topic);
    }

    /// Compaction of a compacted topic.
    pub fn compact(&self, topic: &str) {
        self.lock().compact(topic);
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, topic: &str) {
        self.lock().delete_topic(topic);
    }

    /// More partitions for a topic.
    pub fn add_partitions(&self, topic: &str, partitions: i32) {
        self.lock().add_partitions(topic, partitions);
    }

    /// Messages of a topic that are larger than this are refused, bytes of key,
    /// value and headers.
    pub fn set_largest(&self, topic: &str, bytes: usize) {
        self.lock().largest.insert(topic.to_owned(), bytes);
    }

    /// Writes a message as some other producer, at its own offset (which must
    /// not lie before the end; offsets between are not there).
    ///
    /// # Errors
    /// There is no such partition, or the offset is taken.
    pub fn append(&self, to: &TopicPartition, message: InMessage) -> Result<(), LogError> {
        self.lock().append_at(to, message)
    }

    /// The topics that there are.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        self.lock().topic_names()
    }

    /// All that a topic has, by partition and offset, whatever became of it.
    #[must_use]
    pub fn stored(&self, topic: &str) -> Vec<Stored> {
        self.lock().stored(topic)
    }

    /// Bytes of keys, values and headers written by clients.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.lock().written_bytes
    }

    /// How many calls of each kind were made since the last script.
    #[must_use]
    pub fn calls(&self) -> Vec<(Call, u64)> {
        self.lock().script.calls()
    }

    fn lock(&self) -> MutexGuard<'_, Broker> {
        self.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a message takes in the log, without framing.
pub(crate) fn bytes_of(message: &OutMessage) -> usize {
    let headers = message.headers.iter();
    message.key.as_ref().map_or(0, bytes::Bytes::len)
        + message.value.as_ref().map_or(0, bytes::Bytes::len)
        + headers
            .map(|h| h.key.len() + h.value.as_ref().map_or(0, bytes::Bytes::len))
            .sum::<usize>()
}
