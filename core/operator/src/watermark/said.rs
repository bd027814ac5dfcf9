//! What is said of lanes from outside: that they are idle, may not be, or are there
//! from now on.

use super::tracker::{Open, Tracker};
use super::valve::Rose;
use crate::record::Arrival;

impl Tracker {
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
        let (s, slot) = (state.subtask as usize, state.slot as usize);
        let subtask = &mut self.subtasks[s];
        subtask.active -= 1;
        subtask.tree.set(slot, i64::MAX);
        let all = subtask.active == 0;
        // At one time idleness comes before a periodic emission.
        if matches!(self.settle_subtask(s, now_ms), Rose::Gives) {
            self.give(s);
        }
        self.steps.clear();
        if all {
            self.rest(s);
        }
        self.settle_holder(arrival);
        let moves_on = self.settle_join();
        let moved = moves_on || !self.steps.is_empty();
        if !moves_on {
            // There it stands.
            self.steps.pop();
        }
        moved
    }

    /// Says that a partition is there that was not before, with its lanes in the inputs
    /// that its topic feeds: from now on it counts as one that has given nothing yet.
    /// So it holds its inputs where they are until it gives a record, or is idle, for
    /// which the timeout counts from `now_ms`; nothing goes back. Whether the join's
    /// event-time watermark moved.
    pub fn appear(
        &mut self,
        lanes: impl IntoIterator<Item = u32>,
        now_ms: i64,
        arrival: Arrival,
    ) -> bool {
        let mut open = Open::default();
        for lane in lanes {
            if self.lanes.get(lane as usize).is_some_and(|state| state.idle) {
                open.add(self.lift(lane, i64::MIN, now_ms, arrival));
            }
        }
        self.settle(open, arrival)
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
}
