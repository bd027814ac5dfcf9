//! A cluster's topics as the input of a job: opened again wherever the job goes
//! on, its arrival log under the same guarantees as its state.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::cut::{cut, logged};
use super::log::behind;
use super::source::{Live, LiveSpec};
use super::{LiveError, Lookup};
use crate::edges::kafka::{KafkaError, first_offsets};
use crate::edges::recording::{Recording, parts_of, written_parts};
use crate::engine::delivery::{Feed, FeedError, StartAt, Values};
use crate::engine::source::{Source, SourceError};
use crate::engine::step::SinkError;
use crate::operator::record::{Arrival, Record, RecordName, TopicPartition};

/// The input of a job that reads a cluster.
pub struct LiveFeed {
    spec: LiveSpec,
    /// Of the source that is open.
    lookup: Arc<Mutex<Option<Lookup>>>,
}

impl LiveFeed {
    /// `spec.tail.start` counts where the job is new.
    #[must_use]
    pub fn new(spec: LiveSpec) -> Self {
        Self { spec: LiveSpec { values: true, ..spec }, lookup: Arc::default() }
    }
}

impl From<LiveError> for SourceError {
    fn from(error: LiveError) -> Self {
        Self(error.to_string())
    }
}

/// A registry that does not answer is for whoever starts the job to see to.
impl From<LiveError> for FeedError {
    fn from(error: LiveError) -> Self {
        match &error {
            LiveError::Kafka(e) if e.is_away() && !matches!(e, KafkaError::Registry { .. }) => {
                Self::Away(error.to_string())
            }
            _ => Self::Source(error.into()),
        }
    }
}

impl Feed for LiveFeed {
    fn first_offsets(&mut self) -> Result<BTreeMap<TopicPartition, i64>, FeedError> {
        let mut tail = self.spec.tail.clone();
        tail.topics = self.spec.pipeline.topics().iter().map(ToString::to_string).collect();
        Ok(first_offsets(&tail).map_err(LiveError::from)?)
    }

    fn open(&mut self, at: &StartAt) -> Result<Arc<dyn Source>, FeedError> {
        if at.skips {
            cut(&self.spec.folder, at.arrival).map_err(LiveError::from)?;
        }
        let mut spec = self.spec.clone();
        spec.tail.offsets.clone_from(&at.offsets);
        spec.exact = at.skips;
        let live = Live::open(spec)?;
        *self.lookup.lock().unwrap_or_else(PoisonError::into_inner) = live.lookup();
        Ok(Arc::new(live))
    }

    fn values(&mut self) -> Box<dyn Values> {
        let lookup = self.lookup.lock().unwrap_or_else(PoisonError::into_inner);
        Box::new(ByName(lookup.as_ref().map(Lookup::another)))
    }

    fn logged(&self) -> Result<Arrival, SourceError> {
        Ok(logged(&self.spec.folder).map_err(LiveError::from)?)
    }

    fn logged_offsets(&self) -> Result<BTreeMap<TopicPartition, i64>, SourceError> {
        let folder = &self.spec.folder;
        let parts = if folder.exists() { written_parts(folder) } else { Ok(Vec::new()) };
        if parts.map_err(LiveError::from)?.is_empty() {
            return Ok(BTreeMap::new());
        }
        let log = Recording::open(folder).map_err(LiveError::from)?;
        let next =
            log.info().partitions.iter().filter_map(|partition| {
                Some((partition.topic_partition.clone(), behind(partition)?))
            });
        Ok(next.collect())
    }

    fn durable(&self) -> Option<Arc<dyn Fn(Arrival) -> Result<(), SinkError> + Send + Sync>> {
        let folder = self.spec.folder.clone();
        // Segments before the newest were forced to disk when they ended.
        Some(Arc::new(move |_| force(&folder)))
    }
}

/// The newest segments are on the disk afterwards: what was handed over is in them.
fn force(folder: &PathBuf) -> Result<(), SinkError> {
    let failed = |e: &dyn std::fmt::Display| SinkError(format!("the arrival log: {e}"));
    let parts = parts_of(folder).map_err(|e| failed(&e))?;
    for (_, path) in parts.iter().rev().take(2) {
        std::fs::File::open(path).and_then(|file| file.sync_data()).map_err(|e| failed(&e))?;
    }
    std::fs::File::open(folder).and_then(|file| file.sync_all()).map_err(|e| failed(&e))
}

struct ByName(Option<Lookup>);

impl Values for ByName {
    fn record(&mut self, name: &RecordName, into: &mut Record) -> Result<(), SinkError> {
        let Some(lookup) = &mut self.0 else {
            return Err(SinkError("the arrival log is not open".to_owned()));
        };
        lookup.record(name, into).map_err(SinkError)
    }
}
