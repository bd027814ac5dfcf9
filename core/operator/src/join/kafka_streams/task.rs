//! One task: the join of one partition of each input.

use super::marks::{AT_ONCE, Marks, NO_VALUE, NOT_STORED, PADDED, STORED, WAITING};
use super::queues::Queues;
use super::settings::{Settings, Stored, WindowStore};
use super::side::{Side, Sides};
use super::verdicts;
use super::waiting::{Waiter, Waiting};
use crate::join::{Effect, Ref};
use crate::pipeline::InputIndex;
use crate::record::Arrival;
use crate::state::memory::{Calendar, Rows, Slot, SlotId, tag};
use crate::state::{Due, Row, StateError};
use crate::verdict::Verdict;

/// What all tasks of an operator share.
#[derive(Debug)]
pub(super) struct Shared {
    pub settings: Settings,
    pub inputs: Sides<InputIndex>,
    pub rows: Rows,
    pub drops: Vec<Dropped>,
    found: Vec<SlotId>,
    pub closed: Vec<(Waiter, Side)>,
}

/// A record that made `dropped-records-total` grow (rule D6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// So many effects came before it in the list that the call was given.
    pub after: usize,
    pub row: Ref,
    /// By how much: a null value can count twice.
    pub count: u64,
}

/// When something happens: the wall clock, ms, and the arrival at hand.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub wall: i64,
    pub arrival: Arrival,
}

/// `KStreamImplJoin.TimeTracker`, shared by both sides (rule D1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct TimeTracker {
    pub stream: i64,
    /// The arrival that moved it.
    pub stream_by: Arrival,
    pub min: i64,
    pub next_emit: i64,
}

impl Default for TimeTracker {
    fn default() -> Self {
        Self { stream: -1, stream_by: 0, min: i64::MAX, next_emit: 0 }
    }
}

/// What a window store has seen: its own largest time (rule D4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Seen {
    pub time: i64,
    /// The arrival that moved it.
    pub by: Arrival,
}

impl Default for Seen {
    fn default() -> Self {
        Self { time: -1, by: 0 }
    }
}

/// The join of one partition of each input.
#[derive(Debug)]
pub(super) struct Task {
    pub partition: i32,
    pub tracker: TimeTracker,
    pub seen: Sides<Seen>,
    /// When rows leave the window stores.
    pub expiry: Sides<Calendar>,
    pub waiting: Sides<Waiting>,
    /// Whether a waiting row's closing time leaves 64 bits: then the walk is
    /// done step by step, as its comparisons wrap.
    pub far: bool,
    pub queues: Queues,
    /// `dropped-records-total`.
    pub dropped: u64,
}

impl Shared {
    pub fn new(settings: Settings, inputs: Sides<InputIndex>) -> Self {
        Self {
            settings,
            inputs,
            rows: Rows::default(),
            drops: Vec::new(),
            found: Vec::new(),
            closed: Vec::new(),
        }
    }

    #[inline]
    pub fn side(&self, input: InputIndex) -> Side {
        if input == self.inputs.left { Side::Left } else { Side::Right }
    }

    /// The largest `seen` of its side under which a row can be found.
    #[inline]
    pub fn due(&self, time: i64) -> i64 {
        due(time, self.settings.retention())
    }

    /// Whether this row still waits.
    #[inline]
    pub fn waits(&self, row: Waiter, side: Side) -> bool {
        let slot = self.rows.get(row.id);
        let name = Due { due: 0, arrival: row.arrival, input: self.inputs[side] };
        slot.is(&name) && slot.marked(WAITING)
    }

    /// Rule D6.
    pub fn note_dropped(&mut self, row: Ref, out: &[Effect]) {
        match self.drops.last_mut() {
            Some(last) if last.row == row => last.count += 1,
            _ => self.drops.push(Dropped { after: out.len(), row, count: 1 }),
        }
    }

    /// Frees a slot that is in no store any more.
    pub fn free(&mut self, id: SlotId) -> Slot {
        let retention = self.settings.retention();
        self.rows.free(id, |slot| due(slot.time, retention))
    }
}

/// [`Shared::due`].
#[inline]
pub(super) fn due(time: i64, retention: i64) -> i64 {
    time.saturating_add(retention).saturating_sub(1)
}

impl Task {
    pub fn new(partition: i32, shared: &Shared) -> Self {
        let settings = &shared.settings;
        let shift = settings.retention().saturating_sub(1);
        let inputs = shared.inputs.left.max(shared.inputs.right) as usize + 1;
        let span = settings.retention();
        let reach = |side| settings.reach_on(side).checked_add(settings.grace);
        Self {
            partition,
            tracker: TimeTracker::default(),
            seen: Sides::default(),
            expiry: Sides::each(|_| Calendar::new(vec![shift; inputs], span)),
            waiting: Sides::each(|_| Waiting::new(span)),
            far: Side::BOTH.into_iter().any(|side| reach(side).is_none()),
            queues: Queues::default(),
            dropped: 0,
        }
    }

    pub fn bytes(&self) -> usize {
        let sides = Side::BOTH.into_iter();
        sides.map(|side| self.expiry[side].bytes() + self.waiting[side].bytes()).sum::<usize>()
            + size_of::<Self>()
    }

    /// Rule D6: counts a record that is dropped.
    pub fn count_dropped(&mut self, shared: &mut Shared, row: Ref, out: &[Effect]) {
        self.dropped += 1;
        shared.note_dropped(row, out);
    }

    /// Rule D2: one record with a time that is not negative.
    pub fn process(
        &mut self,
        shared: &mut Shared,
        mut row: Row,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        let (own, time) = (Ref::from(&row), row.time);
        let side = shared.side(row.input);
        // D2.1, also for rows that are then dropped.
        if time > self.tracker.stream {
            self.tracker.stream = time;
            self.tracker.stream_by = row.arrival;
        }
        if row.key.is_null() || row.marked(NO_VALUE) {
            self.without_key_or_value(shared, &row, side, out);
            self.expire(shared, side, now, out);
            return Ok(());
        }
        // D2.3: rows behind the stream time close nothing.
        if time == self.tracker.stream && shared.settings.pads(Side::Left) {
            self.close_windows(shared, side, now, out);
        }
        // D2.4, D2.5.
        let found = self.fetch(shared, &row, side);
        let before = out.len();
        for &id in &found {
            self.pair(shared, id, side, own, &mut row.matched, out);
        }
        let nothing = found.is_empty();
        shared.found = found;
        // D2.6.
        if nothing && shared.settings.pads(side) {
            if self.out_of_order(&shared.settings, side, time) {
                row.mark(PADDED | AT_ONCE);
                out.push(Effect::Pad { row: own, due: None, time });
            } else {
                self.tracker.min = self.tracker.min.min(time);
                row.mark(WAITING);
            }
        }
        // D2.7.
        if self.put(shared, side, own, out) == Stored::Visible {
            row.mark(STORED);
        } else {
            row.mark(NOT_STORED);
            verdicts::joined_not_stored(&mut out[before..], own.row);
        }
        self.rest(shared, row, side, out)?;
        self.expire(shared, side, now, out);
        Ok(())
    }

    /// D2.6: `max(0, t + a) < stream`; grace is not in it.
    fn out_of_order(&self, settings: &Settings, side: Side, time: i64) -> bool {
        time.wrapping_add(settings.reach_on(side)).max(0) < self.tracker.stream
    }

    /// D2.2, and what D2.7 does to such a record.
    fn without_key_or_value(
        &mut self,
        shared: &mut Shared,
        row: &Row,
        side: Side,
        out: &mut Vec<Effect>,
    ) {
        let own = Ref::from(row);
        if row.key.is_null() && !row.marked(NO_VALUE) && shared.settings.pads(side) {
            out.push(Effect::Pad { row: own, due: None, time: row.time });
            verdicts::null_key_padded(own, out);
            return;
        }
        self.count_dropped(shared, own, out);
        // `InMemoryWindowStore#put` looks at the time before the value;
        // `RocksDBWindowStore#put` returns at once for a null value.
        if !row.key.is_null() && shared.settings.store == WindowStore::Memory {
            self.put(shared, side, own, out);
        }
        let verdict = if row.marked(NO_VALUE) { Verdict::Tombstone } else { Verdict::Unkeyed };
        verdicts::left_out(own, verdict, out);
    }

    /// D2.4: the other window store's rows of this key in
    /// `[max(0, t - b), max(0, t + a)]`, clamped at both ends, that it has not
    /// outlived; by time, then arrival.
    fn fetch(&self, shared: &mut Shared, row: &Row, side: Side) -> Vec<SlotId> {
        let settings = &shared.settings;
        let seen = self.seen[side.other()].time;
        let oldest = seen.wrapping_sub(settings.retention()).wrapping_add(1);
        let lo = row.time.wrapping_sub(settings.reach_back(side)).max(0).max(oldest);
        let hi = row.time.wrapping_add(settings.reach_on(side)).max(0);
        let mut found = std::mem::take(&mut shared.found);
        found.clear();
        let range = std::iter::once((shared.inputs[side.other()], lo, hi));
        shared.rows.find(&row.key, range, &mut found);
        // A key in several partitions is as many tasks'.
        found.retain(|&id| shared.rows.get(id).partition == self.partition);
        found
    }

    /// D2.5: takes the found row's waiting list out (each row of it is found as
    /// well, having its time and key) and puts out the pair.
    fn pair(
        &mut self,
        shared: &mut Shared,
        id: SlotId,
        side: Side,
        own: Ref,
        own_matched: &mut bool,
        out: &mut Vec<Effect>,
    ) {
        let slot = shared.rows.get(id);
        let (other, first) = (slot.reference(), !slot.matched());
        let (waiting, padded) = (slot.marked(WAITING), slot.marked(PADDED));
        if first {
            let slot = shared.rows.change(id);
            slot.set_matched();
            slot.unmark(WAITING);
        }
        if waiting {
            let side = side.other();
            self.waiting[side].forget(other.time, |row| shared.waits(row, side));
        }
        let own_first = (side == Side::Left) != shared.settings.exchanged;
        let (primary, secondary) = if own_first { (own, other) } else { (other, own) };
        out.push(Effect::Pair { primary, secondary, time: own.time.max(other.time) });
        if first {
            verdicts::joined(other, own.arrival, padded, out);
        }
        if !std::mem::replace(own_matched, true) {
            verdicts::joined(own, other.arrival, false, out);
        }
    }

    /// D2.7 and D4: what the window store does with a row.
    fn put(&mut self, shared: &mut Shared, side: Side, own: Ref, out: &[Effect]) -> Stored {
        let seen = &mut self.seen[side];
        if own.time > seen.time {
            *seen = Seen { time: own.time, by: own.arrival };
        }
        let stored = shared.settings.stored(own.time, seen.time);
        if stored == Stored::Dropped {
            self.count_dropped(shared, own, out);
        }
        stored
    }

    /// Takes a row in as its marks say, or lets it go.
    fn rest(
        &mut self,
        shared: &mut Shared,
        row: Row,
        side: Side,
        out: &mut Vec<Effect>,
    ) -> Result<(), StateError> {
        let own = Ref::from(&row);
        if row.corrections & (STORED | WAITING) == 0 {
            if !row.matched {
                verdicts::not_stored(own, row.marked(PADDED), self.seen[side].by, out);
            }
            out.push(Effect::Removed { row: own.row });
            return Ok(());
        }
        let tag = tag(row.key.hash64());
        let marks = row.corrections;
        let id = shared.rows.hold(row, false)?;
        self.place(shared, id, tag, marks, side);
        Ok(())
    }

    /// Puts a held row into the stores that its marks name.
    pub fn place(&mut self, shared: &mut Shared, id: SlotId, tag: u32, marks: u32, side: Side) {
        let slot = shared.rows.get(id);
        let (time, arrival, input) = (slot.time, slot.arrival, slot.input);
        if marks & STORED != 0 {
            shared.rows.list(id, tag);
            let due = Due { due: shared.due(time), arrival, input };
            self.expiry[side].insert(due, id, tag);
        }
        if marks & WAITING != 0 {
            let settings = &shared.settings;
            let reach = settings.reach_on(side).wrapping_add(settings.grace);
            self.far |= time.checked_add(reach).is_none_or(|closes| closes == i64::MAX);
            self.waiting[side].insert(Waiter { time, arrival, id });
        }
    }

    /// Rows that a side's window store has outlived leave it; they are gone
    /// unless they wait.
    fn expire(&mut self, shared: &mut Shared, side: Side, now: Now, out: &mut Vec<Effect>) {
        // The largest time is an event time here, not the end of all.
        let seen = self.seen[side].time.min(i64::MAX - 1);
        if !self.expiry[side].may_be_due(seen) {
            return;
        }
        while let Some(timer) = shared.rows.pop(&mut self.expiry[side], seen) {
            shared.rows.unlist(timer.id, timer.tag);
            let slot = shared.rows.get(timer.id);
            if slot.marked(WAITING) {
                shared.rows.change(timer.id).unmark(STORED);
                continue;
            }
            let slot = shared.free(timer.id);
            verdicts::left(&slot, now.arrival, out);
        }
    }
}
