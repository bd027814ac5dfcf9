//! What rows and outputs are sorted by: one value for each, read column by column.

use std::ops::Range;

use super::tables::Columns;
use super::{Moment, Run};
use crate::operator::record::Arrival;
use crate::operator::verdict::Verdict;
use crate::run::error::{Result, RunError};
use crate::run::layout::Part;
use crate::run::types::{SortBy, SortColumn};

impl Run {
    /// The values of ascending rows that `by` sorts by.
    ///
    /// # Errors
    /// There is no such row, or the store cannot be read.
    pub fn sort_column(&self, rows: &[u64], by: SortBy) -> Result<SortColumn> {
        let now = self.now();
        let mut out = match by {
            SortBy::EventTime | SortBy::LateBy | SortBy::Verdict | SortBy::Input => {
                SortColumn::Numbers(Vec::new())
            }
            SortBy::Key | SortBy::Record => {
                SortColumn::Bytes { ends: Vec::new(), bytes: Vec::new() }
            }
        };
        let columns: &[&str] = match by {
            SortBy::EventTime => &["event_time"],
            SortBy::LateBy => &["event_time", "watermark", "verdict"],
            SortBy::Verdict => &["arrival", "verdict"],
            SortBy::Key => &["key"],
            SortBy::Record => &["input", "partition", "offset"],
            SortBy::Input => &["input"],
        };
        let mut at = 0;
        while at < rows.len() {
            let number = now
                .segment_of_row(rows[at])
                .ok_or_else(|| RunError::NoSuch(format!("the run has no row {}", rows[at])))?;
            let segment = &now.segments[number];
            let n = rows[at..].partition_point(|row| *row < segment.summary.end_row);
            let own = &rows[at..at + n];
            let ranges = super::rows::consecutive(own, segment.summary.first_row);
            let t = self.inner.tables.read(segment, Part::Rows, columns, &ranges)?;
            match (&mut out, by) {
                (SortColumn::Numbers(all), SortBy::EventTime) => {
                    all.extend_from_slice(t.i64s("event_time")?);
                }
                (SortColumn::Numbers(all), SortBy::Input) => {
                    all.extend(t.u8s("input")?.iter().map(|input| i64::from(*input)));
                }
                (SortColumn::Numbers(all), SortBy::LateBy) => {
                    let (times, marks) = (t.i64s("event_time")?, t.i64s("watermark")?);
                    let verdicts = t.u8s("verdict")?;
                    all.extend((0..n).map(|i| {
                        let passed =
                            Verdict::from_code(verdicts[i]).is_some_and(Verdict::passed_the_checks);
                        let late = passed && marks[i] != i64::MIN && times[i] < marks[i];
                        if late { marks[i].saturating_sub(times[i]) } else { i64::MIN }
                    }));
                }
                (SortColumn::Numbers(all), _) => {
                    let fates = now.fates(
                        &self.inner.tables,
                        number,
                        own,
                        t.u64s("arrival")?,
                        t.u8s("verdict")?,
                    )?;
                    all.extend(fates.iter().map(|fate| i64::from(fate.verdict)));
                }
                (SortColumn::Bytes { ends, bytes }, SortBy::Record) => {
                    let (inputs, partitions) = (t.u8s("input")?, t.i32s("partition")?);
                    for (i, offset) in t.i64s("offset")?.iter().enumerate() {
                        let topic = now.manifest.start.inputs.get(usize::from(inputs[i]));
                        bytes.extend_from_slice(topic.map_or("", |t| &*t.topic).as_bytes());
                        bytes.push(0);
                        bytes.extend_from_slice(&partitions[i].to_be_bytes());
                        bytes.extend_from_slice(&offset.to_be_bytes());
                        ends.push(bytes.len() as u64);
                    }
                }
                (SortColumn::Bytes { ends, bytes }, _) => {
                    let keys = t.binary("key")?;
                    for i in 0..n {
                        bytes.extend_from_slice(keys.at(i));
                        ends.push(bytes.len() as u64);
                    }
                }
            }
            at += n;
        }
        Ok(out)
    }

    /// Input and verdict code of rows `first..first + n`, as many as there are;
    /// `until`: as they stood just before this arrival.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn verdict_column(
        &self,
        first: u64,
        n: u64,
        until: Option<Arrival>,
    ) -> Result<Vec<(u8, u8)>> {
        let inputs = self.input_column(first, n)?;
        Ok(inputs.into_iter().zip(self.verdict_codes(first, n, until)?).collect())
    }

    /// Verdict codes of rows `first..first + n`, as many as there are; `until`: as
    /// they stood just before this arrival.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn verdict_codes(&self, first: u64, n: u64, until: Option<Arrival>) -> Result<Vec<u8>> {
        let now = self.now();
        let mut out = Vec::with_capacity(n as usize);
        let Some(until) = until else {
            self.by_segment(&now, first, n, &["verdict"], |number, rows, t| {
                let from = out.len();
                out.extend_from_slice(t.u8s("verdict")?);
                now.verdicts(&self.inner.tables, number, rows, &mut out[from..])
            })?;
            return Ok(out);
        };
        self.by_segment(&now, first, n, &["arrival", "verdict"], |number, rows, t| {
            let rows: Vec<u64> = rows.collect();
            let (arrivals, verdicts) = (t.u64s("arrival")?, t.u8s("verdict")?);
            let fates = now.fates(&self.inner.tables, number, &rows, arrivals, verdicts)?;
            out.extend(fates.iter().map(|fate| fate.verdict_before(until)));
            Ok(())
        })?;
        Ok(out)
    }

    /// Inputs of rows `first..first + n`, as many as there are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn input_column(&self, first: u64, n: u64) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(n as usize);
        self.by_segment(&self.now(), first, n, &["input"], |_, _, t| {
            out.extend_from_slice(t.u8s("input")?);
            Ok(())
        })?;
        Ok(out)
    }

    /// Input, partition and offset of rows `first..first + n`, as many as there are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn name_column(&self, first: u64, n: u64) -> Result<Vec<(u8, i32, i64)>> {
        let now = self.now();
        let mut out = Vec::with_capacity(n as usize);
        self.by_segment(&now, first, n, &["input", "partition", "offset"], |_, _, t| {
            let (inputs, partitions) = (t.u8s("input")?, t.i32s("partition")?);
            let offsets = t.i64s("offset")?;
            out.extend((0..t.len()).map(|i| (inputs[i], partitions[i], offsets[i])));
            Ok(())
        })?;
        Ok(out)
    }

    /// Columns of rows `first..first + n`, segment by segment.
    fn by_segment(
        &self,
        now: &Moment,
        first: u64,
        n: u64,
        columns: &[&str],
        mut each: impl FnMut(usize, Range<u64>, &Columns) -> Result<()>,
    ) -> Result<()> {
        let end = first.saturating_add(n).min(now.rows());
        let mut at = first;
        while at < end {
            let Some(number) = now.segment_of_row(at) else { break };
            let segment = &now.segments[number];
            let s = &segment.summary;
            let stop = end.min(s.end_row);
            let own = at - s.first_row..stop - s.first_row;
            let t = self.inner.tables.read_range(segment, Part::Rows, columns, &own)?;
            each(number, at..stop, &t)?;
            at = stop;
        }
        Ok(())
    }

    /// Output times of outputs `first..first + n`, ms.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn output_times(&self, first: u64, n: u64) -> Result<Vec<i64>> {
        let now = self.now();
        let end = first.saturating_add(n);
        let mut times = Vec::new();
        for segment in &now.segments {
            let s = &segment.summary;
            let (from, to) = (first.max(s.first_output), end.min(s.end_output));
            if from < to {
                let range = from - s.first_output..to - s.first_output;
                let t = self.inner.tables.read_range(segment, Part::Outputs, &["time"], &range)?;
                times.extend_from_slice(t.i64s("time")?);
            }
        }
        Ok(times)
    }
}
