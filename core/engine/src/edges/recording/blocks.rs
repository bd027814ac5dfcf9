//! Chunks of an index in little memory: a few that stand one after the other as one
//! piece of bytes. Of a chunk that follows the one before it, and of a partition whose
//! offsets go on without a gap, little is left to say.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::envelope::{Scan, put_varint, unzigzag, zigzag};
use super::index::{ChunkEntry, Span};

/// Chunks of a block, at most …
const CHUNKS: usize = 16;
/// … and partitions in all, unless its last chunk has more: what one question unpacks.
const SPANS: usize = 512;

/// Chunks that follow one another, unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The number of the first.
    first: usize,
    entries: Vec<ChunkEntry>,
    spans: Vec<Span>,
    /// Where each chunk's spans end.
    ends: Vec<usize>,
}

impl Group {
    /// Without a chunk so far; the first is the one numbered so.
    pub fn behind(first: usize) -> Self {
        Self { first, ..Self::default() }
    }

    pub fn first(&self) -> usize {
        self.first
    }

    pub fn chunks(&self) -> usize {
        self.entries.len()
    }

    pub fn entries(&self) -> &[ChunkEntry] {
        &self.entries
    }

    pub fn is_full(&self) -> bool {
        self.entries.len() >= CHUNKS || self.spans.len() >= SPANS
    }

    pub fn push(&mut self, entry: ChunkEntry, spans: &[Span]) {
        self.entries.push(entry);
        self.spans.extend_from_slice(spans);
        self.ends.push(self.spans.len());
    }

    fn spans_of(&self, at: usize) -> &[Span] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.spans[start..self.ends[at]]
    }

    /// A chunk, by its number among all, and its partitions.
    pub fn get(&self, chunk: usize) -> Option<(ChunkEntry, &[Span])> {
        let at = chunk.checked_sub(self.first)?;
        Some((*self.entries.get(at)?, self.spans_of(at)))
    }

    /// The chunk of a span.
    fn chunk_of(&self, span: usize) -> usize {
        self.first + self.ends.partition_point(|end| *end <= span)
    }

    /// The last chunk whose first offset of the partition is not larger than `offset`.
    pub fn last_from(&self, source: u32, offset: i64) -> Option<(usize, Span)> {
        let of = |span: &Span| span.source == source && span.first_offset <= offset;
        let at = self.spans.iter().rposition(of)?;
        Some((self.chunk_of(at), self.spans[at]))
    }

    /// The first chunk that has a record of the partition behind an offset.
    pub fn first_behind(&self, source: u32, offset: i64) -> Option<(usize, Span)> {
        let of = |span: &Span| span.source == source && span.last_offset > offset;
        let at = self.spans.iter().position(of)?;
        Some((self.chunk_of(at), self.spans[at]))
    }

    /// The first chunk with the partition.
    pub fn first_of(&self, source: u32) -> Option<usize> {
        let at = self.spans.iter().position(|span| span.source == source)?;
        Some(self.chunk_of(at))
    }
}

/// The same, packed:
///
/// - how many chunks; how many partitions, of each its number and its first offset;
/// - of each chunk the bytes between it and the end of the one before, its length, how
///   many spans;
/// - of each span: twice the partition's place among those, and one more where offsets
///   are missing; how many records; where offsets are missing how many before it, and in
///   it.
///
/// Numbers are protobuf's varints, those that may be negative zigzag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The number of the first chunk, and its part.
    first: u32,
    part: u16,
    /// Records before it.
    before: u64,
    /// Where it stands.
    byte: u64,
    bytes: Box<[u8]>,
}

/// Offsets that are missing before a span, behind the partition's last one, and in it.
fn missing(span: &Span, last: i64) -> (i64, i64) {
    let before = span.first_offset.wrapping_sub(last).wrapping_sub(1);
    let offsets = span.last_offset.wrapping_sub(span.first_offset).wrapping_add(1);
    (before, offsets.wrapping_sub(i64::from(span.records)))
}

impl Block {
    /// `None`: there is no chunk.
    pub fn of(group: &Group) -> Option<Self> {
        let first = group.entries.first()?;
        let mut bytes = Vec::with_capacity(16 * group.entries.len() + 4 * group.spans.len());
        put_varint(&mut bytes, group.entries.len() as u64);
        // Of each partition its place, and the last offset so far.
        let mut known: HashMap<u32, (u64, i64), RandomState> = HashMap::default();
        let mut sources = Vec::new();
        for span in &group.spans {
            let next = known.len() as u64;
            known.entry(span.source).or_insert_with(|| {
                put_varint(&mut sources, u64::from(span.source));
                put_varint(&mut sources, zigzag(span.first_offset));
                (next, span.first_offset.wrapping_sub(1))
            });
        }
        put_varint(&mut bytes, known.len() as u64);
        bytes.extend_from_slice(&sources);
        let mut end = first.byte;
        for (at, entry) in group.entries.iter().enumerate() {
            let spans = group.spans_of(at);
            put_varint(&mut bytes, zigzag(entry.byte.wrapping_sub(end) as i64));
            put_varint(&mut bytes, entry.length);
            put_varint(&mut bytes, spans.len() as u64);
            end = entry.byte.wrapping_add(entry.length);
            for span in spans {
                let (place, last) = known.entry(span.source).or_default();
                let (before, within) = missing(span, *last);
                let plain = before == 0 && within == 0;
                put_varint(&mut bytes, 2 * *place + u64::from(!plain));
                put_varint(&mut bytes, u64::from(span.records));
                if !plain {
                    put_varint(&mut bytes, zigzag(before));
                    put_varint(&mut bytes, zigzag(within));
                }
                *last = span.last_offset;
            }
        }
        Some(Self {
            first: group.first as u32,
            part: first.part,
            before: first.before,
            byte: first.byte,
            bytes: bytes.into(),
        })
    }

    pub fn first(&self) -> usize {
        self.first as usize
    }

    pub fn before(&self) -> u64 {
        self.before
    }

    pub fn part(&self) -> u16 {
        self.part
    }

    /// Bytes beside itself.
    #[cfg(test)]
    pub fn packed(&self) -> usize {
        self.bytes.len()
    }

    /// The same as it is behind so many chunks and records, of a part.
    #[must_use]
    pub fn behind(self, chunks: usize, records: u64, part: u16) -> Self {
        Self { first: self.first + chunks as u32, before: self.before + records, part, ..self }
    }

    pub fn group(&self) -> Group {
        self.unpack().unwrap_or_else(|| Group::behind(self.first()))
    }

    fn unpack(&self) -> Option<Group> {
        let mut from = Scan::new(&self.bytes);
        let chunks = from.varint()? as usize;
        let partitions = from.varint()? as usize;
        // Of each its number, and the last offset so far.
        let mut known = Vec::with_capacity(partitions);
        for _ in 0..partitions {
            let source = from.varint()? as u32;
            known.push((source, unzigzag(from.varint()?).wrapping_sub(1)));
        }
        let mut group = Group {
            first: self.first(),
            entries: Vec::with_capacity(chunks),
            // Most chunks have most of the partitions.
            spans: Vec::with_capacity((partitions * chunks).min(partitions.max(SPANS))),
            ends: Vec::with_capacity(chunks),
        };
        let (mut end, mut before) = (self.byte, self.before);
        for _ in 0..chunks {
            let byte = end.wrapping_add(unzigzag(from.varint()?) as u64);
            let length = from.varint()?;
            let mut records = 0;
            for _ in 0..from.varint()? {
                let span = span(&mut from, &mut known)?;
                records += span.records;
                group.spans.push(span);
            }
            group.entries.push(ChunkEntry { byte, length, records, part: self.part, before });
            group.ends.push(group.spans.len());
            end = byte.wrapping_add(length);
            before += u64::from(records);
        }
        Some(group)
    }
}

fn span(from: &mut Scan<'_>, known: &mut [(u32, i64)]) -> Option<Span> {
    let place = from.varint()?;
    let (source, last) = known.get_mut((place / 2) as usize)?;
    let records = from.varint()? as u32;
    let (before, within) = match place % 2 {
        0 => (0, 0),
        _ => (unzigzag(from.varint()?), unzigzag(from.varint()?)),
    };
    let first_offset = last.wrapping_add(1).wrapping_add(before);
    let offsets = within.wrapping_add(i64::from(records));
    let last_offset = first_offset.wrapping_add(offsets).wrapping_sub(1);
    *last = last_offset;
    Some(Span { source: *source, records, first_offset, last_offset })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span() -> impl Strategy<Value = Span> {
        let offset = prop_oneof![any::<i64>(), 0..100i64, Just(i64::MAX), Just(i64::MIN)];
        (0..5u32, prop_oneof![0..4u32, any::<u32>()], offset.clone(), offset).prop_map(
            |(source, records, first_offset, last_offset)| Span {
                source: if source == 4 { u32::MAX } else { source },
                records,
                first_offset,
                last_offset,
            },
        )
    }

    proptest! {
        /// Also what no writer writes: a file says what it likes.
        #[test]
        fn whatever_a_file_says_comes_back(
            chunks in proptest::collection::vec(
                (any::<u64>(), any::<u64>(), proptest::collection::vec(span(), 0..4)),
                1..20,
            ),
        ) {
            let mut group = Group::behind(7);
            let mut before = 3;
            for (byte, length, mut spans) in chunks {
                // In all no more than the index takes.
                spans.iter_mut().for_each(|span| span.records /= 8);
                let records = spans.iter().map(|span| span.records).sum();
                group.push(ChunkEntry { byte, length, records, part: 2, before }, &spans);
                before += u64::from(records);
            }
            let block = Block::of(&group).unwrap();
            prop_assert_eq!(block.group(), group.clone());
            let behind = block.behind(100, 1_000, 9);
            prop_assert_eq!((behind.first(), behind.before()), (107, 1_003));
            let (last, spans) = behind.group().get(106 + group.chunks()).map(|(e, s)| (e, s.to_vec())).unwrap();
            prop_assert_eq!(last.part, 9);
            prop_assert_eq!(spans, group.get(6 + group.chunks()).unwrap().1);
        }
    }

    #[test]
    fn nothing_is_no_block() {
        assert_eq!(Block::of(&Group::behind(3)), None);
        assert_eq!(Group::behind(3).get(3), None);
        assert_eq!(Group::behind(3).get(2), None);
    }
}
