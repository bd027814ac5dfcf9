//! A recording as the source of a run.

use std::sync::Arc;

use super::source::{Batches, RecordedClock, RecordedKind, Source, SourceError};
use crate::edges::recording::{ClockEntryKind, Recording, RecordingError};
use crate::operator::codec::SchemaSource;
use crate::operator::record::TopicPartition;

impl Source for Recording {
    fn partitions(&self) -> &[TopicPartition] {
        Self::partitions(self)
    }

    fn schemas(&self) -> Arc<dyn SchemaSource + Send + Sync> {
        Self::schemas(self)
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

    /// Alignment pauses are shown, not re-enacted; barriers follow from arrival
    /// times; restarts of other engines do not concern `clean`.
    fn clock(&self) -> Result<Option<Vec<RecordedClock>>, SourceError> {
        if self.info().clock_events == 0 {
            return Ok(None);
        }
        let source = |name: &str| {
            self.partitions().iter().position(|p| p.to_string() == name).map(|at| at as u32)
        };
        let events = self.clock_events()?.into_iter().filter_map(|entry| {
            let kind = match &entry.kind {
                ClockEntryKind::Tick => RecordedKind::Tick,
                ClockEntryKind::Idle(name) => RecordedKind::Idle(source(name)?),
                ClockEntryKind::Active(name) => RecordedKind::Active(source(name)?),
                ClockEntryKind::Paused(_)
                | ClockEntryKind::Resumed(_)
                | ClockEntryKind::Barrier(_)
                | ClockEntryKind::Restart => return None,
            };
            let at_ms = entry.at_ns.div_euclid(1_000_000);
            Some(RecordedClock { precedes: entry.precedes, at_ms, kind })
        });
        Ok(Some(events.collect()))
    }
}

impl From<RecordingError> for SourceError {
    fn from(error: RecordingError) -> Self {
        Self(error.to_string())
    }
}
