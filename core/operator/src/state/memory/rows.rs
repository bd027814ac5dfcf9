//! Rows in slots, found by key, and what a checkpoint has to know of them.

use super::super::{Delta, Due, Folded, Row, StateError};
use super::index::{Index, tag};
use super::slot::{CHANGED, HELD, Slab, Slot, SlotId, WARM};

/// Rows without their timers: those are the owner's, as is when a row leaves.
#[derive(Debug)]
pub struct Rows {
    pub slab: Slab,
    pub index: Index,
    /// Bytes outside slots, index and timers.
    pub heap: usize,
    /// Slots changed since the last barrier; `None` once there were so many
    /// that looking at every slot is cheaper.
    pub changed: Option<Vec<SlotId>>,
    /// Rows of the last checkpoint that have gone since.
    removed: Vec<Due>,
}

impl Rows {
    pub fn new() -> Self {
        Self {
            slab: Slab::new(),
            index: Index::default(),
            heap: 0,
            changed: Some(Vec::new()),
            removed: Vec::new(),
        }
    }

    /// Bytes that the rows take, with the index and the allocator's share.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.slab.len() * size_of::<Slot>()
            + self.index.bytes()
            + self.heap
            + self.removed.len() * size_of::<Due>()
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

    #[inline]
    pub fn note_changed(&mut self, id: SlotId) {
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

    /// Takes a row in: new, or as the last checkpoint holds it.
    ///
    /// # Errors
    /// 2^31 rows are here already.
    #[inline]
    pub fn place(&mut self, row: Row, held: bool) -> Result<(SlotId, u32), StateError> {
        let tag = tag(row.key.hash64());
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
        if held {
            self.slab.get_mut(id).set(HELD);
        } else {
            self.note_changed(id);
        }
        Ok((id, tag))
    }

    /// Takes the row out of a slot; `due` is its name in the checkpoint.
    #[inline]
    pub fn remove(&mut self, id: SlotId, tag: u32, due: impl FnOnce(&Slot) -> i64) -> Slot {
        self.index.remove(tag, id, &mut self.slab);
        let slot = self.slab.remove(id);
        self.heap -= slot.heap();
        if slot.has(HELD) {
            let due = due(&slot);
            self.removed.push(Due { due, arrival: slot.arrival, input: slot.input });
        }
        slot
    }

    /// What changed since the last call.
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
