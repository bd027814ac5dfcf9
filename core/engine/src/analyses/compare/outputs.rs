//! Outputs that are only in one of two runs, or that say something else.

use std::cmp::Ordering;

use xxhash_rust::xxh3::xxh3_64;

use super::{CompareError, PAGE};
use crate::engine::step::OutputKind;
use crate::run::{OutputView, Run};

/// An output by what is the same in both runs: its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// Both rows, in pipeline order.
    Pair(u64, u64),
    /// A row put out with nulls.
    Pad(u64),
    /// A folded example, by its primary row; the last correction counts.
    Example(u64),
}

impl Named {
    /// Its rows; of an example the primary one.
    #[must_use]
    pub fn rows(self) -> Vec<u64> {
        match self {
            Self::Pair(a, b) => vec![a, b],
            Self::Pad(row) | Self::Example(row) => vec![row],
        }
    }
}

/// How the outputs of two runs differ; counts, and the first of each kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputsDiff {
    pub same: u64,
    pub only_in_a: Side,
    pub only_in_b: Side,
    pub changed: u64,
    pub changed_first: Vec<Named>,
}

/// What only one run put out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    pub pairs: u64,
    pub pads: u64,
    pub examples: u64,
    pub first_pairs: Vec<Named>,
    pub first_others: Vec<Named>,
}

impl Side {
    fn add(&mut self, named: Named, limit: usize) {
        let first = match named {
            Named::Pair(..) => {
                self.pairs += 1;
                &mut self.first_pairs
            }
            Named::Pad(_) => {
                self.pads += 1;
                &mut self.first_others
            }
            Named::Example(_) => {
                self.examples += 1;
                &mut self.first_others
            }
        };
        if first.len() < limit {
            first.push(named);
        }
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        self.pairs + self.pads + self.examples
    }
}

impl OutputsDiff {
    #[must_use]
    pub fn same(&self) -> bool {
        self.only_in_a.total() + self.only_in_b.total() + self.changed == 0
    }
}

/// What an output says besides its name: folded rows and labels.
type Said = u64;

fn entry(view: &OutputView) -> Option<(Named, Said)> {
    let first = *view.rows.first()?;
    Some(match view.kind {
        OutputKind::Pair => (Named::Pair(first, *view.rows.get(1)?), 0),
        OutputKind::Pad => (Named::Pad(first), 0),
        OutputKind::Example => {
            let words = view.rows.iter().chain([&view.labels]);
            let bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
            (Named::Example(first), xxh3_64(&bytes))
        }
    })
}

/// How many pairs, pads and examples a run put out; each correction counts.
///
/// # Errors
/// The run cannot be read.
pub fn count(run: &Run) -> Result<[u64; 3], CompareError> {
    let mut counts = [0; 3];
    let mut first = 0;
    while first < run.outputs() {
        let page = run.output_page(first, PAGE)?;
        if page.is_empty() {
            break;
        }
        for view in &page {
            counts[view.kind as usize] += 1;
        }
        first += page.len() as u64;
    }
    Ok(counts)
}

/// All outputs of a run by name; of an example the last.
fn all(
    run: &Run,
    pass: &mut dyn FnMut(u64) -> Result<(), CompareError>,
) -> Result<Vec<(Named, Said)>, CompareError> {
    let mut found = Vec::with_capacity(usize::try_from(run.outputs()).unwrap_or(0));
    let mut first = 0;
    while first < run.outputs() {
        let page = run.output_page(first, PAGE)?;
        if page.is_empty() {
            break;
        }
        found.extend(page.iter().filter_map(entry));
        first += page.len() as u64;
        pass(page.len() as u64)?;
    }
    // Stable: of equal names the later output stays behind.
    found.sort_by_key(|(named, _)| *named);
    found.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0 && matches!(later.0, Named::Example(_));
        if same {
            earlier.1 = later.1;
        }
        same
    });
    Ok(found)
}

pub(super) fn diff(
    a: &Run,
    b: &Run,
    limit: usize,
    pass: &mut dyn FnMut(u64) -> Result<(), CompareError>,
) -> Result<OutputsDiff, CompareError> {
    let (one, two) = (all(a, pass)?, all(b, pass)?);
    let mut found = OutputsDiff::default();
    let (mut one, mut two) = (one.into_iter().peekable(), two.into_iter().peekable());
    loop {
        let order = match (one.peek(), two.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        match order {
            Ordering::Less => {
                found.only_in_a.add(one.next().map_or(Named::Pad(0), |e| e.0), limit);
            }
            Ordering::Greater => {
                found.only_in_b.add(two.next().map_or(Named::Pad(0), |e| e.0), limit);
            }
            Ordering::Equal => {
                let (a, b) = (one.next(), two.next());
                if a == b {
                    found.same += 1;
                } else if let Some((named, _)) = a {
                    found.changed += 1;
                    if found.changed_first.len() < limit {
                        found.changed_first.push(named);
                    }
                }
            }
        }
    }
    Ok(found)
}
