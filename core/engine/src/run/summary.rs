//! What is kept of a segment in memory: where things lie, and enough to know
//! which blocks a question needs. It ends the segment's index file.

use super::bytes::{In, Out};
use super::packed::Fences;
use super::pyramid::LEVELS;
use super::types::Books;
use crate::operator::verdict::Counts;

/// Sections of an index file. Entries are little-endian and of fixed width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// [`PackedKey`]s, sorted.
    Keys = 0,
    /// (row u64, output in the segment u32), sorted.
    Refs = 1,
    /// Pyramid cells, one section a level: see `pyramid` and `packed`.
    Cells0 = 2,
    Cells1 = 3,
    Cells2 = 4,
    Cells3 = 5,
    Cells4 = 6,
    /// Cells of level 1 summed over lanes.
    Sums = 7,
    /// For each 256th arrival: (arrival time, event-time watermark, first row): see `packed`.
    Ticks = 8,
    /// (block, lane, largest event time), one section a level: see `packed`.
    Highs0 = 9,
    Highs1 = 10,
    Highs2 = 11,
    Highs3 = 12,
    Highs4 = 13,
    /// By lane at the segment's end: (largest event time i64, idle u8).
    End = 14,
    /// Books at marks, every 8,192 arrivals: see `ledger`.
    Marks = 15,
    /// What changed the books between them.
    Ledger = 16,
    /// (arrival u64, offset in `TrackerBytes` u64, length u64).
    Trackers = 17,
    TrackerBytes = 18,
    /// (precedes u64, `at_ms` i64, kind u8, argument u64).
    Clock = 19,
    /// (arrival u64, rows u64, bytes u64).
    State = 20,
    /// (lane u32, page u32, smallest offset i64, largest offset i64), sorted.
    Offsets = 21,
    /// (arrival u64, rows on disk alone u64); empty where there were none.
    Cold = 22,
}

pub(crate) const SECTIONS: usize = 23;
/// Sections of the first format; what is missing of later ones is empty.
const FIRST_SECTIONS: usize = 22;
pub(crate) const KEY_WIDTH: usize = 16;
pub(crate) const REF_WIDTH: usize = 12;
pub(crate) const END_WIDTH: usize = 9;
pub(crate) const TRACKER_WIDTH: usize = 24;
pub(crate) const CLOCK_WIDTH: usize = 25;
pub(crate) const STATE_WIDTH: usize = 24;
pub(crate) const OFFSET_WIDTH: usize = 24;
pub(crate) const COLD_WIDTH: usize = 16;
/// Key entries between two fences.
pub(crate) const KEY_FENCE: usize = 1024;
/// References between two fences.
pub(crate) const REF_FENCE: usize = 1024;

/// Lanes of a segment whose offsets stay in memory.
pub(crate) const KEPT_LANES: usize = 256;

pub(crate) const LEVEL_CELLS: [Section; LEVELS] =
    [Section::Cells0, Section::Cells1, Section::Cells2, Section::Cells3, Section::Cells4];
pub(crate) const LEVEL_HIGHS: [Section; LEVELS] =
    [Section::Highs0, Section::Highs1, Section::Highs2, Section::Highs3, Section::Highs4];

/// Sections that lie in chunks: cells, largest event times, ticks.
pub(crate) const PACKED: usize = 2 * LEVELS + 1;

/// Position of a section among those.
pub(crate) fn packed_at(section: Section) -> Option<usize> {
    let mut all = LEVEL_CELLS.iter().chain(&LEVEL_HIGHS).chain(&[Section::Ticks]);
    all.position(|packed| *packed == section)
}

/// Summary of a closed segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Summary {
    pub number: u64,
    pub first_arrival: u64,
    /// Arrivals before this one.
    pub end_arrival: u64,
    pub first_row: u64,
    pub end_row: u64,
    pub first_output: u64,
    pub end_output: u64,
    pub decisions: u64,
    pub refs: u64,
    /// Decisions that revise one that fell before.
    pub revisions: u64,
    /// Arrival time of the last arrival, ms.
    pub last_ms: i64,
    pub books: Books,
    /// (segment, decisions about its rows), ascending.
    pub targets: Vec<(u64, u64)>,
    /// The same of references in outputs.
    pub ref_targets: Vec<(u64, u64)>,
    /// Hash and check of every [`KEY_FENCE`]th key entry.
    pub key_fences: Vec<u64>,
    /// See [`KeyTimes`].
    pub key_time_base: i64,
    pub key_time_shift: u32,
    pub ref_fences: Vec<u64>,
    /// Row of the first decision of each page.
    pub decision_fences: Vec<u64>,
    /// (lane, smallest offset, largest offset); empty where there are too many
    /// lanes to keep them in memory.
    pub lane_offsets: Vec<(u32, i64, i64)>,
    /// Last row decided.
    pub last_decision: u64,
    pub sections: Vec<(u64, u64)>,
    /// Lengths and block checksums of the rows, decisions and outputs files,
    /// and of the index file before this summary.
    pub files: Vec<(u64, Vec<u32>)>,
    /// Of each by its [`packed_at`]; `None` in the formats before, whose entries are plain.
    pub fences: Option<Vec<Fences>>,
}

/// An entry of the key index, 16 bytes that sort by: 48 bits of the normalised
/// key's hash, 16 of the key's own, 40 of the event time, 24 of the row's
/// position in the segment.
#[derive(Clone, Copy)]
pub(crate) struct PackedKey(pub u128);

impl PackedKey {
    pub fn new(hash: u64, check: u16, time: u64, row: u32) -> Self {
        Self(
            u128::from(hash >> 16) << 80
                | u128::from(check) << 64
                | u128::from(time & ((1 << 40) - 1)) << 24
                | u128::from(row & 0xff_ffff),
        )
    }

    /// From an entry's bytes, whose length the caller has checked.
    pub fn read(entry: &[u8]) -> Self {
        let mut bytes = [0; KEY_WIDTH];
        bytes.copy_from_slice(entry);
        Self(u128::from_le_bytes(bytes))
    }

    /// 48 bits, in the upper part.
    pub fn hash(self) -> u64 {
        (self.0 >> 80 << 16) as u64
    }
    pub fn check(self) -> u16 {
        (self.0 >> 64) as u16
    }
    pub fn time(self) -> u64 {
        (self.0 >> 24) as u64 & ((1 << 40) - 1)
    }
    pub fn row(self) -> u64 {
        self.0 as u64 & 0xff_ffff
    }
}

/// Event times of a segment in 40 bits: milliseconds since its smallest, or a
/// coarser unit where they span more than 34 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyTimes {
    pub base: i64,
    pub shift: u32,
}

impl KeyTimes {
    pub fn over(times: impl Iterator<Item = i64>) -> Self {
        let (mut min, mut max) = (i64::MAX, i64::MIN);
        for time in times {
            min = min.min(time);
            max = max.max(time);
        }
        if min > max {
            return Self { base: 0, shift: 0 };
        }
        let bits = 64 - max.abs_diff(min).leading_zeros();
        Self { base: min, shift: bits.saturating_sub(40) }
    }

    /// A time's place; those before the smallest are at 0.
    pub fn put(self, time: i64) -> u64 {
        if time <= self.base { 0 } else { time.abs_diff(self.base) >> self.shift }
    }

    pub fn get(self, place: u64) -> i64 {
        self.base.saturating_add_unsigned(place << self.shift)
    }
}

fn put_pairs(out: &mut Out, pairs: &[(u64, u64)]) {
    out.u64(pairs.len() as u64);
    for (a, b) in pairs {
        out.u64(*a);
        out.u64(*b);
    }
}

fn pairs(input: &mut In<'_>) -> Option<Vec<(u64, u64)>> {
    let n = input.u64()? as usize;
    (n <= input.0.len() / 16)
        .then(|| (0..n).map_while(|_| Some((input.u64()?, input.u64()?))).collect())
}

pub(crate) fn put_books(out: &mut Out, books: &Books) {
    out.u64(books.outputs);
    out.u64(books.state_rows);
    out.u64(books.state_bytes);
    out.u64(books.inputs.len() as u64);
    for counts in &books.inputs {
        counts.0.iter().for_each(|n| out.u64(*n));
    }
}

pub(crate) fn books(input: &mut In<'_>) -> Option<Books> {
    let outputs = input.u64()?;
    let state_rows = input.u64()?;
    let state_bytes = input.u64()?;
    let n = input.u64()? as usize;
    if n > 64 {
        return None;
    }
    let mut inputs = vec![Counts::default(); n];
    for counts in &mut inputs {
        for slot in &mut counts.0 {
            *slot = input.u64()?;
        }
    }
    Some(Books { inputs, outputs, state_rows, state_bytes })
}

fn fences(input: &mut In<'_>) -> Option<Fences> {
    let n = input.var()? as usize;
    // Two bytes each at least.
    let mut all = Fences::with_capacity((n <= input.0.len() / 2).then_some(n)?);
    let mut before = (0u32, 0u32);
    for _ in 0..n {
        let mut next = || u32::try_from(input.var()?).ok();
        before = (before.0.checked_add(next()?)?, before.1.checked_add(next()?)?);
        all.push(before);
    }
    Some(all)
}

impl Summary {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Out::default();
        for v in [
            self.number,
            self.first_arrival,
            self.end_arrival,
            self.first_row,
            self.end_row,
            self.first_output,
            self.end_output,
            self.decisions,
            self.refs,
            self.revisions,
            self.last_decision,
        ] {
            out.u64(v);
        }
        out.i64(self.last_ms);
        put_books(&mut out, &self.books);
        put_pairs(&mut out, &self.targets);
        put_pairs(&mut out, &self.ref_targets);
        out.u64s(&self.key_fences);
        out.i64(self.key_time_base);
        out.u32(self.key_time_shift);
        out.u64s(&self.ref_fences);
        out.u64s(&self.decision_fences);
        out.u64(self.lane_offsets.len() as u64);
        for (lane, min, max) in &self.lane_offsets {
            out.u32(*lane);
            out.i64(*min);
            out.i64(*max);
        }
        put_pairs(&mut out, &self.sections);
        out.u64(self.files.len() as u64);
        for (len, crcs) in &self.files {
            out.u64(*len);
            out.u32s(crcs);
        }
        for fences in self.fences.iter().flatten() {
            out.var(fences.len() as u64);
            let mut before = (0, 0);
            for (block, at) in fences {
                out.var((block - before.0).into());
                out.var((at - before.1).into());
                before = (*block, *at);
            }
        }
        out.0
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut i = In(bytes);
        let mut summary = Self {
            number: i.u64()?,
            first_arrival: i.u64()?,
            end_arrival: i.u64()?,
            first_row: i.u64()?,
            end_row: i.u64()?,
            first_output: i.u64()?,
            end_output: i.u64()?,
            decisions: i.u64()?,
            refs: i.u64()?,
            revisions: i.u64()?,
            last_decision: i.u64()?,
            last_ms: i.i64()?,
            ..Self::default()
        };
        summary.books = books(&mut i)?;
        summary.targets = pairs(&mut i)?;
        summary.ref_targets = pairs(&mut i)?;
        summary.key_fences = i.u64s()?;
        summary.key_time_base = i.i64()?;
        summary.key_time_shift = i.u32().filter(|shift| *shift < 64)?;
        summary.ref_fences = i.u64s()?;
        summary.decision_fences = i.u64s()?;
        let lanes = i.u64()?;
        for _ in 0..lanes.min(KEPT_LANES as u64) {
            summary.lane_offsets.push((i.u32()?, i.i64()?, i.i64()?));
        }
        summary.sections = pairs(&mut i)?;
        if summary.sections.len() == FIRST_SECTIONS {
            summary.sections.resize(SECTIONS, (0, 0));
        }
        let files = i.u64()?;
        for _ in 0..files.min(8) {
            summary.files.push((i.u64()?, i.u32s()?));
        }
        if !i.0.is_empty() {
            let all: Option<Vec<Fences>> = (0..PACKED).map(|_| fences(&mut i)).collect();
            summary.fences = Some(all?);
        }
        let whole = summary.files.len() == 4
            && summary.sections.len() == SECTIONS
            && i.0.is_empty()
            && summary.first_arrival <= summary.end_arrival
            && summary.first_row <= summary.end_row
            && summary.first_output <= summary.end_output;
        whole.then_some(summary)
    }

    pub fn rows(&self) -> u64 {
        self.end_row - self.first_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_keys_sort_by_their_fields() {
        let times = KeyTimes::over([-5, 1_700_000_000_000, 90].into_iter());
        assert!(times.get(times.put(90)).abs_diff(90) <= 1);
        let all = KeyTimes::over([i64::MIN, i64::MAX].into_iter());
        assert_eq!((all.base, all.shift), (i64::MIN, 24));
        assert!(all.put(i64::MAX) < 1 << 40 && all.put(0) > all.put(-1 << 30));
        let key = PackedKey::new(0xabcd_ef01_2345_6789, 7, 99, 5);
        assert_eq!(
            (key.hash(), key.check(), key.time(), key.row()),
            (0xabcd_ef01_2345_0000, 7, 99, 5)
        );
        let sorted =
            [(1 << 16, 9, 9, 9), (2 << 16, 1, 9, 9), (2 << 16, 2, 1, 9), (2 << 16, 2, 2, 1)];
        let packed = sorted.map(|(h, c, t, r)| PackedKey::new(h, c, t, r).0);
        assert!(packed.is_sorted());
        assert_eq!(PackedKey::read(&packed[1].to_le_bytes()).check(), 1);
    }

    #[test]
    fn round_trips_and_refuses_what_is_cut() {
        let summary = Summary {
            number: 3,
            end_arrival: 9,
            targets: vec![(1, 2), (3, 4)],
            key_fences: vec![7, 8],
            sections: vec![(5, 6); SECTIONS],
            files: vec![(1, vec![2]), (0, vec![]), (3, vec![4]), (5, vec![6])],
            books: Books { inputs: vec![Counts::default(); 2], outputs: 4, ..Books::default() },
            ..Summary::default()
        };
        let bytes = summary.encode();
        assert_eq!(Summary::decode(&bytes), Some(summary));
        for cut in 0..bytes.len() {
            assert_eq!(Summary::decode(&bytes[..cut]), None);
        }
    }
}
