//! Earlier rows in a row's interval, for [`crate::run::expired`].

use super::Run;
use crate::operator::join::Reason;
use crate::operator::verdict::Verdict;
use crate::run::error::Result;
use crate::run::expired::Window;
use crate::run::layout::Part;
use crate::run::summary::{KEY_WIDTH, KeyTimes, PackedKey, Section};

/// A row that reached the join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub row: u64,
    pub input: u8,
    pub partition: i32,
    /// Event time, ms.
    pub time: i64,
    pub arrival: u64,
    /// It was not kept, and is unmatched so far.
    pub missed: bool,
}

impl Run {
    /// Published rows of a key (by its hashes) that reached the join and lie in one of
    /// the windows; and how many rows were read for them.
    pub(crate) fn earlier(
        &self,
        (hash, normal): (u64, u64),
        windows: &[Window],
    ) -> Result<(Vec<Earlier>, usize)> {
        let now = self.now();
        let (Some(lo), Some(hi)) =
            (windows.iter().map(|w| w.1).min(), windows.iter().map(|w| w.2).max())
        else {
            return Ok((Vec::new(), 0));
        };
        let (mut found, mut read) = (Vec::new(), 0);
        for (number, segment) in now.segments.iter().enumerate() {
            let s = &segment.summary;
            if s.key_fences.is_empty() || hi < s.key_time_base {
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
                .collect();
            if rows.is_empty() {
                continue;
            }
            read += rows.len();
            rows.sort_unstable();
            let ranges = super::rows::consecutive(&rows, s.first_row);
            let columns = ["arrival", "input", "partition", "event_time", "verdict", "key"];
            let t = self.inner.tables.read(segment, Part::Rows, &columns, &ranges)?;
            let (arrivals, inputs) = (t.u64s("arrival")?, t.u8s("input")?);
            let (event_times, verdicts) = (t.i64s("event_time")?, t.u8s("verdict")?);
            let (keys, partitions) = (t.binary("key")?, t.i32s("partition")?);
            let fates = now.fates(&self.inner.tables, number, &rows, arrivals, verdicts)?;
            for (i, row) in rows.iter().enumerate() {
                let inside = windows.iter().any(|(input, lo, hi)| {
                    inputs[i] == *input && (*lo..=*hi).contains(&event_times[i])
                });
                let fate = &fates[i];
                // Kafka Streams' join finds a null value, and leaves it out.
                let reached = verdicts[i] == Verdict::Open as u8
                    && Verdict::from_code(fate.verdict).is_some_and(Verdict::reaches_join);
                if !inside || !reached {
                    continue;
                }
                if xxhash_rust::xxh3::xxh3_64(keys.at(i)) != hash {
                    continue;
                }
                let not_kept = Reason::from_code(fate.reason).is_some_and(Reason::not_kept);
                found.push(Earlier {
                    row: *row,
                    input: inputs[i],
                    partition: partitions[i],
                    time: event_times[i],
                    arrival: arrivals[i],
                    missed: not_kept && fate.verdict == Verdict::Unmatched as u8,
                });
            }
        }
        Ok((found, read))
    }
}
