//! Where each chunk stands in the file, and which offsets of which partition
//! are in it: the way from a record's name or position to its bytes.

use std::fmt::Write as _;

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
    /// Its spans are `spans[..end]`, from the end of the chunk before.
    pub spans_end: u32,
}

/// All chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    pub chunks: Vec<ChunkEntry>,
    spans: Vec<Span>,
    /// Records before each chunk.
    before: Vec<u64>,
    /// Chunks with records of each partition, with the first offset.
    by_source: Vec<Vec<(i64, u32)>>,
}

impl Index {
    /// Adds the next chunk.
    pub fn push(&mut self, byte: u64, length: u64, spans: &[Span]) {
        let chunk = self.chunks.len() as u32;
        let mut records = 0;
        for span in spans {
            records += span.records;
            let source = span.source as usize;
            if self.by_source.len() <= source {
                self.by_source.resize(source + 1, Vec::new());
            }
            self.by_source[source].push((span.first_offset, chunk));
        }
        self.before.push(self.records());
        self.spans.extend_from_slice(spans);
        let spans_end = self.spans.len() as u32;
        self.chunks.push(ChunkEntry { byte, length, records, part: 0, spans_end });
    }

    /// Adds the chunks of another part, which follow.
    pub fn append(&mut self, later: &Self, part: u16) {
        for (chunk, entry) in later.chunks.iter().enumerate() {
            self.push(entry.byte, entry.length, later.spans(chunk));
            if let Some(last) = self.chunks.last_mut() {
                last.part = part;
            }
        }
    }

    /// Records of all chunks.
    pub fn records(&self) -> u64 {
        match (self.before.last(), self.chunks.last()) {
            (Some(before), Some(chunk)) => before + u64::from(chunk.records),
            _ => 0,
        }
    }

    /// The partitions of a chunk.
    pub fn spans(&self, chunk: usize) -> &[Span] {
        let start = if chunk == 0 { 0 } else { self.chunks[chunk - 1].spans_end };
        &self.spans[start as usize..self.chunks[chunk].spans_end as usize]
    }

    /// Records before a chunk.
    pub fn before(&self, chunk: usize) -> u64 {
        self.before[chunk]
    }

    /// The chunk of the record at a position.
    pub fn chunk_at(&self, position: u64) -> Option<usize> {
        (position < self.records()).then(|| self.before.partition_point(|&b| b <= position) - 1)
    }

    /// The chunk that has the offset of the partition, if any does.
    pub fn chunk_of(&self, source: u32, offset: i64) -> Option<usize> {
        let chunks = self.by_source.get(source as usize)?;
        let at = chunks.partition_point(|&(first, _)| first <= offset).checked_sub(1)?;
        let chunk = chunks[at].1 as usize;
        let inside = |s: &Span| s.source == source && s.last_offset >= offset;
        self.spans(chunk).iter().any(inside).then_some(chunk)
    }

    /// The last chunk that has a record of the partition before an offset.
    pub fn last_before(&self, source: u32, offset: i64) -> Option<(usize, Span)> {
        let chunks = self.by_source.get(source as usize)?;
        let at = chunks.partition_point(|&(first, _)| first < offset).checked_sub(1)?;
        let chunk = chunks[at].1 as usize;
        let span = self.spans(chunk).iter().find(|s| s.source == source)?;
        Some((chunk, *span))
    }

    /// Where the chunks from `from` on end of which one metadata record says where they
    /// are: at most so many, and at most so many spans, but one chunk in any case.
    pub fn map_end(&self, from: usize, chunks: usize, spans: usize) -> usize {
        let before = from.checked_sub(1).map_or(0, |last| self.chunks[last].spans_end);
        let fits = |chunk: &&ChunkEntry| (chunk.spans_end - before) as usize <= spans;
        from + self.chunks[from..].iter().take(chunks).take_while(fits).count().max(1)
    }

    /// Chunks `from..to` as a metadata record: number → place and spans.
    pub fn map(&self, from: usize, to: usize) -> Map {
        let mut map = Map::new();
        for chunk in from..to {
            let entry = &self.chunks[chunk];
            let mut text = format!("{} {}", entry.byte, entry.length);
            for s in self.spans(chunk) {
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
            (key.parse::<usize>().ok()? == self.chunks.len()).then_some(())?;
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

#[cfg(test)]
mod tests {
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
        let before = |source, offset| index.last_before(source, offset).map(|(chunk, _)| chunk);
        assert_eq!(
            [0, 1, 5, 6, 99].map(|o| before(0, o)),
            [None, Some(0), Some(0), Some(2), Some(2)]
        );
        let mut back = Index::default();
        back.read(&index.map(0, 2), 3).unwrap();
        back.read(&index.map(2, 3), 3).unwrap();
        assert_eq!(back, index);
        assert_eq!(Index::default().read(&index.map(0, 3), 2), None);
    }
}
