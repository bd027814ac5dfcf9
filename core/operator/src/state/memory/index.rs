//! From a key to its rows: a chain through the slots for the many short keys,
//! ordered trees for the few hot ones.

use std::collections::BTreeMap;

use super::slot::{NIL, PackedKey, Slab, Slot, SlotId};
use super::table::Table;
use crate::key::Key;
use crate::pipeline::InputIndex;
use crate::record::Arrival;

/// A chain that would grow longer becomes a group.
const LONGEST_CHAIN: usize = 16;
/// A group that shrinks to this becomes a chain again.
const SHORTEST_GROUP: usize = 4;
/// A key's entry names the first slot of its chain, or, so marked, a group.
const GROUP: u32 = 1 << 31;
/// What a tree takes for each row, about: 20 bytes in nodes two thirds full.
const TREE_BYTES: usize = 32;

/// The rows of a hot key.
#[derive(Debug, Default)]
struct Group {
    key: PackedKey,
    len: usize,
    inputs: Vec<GroupInput>,
}

/// Its rows of one input.
#[derive(Debug)]
struct GroupInput {
    input: InputIndex,
    tree: Tree,
    /// The one that carries the timer, where the join sets one timer for each
    /// key and input; else without meaning.
    timed: SlotId,
}

/// By (event time, arrival): unique within an input.
type Tree = BTreeMap<(i64, Arrival), SlotId>;

/// Where the rows of a key are, as found by [`Index::find`].
#[derive(Clone, Copy, Debug)]
pub struct Found(u32);

#[derive(Debug, Default)]
pub struct Index {
    table: Table,
    groups: Vec<Group>,
    free: Vec<u32>,
    /// Rows in groups.
    grouped: usize,
}

/// What the table keeps of a key's hash.
#[inline]
pub fn tag(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

impl Index {
    /// Bytes, with what is allocated and not in use.
    pub fn bytes(&self) -> usize {
        self.table.bytes() + self.groups.capacity() * size_of::<Group>() + self.grouped * TREE_BYTES
    }

    /// Brings what is known of a key near; what it gives says nothing.
    #[inline]
    pub fn peek(&self, tag: u32) -> u64 {
        self.table.peek(tag)
    }

    /// The first slot of a chain, most likely that of a key with this tag.
    #[inline]
    pub fn first(&self, tag: u32) -> Option<SlotId> {
        let at = self.table.find(tag, |_| true)?;
        Some(self.table.get(at)).filter(|rows| rows & GROUP == 0)
    }

    /// The rows of a key.
    #[inline]
    pub fn find(&self, key: &Key, slab: &Slab) -> Option<Found> {
        let same = |rows| key_of(rows, slab, &self.groups) == key.canonical();
        let at = self.table.find(tag(key.hash64()), same)?;
        Some(Found(self.table.get(at)))
    }

    /// Gives each row of one input with `lo <= time <= hi`, in no order for a
    /// chain, by (time, arrival) for a group.
    #[inline]
    pub fn each(
        &self,
        found: Found,
        input: InputIndex,
        lo: i64,
        hi: i64,
        slab: &Slab,
        mut give: impl FnMut(SlotId),
    ) {
        if lo > hi {
            return;
        }
        if found.0 & GROUP == 0 {
            let mut id = found.0;
            while id & GROUP == 0 {
                let slot = slab.get(id);
                if slot.input == input && lo <= slot.time && slot.time <= hi {
                    give(id);
                }
                id = slot.next;
            }
            return;
        }
        let group = &self.groups[(found.0 ^ GROUP) as usize];
        if let Some(of) = group.of(input) {
            of.tree.range((lo, Arrival::MIN)..=(hi, Arrival::MAX)).for_each(|(_, &id)| give(id));
        }
    }

    /// The rows of the key of the row in slot `id`.
    #[inline]
    pub fn same_key(&self, tag: u32, id: SlotId, slab: &Slab) -> Option<Found> {
        let row = slab.get(id);
        let same = |rows| rows == id || key_of(rows, slab, &self.groups) == row.key.bytes();
        Some(Found(self.table.get(self.table.find(tag, same)?)))
    }

    /// Walks the rows of a key that has few, in no order; `false` if it has many.
    #[inline]
    pub fn walk(found: Found, slab: &Slab, mut give: impl FnMut(SlotId, &Slot)) -> bool {
        let mut id = found.0;
        if id & GROUP != 0 {
            return false;
        }
        while id & GROUP == 0 {
            let slot = slab.get(id);
            give(id, slot);
            id = slot.next;
        }
        true
    }

    /// The first row of one input of a key that has many with
    /// `lo <= time <= hi` that will do, by (time, arrival).
    pub fn first_between(
        &self,
        found: Found,
        input: InputIndex,
        (lo, hi): (i64, i64),
        mut will_do: impl FnMut(SlotId) -> bool,
    ) -> Option<SlotId> {
        if lo > hi {
            return None;
        }
        let of = self.groups.get((found.0 ^ GROUP) as usize)?.of(input)?;
        let range = (lo, Arrival::MIN)..=(hi, Arrival::MAX);
        of.tree.range(range).map(|(_, &id)| id).find(|&id| will_do(id))
    }

    /// The row that carries the timer of one input of a key that has many rows.
    pub fn timed(&self, found: Found, input: InputIndex) -> Option<SlotId> {
        let of = self.groups.get((found.0 ^ GROUP) as usize)?.of(input)?;
        Some(of.timed).filter(|&id| id != NIL)
    }

    /// Notes whether the row in slot `id` carries the timer of its input.
    pub fn note_timed(&mut self, found: Found, id: SlotId, slab: &Slab) {
        if let Some(group) = self.groups.get_mut((found.0 ^ GROUP) as usize) {
            let slot = slab.get(id);
            if let Some(of) = group.inputs.iter_mut().find(|of| of.input == slot.input) {
                of.note_timed(id, slot);
            }
        }
    }

    /// Adds the row in slot `id`, whose key has this tag.
    #[inline]
    pub fn insert(&mut self, tag: u32, id: SlotId, slab: &mut Slab) {
        let key = slab.get(id).key.bytes();
        let Some(at) = self.table.find(tag, |rows| key_of(rows, slab, &self.groups) == key) else {
            return self.table.insert(tag, id);
        };
        let rows = self.table.get(at);
        if rows & GROUP != 0 {
            self.groups[(rows ^ GROUP) as usize].insert(id, slab);
            self.grouped += 1;
            return;
        }
        slab.get_mut(id).next = rows;
        let (mut length, mut last) = (1, rows);
        while last & GROUP == 0 {
            length += 1;
            last = slab.get(last).next;
        }
        if length <= LONGEST_CHAIN {
            return self.table.set(at, id);
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.groups.push(Group::default());
            self.groups.len() as u32 - 1
        });
        self.groups[number as usize].take_chain(id, slab);
        self.grouped += length;
        self.table.set(at, number | GROUP);
    }

    /// Takes the row in slot `id` out; the slot itself stays.
    #[inline]
    pub fn remove(&mut self, tag: u32, id: SlotId, slab: &mut Slab) {
        let row = slab.get(id);
        let same = |rows| rows == id || key_of(rows, slab, &self.groups) == row.key.bytes();
        let Some(at) = self.table.find(tag, same) else { return };
        let rows = self.table.get(at);
        if rows & GROUP != 0 {
            return self.remove_grouped(at, id, slab);
        }
        let after = row.next;
        if rows == id {
            if after & GROUP == 0 {
                self.table.set(at, after);
            } else {
                self.table.remove(at);
            }
            return;
        }
        let mut before = rows;
        while before & GROUP == 0 {
            let slot = slab.get_mut(before);
            if slot.next == id {
                slot.next = after;
                return;
            }
            before = slot.next;
        }
    }

    fn remove_grouped(&mut self, at: usize, id: SlotId, slab: &mut Slab) {
        let number = self.table.get(at) ^ GROUP;
        let group = &mut self.groups[number as usize];
        group.remove(id, slab);
        self.grouped -= 1;
        if group.len <= SHORTEST_GROUP {
            self.grouped -= group.len;
            let group = std::mem::take(group);
            self.free.push(number);
            match group.into_chain(slab) {
                Some(first) => self.table.set(at, first),
                None => self.table.remove(at),
            }
        }
    }
}

/// The key of an entry's rows.
#[inline]
fn key_of<'a>(rows: u32, slab: &'a Slab, groups: &'a [Group]) -> &'a [u8] {
    if rows & GROUP == 0 {
        slab.get(rows).key.bytes()
    } else {
        groups[(rows ^ GROUP) as usize].key.bytes()
    }
}

impl GroupInput {
    fn note_timed(&mut self, id: SlotId, slot: &Slot) {
        if slot.timed() {
            self.timed = id;
        } else if self.timed == id {
            self.timed = NIL;
        }
    }
}

impl Group {
    fn of(&self, input: InputIndex) -> Option<&GroupInput> {
        self.inputs.iter().find(|of| of.input == input)
    }

    fn insert(&mut self, id: SlotId, slab: &Slab) {
        let slot = slab.get(id);
        let known = self.inputs.iter().position(|of| of.input == slot.input);
        let at = known.unwrap_or_else(|| {
            self.inputs.push(GroupInput { input: slot.input, tree: Tree::new(), timed: NIL });
            self.inputs.len() - 1
        });
        self.inputs[at].tree.insert((slot.time, slot.arrival), id);
        self.inputs[at].note_timed(id, slot);
        self.len += 1;
    }

    fn remove(&mut self, id: SlotId, slab: &Slab) {
        let slot = slab.get(id);
        if let Some(of) = self.inputs.iter_mut().find(|of| of.input == slot.input)
            && of.tree.remove(&(slot.time, slot.arrival)).is_some()
        {
            if of.timed == id {
                of.timed = NIL;
            }
            self.len -= 1;
        }
    }

    fn take_chain(&mut self, first: SlotId, slab: &Slab) {
        self.key = PackedKey::new(&slab.get(first).key.unpack());
        let mut id = first;
        while id & GROUP == 0 {
            self.insert(id, slab);
            id = slab.get(id).next;
        }
    }

    fn into_chain(self, slab: &mut Slab) -> Option<SlotId> {
        let mut first = NIL;
        for of in self.inputs {
            for id in of.tree.into_values() {
                slab.get_mut(id).next = first;
                first = id;
            }
        }
        (first & GROUP == 0).then_some(first)
    }
}
