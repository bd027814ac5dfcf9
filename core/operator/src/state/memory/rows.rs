//! Rows in their slots, by name and by key, and what changed among them since
//! the last barrier.

use super::calendar::{Calendar, Timer};
use super::index::{Index, tag};
use super::slot::{CHANGED, HELD, Slab, Slot, SlotId};
use super::{Delta, Due, Folded, Row, StateError};
use crate::key::Key;
use crate::pipeline::InputIndex;

/// Slots, the index by key over those that can be found, and the notes for the
/// next checkpoint. When a row leaves is decided above this.
#[derive(Debug)]
pub struct Rows {
    slab: Slab,
    index: Index,
    /// Bytes outside slots and index.
    heap: usize,
    /// Slots changed since the last barrier; `None` once there were so many
    /// that looking at every slot is cheaper.
    changed: Option<Vec<SlotId>>,
    /// Rows of the last checkpoint that have gone since.
    removed: Vec<Due>,
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            slab: Slab::new(),
            index: Index::default(),
            heap: 0,
            changed: Some(Vec::new()),
            removed: Vec::new(),
        }
    }
}

impl Rows {
    /// Rows that rest here.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether nothing rests here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Slots that were ever in use: every [`SlotId`] is below it.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slab.slots()
    }

    /// Bytes that the rows take, with the index and the allocator's share.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slab.len() * size_of::<Slot>()
            + self.index.bytes()
            + self.heap
            + self.removed.len() * size_of::<Due>()
            + self.changed.as_ref().map_or(0, |ids| ids.len() * size_of::<SlotId>())
    }

    /// Bytes outside slots and index.
    #[cfg(test)]
    pub(super) fn heap(&self) -> usize {
        self.heap
    }

    /// Whether so much changed that the next delta looks at every slot.
    #[cfg(test)]
    pub(super) fn looks_at_all(&self) -> bool {
        self.changed.is_none()
    }

    /// The row in a slot.
    #[inline]
    #[must_use]
    pub fn get(&self, id: SlotId) -> &Slot {
        self.slab.get(id)
    }

    /// The row in a slot, to be changed, unknown to the next delta.
    #[inline]
    pub(super) fn touch(&mut self, id: SlotId) -> &mut Slot {
        self.slab.get_mut(id)
    }

    /// The row in a slot, to be changed: the next delta has it. What is folded
    /// is added by [`Rows::fold`].
    #[inline]
    pub fn change(&mut self, id: SlotId) -> &mut Slot {
        self.note_changed(id);
        self.slab.get_mut(id)
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

    /// Takes a new row in; it cannot be found before [`Rows::index`].
    ///
    /// # Errors
    /// 2^31 rows are here already.
    #[inline]
    pub fn hold(&mut self, row: Row) -> Result<SlotId, StateError> {
        let id = self.place(row)?;
        self.note_changed(id);
        Ok(id)
    }

    /// Takes back a row that the last checkpoint holds; it cannot be found
    /// before [`Rows::index`].
    ///
    /// # Errors
    /// 2^31 rows are here already.
    pub fn restore(&mut self, row: Row) -> Result<SlotId, StateError> {
        let id = self.place(row)?;
        self.slab.get_mut(id).set(HELD);
        Ok(id)
    }

    #[inline]
    fn place(&mut self, row: Row) -> Result<SlotId, StateError> {
        let slot = Slot::pack(row);
        self.heap += slot.heap();
        self.slab.insert(slot).ok_or_else(|| {
            StateError(
                "2^31 rows in the memory of one shard: give it less with --memory, so that rows go to disk"
                    .to_owned(),
            )
        })
    }

    /// Lets the row in a slot be found by its key, whose tag this is.
    #[inline]
    pub fn index(&mut self, tag: u32, id: SlotId) {
        self.index.insert(tag, id, &mut self.slab);
    }

    /// The row can no longer be found; it stays in its slot.
    #[inline]
    pub fn unindex(&mut self, tag: u32, id: SlotId) {
        self.index.remove(tag, id, &mut self.slab);
    }

    /// Frees the slot of a row that cannot be found; `due` is its row's.
    #[inline]
    pub fn free(&mut self, id: SlotId, due: i64) -> Slot {
        let slot = self.slab.remove(id);
        self.heap -= slot.heap();
        if slot.has(HELD) {
            self.removed.push(Due { due, arrival: slot.arrival, input: slot.input });
        }
        slot
    }

    /// The next row whose time in a calendar has come.
    #[inline]
    pub fn pop(&self, calendar: &mut Calendar, watermark: i64) -> Option<Timer> {
        calendar.pop(watermark, &self.slab, &self.index)
    }

    /// Forgets a calendar's timers whose rows have gone, if those are most of them.
    pub fn purge(&self, calendar: &mut Calendar) {
        calendar.purge(&self.slab);
    }

    /// What changed since the last call; `due` gives a row's.
    pub fn take_delta(&mut self, due: impl Fn(&Slot) -> i64) -> Delta {
        let ids = self.changed.replace(Vec::new());
        let slots = self.slab.slots() as SlotId;
        let mut changed: Vec<(Due, SlotId)> = Vec::new();
        let take = |id: SlotId| {
            let slot = self.slab.get_mut(id);
            if slot.live() && slot.has(CHANGED) {
                slot.clear(CHANGED);
                slot.set(HELD);
                let due = due(slot);
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
