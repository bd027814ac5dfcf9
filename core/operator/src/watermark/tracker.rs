//! The tracker itself.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::input::TrackerInput;
use super::sources::WithoutPartition;
use super::tree::MinTree;
use super::valve::{Given, InputState, Rose, Subtask};
use crate::pipeline::InputIndex;
use crate::record::Arrival;

/// One partition of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    pub input: InputIndex,
    /// Position in the partitions of the input's topic; those that came later stand
    /// behind the others.
    pub partition: u32,
    /// `max_seen − max_out_of_orderness − 1`, ms; `i64::MIN` before the first record.
    pub watermark: i64,
    /// Largest event time, ms; `None` before the first record.
    pub max_seen: Option<i64>,
    pub idle: bool,
    /// The arrival that last raised `watermark`; 0 before the first record.
    pub since: Arrival,
    /// Arrival time (ms) of the last record that counted as activity; the
    /// run's first arrival where there was none, `i64::MIN` before that and while its
    /// partition is not there yet.
    pub last_active_ms: i64,
}

/// The lane that holds the join's event-time watermark back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// One that [`Tracker::lane`] does not know stands for source subtasks that
    /// have no partition: see [`Tracker::without_partition`].
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
    /// It is no partition but a source subtask of Flink that has none, and no
    /// idle timeout lets it be idle (yet).
    NoPartition,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct LaneState {
    pub(super) watermark: i64,
    /// `i64::MIN` also stands for none: see `seen`.
    pub(super) max_seen: i64,
    pub(super) last_active: i64,
    pub(super) since: Arrival,
    pub(super) input: InputIndex,
    /// Its position among the partitions of its input.
    pub(super) partition: u32,
    /// Who reads it, and where it stands there.
    pub(super) subtask: u32,
    pub(super) slot: u32,
    pub(super) seen: bool,
    pub(super) idle: bool,
    /// It cannot go idle.
    pub(super) held: bool,
}

/// Event-time watermarks of all lanes, inputs and the join.
///
/// Per partition `max − max_out_of_orderness − 1`; per input the minimum over
/// partitions that are not idle; per join the minimum over inputs that are not
/// all idle, and if all are, it stays. Under Flink's rules partitions are
/// combined by source subtask and then by input (`valve.rs`), and where all
/// is idle the maximum is taken, of partitions, of subtasks and of inputs
/// (`CombinedWatermarkStatus#updateCombinedWatermark`; 12-released-joins, A2).
/// None ever goes back but at a modelled restart ([`Tracker::restart`]).
#[derive(Clone, Debug)]
pub struct Tracker {
    /// Those of partitions that were there from the beginning, input by input, those
    /// that came later in the order in which they came, then, for each input of Flink
    /// that has subtasks without a partition, one that stands for them and never
    /// gives anything.
    pub(super) lanes: Vec<LaneState>,
    /// How many lanes are of partitions.
    pub(super) partitions: u32,
    /// How many of them were there from the beginning.
    pub(super) first: u32,
    /// Input by input; one each but under Flink's rules.
    pub(super) subtasks: Vec<Subtask>,
    pub(super) inputs: Vec<InputState>,
    pub(super) join: i64,
    /// Where the join's stood on the way, when it last moved in steps.
    pub(super) steps: Vec<i64>,
    /// Flink's rules.
    pub(super) flink: bool,
    /// Processing time of the first arrival.
    pub(super) start: Option<i64>,
    pub(super) holder: Option<(u32, Arrival)>,
    /// Lower bound of all that the clock will decide.
    pub(super) earliest: i64,
    /// (when, lane) for each active lane that can go idle. A lane's entry may
    /// be older than its last record: it is put right when it is reached.
    pub(super) timers: BinaryHeap<Reverse<(i64, u32)>>,
}

/// What is to be settled when all lanes of an arrival are up.
#[derive(Clone, Copy, Default)]
pub(super) struct Open {
    pub(super) holder: bool,
    pub(super) join: bool,
}

impl Open {
    pub(super) fn add(&mut self, other: Self) {
        self.holder |= other.holder;
        self.join |= other.join;
    }
}

impl Tracker {
    /// Lanes are numbered input by input, in the partition order given by the source.
    #[must_use]
    pub fn new(inputs: Vec<TrackerInput>) -> Self {
        Self::grown(inputs, &[])
    }

    /// As [`Tracker::new`], with partitions that the topics got later: the inputs that
    /// they are of, in the order in which they came. Their lanes stand behind all
    /// others, so that no lane's number changes where more come. They are left out, as
    /// idle ones are, until [`Tracker::appear`]. Only where an input has one source
    /// subtask.
    #[must_use]
    pub fn grown(inputs: Vec<TrackerInput>, later: &[InputIndex]) -> Self {
        let mut tracker = Self {
            lanes: Vec::new(),
            partitions: 0,
            first: 0,
            subtasks: Vec::new(),
            inputs: Vec::with_capacity(inputs.len()),
            join: i64::MIN,
            steps: Vec::new(),
            flink: inputs.iter().any(|input| input.semantics.is_flink()),
            start: None,
            holder: None,
            earliest: i64::MIN,
            timers: BinaryHeap::new(),
        };
        // By input: the subtask that stands for those without a partition.
        let mut without = Vec::new();
        let mut sizes: Vec<u32> = inputs.iter().map(|input| input.partitions).collect();
        for (index, input) in inputs.into_iter().enumerate() {
            let first_subtask = tracker.subtasks.len();
            let read = if tracker.flink { input.sources.read(input.partitions) } else { vec![0] };
            let empty = if tracker.flink {
                input.sources.without_partition(input.partitions)
            } else {
                Vec::new()
            };
            let subtasks = read.len() + usize::from(!empty.is_empty());
            tracker.subtasks.extend((0..subtasks).map(|_| Subtask::new(index as InputIndex)));
            if !empty.is_empty() {
                without.push((index, first_subtask + read.len()));
            }
            let first = tracker.lanes.len() as u32;
            for partition in 0..input.partitions {
                let owner = if tracker.flink { input.sources.owner(partition) } else { 0 };
                let at = read.binary_search(&owner).unwrap_or(0);
                tracker.add_lane(index, partition, first_subtask + at);
            }
            tracker.inputs.push(InputState {
                first,
                delay: input.delay(),
                wakes_by_rising: input.wakes_by_rising(),
                idle_timeout: input.spec.idle_timeout,
                emit_interval: input.spec.emit_interval.filter(|&interval| interval > 0),
                eager: input.eager(),
                first_subtask,
                channels: subtasks,
                emitted: i64::MIN,
                tick: i64::MAX,
                waiting: 0,
                idle: subtasks == 1 && empty.is_empty() && input.partitions == 0,
                awake: subtasks as u32,
                aligned: MinTree::new(subtasks),
                empty,
            });
        }
        tracker.first = tracker.lanes.len() as u32;
        for input in later.iter().map(|input| usize::from(*input)) {
            let (Some(state), Some(size)) = (tracker.inputs.get(input), sizes.get_mut(input))
            else {
                continue;
            };
            let subtask = state.first_subtask;
            tracker.add_lane(input, *size, subtask);
            *size += 1;
        }
        tracker.partitions = tracker.lanes.len() as u32;
        for (index, subtask) in without {
            tracker.add_lane(index, 0, subtask);
        }
        for subtask in &mut tracker.subtasks {
            subtask.tree = MinTree::new(subtask.lanes.len());
            subtask.active = subtask.lanes.len() as u32;
        }
        for lane in &mut tracker.lanes[tracker.first as usize..tracker.partitions as usize] {
            lane.idle = true;
            let subtask = &mut tracker.subtasks[lane.subtask as usize];
            subtask.tree.set(lane.slot as usize, i64::MAX);
            subtask.active -= 1;
        }
        tracker.settle_holder(0);
        tracker
    }

    fn add_lane(&mut self, input: usize, partition: u32, subtask: usize) {
        let lanes = &mut self.subtasks[subtask].lanes;
        let slot = lanes.len() as u32;
        lanes.push(self.lanes.len() as u32);
        self.lanes.push(LaneState {
            watermark: i64::MIN,
            max_seen: i64::MIN,
            last_active: i64::MIN,
            since: 0,
            input: input as InputIndex,
            partition,
            subtask: subtask as u32,
            slot,
            seen: false,
            idle: false,
            held: false,
        });
    }

    /// The join's event-time watermark; `i64::MIN` before there is one.
    #[inline]
    #[must_use]
    pub fn join(&self) -> i64 {
        self.join
    }

    /// Where the join's event-time watermark stood on the way, if the last
    /// [`Tracker::fire`] moved it in steps: an operator of Flink advances at what a
    /// channel gives out, and once more when that channel is idle after it
    /// (12-released-joins, A2 and A3).
    #[must_use]
    pub fn steps(&self) -> &[i64] {
        &self.steps
    }

    /// What input `i` gives the join; `i64::MIN` before there is anything, and
    /// for an input that does not exist.
    #[inline]
    #[must_use]
    pub fn input(&self, i: InputIndex) -> i64 {
        self.inputs.get(i as usize).map_or(i64::MIN, |input| input.emitted)
    }

    /// Whether the join goes on without input `i`: all its partitions are idle
    /// (under Flink's rules, see `valve.rs`).
    #[inline]
    #[must_use]
    pub fn input_idle(&self, i: InputIndex) -> bool {
        self.inputs.get(i as usize).is_none_or(|input| input.idle)
    }

    /// How many lanes of partitions there are.
    #[must_use]
    pub fn lanes(&self) -> u32 {
        self.partitions
    }

    /// The source subtasks without a partition that a lane stands for, which
    /// [`Tracker::lane`] does not know.
    #[must_use]
    pub fn without_partition(&self, lane: u32) -> Option<WithoutPartition> {
        let input = self.lanes.get(lane as usize).filter(|_| lane >= self.partitions)?.input;
        let empty = &self.inputs.get(usize::from(input))?.empty;
        let more = empty.len().saturating_sub(1) as u32;
        Some(WithoutPartition { input, subtask: *empty.first()?, more })
    }

    /// The first lane of input `i`; its partitions follow one another, but for those
    /// that came later.
    #[must_use]
    pub fn first_lane(&self, i: InputIndex) -> Option<u32> {
        self.inputs.get(i as usize).map(|input| input.first)
    }

    /// One lane.
    #[must_use]
    pub fn lane(&self, lane: u32) -> Option<Lane> {
        let state = self.lanes.get(lane as usize).filter(|_| lane < self.partitions)?;
        Some(Lane {
            input: state.input,
            partition: state.partition,
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
        let (input, subtask) =
            (&self.inputs[state.input as usize], &self.subtasks[state.subtask as usize]);
        let why = if lane >= self.partitions {
            Why::NoPartition
        } else if state.watermark == i64::MIN {
            Why::NothingYet
        } else if state.watermark < subtask.current || subtask.emitted < input.emitted {
            Why::CameBack
        } else if subtask.current > subtask.emitted {
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
        let rises = event_time > state.max_seen || !state.seen;
        if !rises && state.idle && self.inputs[state.input as usize].wakes_by_rising {
            return Open::default();
        }
        state.last_active = now_ms;
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
    pub(super) fn lift(
        &mut self,
        lane: u32,
        watermark: i64,
        now_ms: i64,
        arrival: Arrival,
    ) -> Open {
        let Some(state) = self.lanes.get_mut(lane as usize) else { return Open::default() };
        let revived = std::mem::replace(&mut state.idle, false);
        if watermark > state.watermark {
            state.watermark = watermark;
            state.since = arrival;
        } else if !revived {
            return Open::default();
        }
        let (s, slot, watermark) = (state.subtask as usize, state.slot as usize, state.watermark);
        let subtask = &mut self.subtasks[s];
        subtask.tree.set(slot, watermark);
        if revived {
            state.last_active = now_ms;
            subtask.active += 1;
            if !self.flink {
                self.inputs[usize::from(subtask.input)].idle = false;
            }
            if let Some(deadline) = self.idle_at(lane) {
                self.timers.push(Reverse((deadline, lane)));
                self.earliest = self.earliest.min(deadline);
            }
        }
        // What is due by `now_ms` was carried out before the record.
        let given = match self.settle_subtask(s, now_ms.saturating_add(1)) {
            Rose::Not => Given::default(),
            Rose::Waits => self.give_eagerly(s),
            Rose::Gives => self.give(s),
        };
        let holds = self.holder.is_some_and(|(holder, _)| holder == lane);
        Open {
            holder: revived || given.channels || holds,
            join: revived || given.channels || given.moved,
        }
    }

    #[inline]
    pub(super) fn settle(&mut self, open: Open, arrival: Arrival) -> bool {
        if open.holder {
            self.settle_holder(arrival);
        }
        open.join && self.settle_join()
    }

    /// The same, but that nothing waits for a tick.
    #[must_use]
    pub fn at_once(mut self) -> Self {
        for input in &mut self.inputs {
            (input.emit_interval, input.eager) = (None, None);
            (input.tick, input.waiting) = (i64::MAX, 0);
        }
        for subtask in 0..self.subtasks.len() {
            self.give(subtask);
        }
        self
    }

    /// The last event-time watermark, which closes everything; whether it moved
    /// the join's. It stands for the end of every source, as at the end of a bounded
    /// one (`SourceOperatorStreamTask#advanceToEndOfEventTime`): that of a subtask
    /// without a partition too.
    pub fn close(&mut self) -> bool {
        for subtask in &mut self.subtasks {
            subtask.current = i64::MAX;
            subtask.emitted = i64::MAX;
        }
        for input in &mut self.inputs {
            input.emitted = i64::MAX;
            input.tick = i64::MAX;
            input.waiting = 0;
        }
        std::mem::replace(&mut self.join, i64::MAX) != i64::MAX
    }

    pub(super) fn settle_join(&mut self) -> bool {
        let active = self.inputs.iter().filter(|input| !input.idle);
        let all_idle = || {
            let all = self.inputs.iter().filter(|_| self.flink);
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
        let active = self.inputs.iter().filter(|input| !input.idle);
        let lane = active.min_by_key(|input| input.emitted).and_then(|input| self.held_by(input));
        if lane != self.holder.map(|(lane, _)| lane) {
            self.holder = lane.map(|lane| (lane, arrival));
        }
    }
}
