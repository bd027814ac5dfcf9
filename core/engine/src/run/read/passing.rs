//! When the join's event-time watermark passed a time, and the tracker run
//! again over a stretch of arrivals: what `explain` computes with.

use smallvec::SmallVec;

use super::Run;
use super::came::Led;
use super::watermarks::Moving;
use crate::operator::record::Arrival;
use crate::operator::watermark::{Due, Lane, Tracker};
use crate::run::error::{Result, RunError};
use crate::run::pyramid::BLOCK_SHIFT;

/// Something that happened to the tracker.
pub(crate) enum Event {
    /// The clock decided something before this arrival.
    Fired { due: Due, arrival: Arrival },
    /// A record was taken in for all inputs of its topic; a lane of it as it was before.
    Observed { lane: u32, was: Lane, arrival: Arrival, arrival_ms: i64 },
}

impl Run {
    /// The first arrival before which the join's event-time watermark was
    /// beyond `limit`, of the stretch without a modelled restart that `by` lies in.
    pub(crate) fn first_past(&self, limit: i64, by: Arrival) -> Result<Option<Arrival>> {
        let now = self.now();
        let stretch = now.manifest.start.stretch(by, now.arrivals());
        let ticks = self.ticks(&now, stretch.start, stretch.end)?;
        // Those of the stretch: within it it never goes back.
        let first = stretch.start.div_ceil(1 << BLOCK_SHIFT).max(ticks.first);
        let end = stretch.end.div_ceil(1 << BLOCK_SHIFT).max(first);
        let end = usize::try_from(end - ticks.first).unwrap_or(usize::MAX).min(ticks.ticks.len());
        let own = ticks.ticks.get((first - ticks.first) as usize..end).unwrap_or_default();
        let at = own.partition_point(|t| t.1 <= limit) as u64 + first;
        let low = (at.saturating_sub(1) << BLOCK_SHIFT).max(stretch.start);
        let high = (at << BLOCK_SHIFT).saturating_add(1).min(stretch.end);
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
    /// carried out, and that arrival's time. What the clock decided just before a
    /// modelled restart is not told: nothing is left of it.
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
        let mut came = self.came(&now, start, to)?;
        let mut last_ms = i64::MIN;
        let mut at = start;
        while at <= to {
            let Some(number) = now.segment_of_arrival(at) else { break };
            let segment = &now.segments[number];
            let s = &segment.summary;
            let end = (to + 1).min(s.end_arrival);
            let t = self.rows_of_segment(&now, segment, at, end, &Moving::COLUMNS)?;
            let moving = Moving::of(&t, &now.lanes)?;
            for rows in moving.arrivals() {
                let (arrival, arrival_ms) = (moving.arrival[rows.start], moving.ms[rows.start]);
                last_ms = arrival_ms;
                let restarts = now.manifest.start.restarts_at(arrival);
                while let Some(led) = came.lead(&mut tracker, arrival, arrival_ms) {
                    if let Led::Fired(due) = led
                        && arrival >= from
                        && !restarts
                    {
                        each(&tracker, Event::Fired { due, arrival });
                    }
                }
                if restarts {
                    tracker.restart(arrival_ms, arrival);
                }
                if arrival == to {
                    continue;
                }
                let lanes = || moving.lanes(rows.clone());
                let told = lanes().filter(|_| arrival >= from);
                let were: SmallVec<[(u32, Lane); 2]> =
                    told.filter_map(|(lane, _)| Some((lane, tracker.lane(lane)?))).collect();
                tracker.observe_all(lanes(), arrival_ms, arrival);
                for (lane, was) in were {
                    each(&tracker, Event::Observed { lane, was, arrival, arrival_ms });
                }
            }
            at = end;
        }
        Ok((tracker, last_ms))
    }
}
