//! Where a run's records come from: a recording, a test's list, later a cluster.

use std::sync::Arc;

use crate::operator::codec::{NoSchemas, SchemaSource};
use crate::operator::record::{Arrival, Record, TopicPartition};

/// Batches of records in arrival order.
pub type Batches = Box<dyn Iterator<Item = Result<Vec<Record>, SourceError>> + Send>;

/// Something that gives records in arrival order, the same ones each time.
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
    /// `from` of them.
    ///
    /// # Errors
    /// The source cannot be read.
    fn batches(&self, topics: &[Arc<str>], from: u64) -> Result<Batches, SourceError>;

    /// What the clock of a live run decided, in order, where the source keeps
    /// it: the run then follows it instead of computing idleness and ticks.
    fn clock(&self) -> Result<Option<Vec<RecordedClock>>, SourceError> {
        Ok(None)
    }
}

/// Something that the clock of a live run decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedClock {
    /// It came before the record of this [`Record::arrival`].
    pub precedes: Arrival,
    /// Processing time, ms.
    pub at_ms: i64,
    pub kind: RecordedKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedKind {
    /// Periodic event-time watermarks were given out.
    Tick,
    /// A partition ([`Record::source`]) went idle.
    Idle(u32),
    /// It was active again.
    Active(u32),
}

/// The source could not be read: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);
