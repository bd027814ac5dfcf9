//! Rows packed into slots of 80 bytes, and the slab that holds them.

use super::super::{Due, Folded, Row};
use crate::join::Ref;
use crate::key::Key;
use crate::pipeline::InputIndex;
use crate::record::Arrival;

/// Position of a slot in the slab.
pub type SlotId = u32;

/// No slot.
pub const NIL: SlotId = u32::MAX;

/// Slots are named by 31 bits; the last one marks a group (see `index`).
const MOST: usize = 1 << 31;

/// Canonical bytes of a key in 16 bytes; longer ones rest elsewhere.
#[derive(Clone, Debug, Default)]
pub enum PackedKey {
    #[default]
    None,
    Short {
        len: u8,
        bytes: [u8; SHORT],
    },
    Long(Box<Long>),
}

/// A thin pointer's worth of a long key.
#[derive(Clone, Debug)]
pub struct Long(Box<[u8]>);

/// Integers take 9 bytes.
const SHORT: usize = 14;

impl PackedKey {
    pub fn new(key: &Key) -> Self {
        let canonical = key.canonical();
        let len = canonical.len();
        let mut bytes = [0; SHORT];
        let Some(place) = bytes.get_mut(..len) else {
            return Self::Long(Box::new(Long(canonical.into())));
        };
        // Two numbers of eight bytes, overlapping, instead of a call.
        if let (Some(first), Some(last)) =
            (canonical.first_chunk::<8>(), canonical.last_chunk::<8>())
        {
            let number = |bytes: &[u8; 8]| u128::from(u64::from_le_bytes(*bytes));
            let all = number(first) | number(last) << (8 * (len - 8));
            bytes.copy_from_slice(&all.to_le_bytes()[..SHORT]);
        } else {
            place.copy_from_slice(canonical);
        }
        Self::Short { len: len as u8, bytes }
    }

    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Short { len, bytes } => &bytes[..(*len as usize).min(SHORT)],
            Self::Long(long) => &long.0,
        }
    }

    /// Whether it is a key at all.
    #[inline]
    pub fn is_null(&self) -> bool {
        self.bytes().first() == Some(&crate::key::NULL)
    }

    pub fn unpack(&self) -> Key {
        // The bytes came from a key.
        Key::from_canonical(self.bytes()).unwrap_or_else(|| Key::from_kafka(self.bytes()))
    }

    /// Bytes outside the slot, with the allocator's share.
    pub fn heap(&self) -> usize {
        match self {
            Self::Long(long) => 16 + long.0.len().next_multiple_of(16),
            _ => 0,
        }
    }
}

/// A row at rest: on two lines of the processor's cache.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Slot {
    pub key: PackedKey,
    pub time: i64,
    pub arrival: Arrival,
    pub row: u64,
    pub offset: i64,
    pub labels: u64,
    /// Boxed, as most rows have none: 8 bytes instead of 24.
    pub folded: Option<Box<Vec<Folded>>>,
    pub partition: i32,
    pub corrections: u32,
    /// The next row of a short key, or the next free slot.
    pub next: SlotId,
    pub input: InputIndex,
    flags: u8,
}

/// The slot holds a row.
const LIVE: u8 = 1;
const MATCHED: u8 = 2;
/// The last checkpoint holds it, or it was copied for the next one.
pub const HELD: u8 = 4;
/// New or changed since the last barrier.
pub const CHANGED: u8 = 8;
/// In use since the spill hand last came by.
pub const WARM: u8 = 16;

/// See [`Slot::timed`] and [`Slot::ghost`].
pub const TIMED: u32 = 1;
pub const GHOST: u32 = 2;

impl Slot {
    pub fn pack(row: Row) -> Self {
        Self {
            key: PackedKey::new(&row.key),
            time: row.time,
            arrival: row.arrival,
            row: row.row,
            offset: row.offset,
            labels: row.labels,
            folded: (!row.folded.is_empty()).then(|| Box::new(row.folded)),
            partition: row.partition,
            corrections: row.corrections,
            next: NIL,
            input: row.input,
            flags: LIVE | if row.matched { MATCHED } else { 0 },
        }
    }

    pub fn unpack(&self) -> Row {
        Row {
            key: self.key.unpack(),
            input: self.input,
            time: self.time,
            arrival: self.arrival,
            row: self.row,
            partition: self.partition,
            offset: self.offset,
            labels: self.labels,
            matched: self.matched(),
            corrections: self.corrections,
            folded: self.folded.as_deref().cloned().unwrap_or_default(),
        }
    }

    pub fn reference(&self) -> Ref {
        Ref {
            input: self.input,
            row: self.row,
            arrival: self.arrival,
            partition: self.partition,
            offset: self.offset,
            time: self.time,
        }
    }

    /// Reads both ends, so that all of it is near; what it gives says nothing.
    #[inline]
    pub fn touch(&self) -> u64 {
        u64::from(matches!(self.key, PackedKey::None)) ^ u64::from(self.flags)
    }

    #[inline]
    pub fn live(&self) -> bool {
        self.flags & LIVE != 0
    }

    #[inline]
    pub fn matched(&self) -> bool {
        self.flags & MATCHED != 0
    }

    pub fn set_matched(&mut self) {
        self.flags |= MATCHED;
    }

    #[inline]
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    #[inline]
    pub fn set(&mut self, flag: u8) {
        self.flags |= flag;
    }

    pub fn clear(&mut self, flag: u8) {
        self.flags &= !flag;
    }

    /// Whether the last checkpoint holds it, or it was copied for the next one.
    #[inline]
    pub fn held(&self) -> bool {
        self.has(HELD)
    }

    /// Whether the row carries the timer of its key and input, where the join
    /// sets one for each (`flink-sql`). What it carries stands in `corrections`,
    /// which is of no other use there, so that checkpoints hold it.
    #[inline]
    pub fn timed(&self) -> bool {
        self.corrections & TIMED != 0
    }

    /// Whether the row itself is gone and only its timer is left.
    #[inline]
    pub fn ghost(&self) -> bool {
        self.corrections & GHOST != 0
    }

    /// Whether this is still the row that a timer was set for.
    #[inline]
    pub fn is(&self, due: &Due) -> bool {
        self.live() && self.arrival == due.arrival && self.input == due.input
    }

    /// Bytes outside the slot, with the allocator's share.
    pub fn heap(&self) -> usize {
        self.key.heap() + self.folded.as_deref().map_or(0, folded_bytes)
    }
}

pub fn folded_bytes(folded: &Vec<Folded>) -> usize {
    size_of::<Vec<Folded>>() + 8 + folded.capacity() * size_of::<Folded>()
}

/// Slots in chunks, so that growing copies nothing. The last one freed is
/// reused first: it is still in the processor's cache.
#[derive(Debug)]
pub struct Slab {
    chunks: Vec<Vec<Slot>>,
    first_free: SlotId,
    live: usize,
}

const CHUNK_BITS: u32 = 12;
const CHUNK: usize = 1 << CHUNK_BITS;

impl Slab {
    pub fn new() -> Self {
        Self { chunks: Vec::new(), first_free: NIL, live: 0 }
    }

    /// Rows that rest here.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Slots that were ever in use.
    pub fn slots(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// `None` if 2^31 rows are here already.
    #[inline]
    pub fn insert(&mut self, slot: Slot) -> Option<SlotId> {
        let id = self.first_free;
        if id != NIL {
            let place = self.get_mut(id);
            let next = place.next;
            *place = slot;
            self.first_free = next;
            self.live += 1;
            return Some(id);
        }
        self.grow(slot)
    }

    fn grow(&mut self, slot: Slot) -> Option<SlotId> {
        let id = self.slots();
        if id >= MOST {
            return None;
        }
        if id.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks.last_mut()?.push(slot);
        self.live += 1;
        Some(id as SlotId)
    }

    /// Frees a slot and gives out what it held.
    #[inline]
    pub fn remove(&mut self, id: SlotId) -> Slot {
        let next = self.first_free;
        let place = self.get_mut(id);
        let (key, folded) = (std::mem::take(&mut place.key), place.folded.take());
        let slot = Slot { key, folded, ..*place };
        // What else it holds is of no use to anybody.
        (place.flags, place.next) = (0, next);
        self.first_free = id;
        self.live -= 1;
        slot
    }

    #[inline]
    pub fn get(&self, id: SlotId) -> &Slot {
        &self.chunks[(id >> CHUNK_BITS) as usize][id as usize % CHUNK]
    }

    #[inline]
    pub fn get_mut(&mut self, id: SlotId) -> &mut Slot {
        &mut self.chunks[(id >> CHUNK_BITS) as usize][id as usize % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyValue;

    #[test]
    fn a_slot_is_eighty_bytes() {
        assert_eq!(size_of::<PackedKey>(), 16);
        assert_eq!(size_of::<Slot>(), 80);
    }

    #[test]
    fn keys_of_every_length_pack() {
        for n in 0..40 {
            let text = "k".repeat(n);
            let key = Key::new(KeyValue::String(&text));
            assert_eq!(PackedKey::new(&key).unpack(), key);
        }
    }
}
