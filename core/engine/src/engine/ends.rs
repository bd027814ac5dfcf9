//! Where the logs behind a run's partitions end.

use crate::operator::pipeline::{InputOrder, Pipeline, Semantics};

/// Whether the join waits for partitions that have more in their logs: a task of
/// Kafka Streams does that takes the smallest timestamp first.
pub(super) fn waits_for_partitions(pipeline: &Pipeline) -> bool {
    pipeline.join.semantics == Semantics::KafkaStreams
        && pipeline.join.released.input_order == InputOrder::SmallestTimestamp
}

/// Who says where a partition's log ends.
#[derive(Clone, Debug)]
pub(super) enum Ends {
    /// Nobody asks.
    Unasked,
    /// By source: its last offset; `None`: it is empty.
    Known(Vec<Option<i64>>),
    /// The source's clock.
    Told,
}

impl Ends {
    /// `known`: what the source knows from its beginning.
    pub fn of_pipeline(
        pipeline: &Pipeline,
        known: impl FnOnce() -> Option<Vec<Option<i64>>>,
    ) -> Self {
        if waits_for_partitions(pipeline) {
            known().map_or(Self::Told, Self::Known)
        } else {
            Self::Unasked
        }
    }

    pub fn are_told(&self) -> bool {
        matches!(self, Self::Told)
    }

    /// The source knows of all partitions where they end.
    pub fn are_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// The sources that are known to be empty.
    pub fn empty(&self) -> Vec<u32> {
        let Self::Known(lasts) = self else { return Vec::new() };
        (0..).zip(lasts).filter(|(_, last)| last.is_none()).map(|(source, _)| source).collect()
    }

    /// No record of this source comes after this one.
    pub fn is_last(&self, source: u32, offset: i64) -> bool {
        let Self::Known(lasts) = self else { return false };
        let last = lasts.get(source as usize).copied().flatten();
        last.is_some_and(|last| offset >= last)
    }
}
