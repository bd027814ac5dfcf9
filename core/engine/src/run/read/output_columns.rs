//! Outputs by column, for whoever goes through all of them: nothing is made for
//! a single one.

use arrow::array::{Array, UInt64Array};

use super::Run;
use super::tables::Columns;
use crate::engine::step::OutputKind;
use crate::operator::record::Arrival;
use crate::run::error::Result;
use crate::run::layout::Part;

/// Columns of outputs that follow each other. Row numbers are `NO_ROW` where an
/// output has none there.
pub(crate) struct OutputColumns {
    table: Columns,
}

/// Lists one after another: where each begins, and where the last one ends.
pub(crate) type Lists<'a> = (&'a [i32], &'a [u64]);

impl OutputColumns {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Arrivals that set them off; they never descend.
    pub fn ats(&self) -> Result<&[Arrival]> {
        self.table.u64s("at")
    }

    /// [`OutputKind`] as `u8`.
    pub fn kinds(&self) -> Result<&[u8]> {
        self.table.u8s("kind")
    }

    pub fn firsts(&self) -> Result<&[u64]> {
        self.table.u64s("first")
    }

    pub fn seconds(&self) -> Result<&[u64]> {
        self.table.u64s("second")
    }

    pub fn labels(&self) -> Result<&[u64]> {
        self.table.u64s("labels")
    }

    /// Rows beyond the second; `None`: no output has any.
    pub fn more(&self) -> Result<Option<Lists<'_>>> {
        let Some(lists) = self.table.lists("more") else { return Ok(None) };
        let values: Option<&UInt64Array> = lists.values().as_any().downcast_ref();
        let values = values.ok_or_else(|| self.table.corrupt("its lists are not row numbers"))?;
        Ok(Some((lists.value_offsets(), &values.values()[..])))
    }
}

impl Run {
    /// Columns of outputs `first..first + n`, as many of them as lie in one segment;
    /// `None`: there is no output `first`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn output_columns(
        &self,
        first: u64,
        n: u64,
        columns: &[&str],
    ) -> Result<Option<OutputColumns>> {
        let now = self.now();
        let number = now.segments.partition_point(|s| s.summary.end_output <= first);
        let Some(segment) = now.segments.get(number) else { return Ok(None) };
        let s = &segment.summary;
        let end = first.saturating_add(n).min(s.end_output);
        let range = first - s.first_output..end - s.first_output;
        let table = self.inner.tables.read_range(segment, Part::Outputs, columns, &range)?;
        let columns = OutputColumns { table };
        if let Ok(kinds) = columns.kinds()
            && let Some(other) = kinds.iter().find(|kind| **kind > OutputKind::Example as u8)
        {
            return Err(columns.table.corrupt(&format!("an output of kind {other}")));
        }
        Ok(Some(columns))
    }

    /// How many outputs were set off before an arrival.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn outputs_before(&self, arrival: Arrival) -> Result<u64> {
        let now = self.now();
        let Some(last) = arrival.checked_sub(1) else { return Ok(0) };
        match now.segment_of_arrival(last) {
            Some(number) => self.outputs_at(&now, number, last),
            None => Ok(now.outputs()),
        }
    }
}
