//! Records that changed their verdict, by kind of change.

use std::collections::BTreeMap;

use super::{CompareError, PAGE};
use crate::operator::verdict::Verdict;
use crate::run::Run;

/// Rows of one input with one verdict in `a` and another in `b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub input: u8,
    pub from: Verdict,
    pub to: Verdict,
    pub count: u64,
    /// The first of them, by row number.
    pub rows: Vec<u64>,
}

pub(super) fn changes(
    a: &Run,
    b: &Run,
    rows: u64,
    limit: usize,
    pass: &mut dyn FnMut(u64) -> Result<(), CompareError>,
) -> Result<Vec<Change>, CompareError> {
    let mut found: BTreeMap<(u8, Verdict, Verdict), Change> = BTreeMap::new();
    let mut first = 0;
    while first < rows {
        let n = PAGE.min(usize::try_from(rows - first).unwrap_or(PAGE));
        let (one, two) = (a.page(first, n)?, b.page(first, n)?);
        for (one, two) in one.iter().zip(&two) {
            if one.verdict == two.verdict {
                continue;
            }
            let change = found.entry((one.input, one.verdict, two.verdict)).or_insert(Change {
                input: one.input,
                from: one.verdict,
                to: two.verdict,
                count: 0,
                rows: Vec::new(),
            });
            change.count += 1;
            if change.rows.len() < limit {
                change.rows.push(one.row);
            }
        }
        first += n as u64;
        pass(n as u64)?;
    }
    Ok(found.into_values().collect())
}
