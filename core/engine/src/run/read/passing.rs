//! When the join's event-time watermark passed a time, and the tracker run
//! again over a stretch of arrivals: what `explain` computes with.

use super::Run;
use crate::operator::record::Arrival;
use crate::operator::watermark::{Due, Lane, Tracker};
use crate::run::error::{Result, RunError};
use crate::run::pyramid::BLOCK_SHIFT;
use crate::run::write::moves_watermark;

/// Something that happened to the tracker.
pub(crate) enum Event {
    /// The clock decided something before this arrival.
    Fired { due: Due, arrival: Arrival },
    /// A record was taken in; its lane as it was before.
    Observed { lane: u32, was: Lane, arrival: Arrival, arrival_ms: i64 },
}

impl Run {
    /// The first arrival before which the join's event-time watermark was
    /// beyond `limit`.
    pub(crate) fn first_past(&self, limit: i64) -> Result<Option<Arrival>> {
        let now = self.now();
        let end = now.arrivals();
        let ticks = self.ticks(&now, 0, end)?;
        let at = ticks.ticks.partition_point(|t| t.1 <= limit) as u64 + ticks.first;
        let low = at.saturating_sub(1) << BLOCK_SHIFT;
        let high = (at << BLOCK_SHIFT).saturating_add(1).min(end);
        let mut found = None;
        self.rows_between(&now, low, high, &["arrival", "watermark"], |t| {
            let (arrivals, watermarks) = (t.u64s("arrival")?, t.i64s("watermark")?);
            if found.is_none() {
                found = watermarks.iter().position(|w| *w > limit).map(|i| arrivals[i]);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Tells `each` what happened to the tracker from arrival `from` on, with
    /// the tracker as it was after it; what it returns is the tracker just
    /// before the record of arrival `to`, the clock's decisions before it
    /// carried out, and that arrival's time.
    pub(crate) fn replay(
        &self,
        from: Arrival,
        to: Arrival,
        mut each: impl FnMut(&Tracker, Event),
    ) -> Result<(Tracker, i64)> {
        let now = self.now();
        let last = now
            .segment_of_arrival(to)
            .ok_or_else(|| RunError::NoSuch(format!("the run has no arrival {to}")))?;
        let first = now.segment_of_arrival(from.min(to)).unwrap_or(last);
        let (mut tracker, start) = self.tracker_before(&now, first, from.min(to))?;
        let columns = ["arrival", "arrival_ms", "input", "partition", "event_time", "verdict"];
        let mut last_ms = i64::MIN;
        let mut at = start;
        while at <= to {
            let Some(number) = now.segment_of_arrival(at) else { break };
            let segment = &now.segments[number];
            let s = &segment.summary;
            let end = (to + 1).min(s.end_arrival);
            let t = self.rows_of_segment(&now, segment, at, end, &columns)?;
            let (arrivals, ms) = (t.u64s("arrival")?, t.i64s("arrival_ms")?);
            let (inputs, partitions) = (t.u8s("input")?, t.i32s("partition")?);
            let (times, verdicts) = (t.i64s("event_time")?, t.u8s("verdict")?);
            let mut before = None;
            for i in 0..t.len() {
                let arrival = arrivals[i];
                if before != Some(arrival) {
                    before = Some(arrival);
                    last_ms = ms[i];
                    while let Some(due) = tracker.next_due(ms[i]) {
                        tracker.fire(due, arrival);
                        if arrival >= from {
                            each(&tracker, Event::Fired { due, arrival });
                        }
                    }
                }
                if arrival == to || times[i] == i64::MIN || !moves_watermark(verdicts[i]) {
                    continue;
                }
                let Some(lane) = self.inner.lanes.lane(inputs[i], partitions[i]) else { continue };
                let was = if arrival >= from { tracker.lane(lane) } else { None };
                tracker.observe(lane, times[i], ms[i], arrival);
                if let Some(was) = was {
                    each(&tracker, Event::Observed { lane, was, arrival, arrival_ms: ms[i] });
                }
            }
            at = end;
        }
        Ok((tracker, last_ms))
    }
}
