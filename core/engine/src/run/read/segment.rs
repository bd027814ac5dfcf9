//! A closed segment as it is read: its summary in memory, everything else by block.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::run::blocks::{BLOCK, Cache, StoredFile};
use crate::run::bytes::In;
use crate::run::error::{Result, RunError};
use crate::run::layout::Part;
use crate::run::manifest::SegmentRef;
use crate::run::summary::{Section, Summary, books};
use crate::run::types::Books;

/// Summaries longer than this are not ours.
const MAX_SUMMARY: u32 = 256 << 20;

/// Bytes of a section up to which it is expected as a whole.
const EXPECTED: u64 = 512 << 10;

/// A closed segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub summary: Summary,
    pub files: [Arc<StoredFile>; 4],
}

/// Reads a segment's summary from the end of its index file.
pub(crate) fn load_summary(dir: &Path, number: u64, at: SegmentRef) -> Result<Summary> {
    let path = Part::Index.path(dir, number);
    if at.len > MAX_SUMMARY {
        return Err(RunError::corrupt(&path, "its summary is too long"));
    }
    let file = File::open(&path).map_err(|e| RunError::io(&path, e))?;
    let len = file.metadata().map_err(|e| RunError::io(&path, e))?.len();
    if at.at.checked_add(at.len.into()).is_none_or(|end| end > len) {
        return Err(RunError::corrupt(&path, "it is cut off"));
    }
    let mut bytes = vec![0; at.len as usize];
    file.read_exact_at(&mut bytes, at.at).map_err(|e| RunError::io(&path, e))?;
    if crc32fast::hash(&bytes) != at.crc {
        return Err(RunError::corrupt(&path, "the checksum of its summary is wrong"));
    }
    let summary = Summary::decode(&bytes)
        .filter(|s| s.number == number && s.end_arrival == at.end)
        .ok_or_else(|| RunError::corrupt(&path, "its summary cannot be read"))?;
    Ok(summary)
}

/// Books at a mark, and where to go on from it.
pub(crate) struct Mark {
    pub arrival: u64,
    pub ledger: u64,
    pub row: u64,
    pub books: Books,
}

impl Segment {
    pub fn open(dir: &Path, number: u64, at: SegmentRef) -> Result<Self> {
        let mut summary = load_summary(dir, number, at)?;
        let mut files = std::mem::take(&mut summary.files).into_iter();
        let mut next = |part: Part| {
            let (len, crcs) = files.next().unwrap_or_default();
            StoredFile::new(part.path(dir, number), len, crcs).map(Arc::new)
        };
        let files =
            [next(Part::Rows)?, next(Part::Decisions)?, next(Part::Outputs)?, next(Part::Index)?];
        Ok(Self { summary, files })
    }

    pub fn index(&self) -> &StoredFile {
        &self.files[Part::Index as usize]
    }

    /// Entries of a section.
    pub fn len(&self, section: Section, width: usize) -> u64 {
        self.summary.sections[section as usize].1 / width as u64
    }

    /// Entries `from..to` of a section.
    pub fn entries(
        &self,
        cache: &Cache,
        section: Section,
        width: usize,
        from: u64,
        to: u64,
    ) -> Result<Bytes> {
        let (at, len) = self.summary.sections[section as usize];
        let width = width as u64;
        let to = to.min(len / width);
        let from = from.min(to);
        cache.read(self.index(), at + from * width, ((to - from) * width) as usize)
    }

    /// Has the disk begin with a section that is asked for next. Of a long one
    /// little may be wanted: it is left to the asking.
    pub fn expect(&self, cache: &Cache, section: Section) {
        let (at, len) = self.summary.sections[section as usize];
        if len <= EXPECTED {
            cache.expect(self.index(), at, len);
        }
    }

    /// Where a section lies in the index file that is asked for whole: its first byte
    /// and the one behind it. `None`: too long, as for [`Segment::expect`].
    pub fn place(&self, section: Section) -> Option<(u64, u64)> {
        let (at, len) = self.summary.sections[section as usize];
        (len <= EXPECTED).then_some((at, at + len))
    }

    /// Has the disk begin with several places of the index file, in as few pieces as
    /// they lie in: each piece costs its whole way.
    pub fn expect_places(&self, cache: &Cache, mut places: Vec<(u64, u64)>) {
        places.sort_unstable();
        let near = |a: (u64, u64), b: (u64, u64)| b.0 <= a.1 + BLOCK as u64;
        for piece in places.chunk_by(|a, b| near(*a, *b)) {
            let end = piece.iter().map(|place| place.1).max().unwrap_or(0);
            cache.expect(self.index(), piece[0].0, end.saturating_sub(piece[0].0));
        }
    }

    /// Whether rows that arrived in segments of these numbers were decided in it.
    pub fn decides(&self, numbers: &std::ops::Range<u64>) -> bool {
        let targets = &self.summary.targets;
        let at = targets.partition_point(|(segment, _)| *segment < numbers.start);
        targets.get(at).is_some_and(|(segment, _)| *segment < numbers.end)
    }

    /// Bytes of a section.
    pub fn bytes(&self, cache: &Cache, section: Section, from: u64, to: u64) -> Result<Bytes> {
        self.entries(cache, section, 1, from, to)
    }

    /// The first entry for which `before` is false; entries are sorted by it.
    pub fn partition_point(
        &self,
        cache: &Cache,
        section: Section,
        width: usize,
        within: std::ops::Range<u64>,
        mut before: impl FnMut(&[u8]) -> bool,
    ) -> Result<u64> {
        let mut from = within.start;
        let mut to = within.end.min(self.len(section, width));
        while from < to {
            let middle = from + (to - from) / 2;
            let entry = self.entries(cache, section, width, middle, middle + 1)?;
            if before(&entry) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        Ok(from)
    }

    /// The last mark at or before an arrival.
    pub fn mark(&self, cache: &Cache, inputs: usize, arrival: u64) -> Result<Option<Mark>> {
        let width = 24 + 32 + inputs * 80;
        let all = 0..self.len(Section::Marks, width);
        let after = self.partition_point(cache, Section::Marks, width, all, |e| {
            crate::run::bytes::u64_at(e, 0) <= arrival
        })?;
        let Some(at) = after.checked_sub(1) else { return Ok(None) };
        let bytes = self.entries(cache, Section::Marks, width, at, at + 1)?;
        let mut input = In(&bytes);
        let mut read = || {
            Some(Mark {
                arrival: input.u64()?,
                ledger: input.u64()?,
                row: input.u64()?,
                books: books(&mut input).filter(|b| b.inputs.len() == inputs)?,
            })
        };
        read().map(Some).ok_or_else(|| RunError::corrupt(&self.index().path, "a mark is damaged"))
    }
}
