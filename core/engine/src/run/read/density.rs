//! Densities by verdict over a range, from the pyramids.

use std::sync::Arc;

use super::segment::Segment;
use super::{Moment, Run};
use crate::operator::verdict::Verdict;
use crate::run::error::Result;
use crate::run::pyramid::{BLOCK_SHIFT, LEVELS, REVISED, ROWS, uncell};
use crate::run::types::{Axis, Density, Range};

/// Blocks to a bucket of usual size: with one or two, what is counted by whole
/// blocks would beat against the buckets.
const FINE: u64 = 4;

/// The coarsest level whose blocks fit several times into each of `buckets`, or the
/// finest; `None`: not even that fits once.
pub(super) fn level_for(arrivals: u64, buckets: usize) -> Option<usize> {
    let per_bucket = arrivals / (buckets as u64).max(1);
    let block = |level: &usize| 1u64 << (BLOCK_SHIFT + 2 * *level as u32);
    let fits = |level: &usize| block(level) * FINE <= per_bucket;
    (block(&0) <= per_bucket).then(|| (0..LEVELS).rev().find(fits).unwrap_or(0))
}

/// Where the counts of each block go: into a bucket, or, where an edge lies within
/// the block, into a slot of its own behind the buckets, to be shared out.
struct Slots {
    of_block: Vec<u32>,
    /// First arrivals of the blocks that are shared out, and the ends of them.
    shared: Vec<(u64, u64)>,
}

impl Slots {
    /// Of the blocks `first..end`; `arrivals`: how many the run has.
    fn new(edges: &[u64], first: u64, end: u64, shift: u32, arrivals: u64) -> Self {
        let buckets = edges.len() - 1;
        let mut slots = Self { of_block: Vec::new(), shared: Vec::new() };
        for block in first..end {
            let (start, stop) = (block << shift, ((block + 1) << shift).min(arrivals));
            let bucket = edges.partition_point(|e| *e <= start).wrapping_sub(1);
            if bucket < buckets && stop <= edges[bucket + 1] {
                slots.of_block.push(bucket as u32);
            } else {
                slots.of_block.push((buckets + slots.shared.len()) as u32);
                slots.shared.push((start, stop));
            }
        }
        slots
    }

    /// Shares a block's counts out, by arrivals.
    fn share(&self, edges: &[u64], n: usize, counts: &[u32; 10], into: &mut [[u32; 10]]) {
        let (start, stop) = self.shared[n];
        let long = (stop - start).max(1);
        // Rounded at the edges, so that the parts add up to the whole.
        let before = |at: u64, count: u32| {
            let at = at.clamp(start, stop) - start;
            ((u64::from(count) * at * 2 + long) / (long * 2)) as u32
        };
        let first = edges.partition_point(|e| *e <= start).saturating_sub(1);
        for bucket in (first..into.len()).take_while(|b| edges[*b] < stop) {
            // Most verdicts are of no row here, and dividing takes its time.
            for (slot, count) in into[bucket].iter_mut().zip(counts).filter(|(_, n)| **n > 0) {
                *slot += before(edges[bucket + 1], *count) - before(edges[bucket], *count);
            }
        }
    }
}

/// On the arrival clock, where blocks of arrivals may span any time, so few
/// arrivals are told one by one; no more are on any clock.
pub(super) const EXACT: u64 = 1 << 17;

/// The level of the pyramids that a range is read from; `None`: row by row. More rows
/// than [`EXACT`] are too many to read from disk for one picture.
pub(super) fn level_of(range: Range, arrivals: u64, buckets: usize) -> Option<usize> {
    if range.axis != Axis::Arrival && arrivals <= EXACT {
        return None;
    }
    level_for(arrivals, buckets).or((arrivals > EXACT).then_some(0))
}

/// Counts of a lane in a bucket as cells name them: the verdicts, then rows, then what
/// became expired.
const TALLY: usize = 12;

/// Where the codes of cells are counted; what there is not, nowhere.
const TALLIED: [u8; 16] = {
    let mut at = [u8::MAX; 16];
    let mut verdict = 0;
    while verdict < 10 {
        at[verdict] = verdict as u8;
        verdict += 1;
    }
    at[ROWS as usize] = 10;
    at[REVISED as usize] = 11;
    at
};

/// By verdict; open are all rows, less what was decided.
fn settled(tally: &[u32; TALLY]) -> [u32; 10] {
    let [rows, revised] = [tally[10], tally[11]];
    let mut counts = [0; 10];
    counts.copy_from_slice(&tally[..10]);
    counts[Verdict::Open as usize] = 0;
    let decided = counts.iter().fold(0u32, |sum, n| sum.wrapping_add(*n));
    counts[Verdict::Open as usize] = rows.wrapping_sub(decided);
    let unmatched = &mut counts[Verdict::Unmatched as usize];
    *unmatched = unmatched.wrapping_sub(revised);
    let expired = &mut counts[Verdict::Expired as usize];
    *expired = expired.wrapping_add(revised);
    counts
}

impl Run {
    /// How many rows of each lane have which verdict, in `buckets` equal parts
    /// of a range. Above 256 arrivals a bucket, or 2^17 in all, rows are counted by
    /// blocks of 256 arrivals or more: one near an edge may be counted beyond it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn density(&self, range: Range, lanes: &[u32], buckets: usize) -> Result<Density> {
        let now = self.now();
        let edges = self.edges(&now, range, buckets)?;
        let mut density = Density {
            range,
            buckets,
            lanes: lanes.to_vec(),
            counts: vec![[0; 10]; lanes.len() * buckets],
        };
        let (Some(from), Some(to)) = (edges.first().copied(), edges.last().copied()) else {
            return Ok(density);
        };
        if from >= to {
            return Ok(density);
        }
        // Position of each lane among those asked for.
        let mut places = vec![u32::MAX; now.manifest.start.lanes.len()];
        for (place, lane) in lanes.iter().enumerate() {
            if let Some(slot) = places.get_mut(*lane as usize) {
                *slot = place as u32;
            }
        }
        match level_of(range, to - from, buckets) {
            None => self.exact(&now, &edges, &places, &mut density)?,
            Some(level) => self.cells(&now, &edges, level, &places, &mut density)?,
        }
        Ok(density)
    }

    pub(super) fn exact(
        &self,
        now: &Moment,
        edges: &[u64],
        places: &[u32],
        density: &mut Density,
    ) -> Result<()> {
        // Row numbers of the edges, so that rows need no arrival.
        let mut rows = Vec::with_capacity(edges.len());
        for edge in edges {
            rows.push(match rows.last() {
                Some((last, row)) if last == edge => (*edge, *row),
                _ => (*edge, self.row_of_arrival(now, *edge)?),
            });
        }
        let mut bucket = 0;
        let (from, to) = (rows[0].1, rows[rows.len() - 1].1);
        self.verdicts_of(now, from, to, |row, (input, partition), verdict| {
            while bucket + 1 < density.buckets && row >= rows[bucket + 1].1 {
                bucket += 1;
            }
            let lane = now.lanes.lane(input, partition);
            let place = lane.and_then(|lane| places.get(lane as usize)).copied();
            if let Some(place) = place.filter(|p| *p != u32::MAX) {
                let counts = &mut density.counts[place as usize * density.buckets + bucket];
                if let Some(slot) = counts.get_mut(verdict as usize) {
                    *slot += 1;
                }
            }
        })
    }

    pub(super) fn cells(
        &self,
        now: &Moment,
        edges: &[u64],
        level: usize,
        places: &[u32],
        density: &mut Density,
    ) -> Result<()> {
        let shift = BLOCK_SHIFT + 2 * level as u32;
        let (from, to) = (edges[0], edges[edges.len() - 1]);
        let first = from >> shift;
        let end = ((to - 1) >> shift) + 1;
        let buckets = density.buckets;
        let slots = Slots::new(edges, first, end, shift, now.arrivals());
        let wide = buckets + slots.shared.len();
        // Bucket by bucket: cells come block by block.
        let lanes = density.lanes.len();
        let mut all = vec![[0u32; TALLY]; lanes * wide];
        let begin = now.segments.partition_point(|s| s.summary.end_arrival <= first << shift);
        let stop = now.segments.partition_point(|s| s.summary.first_arrival < end << shift);
        let numbers = begin as u64..stop as u64;
        let has_some = |s: &&Arc<Segment>| s.summary.number < numbers.end || s.decides(&numbers);
        let segments = || now.segments[begin..].iter().filter(has_some);
        for segment in segments() {
            segment.expect_cells(self.cache(), level, &(first..end));
        }
        for segment in segments() {
            segment.cells(self.cache(), level, &(first..end), |cell| {
                let (block, lane, verdict, count) = uncell(cell);
                let place = places.get(lane as usize).copied().unwrap_or(u32::MAX);
                let slot = block.checked_sub(first).and_then(|b| slots.of_block.get(b as usize));
                let (true, Some(slot)) = (place != u32::MAX, slot) else { return };
                let tally = &mut all[*slot as usize * lanes + place as usize];
                if let Some(slot) = tally.get_mut(usize::from(TALLIED[usize::from(verdict & 15)])) {
                    *slot = slot.wrapping_add(count as u32);
                }
            })?;
        }
        for (place, counts) in density.counts.chunks_mut(buckets).enumerate() {
            let mut own = all.iter().skip(place).step_by(lanes.max(1)).map(settled);
            for (count, own) in counts.iter_mut().zip(&mut own) {
                *count = own;
            }
            for (n, shared) in own.enumerate() {
                slots.share(edges, n, &shared, counts);
            }
        }
        Ok(())
    }
}
