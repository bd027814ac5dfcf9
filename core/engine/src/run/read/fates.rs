//! What became of rows: facts say what was known at arrival, decisions of this
//! and later segments say what fell.

use std::ops::Range;

use super::Moment;
use super::segment::Segment;
use super::tables::{Columns, Tables};
use crate::operator::verdict::Verdict;
use crate::run::error::{Result, RunError};
use crate::run::layout::{NO_VERDICT, PAGE_ROWS, Part, REVISED};

/// What a fate is made of.
const COLUMNS: [&str; 6] = ["row", "at", "verdict", "reason", "removed", "cause"];

/// So many segments are asked of the disk at once: a row leaves the state some of them
/// after it was decided.
const AHEAD: usize = 8;

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub verdict: u8,
    pub reason: u8,
    pub decided: Option<u64>,
    /// Of a revised row: when it had become unmatched.
    pub unmatched_since: Option<u64>,
    pub cause: Option<u64>,
    /// Of a revised row: what `cause` was before.
    pub first_cause: Option<u64>,
    pub removed: Option<u64>,
    /// Final at its arrival: never in the state.
    pub at_arrival: bool,
}

impl Fate {
    /// The code of its verdict as it stood just before an arrival.
    pub fn verdict_before(&self, until: u64) -> u8 {
        let has_fallen = |at: Option<u64>| at.is_some_and(|at| at < until);
        if has_fallen(self.decided) {
            self.verdict
        } else if has_fallen(self.unmatched_since) {
            Verdict::Unmatched as u8
        } else {
            Verdict::Open as u8
        }
    }

    /// Whether nothing more can fall. A row that was not kept may still be
    /// revised, in a run where that happens.
    fn settled(&self, revisions: bool) -> bool {
        self.at_arrival
            || self.decided.is_some()
                && self.removed.is_some()
                && !(revisions
                    && self.verdict == Verdict::Unmatched as u8
                    && self.removed == self.decided)
    }
}

/// Decisions of a segment about rows `rows`: their positions, by page.
pub(crate) fn decision_pages(segment: &Segment, rows: &Range<u64>) -> Range<u64> {
    let s = &segment.summary;
    if s.decisions == 0 || rows.start > s.last_decision {
        return 0..0;
    }
    let fences = &s.decision_fences;
    let first = fences.partition_point(|row| *row < rows.start).saturating_sub(1);
    let last = fences.partition_point(|row| *row < rows.end);
    let page = PAGE_ROWS as u64;
    first as u64 * page..(last as u64 * page).min(s.decisions)
}

/// Joins ascending ranges that touch or overlap.
pub(crate) fn union(ranges: &mut Vec<Range<u64>>) {
    ranges.retain(|r| r.start < r.end);
    ranges.dedup_by(|next, before| {
        if next.start <= before.end {
            before.end = before.end.max(next.end);
            true
        } else {
            false
        }
    });
}

impl Moment {
    /// Puts the verdicts that fell over those at arrival, which `verdicts` has
    /// for consecutive rows of one segment.
    pub fn verdicts(
        &self,
        tables: &Tables,
        number: usize,
        rows: Range<u64>,
        verdicts: &mut [u8],
    ) -> Result<()> {
        let mut open: usize = verdicts.iter().map(|v| usize::from(*v == Verdict::Open as u8)).sum();
        let columns = ["row", "verdict"];
        let sources = self.sources.get(number).into_iter().flatten();
        let pages = sources.map(|source| {
            let source = &*self.segments[*source as usize];
            (source, decision_pages(source, &rows))
        });
        let pages: Vec<_> = pages.filter(|(_, pages)| !pages.is_empty()).collect();
        if open > 0 {
            tables.expect(Part::Decisions, &columns, pages.iter().cloned());
        }
        for (source, pages) in pages {
            if open == 0 && !self.revisions {
                break;
            }
            let table = tables.read_range(source, Part::Decisions, &columns, &pages)?;
            for (row, verdict) in table.u64s("row")?.iter().zip(table.u8s("verdict")?) {
                let at = row.checked_sub(rows.start).and_then(|at| usize::try_from(at).ok());
                let Some(slot) = at.and_then(|at| verdicts.get_mut(at)) else { continue };
                if *verdict == NO_VERDICT {
                    continue;
                }
                if Verdict::from_code(*verdict).is_none() {
                    let path = &source.files[Part::Decisions as usize].path;
                    return Err(RunError::corrupt(path, "a verdict that there is not"));
                }
                open -= usize::from(*slot == Verdict::Open as u8);
                *slot = *verdict;
            }
        }
        Ok(())
    }

    /// Which of consecutive rows of one segment rest in the state just after an
    /// arrival. `at_arrival`: their verdicts when they came.
    pub fn resting(
        &self,
        tables: &Tables,
        number: usize,
        rows: Range<u64>,
        at_arrival: &[u8],
        arrival: u64,
    ) -> Result<Vec<bool>> {
        let mut rests: Vec<bool> =
            at_arrival.iter().map(|verdict| *verdict == Verdict::Open as u8).collect();
        for source in self.sources.get(number).into_iter().flatten() {
            let source = &self.segments[*source as usize];
            // What fell later removed nothing yet.
            let pages = match source.summary.first_arrival {
                first if first > arrival => 0..0,
                _ => decision_pages(source, &rows),
            };
            if pages.is_empty() {
                continue;
            }
            let columns = ["row", "at", "removed"];
            let table = tables.read_range(source, Part::Decisions, &columns, &pages)?;
            let (ats, removed) = (table.u64s("at")?, table.bools("removed")?);
            for (i, row) in table.u64s("row")?.iter().enumerate() {
                let at = row.checked_sub(rows.start).and_then(|at| usize::try_from(at).ok());
                let Some(slot) = at.and_then(|at| rests.get_mut(at)) else { continue };
                *slot &= !removed.value(i) || arrival < ats[i];
            }
        }
        Ok(rests)
    }

    /// The fates of rows of one segment, ascending. `arrivals` and
    /// `at_arrival` are theirs.
    pub fn fates(
        &self,
        tables: &Tables,
        number: usize,
        rows: &[u64],
        arrivals: &[u64],
        at_arrival: &[u8],
    ) -> Result<Vec<Fate>> {
        let mut fates: Vec<Fate> = at_arrival
            .iter()
            .zip(arrivals)
            .map(|(verdict, arrival)| {
                let open = *verdict == Verdict::Open as u8;
                Fate {
                    verdict: *verdict,
                    reason: 0,
                    decided: (!open).then_some(*arrival),
                    unmatched_since: None,
                    cause: (!open).then_some(*arrival),
                    first_cause: None,
                    removed: None,
                    at_arrival: !open,
                }
            })
            .collect();
        let revisions = self.revisions;
        let mut open = fates.iter().filter(|f| !f.settled(revisions)).count();
        let Some(sources) = self.sources.get(number) else { return Ok(fates) };
        for near in sources.chunks(AHEAD) {
            let near = near.iter().map(|source| &*self.segments[*source as usize]);
            if open > 0 && near.len() > 1 {
                let pages = |source| pages_of(source, rows, &fates, revisions);
                let wanted = near.clone().flat_map(|s| pages(s).into_iter().map(move |p| (s, p)));
                let wanted: Vec<_> = wanted.collect();
                tables.expect(Part::Decisions, &COLUMNS, wanted.iter().cloned());
            }
            for source in near {
                if open == 0 {
                    break;
                }
                let ranges = pages_of(source, rows, &fates, revisions);
                if ranges.is_empty() {
                    continue;
                }
                let table = tables.read(source, Part::Decisions, &COLUMNS, &ranges)?;
                fall(&table, source, rows, &mut fates)?;
                open = fates.iter().filter(|f| !f.settled(revisions)).count();
            }
        }
        Ok(fates)
    }
}

/// The pages of a segment's decisions with what fell about rows that are not settled.
fn pages_of(source: &Segment, rows: &[u64], fates: &[Fate], revisions: bool) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    // Consecutive rows are asked for at once.
    let mut at = 0;
    while at < rows.len() {
        let mut end = at + 1;
        while end < rows.len() && rows[end] - rows[end - 1] < PAGE_ROWS as u64 {
            end += 1;
        }
        if fates[at..end].iter().any(|f| !f.settled(revisions)) {
            ranges.push(decision_pages(source, &(rows[at]..rows[end - 1] + 1)));
        }
        at = end;
    }
    union(&mut ranges);
    ranges
}

/// Takes decisions of a segment about some of these rows into their fates.
fn fall(table: &Columns, source: &Segment, rows: &[u64], fates: &mut [Fate]) -> Result<()> {
    let (named, ats) = (table.u64s("row")?, table.u64s("at")?);
    let (verdicts, reasons) = (table.u8s("verdict")?, table.u8s("reason")?);
    let (removed, causes) = (table.bools("removed")?, table.u64s("cause")?);
    let mut next = 0;
    for (i, row) in named.iter().enumerate() {
        while next < rows.len() && rows[next] < *row {
            next += 1;
        }
        if rows.get(next) != Some(row) {
            continue;
        }
        let fate = &mut fates[next];
        if verdicts[i] != NO_VERDICT {
            if Verdict::from_code(verdicts[i]).is_none() {
                let path = &source.files[Part::Decisions as usize].path;
                return Err(RunError::corrupt(path, "a verdict that there is not"));
            }
            fate.verdict = verdicts[i];
            if reasons[i] == REVISED {
                fate.unmatched_since = fate.decided;
                fate.first_cause = fate.cause;
            } else {
                fate.reason = reasons[i];
            }
            fate.decided = Some(ats[i]);
            fate.cause = Some(causes[i]);
        }
        if removed.value(i) {
            fate.removed = Some(ats[i]);
        }
    }
    Ok(())
}
