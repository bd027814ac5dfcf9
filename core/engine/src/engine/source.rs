//! Where a run's records come from: a recording, a test's list, a cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::operator::codec::{NoSchemas, SchemaSource};
use crate::operator::record::{Arrival, Record, TopicPartition};

/// Records in arrival order, and what the clock said between them.
pub type Batches = Box<dyn Iterator<Item = Result<Given, SourceError>> + Send>;

/// The next of what a source gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    pub records: Vec<Record>,
    /// In order; what precedes none of `records` comes after them.
    pub clock: Vec<ClockInput>,
}

/// Something that gives records in arrival order. A recording gives the same
/// ones each time; a live source goes on until it is told to stop.
pub trait Source: Send + Sync {
    /// All partitions; [`Record::source`] points here.
    fn partitions(&self) -> &[TopicPartition];

    /// The schemas that it brings along.
    fn schemas(&self) -> Arc<dyn SchemaSource + Send + Sync> {
        Arc::new(NoSchemas)
    }

    /// How many records these topics hold, where that is known without reading them.
    fn records(&self, topics: &[Arc<str>]) -> Option<u64>;

    /// The records of these topics in arrival order, leaving out the first
    /// `from` of them and what the clock said before the last of those.
    ///
    /// # Errors
    /// The source cannot be read.
    fn batches(&self, topics: &[Arc<str>], from: u64) -> Result<Batches, SourceError>;

    /// A state goes on behind a record, and has carried out so many of the clock's
    /// entries behind that one: told before [`Source::batches`], which gives as many
    /// of them first. A source whose own memory may have lost some stands in for them.
    fn heard(&self, _entries: usize) {}

    /// By [`Record::source`]: the offset of the last record that it will give, of
    /// an empty one `None`. As a whole `None`: nobody knows, or the clock says
    /// where logs end ([`ClockInputKind::Free`]).
    fn last_offsets(&self) -> Option<Vec<Option<i64>>> {
        None
    }

    /// Partitions ([`Record::source`], ascending) that were not there from the
    /// beginning: each counts from where the clock says so
    /// ([`ClockInputKind::Added`]).
    fn later(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Records come as they happen: steps are given out without waiting for a
    /// full batch, and every barrier takes a snapshot.
    fn is_live(&self) -> bool {
        false
    }

    /// Where the engine tells how far each partition's event time is, if the
    /// source wants to know.
    fn heads(&self) -> Option<Arc<Heads>> {
        None
    }
}

/// The largest event time taken of each partition, told by the engine to a
/// source that aligns its partitions.
#[derive(Debug)]
pub struct Heads(Vec<AtomicI64>);

impl Heads {
    #[must_use]
    pub fn new(partitions: usize) -> Self {
        Self((0..partitions).map(|_| AtomicI64::new(i64::MIN)).collect())
    }

    /// ms; `None` before the first record with an event time.
    #[must_use]
    pub fn of(&self, source: u32) -> Option<i64> {
        let head = self.0.get(source as usize)?.load(Ordering::Relaxed);
        (head != i64::MIN).then_some(head)
    }

    pub(super) fn tell(&self, source: u32, event_time: i64) {
        if let Some(head) = self.0.get(source as usize) {
            head.fetch_max(event_time, Ordering::Relaxed);
        }
    }
}

/// Something that only a clock or a log's end can say, as an input of the
/// engine: everything decided by it (idleness, periodic event-time watermarks,
/// barriers) follows from these and from the records' arrival times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockInput {
    /// It came before the record of this [`Record::arrival`].
    pub precedes: Arrival,
    /// Processing time, ms.
    pub at_ms: i64,
    pub kind: ClockInputKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockInputKind {
    /// The clock went on, though no record came.
    Tick,
    /// A partition ([`Record::source`]) is paused, or has records in the log
    /// that are not yet taken: in `clean` it is not idle, and a task of
    /// `kafka-streams` waits for it.
    Held(u32),
    /// Not so any more: its idle timeout counts anew from here.
    Free(u32),
    /// The epoch ends here, before its time.
    Barrier,
    /// A partition is there that was not before: from here on it is waited for as
    /// one that has given nothing yet.
    Added(u32),
}

/// The source could not be read: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);
