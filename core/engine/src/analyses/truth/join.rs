//! The batch join itself: sort by key and time, merge.

use super::rows::Rows;
use crate::operator::pipeline::Pipeline;
use crate::operator::verdict::Verdict;

/// A primary and a secondary row of one key within the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    pub primary: u64,
    pub secondary: u64,
}

/// All pairs, by (primary row, secondary row).
#[must_use]
pub fn pairs(pipeline: &Pipeline, rows: &Rows) -> Vec<Pair> {
    let mut order: Vec<usize> =
        (0..rows.len()).filter(|row| rows.failed[*row] == Verdict::Open).collect();
    order.sort_unstable_by(|a, b| {
        rows.key_order(*a).cmp(&rows.key_order(*b)).then_with(|| {
            (rows.input[*a], rows.time[*a], a).cmp(&(rows.input[*b], rows.time[*b], b))
        })
    });
    let mut found = Vec::new();
    for group in order.chunk_by(|a, b| rows.key_order(*a) == rows.key_order(*b)) {
        let of_input = |input: u8| {
            let start = group.partition_point(|row| rows.input[*row] < input);
            let end = group.partition_point(|row| rows.input[*row] <= input);
            &group[start..end]
        };
        let primaries = of_input(pipeline.join.primary);
        for secondary in &pipeline.join.with {
            merge(
                rows,
                primaries,
                of_input(secondary.input),
                secondary.after,
                secondary.until,
                &mut found,
            );
        }
    }
    found.sort_unstable();
    found
}

/// Both sides ascend in time, so the window only moves forward.
fn merge(
    rows: &Rows,
    primaries: &[usize],
    secondaries: &[usize],
    after: i64,
    until: i64,
    found: &mut Vec<Pair>,
) {
    let mut start = 0;
    for primary in primaries {
        // In 128 bits: no time is too far out.
        let time = i128::from(rows.time[*primary]);
        let (lo, hi) = (time + i128::from(after), time + i128::from(until));
        while start < secondaries.len() && i128::from(rows.time[secondaries[start]]) < lo {
            start += 1;
        }
        found.extend(
            secondaries[start..]
                .iter()
                .take_while(|secondary| i128::from(rows.time[**secondary]) <= hi)
                .map(|secondary| Pair { primary: *primary as u64, secondary: *secondary as u64 }),
        );
    }
}
