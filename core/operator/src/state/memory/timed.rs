//! Rows of which, for each key and input, one carries the timer: what
//! `flink-sql` keeps. All of it rests in memory.
//!
//! A pending timer (12-released-joins, B2) is a mark on the row that it was
//! registered for: its time follows from that row's. A marked row that a probe
//! removes leaves a ghost, which is nothing but the timer. So a key and input
//! have a pending timer iff they have a marked slot, and a checkpoint of the
//! slots is a checkpoint of the timers.

use std::cmp::Ordering;

use super::super::{Changes, Due, Row, StateError};
use super::calendar::{Calendar, Timer};
use super::index::{Found, Index, tag};
use super::rows::Rows;
use super::slot::{GHOST, NIL, Slot, SlotId, TIMED};
use crate::key::Key;
use crate::pipeline::InputIndex;
use crate::record::Arrival;

/// Under which time a checkpoint holds every row: what has expired may rest for
/// any time until a timer comes by, and a checkpoint drops what is below the
/// watermark.
const NAME: i64 = i64::MAX;

/// Times of one side of a key: `lo <= time <= hi`, or `time <= expired`.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    pub lo: i64,
    pub hi: i64,
    pub expired: i64,
}

impl Reach {
    #[inline]
    pub fn has(self, time: i64) -> bool {
        self.in_range(time) || time <= self.expired
    }

    /// Whether a row at this time makes a pair. Bounds that wrapped may leave
    /// nothing.
    #[inline]
    pub fn in_range(self, time: i64) -> bool {
        self.lo <= time && time <= self.hi
    }

    /// The same without overlap.
    fn ranges(self) -> [(i64, i64); 2] {
        if self.lo > self.hi || self.lo > self.expired {
            [(i64::MIN, self.expired), (self.lo, self.hi)]
        } else {
            [(i64::MIN, self.expired.max(self.hi)), (1, 0)]
        }
    }
}

/// A timer that goes off: of the key of the row in slot `id`, for each input
/// whose pending timer is `time`.
#[derive(Clone, Copy, Debug)]
pub struct Firing {
    pub time: i64,
    id: SlotId,
    tag: u32,
}

/// What a timer does to one side of its key.
#[derive(Debug)]
pub struct SidePlan {
    pub input: InputIndex,
    /// Its pending timer, if that is the one that goes off.
    timed: Option<SlotId>,
    /// Expired rows, in state order.
    pub gone: Vec<SlotId>,
    /// Live rows that go with the whole cache, as none of a time above 0 is left.
    pub lost: Vec<SlotId>,
    /// The row whose timer is registered next.
    next: Option<SlotId>,
}

impl SidePlan {
    #[must_use]
    pub fn new(input: InputIndex) -> Self {
        Self { input, timed: None, gone: Vec::new(), lost: Vec::new(), next: None }
    }

    /// Whether the timer is this side's.
    #[must_use]
    pub fn fires(&self) -> bool {
        self.timed.is_some()
    }

    fn other(&self, plan: &[Self; 2]) -> InputIndex {
        plan.iter().map(|side| side.input).find(|&input| input != self.input).unwrap_or(self.input)
    }
}

/// The rows of one shard.
#[derive(Debug)]
pub struct Timed {
    rows: Rows,
    calendar: Calendar,
    /// Timers that are not of the other input's time (rule A6: they are a set).
    timers: usize,
    /// The next timer, where it was looked at already.
    next: Option<Timer>,
}

impl Timed {
    /// `shifts`: by input, what is added to a row's time to give its timer's.
    /// `span`: about how long rows stay, ms.
    #[must_use]
    pub fn new(shifts: Vec<i64>, span: i64) -> Self {
        Self {
            rows: Rows::new(),
            calendar: Calendar::of_flink(shifts, span),
            timers: 0,
            next: None,
        }
    }

    /// Rows that rest here, with the timers that are left of one, and the bytes
    /// that they take.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        let bytes = self.rows.bytes() + self.calendar.bytes();
        (self.rows.slab.len() as u64, bytes as u64)
    }

    /// Timers registered: one for each key and time.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.timers
    }

    /// Brings near what is known of keys with these hashes.
    pub fn near(&self, hashes: &[u64]) {
        self.rows.near(hashes);
    }

    /// The row in a slot.
    #[inline]
    #[must_use]
    pub fn get(&self, id: SlotId) -> &Slot {
        self.rows.slab.get(id)
    }

    /// Marks a row as matched.
    #[inline]
    pub fn set_matched(&mut self, id: SlotId) {
        self.rows.change(id).set_matched();
    }

    /// The time of the timer of a row at `time`, whether registered or not.
    #[must_use]
    pub fn timer(&self, input: InputIndex, time: i64) -> i64 {
        self.calendar.timer(input, time)
    }

    /// Appends the rows of a key and input that are within reach, in state
    /// order (rule E1), lists in arrival order.
    #[inline]
    pub fn find(&self, key: &Key, input: InputIndex, reach: Reach, out: &mut Vec<SlotId>) {
        let Some(found) = self.rows.index.find(key, &self.rows.slab) else { return };
        self.within(found, input, reach, out);
    }

    #[inline]
    fn within(&self, found: Found, input: InputIndex, reach: Reach, out: &mut Vec<SlotId>) {
        let Rows { slab, index, .. } = &self.rows;
        let walked = Index::walk(found, slab, |id, slot| {
            if slot.input == input && reach.has(slot.time) && !slot.ghost() {
                out.push(id);
            }
        });
        if !walked {
            for (lo, hi) in reach.ranges() {
                index.each(found, input, lo, hi, slab, |id| {
                    if !slab.get(id).ghost() {
                        out.push(id);
                    }
                });
            }
        }
        if out.len() > 1 {
            out.sort_unstable_by_key(|&id| {
                let slot = slab.get(id);
                (state_order(slot.time), slot.arrival)
            });
        }
    }

    /// The slots that carry the timers of two inputs of a key.
    #[inline]
    fn timed(&self, found: Found, inputs: [InputIndex; 2]) -> [Option<SlotId>; 2] {
        let mut timed = [None; 2];
        let walked = Index::walk(found, &self.rows.slab, |id, slot| {
            if slot.timed() {
                timed[usize::from(slot.input != inputs[0])] = Some(id);
            }
        });
        if walked { timed } else { inputs.map(|input| self.rows.index.timed(found, input)) }
    }

    /// Takes a row in, and registers a timer for it if its key has none on its
    /// side; `other` is the other side.
    ///
    /// # Errors
    /// 2^31 rows are here already.
    #[inline]
    pub fn insert(&mut self, mut row: Row, other: InputIndex) -> Result<(), StateError> {
        let (input, time) = (row.input, row.time);
        let found = self.rows.index.find(&row.key, &self.rows.slab);
        let [own, others] = found.map_or([None; 2], |found| self.timed(found, [input, other]));
        if own.is_some() {
            row.corrections = 0;
            self.rows.place(row, false)?;
            return Ok(());
        }
        row.corrections = TIMED;
        let arrival = row.arrival;
        let (id, tag) = self.rows.place(row, false)?;
        self.register(id, tag, (input, time, arrival), others);
        Ok(())
    }

    /// Takes back a row of a checkpoint, or a timer that is left of one.
    ///
    /// # Errors
    /// 2^31 rows are here already.
    pub fn restore(&mut self, row: Row, other: InputIndex) -> Result<(), StateError> {
        let (input, time, arrival) = (row.input, row.time, row.arrival);
        let found = self.rows.index.find(&row.key, &self.rows.slab);
        let [_, others] = found.map_or([None; 2], |found| self.timed(found, [input, other]));
        let (id, tag) = self.rows.place(row, true)?;
        let slot = self.rows.slab.get(id);
        if slot.timed() {
            self.register(id, tag, (input, time, arrival), others);
        }
        Ok(())
    }

    #[inline]
    fn register(
        &mut self,
        id: SlotId,
        tag: u32,
        (input, time, arrival): (InputIndex, i64, Arrival),
        others: Option<SlotId>,
    ) {
        let at = self.calendar.timer(input, time);
        let shared = others.is_some_and(|other| self.timer_of(other) == at);
        self.timers += usize::from(!shared);
        let due = Due { due: self.calendar.due(input, time), arrival, input };
        self.calendar.insert(due, id, tag);
    }

    fn timer_of(&self, id: SlotId) -> i64 {
        let slot = self.get(id);
        self.calendar.timer(slot.input, slot.time)
    }

    /// Removes a row; its timer, if it carries one, stays.
    #[inline]
    pub fn remove(&mut self, id: SlotId) {
        let slot = self.rows.slab.get(id);
        if slot.timed() {
            let ghost = self.rows.change(id);
            ghost.corrections |= GHOST;
            // Its verdict has fallen: a restore shall not wait for one.
            ghost.set_matched();
            return;
        }
        let tag = tag(xxhash_rust::xxh3::xxh3_64(slot.key.bytes()));
        self.take(id, tag);
    }

    #[inline]
    fn take(&mut self, id: SlotId, tag: u32) {
        self.rows.remove(id, tag, |_| NAME);
    }

    /// Whether [`Timed::fire`] may give a timer: one comparison.
    #[inline]
    #[must_use]
    pub fn may_fire(&self, watermark: i64) -> bool {
        self.calendar.may_be_due(watermark)
    }

    /// Takes out the timers of the next time that the watermark has reached,
    /// by `order` of their keys; none: there is no such time.
    pub fn fire(
        &mut self,
        watermark: i64,
        mut order: impl FnMut(&[u8], &[u8]) -> Ordering,
        out: &mut Vec<Firing>,
    ) {
        out.clear();
        let Rows { slab, index, .. } = &self.rows;
        let mut next = self.next.take();
        loop {
            if next.is_none() {
                next = self.calendar.pop(watermark, slab, index);
            }
            let Some(Timer { due, id, tag }) = next.take() else { break };
            let slot = slab.get(id);
            // It may have gone with the other input's of the same time.
            if !slot.is(&due) || !slot.timed() {
                continue;
            }
            let time = self.calendar.timer(slot.input, slot.time);
            if out.first().is_some_and(|first| first.time != time) {
                self.next = Some(Timer { due, id, tag });
                break;
            }
            out.push(Firing { time, id, tag });
        }
        if out.len() > 1 {
            let key = |firing: &Firing| slab.get(firing.id).key.bytes();
            out.sort_by(|a, b| order(key(a), key(b)).then_with(|| key(a).cmp(key(b))));
            // Both inputs of a key at one time are one timer.
            out.dedup_by(|a, b| key(a) == key(b));
        }
    }

    /// The key of a timer that goes off.
    #[must_use]
    pub fn key(&self, firing: Firing) -> Key {
        self.get(firing.id).key.unpack()
    }

    /// Looks at what a timer that goes off does to the sides of its key, for
    /// those whose pending timer it is; `expired` is theirs. Nothing changes yet.
    pub fn look(&self, firing: Firing, expired: [i64; 2], plan: &mut [SidePlan; 2]) {
        let Rows { slab, index, .. } = &self.rows;
        let Some(found) = index.same_key(firing.tag, firing.id, slab) else { return };
        let timed = self.timed(found, [plan[0].input, plan[1].input]);
        for ((side, timed), expired) in plan.iter_mut().zip(timed).zip(expired) {
            side.gone.clear();
            side.lost.clear();
            side.timed = timed.filter(|&id| self.timer_of(id) == firing.time);
            if side.timed.is_some() {
                self.within(found, side.input, Reach { lo: 1, hi: 0, expired }, &mut side.gone);
                side.next = self.next_timed(found, side.input, expired);
                if side.next.is_none()
                    && let Some(above) = expired.checked_add(1)
                {
                    let rest = Reach { lo: above, hi: i64::MAX, expired: i64::MIN };
                    self.within(found, side.input, rest, &mut side.lost);
                    side.lost.retain(|&id| slab.get(id).time >= above);
                }
            }
        }
    }

    /// The row whose timer is the next of its side (rule B5.2 and 5.3): the
    /// first in state order that is not expired, if its time is above 0 and
    /// none is below.
    fn next_timed(&self, found: Found, input: InputIndex, expired: i64) -> Option<SlotId> {
        let Rows { slab, index, .. } = &self.rows;
        let above = expired.checked_add(1)?;
        let (mut first, mut negative) = ((u64::MAX, u64::MAX, NIL), false);
        let mut see = |id: SlotId, slot: &Slot| {
            if slot.input == input && slot.time >= above && !slot.ghost() {
                negative |= slot.time < 0;
                first = first.min((state_order(slot.time), slot.arrival, id));
            }
        };
        if !Index::walk(found, slab, &mut see) {
            let row = |id: SlotId| !slab.get(id).ghost();
            for range in [(above, -1), (above.max(0), i64::MAX)] {
                if let Some(id) = index.first_between(found, input, range, row) {
                    see(id, slab.get(id));
                }
            }
        }
        (!negative && first.0 > 0 && first.2 != NIL).then_some(first.2)
    }

    /// Carries out what [`Timed::look`] found. Where a side's next timer has
    /// `time <= watermark` it gives that time: it would go off again and again.
    ///
    /// # Errors
    /// Such a time.
    pub fn settle(
        &mut self,
        firing: Firing,
        watermark: i64,
        plan: &[SidePlan; 2],
    ) -> Result<(), i64> {
        let Some(found) = self.rows.index.same_key(firing.tag, firing.id, &self.rows.slab) else {
            return Ok(());
        };
        self.timers -= 1;
        // Nothing is removed before all marks stand: `found` stays good.
        for side in plan {
            if let Some(id) = side.timed {
                self.mark(found, id, false);
            }
        }
        for side in plan.iter().filter(|side| side.timed.is_some()) {
            if let Some(id) = side.next {
                let [_, others] = self.timed(found, [side.input, side.other(plan)]);
                self.mark(found, id, true);
                let slot = self.get(id);
                let row = (slot.input, slot.time, slot.arrival);
                let time = self.timer_of(id);
                if time <= watermark {
                    return Err(time);
                }
                self.register(id, firing.tag, row, others);
            }
        }
        for side in plan {
            let Some(timed) = side.timed else { continue };
            if self.get(timed).ghost() {
                self.take(timed, firing.tag);
            }
            for &id in side.gone.iter().chain(&side.lost) {
                self.take(id, firing.tag);
            }
        }
        Ok(())
    }

    fn mark(&mut self, found: Found, id: SlotId, timed: bool) {
        let slot = self.rows.change(id);
        slot.corrections = if timed { slot.corrections | TIMED } else { slot.corrections & !TIMED };
        self.rows.index.note_timed(found, id, &self.rows.slab);
    }

    /// See [`Rows::copy_ahead`].
    pub fn copy_ahead(&mut self, leave: usize) {
        self.rows.copy_ahead(leave, usize::MAX, |_| NAME);
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        self.rows.take_changes(i64::MIN, |_| NAME)
    }
}

/// As RocksDB orders the eight bytes of a time: those below 0 come last.
#[inline]
#[must_use]
pub fn state_order(time: i64) -> u64 {
    time as u64
}
