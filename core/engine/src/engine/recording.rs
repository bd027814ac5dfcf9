//! A recording as the source of a run.

use std::collections::HashMap;
use std::sync::Arc;

use super::source::{Batches, ClockInput, ClockInputKind, Given, Source, SourceError};
use crate::edges::recording::{ClockEntry, ClockEntryKind, Recording, RecordingError};
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

    fn later(&self) -> Vec<u32> {
        let partitions = (0..).zip(&self.info().partitions);
        partitions.filter(|(_, p)| p.later).map(|(source, _)| source).collect()
    }

    /// In a live run's log the clock says where logs ended.
    fn last_offsets(&self) -> Option<Vec<Option<i64>>> {
        let said = |entry: &ClockEntry| {
            matches!(entry.kind, ClockEntryKind::Held(_) | ClockEntryKind::Free(_))
        };
        // One that cannot be read ends the run when it is.
        if self.any_clock_event(said).unwrap_or(false) {
            return None;
        }
        Some(self.info().partitions.iter().map(|p| p.last_offset).collect())
    }

    /// Alignment pauses are shown, not re-enacted; idleness follows from ticks and
    /// arrival times. Restarts of other engines are asked of a run
    /// ([`super::restarts`]); a live run is none of theirs, and its log names none.
    fn batches(&self, topics: &[Arc<str>], from: u64) -> Result<Batches, SourceError> {
        let names: HashMap<String, u32> =
            self.partitions().iter().enumerate().map(|(i, p)| (p.to_string(), i as u32)).collect();
        let input = move |entry: ClockEntry| {
            let source = |name: &String| names.get(name).copied();
            let kind = match &entry.kind {
                ClockEntryKind::Tick => ClockInputKind::Tick,
                ClockEntryKind::Held(name) => ClockInputKind::Held(source(name)?),
                ClockEntryKind::Free(name) => ClockInputKind::Free(source(name)?),
                ClockEntryKind::Barrier(_) => ClockInputKind::Barrier,
                ClockEntryKind::Added(name) => ClockInputKind::Added(source(name)?),
                ClockEntryKind::Idle(_)
                | ClockEntryKind::Active(_)
                | ClockEntryKind::Paused(_)
                | ClockEntryKind::Resumed(_)
                | ClockEntryKind::Restart => return None,
            };
            let at_ms = entry.at_ns.div_euclid(1_000_000);
            Some(ClockInput { precedes: entry.precedes, at_ms, kind })
        };
        let mut batches = Self::batches(self, Some(topics), from);
        Ok(Box::new(std::iter::from_fn(move || {
            let next = batches.next_with_clock()?.map(|(records, clock)| Given {
                records,
                clock: clock.into_iter().filter_map(&input).collect(),
            });
            Some(next.map_err(Into::into))
        })))
    }
}

impl From<RecordingError> for SourceError {
    fn from(error: RecordingError) -> Self {
        Self(error.to_string())
    }
}
