//! Rows in slots, found by key, and what a checkpoint has to know of them.

use super::super::{Changes, Due, Folded, Row, StateError};
use super::calendar::{Calendar, Timer};
use super::index::{Index, tag};
use super::slot::{CHANGED, HELD, Slab, Slot, SlotId, WARM};
use crate::key::Key;
use crate::pipeline::InputIndex;

/// Rows without their timers: those are the owner's, as is when a row leaves.
#[derive(Debug)]
pub struct Rows {
    pub(super) slab: Slab,
    pub(super) index: Index,
    /// Bytes outside slots, index and timers.
    pub(super) heap: usize,
    /// Slots changed since the last barrier; `None` once there were so many
    /// that looking at every slot is cheaper.
    pub(super) changed: Option<Vec<SlotId>>,
    /// What is known of the next checkpoint.
    changes: Changes,
}

impl Default for Rows {
    fn default() -> Self {
        Self::new()
    }
}

impl Rows {
    /// No row yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            slab: Slab::new(),
            index: Index::default(),
            heap: 0,
            changed: Some(Vec::new()),
            changes: Changes::default(),
        }
    }

    /// Bytes that the rows take, with the index and the allocator's share.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slab.len() * size_of::<Slot>()
            + self.index.bytes()
            + self.heap
            + self.changes.removals() * size_of::<Due>()
            + self.changed.as_ref().map_or(0, |ids| ids.len() * size_of::<SlotId>())
    }

    /// The row in a slot, to be changed: the next delta has it. What is folded
    /// is added by [`Rows::fold`].
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

    /// Takes out what is folded into the row in a slot.
    pub fn take_folded(&mut self, id: SlotId) -> Vec<Folded> {
        let slot = self.slab.get_mut(id);
        let before = slot.heap();
        let folded = slot.folded.take().map(|folded| *folded).unwrap_or_default();
        self.heap -= before - slot.heap();
        folded
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
            sum ^ self.index.first(tag(hash)).map_or(0, |id| self.slab.get(id).touch())
        });
        std::hint::black_box((entries, rows));
    }

    /// Takes a row in: new, or as the last checkpoint holds it.
    ///
    /// # Errors
    /// 2^31 rows are here already.
    #[inline]
    pub fn place(&mut self, row: Row, held: bool) -> Result<(SlotId, u32), StateError> {
        let tag = tag(row.key.hash64());
        let id = self.hold(row, held)?;
        self.list(id, tag);
        Ok((id, tag))
    }

    /// Takes a row in that cannot be found before [`Rows::list`].
    ///
    /// # Errors
    /// 2^31 rows are here already.
    #[inline]
    pub fn hold(&mut self, row: Row, held: bool) -> Result<SlotId, StateError> {
        let mut slot = Slot::pack(row);
        slot.set(WARM);
        self.heap += slot.heap();
        let Some(id) = self.slab.insert(slot) else {
            return Err(StateError(
                "2^31 rows in the memory of one shard: give it less with --memory, so that rows go to disk"
                    .to_owned(),
            ));
        };
        if held {
            self.slab.get_mut(id).set(HELD);
        } else {
            self.note_changed(id);
        }
        Ok(id)
    }

    /// Lets a held row be found by its key.
    #[inline]
    pub fn list(&mut self, id: SlotId, tag: u32) {
        self.index.insert(tag, id, &mut self.slab);
    }

    /// The row can no longer be found; it stays in its slot.
    #[inline]
    pub fn unlist(&mut self, id: SlotId, tag: u32) {
        self.index.remove(tag, id, &mut self.slab);
    }

    /// Takes the row out of a slot; `due` is its name in the checkpoint.
    #[inline]
    pub fn remove(&mut self, id: SlotId, tag: u32, due: impl FnOnce(&Slot) -> i64) -> Slot {
        self.unlist(id, tag);
        self.free(id, due)
    }

    /// Takes a row that cannot be found out of its slot.
    #[inline]
    pub fn free(&mut self, id: SlotId, due: impl FnOnce(&Slot) -> i64) -> Slot {
        let slot = self.slab.remove(id);
        self.heap -= slot.heap();
        if slot.has(HELD) {
            let due = due(&slot);
            self.changes.remove(Due { due, arrival: slot.arrival, input: slot.input });
        }
        slot
    }

    /// Takes a row out that a checkpoint drops with all that is due as early, so that
    /// it does not have to be told of it.
    #[inline]
    pub fn expire(&mut self, id: SlotId, tag: u32) {
        self.unlist(id, tag);
        let slot = self.slab.remove(id);
        self.heap -= slot.heap();
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

    /// The row in a slot.
    #[inline]
    #[must_use]
    pub fn get(&self, id: SlotId) -> &Slot {
        self.slab.get(id)
    }

    /// Appends, for each (input, lo, hi), the rows of the key with
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

    /// The next row whose time in a calendar has come.
    #[inline]
    pub fn pop(&self, calendar: &mut Calendar, watermark: i64) -> Option<Timer> {
        calendar.pop(watermark, &self.slab, &self.index)
    }

    /// Copies for the next checkpoint, made ahead of it.
    #[must_use]
    pub fn copied(&self) -> usize {
        self.changes.copies()
    }

    /// Copies some of what changed for the next checkpoint, so that less is left
    /// to be done at the barrier: all but the last `leave` rows, which may change
    /// again. There are never more copies than rows, or than `most`.
    pub fn copy_ahead(&mut self, leave: usize, most: usize, due: impl Fn(&Slot) -> i64) {
        let Some(changed) = &mut self.changed else { return };
        let room = self.slab.len().min(most).saturating_sub(self.changes.copies());
        let n = changed.len().saturating_sub(leave).min(room);
        for id in changed.drain(..n) {
            copy(&mut self.slab, &mut self.changes, id, &due);
        }
    }

    /// What changed since the last call. All that was due before `earliest` has gone.
    pub fn take_changes(&mut self, earliest: i64, due: impl Fn(&Slot) -> i64) -> Changes {
        self.changes.passed(earliest);
        let mut changes = std::mem::take(&mut self.changes);
        let slots = self.slab.slots() as SlotId;
        let mut take = |id| copy(&mut self.slab, &mut changes, id, &due);
        match self.changed.replace(Vec::new()) {
            Some(ids) => ids.into_iter().for_each(&mut take),
            None => (0..slots).for_each(take),
        }
        changes
    }
}

/// Copies a row that changed; from then on its going is told.
#[inline]
fn copy(slab: &mut Slab, to: &mut Changes, id: SlotId, due: impl Fn(&Slot) -> i64) {
    let slot = slab.get_mut(id);
    if slot.live() && slot.has(CHANGED) {
        slot.clear(CHANGED);
        to.copy(due(slot), slot.clone());
        slot.set(HELD);
    }
}
