//! Pyramids and ticks of a segment, as this format packs them and as the ones before
//! it laid them out: entry after entry.

use std::ops::Range;

use bytes::Bytes;

use super::segment::Segment;
use crate::run::blocks::Cache;
use crate::run::bytes::{i64_at, u32_at, u64_at};
use crate::run::error::{Result, RunError};
use crate::run::packed::{self, High, TICK_CHUNK, Tick, chunks_of};
use crate::run::summary::{LEVEL_CELLS, LEVEL_HIGHS, Section, packed_at};

/// Bytes of an entry of the formats before.
const CELL_WIDTH: usize = 8;
const HIGH_WIDTH: usize = 16;
const TICK_WIDTH: usize = 24;

impl Segment {
    /// The fences of a section, if it is packed.
    fn fences(&self, section: Section) -> Option<&[(u32, u32)]> {
        let at = packed_at(section)?;
        Some(self.summary.fences.as_ref()?.get(at)?.as_slice())
    }

    /// Bytes of some chunks of a section.
    fn bytes_of(
        &self,
        section: Section,
        fences: &[(u32, u32)],
        chunks: &Range<usize>,
    ) -> (u64, u64) {
        let at = |chunk: usize| fences.get(chunk).map(|f| u64::from(f.1));
        let end = self.summary.sections[section as usize].1;
        let from = at(chunks.start).unwrap_or(end);
        let to = if chunks.is_empty() { from } else { at(chunks.end).unwrap_or(end) };
        (from.min(end), to.min(end))
    }

    /// Has the disk begin with what [`Segment::cells`] of these blocks reads.
    pub fn expect_cells(&self, cache: &Cache, level: usize, blocks: &Range<u64>) {
        if let Some((from, to)) = self.place_of(LEVEL_CELLS[level], blocks) {
            cache.expect(self.index(), from, to - from);
        }
    }

    /// Where what [`Segment::highs`] of these blocks reads lies in the index file.
    pub fn place_of_highs(&self, level: usize, blocks: &Range<u64>) -> Option<(u64, u64)> {
        self.place_of(LEVEL_HIGHS[level], blocks)
    }

    fn place_of(&self, section: Section, blocks: &Range<u64>) -> Option<(u64, u64)> {
        let Some(fences) = self.fences(section) else { return self.place(section) };
        let chunks = chunks_of(fences, blocks.start, blocks.end);
        let (from, to) = self.bytes_of(section, fences, &chunks);
        let at = self.summary.sections[section as usize].0;
        Some((at + from, at + to.max(from)))
    }

    /// Each chunk with what lies in these blocks: its first block and its bytes.
    fn chunks(
        &self,
        cache: &Cache,
        section: Section,
        fences: &[(u32, u32)],
        chunks: Range<usize>,
        mut each: impl FnMut(u32, &[u8]) -> Option<()>,
    ) -> Result<()> {
        let damaged =
            || RunError::corrupt(&self.index().path, format!("its {section:?} are damaged"));
        let (from, to) = self.bytes_of(section, fences, &chunks);
        let bytes = self.bytes(cache, section, from, to)?;
        for n in chunks {
            let (block, begin) = fences[n];
            let end = fences.get(n + 1).map_or(to, |f| u64::from(f.1)).min(to);
            let within = u64::from(begin).checked_sub(from)..end.checked_sub(from);
            let (Some(a), Some(b)) = (within.start, within.end) else { return Err(damaged()) };
            let chunk = bytes.get(a as usize..b as usize).ok_or_else(damaged)?;
            each(block, chunk).ok_or_else(damaged)?;
        }
        Ok(())
    }

    /// Entries of the formats before that are of these blocks.
    fn plain(
        &self,
        cache: &Cache,
        section: Section,
        width: usize,
        blocks: &Range<u64>,
        block_of: impl Fn(&[u8]) -> u64,
    ) -> Result<Bytes> {
        let n = self.len(section, width);
        let find = |block: u64| {
            self.partition_point(cache, section, width, 0..n, |entry| block_of(entry) < block)
        };
        let (from, to) = (find(blocks.start)?, find(blocks.end)?);
        self.entries(cache, section, width, from, to)
    }

    /// The cells of a level in blocks `from..to`, and maybe others near them.
    pub fn cells(
        &self,
        cache: &Cache,
        level: usize,
        blocks: &Range<u64>,
        mut each: impl FnMut(u64),
    ) -> Result<()> {
        let section = LEVEL_CELLS[level];
        if let Some(fences) = self.fences(section) {
            let chunks = chunks_of(fences, blocks.start, blocks.end);
            return self.chunks(cache, section, fences, chunks, |block, bytes| {
                packed::cells(block, bytes, &mut each)
            });
        }
        let bytes = self.plain(cache, section, CELL_WIDTH, blocks, |e| u64_at(e, 0) >> 32)?;
        bytes.chunks_exact(CELL_WIDTH).for_each(|entry| each(u64_at(entry, 0)));
        Ok(())
    }

    /// The largest event times of a level in these blocks, in their order.
    pub fn highs(
        &self,
        cache: &Cache,
        level: usize,
        blocks: &Range<u64>,
        mut each: impl FnMut(High),
    ) -> Result<()> {
        let section = LEVEL_HIGHS[level];
        if let Some(fences) = self.fences(section) {
            let chunks = chunks_of(fences, blocks.start, blocks.end);
            return self.chunks(cache, section, fences, chunks, |block, bytes| {
                packed::highs(block, bytes, |high| {
                    if blocks.contains(&u64::from(high.0)) {
                        each(high);
                    }
                })
            });
        }
        let bytes = self.plain(cache, section, HIGH_WIDTH, blocks, |e| u32_at(e, 0).into())?;
        for entry in bytes.chunks_exact(HIGH_WIDTH) {
            each((u32_at(entry, 0), u32_at(entry, 4), i64_at(entry, 8)));
        }
        Ok(())
    }

    /// Ticks `from..to` of the segment, as many as there are.
    pub fn ticks(&self, cache: &Cache, from: u64, to: u64) -> Result<Vec<Tick>> {
        let section = Section::Ticks;
        if let Some(fences) = self.fences(section) {
            let chunk = TICK_CHUNK as u64;
            let first = (from / chunk).min(fences.len() as u64);
            let end = to.div_ceil(chunk).min(fences.len() as u64).max(first);
            let mut found = Vec::with_capacity(((end - first) * chunk) as usize);
            self.chunks(cache, section, fences, first as usize..end as usize, |_, bytes| {
                packed::ticks(bytes, &mut found)
            })?;
            found.truncate(to.saturating_sub(first * chunk) as usize);
            found.drain(..((from - first * chunk) as usize).min(found.len()));
            return Ok(found);
        }
        let bytes = self.entries(cache, section, TICK_WIDTH, from, to)?;
        let tick = |t: &[u8]| (i64_at(t, 0), i64_at(t, 8), u64_at(t, 16));
        Ok(bytes.chunks_exact(TICK_WIDTH).map(tick).collect())
    }
}
