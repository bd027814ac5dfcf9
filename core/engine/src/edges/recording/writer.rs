//! Writing a recording.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{ArrivalOrder, Info, RecordingError, StoredSchema};
use crate::operator::record::{Arrival, Record, TopicPartition};

/// How chunks are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    None,
    #[default]
    Lz4,
    /// With a level (1 to 22).
    Zstd(i32),
}

/// How a recording is written.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    pub compression: Compression,
    /// Bytes of a chunk before compression; a larger record gets its own.
    pub chunk_bytes: usize,
    /// Data is forced to disk after so many written bytes and so much time
    /// (checked at each `add`); `None`: only at the end.
    pub sync_bytes: u64,
    pub sync_every: Option<Duration>,
    /// Written under a temporary name and renamed when whole, removed when
    /// dropped before; else under its own name from the start, so that what
    /// was flushed opens after a crash.
    pub whole_or_nothing: bool,
    pub arrival_order: ArrivalOrder,
    pub approximate: bool,
    pub cluster_id: Option<String>,
    pub topic_ids: BTreeMap<String, String>,
    pub redaction: Option<String>,
    pub notes: BTreeMap<String, String>,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            compression: Compression::Lz4,
            chunk_bytes: 1 << 20,
            sync_bytes: 64 << 20,
            sync_every: Some(Duration::from_secs(1)),
            whole_or_nothing: false,
            arrival_order: ArrivalOrder::Read,
            approximate: false,
            cluster_id: None,
            topic_ids: BTreeMap::new(),
            redaction: None,
            notes: BTreeMap::new(),
        }
    }
}

/// Writes a recording.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
}

impl Writer {
    /// Makes the file; one that exists is refused.
    pub fn create(path: &Path, options: WriterOptions) -> Result<Self, RecordingError> {
        let _ = options;
        Ok(Self { path: path.to_owned() })
    }

    /// Adds a partition (also one that stays empty) or finds it again; the
    /// answer is its records' [`Record::source`].
    pub fn partition(&mut self, partition: TopicPartition) -> Result<u32, RecordingError> {
        let _ = partition;
        Ok(0)
    }

    /// The range of offsets that is recorded of a partition, from `start`
    /// (inclusive) to `end` (exclusive), where the broker says so.
    pub fn set_range(&mut self, source: u32, start: Option<i64>, end: Option<i64>) {
        let _ = (source, start, end);
    }

    /// Records from this arrival on are live.
    pub fn set_live_from(&mut self, arrival: Arrival) {
        let _ = arrival;
    }

    /// Adds a schema; adding it again does nothing, another one with its id is refused.
    pub fn schema(&mut self, schema: StoredSchema) -> Result<(), RecordingError> {
        let _ = schema;
        Ok(())
    }

    /// Adds a record. Arrival numbers must increase, offsets must increase
    /// within their partition, arrival times must not be negative.
    pub fn add(&mut self, record: &Record) -> Result<(), RecordingError> {
        let _ = record;
        Ok(())
    }

    /// Closes the chunk and forces all to disk: what was added opens after a crash.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        Ok(())
    }

    /// Records added so far.
    pub fn records(&self) -> u64 {
        0
    }

    /// Bytes written to the file so far.
    pub fn written_bytes(&self) -> u64 {
        0
    }

    /// Writes the summary, forces all to disk and (if `whole_or_nothing`) gives
    /// the file its name.
    pub fn finish(self) -> Result<Info, RecordingError> {
        Err(RecordingError::Exists { path: self.path })
    }
}
