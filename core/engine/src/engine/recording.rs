//! A recording as the source of a run.

use std::sync::Arc;

use super::source::{Batches, Source, SourceError};
use crate::edges::recording::{Recording, RecordingError};
use crate::operator::record::TopicPartition;

impl Source for Recording {
    fn partitions(&self) -> &[TopicPartition] {
        Self::partitions(self)
    }

    fn records(&self, topics: &[Arc<str>]) -> Option<u64> {
        let partitions = self.info().partitions.iter();
        Some(
            partitions
                .filter(|p| topics.contains(&p.topic_partition.topic))
                .map(|p| p.records)
                .sum(),
        )
    }

    fn batches(&self, topics: &[Arc<str>], from: u64) -> Result<Batches, SourceError> {
        Ok(Box::new(Self::batches(self, Some(topics), from).map(|batch| Ok(batch?))))
    }
}

impl From<RecordingError> for SourceError {
    fn from(error: RecordingError) -> Self {
        Self(error.to_string())
    }
}
