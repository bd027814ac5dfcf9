//! Records that changed their verdict, by kind of change.

use std::collections::BTreeMap;

use super::{CHUNK, CompareError, Matching, Pass};
use crate::operator::verdict::Verdict;
use crate::run::{Run, RunState};

/// Rows of two runs that are held against each other at once: of fewer, more of their
/// decisions would be read twice, which lie in pages of the segments in which they fell.
const ALIKE: u64 = 4 * CHUNK;

/// How the two runs see a record; `None`: it is not in that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// Its place in [`Matching::inputs`].
    pub input: u8,
    pub from: Option<Verdict>,
    pub to: Option<Verdict>,
}

impl Kind {
    /// Whether both runs have such a record.
    #[must_use]
    pub fn is_in_both(self) -> bool {
        self.from.is_some() && self.to.is_some()
    }
}

/// One record with another verdict, or in one run only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    pub kind: Kind,
    /// Of `a`; where it is not in `a`, of `b`.
    pub row: u64,
}

/// Rows of one input with one verdict in `a` and another in `b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub kind: Kind,
    pub count: u64,
    /// The first of them, by row number: of `a`, or of `b` where it is only there.
    pub rows: Vec<u64>,
}

/// How many rows were compared, and how many were not: those that only the
/// longer run took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    pub rows: u64,
    pub beyond: u64,
}

fn verdict(code: u8) -> Option<Verdict> {
    Verdict::from_code(code)
}

/// Tells `found` every row that differs, as far as each pass came.
pub(super) fn each(
    a: &Run,
    b: &Run,
    matching: &Matching,
    pass: &mut Pass<'_>,
    found: &mut dyn FnMut(&[Changed]),
) -> Result<Compared, CompareError> {
    if matching.by_name() {
        named(a, b, matching, pass, found)
    } else {
        alike(a, b, matching, pass, found)
    }
}

fn alike(
    a: &Run,
    b: &Run,
    matching: &Matching,
    pass: &mut Pass<'_>,
    found: &mut dyn FnMut(&[Changed]),
) -> Result<Compared, CompareError> {
    let rows = matching.rows[0];
    let mut changed = Vec::new();
    let mut first = 0;
    while first < rows {
        let n = ALIKE.min(rows - first);
        let one = a.verdict_codes(first, n, matching.until)?;
        let two = b.verdict_codes(first, n, matching.until)?;
        if one != two {
            let inputs = a.input_column(first, n)?;
            for (row, ((from, to), input)) in (first..).zip(one.iter().zip(&two).zip(inputs)) {
                if from != to {
                    let kind = Kind { input, from: verdict(*from), to: verdict(*to) };
                    changed.push(Changed { kind, row });
                }
            }
        }
        found(&changed);
        changed.clear();
        first += n;
        pass.did(2 * n)?;
    }
    Ok(Compared { rows, beyond: a.rows().max(b.rows()).saturating_sub(rows) })
}

fn named(
    a: &Run,
    b: &Run,
    matching: &Matching,
    pass: &mut Pass<'_>,
    found: &mut dyn FnMut(&[Changed]),
) -> Result<Compared, CompareError> {
    let [rows_a, rows_b] = matching.rows;
    let mut there = Vec::with_capacity(rows_b as usize);
    while (there.len() as u64) < rows_b {
        let n = CHUNK.min(rows_b - there.len() as u64);
        let column = b.verdict_column(there.len() as u64, n, None)?;
        if column.is_empty() {
            break;
        }
        there.extend(column);
        pass.did(n)?;
    }
    // What lies after the last record in common of a run that did not end is
    // beyond its end.
    let last_a = (0..rows_a).rev().find(|row| matching.in_b(*row).is_some());
    let last_b = (0..rows_b).rev().find(|row| matching.in_a(*row).is_some());
    let end = |last: Option<u64>, rows: u64, other: &Run| {
        if other.state() == RunState::Done { rows } else { last.map_or(0, |row| row + 1) }
    };
    let (end_a, end_b) = (end(last_a, rows_a, b), end(last_b, rows_b, a));
    let mut compared = Compared { rows: 0, beyond: rows_a - end_a + rows_b - end_b };
    let mut changed = Vec::new();
    let mut first = 0;
    while first < end_a {
        let n = CHUNK.min(end_a - first);
        for (row, (input, from)) in (first..).zip(a.verdict_column(first, n, None)?) {
            let partner = matching.in_b(row).and_then(|row| there.get(row as usize));
            compared.rows += u64::from(partner.is_some());
            let kind =
                Kind { input, from: verdict(from), to: partner.and_then(|(_, to)| verdict(*to)) };
            if kind.from != kind.to {
                changed.push(Changed { kind, row });
            }
        }
        found(&changed);
        changed.clear();
        first += n;
        pass.did(n)?;
    }
    for (row, (input, to)) in (0..end_b).zip(&there) {
        if matching.in_a(row).is_none() {
            let input = matching.inputs_of_b.get(usize::from(*input)).copied().unwrap_or(*input);
            let kind = Kind { input, from: None, to: verdict(*to) };
            changed.push(Changed { kind, row });
        }
    }
    found(&changed);
    Ok(compared)
}

/// Rows with another verdict by kind, of each the first `limit`.
pub(super) fn changes(
    a: &Run,
    b: &Run,
    matching: &Matching,
    limit: usize,
    pass: &mut Pass<'_>,
) -> Result<(Compared, Vec<Change>), CompareError> {
    let mut by_kind: BTreeMap<Kind, Change> = BTreeMap::new();
    let compared = each(a, b, matching, pass, &mut |changed| {
        for Changed { kind, row } in changed {
            let change =
                by_kind.entry(*kind).or_insert(Change { kind: *kind, count: 0, rows: Vec::new() });
            change.count += 1;
            if change.rows.len() < limit {
                change.rows.push(*row);
            }
        }
    })?;
    Ok((compared, by_kind.into_values().collect()))
}
