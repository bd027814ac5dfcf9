//! Where each chunk stands in the file, and which offsets of which partition
//! are in it: the way from a record's name or position to its bytes.
//!
//! A day of a live run is a million chunks and more: the index is kept in blocks of a few
//! chunks, as differences (`blocks`), and a question unpacks one of them.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::blocks::{Block, Group};
use super::meta::Map;

/// The records of one partition in one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub source: u32,
    pub records: u32,
    pub first_offset: i64,
    pub last_offset: i64,
}

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkEntry {
    /// Position of its opcode in the file.
    pub byte: u64,
    /// Length with opcode and length field.
    pub length: u64,
    pub records: u32,
    /// The part that it is in, of a recording of several files.
    pub part: u16,
    /// Records before it.
    pub before: u64,
}

/// All chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    blocks: Vec<Block>,
    /// The chunks behind the blocks, until they are a block.
    open: Group,
    lanes: Vec<Lane>,
    records: u64,
}

/// The blocks with records of one partition, and the first offset in each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lane {
    firsts: Vec<i64>,
    blocks: Vec<u32>,
}

impl Index {
    /// Adds the next chunk.
    pub fn push(&mut self, byte: u64, length: u64, spans: &[Span]) {
        let block = self.blocks.len() as u32;
        let mut records = 0;
        for span in spans {
            records += span.records;
            let source = span.source as usize;
            if self.lanes.len() <= source {
                self.lanes.resize_with(source + 1, Lane::default);
            }
            let lane = &mut self.lanes[source];
            if lane.blocks.last() != Some(&block) {
                lane.blocks.push(block);
                lane.firsts.push(span.first_offset);
            }
        }
        self.open.push(ChunkEntry { byte, length, records, part: 0, before: self.records }, spans);
        self.records += u64::from(records);
        if self.open.is_full() {
            self.seal();
        }
    }

    /// Makes a block of the chunks that are none yet.
    fn seal(&mut self) {
        let first = self.chunks();
        if let Some(block) = Block::of(&self.open) {
            self.blocks.push(block);
            self.open = Group::behind(first);
        }
    }

    /// Adds the chunks of another part, which follow.
    pub fn append(&mut self, mut later: Self, part: u16) {
        self.seal();
        later.seal();
        let (chunks, before, blocks) = (self.chunks(), self.records, self.blocks.len() as u32);
        self.blocks
            .extend(later.blocks.into_iter().map(|block| block.behind(chunks, before, part)));
        self.open = Group::behind(chunks + later.open.first());
        if self.lanes.len() < later.lanes.len() {
            self.lanes.resize_with(later.lanes.len(), Lane::default);
        }
        for (lane, more) in self.lanes.iter_mut().zip(later.lanes) {
            lane.firsts.extend(more.firsts);
            lane.blocks.extend(more.blocks.into_iter().map(|block| blocks + block));
        }
        self.records += later.records;
    }

    /// The chunks of the first so many parts.
    #[must_use]
    pub fn of_parts(&self, parts: usize) -> Self {
        let mut these = self.clone();
        these.seal();
        let blocks = these.blocks.partition_point(|block| usize::from(block.part()) < parts);
        if let Some(next) = these.blocks.get(blocks) {
            these.records = next.before();
            these.open = Group::behind(next.first());
            these.blocks.truncate(blocks);
            for lane in &mut these.lanes {
                let kept = lane.blocks.partition_point(|block| (*block as usize) < blocks);
                lane.blocks.truncate(kept);
                lane.firsts.truncate(kept);
            }
        }
        these
    }

    /// No chunk will follow: memory for more is given back.
    pub fn shrink(&mut self) {
        self.blocks.shrink_to_fit();
        self.lanes.shrink_to_fit();
        for lane in &mut self.lanes {
            lane.firsts.shrink_to_fit();
            lane.blocks.shrink_to_fit();
        }
    }

    /// Bytes.
    #[cfg(test)]
    fn memory(&self) -> usize {
        let lane = |lane: &Lane| lane.firsts.capacity() * 8 + lane.blocks.capacity() * 4;
        size_of::<Self>()
            + self.blocks.capacity() * size_of::<Block>()
            + self.blocks.iter().map(Block::packed).sum::<usize>()
            + self.lanes.capacity() * size_of::<Lane>()
            + self.lanes.iter().map(lane).sum::<usize>()
    }

    /// How many there are.
    pub fn chunks(&self) -> usize {
        self.open.first() + self.open.chunks()
    }

    /// Records of all chunks.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// A chunk; [`Cursor`] is for many.
    pub fn entry(&self, chunk: usize) -> Option<ChunkEntry> {
        Some(self.group_of(chunk)?.get(chunk)?.0)
    }

    /// The partitions of a chunk.
    #[cfg(test)]
    pub fn spans(&self, chunk: usize) -> Vec<Span> {
        Cursor::default().get(self, chunk).map_or_else(Vec::new, |(_, spans)| spans.to_vec())
    }

    /// The chunks of a block; those that are none yet are the last.
    fn group(&self, block: usize) -> Cow<'_, Group> {
        match self.blocks.get(block) {
            Some(block) => Cow::Owned(block.group()),
            None => Cow::Borrowed(&self.open),
        }
    }

    /// The chunks around one.
    fn group_of(&self, chunk: usize) -> Option<Cow<'_, Group>> {
        if chunk >= self.open.first() {
            return (chunk < self.chunks()).then_some(Cow::Borrowed(&self.open));
        }
        let behind = self.blocks.partition_point(|block| block.first() <= chunk);
        Some(self.group(behind.checked_sub(1)?))
    }

    /// The chunk of the record at a position.
    pub fn chunk_at(&self, position: u64) -> Option<usize> {
        if position >= self.records {
            return None;
        }
        let behind = self.blocks.partition_point(|block| block.before() <= position);
        let group = match self.open.entries().first() {
            Some(first) if first.before <= position => Cow::Borrowed(&self.open),
            _ => self.group(behind.checked_sub(1)?),
        };
        let at = group.entries().partition_point(|entry| entry.before <= position);
        Some(group.first() + at.checked_sub(1)?)
    }

    /// The last chunk whose first offset of the partition is not larger than `offset`.
    fn last_from(&self, source: u32, offset: i64) -> Option<(usize, Span)> {
        let lane = self.lanes.get(source as usize)?;
        let at = lane.firsts.partition_point(|first| *first <= offset).checked_sub(1)?;
        self.group(lane.blocks[at] as usize).last_from(source, offset)
    }

    /// The chunk that has the offset of the partition, if any does.
    pub fn chunk_of(&self, source: u32, offset: i64) -> Option<usize> {
        let (chunk, span) = self.last_from(source, offset)?;
        (offset <= span.last_offset).then_some(chunk)
    }

    /// The first chunk that has a record of the partition behind an offset.
    pub fn first_behind(&self, source: u32, offset: i64) -> Option<(usize, Span)> {
        let lane = self.lanes.get(source as usize)?;
        let at = lane.firsts.partition_point(|first| *first <= offset).saturating_sub(1);
        // Where a block ends before it, the next one begins behind it.
        let mut blocks = lane.blocks[at..].iter().take(2);
        blocks.find_map(|block| self.group(*block as usize).first_behind(source, offset))
    }

    /// The first chunk with a record of the partition.
    pub fn first_of(&self, source: u32) -> Option<usize> {
        let block = *self.lanes.get(source as usize)?.blocks.first()?;
        self.group(block as usize).first_of(source)
    }

    /// Where the chunks from `from` on end of which one metadata record says where they
    /// are: at most so many, and at most so many spans, but one chunk in any case.
    pub fn map_end(&self, from: usize, chunks: usize, spans: usize) -> usize {
        let (mut cursor, mut to, mut held) = (Cursor::default(), from, 0);
        while to - from < chunks
            && let Some((_, of)) = cursor.get(self, to)
        {
            held += of.len();
            if held > spans {
                break;
            }
            to += 1;
        }
        to.max(from + 1)
    }

    /// Chunks `from..to` as a metadata record: number → place and spans.
    pub fn map(&self, from: usize, to: usize) -> Map {
        let (mut map, mut cursor) = (Map::new(), Cursor::default());
        for chunk in from..to {
            let Some((entry, spans)) = cursor.get(self, chunk) else { break };
            let mut text = format!("{} {}", entry.byte, entry.length);
            for s in spans {
                let _ = write!(
                    text,
                    ";{} {} {} {}",
                    s.source, s.records, s.first_offset, s.last_offset
                );
            }
            map.insert(format!("{chunk:010}"), text);
        }
        map
    }

    /// Adds what [`Index::map`] wrote; `None` if it is something else.
    pub fn read(&mut self, map: &Map, partitions: usize) -> Option<()> {
        let mut spans = Vec::new();
        for (key, text) in map.iter().filter(|(key, _)| *key != "crc32") {
            (key.parse::<usize>().ok()? == self.chunks()).then_some(())?;
            let mut parts = text.split(';');
            let (byte, length) = parts.next()?.split_once(' ')?;
            spans.clear();
            let mut records = 0u64;
            for part in parts {
                let mut numbers = part.split(' ');
                let span = Span {
                    source: numbers.next()?.parse().ok()?,
                    records: numbers.next()?.parse().ok()?,
                    first_offset: numbers.next()?.parse().ok()?,
                    last_offset: numbers.next()?.parse().ok()?,
                };
                records += u64::from(span.records);
                let sound = (span.source as usize) < partitions
                    && span.first_offset <= span.last_offset
                    && u32::try_from(records).is_ok();
                sound.then_some(())?;
                spans.push(span);
            }
            self.push(byte.parse().ok()?, length.parse().ok()?, &spans);
        }
        Some(())
    }
}

/// The way through an index's chunks one after the other, or in any order where many are
/// asked for that stand together. For one index only.
#[derive(Debug, Default)]
pub struct Cursor(Group);

impl Cursor {
    /// A chunk and its partitions; `None`: there are not so many.
    pub fn get(&mut self, index: &Index, chunk: usize) -> Option<(ChunkEntry, &[Span])> {
        if self.0.get(chunk).is_none() {
            self.0 = index.group_of(chunk)?.into_owned();
        }
        self.0.get(chunk)
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn one_record_has_so_many_chunks_and_so_many_partitions() {
        let mut index = Index::default();
        for spans in [2, 0, 1, 5, 1, 1, 1] {
            let span = |source| Span { source, records: 1, first_offset: 0, last_offset: 0 };
            index.push(8, 100, &(0..spans).map(span).collect::<Vec<_>>());
        }
        let ends = |chunks, spans| {
            let next = |from: &usize| (*from < 7).then(|| index.map_end(*from, chunks, spans));
            std::iter::successors(Some(0), next).skip(1).collect::<Vec<_>>()
        };
        assert_eq!(ends(100, 100), [7]);
        assert_eq!(ends(3, 100), [3, 6, 7]);
        // One with more than that stands alone.
        assert_eq!(ends(100, 3), [3, 4, 7]);
        assert_eq!(ends(2, 1), [1, 3, 4, 5, 6, 7]);
        let mut back = Index::default();
        let mut from = 0;
        for to in ends(2, 3) {
            back.read(&index.map(from, to), 5).unwrap();
            from = to;
        }
        assert_eq!(back, index);
    }

    #[test]
    fn finds_positions_and_offsets_and_round_trips() {
        let span = |source, records, first_offset, last_offset| Span {
            source,
            records,
            first_offset,
            last_offset,
        };
        let mut index = Index::default();
        index.push(8, 100, &[span(0, 3, 0, 2), span(2, 1, 7, 7)]);
        index.push(108, 50, &[]);
        index.push(158, 60, &[span(0, 2, 5, 9)]);
        assert_eq!(index.records(), 6);
        assert_eq!(
            [0, 3, 4, 5, 6].map(|p| index.chunk_at(p)),
            [Some(0), Some(0), Some(2), Some(2), None]
        );
        assert_eq!(index.chunk_of(0, 2), Some(0));
        assert_eq!(index.chunk_of(0, 3), None);
        assert_eq!(index.chunk_of(0, 6), Some(2));
        assert_eq!(index.chunk_of(0, 10), None);
        assert_eq!(index.chunk_of(2, 6), None);
        assert_eq!(index.chunk_of(9, 6), None);
        let behind = |source, offset| index.first_behind(source, offset).map(|(chunk, _)| chunk);
        assert_eq!(
            [-1, 1, 2, 8, 9].map(|o| behind(0, o)),
            [Some(0), Some(0), Some(2), Some(2), None]
        );
        let mut back = Index::default();
        back.read(&index.map(0, 2), 3).unwrap();
        back.read(&index.map(2, 3), 3).unwrap();
        assert_eq!(back, index);
        assert_eq!(Index::default().read(&index.map(0, 3), 2), None);
    }

    /// Chunks of several partitions, some without a record, some with gaps.
    fn chunks(seed: u64, n: usize, partitions: u32) -> Vec<(u64, u64, Vec<Span>)> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut byte, mut next) = (8, vec![0i64; partitions as usize]);
        let chunk = |_: usize| {
            let (mut spans, mut bytes) = (Vec::new(), 0);
            for source in 0..partitions {
                if random.random_bool(0.2) {
                    continue;
                }
                let records = random.random_range(1..10u32);
                let gap = i64::from(random.random_bool(0.1)) * random.random_range(1..9i64);
                let within = i64::from(random.random_bool(0.1)) * random.random_range(1..9i64);
                let next = &mut next[source as usize];
                let first_offset = *next + gap;
                let last_offset = first_offset + i64::from(records) - 1 + within;
                *next = last_offset + 1;
                bytes += 200 * u64::from(records);
                spans.push(Span { source, records, first_offset, last_offset });
            }
            let place = byte;
            byte += bytes + 500;
            (place, bytes + 40, spans)
        };
        (0..n).map(chunk).collect()
    }

    /// Every question is answered as by looking through all chunks.
    fn check(index: &Index, chunks: &[(u64, u64, Vec<Span>)], parts: &[usize]) {
        let mut before = 0;
        assert_eq!(index.chunks(), chunks.len());
        let mut cursor = Cursor::default();
        for (number, (byte, length, spans)) in chunks.iter().enumerate() {
            let records = spans.iter().map(|s| s.records).sum();
            let part = parts.iter().filter(|end| **end <= number).count() as u16;
            let entry = ChunkEntry { byte: *byte, length: *length, records, part, before };
            assert_eq!(index.entry(number), Some(entry));
            assert_eq!(cursor.get(index, number), Some((entry, &spans[..])));
            for position in before..before + u64::from(records) {
                assert_eq!(index.chunk_at(position), Some(number));
            }
            before += u64::from(records);
        }
        assert_eq!((index.records(), index.chunk_at(before)), (before, None));
        assert_eq!((index.entry(chunks.len()), cursor.get(index, chunks.len())), (None, None));
        for source in 0..5 {
            let of = |spans: &[Span]| spans.iter().find(|s| s.source == source).copied();
            let mine: Vec<(usize, Span)> =
                chunks.iter().enumerate().filter_map(|(n, c)| Some((n, of(&c.2)?))).collect();
            assert_eq!(index.first_of(source), mine.first().map(|(n, _)| *n));
            let last = mine.last().map_or(0, |(_, span)| span.last_offset);
            for offset in (-2..last + 3).chain([i64::MIN, i64::MAX]) {
                let has = |s: &Span| (s.first_offset..=s.last_offset).contains(&offset);
                let chunk = mine.iter().find(|(_, s)| has(s)).map(|(n, _)| *n);
                assert_eq!(index.chunk_of(source, offset), chunk, "{source} {offset}");
                let behind = mine.iter().find(|(_, s)| s.last_offset > offset).copied();
                assert_eq!(index.first_behind(source, offset), behind, "{source} {offset}");
            }
        }
    }

    #[test]
    fn it_answers_as_looking_through_all_chunks_does() {
        for n in [0, 1, 15, 16, 17, 100] {
            let chunks = chunks(n as u64, n, 4);
            let mut index = Index::default();
            for (byte, length, spans) in &chunks {
                index.push(*byte, *length, spans);
            }
            check(&index, &chunks, &[]);
            let mut back = Index::default();
            back.read(&index.map(0, n), 4).unwrap();
            back.shrink();
            assert_eq!(back, index);
            // In parts, some of them empty.
            for ends in [vec![0, n / 3, n / 3], vec![n / 2, n], vec![n.min(16)]] {
                let (mut whole, mut from) = (Index::default(), 0);
                for (part, to) in ends.iter().copied().chain([n]).enumerate() {
                    let mut one = Index::default();
                    for (byte, length, spans) in &chunks[from..to] {
                        one.push(*byte, *length, spans);
                    }
                    whole.append(one, part as u16);
                    from = to;
                }
                check(&whole, &chunks, &ends);
            }
        }
    }

    /// A day of a live run has 1.7 million of such chunks.
    #[test]
    fn a_chunk_costs_few_bytes() {
        let each = |partitions| {
            let mut index = Index::default();
            for (byte, length, spans) in chunks(1, 20_000, partitions) {
                index.push(byte, length, &spans);
            }
            index.shrink();
            index.memory() / index.chunks()
        };
        // Unpacked it would be 32 + 8, and 24 + 16 for each of their partitions.
        let [one, eight, many] = [each(1), each(8), each(200)];
        assert!(one < 16 && eight < 48 && many < 200 * 8, "{one} {eight} {many}");
    }
}
