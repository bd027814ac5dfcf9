//! Event time as a scale: arrivals by the join's event-time watermark at them,
//! which goes back at a modelled restart alone (what counts is how far it had come
//! for the first time); and records by their own event times, which no index
//! orders: a pass with partial results, that skips what it once saw to lie
//! elsewhere.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::edges::Ticks;
use super::{Moment, Run};
use crate::run::error::{Result, RunError};
use crate::run::layout::Part;
use crate::run::pyramid::BLOCK_SHIFT;
use crate::run::types::{Axis, Density, Range};

/// Up to so many arrivals edges are resolved exactly.
const EXACT: u64 = 1 << 16;
/// Rows whose event times are remembered as one.
const BLOCK: u64 = 8_192;

/// Smallest and largest event time of each block (segment, place in it) that a
/// pass has seen;
/// later passes skip blocks that lie elsewhere.
#[derive(Clone, Debug, Default)]
pub struct EventSpans {
    blocks: HashMap<(u32, u32), (i64, i64)>,
    /// Smallest and largest of all that was seen, ms.
    pub whole: Option<(i64, i64)>,
}

impl EventSpans {
    fn lies_elsewhere(&self, block: (u32, u32), range: Range) -> bool {
        let span = self.blocks.get(&block);
        span.is_some_and(|(first, last)| *last < range.from || *first >= range.to)
    }

    fn see(&mut self, block: (u32, u32), times: &[i64]) {
        let mut span: Option<(i64, i64)> = None;
        for time in times.iter().filter(|t| **t != i64::MIN) {
            span = Some(span.map_or((*time, *time), |(a, b)| (a.min(*time), b.max(*time))));
        }
        // A block without any time lies nowhere.
        let span = span.unwrap_or((i64::MAX, i64::MIN));
        self.blocks.insert(block, span);
        if span.0 <= span.1 {
            self.whole = Some(self.whole.map_or(span, |(a, b)| (a.min(span.0), b.max(span.1))));
        }
    }
}

impl Run {
    /// For each time the first arrival at which the join's event-time watermark
    /// was at or beyond it. Over many arrivals as fine as 256 of them.
    pub(super) fn watermark_edges(&self, now: &Moment, times: &[i64]) -> Result<Vec<u64>> {
        let end = now.arrivals();
        let (Some(first), Some(last)) = (times.first(), times.last()) else {
            return Ok(Vec::new());
        };
        let mut ticks = self.ticks(now, 0, end)?;
        self.never_falling(now, &mut ticks)?;
        // Arrivals of the tick before a time and of the first one at or after it.
        let bounds = |time: i64| {
            let at = ticks.ticks.partition_point(|t| t.1 < time) as u64 + ticks.first;
            let high = (at << BLOCK_SHIFT).min(end);
            ((at.saturating_sub(1)) << BLOCK_SHIFT, high)
        };
        let (from, to) = (bounds(*first).0, bounds(*last).1);
        if to.saturating_sub(from) > EXACT {
            return Ok(times.iter().map(|time| bounds(*time).1).collect());
        }
        let mut watermarks: Vec<i64> = Vec::new();
        let mut before = None;
        // The largest so far, as the ticks have it.
        let mut most = ticks.at(from).map_or(i64::MIN, |tick| tick.1);
        self.rows_between(now, from, to, &["arrival", "watermark"], |t| {
            for (arrival, watermark) in t.u64s("arrival")?.iter().zip(t.i64s("watermark")?) {
                if before != Some(*arrival) {
                    before = Some(*arrival);
                    most = most.max(*watermark);
                    watermarks.push(most);
                }
            }
            Ok(())
        })?;
        Ok(times
            .iter()
            .map(|time| from + watermarks.partition_point(|w| w < time) as u64)
            .collect())
    }

    /// Puts in place of the event-time watermark at each tick the largest up to
    /// there. What it had come to before a modelled restart may lie between ticks.
    fn never_falling(&self, now: &Moment, ticks: &mut Ticks) -> Result<()> {
        let restarts = &now.manifest.start.restarts;
        if restarts.is_empty() {
            return Ok(());
        }
        for restart in restarts.iter().filter(|restart| **restart <= now.arrivals()) {
            let Some(last) = restart.checked_sub(1) else { continue };
            // Of the first tick that comes after it.
            let at = ((last >> BLOCK_SHIFT) + 1).saturating_sub(ticks.first);
            let Some(tick) = ticks.ticks.get_mut(at as usize) else { continue };
            self.rows_between(now, last, *restart, &["watermark"], |t| {
                tick.1 = t.i64s("watermark")?.iter().copied().fold(tick.1, i64::max);
                Ok(())
            })?;
        }
        let mut most = i64::MIN;
        for tick in &mut ticks.ticks {
            most = most.max(tick.1);
            tick.1 = most;
        }
        Ok(())
    }

    /// How many rows of each group of lanes have which verdict, in `buckets`
    /// equal parts of a range of event time; rows without one are nowhere.
    /// `found` gets the counts so far, with how many rows were looked at and of
    /// how many, after each segment's part; if it returns false the pass ends.
    ///
    /// # Errors
    /// [`RunError::Cancelled`] once `cancel` is set, or the store cannot be read.
    #[allow(clippy::too_many_arguments, reason = "a question, where it goes, and when to stop")]
    pub fn event_density(
        &self,
        range: Range,
        group_of: &[u32],
        groups: u32,
        buckets: usize,
        spans: &mut EventSpans,
        cancel: &AtomicBool,
        mut found: impl FnMut(&Density, u64, u64) -> bool,
    ) -> Result<()> {
        let now = self.now();
        let buckets = buckets.max(1);
        let mut density = Density {
            range: Range { axis: Axis::EventTime, ..range },
            buckets,
            lanes: (0..groups).collect(),
            counts: vec![[0; 10]; groups as usize * buckets],
        };
        let span = (i128::from(range.to) - i128::from(range.from)).max(1);
        let of = now.rows();
        for (number, segment) in now.segments.iter().enumerate() {
            let s = &segment.summary;
            let mut at = s.first_row;
            while at < s.end_row {
                if cancel.load(Ordering::Relaxed) {
                    return Err(RunError::Cancelled);
                }
                let block = (number as u32, ((at - s.first_row) / BLOCK) as u32);
                let end = (at + BLOCK).min(s.end_row);
                if spans.lies_elsewhere(block, range) {
                    at = end;
                    continue;
                }
                let rows: Vec<u64> = (at..end).collect();
                let columns = ["arrival", "input", "partition", "event_time", "verdict"];
                let ranges = at - s.first_row..end - s.first_row;
                let t = self.inner.tables.read_range(segment, Part::Rows, &columns, &ranges)?;
                let times = t.i64s("event_time")?;
                spans.see(block, times);
                let (inputs, partitions) = (t.u8s("input")?, t.i32s("partition")?);
                let (arrivals, verdicts) = (t.u64s("arrival")?, t.u8s("verdict")?);
                let fates = now.fates(&self.inner.tables, number, &rows, arrivals, verdicts)?;
                for (i, time) in times.iter().enumerate() {
                    if *time == i64::MIN || *time < range.from || *time >= range.to {
                        continue;
                    }
                    let lane = now.lanes.lane(inputs[i], partitions[i]);
                    let group = lane.and_then(|l| group_of.get(l as usize)).copied();
                    let Some(group) = group.filter(|g| *g < groups) else { continue };
                    let part =
                        (i128::from(*time) - i128::from(range.from)) * buckets as i128 / span;
                    let bucket = (part as usize).min(buckets - 1);
                    let counts = &mut density.counts[group as usize * buckets + bucket];
                    if let Some(slot) = counts.get_mut(fates[i].verdict as usize) {
                        *slot += 1;
                    }
                }
                at = end;
            }
            if !found(&density, s.end_row, of) {
                return Ok(());
            }
        }
        if now.segments.is_empty() {
            found(&density, 0, 0);
        }
        Ok(())
    }
}
