//! What a record set off: the rows whose verdict it made fall.

use super::Run;
use crate::operator::record::Arrival;
use crate::run::error::Result;
use crate::run::layout::{NO_VERDICT, Part};

impl Run {
    /// Rows whose verdict the record of an arrival made fall, its own left out:
    /// how many, and the first `limit` in row order.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn decided_by(&self, arrival: Arrival, limit: usize) -> Result<(u64, Vec<u64>)> {
        let now = self.now();
        let Some(number) = now.segment_of_arrival(arrival) else { return Ok((0, Vec::new())) };
        let own = self.row_of_arrival(&now, arrival)?..self.row_of_arrival(&now, arrival + 1)?;
        // What an arrival sets off falls with it, so it stands in its segment.
        let segment = &now.segments[number];
        let all = 0..segment.summary.decisions;
        if all.is_empty() {
            return Ok((0, Vec::new()));
        }
        let columns = ["row", "at", "verdict", "cause"];
        let t = self.inner.tables.read_range(segment, Part::Decisions, &columns, &all)?;
        let (rows, at) = (t.u64s("row")?, t.u64s("at")?);
        let (verdicts, causes) = (t.u8s("verdict")?, t.u64s("cause")?);
        let (mut count, mut found) = (0, Vec::new());
        for i in 0..t.len() {
            let here = at[i] == arrival && causes[i] == arrival && verdicts[i] != NO_VERDICT;
            if here && !own.contains(&rows[i]) {
                count += 1;
                if found.len() < limit {
                    found.push(rows[i]);
                }
            }
        }
        Ok((count, found))
    }
}
