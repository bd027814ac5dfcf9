//! From a key to its rows: a chain through the slots for the many short keys,
//! ordered trees for the few hot ones.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::slot::{PackedKey, Slab, SlotId};
use crate::key::Key;
use crate::pipeline::InputIndex;
use crate::record::Arrival;

/// A chain that would grow longer becomes a group.
const LONGEST_CHAIN: usize = 16;
/// A group that shrinks to this becomes a chain again.
const SHORTEST_GROUP: usize = 4;
/// Marks a head that names a group.
const GROUP: u32 = 1 << 31;
/// What a tree takes for each row, about: 20 bytes in nodes two thirds full.
const TREE_BYTES: usize = 32;

/// A key's entry: 8 bytes.
#[derive(Clone, Copy, Debug)]
struct Head {
    /// From the key's hash: growing the table looks at no slot.
    tag: u32,
    /// First slot of the chain, or a group.
    rows: u32,
}

/// The rows of a hot key.
#[derive(Debug, Default)]
struct Group {
    key: PackedKey,
    len: usize,
    inputs: Vec<(InputIndex, Tree)>,
}

/// By (event time, arrival): unique within an input.
type Tree = BTreeMap<(i64, Arrival), SlotId>;

/// Where the rows of a key are, as found by [`Index::find`].
#[derive(Clone, Copy, Debug)]
pub struct Found(u32);

#[derive(Debug, Default)]
pub struct Index {
    table: HashTable<Head>,
    groups: Vec<Group>,
    free: Vec<u32>,
    /// Rows in groups.
    grouped: usize,
}

#[inline]
fn tag(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

/// Spreads a tag over the bits that the table looks at.
#[inline]
fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Index {
    /// Bytes, with what is allocated and not in use.
    pub fn bytes(&self) -> usize {
        self.table.allocation_size()
            + self.groups.capacity() * size_of::<Group>()
            + self.grouped * TREE_BYTES
    }

    /// The rows of a key.
    #[inline]
    pub fn find(&self, key: &Key, slab: &Slab) -> Option<Found> {
        let tag = tag(key.hash64());
        let same = |head: &Head| head.tag == tag && self.key_of(*head, slab) == key.canonical();
        self.table.find(spread(tag), same).map(|head| Found(head.rows))
    }

    #[inline]
    fn key_of<'a>(&'a self, head: Head, slab: &'a Slab) -> &'a [u8] {
        if head.rows & GROUP == 0 {
            slab.get(head.rows).key.bytes()
        } else {
            self.groups[(head.rows ^ GROUP) as usize].key.bytes()
        }
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
        if let Some((_, tree)) = group.inputs.iter().find(|(i, _)| *i == input) {
            tree.range((lo, Arrival::MIN)..=(hi, Arrival::MAX)).for_each(|(_, &id)| give(id));
        }
    }

    /// Adds the row in slot `id`, which has this key's hash.
    #[inline]
    pub fn insert(&mut self, hash: u64, id: SlotId, slab: &mut Slab) {
        let tag = tag(hash);
        let (table, groups) = (&mut self.table, &mut self.groups);
        let key = slab.get(id).key.bytes();
        let same = |head: &Head| {
            let other = if head.rows & GROUP == 0 {
                slab.get(head.rows).key.bytes()
            } else {
                groups[(head.rows ^ GROUP) as usize].key.bytes()
            };
            head.tag == tag && other == key
        };
        match table.entry(spread(tag), same, |head| spread(head.tag)) {
            Entry::Vacant(place) => {
                place.insert(Head { tag, rows: id });
            }
            Entry::Occupied(mut place) => {
                let head = place.get_mut();
                if head.rows & GROUP != 0 {
                    groups[(head.rows ^ GROUP) as usize].insert(id, slab);
                    self.grouped += 1;
                    return;
                }
                let first = head.rows;
                slab.get_mut(id).next = first;
                head.rows = id;
                let (mut length, mut at) = (1, first);
                while at & GROUP == 0 {
                    length += 1;
                    at = slab.get(at).next;
                }
                if length > LONGEST_CHAIN {
                    let number = self.free.pop().unwrap_or_else(|| {
                        groups.push(Group::default());
                        groups.len() as u32 - 1
                    });
                    head.rows = number | GROUP;
                    groups[number as usize].take_chain(id, slab);
                    self.grouped += length;
                }
            }
        }
    }

    /// Takes the row in slot `id` out; the slot itself stays.
    #[inline]
    pub fn remove(&mut self, hash: u64, id: SlotId, slab: &mut Slab) {
        let tag = tag(hash);
        let groups = &mut self.groups;
        let row = slab.get(id);
        let same = |head: &Head| {
            head.rows == id
                || head.tag == tag
                    && row.key.bytes()
                        == if head.rows & GROUP == 0 {
                            slab.get(head.rows).key.bytes()
                        } else {
                            groups[(head.rows ^ GROUP) as usize].key.bytes()
                        }
        };
        let Ok(mut place) = self.table.find_entry(spread(tag), same) else { return };
        let rows = place.get().rows;
        if rows == id {
            if row.next & GROUP == 0 {
                place.get_mut().rows = row.next;
            } else {
                place.remove();
            }
        } else if rows & GROUP == 0 {
            let after = row.next;
            let mut at = rows;
            loop {
                let next = slab.get(at).next;
                if next == id {
                    slab.get_mut(at).next = after;
                    break;
                }
                if next & GROUP != 0 {
                    break;
                }
                at = next;
            }
        } else {
            let number = rows ^ GROUP;
            let group = &mut groups[number as usize];
            group.remove(id, slab);
            self.grouped -= 1;
            if group.len <= SHORTEST_GROUP {
                self.grouped -= group.len;
                let group = std::mem::take(group);
                self.free.push(number);
                match group.into_chain(slab) {
                    Some(first) => place.get_mut().rows = first,
                    None => {
                        place.remove();
                    }
                }
            }
        }
    }
}

impl Group {
    fn insert(&mut self, id: SlotId, slab: &Slab) {
        let slot = slab.get(id);
        let known = self.inputs.iter().position(|(input, _)| *input == slot.input);
        let at = known.unwrap_or_else(|| {
            self.inputs.push((slot.input, Tree::new()));
            self.inputs.len() - 1
        });
        self.inputs[at].1.insert((slot.time, slot.arrival), id);
        self.len += 1;
    }

    fn remove(&mut self, id: SlotId, slab: &Slab) {
        let slot = slab.get(id);
        if let Some((_, tree)) = self.inputs.iter_mut().find(|(input, _)| *input == slot.input)
            && tree.remove(&(slot.time, slot.arrival)).is_some()
        {
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
        let mut first = super::slot::NIL;
        for (_, tree) in self.inputs {
            for id in tree.into_values() {
                slab.get_mut(id).next = first;
                first = id;
            }
        }
        (first & GROUP == 0).then_some(first)
    }
}
