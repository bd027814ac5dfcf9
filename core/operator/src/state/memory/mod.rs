//! The memory tier: rows by key, ordered by time where a key has many, and
//! timers by due time. About 100 bytes a row with integer keys.

mod calendar;
mod index;
mod slot;
mod table;
#[cfg(test)]
mod tests;

pub use calendar::gone;
pub use slot::{Slot, SlotId};

use calendar::{Calendar, Timer};
use index::{Index, tag};
use slot::{CHANGED, HELD, Slab, WARM};

use super::{Delta, Due, Folded, Row, StateError};
use crate::key::Key;
use crate::pipeline::InputIndex;

/// The rows of one shard that rest in memory.
#[derive(Debug)]
pub struct Memory {
    slab: Slab,
    index: Index,
    calendar: Calendar,
    /// Bytes outside slots, index and timers.
    heap: usize,
    /// Slots changed since the last barrier; `None` once there were so many
    /// that looking at every slot is cheaper.
    changed: Option<Vec<SlotId>>,
    /// Rows of the last checkpoint that have gone since.
    removed: Vec<Due>,
    /// Where the search for cold rows goes on.
    hand: usize,
}

impl Memory {
    /// `shifts`: by input, what is added to a row's time to give its `due`.
    /// `span`: about how long a row stays, ms.
    #[must_use]
    pub fn new(shifts: Vec<i64>, span: i64) -> Self {
        Self {
            slab: Slab::new(),
            index: Index::default(),
            calendar: Calendar::new(shifts, span),
            heap: 0,
            changed: Some(Vec::new()),
            removed: Vec::new(),
            hand: 0,
        }
    }

    /// Rows that rest here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slab.len()
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
        self.slab.len() * size_of::<Slot>()
            + self.index.bytes()
            + self.calendar.bytes()
            + self.heap
            + self.removed.len() * size_of::<Due>()
            + self.changed.as_ref().map_or(0, |ids| ids.len() * size_of::<SlotId>())
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
        self.slab.get(id)
    }

    /// The row in a slot, to be changed: the next delta has it. What is folded
    /// is added by [`Memory::fold`].
    #[inline]
    pub fn change(&mut self, id: SlotId) -> &mut Slot {
        self.note_changed(id);
        let slot = self.slab.get_mut(id);
        slot.set(WARM);
        slot
    }

    /// Folds a row into the one in a slot.
    pub fn fold(&mut self, id: SlotId, folded: Folded) {
        let slot = self.change(id);
        let before = slot.heap();
        slot.folded.get_or_insert_default().push(folded);
        let after = slot.heap();
        self.heap += after - before;
    }

    #[inline]
    fn note_changed(&mut self, id: SlotId) {
        let slot = self.slab.get_mut(id);
        if slot.has(CHANGED) {
            return;
        }
        slot.set(CHANGED);
        if let Some(changed) = &mut self.changed {
            if changed.len() > self.slab.slots() + 1024 {
                self.changed = None;
            } else {
                changed.push(id);
            }
        }
    }

    /// Brings near what is known of keys with these hashes.
    pub fn near(&self, hashes: &[u64]) {
        let entries = hashes.iter().fold(0, |sum, &hash| sum ^ self.index.peek(tag(hash)));
        let rows = hashes.iter().fold(0, |sum, &hash| {
            sum ^ self.index.first(tag(hash)).map_or(0, |id| self.slab.get(id).time)
        });
        std::hint::black_box((entries, rows));
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
        let Some(found) = self.index.find(key, &self.slab) else { return };
        for (input, lo, hi) in ranges {
            let start = out.len();
            self.index.each(found, input, lo, hi, &self.slab, |id| out.push(id));
            if out.len() > start + 1 {
                out[start..].sort_unstable_by_key(|&id| {
                    let slot = self.slab.get(id);
                    (slot.time, slot.arrival)
                });
            }
        }
    }

    /// Takes a row in.
    ///
    /// # Errors
    /// 2^31 rows are here already.
    pub fn insert(&mut self, row: Row) -> Result<(), StateError> {
        let id = self.place(row)?;
        self.note_changed(id);
        Ok(())
    }

    /// Takes back a row that the last checkpoint holds.
    ///
    /// # Errors
    /// 2^31 rows are here already.
    pub fn restore(&mut self, row: Row) -> Result<(), StateError> {
        let id = self.place(row)?;
        self.slab.get_mut(id).set(HELD);
        Ok(())
    }

    #[inline]
    fn place(&mut self, row: Row) -> Result<SlotId, StateError> {
        let (due, tag) = (self.due(&row), tag(row.key.hash64()));
        let mut slot = Slot::pack(row);
        slot.set(WARM);
        self.heap += slot.heap();
        let Some(id) = self.slab.insert(slot) else {
            return Err(StateError(
                "2^31 rows in the memory of one shard: give it less with --memory, so that rows go to disk"
                    .to_owned(),
            ));
        };
        self.index.insert(tag, id, &mut self.slab);
        self.calendar.insert(due, id, tag);
        Ok(id)
    }

    /// Takes the row out of a slot.
    fn remove(&mut self, id: SlotId, tag: u32) -> Slot {
        self.index.remove(tag, id, &mut self.slab);
        let slot = self.slab.remove(id);
        self.heap -= slot.heap();
        if slot.has(HELD) {
            let due = self.calendar.due(slot.input, slot.time);
            self.removed.push(Due { due, arrival: slot.arrival, input: slot.input });
        }
        slot
    }

    /// Whether [`Memory::pop_due`] may give a row: one comparison.
    #[inline]
    #[must_use]
    pub fn may_be_due(&self, watermark: i64) -> bool {
        self.calendar.may_be_due(watermark)
    }

    /// Takes out the next row that the watermark has passed, by [`Due`].
    #[inline]
    pub fn pop_due(&mut self, watermark: i64) -> Option<(Due, Slot)> {
        let Timer { due, id, tag } = self.calendar.pop(watermark, &self.slab, &self.index)?;
        Some((due, self.remove(id, tag)))
    }

    /// Takes out rows that have not been in use for longest, about, until
    /// `bytes` are left or `most` were taken.
    pub fn take_cold(&mut self, bytes: usize, most: usize) -> Vec<(Due, Row)> {
        let mut out = Vec::new();
        while self.bytes() > bytes && out.len() < most && !self.is_empty() {
            if self.hand >= self.slab.slots() {
                self.hand = 0;
            }
            let id = self.hand as SlotId;
            self.hand += 1;
            let slot = self.slab.get_mut(id);
            if !slot.live() {
                continue;
            }
            if slot.has(WARM) {
                slot.clear(WARM);
                continue;
            }
            let tag = tag(xxhash_rust::xxh3::xxh3_64(slot.key.bytes()));
            let row = self.remove(id, tag).unpack();
            out.push((self.due(&row), row));
        }
        self.calendar.purge(&self.slab);
        out.sort_unstable_by_key(|(due, _)| *due);
        out
    }

    /// What changed since the last call.
    pub fn take_delta(&mut self) -> Delta {
        let ids = self.changed.replace(Vec::new());
        let slots = self.slab.slots() as SlotId;
        let mut changed: Vec<(Due, SlotId)> = Vec::new();
        let take = |id: SlotId| {
            let slot = self.slab.get_mut(id);
            if slot.live() && slot.has(CHANGED) {
                slot.clear(CHANGED);
                slot.set(HELD);
                let due = self.calendar.due(slot.input, slot.time);
                changed.push((Due { due, arrival: slot.arrival, input: slot.input }, id));
            }
        };
        match ids {
            Some(ids) => ids.into_iter().for_each(take),
            None => (0..slots).for_each(take),
        }
        // Names are put in order, not rows: those are five times as large.
        changed.sort_unstable();
        let upserts =
            changed.into_iter().map(|(due, id)| (due, self.slab.get(id).unpack())).collect();
        let mut removed = std::mem::take(&mut self.removed);
        removed.sort_unstable();
        Delta { upserts, removed }
    }
}
