//! The state over time, and what was in it at one moment: by key, and what
//! leaves next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use xxhash_rust::xxh3::xxh3_64;

use super::Run;
use crate::operator::record::Arrival;
use crate::run::bytes::u64_at;
use crate::run::error::{Result, RunError};
use crate::run::layout::Part;
use crate::run::summary::{COLD_WIDTH, STATE_WIDTH, Section};
use crate::run::types::{HeavyKey, Leaves, MinMax, Range, StateLines, StateNow};

/// Rows looked at at once.
const CHUNK: u64 = 32_768;
/// So many of them before the first report.
const FIRST: u64 = 8;
/// Keys and rows that are named in an answer.
const NAMED: usize = 500;

/// Keys that are made room for at once, before they are seen.
const ROOM: u64 = 1 << 22;

/// What is counted of a key: rows, and the newest of them.
#[derive(Clone, Copy)]
struct Weight {
    hash: u64,
    row: u64,
    rows: u32,
}

/// Counts a row of a key; rows come from the newest back.
fn count(keys: &mut HashTable<Weight>, hash: u64, row: u64) {
    match keys.entry(hash, |w| w.hash == hash, |w| w.hash) {
        Entry::Occupied(mut known) => {
            let known = known.get_mut();
            known.rows = known.rows.saturating_add(1);
        }
        Entry::Vacant(new) => {
            new.insert(Weight { hash, row, rows: 1 });
        }
    }
}

/// Keeps the smallest of all that it is given.
struct Least<T>(BinaryHeap<T>);

impl<T: Ord> Least<T> {
    fn add(&mut self, one: T) {
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
    /// last one before it said.
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
        };
        let (Some(from), Some(to)) = (edges.first().copied(), edges.last().copied()) else {
            return Ok(lines);
        };
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
        Ok(lines)
    }

    /// What rests in the state just after an arrival, counted by key: looked
    /// for from that arrival back until all rows that the books name are found.
    /// `shifts` ([`crate::operator::pipeline::Join::shifts`]) give the expiry.
    /// `found` is told the whole, and before that, once 262,144 rows were looked at,
    /// each time they are twice as many; if it returns false the search ends.
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
        let mut keys: HashTable<Weight> = HashTable::with_capacity(of.min(ROOM) as usize);
        let mut next: Least<(i64, u64)> = Least(BinaryHeap::new());
        let (mut rows, mut looked_at) = (0u64, 0u64);
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
            let t = self.inner.tables.read(
                segment,
                Part::Rows,
                &columns,
                std::slice::from_ref(&range),
            )?;
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
                count(&mut keys, xxh3_64(key), row);
                let shift = shifts.get(usize::from(inputs[i])).copied().unwrap_or(0);
                next.add((times[i].saturating_add(shift), row));
            }
            looked_at += end - start;
            end = start;
            // Partial answers grow apart, so that choosing among all keys stays cheap.
            let parts = looked_at / CHUNK;
            let whole = rows >= of || end == 0;
            if (whole || parts >= FIRST && parts.is_power_of_two())
                && !found(StateNow {
                    arrival,
                    rows,
                    of,
                    keys: keys.len() as u64,
                    heaviest: heaviest(&keys),
                    next: leaving(&next),
                    whole,
                })
            {
                return Ok(());
            }
        }
        if rows == 0 {
            found(StateNow { arrival, of, whole: true, ..StateNow::default() });
        }
        Ok(())
    }
}

/// The keys with the most rows, those first that came last where they are equal.
fn heaviest(keys: &HashTable<Weight>) -> Vec<HeavyKey> {
    let mut most = Least(BinaryHeap::new());
    for w in keys {
        most.add((Reverse(w.rows), Reverse(w.row)));
    }
    let all = most.0.into_sorted_vec().into_iter();
    all.map(|(rows, row)| HeavyKey { row: row.0, rows: u64::from(rows.0) }).collect()
}

fn leaving(next: &Least<(i64, u64)>) -> Vec<Leaves> {
    let mut all: Vec<(i64, u64)> = next.0.iter().copied().collect();
    all.sort_unstable();
    all.into_iter().map(|(due, row)| Leaves { due, row }).collect()
}
