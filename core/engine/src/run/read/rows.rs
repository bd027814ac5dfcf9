//! Rows with all that is known of them.

use std::ops::Range;

use super::{Moment, Run};
use crate::operator::join::Reason;
use crate::operator::key::Key;
use crate::operator::pipeline::Semantics;
use crate::operator::record::{Arrival, RecordName};
use crate::operator::verdict::Verdict;
use crate::run::bytes::{i64_at, u32_at, u64_at};
use crate::run::error::{Result, RunError};
use crate::run::layout::{PAGE_ROWS, Part};
use crate::run::summary::{OFFSET_WIDTH, REF_FENCE, REF_WIDTH, Section};
use crate::run::types::RowView;

fn some(time: i64) -> Option<i64> {
    (time != i64::MIN).then_some(time)
}

/// Columns of what is known of a row at its arrival, and of its verdict then.
pub(super) const FACTS: [&str; 9] = [
    "arrival",
    "arrival_ms",
    "input",
    "partition",
    "offset",
    "event_time",
    "watermark",
    "verdict",
    "key",
];

impl Run {
    /// Rows `first_row..first_row + n`, as many of them as there are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn page(&self, first_row: u64, n: usize) -> Result<Vec<RowView>> {
        let now = self.now();
        let end = first_row.saturating_add(n as u64).min(now.rows());
        self.views_of(&now, &(first_row.min(end)..end).collect::<Vec<_>>())
    }

    /// One row.
    ///
    /// # Errors
    /// There is no such row, or the store cannot be read.
    pub fn row(&self, row: u64) -> Result<RowView> {
        let found = self.page(row, 1)?.pop();
        found.ok_or_else(|| RunError::NoSuch(format!("the run has no row {row}")))
    }

    /// The rows of an arrival (one for each input that its topic feeds).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn rows_of_arrival(&self, arrival: Arrival) -> Result<Vec<RowView>> {
        let now = self.now();
        if arrival >= now.arrivals() {
            return Ok(Vec::new());
        }
        let rows = self.row_of_arrival(&now, arrival)?..self.row_of_arrival(&now, arrival + 1)?;
        self.views_of(&now, &rows.collect::<Vec<_>>())
    }

    /// Some rows, in the order asked for.
    ///
    /// # Errors
    /// There is no such row, or the store cannot be read.
    pub fn views(&self, rows: &[u64]) -> Result<Vec<RowView>> {
        let now = self.now();
        let mut sorted = rows.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let views = self.views_of(&now, &sorted)?;
        rows.iter()
            .map(|row| {
                let at = sorted.binary_search(row).unwrap_or(0);
                views
                    .get(at)
                    .cloned()
                    .ok_or_else(|| RunError::NoSuch(format!("the run has no row {row}")))
            })
            .collect()
    }

    /// Rows in ascending order, without doubles.
    pub(super) fn views_of(&self, now: &Moment, rows: &[u64]) -> Result<Vec<RowView>> {
        let mut views = Vec::with_capacity(rows.len());
        let mut at = 0;
        while at < rows.len() {
            let number = now
                .segment_of_row(rows[at])
                .ok_or_else(|| RunError::NoSuch(format!("the run has no row {}", rows[at])))?;
            let end = now.segments[number].summary.end_row;
            let n = rows[at..].partition_point(|row| *row < end);
            self.views_in(now, number, &rows[at..at + n], &mut views)?;
            at += n;
        }
        Ok(views)
    }

    fn views_in(
        &self,
        now: &Moment,
        number: usize,
        rows: &[u64],
        views: &mut Vec<RowView>,
    ) -> Result<()> {
        let tables = &self.inner.tables;
        let segment = &now.segments[number];
        let first = segment.summary.first_row;
        let ranges = consecutive(rows, first);
        let t = tables.read(segment, Part::Rows, &FACTS, &ranges)?;
        let path = &segment.files[Part::Rows as usize].path;
        let (arrivals, ms) = (t.u64s("arrival")?, t.i64s("arrival_ms")?);
        let (inputs, partitions) = (t.u8s("input")?, t.i32s("partition")?);
        let (offsets, times) = (t.i64s("offset")?, t.i64s("event_time")?);
        let (watermarks, verdicts) = (t.i64s("watermark")?, t.u8s("verdict")?);
        let keys = t.binary("key")?;
        let fates = now.fates(tables, number, rows, arrivals, verdicts)?;
        let outputs = self.count_outputs(now, number, rows)?;
        // Kafka Streams may pad a row that it goes on to hold (D5b): undecided, with an
        // output, which is no pair.
        let streams = self.pipeline().join.semantics == Semantics::KafkaStreams;
        for (i, row) in rows.iter().enumerate() {
            let fate = fates[i];
            let (Some(info), Some(verdict), Some(lane)) = (
                now.manifest.start.inputs.get(inputs[i] as usize),
                Verdict::from_code(fate.verdict),
                now.lanes.lane(inputs[i], partitions[i]),
            ) else {
                return Err(RunError::corrupt(path, format!("row {row} makes no sense")));
            };
            let late_by = Verdict::from_code(verdicts[i]).is_some_and(Verdict::passed_the_checks)
                && watermarks[i] != i64::MIN
                && times[i] < watermarks[i];
            let reason = Reason::from_code(fate.reason).unwrap_or_default();
            views.push(RowView {
                row: *row,
                arrival: arrivals[i],
                arrival_ms: ms[i],
                input: inputs[i],
                lane,
                record: RecordName {
                    topic: info.topic.clone(),
                    partition: partitions[i],
                    offset: offsets[i],
                },
                key: Key::from_canonical(keys.at(i)),
                event_time: some(times[i]),
                watermark: some(watermarks[i]),
                late_by: late_by.then(|| watermarks[i].saturating_sub(times[i])),
                verdict,
                decided: fate.decided,
                unmatched_since: fate.unmatched_since,
                removed: fate.removed,
                kept: !fate.at_arrival && fate.removed != Some(arrivals[i]),
                padded: reason.padded() || streams && verdict == Verdict::Open && outputs[i] > 0,
                reason,
                cause: fate.cause,
                first_cause: fate.first_cause,
                outputs: outputs[i],
            });
        }
        Ok(())
    }

    /// How many outputs name each of these rows of a segment.
    fn count_outputs(&self, now: &Moment, number: usize, rows: &[u64]) -> Result<Vec<u64>> {
        let mut counts = vec![0; rows.len()];
        for source in &now.ref_sources[number] {
            let source = &now.segments[*source as usize];
            let mut at = 0;
            while at < rows.len() {
                let mut end = at + 1;
                while end < rows.len() && rows[end] - rows[end - 1] < REF_FENCE as u64 {
                    end += 1;
                }
                let near = ref_range(&source.summary.ref_fences, &(rows[at]..rows[end - 1] + 1));
                let bytes =
                    source.entries(self.cache(), Section::Refs, REF_WIDTH, near.start, near.end)?;
                let mut next = at;
                for entry in bytes.chunks_exact(REF_WIDTH) {
                    let row = u64_at(entry, 0);
                    while next < end && rows[next] < row {
                        next += 1;
                    }
                    if next < end && rows[next] == row {
                        counts[next] += 1;
                    }
                }
                at = end;
            }
        }
        Ok(counts)
    }

    /// The rows of a record: one for each input that its topic feeds; none if
    /// the run has not taken it in.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn find(&self, record: &RecordName) -> Result<Vec<RowView>> {
        let now = self.now();
        let start = &now.manifest.start;
        let lanes: Vec<u32> = (0..start.lanes.len() as u32)
            .filter(|lane| {
                let info = &start.lanes[*lane as usize];
                info.topic == record.topic && info.partition == record.partition
            })
            .collect();
        let mut rows = Vec::new();
        for lane in &lanes {
            for number in 0..now.segments.len() {
                if let Some(row) = self.find_in(&now, number, *lane, record)? {
                    rows.push(row);
                    break;
                }
            }
        }
        rows.sort_unstable();
        self.views_of(&now, &rows)
    }

    fn find_in(
        &self,
        now: &Moment,
        number: usize,
        lane: u32,
        record: &RecordName,
    ) -> Result<Option<u64>> {
        let segment = &now.segments[number];
        let kept = &segment.summary.lane_offsets;
        if !kept.is_empty() {
            let near = kept.binary_search_by_key(&lane, |l| l.0).ok().map(|at| kept[at]);
            if near.is_none_or(|(_, min, max)| record.offset < min || record.offset > max) {
                return Ok(None);
            }
        }
        let all = 0..segment.len(Section::Offsets, OFFSET_WIDTH);
        let first = segment.partition_point(
            self.cache(),
            Section::Offsets,
            OFFSET_WIDTH,
            all.clone(),
            |e| u32_at(e, 0) < lane,
        )?;
        // At most one entry a page and lane.
        let pages = segment.summary.rows().div_ceil(PAGE_ROWS as u64);
        let bytes = segment.entries(
            self.cache(),
            Section::Offsets,
            OFFSET_WIDTH,
            first,
            (first + pages).min(all.end),
        )?;
        let input = now.manifest.start.lanes[lane as usize].input;
        for entry in bytes.chunks_exact(OFFSET_WIDTH).take_while(|e| u32_at(e, 0) == lane) {
            if record.offset < i64_at(entry, 8) || record.offset > i64_at(entry, 16) {
                continue;
            }
            let from = u64::from(u32_at(entry, 4)) * PAGE_ROWS as u64;
            let rows = from..(from + PAGE_ROWS as u64).min(segment.summary.rows());
            if rows.is_empty() {
                return Err(RunError::corrupt(&segment.index().path, "a page beyond its end"));
            }
            let t = self.inner.tables.read_range(
                segment,
                Part::Rows,
                &["input", "partition", "offset"],
                &rows,
            )?;
            let (inputs, partitions, offsets) =
                (t.u8s("input")?, t.i32s("partition")?, t.i64s("offset")?);
            let hit = (0..t.len()).find(|i| {
                offsets[*i] == record.offset
                    && partitions[*i] == record.partition
                    && inputs[*i] == input
            });
            if let Some(i) = hit {
                return Ok(Some(segment.summary.first_row + rows.start + i as u64));
            }
        }
        Ok(None)
    }

    /// The first row of an arrival; the end for one beyond it.
    pub(super) fn row_of_arrival(&self, now: &Moment, arrival: Arrival) -> Result<u64> {
        let Some(number) = now.segment_of_arrival(arrival) else { return Ok(now.rows()) };
        if now.lanes.row_is_arrival {
            return Ok(arrival);
        }
        let about = self.rows_about(now, arrival)?;
        let segment = &now.segments[number];
        let s = &segment.summary;
        let rows = about.start - s.first_row..about.end - s.first_row;
        let t = self.inner.tables.read_range(segment, Part::Rows, &["arrival"], &rows)?;
        Ok(about.start + t.u64s("arrival")?.partition_point(|a| *a < arrival) as u64)
    }

    /// Rows of an arrival's segment among which its own are, as the ticks know
    /// them; just it where each arrival is one row.
    pub(super) fn rows_about(&self, now: &Moment, arrival: Arrival) -> Result<Range<u64>> {
        let Some(number) = now.segment_of_arrival(arrival) else {
            return Ok(now.rows()..now.rows());
        };
        if now.lanes.row_is_arrival {
            return Ok(arrival..arrival + 1);
        }
        let segment = &now.segments[number];
        let s = &segment.summary;
        let ticks = |from, to| {
            let ticks = segment.ticks(self.cache(), from, to)?;
            Ok::<Vec<u64>, RunError>(ticks.into_iter().map(|tick| tick.2).collect())
        };
        // The tick at or before it, where that lies in the same segment.
        let block = arrival >> crate::run::pyramid::BLOCK_SHIFT;
        let first_block = s.first_arrival.div_ceil(256);
        let (from, end) = match block.checked_sub(first_block) {
            Some(at) => {
                let rows = ticks(at, at + 2)?;
                (rows.first().copied(), rows.get(1).copied())
            }
            None => (None, ticks(0, 1)?.first().copied()),
        };
        let (from, end) = (from.unwrap_or(s.first_row), end.unwrap_or(s.end_row));
        if from < s.first_row || end > s.end_row || from > end {
            return Err(RunError::corrupt(&segment.index().path, "a row beyond its end"));
        }
        Ok(from..end)
    }
}

/// References near rows: positions in the section.
pub(super) fn ref_range(fences: &[u64], rows: &Range<u64>) -> Range<u64> {
    let first = fences.partition_point(|row| *row < rows.start).saturating_sub(1);
    let last = fences.partition_point(|row| *row < rows.end);
    first as u64 * REF_FENCE as u64..last as u64 * REF_FENCE as u64
}

/// Ascending rows as ranges from `first` on.
pub(super) fn consecutive(rows: &[u64], first: u64) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for row in rows {
        let at = row - first;
        match ranges.last_mut() {
            Some(range) if range.end == at => range.end = at + 1,
            _ => ranges.push(at..at + 1),
        }
    }
    ranges
}
