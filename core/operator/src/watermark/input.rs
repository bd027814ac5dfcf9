//! What the tracker is told of an input.

use super::sources::Sources;
use crate::pipeline::{InputIndex, Pipeline, Semantics, WatermarkSpec};

/// One input as the tracker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerInput {
    pub spec: WatermarkSpec,
    /// Partitions of its topic; each is a lane.
    pub partitions: u32,
    /// Whose rules the event-time watermark follows; the same for all inputs.
    pub semantics: Semantics,
    /// Which subtask of a Flink source reads which of them.
    pub sources: Sources,
}

impl TrackerInput {
    /// An input of a pipeline, over these partitions of its topic (their
    /// numbers in Kafka); `None`: there is no such input.
    #[must_use]
    pub fn of(pipeline: &Pipeline, input: InputIndex, partitions: &[i32]) -> Option<Self> {
        let own = pipeline.inputs.get(usize::from(input))?;
        Some(Self {
            spec: own.watermark,
            partitions: partitions.len() as u32,
            semantics: pipeline.join.semantics,
            sources: Sources::of(pipeline, &own.topic, partitions.iter().copied()),
        })
    }

    /// How far behind the largest event time the event-time watermark stays.
    /// SQL's `WatermarkAssignerOperator` takes nothing more off
    /// (12-released-joins, B16); `BoundedOutOfOrdernessWatermarks`, and ours,
    /// take 1 ms.
    pub(super) fn delay(&self) -> i64 {
        let more = i64::from(self.semantics != Semantics::FlinkSql);
        self.spec.max_out_of_orderness.saturating_add(more)
    }

    /// Whether an idle partition is so until a record raises its event-time watermark.
    /// SQL's generator gives out nothing else at a record (`on-event`:
    /// `DefaultWatermarkGenerator#onEvent`), and only what is given out makes a split
    /// active (`PartialWatermark#setWatermark`); a periodic one gives out what it has
    /// at each tick.
    pub(super) fn wakes_by_rising(&self) -> bool {
        let at_once = self.spec.emit_interval.is_none_or(|interval| interval <= 0);
        self.semantics == Semantics::FlinkSql && at_once
    }

    /// What a row advances by more than this does not wait for the tick (B16).
    pub(super) fn eager(&self) -> Option<i64> {
        self.spec.emit_interval.filter(|_| self.semantics == Semantics::FlinkSql)
    }
}
