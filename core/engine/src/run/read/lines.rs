//! Event-time watermark lines over a range, from the pyramids.

use super::density::level_of;
use super::segment::Segment;
use super::stretches::{Stretch, around, stretches};
use super::{Moment, Run};
use crate::operator::pipeline::Semantics;
use crate::operator::watermark::Tracker;
use crate::run::bytes::{i64_at, u64_at};
use crate::run::error::Result;
use crate::run::pyramid::BLOCK_SHIFT;
use crate::run::summary::{CLOCK_WIDTH, END_WIDTH, Section};
use crate::run::types::{Lines, MinMax, Range};
use crate::run::write::moves_watermark;

/// A change of a lane: at an arrival its largest event time, or whether it is idle;
/// or of all: a modelled restart, before that arrival.
#[derive(Clone, Copy)]
enum Change {
    High(u32, i64),
    Idle(u32, bool),
    Restart,
}

fn span(min: i64, max: i64) -> Option<MinMax> {
    (max != i64::MIN).then_some(MinMax { min: if min == i64::MIN { max } else { min }, max })
}

impl Run {
    /// The lines of lanes, inputs and the join over `buckets` equal parts of a
    /// range. Above 256 arrivals a bucket, or 2^17 in all, lines are as fine as 256
    /// arrivals: more rows than that are too many to read from disk for one picture.
    /// On the clock that goes for each bucket: where less arrives, lines are finer.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn lines(&self, range: Range, lanes: &[u32], buckets: usize) -> Result<Lines> {
        let now = self.now();
        let edges = self.edges(&now, range, buckets)?;
        let inputs = now.manifest.start.inputs.len();
        let mut lines = Lines {
            range,
            buckets,
            lanes: lanes.to_vec(),
            lane_lines: vec![Vec::with_capacity(buckets); lanes.len()],
            inputs: vec![Vec::with_capacity(buckets); inputs],
            join: Vec::with_capacity(buckets),
            arrival_ms: Vec::with_capacity(buckets),
            arrivals: edges,
        };
        let edges = &lines.arrivals;
        let (Some(from), Some(to)) = (edges.first().copied(), edges.last().copied()) else {
            return Ok(lines);
        };
        if from >= to {
            for line in lines.lane_lines.iter_mut().chain(&mut lines.inputs) {
                line.resize(buckets, None);
            }
            lines.join.resize(buckets, None);
            lines.arrival_ms.resize(buckets, None);
            return Ok(lines);
        }
        let level = level_of(range, to - from, buckets);
        let restarts = &now.manifest.start.restarts;
        let stretches = around(stretches(range, edges, level), restarts);
        self.expect_lines(&now, from, to, &stretches);
        let mut state = self.lanes_before(&now, from)?;
        let changes = self.changes(&now, from, to, &stretches)?;
        let joins = self.join_at(&now, edges, &stretches)?;
        let mut changes = changes.into_iter().peekable();
        for bucket in 0..buckets {
            let end = edges[bucket + 1];
            let before: Vec<i64> = lanes.iter().map(|lane| state.lane(*lane)).collect();
            let inputs_before = state.inputs.clone();
            while let Some((_, change)) = changes.next_if(|(at, _)| *at < end) {
                state.apply(change);
            }
            state.settle();
            let (a, b) = (joins[bucket], joins[bucket + 1]);
            lines.arrival_ms.push(span(a.0, b.0));
            if restarts.iter().any(|restart| (edges[bucket]..end).contains(restart)) {
                // They fall to none, and begin anew.
                let all = lines.lane_lines.iter_mut().chain(&mut lines.inputs);
                all.for_each(|line| line.push(None));
                lines.join.push(None);
                continue;
            }
            for ((line, lane), before) in lines.lane_lines.iter_mut().zip(lanes).zip(before) {
                line.push(span(before, state.lane(*lane)));
            }
            for ((line, after), before) in
                lines.inputs.iter_mut().zip(&state.inputs).zip(inputs_before)
            {
                line.push(span(before, *after));
            }
            lines.join.push(span(a.1, b.1));
        }
        Ok(lines)
    }

    /// Has the disk begin with what lines are told from: what lies side by side in a
    /// segment at once.
    fn expect_lines(&self, now: &Moment, from: u64, to: u64, stretches: &[Stretch]) {
        let within = numbers(now, from, to);
        let whole = |segment: &Segment| {
            [Section::Ticks, Section::Clock].iter().filter_map(|s| segment.place(*s)).collect()
        };
        let mut places: Vec<Vec<(u64, u64)>> =
            now.segments[within.clone()].iter().map(|segment| whole(segment)).collect();
        for stretch in stretches {
            let Some((level, blocks)) = stretch.blocks() else { continue };
            for number in numbers(now, stretch.from, stretch.to) {
                let highs = now.segments[number].place_of_highs(level, &blocks);
                if let Some(places) = places.get_mut(number.wrapping_sub(within.start)) {
                    places.extend(highs);
                }
            }
        }
        for (segment, places) in now.segments[within].iter().zip(places) {
            segment.expect_places(self.cache(), places);
        }
    }

    /// Arrival time and the join's event-time watermark at edges.
    fn join_at(
        &self,
        now: &Moment,
        edges: &[u64],
        stretches: &[Stretch],
    ) -> Result<Vec<(i64, i64)>> {
        let (from, to) = (edges[0], edges[edges.len() - 1]);
        let end = now.arrivals();
        let ticks = self.ticks(now, from, to)?;
        // After the last arrival there is no fact to ask.
        let last = if to == end {
            let (tracker, ms) = self.tracker_after(now, end - 1)?;
            Some((ms, tracker.join()))
        } else {
            None
        };
        // By first arrival.
        let mut exact: Vec<(u64, Vec<(i64, i64)>)> = Vec::new();
        for stretch in stretches.iter().filter(|s| s.level.is_none()) {
            let mut values: Vec<(i64, i64)> = Vec::new();
            let mut before = None;
            let columns = ["arrival", "arrival_ms", "watermark"];
            let past = (stretch.to + 1).min(end);
            self.rows_between(now, stretch.from, past, &columns, |t| {
                let (arrivals, ms) = (t.u64s("arrival")?, t.i64s("arrival_ms")?);
                for (i, watermark) in t.i64s("watermark")?.iter().enumerate() {
                    if before != Some(arrivals[i]) {
                        before = Some(arrivals[i]);
                        values.push((ms[i], *watermark));
                    }
                }
                Ok(())
            })?;
            exact.push((stretch.from, values));
        }
        let read = |edge: u64| {
            let at = exact.partition_point(|(from, _)| *from <= edge).checked_sub(1)?;
            exact[at].1.get((edge - exact[at].0) as usize).copied()
        };
        Ok(edges
            .iter()
            .map(|edge| match last {
                Some(last) if *edge == end => last,
                _ => read(*edge).or_else(|| ticks.at(*edge)).unwrap_or((i64::MIN, i64::MIN)),
            })
            .collect())
    }

    /// Lanes as they are before an arrival.
    fn lanes_before(&self, now: &Moment, arrival: u64) -> Result<LaneLines> {
        let start = &now.manifest.start;
        let semantics = self.inner.pipeline.join.semantics;
        // B16: SQL takes nothing more off.
        let more = i64::from(semantics != Semantics::FlinkSql);
        let mut state = LaneLines {
            highs: start.ends_at_first(),
            of_input: vec![Vec::new(); start.inputs.len()],
            delays: self
                .inner
                .pipeline
                .inputs
                .iter()
                .map(|i| i.watermark.max_out_of_orderness.saturating_add(more))
                .collect(),
            lane_inputs: now.lanes.inputs_of_lanes.clone(),
            inputs: vec![i64::MIN; start.inputs.len()],
            flink: None,
        };
        let flink = semantics.is_flink();
        for (lane, info) in start.lanes.iter().enumerate() {
            state.of_input[info.input as usize].push(lane as u32);
        }
        let Some(before) = arrival.checked_sub(1) else {
            let tracker = flink.then(|| self.first_tracker(now));
            state.flink = tracker.map(Tracker::at_once);
            return Ok(state);
        };
        let (tracker, _) = self.tracker_after(now, before)?;
        for (lane, high) in state.highs.iter_mut().enumerate() {
            if let Some(lane) = tracker.lane(lane as u32) {
                *high = (lane.max_seen.unwrap_or(i64::MIN), lane.idle);
            }
        }
        for (i, input) in state.inputs.iter_mut().enumerate() {
            *input = tracker.input(i as u8);
        }
        state.flink = flink.then(|| tracker.at_once());
        Ok(state)
    }

    /// What happens to lanes at arrivals `from..to`, in their order; a block's
    /// largest event time counts at its first arrival.
    fn changes(
        &self,
        now: &Moment,
        from: u64,
        to: u64,
        stretches: &[Stretch],
    ) -> Result<Vec<(u64, Change)>> {
        let mut changes: Vec<(u64, Change)> = Vec::new();
        // At one arrival the clock comes first, then a restart.
        for segment in segments(now, from, to) {
            let n = segment.len(Section::Clock, CLOCK_WIDTH);
            let bytes = segment.entries(self.cache(), Section::Clock, CLOCK_WIDTH, 0, n)?;
            for event in bytes.chunks_exact(CLOCK_WIDTH) {
                let precedes = u64_at(event, 0);
                if (from..to).contains(&precedes) && event[16] <= 1 {
                    let lane = u64_at(event, 17) as u32;
                    changes.push((precedes, Change::Idle(lane, event[16] == 0)));
                }
            }
        }
        let restarts = now.manifest.start.restarts.iter();
        let within = restarts.filter(|restart| (from..to).contains(*restart));
        changes.extend(within.map(|restart| (*restart, Change::Restart)));
        for stretch in stretches {
            self.changes_within(now, stretch, &mut changes)?;
        }
        changes.sort_by_key(|(at, _)| *at);
        Ok(changes)
    }

    /// Adds what moves lanes forward within a stretch.
    fn changes_within(
        &self,
        now: &Moment,
        stretch: &Stretch,
        changes: &mut Vec<(u64, Change)>,
    ) -> Result<()> {
        let (from, to) = (stretch.from, stretch.to);
        if let Some((level, blocks)) = stretch.blocks() {
            let shift = BLOCK_SHIFT + 2 * level as u32;
            for segment in segments(now, from, to) {
                segment.highs(self.cache(), level, &blocks, |(block, lane, high)| {
                    let at = (u64::from(block) << shift).max(from);
                    changes.push((at, Change::High(lane, high)));
                })?;
            }
            return Ok(());
        }
        let columns = ["arrival", "input", "partition", "event_time", "verdict"];
        self.rows_between(now, from, to, &columns, |t| {
            let (arrivals, inputs) = (t.u64s("arrival")?, t.u8s("input")?);
            let (partitions, verdicts) = (t.i32s("partition")?, t.u8s("verdict")?);
            for (i, time) in t.i64s("event_time")?.iter().enumerate() {
                if *time == i64::MIN || !moves_watermark(verdicts[i]) {
                    continue;
                }
                if let Some(lane) = now.lanes.lane(inputs[i], partitions[i]) {
                    changes.push((arrivals[i], Change::High(lane, *time)));
                }
            }
            Ok(())
        })
    }

    /// By lane, the largest event time seen at the end of what is published and
    /// whether the lane is idle.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn lane_ends(&self) -> Result<Vec<(Option<i64>, bool)>> {
        let now = self.now();
        let Some(last) = now.segments.last() else {
            return Ok(ends(now.manifest.start.ends_at_first()));
        };
        let n = last.len(Section::End, END_WIDTH);
        let bytes = last.entries(self.cache(), Section::End, END_WIDTH, 0, n)?;
        // Partitions may have come since.
        let mut all = now.manifest.start.ends_at_first();
        for (end, bytes) in all.iter_mut().zip(bytes.chunks_exact(END_WIDTH)) {
            *end = (i64_at(bytes, 0), bytes[8] != 0);
        }
        Ok(ends(all))
    }
}

fn ends(all: Vec<(i64, bool)>) -> Vec<(Option<i64>, bool)> {
    let known = |high: i64| Some(high).filter(|high| *high != i64::MIN);
    all.into_iter().map(|(high, idle)| (known(high), idle)).collect()
}

/// The segments that arrivals `from..to` lie in, by their place.
fn numbers(now: &Moment, from: u64, to: u64) -> std::ops::Range<usize> {
    let begin = now.segments.partition_point(|s| s.summary.end_arrival <= from);
    let end = now.segments.partition_point(|s| s.summary.first_arrival < to);
    begin..end.max(begin)
}

fn segments(now: &Moment, from: u64, to: u64) -> &[std::sync::Arc<Segment>] {
    &now.segments[numbers(now, from, to)]
}

/// Lanes as a sweep over arrivals sees them.
struct LaneLines {
    /// Largest event time, and whether idle.
    highs: Vec<(i64, bool)>,
    lane_inputs: Vec<u8>,
    of_input: Vec<Vec<u32>>,
    delays: Vec<i64>,
    inputs: Vec<i64>,
    /// Under Flink's rules inputs are no minimum over their lanes: the tracker
    /// itself says what they give.
    flink: Option<Tracker>,
}

impl LaneLines {
    fn lane(&self, lane: u32) -> i64 {
        let (Some((high, _)), Some(input)) =
            (self.highs.get(lane as usize), self.lane_inputs.get(lane as usize))
        else {
            return i64::MIN;
        };
        if *high == i64::MIN {
            return i64::MIN;
        }
        high.saturating_sub(self.delays.get(*input as usize).copied().unwrap_or(1))
    }

    fn apply(&mut self, change: Change) {
        let lane = match change {
            Change::High(lane, _) | Change::Idle(lane, _) => lane as usize,
            Change::Restart => {
                self.restart();
                return;
            }
        };
        if let Some(tracker) = &mut self.flink {
            match change {
                Change::High(lane, time) => tracker.observe(lane, time, 0, 0),
                Change::Idle(lane, idle) => tracker.set_idle(lane, idle, 0, 0),
                Change::Restart => false,
            };
        }
        if matches!(change, Change::Idle(..)) || self.highs.get(lane).is_some_and(|slot| slot.1) {
            // It may come back behind what its input has given out meanwhile,
            // or be the last that was active.
            self.settle();
        }
        let Some(slot) = self.highs.get_mut(lane) else { return };
        *slot = match change {
            Change::High(_, time) => (slot.0.max(time), false),
            Change::Idle(_, idle) => (slot.0, idle),
            Change::Restart => (i64::MIN, false),
        };
    }

    fn restart(&mut self) {
        self.highs.fill((i64::MIN, false));
        self.inputs.fill(i64::MIN);
        if let Some(tracker) = &mut self.flink {
            tracker.restart(0, 0);
        }
    }

    /// An input: the smallest of its lanes that are not idle; it never falls.
    fn settle(&mut self) {
        if let Some(tracker) = &self.flink {
            for (i, input) in self.inputs.iter_mut().enumerate() {
                *input = tracker.input(i as u8);
            }
            return;
        }
        for (i, lanes) in self.of_input.iter().enumerate() {
            let active = lanes.iter().filter(|lane| !self.highs[**lane as usize].1);
            if let Some(min) = active.map(|lane| self.lane(*lane)).min() {
                self.inputs[i] = self.inputs[i].max(min);
            }
        }
    }
}
