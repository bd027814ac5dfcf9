//! Rows of a key and of its normalised form.

use std::ops::Range;

use super::segment::Segment;
use super::{Moment, Run};
use crate::operator::key::Key;
use crate::operator::record::Arrival;
use crate::run::error::{Result, RunError};
use crate::run::layout::Part;
use crate::run::summary::{KEY_FENCE, KEY_WIDTH, KeyTimes, PackedKey, Section};
use crate::run::types::{KeyRows, KeyState, RowView};

/// Rows of a key that `state_of_key` looks at, from the newest back.
const STATE_LOOKS: u64 = 20_000;
/// Rows that it names.
const STATE_ROWS: usize = 1_000;
/// Other spellings of a key that are looked at one by one.
const SPELLINGS: usize = 64;

pub(super) fn check_of(key: &Key) -> u16 {
    (key.hash64() >> 48) as u16
}

/// A row of the index: its event time and number.
type Hit = (i64, u64);

impl Run {
    /// How many rows have this key, how many one that differs only in case,
    /// surrounding whitespace or type, and the `limit` nearest of both to
    /// `around_ms` in event time.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn rows_of_key(&self, key: &Key, around_ms: i64, limit: usize) -> Result<KeyRows> {
        let now = self.now();
        let (hash, check) = (key.normal_hash(), check_of(key));
        let mut exact_count = 0;
        let mut all_count = 0;
        let mut hits: Vec<Hit> = Vec::new();
        let mut coarse_ms = 0u64;
        for segment in &now.segments {
            let same = self.hash_range(segment, hash)?;
            if same.is_empty() {
                continue;
            }
            coarse_ms = coarse_ms.max((1u64 << segment.summary.key_time_shift) - 1);
            all_count += same.end - same.start;
            let exact = self.check_range(segment, &same, check)?;
            exact_count += exact.end - exact.start;
            let mut at = same.start;
            for _ in 0..SPELLINGS {
                if at >= same.end {
                    break;
                }
                let entry = self.key_entries(segment, at..at + 1)?;
                let Some(spelling) = entry.first().map(|e| e.check()) else { break };
                let range = self.check_range(segment, &(at..same.end), spelling)?;
                self.nearest(segment, &range, around_ms, limit, &mut hits)?;
                at = range.end.max(at + 1);
            }
            if at < same.end && exact.start >= at {
                self.nearest(segment, &exact, around_ms, limit, &mut hits)?;
            }
        }
        let distance = |hit: &Hit| (hit.0.abs_diff(around_ms), hit.1);
        hits.sort_unstable_by_key(distance);
        hits.truncate(limit);
        let rows: Vec<u64> = hits.iter().map(|hit| hit.1).collect();
        let mut sorted = rows.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let views = self.views_of(&now, &sorted)?;
        let find = |row: &u64| sorted.binary_search(row).ok().and_then(|at| views.get(at).cloned());
        Ok(KeyRows {
            exact_count,
            normal_count: all_count - exact_count,
            rows: rows.iter().filter_map(find).collect(),
            coarse_ms,
        })
    }

    /// The rows of a key that rest in the state just after an arrival.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn state_of_key(&self, key: &Key, arrival: Arrival) -> Result<KeyState> {
        let now = self.now();
        let (hash, check) = (key.normal_hash(), check_of(key));
        let mut looked = 0;
        let mut found: Vec<u64> = Vec::new();
        let mut whole = true;
        for (number, segment) in now.segments.iter().enumerate().rev() {
            if segment.summary.first_arrival > arrival {
                continue;
            }
            let same = self.hash_range(segment, hash)?;
            let exact = self.check_range(segment, &same, check)?;
            if exact.is_empty() {
                continue;
            }
            // By event time: the newest are last.
            let from = exact.end.saturating_sub(STATE_LOOKS - looked).max(exact.start);
            whole &= from == exact.start;
            looked += exact.end - from;
            let entries = self.key_entries(segment, from..exact.end)?;
            let first = segment.summary.first_row;
            let mut rows: Vec<u64> = entries.iter().map(|e| first + e.row()).collect();
            rows.sort_unstable();
            let mut resting = self.resting(&now, number, &rows, arrival)?;
            resting.extend_from_slice(&found);
            found = resting;
            if looked >= STATE_LOOKS {
                whole &= number == 0;
                break;
            }
        }
        if found.len() > STATE_ROWS {
            found.drain(..found.len() - STATE_ROWS);
            whole = false;
        }
        let mut rows: Vec<RowView> = self.views_of(&now, &found)?;
        // A check of 16 bits may meet another key.
        rows.retain(|row| row.key.as_ref() == Some(key));
        Ok(KeyState { rows, whole })
    }

    /// Those of a segment's rows that rest in the state just after an arrival.
    fn resting(&self, now: &Moment, number: usize, rows: &[u64], at: Arrival) -> Result<Vec<u64>> {
        let segment = &now.segments[number];
        let ranges = super::rows::consecutive(rows, segment.summary.first_row);
        let t = self.inner.tables.read(segment, Part::Rows, &["arrival", "verdict"], &ranges)?;
        let (arrivals, verdicts) = (t.u64s("arrival")?, t.u8s("verdict")?);
        let fates = now.fates(&self.inner.tables, number, rows, arrivals, verdicts)?;
        Ok(rows
            .iter()
            .zip(arrivals)
            .zip(fates)
            .filter(|((_, arrival), fate)| {
                !fate.at_arrival
                    && **arrival <= at
                    && fate.removed.is_none_or(|removed| at < removed)
            })
            .map(|((row, _), _)| *row)
            .collect())
    }

    /// Positions of the entries of a normalised hash.
    pub(super) fn hash_range(&self, segment: &Segment, hash: u64) -> Result<Range<u64>> {
        let hash = hash >> 16 << 16;
        let fences = &segment.summary.key_fences;
        let first = fences.partition_point(|f| *f < hash).saturating_sub(1) as u64;
        let last = fences.partition_point(|f| *f <= hash | 0xffff) as u64;
        let near = first * KEY_FENCE as u64..last * KEY_FENCE as u64;
        let find = |range: Range<u64>, after: bool| {
            segment.partition_point(self.cache(), Section::Keys, KEY_WIDTH, range, |e| {
                let h = PackedKey::read(e).hash();
                h < hash || after && h == hash
            })
        };
        let from = find(near.clone(), false)?;
        Ok(from..find(from..near.end, true)?)
    }

    /// Among entries of one hash, those of one key check.
    pub(super) fn check_range(
        &self,
        segment: &Segment,
        same: &Range<u64>,
        check: u16,
    ) -> Result<Range<u64>> {
        let find = |range: Range<u64>, after: bool| {
            segment.partition_point(self.cache(), Section::Keys, KEY_WIDTH, range, |e| {
                let c = PackedKey::read(e).check();
                c < check || after && c == check
            })
        };
        let from = find(same.clone(), false)?;
        Ok(from..find(from..same.end, true)?)
    }

    pub(super) fn key_entries(
        &self,
        segment: &Segment,
        range: Range<u64>,
    ) -> Result<Vec<PackedKey>> {
        let bytes =
            segment.entries(self.cache(), Section::Keys, KEY_WIDTH, range.start, range.end)?;
        let entries: Vec<_> = bytes.chunks_exact(KEY_WIDTH).map(PackedKey::read).collect();
        if entries.iter().any(|e| e.row() >= segment.summary.rows()) {
            return Err(RunError::corrupt(&segment.index().path, "a key of a row beyond its end"));
        }
        Ok(entries)
    }

    /// The `limit` entries nearest in time, of a range sorted by it.
    fn nearest(
        &self,
        segment: &Segment,
        range: &Range<u64>,
        around_ms: i64,
        limit: usize,
        hits: &mut Vec<Hit>,
    ) -> Result<()> {
        let s = &segment.summary;
        let times = KeyTimes { base: s.key_time_base, shift: s.key_time_shift };
        let middle = segment.partition_point(
            self.cache(),
            Section::Keys,
            KEY_WIDTH,
            range.clone(),
            |e| times.get(PackedKey::read(e).time()) < around_ms,
        )?;
        let from = middle.saturating_sub(limit as u64).max(range.start);
        let to = middle.saturating_add(limit as u64).min(range.end);
        let first = segment.summary.first_row;
        let near = self.key_entries(segment, from..to)?;
        hits.extend(near.into_iter().map(|e| (times.get(e.time()), first + e.row())));
        Ok(())
    }
}
