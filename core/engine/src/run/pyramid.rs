//! Pyramids: how many rows of each lane have which verdict, and the largest
//! event time of each lane, by block of arrivals, at five scales.
//!
//! A block of level `l` holds `256 << 2l` arrivals. A segment adds cells for
//! the rows that arrived in it and for the verdicts that fell in it, whatever
//! segment the row arrived in; the counts of a block are the sum over all segments.

/// Arrivals of a block of level 0, as a shift.
pub(crate) const BLOCK_SHIFT: u32 = 8;
pub(crate) const LEVELS: usize = 5;
/// The level of the sums over lanes.
pub(crate) const SUM_LEVEL: u32 = 1;
/// Stands for "rows", beside the verdict codes 0..=9.
pub(crate) const ROWS: u8 = 15;
/// Stands for "unmatched became expired".
pub(crate) const REVISED: u8 = 13;
/// The lane that stands for all lanes beyond those that fit.
pub(crate) const MANY: u16 = u16::MAX;

const MAX_COUNT: u64 = (1 << 12) - 1;

/// (block, lane, verdict, count) in one word that sorts by them.
pub(crate) fn cell(block: u64, lane: u16, verdict: u8, count: u64) -> u64 {
    block << 32 | u64::from(lane) << 16 | u64::from(verdict) << 12 | count
}

/// The inverse of [`cell`].
pub(crate) fn uncell(cell: u64) -> (u64, u16, u8, u64) {
    (cell >> 32, (cell >> 16) as u16, (cell >> 12) as u8 & 15, cell & MAX_COUNT)
}

pub(crate) fn push_cell(cells: &mut Vec<u64>, block: u64, lane: u16, verdict: u8, count: u64) {
    let mut rest = count;
    while rest > MAX_COUNT {
        cells.push(cell(block, lane, verdict, MAX_COUNT));
        rest -= MAX_COUNT;
    }
    if rest > 0 {
        cells.push(cell(block, lane, verdict, rest));
    }
}

/// Sorts and merges cells of equal block, lane and verdict.
pub(crate) fn merge(mut cells: Vec<u64>) -> Vec<u64> {
    cells.sort_unstable();
    let mut out: Vec<u64> = Vec::with_capacity(cells.len());
    let mut at = 0;
    while at < cells.len() {
        let name = cells[at] >> 12;
        let mut count = 0;
        while at < cells.len() && cells[at] >> 12 == name {
            count += cells[at] & MAX_COUNT;
            at += 1;
        }
        push_cell(&mut out, name >> 20, (name >> 4) as u16, name as u8 & 15, count);
    }
    out
}

/// The next coarser level.
pub(crate) fn coarser(cells: &[u64]) -> Vec<u64> {
    merge(cells.iter().map(|c| (c >> 34) << 32 | c & 0xffff_ffff).collect())
}

/// Sums over lanes, of cells of any level.
pub(crate) fn over_lanes(cells: &[u64]) -> Vec<u64> {
    merge(cells.iter().map(|c| c & 0xffff_ffff_0000_ffff).collect())
}

/// Counts rows block by block, in ascending order of blocks, for all lanes.
pub(crate) struct Counter {
    block: u64,
    /// `[lane][verdict or rows]`.
    counts: Vec<[u32; 16]>,
    touched: Vec<u16>,
    pub cells: Vec<u64>,
}

impl Counter {
    pub fn new(lanes: usize) -> Self {
        let lanes = lanes.min(MANY as usize) + 1;
        Self { block: 0, counts: vec![[0; 16]; lanes], touched: Vec::new(), cells: Vec::new() }
    }

    #[inline]
    pub fn add(&mut self, block: u64, lane: u16, verdict: u8) {
        if block != self.block {
            self.flush();
            self.block = block;
        }
        let slot = (lane as usize).min(self.counts.len() - 1);
        let counts = &mut self.counts[slot];
        if counts[14] == 0 {
            counts[14] = 1;
            self.touched.push(slot as u16);
        }
        counts[usize::from(verdict & 15)] += 1;
    }

    fn flush(&mut self) {
        self.touched.sort_unstable();
        for lane in self.touched.drain(..) {
            let counts = std::mem::take(&mut self.counts[lane as usize]);
            for (verdict, count) in counts.into_iter().enumerate() {
                if verdict != 14 && count > 0 {
                    push_cell(&mut self.cells, self.block, lane, verdict as u8, count.into());
                }
            }
        }
    }

    /// The cells so far, sorted; counting starts anew.
    pub fn take(&mut self) -> Vec<u64> {
        self.flush();
        self.block = 0;
        merge(std::mem::take(&mut self.cells))
    }
}

/// The largest event time of each lane that had one, by block.
#[derive(Default)]
pub(crate) struct Highs(pub Vec<(u32, u32, i64)>);

impl Highs {
    pub fn coarser(&self) -> Self {
        let mut up: Vec<(u32, u32, i64)> =
            self.0.iter().map(|(block, lane, high)| (block >> 2, *lane, *high)).collect();
        up.sort_unstable();
        up.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2 = next.2;
            }
            same
        });
        Self(up)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn counts_survive_every_level() {
        let mut counter = Counter::new(3);
        let mut want: BTreeMap<(u64, u16, u8), u64> = BTreeMap::new();
        let mut x = 1u64;
        for row in 0..40_000u64 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (lane, verdict) = ((x >> 33) as u16 % 3, (x >> 40) as u8 % 10);
            counter.add(row >> 8, lane, verdict);
            *want.entry((row >> 8, lane, verdict)).or_default() += 1;
        }
        let mut cells = counter.take();
        for level in 0..LEVELS {
            let mut got: BTreeMap<(u64, u16, u8), u64> = BTreeMap::new();
            for c in &cells {
                let (block, lane, verdict, count) = uncell(*c);
                *got.entry((block, lane, verdict)).or_default() += count;
            }
            assert_eq!(got, want, "level {level}");
            assert!(cells.is_sorted());
            cells = coarser(&cells);
            let mut up = BTreeMap::new();
            for ((block, lane, verdict), count) in want {
                *up.entry((block >> 2, lane, verdict)).or_default() += count;
            }
            want = up;
        }
    }

    #[test]
    fn sums_forget_lanes() {
        let cells = merge(vec![cell(3, 0, 1, 4000), cell(3, 7, 1, 4000), cell(3, 9, 2, 1)]);
        let sum: u64 = over_lanes(&cells)
            .iter()
            .map(|c| uncell(*c))
            .filter(|c| c.0 == 3 && c.1 == 0 && c.2 == 1)
            .map(|c| c.3)
            .sum();
        assert_eq!(sum, 8000);
    }
}
