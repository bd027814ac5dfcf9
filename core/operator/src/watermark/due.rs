//! What the clock decides: idleness and periodic emissions.

use std::cmp::Reverse;

use super::tracker::Tracker;
use crate::pipeline::InputIndex;
use crate::record::Arrival;

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
    /// The lane gave nothing for its idle timeout; it may be one that stands for
    /// source subtasks without a partition ([`Tracker::without_partition`]).
    Idle { lane: u32 },
    /// The input gives out its event-time watermark.
    Periodic { input: InputIndex },
}

impl Tracker {
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
            // Those that are not there yet have not begun.
            for lane in self.lanes.iter_mut().filter(|lane| !lane.idle) {
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
    pub(super) fn idle_at(&self, lane: u32) -> Option<i64> {
        let state = &self.lanes[lane as usize];
        let timeout = self.inputs[state.input as usize].idle_timeout?;
        (!state.idle && !state.held).then(|| state.last_active.saturating_add(timeout))
    }

    /// Sets a timer for each lane that can go idle.
    pub(super) fn wind_timers(&mut self) {
        self.timers = (0..self.lanes.len() as u32)
            .filter_map(|lane| Some(Reverse((self.idle_at(lane)?, lane))))
            .collect();
        self.earliest = i64::MIN;
    }

    /// Carries out what [`Tracker::next_due`] gave, before `arrival`; whether
    /// the join's event-time watermark moved.
    pub fn fire(&mut self, due: Due, arrival: Arrival) -> bool {
        self.earliest = i64::MIN;
        self.steps.clear();
        match due.kind {
            DueKind::Idle { lane } => self.set_idle(lane, true, due.at_ms, arrival),
            DueKind::Periodic { input } => {
                let Some(state) = self.inputs.get_mut(input as usize) else { return false };
                state.tick = i64::MAX;
                for subtask in self.subtasks_of(input) {
                    self.give(subtask);
                }
                self.settle_holder(arrival);
                self.settle_join()
            }
        }
    }
}
