//! The state of a run laid out by row, so that what was in it at any moment is
//! counted without reading the store: which key a row has, which input it came
//! from, and when it left.
//!
//! It is made from the store when somebody asks for it and rests in memory, 8 bytes
//! a row: writing a run costs nothing more for it, and runs of every version have
//! it. A run that has grown since is looked through instead ([`Run::state_now`]).

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_64;

use super::segment::Segment;
use super::tables::Tables;
use super::{Moment, Run};
use crate::operator::record::Arrival;
use crate::operator::verdict::Verdict;
use crate::run::blocks::Cache;
use crate::run::error::{Result, RunError};
use crate::run::layout::{PAGE_ROWS, Part};
use crate::run::manifest::SegmentRef;
use crate::run::summary::{KEY_FENCE, KEY_WIDTH, PackedKey, Section};

/// Bits of a row's number; its input stands above them.
const ROW_BITS: u32 = 24;
/// Rows of a run that can be laid out: 128 MB.
const MAX_ROWS: u64 = 1 << ROW_BITS;
/// Rows read at once.
const CHUNK: u64 = 16 * PAGE_ROWS as u64;
/// Key entries read at once.
const KEYS: u64 = 16 * KEY_FENCE as u64;
/// Parts that keys are taken in, by the first byte of their hash: the keys of one
/// fit into a processor's cache.
const PARTS: u64 = 256;
/// Bytes cached on the way: what is read once must not push out what is asked again.
const ON_THE_WAY: usize = 8 << 20;

/// Stands for "it has not left".
const STAYS: u32 = u32::MAX;
/// Stands for "it was never in the state": no arrival is before the first.
const NEVER_IN: u32 = 0;

/// Of the rows of one input on one page, those that were ever in the state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// The smallest event time among them, ms.
    pub least_time: i64,
    /// When the last of them left.
    pub last_left: u32,
}

impl Share {
    const NONE: Self = Self { least_time: i64::MAX, last_left: NEVER_IN };
}

/// A page of rows.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub segment: u32,
    /// Numbers of its rows in the run.
    pub rows: Range<u32>,
}

/// See the module.
pub(crate) struct StateIndex {
    /// What it was made of.
    segments: Vec<SegmentRef>,
    /// By row: its input, and in the lower [`ROW_BITS`] the row that stands for its key.
    keys: Vec<u32>,
    /// By row: the arrival at which it left.
    left: Vec<u32>,
    pub(super) pages: Vec<Page>,
    pub(super) inputs: usize,
    /// By page and input.
    shares: Vec<Share>,
    /// Zeros, for the next who counts.
    pub(super) spare: Mutex<Vec<Vec<u32>>>,
}

impl Run {
    /// Lays the state out in memory, for which the cache gives way, so that [`Run::state_now`] and
    /// [`Run::leaving_of_key`] answer within milliseconds at any arrival; whether
    /// that can be done: not with more than 16 million rows. For a run that has
    /// ended; in one that goes on it is soon out of date.
    ///
    /// # Errors
    /// [`RunError::Cancelled`] once `cancel` is set, or the store cannot be read.
    pub fn index_state(&self, cancel: &AtomicBool) -> Result<bool> {
        let now = self.now();
        if self.state_index(&now).is_some() {
            return Ok(true);
        }
        let made = StateIndex::make(&now, cancel)?.map(Arc::new);
        let is_made = made.is_some();
        // What is asked about the state comes from there, no longer from the store.
        self.cache().give_way(made.as_ref().map_or(0, |index| index.bytes()));
        *self.inner.state_index.write().unwrap_or_else(PoisonError::into_inner) = made;
        Ok(is_made)
    }

    /// The index, if it was made of just this.
    pub(super) fn state_index(&self, now: &Moment) -> Option<Arc<StateIndex>> {
        let index = self.inner.state_index.read().unwrap_or_else(PoisonError::into_inner).clone();
        index.filter(|index| index.segments == now.manifest.segments)
    }
}

impl StateIndex {
    fn make(now: &Moment, cancel: &AtomicBool) -> Result<Option<Self>> {
        let inputs = now.manifest.start.inputs.len();
        let fits = now.rows() <= MAX_ROWS
            && now.arrivals() < u64::from(STAYS)
            && u8::try_from(inputs).is_ok();
        if !fits {
            return Ok(None);
        }
        let rows = now.rows() as usize;
        let tables = Tables::new(Arc::new(Cache::new(ON_THE_WAY)));
        let mut index = Self {
            segments: now.manifest.segments.clone(),
            keys: Vec::with_capacity(rows),
            left: Vec::with_capacity(rows),
            pages: Vec::new(),
            inputs,
            shares: Vec::new(),
            spare: Mutex::default(),
        };
        let going_on =
            || if cancel.load(Ordering::Relaxed) { Err(RunError::Cancelled) } else { Ok(()) };
        let mut spellings = Vec::with_capacity(rows);
        for number in 0..now.segments.len() {
            going_on()?;
            index.take_rows(now, number, &tables, &mut spellings)?;
        }
        for segment in &now.segments {
            going_on()?;
            index.take_decisions(segment, &tables)?;
        }
        index.close_pages();
        let mut at = vec![0; now.segments.len()];
        let mut known = HashMap::new();
        for part in 1..=PARTS {
            going_on()?;
            known.clear();
            for (segment, at) in now.segments.iter().zip(&mut at) {
                let to = part_end(segment, &tables.cache, part)?;
                index.take_keys(segment, &tables.cache, *at..to, &spellings, &mut known)?;
                *at = to;
            }
        }
        Ok(Some(index))
    }

    /// Which rows came into the state, and how their keys are spelt.
    fn take_rows(
        &mut self,
        now: &Moment,
        number: usize,
        tables: &Tables,
        spellings: &mut Vec<u16>,
    ) -> Result<()> {
        let segment = &now.segments[number];
        let first = segment.summary.first_row;
        let all = segment.summary.rows();
        for from in (0..all).step_by(CHUNK as usize) {
            let range = from..(from + CHUNK).min(all);
            let columns = ["input", "event_time", "verdict", "key"];
            let t = tables.read_range(segment, Part::Rows, &columns, &range)?;
            let (inputs, times) = (t.u8s("input")?, t.i64s("event_time")?);
            let (verdicts, keys) = (t.u8s("verdict")?, t.binary("key")?);
            for i in 0..t.len() {
                if i % PAGE_ROWS == 0 {
                    let start = first + range.start + i as u64;
                    let end = (start + PAGE_ROWS as u64).min(first + range.end);
                    let rows = start as u32..end as u32;
                    self.pages.push(Page { segment: number as u32, rows });
                    self.shares.resize(self.shares.len() + self.inputs, Share::NONE);
                }
                let input = usize::from(inputs[i]);
                if input >= self.inputs {
                    let path = &segment.files[Part::Rows as usize].path;
                    return Err(RunError::corrupt(path, format!("there is no input {input}")));
                }
                let key = keys.at(i);
                let was_in = verdicts[i] == Verdict::Open as u8 && !key.is_empty();
                if was_in {
                    let page = self.shares.len() - self.inputs;
                    let least = &mut self.shares[page + input].least_time;
                    *least = times[i].min(*least);
                }
                // A key of its own until it is known.
                self.keys.push((input as u32) << ROW_BITS | self.keys.len() as u32);
                self.left.push(if was_in { STAYS } else { NEVER_IN });
                spellings.push(xxh3_64(key) as u16);
            }
        }
        Ok(())
    }

    /// When rows left.
    fn take_decisions(&mut self, segment: &Segment, tables: &Tables) -> Result<()> {
        let all = segment.summary.decisions;
        for from in (0..all).step_by(CHUNK as usize) {
            let range = from..(from + CHUNK).min(all);
            let columns = ["row", "at", "removed"];
            let part = Part::Decisions;
            let t = tables.read_range(segment, part, &columns, &range)?;
            let (rows, ats, removed) = (t.u64s("row")?, t.u64s("at")?, t.bools("removed")?);
            for i in (0..t.len()).filter(|i| removed.value(*i)) {
                let Some(left) = self.left.get_mut(rows[i] as usize) else {
                    let path = &segment.files[part as usize].path;
                    return Err(RunError::corrupt(path, format!("there is no row {}", rows[i])));
                };
                *left = u32::try_from(ats[i]).unwrap_or(STAYS).min(*left);
            }
        }
        Ok(())
    }

    fn close_pages(&mut self) {
        let shares = self.shares.chunks_exact_mut(self.inputs.max(1));
        for (page, shares) in self.pages.iter().zip(shares) {
            let rows = page.rows.start as usize..page.rows.end as usize;
            for (left, key) in self.left[rows.clone()].iter().zip(&self.keys[rows]) {
                let last = &mut shares[(key >> ROW_BITS) as usize].last_left;
                *last = (*last).max(*left);
            }
        }
    }

    /// Gives rows of equal keys the same row to stand for them. The index of keys
    /// has 48 bits of the normalised key's hash and 16 of the key's own; 16 more
    /// tell one key's spellings apart.
    fn take_keys(
        &mut self,
        segment: &Segment,
        cache: &Cache,
        entries: Range<u64>,
        spellings: &[u16],
        known: &mut HashMap<(u64, u16), u32>,
    ) -> Result<()> {
        let s = &segment.summary;
        for from in entries.clone().step_by(KEYS as usize) {
            let to = (from + KEYS).min(entries.end);
            let bytes = segment.entries(cache, Section::Keys, KEY_WIDTH, from, to)?;
            for entry in bytes.chunks_exact(KEY_WIDTH).map(PackedKey::read) {
                if entry.row() >= s.rows() {
                    let path = &segment.index().path;
                    return Err(RunError::corrupt(path, "a key of a row beyond its end"));
                }
                let row = (s.first_row + entry.row()) as usize;
                if self.left[row] == NEVER_IN {
                    continue;
                }
                let key = ((entry.0 >> 64) as u64, spellings[row]);
                let first = *known.entry(key).or_insert(row as u32);
                self.keys[row] = self.keys[row] >> ROW_BITS << ROW_BITS | first;
            }
        }
        Ok(())
    }

    /// Inputs and keys of rows, and when they left.
    pub(super) fn rows(&self, rows: Range<usize>) -> (&[u32], &[u32]) {
        (&self.keys[rows.clone()], &self.left[rows])
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Memory that it takes.
    fn bytes(&self) -> usize {
        self.len() * 2 * size_of::<u32>()
    }

    /// The row that stands for a row's key.
    pub(super) fn key_of(&self, row: u64) -> Option<u32> {
        self.keys.get(row as usize).map(|entry| key(*entry))
    }

    /// What there is of each input on a page.
    pub(super) fn shares(&self, page: usize) -> &[Share] {
        &self.shares[page * self.inputs..(page + 1) * self.inputs]
    }
}

/// The row that stands for the key of an entry.
#[inline]
pub(super) fn key(entry: u32) -> u32 {
    entry & (MAX_ROWS as u32 - 1)
}

/// The input of an entry.
#[inline]
pub(super) fn input(entry: u32) -> u8 {
    (entry >> ROW_BITS) as u8
}

/// An arrival as the index has it: those beyond the end are like the last.
pub(super) fn moment(arrival: Arrival) -> u32 {
    u32::try_from(arrival).unwrap_or(STAYS).min(STAYS - 1)
}

/// Where the entries of the keys' first `part` parts end.
fn part_end(segment: &Segment, cache: &Cache, part: u64) -> Result<u64> {
    let all = segment.len(Section::Keys, KEY_WIDTH);
    if part == PARTS {
        return Ok(all);
    }
    let bound = part << 56;
    let fences = &segment.summary.key_fences;
    let after = fences.partition_point(|fence| *fence < bound) as u64;
    let near = after.saturating_sub(1) * KEY_FENCE as u64..after * KEY_FENCE as u64;
    segment.partition_point(cache, Section::Keys, KEY_WIDTH, near, |entry| {
        PackedKey::read(entry).hash() < bound
    })
}
