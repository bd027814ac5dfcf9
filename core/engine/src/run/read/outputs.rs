//! Outputs, and which of them name a row.

use arrow::array::Array;

use super::rows::ref_range;
use super::{Moment, Run};
use crate::engine::step::OutputKind;
use crate::run::bytes::{u32_at, u64_at};
use crate::run::error::{Result, RunError};
use crate::run::layout::{NO_ROW, Part};
use crate::run::summary::{REF_WIDTH, Section};
use crate::run::types::OutputView;

impl Run {
    /// Output `n`.
    ///
    /// # Errors
    /// There is no such output, or the store cannot be read.
    pub fn output(&self, n: u64) -> Result<OutputView> {
        let found = self.output_page(n, 1)?.pop();
        found.ok_or_else(|| RunError::NoSuch(format!("the run has no output {n}")))
    }

    /// Outputs `first..first + n`, as many of them as there are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn output_page(&self, first: u64, n: usize) -> Result<Vec<OutputView>> {
        let now = self.now();
        let end = first.saturating_add(n as u64);
        let mut views = Vec::new();
        let mut at = now.segments.partition_point(|s| s.summary.end_output <= first);
        while let Some(segment) = now.segments.get(at) {
            let s = &segment.summary;
            let (from, to) = (first.max(s.first_output), end.min(s.end_output));
            if s.first_output >= end {
                break;
            }
            if from < to {
                self.outputs_in(&now, at, from - s.first_output..to - s.first_output, &mut views)?;
            }
            at += 1;
        }
        Ok(views)
    }

    fn outputs_in(
        &self,
        now: &Moment,
        number: usize,
        range: std::ops::Range<u64>,
        views: &mut Vec<OutputView>,
    ) -> Result<()> {
        let segment = &now.segments[number];
        let path = &segment.files[Part::Outputs as usize].path;
        let first = segment.summary.first_output + range.start;
        let columns =
            ["at", "epoch", "time", "kind", "first", "second", "labels", "correction", "more"];
        let t = self.inner.tables.read_range(segment, Part::Outputs, &columns, &range)?;
        let (at, epoch, time) = (t.u64s("at")?, t.u64s("epoch")?, t.i64s("time")?);
        let (kind, labels) = (t.u8s("kind")?, t.u64s("labels")?);
        let (one, two) = (t.u64s("first")?, t.u64s("second")?);
        let correction = t.u32s("correction")?;
        let more = t.lists("more");
        for i in 0..t.len() {
            let mut rows: Vec<u64> =
                [one[i], two[i]].into_iter().filter(|row| *row != NO_ROW).collect();
            if let Some(more) = more {
                let list = more.value(i);
                let list = list
                    .as_any()
                    .downcast_ref::<arrow::array::UInt64Array>()
                    .ok_or_else(|| RunError::corrupt(path, "its lists are not row numbers"))?;
                rows.extend_from_slice(list.values());
            }
            views.push(OutputView {
                n: first + i as u64,
                at: at[i],
                epoch: epoch[i],
                time: time[i],
                kind: match kind[i] {
                    0 => OutputKind::Pair,
                    1 => OutputKind::Pad,
                    2 => OutputKind::Example,
                    other => {
                        return Err(RunError::corrupt(path, format!("an output of kind {other}")));
                    }
                },
                rows,
                labels: labels[i],
                correction: correction[i],
            });
        }
        Ok(())
    }

    /// Numbers of the outputs that name a row, ascending: those after the
    /// first `skip`, at most `limit`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn output_numbers_of(&self, row: u64, skip: u64, limit: usize) -> Result<Vec<u64>> {
        let now = self.now();
        let Some(number) = now.segment_of_row(row) else { return Ok(Vec::new()) };
        let mut numbers = Vec::new();
        let mut skip = skip;
        for source in &now.ref_sources[number] {
            let source = &now.segments[*source as usize];
            let near = ref_range(&source.summary.ref_fences, &(row..row + 1));
            let row_at = |entry: &[u8]| u64_at(entry, 0);
            let cache = self.cache();
            let from =
                source.partition_point(cache, Section::Refs, REF_WIDTH, near.clone(), |e| {
                    row_at(e) < row
                })?;
            let to =
                source.partition_point(cache, Section::Refs, REF_WIDTH, from..near.end, |e| {
                    row_at(e) <= row
                })?;
            let skipped = skip.min(to - from);
            skip -= skipped;
            let from = from + skipped;
            let to = to.min(from.saturating_add((limit - numbers.len()) as u64));
            let bytes = source.entries(cache, Section::Refs, REF_WIDTH, from, to)?;
            numbers.extend(
                bytes
                    .chunks_exact(REF_WIDTH)
                    .map(|e| source.summary.first_output + u64::from(u32_at(e, 8))),
            );
            if numbers.len() >= limit {
                break;
            }
        }
        Ok(numbers)
    }

    /// The outputs that name a row, in output order; the first 1,000 of them
    /// ([`Run::output_numbers_of`] gives the rest, [`RowView::outputs`] how many).
    ///
    /// [`RowView::outputs`]: crate::run::RowView::outputs
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn outputs_of(&self, row: u64) -> Result<Vec<OutputView>> {
        let numbers = self.output_numbers_of(row, 0, 1000)?;
        let mut views = Vec::with_capacity(numbers.len());
        let mut at = 0;
        while at < numbers.len() {
            let mut end = at + 1;
            while end < numbers.len() && numbers[end] == numbers[end - 1] + 1 {
                end += 1;
            }
            views.extend(self.output_page(numbers[at], end - at)?);
            at = end;
        }
        Ok(views)
    }

    /// Outputs that had been put out just after an arrival.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn outputs_at(&self, now: &Moment, number: usize, arrival: u64) -> Result<u64> {
        let segment = &now.segments[number];
        let s = &segment.summary;
        let (mut from, mut to) = (0, s.end_output - s.first_output);
        while from < to {
            let middle = from + (to - from) / 2;
            let one = middle..middle + 1;
            let t = self.inner.tables.read_range(segment, Part::Outputs, &["at"], &one)?;
            if t.u64s("at")?.first().is_some_and(|at| *at <= arrival) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        Ok(s.first_output + from)
    }
}
