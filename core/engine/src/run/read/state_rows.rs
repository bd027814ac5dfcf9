//! How many rows rested in the state at each arrival of a range, counted: the
//! samples of a run lie a batch apart, which in a small one is a large part of it.

use super::{Moment, Run};
use crate::operator::verdict::Verdict;
use crate::run::error::Result;
use crate::run::layout::Part;
use crate::run::types::MinMax;

impl Run {
    /// The smallest and largest number of rows in the state in each part of a range;
    /// `edges`: where the parts begin, and the end of the last. A part without an
    /// arrival has what the last one before it said; one behind the end has none.
    pub(super) fn state_rows(&self, now: &Moment, edges: &[u64]) -> Result<Vec<Option<MinMax>>> {
        let (Some(from), Some(to)) = (edges.first().copied(), edges.last().copied()) else {
            return Ok(Vec::new());
        };
        let mut changes = vec![0i64; to.saturating_sub(from) as usize];
        self.rows_between(now, from, to, &["arrival", "verdict"], |t| {
            for (arrival, verdict) in t.u64s("arrival")?.iter().zip(t.u8s("verdict")?) {
                let slot = arrival.checked_sub(from).and_then(|i| changes.get_mut(i as usize));
                if let Some(slot) = slot.filter(|_| *verdict == Verdict::Open as u8) {
                    *slot += 1;
                }
            }
            Ok(())
        })?;
        for segment in &now.segments {
            let s = &segment.summary;
            if s.end_arrival <= from || s.first_arrival >= to || s.decisions == 0 {
                continue;
            }
            let all = 0..s.decisions;
            let columns = ["at", "removed"];
            let t = self.inner.tables.read_range(segment, Part::Decisions, &columns, &all)?;
            let (ats, removed) = (t.u64s("at")?, t.bools("removed")?);
            for (_, at) in ats.iter().enumerate().filter(|(i, _)| removed.value(*i)) {
                let slot = at.checked_sub(from).and_then(|i| changes.get_mut(i as usize));
                if let Some(slot) = slot {
                    *slot -= 1;
                }
            }
        }
        let before = match from.checked_sub(1) {
            Some(before) => self.books(Some(before))?.state_rows,
            None => 0,
        };
        let mut rows = i64::try_from(before).unwrap_or(i64::MAX);
        let end = now.arrivals();
        let parts = edges.windows(2).map(|edge| {
            let own = (edge[0] - from) as usize..(edge[1] - from) as usize;
            let mut line: Option<MinMax> = None;
            for change in &changes[own] {
                rows += change;
                let known = line.get_or_insert(MinMax { min: rows, max: rows });
                (known.min, known.max) = (known.min.min(rows), known.max.max(rows));
            }
            line.or((edge[0] < end && edge[0] > 0).then_some(MinMax { min: rows, max: rows }))
        });
        Ok(parts.collect())
    }
}
