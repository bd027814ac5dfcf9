//! What the clock decides before a record: idle partitions, periodic event-time
//! watermarks, barriers; and what the source's own clock says.

use super::Sequencer;
use crate::engine::batch::EventKind;
use crate::engine::routes::{Feed, Routes};
use crate::engine::source::{ClockInput, ClockInputKind};
use crate::engine::step::{ClockEvent, ClockKind};
use crate::operator::record::Arrival;
use crate::operator::watermark::DueKind;

impl Sequencer {
    /// What the source's clock says: time goes on without a record, or a
    /// partition may not or may again be idle.
    pub(super) fn hear(&mut self, routes: &Routes, said: ClockInput) {
        if self.heard_before > 0 {
            self.heard_before -= 1;
            return;
        }
        let now = said.at_ms.max(self.position.now_ms);
        let first = *self.first_ms.get_or_insert(now);
        let arrival = self.position.arrival;
        self.begin_unless_begun();
        self.clock(now, arrival, first);
        self.begin_unless_begun();
        self.position.now_ms = now;
        // Not before: a snapshot on the way there is one before all of this,
        // and to hear it again changes nothing that was decided.
        self.heard += 1;
        match said.kind {
            ClockInputKind::Held(source) => self.hold(routes, source, true, now),
            ClockInputKind::Free(source) => self.hold(routes, source, false, now),
            ClockInputKind::Added(source) => self.add(routes, source, now),
            ClockInputKind::Barrier if self.dirty => {
                self.position.epoch = self.position.epoch.max(1);
                self.barrier(now, arrival);
            }
            ClockInputKind::Tick | ClockInputKind::Barrier => {}
        }
    }

    fn hold(&mut self, routes: &Routes, source: u32, held: bool, now: i64) {
        if self.settings.ends.are_told() {
            self.dirty = true;
            self.position.epoch = self.epoch_of_clock(now, self.first_ms.unwrap_or(now));
            self.log_end(routes, source, !held, now, EventKind::Clock);
        }
        if !self.settings.held_is_active {
            return;
        }
        let arrival = self.position.arrival;
        let lanes = routes.feeds(source).iter().map(|feed| feed.lane);
        let moved = self.tracker.hold(lanes, held, now, arrival);
        if held {
            self.wakes(routes, source, now, moved);
        }
    }

    /// A partition counts from now on.
    fn add(&mut self, routes: &Routes, source: u32, now: i64) {
        let arrival = self.position.arrival;
        let lanes = routes.feeds(source).iter().map(|feed| feed.lane);
        let moved = self.tracker.appear(lanes, now, arrival);
        self.wakes(routes, source, now, moved);
    }

    /// The lanes of a partition that were idle are not so any more, though it gave no
    /// record. `moved`: the join's event-time watermark did.
    fn wakes(&mut self, routes: &Routes, source: u32, now: i64, mut moved: bool) {
        let arrival = self.position.arrival;
        for &Feed { lane, .. } in routes.feeds(source) {
            if self.idle.get(lane as usize) == Some(&true) {
                self.set_idle(lane, false);
                // Of the epoch that this time lies in: after a gap each would else
                // end an epoch of the gap.
                let first = self.first_ms.unwrap_or(now);
                self.position.epoch = self.epoch_of_clock(now, first);
                let moved = std::mem::take(&mut moved);
                self.decided(ClockKind::Active { lane }, now, arrival, moved);
            }
        }
    }

    /// What is due by `now` comes before the record, in order of its time; at one
    /// time idleness, periodic event-time watermarks, the barrier.
    pub(super) fn clock(&mut self, now: i64, arrival: Arrival, first: i64) {
        while let Some(due) = self.tracker.next_due(now) {
            self.before_decision(due.at_ms, arrival, first);
            let kind = match due.kind {
                DueKind::Idle { lane } => {
                    self.set_idle(lane, true);
                    ClockKind::Idle { lane }
                }
                DueKind::Periodic { input } => ClockKind::Periodic { input },
            };
            let moved = self.tracker.fire(due, arrival);
            for join in self.tracker.steps().to_vec() {
                self.passes(arrival, join, self.inputs(), EventKind::Clock);
            }
            self.decided(kind, due.at_ms, arrival, moved);
        }
        self.barriers(now, arrival, first);
    }

    fn before_decision(&mut self, at_ms: i64, arrival: Arrival, first: i64) {
        self.barriers(at_ms.saturating_sub(1), arrival, first);
        self.begin_unless_begun();
        self.position.epoch = self.epoch_of_clock(at_ms, first);
    }

    fn decided(&mut self, kind: ClockKind, at_ms: i64, arrival: Arrival, moved: bool) {
        self.batch.clock.push(ClockEvent { precedes: arrival, at_ms, kind });
        self.dirty = true;
        if moved {
            self.watermark_moved(arrival, EventKind::Clock);
        }
    }

    /// Executes the barrier of the epoch at hand if it is due by `now` and the
    /// epoch had an effect; those without are only counted.
    fn barriers(&mut self, now: i64, arrival: Arrival, first: i64) {
        if !self.dirty {
            return;
        }
        let ends = self.end_of_epoch(self.position.epoch, first);
        if ends <= now {
            self.barrier(ends, arrival);
        }
    }

    /// Ends the epoch at hand.
    fn barrier(&mut self, ends: i64, arrival: Arrival) {
        self.dirty = false;
        self.position.epochs_with_effect += 1;
        let n = self.position.epoch;
        self.batch.clock.push(ClockEvent {
            precedes: arrival,
            at_ms: ends,
            kind: ClockKind::Epoch { n },
        });
        self.position.epoch += 1;
        let since = arrival - self.last_snapshot;
        if self.settings.checkpoint_records.is_some_and(|records| since >= records) {
            self.position.now_ms = self.position.now_ms.max(ends);
            self.snapshot(n);
        }
    }

    /// Epochs are numbered from 1; epoch n ends at the first arrival + n intervals.
    fn end_of_epoch(&self, n: u64, first: i64) -> i64 {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        first.saturating_add(n.saturating_mul(self.settings.checkpoint_interval))
    }

    /// A record at a barrier's time comes after it.
    pub(super) fn epoch_of_record(&self, now: i64, first: i64) -> u64 {
        now.saturating_sub(first) as u64 / self.settings.checkpoint_interval as u64 + 1
    }

    /// What the clock decides at a barrier's time comes before it.
    fn epoch_of_clock(&self, at: i64, first: i64) -> u64 {
        let since = at.saturating_sub(first).max(0) as u64;
        since.div_ceil(self.settings.checkpoint_interval as u64).max(self.position.epoch).max(1)
    }

    pub(super) fn set_idle(&mut self, lane: u32, idle: bool) {
        if let Some(entry) = self.idle.get_mut(lane as usize) {
            *entry = idle;
        }
        self.any_idle = idle || self.idle.contains(&true);
    }
}
