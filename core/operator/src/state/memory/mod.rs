//! The memory tier: rows by key, ordered by time where a key has many, and
//! timers by due time. About 100 bytes a row with integer keys.

mod calendar;
mod index;
mod rows;
mod slot;
mod table;
#[cfg(test)]
pub(super) mod tests;
pub mod timed;

pub use calendar::{Calendar, Timer, gone};
pub use index::tag;
pub use rows::Rows;
pub(super) use slot::HELD;
pub use slot::{Slot, SlotId};

use slot::WARM;

use super::{Changes, Due, Folded, Row, StateError};
use crate::key::Key;
use crate::pipeline::InputIndex;

/// The rows of one shard that rest in memory.
#[derive(Debug)]
pub struct Memory {
    rows: Rows,
    calendar: Calendar,
    /// Where the search for cold rows goes on.
    hand: usize,
    /// The last watermark that rows left at.
    passed: i64,
}

impl Memory {
    /// `shifts`: by input, what is added to a row's time to give its `due`.
    /// `span`: about how long a row stays, ms.
    #[must_use]
    pub fn new(shifts: Vec<i64>, span: i64) -> Self {
        Self { rows: Rows::new(), calendar: Calendar::new(shifts, span), hand: 0, passed: i64::MIN }
    }

    /// Rows that leave when Flink's timer at `time + shift` goes off.
    #[must_use]
    pub fn of_flink(shifts: Vec<i64>, span: i64) -> Self {
        Self {
            rows: Rows::new(),
            calendar: Calendar::of_flink(shifts, span),
            hand: 0,
            passed: i64::MIN,
        }
    }

    /// Rows that rest here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.slab.len()
    }

    /// Whether nothing rests here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the rows take, with the index, the timers and the
    /// allocator's share.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.bytes() + self.calendar.bytes()
    }

    /// When a row leaves: the largest watermark that keeps it.
    #[inline]
    #[must_use]
    pub fn due(&self, row: &Row) -> Due {
        let due = self.calendar.due(row.input, row.time);
        Due { due, arrival: row.arrival, input: row.input }
    }

    /// Milliseconds of event time within which rows leave in one go.
    #[must_use]
    pub fn width(&self) -> i64 {
        self.calendar.width()
    }

    /// The row in a slot.
    #[inline]
    #[must_use]
    pub fn get(&self, id: SlotId) -> &Slot {
        self.rows.slab.get(id)
    }

    /// The row in a slot, to be changed: the next delta has it. What is folded
    /// is added by [`Memory::fold`].
    #[inline]
    pub fn change(&mut self, id: SlotId) -> &mut Slot {
        self.rows.change(id)
    }

    /// Folds a row into the one in a slot.
    pub fn fold(&mut self, id: SlotId, folded: Folded) {
        self.rows.fold(id, folded);
    }

    /// Brings near what is known of keys with these hashes.
    pub fn near(&self, hashes: &[u64]) {
        self.rows.near(hashes);
    }

    /// Gives, for each (input, lo, hi), the rows of the key with
    /// `lo <= time <= hi`, by (time, arrival).
    #[inline]
    pub fn find(
        &self,
        key: &Key,
        ranges: impl Iterator<Item = (InputIndex, i64, i64)>,
        out: &mut Vec<SlotId>,
    ) {
        self.rows.find(key, ranges, out);
    }

    /// Takes a row in.
    ///
    /// # Errors
    /// 2^31 rows are here already.
    pub fn insert(&mut self, row: Row) -> Result<(), StateError> {
        self.place(row, false)
    }

    /// Takes back a row that the last checkpoint holds.
    ///
    /// # Errors
    /// 2^31 rows are here already.
    pub fn restore(&mut self, row: Row) -> Result<(), StateError> {
        self.place(row, true)
    }

    #[inline]
    fn place(&mut self, row: Row, held: bool) -> Result<(), StateError> {
        let due = self.due(&row);
        let (id, tag) = self.rows.place(row, held)?;
        self.calendar.insert(due, id, tag);
        Ok(())
    }

    /// Takes the row out of a slot.
    fn remove(&mut self, id: SlotId, tag: u32) -> Slot {
        let calendar = &self.calendar;
        self.rows.remove(id, tag, |slot| calendar.name(slot.input, slot.time))
    }

    /// Whether [`Memory::next_due`] may give a row: one comparison.
    #[inline]
    #[must_use]
    pub fn may_be_due(&self, watermark: i64) -> bool {
        self.calendar.may_be_due(watermark)
    }

    /// Slot and tag of the next row that the watermark has passed, by [`Due`], which is to
    /// be [released](Memory::release).
    #[inline]
    pub fn next_due(&mut self, watermark: i64) -> Option<(SlotId, u32)> {
        let Rows { slab, index, .. } = &self.rows;
        self.calendar.next(watermark, slab, index)
    }

    /// Frees the slot of a row that leaves with `due`.
    #[inline]
    pub fn release(&mut self, (id, tag): (SlotId, u32), due: i64) {
        if self.calendar.drops() && due < self.passed {
            self.rows.expire(id, tag);
        } else {
            self.remove(id, tag);
        }
    }

    /// When the row in a slot leaves.
    #[inline]
    #[must_use]
    pub fn due_of(&self, slot: &Slot) -> Due {
        let due = self.calendar.due(slot.input, slot.time);
        Due { due, arrival: slot.arrival, input: slot.input }
    }

    /// Takes out what is folded into the row in a slot.
    pub fn take_folded(&mut self, id: SlotId) -> Vec<Folded> {
        self.rows.take_folded(id)
    }

    /// Says that rows leave at this watermark now.
    pub fn passes(&mut self, watermark: i64) {
        self.passed = watermark;
    }

    /// Takes out rows that have not been in use for longest, about, until
    /// `bytes` are left or `most` were taken. One that is due already (in
    /// `flink-datastream`; it waits for the next move of the watermark) stays:
    /// to the tier below it would be gone.
    pub fn take_cold(&mut self, bytes: usize, most: usize) -> Vec<(Due, Row)> {
        let (mut out, mut due_already) = (Vec::new(), 0);
        while self.bytes() > bytes
            && out.len() < most
            && !self.is_empty()
            && due_already <= self.rows.slab.slots()
        {
            if self.hand >= self.rows.slab.slots() {
                self.hand = 0;
            }
            let id = self.hand as SlotId;
            self.hand += 1;
            let slot = self.rows.slab.get_mut(id);
            if !slot.live() {
                continue;
            }
            if slot.has(WARM) {
                slot.clear(WARM);
                continue;
            }
            if self.calendar.due(slot.input, slot.time) < self.passed {
                due_already += 1;
                continue;
            }
            let tag = tag(xxhash_rust::xxh3::xxh3_64(slot.key.bytes()));
            let row = self.remove(id, tag).unpack();
            out.push((self.due(&row), row));
        }
        self.calendar.purge(&self.rows.slab);
        out.sort_unstable_by_key(|(due, _)| *due);
        out
    }

    /// See [`Rows::copy_ahead`].
    pub fn copy_ahead(&mut self, leave: usize, most: usize) {
        let calendar = &self.calendar;
        self.rows.copy_ahead(leave, most, |slot| calendar.name(slot.input, slot.time));
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        let calendar = &self.calendar;
        let earliest = if calendar.drops() { self.passed } else { i64::MIN };
        self.rows.take_changes(earliest, |slot| calendar.name(slot.input, slot.time))
    }
}
