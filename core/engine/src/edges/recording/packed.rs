//! Records in memory as they lie in a file, each found by partition and offset
//! without decoding others.

use std::collections::HashMap;

use bytes::Bytes;
use foldhash::fast::RandomState;

use super::building::Building;
use super::chunk::{self, Item};
use super::envelope::{self, Draft};
use super::wire;
use crate::operator::record::Record;

/// Up to so many lanes are looked through; of more their numbers are kept.
const FEW: usize = 32;

/// Where records lie, by partition and offset. Offsets come in their order.
#[derive(Debug, Default)]
pub(super) struct ByOffset {
    lanes: Vec<Lane>,
    /// Each partition's newest lane, where they are not few.
    newest: HashMap<u32, u32, RandomState>,
}

/// Records of one partition. Behind a gap that a number of 32 bits does not span
/// another lane of it begins.
#[derive(Debug)]
struct Lane {
    source: u32,
    /// The partition's lane before this one.
    before: Option<u32>,
    first: i64,
    /// Offset, counted from the first, and place.
    places: Vec<(u32, u32)>,
}

impl Lane {
    fn ahead(&self, offset: i64) -> Option<u32> {
        u32::try_from(offset.checked_sub(self.first)?).ok()
    }
}

impl ByOffset {
    fn newest(&self, source: u32) -> Option<u32> {
        if self.lanes.len() > FEW {
            return self.newest.get(&source).copied();
        }
        self.lanes.iter().rposition(|lane| lane.source == source).map(|at| at as u32)
    }

    pub(super) fn add(&mut self, source: u32, offset: i64, at: u32) {
        let before = self.newest(source);
        if let Some(lane) = before
            && let Some(lane) = self.lanes.get_mut(lane as usize)
            && let Some(ahead) = lane.ahead(offset)
        {
            lane.places.push((ahead, at));
            return;
        }
        self.lanes.push(Lane { source, before, first: offset, places: vec![(0, at)] });
        let lanes = self.lanes.len();
        if lanes > FEW {
            let known = if self.newest.is_empty() { 0 } else { lanes - 1 };
            for (number, lane) in self.lanes.iter().enumerate().skip(known) {
                self.newest.insert(lane.source, number as u32);
            }
        }
    }

    pub(super) fn find(&self, source: u32, offset: i64) -> Option<u32> {
        let mut lane = &self.lanes[self.newest(source)? as usize];
        while lane.first > offset {
            lane = &self.lanes[lane.before? as usize];
        }
        let ahead = lane.ahead(offset)?;
        // Mostly there are no gaps.
        let guess = lane.places.get(ahead as usize);
        if let Some((_, at)) = guess.filter(|(found, _)| *found == ahead) {
            return Some(*at);
        }
        let i = lane.places.binary_search_by_key(&ahead, |(ahead, _)| *ahead).ok()?;
        Some(lane.places[i].1)
    }

    pub(super) fn records(&self) -> usize {
        self.lanes.iter().map(|lane| lane.places.len()).sum()
    }

    /// Bytes.
    fn memory(&self) -> usize {
        let places: usize = self.lanes.iter().map(|lane| lane.places.capacity()).sum();
        places * size_of::<(u32, u32)>()
            + self.lanes.capacity() * size_of::<Lane>()
            + self.newest.capacity() * size_of::<(u32, u32)>()
    }

    /// Each partition's first offset.
    fn firsts(&self) -> impl Iterator<Item = (u32, i64)> + '_ {
        let first = self.lanes.iter().filter(|lane| lane.before.is_none());
        first.map(|lane| (lane.source, lane.first))
    }
}

/// Records that came together, as messages of a chunk in one piece of memory.
#[derive(Debug, Default)]
pub struct Packed {
    bytes: Bytes,
    places: ByOffset,
    memory: usize,
}

impl Packed {
    fn new(bytes: Bytes, places: ByOffset) -> Self {
        let memory = bytes.len() + places.memory() + size_of::<Self>();
        Self { bytes, places, memory }
    }

    /// Copies them. Offsets increase within a partition; all together are
    /// smaller than 4 GiB.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let mut building = Building::default();
        let mut places = ByOffset::default();
        for record in records {
            places.add(record.source, record.offset, building.bytes.len() as u32);
            let headers = record.headers.iter().map(|h| (&*h.key, h.value.as_deref()));
            building.message(
                (record.source as u16).wrapping_add(1),
                record.arrival as u32,
                record.arrival_ns as u64,
                wire::publish_time(record.timestamp),
                |out, few| envelope::encode(out, few, &Draft::from(record), headers),
            );
        }
        building.bytes.shrink_to_fit();
        Self::new(building.bytes.into(), places)
    }

    /// Records that a writer was given one after the other, as they lie in its
    /// [chunks](super::Writer::chunks): nothing is encoded again but what is in none
    /// of them.
    #[must_use]
    pub fn written(chunks: Vec<Bytes>, records: &[Record]) -> Vec<Self> {
        let mut rest = records.iter();
        let mut all = Vec::with_capacity(chunks.len());
        for bytes in chunks {
            let (mut at, mut places) = (0, ByOffset::default());
            while at < bytes.len() {
                let from = at;
                match chunk::next(&bytes, &mut at) {
                    Some(Item::Message(message)) if message.channel > 0 => {
                        let Some(record) = rest.next() else { break };
                        places.add(record.source, record.offset, from as u32);
                    }
                    Some(_) => {}
                    None => break,
                }
            }
            if places.records() > 0 {
                all.push(Self::new(bytes, places));
            }
        }
        if !rest.as_slice().is_empty() {
            all.push(Self::of(rest.as_slice()));
        }
        all
    }

    /// Its bytes for one thread's [`Packed::get`]: who holds records of them is
    /// counted for that thread alone.
    #[must_use]
    pub fn at_hand(&self) -> Bytes {
        Bytes::from_owner(self.bytes.clone())
    }

    /// Puts the record of a partition ([`Record::source`]) at an offset into `into`;
    /// `None`: it is not here. `bytes` are its own, [at hand](Packed::at_hand).
    #[must_use]
    pub fn get(&self, bytes: &Bytes, source: u32, offset: i64, into: &mut Record) -> Option<()> {
        let mut at = self.places.find(source, offset)? as usize;
        let Some(Item::Message(message)) = chunk::next(bytes, &mut at) else { return None };
        *into = Record { arrival_ns: message.log_time as i64, source, ..Record::default() };
        envelope::decode_into(into, bytes, message.start, message.end)
    }

    /// Each partition's first offset.
    pub fn firsts(&self) -> impl Iterator<Item = (u32, i64)> + '_ {
        self.places.firsts()
    }

    /// Bytes of memory, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::tests::records;

    #[test]
    fn what_no_chunk_holds_is_packed_all_the_same() {
        let records = records(3, 50);
        let packed = Packed::written(Vec::new(), &records);
        assert_eq!(packed.len(), 1);
        for record in &records {
            let mut got = Record::default();
            packed[0]
                .get(&packed[0].at_hand(), record.source, record.offset, &mut got)
                .expect("it is there");
            assert_eq!(got, *record);
        }
    }

    #[test]
    fn places_are_found_across_gaps_of_any_width() {
        let wide = i64::from(u32::MAX);
        let offsets =
            [-5, -4, -1, 7, wide - 5, wide + 2, wide + 3, 9 * wide, i64::MAX - 1, i64::MAX];
        let mut places = ByOffset::default();
        for (at, offset) in offsets.iter().enumerate() {
            places.add(1, *offset, at as u32);
            places.add(0, *offset - 3, 100 + at as u32);
        }
        for (at, offset) in offsets.iter().enumerate() {
            assert_eq!(places.find(1, *offset), Some(at as u32), "{offset}");
            assert_eq!(places.find(0, *offset - 3), Some(100 + at as u32), "{offset}");
        }
        for offset in [i64::MIN, -6, -3, 0, 8, wide + 1, 2 * wide, 9 * wide + 1] {
            assert_eq!(places.find(1, offset), None, "{offset}");
        }
        assert_eq!(places.firsts().collect::<Vec<_>>(), [(1, -5), (0, -8)]);
        assert_eq!(places.records(), 2 * offsets.len());
    }

    /// Each record went through the partitions of all that came together with it.
    #[test]
    fn of_many_partitions_each_is_found() {
        let mut places = ByOffset::default();
        let far = |source: u32| i64::from(source) << 34;
        for turn in 0..3 {
            for source in 0..5 * FEW as u32 {
                // Every third has a lane for each turn.
                let gap = if source % 3 == 0 { i64::from(turn) << 33 } else { 0 };
                places.add(source, far(source) + gap + i64::from(turn), 1_000 * turn + source);
                assert_eq!(places.find(source, far(source)), Some(source));
            }
        }
        for source in 0..5 * FEW as u32 {
            let gap = if source % 3 == 0 { 2i64 << 33 } else { 0 };
            let found = |offset| places.find(source, offset);
            assert_eq!(found(far(source) + gap + 2), Some(2_000 + source));
            assert_eq!([found(far(source) - 1), found(far(source) + gap + 3)], [None; 2]);
        }
        assert_eq!(places.find(5 * FEW as u32, 0), None);
        assert!(places.firsts().eq((0..5 * FEW as u32).map(|source| (source, far(source)))));
    }
}
