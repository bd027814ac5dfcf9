//! The state over time, and what was in it at one moment: by key, and what
//! leaves next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};

use xxhash_rust::xxh3::xxh3_64;

use super::Run;
use super::edges::EXACT;
use crate::engine::step::CheckpointEntry;
use crate::operator::record::Arrival;
use crate::run::bytes::u64_at;
use crate::run::error::{Result, RunError};
use crate::run::layout::Part;
use crate::run::summary::{COLD_WIDTH, STATE_WIDTH, Section};
use crate::run::types::{HeavyKey, Leaves, MinMax, Range, StateLines, StateNow};

/// Rows looked at at once.
const CHUNK: u64 = 32_768;
/// So many of them before the first report, and so many times as many before the
/// next: each chooses among all keys.
const FIRST: u64 = 8;
/// Parts that keys are divided into, by the first byte of their hash.
const PARTS: u64 = 256;
/// Rows that are made room for before they are seen.
const ROOM: u64 = 1 << 22;
/// Keys and rows that are named in an answer.
const NAMED: usize = 500;

/// Rows by their keys' hashes, in parts that fit into a processor's cache: a table
/// of all keys would miss it with every row.
struct Keys(Vec<Vec<(u64, u64)>>);

impl Keys {
    fn new(rows: u64) -> Self {
        let each = (rows.min(ROOM) / PARTS) as usize;
        Self((0..PARTS).map(|_| Vec::with_capacity(each + each / 8)).collect())
    }

    fn add(&mut self, hash: u64, row: u64) {
        self.0[(hash >> 56) as usize].push((hash, row));
    }

    /// How many keys there are, and those with the most rows; those first that
    /// came last where they are equal.
    fn summed(&mut self) -> (u64, Vec<HeavyKey>) {
        let mut keys = 0;
        let mut most = Least::default();
        for part in &mut self.0 {
            part.sort_unstable();
            for rows in part.chunk_by(|a, b| a.0 == b.0) {
                keys += 1;
                most.add((Reverse(rows.len()), Reverse(rows[rows.len() - 1].1)));
            }
        }
        (keys, most_first(most, |rows| rows as u64))
    }
}

/// Keeps the [`NAMED`] smallest of all that it is given.
pub(super) struct Least<T>(BinaryHeap<T>);

impl<T: Ord> Default for Least<T> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

impl<T: Ord> Least<T> {
    /// Once it is full: only what is smaller than this comes in.
    pub(super) fn bound(&self) -> Option<&T> {
        self.0.peek().filter(|_| self.0.len() == NAMED)
    }

    pub(super) fn add(&mut self, one: T) {
        if self.0.len() < NAMED {
            self.0.push(one);
        } else if let Some(mut most) = self.0.peek_mut()
            && one < *most
        {
            *most = one;
        }
    }
}

impl Run {
    /// Rows and bytes of the state over a range: for each of `buckets` parts the
    /// smallest and largest sample in it. A part without a sample has what the
    /// last one before it said. Of bytes on disk the checkpoints are the samples. Over up
    /// to 262,144 arrivals the rows are counted instead, and no more of them are said to rest on
    /// disk than there are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn state_lines(&self, range: Range, buckets: usize) -> Result<StateLines> {
        let now = self.now();
        let edges = self.edges(&now, range, buckets)?;
        let mut lines = StateLines {
            range,
            buckets,
            rows: vec![None; buckets],
            memory_bytes: vec![None; buckets],
            disk_rows: vec![None; buckets],
            disk_bytes: vec![None; buckets],
        };
        let (Some(from), Some(to)) = (edges.first().copied(), edges.last().copied()) else {
            return Ok(lines);
        };
        lines.disk_bytes = disk_bytes(&now.manifest.checkpoints, &edges, now.arrivals());
        // The last sample of each bucket: what holds until the next one.
        let mut ends: [Vec<Option<i64>>; 3] = std::array::from_fn(|_| vec![None; buckets]);
        let first = now.segments.partition_point(|s| s.summary.end_arrival <= from);
        // The sample before the range may lie in the segment before.
        for segment in now.segments.iter().skip(first.saturating_sub(1)) {
            if segment.summary.first_arrival >= to {
                break;
            }
            let n = segment.len(Section::State, STATE_WIDTH);
            let state = segment.entries(self.cache(), Section::State, STATE_WIDTH, 0, n)?;
            let n = segment.len(Section::Cold, COLD_WIDTH);
            let cold = segment.entries(self.cache(), Section::Cold, COLD_WIDTH, 0, n)?;
            let mut cold = cold.chunks_exact(COLD_WIDTH).map(|e| u64_at(e, 8));
            for sample in state.chunks_exact(STATE_WIDTH) {
                let arrival = u64_at(sample, 0);
                let values = [u64_at(sample, 8), u64_at(sample, 16), cold.next().unwrap_or(0)];
                if arrival >= to {
                    break;
                }
                let bucket = if arrival < from {
                    0
                } else {
                    (edges.partition_point(|e| *e <= arrival).max(1) - 1).min(buckets - 1)
                };
                let own = [&mut lines.rows, &mut lines.memory_bytes, &mut lines.disk_rows];
                for ((line, ends), value) in own.into_iter().zip(&mut ends).zip(values) {
                    let value = i64::try_from(value).unwrap_or(i64::MAX);
                    ends[bucket] = Some(value);
                    let slot = &mut line[bucket];
                    *slot = Some(match *slot {
                        // Before the range only the last one counts.
                        Some(was) if arrival >= from => {
                            MinMax { min: was.min.min(value), max: was.max.max(value) }
                        }
                        _ => MinMax { min: value, max: value },
                    });
                }
            }
        }
        let end = now.arrivals();
        let all = [&mut lines.rows, &mut lines.memory_bytes, &mut lines.disk_rows];
        for (line, ends) in all.into_iter().zip(ends) {
            let mut last = None;
            for ((slot, ended), edge) in line.iter_mut().zip(ends).zip(&edges) {
                match ended {
                    Some(value) => last = Some(MinMax { min: value, max: value }),
                    None if *edge < end => *slot = last,
                    None => {}
                }
            }
        }
        if to - from <= EXACT {
            lines.rows = self.state_rows(&now, &edges)?;
            // Rows leave between one sample and the next.
            for (disk, rows) in lines.disk_rows.iter_mut().zip(&lines.rows) {
                if let (Some(disk), Some(rows)) = (disk, rows) {
                    disk.min = disk.min.min(rows.min);
                    disk.max = disk.max.min(rows.max);
                }
            }
        }
        Ok(lines)
    }

    /// What rests in the state just after an arrival, counted by key: over what
    /// [`Run::index_state`] laid out, or else looked for from that arrival back
    /// until all rows that the books name are found.
    /// `shifts` ([`crate::operator::pipeline::Join::shifts`]) give the expiry.
    /// `found` is told the whole, and before that, once 262,144 rows were looked at,
    /// each time they are eight times as many; if it returns false the search ends.
    ///
    /// # Errors
    /// [`RunError::Cancelled`] once `cancel` is set, or the store cannot be read.
    pub fn state_now(
        &self,
        arrival: Arrival,
        shifts: &[i64],
        cancel: &AtomicBool,
        mut found: impl FnMut(StateNow) -> bool,
    ) -> Result<()> {
        let now = self.now();
        let of = self.books(Some(arrival))?.state_rows;
        if let Some(index) = self.state_index(&now) {
            found(index.now(self, &now, (arrival, of), shifts, cancel)?);
            return Ok(());
        }
        let mut keys = Keys::new(of);
        let mut next: Least<(i64, u64)> = Least::default();
        let (mut rows, mut looked_at, mut report) = (0u64, 0u64, FIRST * CHUNK);
        let mut end = self.row_of_arrival(&now, arrival.saturating_add(1))?;
        while end > 0 && rows < of {
            if cancel.load(Ordering::Relaxed) {
                return Err(RunError::Cancelled);
            }
            let Some(number) = now.segment_of_row(end - 1) else { break };
            let segment = &now.segments[number];
            let s = &segment.summary;
            let start = s.first_row.max(end.saturating_sub(CHUNK));
            let range = start - s.first_row..end - s.first_row;
            let columns = ["input", "event_time", "verdict", "key"];
            let t = self.inner.tables.read_range(segment, Part::Rows, &columns, &range)?;
            let rests =
                now.resting(&self.inner.tables, number, start..end, t.u8s("verdict")?, arrival)?;
            let (inputs, times, canonical) =
                (t.u8s("input")?, t.i64s("event_time")?, t.binary("key")?);
            for (i, _) in rests.iter().enumerate().rev().filter(|(_, rests)| **rests) {
                let key = canonical.at(i);
                if key.is_empty() {
                    continue;
                }
                rows += 1;
                let row = start + i as u64;
                keys.add(xxh3_64(key), row);
                let shift = shifts.get(usize::from(inputs[i])).copied().unwrap_or(0);
                next.add((times[i].saturating_add(shift), row));
            }
            looked_at += end - start;
            end = start;
            let whole = rows >= of || end == 0;
            if whole || looked_at >= report {
                report = report.saturating_mul(FIRST);
                let (keys, heaviest) = keys.summed();
                let next = leaving(&next);
                if !found(StateNow { arrival, rows, of, keys, heaviest, next, whole }) {
                    return Ok(());
                }
            }
        }
        if rows == 0 {
            found(StateNow { arrival, of, whole: true, ..StateNow::default() });
        }
        Ok(())
    }
}

/// What checkpoints hold on disk, by bucket of a run that ends at `end`; each stands at
/// the last record that is in it.
fn disk_bytes(
    checkpoints: &[CheckpointEntry],
    edges: &[Arrival],
    end: Arrival,
) -> Vec<Option<MinMax>> {
    let before = |edge: Arrival| {
        checkpoints.partition_point(|checkpoint| checkpoint.arrival.saturating_sub(1) < edge)
    };
    let known = |checkpoint: &CheckpointEntry| {
        let bytes = i64::try_from(checkpoint.disk_bytes?).unwrap_or(i64::MAX);
        Some(MinMax { min: bytes, max: bytes })
    };
    let bucket = |edges: &[Arrival]| {
        let (from, to) = (*edges.first()?, *edges.last()?);
        let first = before(from);
        match &checkpoints[first..before(to).max(first)] {
            [] if from < end => known(checkpoints.get(first.checked_sub(1)?)?),
            own => own
                .iter()
                .filter_map(known)
                .reduce(|a, b| MinMax { min: a.min.min(b.min), max: a.max.max(b.max) }),
        }
    };
    edges.windows(2).map(bucket).collect()
}

/// Keys with their newest rows, those with the most rows first.
pub(super) fn most_first<N: Ord>(
    most: Least<(Reverse<N>, Reverse<u64>)>,
    rows: impl Fn(N) -> u64,
) -> Vec<HeavyKey> {
    let all = most.0.into_sorted_vec().into_iter();
    all.map(|(n, row)| HeavyKey { row: row.0, rows: rows(n.0) }).collect()
}

pub(super) fn leaving(next: &Least<(i64, u64)>) -> Vec<Leaves> {
    let mut all: Vec<(i64, u64)> = next.0.iter().copied().collect();
    all.sort_unstable();
    all.into_iter().map(|(due, row)| Leaves { due, row }).collect()
}
