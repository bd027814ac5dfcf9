//! How out of order records came: for each the smallest out-of-orderness at
//! which it would not have been late, all else equal.
//!
//! A record is late iff its event time e is behind the join's event-time
//! watermark W at its arrival (3-semantics). The out-of-orderness B of an input
//! moves its event-time watermark by as much as it grows and changes nothing
//! else: idleness and periodic emissions depend on arrival times and on the order of
//! event times, and late records move the watermark as others do. So with L the level of an input
//! (its watermark at B = −1), and t the record's arrival:
//!
//! 1. The same B for every input: W = M(t) − B − 1, where M(t) is the largest
//!    minimum of the levels of inputs that were not idle, up to t. The record is
//!    not late from B = M(t) − 1 − e on.
//! 2. B of one input i, the others as they were run: at a moment s the others
//!    allow W up to o(s), the least of theirs (no bound if all are idle). Only
//!    moments with o(s) > e matter, and there B ≥ L(s) − 1 − e is needed; where
//!    the input itself was idle, no B is enough. So the record needs
//!    max { L(s) : s ≤ t, o(s) > e } − 1 − e. That maximum is a step function
//!    of e which the [`Front`] keeps.
//!
//! Where a semantics takes nothing off beside B (`flink-sql`), neither do these
//! rules; where all inputs idle give the largest watermark instead of none
//! (`flink-*`), that is a moment like others. Both are exact: the engine run
//! again with such a B says the same. Only what SQL gives out before its tick
//! (12-released-joins, B16) hangs on B within that interval of the epoch, from
//! which it counts; elsewhere B moves both ends of the advance alike. At a modelled
//! restart t begins anew.

use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;

use super::Run;
use super::watermarks::Moving;
use crate::operator::pipeline::Semantics;
use crate::operator::record::Arrival;
use crate::operator::verdict::Verdict;
use crate::operator::watermark::Tracker;
use crate::run::error::{Result, RunError};
use crate::run::layout::Part;
use crate::run::write::moves_watermark;

/// No out-of-orderness is enough.
pub const NEVER: i64 = i64::MAX;

/// Rows read at once.
const CHUNK: u64 = 65_536;

/// A record that was judged for lateness.
#[derive(Clone, Copy, Debug)]
pub struct Need<'a> {
    pub row: u64,
    pub arrival: Arrival,
    /// Processing time, ms.
    pub arrival_ms: i64,
    pub lane: u32,
    /// ms.
    pub event_time: i64,
    /// ms behind the join's event-time watermark, as it was run; 0: not late.
    pub late_by: i64,
    /// ms; the record is late iff every input has less. 0: never late.
    pub all: i64,
    /// The same of each input alone; [`NEVER`]: it is late whatever it has.
    pub by_input: &'a [i64],
}

/// Largest level by what the others allow: pairs (allowed, level), the allowed
/// ascending, the levels descending; none is made superfluous by another.
#[derive(Clone, Debug, Default, PartialEq)]
struct Front(Vec<(i64, i64)>);

impl Front {
    fn add(&mut self, allowed: i64, level: i64) {
        let at = self.0.partition_point(|p| p.0 < allowed);
        if self.0.get(at).is_some_and(|p| p.1 >= level) {
            return;
        }
        // Those that allow no more and are no higher say nothing now.
        let end = at + usize::from(self.0.get(at).is_some_and(|p| p.0 == allowed));
        let from = self.0[..at].partition_point(|p| p.1 > level);
        self.0.splice(from..end, [(allowed, level)]);
    }

    /// The largest level of moments that allowed more than `event_time`.
    #[inline]
    fn above(&self, event_time: i64) -> Option<i64> {
        let at = self.0.partition_point(|p| p.0 <= event_time);
        self.0.get(at).map(|p| p.1)
    }
}

/// Where a pass over the run stands: everything before an arrival is in it.
#[derive(Clone)]
pub struct Levels {
    at: Arrival,
    tracker: Tracker,
    /// Largest minimum of the levels of active inputs; `i64::MIN`: none yet.
    common: i64,
    fronts: Vec<Front>,
    /// How far an input's watermark stays behind its level.
    delays: Vec<i64>,
    /// What a semantics takes off besides the out-of-orderness, ms.
    more: i64,
    /// When all inputs are idle the largest watermark counts.
    all_idle_takes_max: bool,
    /// By input: its event-time watermark, and whether it is idle, as taken in last.
    settled: Vec<Option<(i64, bool)>>,
}

impl Levels {
    /// The first arrival that is not in it.
    #[must_use]
    pub fn at(&self) -> Arrival {
        self.at
    }

    /// The modelled engine is started again: what was given out until then makes
    /// nothing late any more, at any out-of-orderness.
    fn restart(&mut self, now_ms: i64, arrival: Arrival) {
        self.tracker.restart(now_ms, arrival);
        self.common = i64::MIN;
        self.fronts.fill(Front::default());
        self.settled.fill(None);
    }

    /// Takes in how the tracker stands now. Few records move anything, and what was
    /// taken in says nothing more a second time.
    #[inline]
    fn settle(&mut self) {
        let mut moved = false;
        for (i, settled) in (0..).zip(&mut self.settled) {
            let stands = Some((self.tracker.input(i), self.tracker.input_idle(i)));
            moved |= *settled != stands;
            *settled = stands;
        }
        if moved {
            self.take_in();
        }
    }

    fn take_in(&mut self) {
        let inputs = self.delays.len() as u8;
        let watermark = |i: u8| self.tracker.input(i);
        let active = |i: u8| !self.tracker.input_idle(i);
        let level = |i: u8| match watermark(i) {
            i64::MIN => i64::MIN,
            w => w.saturating_add(self.delays[usize::from(i)]),
        };
        let none = (0..inputs).all(|i| !active(i));
        let counts = match (0..inputs).filter(|i| active(*i)).map(level).min() {
            None if self.all_idle_takes_max => (0..inputs).map(level).max(),
            least => least,
        };
        self.common = self.common.max(counts.unwrap_or(i64::MIN));
        if none && self.all_idle_takes_max {
            for i in 0..inputs {
                let others = (0..inputs).filter(|o| *o != i).map(watermark).max();
                let front = &mut self.fronts[usize::from(i)];
                if let Some(others) = others.filter(|o| *o != i64::MIN) {
                    front.add(others, NEVER);
                }
                if level(i) != i64::MIN {
                    front.add(i64::MAX, level(i));
                }
            }
            return;
        }
        for i in 0..inputs {
            let others = (0..inputs).filter(|o| *o != i && active(*o)).map(watermark).min();
            let (allowed, level) = match (others, active(i)) {
                // All idle: the join's stays.
                (None, false) => continue,
                (Some(others), false) => (others, NEVER),
                (others, true) => (others.unwrap_or(i64::MAX), level(i)),
            };
            if allowed != i64::MIN && level != i64::MIN {
                self.fronts[usize::from(i)].add(allowed, level);
            }
        }
    }

    #[inline]
    fn judge(&self, event_time: i64, by_input: &mut Vec<i64>) -> (i64, i64) {
        let need = |level: i64| level.saturating_sub(self.more).saturating_sub(event_time).max(0);
        by_input.clear();
        by_input.extend(self.fronts.iter().map(|front| match front.above(event_time) {
            None => 0,
            Some(NEVER) => NEVER,
            Some(level) => need(level),
        }));
        let all = if self.common == i64::MIN { 0 } else { need(self.common) };
        let join = self.tracker.join();
        let late = join != i64::MIN && event_time < join;
        (all, if late { join.saturating_sub(event_time) } else { 0 })
    }
}

impl Run {
    /// The start of a pass over the run.
    #[must_use]
    pub fn levels(&self) -> Levels {
        let now = self.now();
        let inputs = &self.inner.pipeline.inputs;
        let semantics = self.inner.pipeline.join.semantics;
        let more = i64::from(semantics != Semantics::FlinkSql);
        Levels {
            more,
            all_idle_takes_max: semantics.is_flink(),
            at: 0,
            tracker: self.first_tracker(&now),
            common: i64::MIN,
            fronts: vec![Front::default(); inputs.len()],
            settled: vec![None; inputs.len()],
            delays: inputs
                .iter()
                .map(|i| i.watermark.max_out_of_orderness.saturating_add(more))
                .collect(),
        }
    }

    /// Tells `each` of the records of arrivals up to `to` (exclusive) that were
    /// judged for lateness, and moves `levels` there. Some 50 ns a row: a job
    /// over many, with the run so far in `levels` a question over few.
    ///
    /// # Errors
    /// [`RunError::Cancelled`] once `cancel` is set, or the store cannot be
    /// read; `levels` then stands where it got to.
    pub fn needs(
        &self,
        levels: &mut Levels,
        to: Arrival,
        cancel: &AtomicBool,
        mut each: impl FnMut(&Need<'_>),
    ) -> Result<()> {
        let now = self.now();
        let to = to.min(now.arrivals());
        let mut by_input = Vec::with_capacity(levels.fronts.len());
        let judged: [bool; 256] = std::array::from_fn(|code| {
            Verdict::from_code(code as u8).is_some_and(Verdict::passed_the_checks)
        });
        let start = &now.manifest.start;
        while levels.at < to {
            if cancel.load(Ordering::Relaxed) {
                return Err(RunError::Cancelled);
            }
            let Some(number) = now.segment_of_arrival(levels.at) else { break };
            let segment = &now.segments[number];
            let s = &segment.summary;
            let end = to.min(s.end_arrival).min(levels.at.saturating_add(CHUNK));
            let rows = self.row_of_arrival(&now, levels.at)? - s.first_row
                ..self.row_of_arrival(&now, end)?.min(s.end_row) - s.first_row;
            let first = s.first_row + rows.start;
            let columns = Moving::columns(&now.lanes);
            let t = self.inner.tables.read_range(segment, Part::Rows, columns, &rows)?;
            let moving = Moving::from_row(&t, &now.lanes, first)?;
            let mut clock = self.clocked(&now, levels.at..end)?.into_iter().peekable();
            for rows in moving.arrivals() {
                let (arrival, arrival_ms) = (moving.arrival[rows.start], moving.ms[rows.start]);
                while let Some(decided) = clock.next_if(|d| d.precedes <= arrival) {
                    // What its own record wakes is judged as it was, as that record is.
                    let own = decided.at_ms == arrival_ms
                        && moving.lanes(rows.clone()).any(|(lane, _)| decided.wakes(lane));
                    if !own {
                        decided.carry_out(&mut levels.tracker);
                        levels.settle();
                    }
                }
                if start.restarts_at(arrival) {
                    levels.restart(arrival_ms, arrival);
                }
                // All rows of an arrival are judged before it moves anything.
                let mut moves: SmallVec<[(u32, i64); 2]> = SmallVec::new();
                for i in rows {
                    let (event_time, verdict) = (moving.times[i], moving.verdicts[i]);
                    let Some(lane) = moving.lane(i).filter(|_| event_time != i64::MIN) else {
                        continue;
                    };
                    if moves_watermark(verdict) {
                        moves.push((lane, event_time));
                    }
                    if !judged[usize::from(verdict)] {
                        continue;
                    }
                    let (all, late_by) = levels.judge(event_time, &mut by_input);
                    each(&Need {
                        row: first + i as u64,
                        arrival,
                        arrival_ms,
                        lane,
                        event_time,
                        late_by,
                        all,
                        by_input: &by_input,
                    });
                }
                if !moves.is_empty() {
                    levels.tracker.observe_all(moves, arrival_ms, arrival);
                    levels.settle();
                }
            }
            levels.at = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::pipeline::WatermarkSpec;
    use crate::operator::watermark::{Sources, TrackerInput};

    #[test]
    fn the_front_is_the_maximum_of_all_that_was_added() {
        let mut seed = 7u64;
        let mut roll = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((seed >> 33) % below) as i64
        };
        for _ in 0..200 {
            let mut front = Front::default();
            let mut all = Vec::new();
            for _ in 0..30 {
                let (allowed, level) = (roll(20), roll(20));
                front.add(allowed, level);
                all.push((allowed, level));
                assert!(front.0.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 > w[1].1));
                for time in -1..21 {
                    let want = all.iter().filter(|p| p.0 > time).map(|p| p.1).max();
                    assert_eq!(front.above(time), want, "{all:?} at {time}");
                }
            }
        }
    }

    /// Three inputs of two partitions each; some go idle, some give out periodically.
    fn levels(semantics: Semantics, roll: &mut dyn FnMut(u64) -> i64) -> Levels {
        let more = i64::from(semantics != Semantics::FlinkSql);
        let mut specs = Vec::new();
        for _ in 0..3 {
            let idle_timeout = (roll(2) == 0).then_some(30);
            let emit_interval = (roll(3) == 0).then_some(20);
            let max_out_of_orderness = roll(20);
            let spec = WatermarkSpec {
                max_out_of_orderness,
                idle_timeout,
                emit_interval,
                ..WatermarkSpec::default()
            };
            specs.push(spec);
        }
        let input = |spec: &WatermarkSpec| TrackerInput {
            spec: *spec,
            partitions: 2,
            semantics,
            sources: Sources::default(),
        };
        Levels {
            at: 0,
            tracker: Tracker::new(specs.iter().map(input).collect()),
            common: i64::MIN,
            fronts: vec![Front::default(); specs.len()],
            settled: vec![None; specs.len()],
            delays: specs.iter().map(|s| s.max_out_of_orderness + more).collect(),
            more,
            all_idle_takes_max: semantics.is_flink(),
        }
    }

    #[test]
    fn what_has_not_moved_need_not_be_taken_in_again() {
        let mut seed = 11u64;
        let mut roll = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((seed >> 33) % below) as i64
        };
        let (mut taken_in, mut moments) = (0, 0);
        for case in 0..120 {
            let semantics = [Semantics::Clean, Semantics::FlinkSql, Semantics::FlinkDataStream];
            let mut quick = levels(semantics[case % 3], &mut roll);
            let mut plain = quick.clone();
            let mut now = 1_000;
            for arrival in 0..80 {
                now += roll(12);
                if roll(30) == 0 {
                    quick.restart(now, arrival);
                    plain.restart(now, arrival);
                }
                loop {
                    let due = plain.tracker.next_due(now);
                    assert_eq!(quick.tracker.next_due(now), due);
                    let Some(due) = due else { break };
                    quick.tracker.fire(due, arrival);
                    plain.tracker.fire(due, arrival);
                    quick.settle();
                    plain.take_in();
                }
                let (lane, time) = (roll(6) as u32, now - roll(60));
                for levels in [&mut quick, &mut plain] {
                    levels.tracker.observe(lane, time, now, arrival);
                }
                let before = quick.settled.clone();
                quick.settle();
                plain.take_in();
                taken_in += usize::from(before != quick.settled);
                moments += 1;
                assert_eq!(quick.common, plain.common, "case {case}, arrival {arrival}");
                assert_eq!(quick.fronts, plain.fronts, "case {case}, arrival {arrival}");
            }
        }
        assert!(taken_in > 500 && moments > taken_in + 500, "{taken_in} of {moments}");
    }
}
