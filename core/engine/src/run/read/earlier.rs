//! Earlier rows in a row's interval, for [`crate::run::expired`].

use super::Run;
use crate::operator::join::Reason;
use crate::operator::verdict::Verdict;
use crate::run::error::Result;
use crate::run::expired::Window;
use crate::run::layout::Part;
use crate::run::summary::{KEY_WIDTH, KeyTimes, PackedKey, Section};

/// An earlier row that reached the join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub row: u64,
    pub input: u8,
    pub arrival: u64,
    /// It was not kept, and is unmatched so far.
    pub missed: bool,
}

impl Run {
    /// Published rows before `row` of a key (by its hashes) that reached the
    /// join and lie in one of the windows.
    pub(crate) fn earlier(
        &self,
        hash: u64,
        normal: u64,
        windows: &[Window],
        row: u64,
    ) -> Result<Vec<Earlier>> {
        let now = self.now();
        let (Some(lo), Some(hi)) =
            (windows.iter().map(|w| w.1).min(), windows.iter().map(|w| w.2).max())
        else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for (number, segment) in now.segments.iter().enumerate() {
            let s = &segment.summary;
            if s.first_row >= row || s.key_fences.is_empty() || hi < s.key_time_base {
                continue;
            }
            let same = self.hash_range(segment, normal)?;
            let exact = self.check_range(segment, &same, (hash >> 48) as u16)?;
            let times = KeyTimes { base: s.key_time_base, shift: s.key_time_shift };
            let find = |range, bound: u64, after: bool| {
                segment.partition_point(self.cache(), Section::Keys, KEY_WIDTH, range, |e| {
                    let place = PackedKey::read(e).time();
                    place < bound || after && place == bound
                })
            };
            let from = find(exact.clone(), times.put(lo), false)?;
            let to = find(from..exact.end, times.put(hi), true)?;
            let mut rows: Vec<u64> = self
                .key_entries(segment, from..to)?
                .into_iter()
                .map(|e| s.first_row + e.row())
                .filter(|earlier| *earlier < row)
                .collect();
            if rows.is_empty() {
                continue;
            }
            rows.sort_unstable();
            let ranges = super::rows::consecutive(&rows, s.first_row);
            let columns = ["arrival", "input", "event_time", "verdict", "key"];
            let t = self.inner.tables.read(segment, Part::Rows, &columns, &ranges)?;
            let (arrivals, inputs) = (t.u64s("arrival")?, t.u8s("input")?);
            let (event_times, verdicts) = (t.i64s("event_time")?, t.u8s("verdict")?);
            let keys = t.binary("key")?;
            let fates = now.fates(&self.inner.tables, number, &rows, arrivals, verdicts)?;
            for (i, row) in rows.iter().enumerate() {
                let inside = windows.iter().any(|(input, lo, hi)| {
                    inputs[i] == *input && (*lo..=*hi).contains(&event_times[i])
                });
                let reached = verdicts[i] == Verdict::Open as u8;
                if !inside || !reached || xxhash_rust::xxh3::xxh3_64(keys.at(i)) != hash {
                    continue;
                }
                let fate = &fates[i];
                let not_kept = Reason::from_code(fate.reason).is_some_and(Reason::not_kept);
                found.push(Earlier {
                    row: *row,
                    input: inputs[i],
                    arrival: arrivals[i],
                    missed: not_kept && fate.verdict == Verdict::Unmatched as u8,
                });
            }
        }
        Ok(found)
    }
}
