//! Densities by verdict over a range, from the pyramids.

use super::{Moment, Run};
use crate::operator::verdict::Verdict;
use crate::run::bytes::u64_at;
use crate::run::error::Result;
use crate::run::pyramid::{BLOCK_SHIFT, LEVELS, REVISED, ROWS, uncell};
use crate::run::types::{Axis, Density, Range};
use crate::run::write::LEVEL_CELLS;

/// The coarsest level whose blocks fit `buckets` times into the arrivals;
/// `None`: not even the finest does.
pub(super) fn level_for(arrivals: u64, buckets: usize) -> Option<usize> {
    let per_bucket = arrivals / (buckets as u64).max(1);
    (0..LEVELS).rev().find(|level| 1 << (BLOCK_SHIFT + 2 * *level as u32) <= per_bucket)
}

/// On the arrival clock, where blocks of arrivals may span any time, so few
/// arrivals are told one by one; of lines no more on any clock.
pub(super) const EXACT: u64 = 1 << 17;

/// The level of the pyramids that a range is read from; `None`: row by row.
pub(super) fn level_of(range: Range, arrivals: u64, buckets: usize) -> Option<usize> {
    if range.axis != Axis::Arrival && arrivals <= EXACT {
        return None;
    }
    level_for(arrivals, buckets)
}

impl Run {
    /// How many rows of each lane have which verdict, in `buckets` equal parts
    /// of a range.
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
            let lane = self.inner.lanes.lane(input, partition);
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
        let section = LEVEL_CELLS[level];
        let (from, to) = (edges[0], edges[edges.len() - 1]);
        // A block counts where its first arrival lies.
        let first = from.div_ceil(1 << shift);
        let end = ((to - 1) >> shift) + 1;
        let buckets = density.buckets;
        let bucket_of: Vec<u32> = (first..end)
            .map(|block| {
                let arrival = block << shift;
                edges.partition_point(|e| *e <= arrival).saturating_sub(1).min(buckets - 1) as u32
            })
            .collect();
        let begin = now.segments.partition_point(|s| s.summary.end_arrival <= first << shift);
        for segment in &now.segments[begin..] {
            let n = segment.len(section, 8);
            let find = |block: u64| {
                segment
                    .partition_point(self.cache(), section, 8, 0..n, |e| u64_at(e, 0) >> 32 < block)
            };
            let whole = first == 0 && segment.summary.end_arrival <= end << shift;
            let (a, b) = if whole { (0, n) } else { (find(first)?, find(end)?) };
            let bytes = segment.entries(self.cache(), section, 8, a, b)?;
            for entry in bytes.chunks_exact(8) {
                let (block, lane, verdict, count) = uncell(u64_at(entry, 0));
                let place = places.get(lane as usize).copied().unwrap_or(u32::MAX);
                let bucket = block.checked_sub(first).and_then(|b| bucket_of.get(b as usize));
                let (true, Some(bucket)) = (place != u32::MAX, bucket) else { continue };
                let counts = &mut density.counts[place as usize * buckets + *bucket as usize];
                // Open: all rows, less what was decided.
                if verdict == REVISED {
                    let unmatched = &mut counts[Verdict::Unmatched as usize];
                    *unmatched = unmatched.wrapping_sub(count as u32);
                    let expired = &mut counts[Verdict::Expired as usize];
                    *expired = expired.wrapping_add(count as u32);
                    continue;
                }
                let open = &mut counts[Verdict::Open as usize];
                if verdict == ROWS {
                    *open = open.wrapping_add(count as u32);
                } else if let Some(slot) = counts.get_mut(verdict as usize) {
                    *slot = slot.wrapping_add(count as u32);
                    let open = &mut counts[Verdict::Open as usize];
                    *open = open.wrapping_sub(count as u32);
                }
            }
        }
        Ok(())
    }
}
