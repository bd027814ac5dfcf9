//! A log of topics as the delivery protocol (4-commit) sees it: what a Kafka
//! cluster and the simulated log have in common. The protocol knows nothing
//! else of either, so a crash schedule can run on both.

pub mod sim;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::kafka::Isolation;
use crate::operator::record::{Header, TopicPartition};

/// One client's way to a cluster. Everything blocks.
pub trait Log: Send + Sync {
    /// The cluster's own id, where it has one.
    fn cluster_id(&self) -> Option<String>;

    /// Topics by name, in the order asked for; one that is not there has no partitions.
    ///
    /// # Errors
    /// The cluster cannot be asked, or cannot say yet of one that is there
    /// ([`LogErrorKind::Retriable`]).
    fn topics(&self, names: &[&str]) -> Result<Vec<TopicState>, LogError>;

    /// First and end offset of a partition; under `ReadCommitted` the end is the
    /// last stable offset.
    ///
    /// # Errors
    /// The cluster cannot be asked, or there is no such partition.
    fn bounds(&self, of: &TopicPartition, isolation: Isolation) -> Result<(i64, i64), LogError>;

    /// What lies between `from` and the end (as [`Log::bounds`] says), up to
    /// about `max` records. Empty at the end.
    ///
    /// # Errors
    /// [`LogErrorKind::OutOfRange`] where `from` is not in the log any more.
    fn fetch(
        &self,
        of: &TopicPartition,
        from: i64,
        max: usize,
        isolation: Isolation,
    ) -> Result<Fetched, LogError>;

    /// Offsets a group has committed; partitions without are left out.
    ///
    /// # Errors
    /// The cluster cannot be asked; under a pending transaction it may time out.
    fn committed(
        &self,
        group: &str,
        of: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, LogError>;

    /// Commits offsets outside a transaction; nobody joins the group.
    ///
    /// # Errors
    /// They were not committed, or nobody knows.
    fn commit_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), LogError>;

    /// Makes a topic where there is none.
    ///
    /// # Errors
    /// It cannot be made.
    fn create_topic(&self, name: &str, partitions: i32, compacted: bool) -> Result<(), LogError>;

    /// Deletes a topic; one that is not there is deleted.
    ///
    /// # Errors
    /// It cannot be deleted.
    fn delete_topic(&self, name: &str) -> Result<(), LogError>;

    /// Deletes a group and its offsets; one that is not there is deleted.
    ///
    /// # Errors
    /// It cannot be deleted.
    fn delete_group(&self, group: &str) -> Result<(), LogError>;

    /// A producer. With a transactional id it must be initialised first; without,
    /// it is idempotent and sends at once.
    ///
    /// # Errors
    /// A setting is refused.
    fn producer(&self, spec: &ProducerSpec) -> Result<Box<dyn LogProducer>, LogError>;
}

/// A producer, used by one thread at a time. Transactions follow one another:
/// `init (begin send* send_offsets? (commit | abort))*`.
pub trait LogProducer: Send {
    /// Fences whoever has this transactional id and ends what they left open.
    ///
    /// # Errors
    /// See [`LogErrorKind`]; retriable ones may be called again.
    fn init(&mut self) -> Result<(), LogError>;

    /// # Errors
    /// [`LogErrorKind::Fenced`] and the rest of [`LogErrorKind`].
    fn begin(&mut self) -> Result<(), LogError>;

    /// Hands a message over; the partition of `to` is `None` for
    /// murmur2 of the key, as Java's default partitioner does. Blocks while the
    /// producer's own queue is full.
    ///
    /// # Errors
    /// It was refused at once (too large), or an earlier one failed.
    fn send(&mut self, message: OutMessage) -> Result<(), LogError>;

    /// Waits until everything handed over is acknowledged.
    ///
    /// # Errors
    /// Something was not written.
    fn flush(&mut self) -> Result<(), LogError>;

    /// Offsets into the open transaction.
    ///
    /// # Errors
    /// See [`LogErrorKind`].
    fn send_offsets(
        &mut self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), LogError>;

    /// Flushes and commits. After [`LogErrorKind::Retriable`] or
    /// [`LogErrorKind::TimedOut`] nobody knows: call it again until it answers.
    ///
    /// # Errors
    /// See [`LogErrorKind`].
    fn commit(&mut self) -> Result<(), LogError>;

    /// # Errors
    /// See [`LogErrorKind`].
    fn abort(&mut self) -> Result<(), LogError>;
}

/// How a producer is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerSpec {
    pub transactional_id: Option<String>,
    /// ms; what a broker waits before it aborts an open transaction.
    pub transaction_timeout_ms: u32,
}

/// One topic as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    pub name: Arc<str>,
    /// Kafka's topic id: another after the topic was made anew.
    pub id: Option<String>,
    /// 0: there is no such topic.
    pub partitions: i32,
}

/// A message's time: that at which it is sent.
pub const NOW: i64 = i64::MIN;

/// A message to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutMessage {
    pub topic: Arc<str>,
    /// `None`: by murmur2 of the key.
    pub partition: Option<i32>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    /// ms since the Unix epoch, or [`NOW`]. Kafka's client cannot send 0, which is "now" to
    /// it, nor −1, which is "none": they become 1 and −2.
    pub timestamp: i64,
    pub headers: Vec<Header>,
}

/// A message as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InMessage {
    pub offset: i64,
    pub timestamp: Option<i64>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
}

/// What a fetch brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    pub messages: Vec<InMessage>,
    /// Where to go on: behind control records and aborted data too.
    pub next: i64,
}

/// What a client may do after an error; in this order of precedence, as
/// librdkafka's classes: requires-abort, then retriable, else fatal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogErrorKind {
    /// The open transaction must be aborted.
    RequiresAbort,
    /// So it must, as the brokers did not take in time what was sent in it, did not answer
    /// this client any more, or know its producer no more: they may take the same later,
    /// from another.
    NotTaken,
    /// The same call may be made again.
    Retriable,
    /// A call took too long: what became of it is not known. This producer
    /// begins no further transaction.
    TimedOut,
    /// Somebody else has this transactional id, or the transaction timed out:
    /// from here the two look the same.
    Fenced,
    /// The offset is not in the log.
    OutOfRange,
    /// The cluster does not let us; the message names the right.
    Denied,
    /// The message is larger than the broker takes.
    TooLarge,
    /// Nothing helps but a new client.
    Fatal,
}

/// What went wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct LogError {
    pub kind: LogErrorKind,
    pub what: String,
}

impl LogError {
    pub fn new(kind: LogErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into() }
    }
}
