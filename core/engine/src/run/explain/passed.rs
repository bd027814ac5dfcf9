//! Which record, or which decision of the clock, moved the event-time watermark
//! past a row.

use crate::operator::record::{Arrival, RecordName};
use crate::operator::verdict::Verdict;
use crate::operator::watermark::{Due, DueKind, WithoutPartition};
use crate::run::Run;
use crate::run::error::Result;
use crate::run::read::Event;
use crate::run::types::{LaneInfo, RowView};

/// What moved the join's event-time watermark past a time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Passed {
    /// The arrival at (or just before) which it did.
    pub at: Arrival,
    /// Processing time then, ms.
    pub at_ms: i64,
    pub by: By,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum By {
    Record(RecordName),
    /// A lane went idle and no longer held it back.
    Idle(LaneInfo),
    /// Source subtasks of Flink that have no partition did.
    NoPartition(WithoutPartition),
    /// An input's periodic emission.
    Periodic(u8),
}

/// For a row that was late: what had moved the watermark past it.
pub(super) fn of(run: &Run, row: &RowView) -> Result<Option<Passed>> {
    if row.verdict != Verdict::Late && row.late_by.is_none() {
        return Ok(None);
    }
    let Some(time) = row.event_time else { return Ok(None) };
    past(run, time, row.arrival)
}

/// What first moved it beyond `limit`, before arrival `before`.
pub(super) fn past(run: &Run, limit: i64, before: Arrival) -> Result<Option<Passed>> {
    let Some(first) = run.first_past(limit, before)?.filter(|first| *first <= before) else {
        return Ok(None);
    };
    let from = first.saturating_sub(1);
    let mut found: Option<(Event, Option<WithoutPartition>)> = None;
    run.replay(from, first, |tracker, event| {
        if found.is_none() && tracker.join() > limit {
            let without = match &event {
                Event::Fired { due: Due { kind: DueKind::Idle { lane }, .. }, .. } => {
                    tracker.without_partition(*lane)
                }
                Event::Fired { .. } | Event::Observed { .. } => None,
            };
            found = Some((event, without));
        }
    })?;
    let Some((event, without)) = found else { return Ok(None) };
    Ok(match event {
        Event::Observed { arrival, arrival_ms, .. } => {
            let row = run.rows_of_arrival(arrival)?.into_iter().next();
            row.map(|r| Passed { at: arrival, at_ms: arrival_ms, by: By::Record(r.record) })
        }
        Event::Fired { due, arrival } => {
            let by = match due.kind {
                DueKind::Idle { lane } => {
                    let now = run.now();
                    let idle = now.manifest.start.lanes.get(lane as usize).cloned().map(By::Idle);
                    idle.or(without.map(By::NoPartition))
                }
                DueKind::Periodic { input } => Some(By::Periodic(input)),
            };
            by.map(|by| Passed { at: arrival, at_ms: due.at_ms, by })
        }
    })
}
