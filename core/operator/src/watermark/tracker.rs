//! The tracker itself.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::tree::MinTree;
use crate::pipeline::{InputIndex, Semantics, WatermarkSpec};
use crate::record::Arrival;

/// One input as the tracker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerInput {
    pub spec: WatermarkSpec,
    /// Partitions of its topic; each is a lane.
    pub partitions: u32,
    /// Whose rules the event-time watermark follows; the same for all inputs.
    pub semantics: Semantics,
}

impl TrackerInput {
    /// How far behind the largest event time the event-time watermark stays.
    /// SQL's `WatermarkAssignerOperator` takes nothing more off
    /// (12-released-joins, B16); `BoundedOutOfOrdernessWatermarks`, and ours,
    /// take 1 ms.
    fn delay(&self) -> i64 {
        let more = i64::from(self.semantics != Semantics::FlinkSql);
        self.spec.max_out_of_orderness.saturating_add(more)
    }
}

/// Something that the clock decides at `at_ms` (processing time).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub at_ms: i64,
    pub kind: DueKind,
}

/// What the clock decides. At one time: idleness (by lane), then periodic
/// event-time watermarks (by input); barriers are the engine's and come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueKind {
    /// The lane gave nothing for its idle timeout.
    Idle { lane: u32 },
    /// The input gives out its event-time watermark.
    Periodic { input: InputIndex },
}

/// One partition of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    pub input: InputIndex,
    /// Position in the partitions of the input's topic.
    pub partition: u32,
    /// `max_seen − max_out_of_orderness − 1`, ms; `i64::MIN` before the first record.
    pub watermark: i64,
    /// Largest event time, ms; `None` before the first record.
    pub max_seen: Option<i64>,
    pub idle: bool,
    /// The arrival that last raised `watermark`; 0 before the first record.
    pub since: Arrival,
    /// Arrival time (ms) of the last record that counted as activity; the
    /// run's first arrival where there was none, `i64::MIN` before that.
    pub last_active_ms: i64,
}

/// The lane that holds the join's event-time watermark back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    pub lane: u32,
    /// The arrival since which it is this lane.
    pub since: Arrival,
    pub why: Why,
}

/// Why a lane holds the join back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It has given no record yet and is not idle.
    NothingYet,
    /// Its event time is the least advanced.
    Slowest,
    /// It was idle, came back behind what had been given out meanwhile, and
    /// has not caught up.
    CameBack,
    /// It has advanced, but its input gives out periodically.
    NextEmission,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct LaneState {
    pub(super) watermark: i64,
    /// `i64::MIN` also stands for none: see `seen`.
    pub(super) max_seen: i64,
    pub(super) last_active: i64,
    pub(super) since: Arrival,
    pub(super) input: InputIndex,
    pub(super) seen: bool,
    pub(super) idle: bool,
    /// It cannot go idle.
    pub(super) held: bool,
}

#[derive(Clone, Debug)]
pub(super) struct InputState {
    /// Its first lane.
    pub(super) first: u32,
    /// See [`TrackerInput::delay`].
    pub(super) delay: i64,
    pub(super) idle_timeout: Option<i64>,
    pub(super) emit_interval: Option<i64>,
    /// Minimum over the lanes that are not idle; never goes back.
    pub(super) current: i64,
    /// What the join sees: `current`, or that of the last periodic emission.
    pub(super) emitted: i64,
    /// When `current` is given out; `i64::MAX` if nothing waits.
    pub(super) tick: i64,
    /// Lanes that are not idle.
    pub(super) active: u32,
    pub(super) tree: MinTree,
}

/// Event-time watermarks of all lanes, inputs and the join.
///
/// Per partition `max − max_out_of_orderness − 1`; per input the minimum over
/// partitions that are not idle; per join the minimum over inputs that are not
/// all idle, and if all are, it stays; under Flink's rules the maximum over
/// all is taken then, of partitions and of inputs
/// (`CombinedWatermarkStatus#updateCombinedWatermark`; 12-released-joins, A2).
/// None ever goes back.
#[derive(Clone, Debug)]
pub struct Tracker {
    pub(super) lanes: Vec<LaneState>,
    pub(super) inputs: Vec<InputState>,
    pub(super) join: i64,
    /// Where all are idle the maximum counts.
    all_idle_takes_max: bool,
    /// Processing time of the first arrival.
    pub(super) start: Option<i64>,
    pub(super) holder: Option<(u32, Arrival)>,
    /// Lower bound of all that the clock will decide.
    earliest: i64,
    /// (when, lane) for each active lane that can go idle. A lane's entry may
    /// be older than its last record: it is put right when it is reached.
    timers: BinaryHeap<Reverse<(i64, u32)>>,
}

impl Tracker {
    /// Lanes are numbered input by input, in the partition order given by the source.
    #[must_use]
    pub fn new(inputs: Vec<TrackerInput>) -> Self {
        let mut tracker = Self {
            lanes: Vec::new(),
            inputs: Vec::with_capacity(inputs.len()),
            join: i64::MIN,
            all_idle_takes_max: inputs.iter().any(|input| input.semantics.is_flink()),
            start: None,
            holder: None,
            earliest: i64::MIN,
            timers: BinaryHeap::new(),
        };
        for (index, input) in inputs.into_iter().enumerate() {
            let TrackerInput { spec, partitions, .. } = input;
            tracker.inputs.push(InputState {
                first: tracker.lanes.len() as u32,
                delay: input.delay(),
                idle_timeout: spec.idle_timeout,
                emit_interval: spec.emit_interval.filter(|&interval| interval > 0),
                current: i64::MIN,
                emitted: i64::MIN,
                tick: i64::MAX,
                active: partitions,
                tree: MinTree::new(partitions as usize),
            });
            let lane = LaneState {
                watermark: i64::MIN,
                max_seen: i64::MIN,
                last_active: i64::MIN,
                since: 0,
                input: index as InputIndex,
                seen: false,
                idle: false,
                held: false,
            };
            tracker.lanes.extend(std::iter::repeat_n(lane, partitions as usize));
        }
        tracker.settle_holder(0);
        tracker
    }

    /// The join's event-time watermark; `i64::MIN` before there is one.
    #[inline]
    #[must_use]
    pub fn join(&self) -> i64 {
        self.join
    }

    /// What input `i` gives the join; `i64::MIN` before there is anything, and
    /// for an input that does not exist.
    #[must_use]
    pub fn input(&self, i: InputIndex) -> i64 {
        self.inputs.get(i as usize).map_or(i64::MIN, |input| input.emitted)
    }

    /// Whether all partitions of input `i` are idle.
    #[must_use]
    pub fn input_idle(&self, i: InputIndex) -> bool {
        self.inputs.get(i as usize).is_none_or(|input| input.active == 0)
    }

    /// How many lanes there are.
    #[must_use]
    pub fn lanes(&self) -> u32 {
        self.lanes.len() as u32
    }

    /// The first lane of input `i`; its partitions follow one another.
    #[must_use]
    pub fn first_lane(&self, i: InputIndex) -> Option<u32> {
        self.inputs.get(i as usize).map(|input| input.first)
    }

    /// One lane.
    #[must_use]
    pub fn lane(&self, lane: u32) -> Option<Lane> {
        let state = self.lanes.get(lane as usize)?;
        Some(Lane {
            input: state.input,
            partition: lane - self.inputs[state.input as usize].first,
            watermark: state.watermark,
            max_seen: state.seen.then_some(state.max_seen),
            idle: state.idle,
            since: state.since,
            last_active_ms: state.last_active,
        })
    }

    /// Which lane holds the join back, and why; `None` if all are idle.
    #[must_use]
    pub fn holder(&self) -> Option<Holder> {
        let (lane, since) = self.holder?;
        let state = &self.lanes[lane as usize];
        let input = &self.inputs[state.input as usize];
        let why = if state.watermark == i64::MIN {
            Why::NothingYet
        } else if state.watermark < input.current {
            Why::CameBack
        } else if input.current > input.emitted {
            Why::NextEmission
        } else {
            Why::Slowest
        };
        Some(Holder { lane, since, why })
    }

    /// What the clock decides next, if it is due by `now_ms` (`<=`). The first
    /// call starts the clock: idle timeouts and periodic emissions count from it.
    /// Call again after [`Tracker::fire`] until nothing is due.
    #[inline]
    pub fn next_due(&mut self, now_ms: i64) -> Option<Due> {
        if now_ms < self.earliest {
            return None;
        }
        self.find_due(now_ms)
    }

    #[cold]
    fn find_due(&mut self, now_ms: i64) -> Option<Due> {
        if self.start.is_none() {
            self.start = Some(now_ms);
            for lane in &mut self.lanes {
                lane.last_active = now_ms;
            }
            self.wind_timers();
        }
        let idle = self.next_idle();
        let tick = self
            .inputs
            .iter()
            .enumerate()
            .filter(|(_, input)| input.tick != i64::MAX)
            .map(|(i, input)| (input.tick, i as InputIndex))
            .min();
        let due = match (idle, tick) {
            (Some((at_ms, lane)), tick) if tick.is_none_or(|(tick, _)| at_ms <= tick) => {
                Some(Due { at_ms, kind: DueKind::Idle { lane } })
            }
            (_, Some((at_ms, input))) => Some(Due { at_ms, kind: DueKind::Periodic { input } }),
            _ => None,
        };
        self.earliest = due.map_or(i64::MAX, |due| due.at_ms);
        due.filter(|due| due.at_ms <= now_ms)
    }

    /// The lane that goes idle first, and when.
    fn next_idle(&mut self) -> Option<(i64, u32)> {
        while let Some(&Reverse((at, lane))) = self.timers.peek() {
            match self.idle_at(lane) {
                Some(deadline) if deadline <= at => return Some((at, lane)),
                deadline => {
                    self.timers.pop();
                    self.timers.extend(deadline.map(|deadline| Reverse((deadline, lane))));
                }
            }
        }
        None
    }

    /// When the lane goes idle if nothing comes; `None` if never, or idle already.
    fn idle_at(&self, lane: u32) -> Option<i64> {
        let state = &self.lanes[lane as usize];
        let timeout = self.inputs[state.input as usize].idle_timeout?;
        (!state.idle && !state.held).then(|| state.last_active.saturating_add(timeout))
    }

    /// Sets a timer for each lane that can go idle.
    pub(super) fn wind_timers(&mut self) {
        self.timers = (0..self.lanes())
            .filter_map(|lane| Some(Reverse((self.idle_at(lane)?, lane))))
            .collect();
        self.earliest = i64::MIN;
    }

    /// Carries out what [`Tracker::next_due`] gave, before `arrival`; whether
    /// the join's event-time watermark moved.
    pub fn fire(&mut self, due: Due, arrival: Arrival) -> bool {
        self.earliest = i64::MIN;
        match due.kind {
            DueKind::Idle { lane } => self.set_idle(lane, true, due.at_ms, arrival),
            DueKind::Periodic { input } => {
                let Some(state) = self.inputs.get_mut(input as usize) else { return false };
                state.tick = i64::MAX;
                state.emitted = state.current;
                self.settle_holder(arrival);
                self.settle_join()
            }
        }
    }

    /// Takes a record in, after it was processed (also `filtered`, `unkeyed`
    /// and `late` ones); whether the join's event-time watermark moved.
    #[inline]
    pub fn observe(&mut self, lane: u32, event_time: i64, now_ms: i64, arrival: Arrival) -> bool {
        let Some(state) = self.lanes.get_mut(lane as usize) else { return false };
        state.last_active = now_ms;
        let rises = event_time > state.max_seen || !state.seen;
        if !rises && !state.idle {
            return false;
        }
        if rises {
            state.max_seen = event_time;
            state.seen = true;
            let delay = self.inputs[state.input as usize].delay;
            let watermark = event_time.saturating_sub(delay);
            return self.raise(lane, watermark, now_ms, arrival);
        }
        self.raise(lane, i64::MIN, now_ms, arrival)
    }

    /// Sets a lane's event-time watermark itself (an input that brings its own,
    /// as in an operator trace). It never goes back; a lane that was idle is
    /// active again. Whether the join's moved.
    pub fn raise(&mut self, lane: u32, watermark: i64, now_ms: i64, arrival: Arrival) -> bool {
        let Some(state) = self.lanes.get_mut(lane as usize) else { return false };
        let revived = std::mem::replace(&mut state.idle, false);
        if watermark > state.watermark {
            state.watermark = watermark;
            state.since = arrival;
        } else if !revived {
            return false;
        }
        let (index, watermark) = (state.input as usize, state.watermark);
        let input = &mut self.inputs[index];
        input.tree.set((lane - input.first) as usize, watermark);
        if revived {
            state.last_active = now_ms;
            input.active += 1;
            if let Some(deadline) = self.idle_at(lane) {
                self.timers.push(Reverse((deadline, lane)));
                self.earliest = self.earliest.min(deadline);
            }
        }
        // What is due by `now_ms` was carried out before the record.
        let moved = self.settle_input(index, now_ms.saturating_add(1));
        if revived || self.holder.is_some_and(|(holder, _)| holder == lane) {
            self.settle_holder(arrival);
        }
        (moved || revived) && self.settle_join()
    }

    /// Says that a lane is idle or active (an input that knows by itself);
    /// whether the join's event-time watermark moved.
    pub fn set_idle(&mut self, lane: u32, idle: bool, now_ms: i64, arrival: Arrival) -> bool {
        if !idle {
            return self.raise(lane, i64::MIN, now_ms, arrival);
        }
        let Some(state) = self.lanes.get_mut(lane as usize) else { return false };
        if std::mem::replace(&mut state.idle, true) {
            return false;
        }
        let index = state.input as usize;
        let input = &mut self.inputs[index];
        input.active -= 1;
        input.tree.set((lane - input.first) as usize, i64::MAX);
        // At one time idleness comes before a periodic emission.
        self.settle_input(index, now_ms);
        self.settle_holder(arrival);
        self.settle_join()
    }

    /// Says that a lane must not be idle for now (it is paused, or has records
    /// that were not yet taken), or that it may be again: then its timeout
    /// counts from `now_ms`. Whether the join's event-time watermark moved.
    pub fn hold(&mut self, lane: u32, held: bool, now_ms: i64, arrival: Arrival) -> bool {
        let Some(state) = self.lanes.get_mut(lane as usize) else { return false };
        if std::mem::replace(&mut state.held, held) == held {
            return false;
        }
        if held {
            return state.idle && self.raise(lane, i64::MIN, now_ms, arrival);
        }
        state.last_active = state.last_active.max(now_ms);
        if self.start.is_some() {
            self.wind_timers();
        }
        false
    }

    /// The last event-time watermark, which closes everything; whether it moved
    /// the join's.
    pub fn close(&mut self) -> bool {
        for input in &mut self.inputs {
            input.current = i64::MAX;
            input.emitted = i64::MAX;
            input.tick = i64::MAX;
        }
        std::mem::replace(&mut self.join, i64::MAX) != i64::MAX
    }

    /// Brings an input up to its lanes; whether what the join sees changed.
    /// A periodic emission comes at the first of its times from `not_before` on.
    #[inline]
    fn settle_input(&mut self, index: usize, not_before: i64) -> bool {
        let input = &self.inputs[index];
        let to = match input.active {
            0 if self.all_idle_takes_max => self.most_of(index),
            0 => return false,
            _ => input.tree.min(),
        };
        let input = &mut self.inputs[index];
        if to <= input.current {
            return false;
        }
        input.current = to;
        let Some(interval) = input.emit_interval else {
            input.emitted = input.current;
            return true;
        };
        if input.tick == i64::MAX {
            let start = self.start.unwrap_or(not_before);
            let rest = not_before.saturating_sub(start).rem_euclid(interval);
            input.tick = not_before.saturating_add(if rest == 0 { 0 } else { interval - rest });
            self.earliest = self.earliest.min(input.tick);
        }
        false
    }

    /// The largest event-time watermark of an input's lanes.
    #[cold]
    fn most_of(&self, index: usize) -> i64 {
        let lanes = self.lanes.iter().filter(|lane| usize::from(lane.input) == index);
        lanes.map(|lane| lane.watermark).max().unwrap_or(i64::MIN)
    }

    fn settle_join(&mut self) -> bool {
        let active = self.inputs.iter().filter(|input| input.active > 0);
        let all_idle = || {
            let all = self.inputs.iter().filter(|_| self.all_idle_takes_max);
            all.map(|input| input.emitted).max()
        };
        match active.map(|input| input.emitted).min().or_else(all_idle) {
            Some(min) if min > self.join => {
                self.join = min;
                true
            }
            _ => false,
        }
    }

    pub(super) fn settle_holder(&mut self, arrival: Arrival) {
        let active = self.inputs.iter().filter(|input| input.active > 0);
        let lane = active
            .min_by_key(|input| input.emitted)
            .map(|input| input.first + input.tree.argmin() as u32);
        if lane != self.holder.map(|(lane, _)| lane) {
            self.holder = lane.map(|lane| (lane, arrival));
        }
    }
}
