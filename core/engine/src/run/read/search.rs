//! Search and filters that no index answers: a job over all rows, with partial
//! results and a cancel flag.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Moment, Run};
use crate::operator::key::Key;
use crate::operator::verdict::Verdict;
use crate::run::error::{Result, RunError};
use crate::run::layout::Part;
use crate::run::types::{Found, Query, VerdictSet};

/// Rows looked at between two reports.
const CHUNK: u64 = 32_768;

impl Run {
    /// Looks through the run for rows that meet a query. `found` is told what
    /// was found since its last call, at least every 32,768 rows looked at, and
    /// once at the end; if it returns false the search ends.
    ///
    /// # Errors
    /// [`RunError::Cancelled`] once `cancel` is set, or the store cannot be read.
    pub fn search(
        &self,
        query: &Query,
        cancel: &AtomicBool,
        mut found: impl FnMut(Found) -> bool,
    ) -> Result<()> {
        let now = self.now();
        let (from, to) = match query.arrivals {
            Some((first, last)) => (
                self.row_of_arrival(&now, first)?,
                self.row_of_arrival(&now, last.saturating_add(1))?,
            ),
            None => (0, now.rows()),
        };
        let matcher = Matcher::new(query, &now);
        let mut left = query.limit.unwrap_or(u64::MAX);
        let of = to.saturating_sub(from);
        let mut at = from;
        while at < to && left > 0 {
            if cancel.load(Ordering::Relaxed) {
                return Err(RunError::Cancelled);
            }
            let Some(number) = now.segment_of_row(at) else { break };
            let segment_end = now.segments[number].summary.end_row;
            let end = to.min(segment_end).min(at + CHUNK);
            let mut rows = if let Some(key) = &query.key {
                // The key index names the rows of the whole segment at once.
                let end = to.min(segment_end);
                let rows = self.rows_of(&now, number, key, at..end)?;
                let rows = self.matching(&now, number, &rows, &matcher)?;
                at = end;
                rows
            } else {
                let rows: Vec<u64> = (at..end).collect();
                at = end;
                self.matching(&now, number, &rows, &matcher)?
            };
            rows.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= rows.len() as u64;
            if !found(Found { rows, looked_at: at - from, of }) {
                return Ok(());
            }
        }
        if of == 0 {
            found(Found { rows: Vec::new(), looked_at: 0, of });
        }
        Ok(())
    }

    /// All rows that meet a query, up to its limit.
    ///
    /// # Errors
    /// As [`Run::search`].
    pub fn search_all(&self, query: &Query, cancel: &AtomicBool) -> Result<Vec<u64>> {
        let mut all = Vec::new();
        self.search(query, cancel, |found| {
            all.extend(found.rows);
            true
        })?;
        Ok(all)
    }

    /// Rows of a segment that may have a key, ascending.
    fn rows_of(
        &self,
        now: &Moment,
        number: usize,
        key: &Key,
        within: std::ops::Range<u64>,
    ) -> Result<Vec<u64>> {
        let segment = &now.segments[number];
        let same = self.hash_range(segment, key.normal_hash())?;
        let exact = self.check_range(segment, &same, (key.hash64() >> 48) as u16)?;
        let first = segment.summary.first_row;
        let mut rows: Vec<u64> = self
            .key_entries(segment, exact)?
            .into_iter()
            .map(|e| first + e.row())
            .filter(|row| within.contains(row))
            .collect();
        rows.sort_unstable();
        Ok(rows)
    }

    fn matching(
        &self,
        now: &Moment,
        number: usize,
        rows: &[u64],
        matcher: &Matcher<'_>,
    ) -> Result<Vec<u64>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let query = matcher.query;
        let segment = &now.segments[number];
        let ranges = super::rows::consecutive(rows, segment.summary.first_row);
        let mut columns = vec!["arrival", "input", "partition", "event_time", "verdict"];
        if query.late_by_at_least.is_some() {
            columns.push("watermark");
        }
        if query.text.is_some() {
            columns.push("offset");
        }
        if query.text.is_some() || query.key.is_some() {
            columns.push("key");
        }
        let t = self.inner.tables.read(segment, Part::Rows, &columns, &ranges)?;
        let (inputs, partitions) = (t.u8s("input")?, t.i32s("partition")?);
        let (times, at_arrival) = (t.i64s("event_time")?, t.u8s("verdict")?);
        let all = query.verdicts.is_empty() || query.verdicts == VerdictSet::ALL;
        let fates = if all {
            Vec::new()
        } else {
            now.fates(&self.inner.tables, number, rows, t.u64s("arrival")?, at_arrival)?
        };
        let keys = if columns.contains(&"key") { Some(t.binary("key")?) } else { None };
        let offsets = if query.text.is_some() { Some(t.i64s("offset")?) } else { None };
        let watermarks =
            if query.late_by_at_least.is_some() { Some(t.i64s("watermark")?) } else { None };
        let mut hits = Vec::new();
        let mut text = String::new();
        for (i, row) in rows.iter().enumerate() {
            let verdict = fates.get(i).map(|fate| fate.verdict);
            if verdict
                .is_some_and(|v| !Verdict::from_code(v).is_some_and(|v| query.verdicts.contains(v)))
            {
                continue;
            }
            if query.inputs != 0 && query.inputs >> inputs[i] & 1 == 0 {
                continue;
            }
            if !matcher.lanes.is_empty() {
                let lane = now.lanes.lane(inputs[i], partitions[i]);
                if lane.is_none_or(|lane| matcher.lanes.binary_search(&lane).is_err()) {
                    continue;
                }
            }
            if query.event_time.is_some_and(|(first, last)| {
                times[i] == i64::MIN || times[i] < first || times[i] > last
            }) {
                continue;
            }
            if let (Some(least), Some(watermarks)) = (query.late_by_at_least, watermarks) {
                let known = watermarks[i] != i64::MIN
                    && Verdict::from_code(at_arrival[i]).is_some_and(Verdict::passed_the_checks);
                if !known || watermarks[i].saturating_sub(times[i]) < least.max(1) {
                    continue;
                }
            }
            if let (Some(key), Some(keys)) = (&query.key, keys)
                && keys.at(i) != key.canonical()
            {
                continue;
            }
            if let (Some(needle), Some(keys), Some(offsets)) = (&matcher.text, keys, offsets) {
                text.clear();
                matcher.describe(inputs[i], partitions[i], offsets[i], keys.at(i), &mut text);
                if !text.contains(needle.as_str()) {
                    continue;
                }
            }
            hits.push(*row);
        }
        Ok(hits)
    }
}

struct Matcher<'a> {
    query: &'a Query,
    lanes: Vec<u32>,
    text: Option<String>,
    topics: Vec<String>,
}

impl<'a> Matcher<'a> {
    fn new(query: &'a Query, now: &Moment) -> Self {
        let mut lanes = query.lanes.clone();
        lanes.sort_unstable();
        Self {
            query,
            lanes,
            text: query.text.as_ref().map(|text| text.to_lowercase()),
            topics: now.manifest.start.inputs.iter().map(|i| i.topic.to_lowercase()).collect(),
        }
    }

    /// What text is looked for in: the record's name and the key, in lower case.
    fn describe(&self, input: u8, partition: i32, offset: i64, key: &[u8], text: &mut String) {
        use std::fmt::Write;
        let topic = self.topics.get(input as usize).map_or("", String::as_str);
        let _ = writeln!(text, "{topic}[{partition}]@{offset}");
        if let Some(key) = Key::from_canonical(key) {
            let from = text.len();
            let _ = write!(text, "{key}");
            if !text[from..].bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
                let lower = text[from..].to_lowercase();
                text.truncate(from);
                text.push_str(&lower);
            }
        }
    }
}
