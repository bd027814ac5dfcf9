//! What the panel asks: counts by verdict of the rows in sight, single records
//! once they stand apart, and the record under a press.

use std::sync::atomic::AtomicBool;

use joinscope_core::run::{
    Axis, Density, ManifestStart, NO_GROUP, Query, Range, RowView, RunError, VerdictSet,
};
use joinscope_operator::record::Arrival;
use joinscope_operator::verdict::Verdict;

use super::rows::Row;
use crate::window::store::{Run, first_row_of};

/// Buckets over which partitions are ranked.
const RANKED_OVER: usize = 16;
/// Records that are looked at for the one under a press.
const LOOKED_AT: u64 = 4_096;

/// Counts of each lane over a range, to rank them.
pub fn totals(run: &Run, range: Range) -> Result<Vec<[u32; 10]>, String> {
    let lanes: Vec<u32> = (0..run.manifest().start.lanes.len() as u32).collect();
    let density = run.density(range, &lanes, RANKED_OVER).map_err(|e| e.to_string())?;
    let sum = |lane: usize| {
        (0..density.buckets).fold([0u32; 10], |mut sum, bucket| {
            let counts = density.at(lane, bucket);
            sum.iter_mut().zip(counts).for_each(|(s, n)| *s = s.saturating_add(*n));
            sum
        })
    };
    Ok((0..lanes.len()).map(sum).collect())
}

/// Counts over a range, for some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub revision: u64,
    pub range: Range,
    pub buckets: usize,
    pub rows: Vec<Row>,
    /// First and last arrival in sight, where its records are drawn one by one.
    pub singles: Option<(Arrival, Arrival)>,
}

/// Counts of one row by bucket and verdict.
pub struct Counts {
    pub row: Row,
    pub buckets: Vec<[u32; 10]>,
    pub sum: [u64; 10],
}

/// What is drawn.
pub struct Drawn {
    /// As asked for.
    pub rows: Vec<Counts>,
    /// All inputs, whatever rows are in sight.
    pub sum: [u64; 10],
    /// A bar of full height stands for so many: for inputs, and for partitions.
    pub scale: (u32, u32),
    pub singles: Vec<RowView>,
}

/// The group of each lane among the rows asked for, and how many groups.
pub fn groups(start: &ManifestStart, rows: &[Row]) -> (Vec<u32>, u32) {
    let mut group = vec![NO_GROUP; start.lanes.len()];
    let mut groups = 0;
    for row in rows {
        if let Row::Lane(lane) = row
            && let Some(slot) = group.get_mut(*lane as usize)
        {
            *slot = groups;
            groups += 1;
        }
    }
    (group, groups)
}

/// Reads what is drawn, on a clock of arrivals.
pub fn drawn(run: &Run, q: &Question) -> Result<Drawn, String> {
    let start = run.manifest().start;
    let inputs = start.inputs.len() as u32;
    let of_input: Vec<u32> = start.lanes.iter().map(|l| u32::from(l.input)).collect();
    let error = |e: RunError| e.to_string();
    let whole = run.density_of_groups(q.range, &of_input, inputs, q.buckets).map_err(error)?;
    let (group, groups) = groups(&start, &q.rows);
    let lanes = run.density_of_groups(q.range, &group, groups, q.buckets).map_err(error)?;
    Ok(collected(q, &whole, &lanes, &group, singles(run, q).map_err(error)?))
}

/// The records in sight, where they are drawn one by one.
pub fn singles(run: &Run, q: &Question) -> joinscope_core::run::Result<Vec<RowView>> {
    let Some((first, last)) = q.singles else { return Ok(Vec::new()) };
    let from = first_row_of(run, first)?;
    let to = first_row_of(run, last.saturating_add(1))?;
    run.page(from, (to - from) as usize)
}

/// Counts of inputs and of lanes by their groups, as rows.
pub fn collected(
    q: &Question,
    whole: &Density,
    lanes: &Density,
    group: &[u32],
    singles: Vec<RowView>,
) -> Drawn {
    let rows = q.rows.iter().map(|row| {
        let (density, at) = match row {
            Row::Input(input) => (whole, usize::from(*input)),
            Row::Lane(lane) => (lanes, group.get(*lane as usize).map_or(0, |g| *g as usize)),
        };
        let buckets: Vec<[u32; 10]> = (0..q.buckets).map(|b| *density.at(at, b)).collect();
        Counts { row: *row, sum: sum_of(&buckets), buckets }
    });
    let rows: Vec<Counts> = rows.collect();
    let sum = sum_of(&whole.counts);
    let of = |input: bool| {
        let rows = rows.iter().filter(move |r| matches!(r.row, Row::Input(_)) == input);
        scale(rows.flat_map(|r| &r.buckets))
    };
    Drawn { scale: (of(true), of(false)), rows, sum, singles }
}

fn sum_of(buckets: &[[u32; 10]]) -> [u64; 10] {
    buckets.iter().fold([0; 10], |mut sum, counts| {
        sum.iter_mut().zip(counts).for_each(|(s, n)| *s += u64::from(*n));
        sum
    })
}

/// What a bar of full height stands for: the most, unless a few buckets stand
/// out so far that the rest could not be told from nothing.
fn scale<'a>(buckets: impl Iterator<Item = &'a [u32; 10]>) -> u32 {
    let mut totals: Vec<u32> = buckets.map(|c| c.iter().sum::<u32>()).filter(|n| *n > 0).collect();
    totals.sort_unstable();
    let Some(most) = totals.last().copied() else { return 1 };
    let usual = totals[(totals.len() - 1) * 97 / 100];
    most.min(usual.saturating_add(usual / 4)).max(1)
}

/// Where someone pressed: the row, and what lies under the press.
#[derive(Clone, Debug, PartialEq)]
pub struct Pick {
    pub revision: u64,
    /// Counts presses, so that the same place can be asked for again.
    pub press: u64,
    pub row: Row,
    /// The values of the bar.
    pub bar: Range,
}

/// The record there: one that went wrong before one that did not, the first of
/// its kind.
pub fn pick(run: &Run, q: &Pick) -> Result<Option<RowView>, String> {
    let wrong: VerdictSet = [
        Verdict::Late,
        Verdict::Expired,
        Verdict::Undecodable,
        Verdict::Unkeyed,
        Verdict::Untimed,
        Verdict::Tombstone,
    ]
    .into_iter()
    .collect();
    let mut query = Query { limit: Some(1), ..Query::default() };
    if q.bar.axis == Axis::EventTime {
        query.event_time = Some((q.bar.from, q.bar.to.saturating_sub(1)));
    } else {
        // As they are counted: many arrivals may share a time, or its bar.
        let edges = run.lines(q.bar, &[], 1).map_err(|e| e.to_string())?.arrivals;
        let ends = edges.first().copied().zip(edges.last().copied());
        let Some((first, end)) = ends.filter(|(first, end)| first < end) else { return Ok(None) };
        query.arrivals = Some((first, end - 1));
    }
    match q.row {
        Row::Input(input) => query.inputs = 1 << input,
        Row::Lane(lane) => query.lanes = vec![lane],
    }
    let never = AtomicBool::new(false);
    for verdicts in [wrong, VerdictSet::EMPTY] {
        query.verdicts = verdicts;
        // A press on a bar of a hundred thousand looks at its first few.
        if let (true, Some((first, last))) = (verdicts.is_empty(), query.arrivals) {
            query.arrivals = Some((first, last.min(first.saturating_add(LOOKED_AT))));
        }
        let found = run.search_all(&query, &never).map_err(|e| e.to_string())?;
        if let Some(row) = found.first() {
            return run.row(*row).map(Some).map_err(|e| e.to_string());
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bars_that_stand_out_do_not_flatten_the_rest() {
        let bar = |n: u32| {
            let mut counts = [0; 10];
            counts[1] = n;
            counts
        };
        let even: Vec<[u32; 10]> = (90..100).map(bar).collect();
        assert_eq!(scale(even.iter()), 99);
        let mut spiked: Vec<[u32; 10]> = (0..200).map(|_| bar(10)).collect();
        spiked.push(bar(4_000));
        assert_eq!(scale(spiked.iter()), 12);
        assert_eq!(scale([].iter()), 1);
    }
}
