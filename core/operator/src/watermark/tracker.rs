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

    /// What a row advances by more than this does not wait for the tick (B16).
    fn eager(&self) -> Option<i64> {
        self.spec.emit_interval.filter(|_| self.semantics == Semantics::FlinkSql)
    }
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
    /// See [`TrackerInput::eager`].
    eager: Option<i64>,
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
    pub(super) earliest: i64,
    /// (when, lane) for each active lane that can go idle. A lane's entry may
    /// be older than its last record: it is put right when it is reached.
    pub(super) timers: BinaryHeap<Reverse<(i64, u32)>>,
}

/// What became of an input's event-time watermark.
enum Rose {
    Not,
    /// For its tick.
    Waits,
    Emitted,
}

/// What is to be settled when all lanes of an arrival are up.
#[derive(Clone, Copy, Default)]
struct Open {
    holder: bool,
    join: bool,
}

impl Open {
    fn add(&mut self, other: Self) {
        self.holder |= other.holder;
        self.join |= other.join;
    }
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
                eager: input.eager(),
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

    /// Takes a record in, after it was processed (also `filtered`, `unkeyed`
    /// and `late` ones); whether the join's event-time watermark moved.
    #[inline]
    pub fn observe(&mut self, lane: u32, event_time: i64, now_ms: i64, arrival: Arrival) -> bool {
        let open = self.take_in(lane, event_time, now_ms, arrival);
        self.settle(open, arrival)
    }

    /// Takes a record in for each input that its topic feeds, with its lane there
    /// (no two of one input); whether the join's moved. The event-time
    /// watermark moves once, when all of them have it (3-semantics, step 4). One
    /// after the other, the first to wake while the rest still count as idle would
    /// carry the join ahead of them for good.
    #[inline]
    pub fn observe_all(
        &mut self,
        lanes: impl IntoIterator<Item = (u32, i64)>,
        now_ms: i64,
        arrival: Arrival,
    ) -> bool {
        let mut open = Open::default();
        for (lane, event_time) in lanes {
            open.add(self.take_in(lane, event_time, now_ms, arrival));
        }
        self.settle(open, arrival)
    }

    #[inline]
    fn take_in(&mut self, lane: u32, event_time: i64, now_ms: i64, arrival: Arrival) -> Open {
        let Some(state) = self.lanes.get_mut(lane as usize) else { return Open::default() };
        state.last_active = now_ms;
        let rises = event_time > state.max_seen || !state.seen;
        if !rises && !state.idle {
            return Open::default();
        }
        if rises {
            state.max_seen = event_time;
            state.seen = true;
            let delay = self.inputs[state.input as usize].delay;
            let watermark = event_time.saturating_sub(delay);
            return self.lift(lane, watermark, now_ms, arrival);
        }
        self.lift(lane, i64::MIN, now_ms, arrival)
    }

    /// Sets a lane's event-time watermark itself (an input that brings its own,
    /// as in an operator trace). It never goes back; a lane that was idle is
    /// active again. Whether the join's moved.
    pub fn raise(&mut self, lane: u32, watermark: i64, now_ms: i64, arrival: Arrival) -> bool {
        let open = self.lift(lane, watermark, now_ms, arrival);
        self.settle(open, arrival)
    }

    /// Brings a lane and its input up; the join is still to be settled.
    fn lift(&mut self, lane: u32, watermark: i64, now_ms: i64, arrival: Arrival) -> Open {
        let Some(state) = self.lanes.get_mut(lane as usize) else { return Open::default() };
        let revived = std::mem::replace(&mut state.idle, false);
        if watermark > state.watermark {
            state.watermark = watermark;
            state.since = arrival;
        } else if !revived {
            return Open::default();
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
        let moved = match self.settle_input(index, now_ms.saturating_add(1)) {
            Rose::Not => false,
            Rose::Waits => self.emit_eagerly(index),
            Rose::Emitted => true,
        };
        Open {
            holder: revived || self.holder.is_some_and(|(holder, _)| holder == lane),
            join: moved || revived,
        }
    }

    #[inline]
    fn settle(&mut self, open: Open, arrival: Arrival) -> bool {
        if open.holder {
            self.settle_holder(arrival);
        }
        open.join && self.settle_join()
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

    /// Says that lanes (of the inputs that a topic feeds) must not be idle for now
    /// (it is paused, or has records that were not yet taken), or that they may be
    /// again: then their timeout counts from `now_ms`. Whether the join's event-time
    /// watermark moved, once.
    pub fn hold(
        &mut self,
        lanes: impl IntoIterator<Item = u32>,
        held: bool,
        now_ms: i64,
        arrival: Arrival,
    ) -> bool {
        let mut open = Open::default();
        for lane in lanes {
            open.add(self.hold_one(lane, held, now_ms, arrival));
        }
        self.settle(open, arrival)
    }

    fn hold_one(&mut self, lane: u32, held: bool, now_ms: i64, arrival: Arrival) -> Open {
        let Some(state) = self.lanes.get_mut(lane as usize) else { return Open::default() };
        if std::mem::replace(&mut state.held, held) == held {
            return Open::default();
        }
        if held {
            if !state.idle {
                return Open::default();
            }
            return self.lift(lane, i64::MIN, now_ms, arrival);
        }
        state.last_active = state.last_active.max(now_ms);
        if self.start.is_some() {
            self.wind_timers();
        }
        Open::default()
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

    /// Brings an input up to its lanes; a tick is the first from `not_before` on.
    #[inline]
    fn settle_input(&mut self, index: usize, not_before: i64) -> Rose {
        let input = &self.inputs[index];
        let to = match input.active {
            0 if self.all_idle_takes_max => self.most_of(index),
            0 => return Rose::Not,
            _ => input.tree.min(),
        };
        let input = &mut self.inputs[index];
        if to <= input.current {
            return Rose::Not;
        }
        input.current = to;
        let Some(interval) = input.emit_interval else {
            input.emitted = input.current;
            return Rose::Emitted;
        };
        if input.tick == i64::MAX {
            let start = self.start.unwrap_or(not_before);
            let rest = not_before.saturating_sub(start).rem_euclid(interval);
            input.tick = not_before.saturating_add(if rest == 0 { 0 } else { interval - rest });
            self.earliest = self.earliest.min(input.tick);
        }
        Rose::Waits
    }

    /// Gives out at once what a row advanced by more than the interval, counted
    /// from 0 at least, as SQL's assigner does (B16); whether it did.
    fn emit_eagerly(&mut self, index: usize) -> bool {
        let input = &mut self.inputs[index];
        let advance = input.current.saturating_sub(input.emitted.max(0));
        if input.eager.is_none_or(|interval| advance <= interval) {
            return false;
        }
        input.emitted = input.current;
        input.tick = i64::MAX;
        true
    }

    /// The largest event-time watermark of an input's lanes.
    #[cold]
    fn most_of(&self, index: usize) -> i64 {
        let lanes = self.lanes.iter().filter(|lane| usize::from(lane.input) == index);
        lanes.map(|lane| lane.watermark).max().unwrap_or(i64::MIN)
    }

    pub(super) fn settle_join(&mut self) -> bool {
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
