//! Rows of a set of verdicts: how many, the n-th, the next.

use super::{Moment, Run};
use crate::operator::record::Arrival;
use crate::operator::verdict::Verdict;
use crate::run::error::{Result, RunError};
use crate::run::layout::{PAGE_ROWS, Part};
use crate::run::types::{Direction, VerdictSet};

/// Arrivals of a block of the sums.
const BLOCK: u64 = 1024;

fn in_set(counts: &[u32; 10], set: VerdictSet) -> u64 {
    Verdict::ALL
        .into_iter()
        .filter(|v| set.contains(*v))
        .map(|v| u64::from(counts[v as usize]))
        .sum()
}

impl Run {
    /// How many rows have one of these verdicts.
    #[must_use]
    pub fn count(&self, set: VerdictSet) -> u64 {
        let now = self.now();
        Verdict::ALL.into_iter().filter(|v| set.contains(*v)).map(|v| now.totals[v as usize]).sum()
    }

    /// The `n`-th row (from 0) of these verdicts, in row order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn nth(&self, set: VerdictSet, n: u64) -> Result<Option<u64>> {
        Ok(self.nth_from(set, n, 1)?.first().copied())
    }

    /// Rows `n..n + limit` among those of these verdicts: a page of a filtered table.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn nth_from(&self, set: VerdictSet, n: u64, limit: usize) -> Result<Vec<u64>> {
        let now = self.now();
        if set == VerdictSet::ALL {
            let end = n.saturating_add(limit as u64).min(now.rows());
            return Ok((n.min(end)..end).collect());
        }
        let mut rest = n;
        let mut rows = Vec::new();
        for block in 0..now.sums.len() {
            let here = in_set(&now.block(block), set);
            if here <= rest {
                rest -= here;
                continue;
            }
            let found = self.rows_in_block(&now, block as u64, set)?;
            rows.extend(found.into_iter().skip(rest as usize));
            rest = 0;
            if rows.len() >= limit {
                break;
            }
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// How many rows of these verdicts come before `row`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn rank(&self, set: VerdictSet, row: u64) -> Result<u64> {
        let now = self.now();
        if row >= now.rows() {
            return Ok(self.count(set));
        }
        let block = (self.arrival_of(&now, row)? / BLOCK) as usize;
        let before: u64 = (0..block).map(|b| in_set(&now.block(b), set)).sum();
        let here = self.rows_in_block(&now, block as u64, set)?;
        Ok(before + here.partition_point(|r| *r < row) as u64)
    }

    /// The next row of these verdicts after (or before) `row`, which itself
    /// does not count.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn next(&self, set: VerdictSet, row: u64, direction: Direction) -> Result<Option<u64>> {
        let now = self.now();
        let Some(last) = now.rows().checked_sub(1) else { return Ok(None) };
        if row > last {
            return match direction {
                Direction::Forward => Ok(None),
                Direction::Backward => self.last_before(&now, set, now.sums.len(), row),
            };
        }
        let block = (self.arrival_of(&now, row)? / BLOCK) as usize;
        match direction {
            Direction::Forward => {
                for b in block..now.sums.len() {
                    if in_set(&now.block(b), set) == 0 {
                        continue;
                    }
                    let rows = self.rows_in_block(&now, b as u64, set)?;
                    if let Some(found) = rows.into_iter().find(|r| *r > row) {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
            Direction::Backward => self.last_before(&now, set, block + 1, row),
        }
    }

    fn last_before(
        &self,
        now: &Moment,
        set: VerdictSet,
        blocks: usize,
        row: u64,
    ) -> Result<Option<u64>> {
        for b in (0..blocks).rev() {
            if in_set(&now.block(b), set) == 0 {
                continue;
            }
            let rows = self.rows_in_block(now, b as u64, set)?;
            if let Some(found) = rows.into_iter().rev().find(|r| *r < row) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Rows of these verdicts among those of a block of arrivals.
    fn rows_in_block(&self, now: &Moment, block: u64, set: VerdictSet) -> Result<Vec<u64>> {
        let from = self.row_of_arrival(now, block * BLOCK)?;
        let to = self.row_of_arrival(now, (block + 1) * BLOCK)?;
        let mut rows = Vec::new();
        self.verdicts_of(now, from, to, |row, _, verdict| {
            if Verdict::from_code(verdict).is_some_and(|v| set.contains(v)) {
                rows.push(row);
            }
        })?;
        Ok(rows)
    }

    /// Verdicts of rows `from..to`, in order: (row, (input, partition), verdict code).
    pub(super) fn verdicts_of(
        &self,
        now: &Moment,
        from: u64,
        to: u64,
        mut each: impl FnMut(u64, (u8, i32), u8),
    ) -> Result<()> {
        let columns = ["input", "partition", "verdict"];
        let mut at = from;
        if to.saturating_sub(from) > PAGE_ROWS as u64 {
            let begin = now.segment_of_row(from).unwrap_or(now.segments.len());
            let wanted = now.segments[begin..].iter().map(|segment| {
                let (first, end) = (segment.summary.first_row, segment.summary.end_row);
                (&**segment, from.max(first) - first..to.min(end).saturating_sub(first))
            });
            let wanted = wanted.take_while(|(_, rows)| !rows.is_empty());
            self.inner.tables.expect(Part::Rows, &columns, wanted);
        }
        while at < to {
            let Some(number) = now.segment_of_row(at) else { break };
            let segment = &now.segments[number];
            let first = segment.summary.first_row;
            let end = to.min(segment.summary.end_row);
            let own = at - first..end - first;
            let t = self.inner.tables.read_range(segment, Part::Rows, &columns, &own)?;
            let (inputs, partitions) = (t.u8s("input")?, t.i32s("partition")?);
            let mut verdicts = t.u8s("verdict")?.to_vec();
            now.verdicts(&self.inner.tables, number, at..end, &mut verdicts)?;
            for ((row, lane), verdict) in
                (at..end).zip(inputs.iter().copied().zip(partitions.iter().copied())).zip(verdicts)
            {
                each(row, lane, verdict);
            }
            at = end;
        }
        Ok(())
    }

    /// The arrival of a row.
    pub(super) fn arrival_of(&self, now: &Moment, row: u64) -> Result<Arrival> {
        if now.lanes.row_is_arrival {
            return Ok(row);
        }
        let number = now
            .segment_of_row(row)
            .ok_or_else(|| RunError::NoSuch(format!("the run has no row {row}")))?;
        let segment = &now.segments[number];
        let at = row - segment.summary.first_row;
        let t = self.inner.tables.read_range(segment, Part::Rows, &["arrival"], &(at..at + 1))?;
        t.u64s("arrival")?
            .first()
            .copied()
            .ok_or_else(|| RunError::NoSuch(format!("the run has no row {row}")))
    }
}
