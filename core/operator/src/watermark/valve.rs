//! From partitions to an input: source subtasks, and what an input makes of
//! what they give out.
//!
//! Under our own rules an input has one, and gives the minimum over its
//! partitions that are not idle. In a Flink job (2.3.0, the parallelism of the
//! join) an event-time watermark goes three steps, and what comes out is *not*
//! the minimum over the partitions:
//!
//! 1. A source subtask combines its partitions (`WatermarkOutputMultiplexer`,
//!    `CombinedWatermarkStatus`): the minimum over those that are not idle; if all
//!    are, the maximum over all, and then it is idle itself
//!    (`WatermarkOutputMultiplexer#updateCombinedWatermark`: first what it has to
//!    give, then that it is idle). A record does not wake it:
//!    `WatermarkToDataOutput` says that it is active only when its event-time
//!    watermark rises. So a subtask that woke with a record behind what it had
//!    given out holds nothing back.
//! 2. Each task of the join has a channel from each subtask, and
//!    `StatusWatermarkValve` takes the minimum over the *aligned* ones. A channel
//!    that comes back from being idle is aligned only once it has caught up with
//!    what the valve gave out: until then the others go on without it. Where the
//!    last one goes idle, the maximum over all is given out if that one had been
//!    the least.
//! 3. The join combines its inputs (12-released-joins, A2).
//!
//! A subtask without a partition gives out nothing. Its channel is aligned, at
//! the minimum, and so holds the input back for ever; with an idle timeout
//! (`WatermarkStrategy#withIdleness`, `table.exec.source.idle-timeout`,
//! `scan.watermark.idle-timeout`) the generator of its main output finds it idle
//! after that time (`ProgressiveTimestampsAndWatermarks.IdlenessManager`). Only in a bounded job
//! it ends at once, with the largest event-time watermark
//! (`KafkaSourceEnumerator#assignPendingPartitionSplits` tells every reader that
//! there are no more splits): a recording stands for an unbounded one, and its
//! end for none.
//!
//! Channels of one job race; here what several subtasks give out at one moment
//! comes by subtask.

use std::ops::Range;

use super::tracker::Tracker;
use super::tree::MinTree;
use crate::pipeline::InputIndex;

/// One source subtask; all of an input but under Flink's rules.
#[derive(Clone, Debug)]
pub(super) struct Subtask {
    pub(super) input: InputIndex,
    /// Its lanes, as they stand in the tree.
    pub(super) lanes: Vec<u32>,
    pub(super) tree: MinTree,
    /// Lanes that are not idle.
    pub(super) active: u32,
    /// What its lanes allow; never goes back. In Flink's periodic emission only what
    /// was given out does not: a tick looks at the lanes as they are then.
    pub(super) current: i64,
    /// What it gave out: `current`, or that of the last periodic emission.
    pub(super) emitted: i64,
    /// Flink: it said that it is idle, and nothing since.
    pub(super) idle: bool,
}

impl Subtask {
    pub(super) fn new(input: InputIndex) -> Self {
        Self {
            input,
            lanes: Vec::new(),
            tree: MinTree::new(0),
            active: 0,
            current: i64::MIN,
            emitted: i64::MIN,
            idle: false,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct InputState {
    /// Its first lane.
    pub(super) first: u32,
    /// How far behind the largest event time a lane stays, ms.
    pub(super) delay: i64,
    /// [`TrackerInput::wakes_by_rising`](super::TrackerInput).
    pub(super) wakes_by_rising: bool,
    pub(super) idle_timeout: Option<i64>,
    pub(super) emit_interval: Option<i64>,
    /// What a row advances by more than this does not wait for the tick (B16).
    pub(super) eager: Option<i64>,
    pub(super) first_subtask: usize,
    /// How many it has.
    pub(super) channels: usize,
    /// What the join sees; never goes back.
    pub(super) emitted: i64,
    /// When what waits is given out; `i64::MAX` if nothing does.
    pub(super) tick: i64,
    /// Subtasks that have something to give out.
    pub(super) waiting: u32,
    /// The join goes on without it.
    pub(super) idle: bool,
    /// Flink: subtasks that are not idle.
    pub(super) awake: u32,
    /// Flink: by subtask, what it gave out; `i64::MAX` if it is not aligned. One
    /// is aligned iff it is not idle and not behind `emitted`.
    pub(super) aligned: MinTree,
    /// Flink: the numbers of the subtasks without a partition; one [`Subtask`],
    /// the last, stands for all of them.
    pub(super) empty: Vec<u32>,
}

/// What became of a subtask's event-time watermark.
pub(super) enum Rose {
    Not,
    /// For its input's tick.
    Waits,
    /// It is to be given out now.
    Gives,
}

/// What came of giving out.
#[derive(Clone, Copy, Default)]
pub(super) struct Given {
    /// The input's event-time watermark moved.
    pub(super) moved: bool,
    /// Another set of subtasks counts.
    pub(super) channels: bool,
}

impl Tracker {
    /// The subtasks of an input.
    pub(super) fn subtasks_of(&self, input: InputIndex) -> Range<usize> {
        self.inputs.get(usize::from(input)).map_or(0..0, InputState::subtasks)
    }

    /// Brings a subtask up to its lanes; a tick is the first from `not_before` on.
    #[inline]
    pub(super) fn settle_subtask(&mut self, s: usize, not_before: i64) -> Rose {
        let subtask = &self.subtasks[s];
        let to = match subtask.active {
            0 if self.flink => self.most_of(subtask),
            0 => return Rose::Not,
            _ => subtask.tree.min(),
        };
        let subtask = &mut self.subtasks[s];
        let waited = subtask.current > subtask.emitted;
        if to <= subtask.current {
            // A lane came back behind what waits for the tick, which combines the lanes
            // anew (`ProgressiveTimestampsAndWatermarks#emitImmediateWatermark`).
            if self.flink && waited {
                subtask.current = to.max(subtask.emitted);
                if subtask.current == subtask.emitted {
                    self.inputs[usize::from(subtask.input)].waits_no_more();
                }
            }
            return Rose::Not;
        }
        subtask.current = to;
        let input = &mut self.inputs[usize::from(subtask.input)];
        let Some(interval) = input.emit_interval else { return Rose::Gives };
        input.waiting += u32::from(!waited);
        if input.tick == i64::MAX {
            let start = self.start.unwrap_or(not_before);
            let rest = not_before.saturating_sub(start).rem_euclid(interval);
            input.tick = not_before.saturating_add(if rest == 0 { 0 } else { interval - rest });
            self.earliest = self.earliest.min(input.tick);
        }
        Rose::Waits
    }

    /// Gives out at once what a row advanced by more than the interval, counted
    /// from 0 at least, as SQL's assigner does (B16).
    pub(super) fn give_eagerly(&mut self, s: usize) -> Given {
        let subtask = &self.subtasks[s];
        let advance = subtask.current.saturating_sub(subtask.emitted.max(0));
        let eager = self.inputs[usize::from(subtask.input)].eager;
        if eager.is_none_or(|interval| advance <= interval) {
            return Given::default();
        }
        self.give(s)
    }

    /// A subtask gives out what its lanes allow: `StatusWatermarkValve#inputWatermark`,
    /// after `#inputWatermarkStatus` where it had been idle.
    #[inline]
    pub(super) fn give(&mut self, s: usize) -> Given {
        let subtask = &mut self.subtasks[s];
        if subtask.current <= subtask.emitted {
            return Given::default();
        }
        let input = &mut self.inputs[usize::from(subtask.input)];
        if input.emit_interval.is_some() {
            input.waits_no_more();
        }
        let behind = subtask.emitted < input.emitted;
        subtask.emitted = subtask.current;
        if !self.flink {
            input.emitted = subtask.emitted;
            return Given { moved: true, channels: false };
        }
        let woke = std::mem::replace(&mut subtask.idle, false);
        if woke {
            input.awake += 1;
            input.idle = false;
        }
        if subtask.emitted >= input.emitted {
            input.aligned.set(s - input.first_subtask, subtask.emitted);
        }
        Given { moved: input.take_least(), channels: woke || behind }
    }

    /// All lanes of a subtask are idle, so it is: `StatusWatermarkValve#inputWatermarkStatus`.
    pub(super) fn rest(&mut self, s: usize) {
        if !self.flink {
            let input = self.subtasks[s].input;
            self.inputs[usize::from(input)].idle = true;
            return;
        }
        // What it has to give goes first, and the join advances by it.
        self.give(s);
        self.step();
        let subtask = &mut self.subtasks[s];
        if std::mem::replace(&mut subtask.idle, true) {
            return;
        }
        let index = subtask.input;
        let emitted = subtask.emitted;
        let subtasks = self.subtasks_of(index);
        let input = &mut self.inputs[usize::from(index)];
        input.aligned.set(s - input.first_subtask, i64::MAX);
        input.awake -= 1;
        let last = input.awake == 0;
        if emitted == input.emitted {
            if last {
                let all = self.subtasks[subtasks].iter().map(|subtask| subtask.emitted);
                input.emitted = all.max().unwrap_or(i64::MIN).max(input.emitted);
            } else {
                input.take_least();
            }
        }
        if last {
            // The valve says so behind what it gave out.
            self.step();
            self.inputs[usize::from(index)].idle = true;
        }
    }

    /// The join advances, and what comes at once may carry it on.
    fn step(&mut self) {
        if self.settle_join() {
            self.steps.push(self.join);
        }
    }

    /// The lane of an input that holds it back.
    pub(super) fn held_by(&self, input: &InputState) -> Option<u32> {
        let subtasks = self.subtasks.get(input.subtasks())?;
        let slot = if self.flink && input.aligned.min() == i64::MAX {
            // None has caught up: it goes on with the first that does.
            let awake = subtasks.iter().enumerate().filter(|(_, subtask)| !subtask.idle);
            awake.max_by_key(|(_, subtask)| subtask.current)?.0
        } else {
            input.aligned.argmin()
        };
        let subtask = subtasks.get(slot)?;
        subtask.lanes.get(subtask.tree.argmin()).copied()
    }

    /// The largest event-time watermark of a subtask's lanes.
    #[cold]
    fn most_of(&self, subtask: &Subtask) -> i64 {
        let lanes = subtask.lanes.iter().filter_map(|lane| self.lanes.get(*lane as usize));
        lanes.map(|lane| lane.watermark).max().unwrap_or(i64::MIN)
    }

    /// Makes what follows from lanes and subtasks anew, after a load.
    pub(super) fn bring_up(&mut self) {
        for index in 0..self.inputs.len() {
            let subtasks = self.subtasks_of(index as InputIndex);
            let input = &mut self.inputs[index];
            let own = &self.subtasks[subtasks];
            input.waiting = own.iter().filter(|s| s.current > s.emitted).count() as u32;
            if !self.flink {
                input.idle = own.iter().all(|subtask| subtask.active == 0);
                continue;
            }
            input.awake = own.iter().filter(|subtask| !subtask.idle).count() as u32;
            input.idle = input.awake == 0;
            for (slot, subtask) in own.iter().enumerate() {
                let aligned = !subtask.idle && subtask.emitted >= input.emitted;
                input.aligned.set(slot, if aligned { subtask.emitted } else { i64::MAX });
            }
        }
    }
}

impl InputState {
    pub(super) fn subtasks(&self) -> Range<usize> {
        self.first_subtask..self.first_subtask + self.channels
    }

    /// One of its subtasks has nothing to give out any more.
    fn waits_no_more(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting == 0 {
            self.tick = i64::MAX;
        }
    }

    /// `StatusWatermarkValve#findAndOutputNewMinWatermarkAcrossAlignedSubpartitions`;
    /// whether it moved.
    fn take_least(&mut self) -> bool {
        let least = self.aligned.min();
        // The largest stands for none: no record has it (untimed).
        let moves = least > self.emitted && least < i64::MAX;
        if moves {
            self.emitted = least;
        }
        moves
    }
}
