//! Reading a recording.

use std::path::Path;
use std::sync::Arc;

use super::{Info, RecordingError, Schemas};
use crate::operator::record::{Record, RecordName, TopicPartition};

/// An open recording; clones share it.
#[derive(Clone, Debug)]
pub struct Recording {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: std::path::PathBuf,
    info: Info,
    partitions: Vec<TopicPartition>,
    schemas: Arc<Schemas>,
    digest: String,
}

impl Recording {
    /// Opens a recording. A file that was cut off or never finished opens up
    /// to the cut; [`Info::cut`] says where.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        Err(RecordingError::NotARecording { path: path.to_owned(), why: String::new() })
    }

    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// [`Record::source`] is the position in this list.
    pub fn partitions(&self) -> &[TopicPartition] {
        &self.inner.partitions
    }

    pub fn info(&self) -> &Info {
        &self.inner.info
    }

    pub fn schemas(&self) -> Arc<Schemas> {
        Arc::clone(&self.inner.schemas)
    }

    /// 32 hex digits over all records, their partitions, times and order, the
    /// schemas and the clock events; not over compression or metadata.
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// Number of records.
    pub fn len(&self) -> u64 {
        self.inner.info.records
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records of `topics` (all if `None`) in arrival order, from the
    /// `from`-th of them on.
    pub fn batches(&self, topics: Option<&[Arc<str>]>, from: u64) -> Batches {
        let _ = (topics, from);
        Batches { recording: self.clone() }
    }

    /// The record of that name.
    pub fn record(&self, name: &RecordName) -> Result<Option<Record>, RecordingError> {
        let _ = name;
        Ok(None)
    }

    /// Records `first..first + n` of all topics, in arrival order.
    pub fn page(&self, first: u64, n: usize) -> Result<Vec<Record>, RecordingError> {
        self.batches(None, first).next().transpose().map(|batch| {
            let mut batch = batch.unwrap_or_default();
            batch.truncate(n);
            batch
        })
    }

    /// The name of a record of this recording.
    pub fn name_of(&self, record: &Record) -> RecordName {
        let partition = &self.inner.partitions[record.source as usize];
        RecordName {
            topic: Arc::clone(&partition.topic),
            partition: partition.partition,
            offset: record.offset,
        }
    }
}

/// Records in arrival order, about 4,096 at a time; keys and values are slices
/// of the decompressed chunk, not copies. Ends after the first error.
#[derive(Debug)]
pub struct Batches {
    recording: Recording,
}

impl Iterator for Batches {
    type Item = Result<Vec<Record>, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let _ = &self.recording;
        None
    }
}
