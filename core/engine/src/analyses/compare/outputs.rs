//! Outputs that are only in one of two runs, or that say something else.

use std::cmp::Ordering;

use xxhash_rust::xxh3::xxh3_64;

use super::{CompareError, Matching, PAGE, Pass};
use crate::engine::step::OutputKind;
use crate::operator::record::Arrival;
use crate::run::{OutputView, Run};

/// An output by its rows, numbered as in the run that put it out (`a` where both
/// did).
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

    fn mapped(self, to: impl Fn(u64) -> u64) -> Self {
        match self {
            Self::Pair(a, b) => Self::Pair(to(a), to(b)),
            Self::Pad(row) => Self::Pad(to(row)),
            Self::Example(row) => Self::Example(to(row)),
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

/// Outputs of one run that are held in memory at once; more are compared in
/// several passes, by their first row.
const MOST: u64 = 4 << 20;

/// An output by its rows' common numbers, in 32 bits each, and what it says
/// besides: folded rows and labels. 16 bytes, so that millions fit.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    name: u64,
    said: u64,
}

const PAD: u32 = u32::MAX;
const EXAMPLE: u32 = u32::MAX - 1;

impl Entry {
    fn named(self) -> Named {
        let (first, second) = (self.name >> 32, self.name as u32);
        match second {
            PAD => Named::Pad(first),
            EXAMPLE => Named::Example(first),
            second => Named::Pair(first, u64::from(second)),
        }
    }
}

/// How a run's rows and labels are written, so that the other run's compare with
/// them: the pipelines may list their inputs and labels in other orders.
struct Common<'a> {
    run: &'a Run,
    /// A row's common number.
    row: &'a dyn Fn(u64) -> u64,
    /// The rows of a pair in the order of `a`.
    pair: &'a dyn Fn((u64, u64)) -> (u64, u64),
    /// The bit of each label and the hash of its name, by name.
    labels: Vec<(u64, u64)>,
}

impl<'a> Common<'a> {
    fn new(
        run: &'a Run,
        row: &'a dyn Fn(u64) -> u64,
        pair: &'a dyn Fn((u64, u64)) -> (u64, u64),
    ) -> Self {
        let labels = run.pipeline().examples.iter().flat_map(|examples| &examples.labels);
        let mut labels: Vec<(&str, u64)> =
            labels.enumerate().map(|(bit, label)| (label.name.as_str(), 1u64 << bit)).collect();
        labels.sort_unstable();
        let labels = labels.into_iter().map(|(name, bit)| (bit, xxh3_64(name.as_bytes())));
        Self { run, row, pair, labels: labels.collect() }
    }

    fn entry(&self, view: &OutputView) -> Option<Entry> {
        let first = *view.rows.first()?;
        let (first, second, said) = match view.kind {
            OutputKind::Pair => {
                let (first, second) = (self.pair)((first, *view.rows.get(1)?));
                (first, u32::try_from((self.row)(second)).ok()?, 0)
            }
            OutputKind::Pad => (first, PAD, 0),
            OutputKind::Example => {
                let rows = view.rows.iter().map(|row| (self.row)(*row));
                let held = self.labels.iter().filter(|(bit, _)| view.labels & bit != 0);
                let said = [view.rows.len() as u64].into_iter().chain(rows);
                let said = said.chain(held.map(|(_, name)| *name));
                let bytes: Vec<u8> = said.flat_map(u64::to_le_bytes).collect();
                (first, EXAMPLE, xxh3_64(&bytes))
            }
        };
        Some(Entry { name: (self.row)(first) << 32 | u64::from(second), said })
    }
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

/// Passes over all outputs of both runs.
fn passes(a: &Run, b: &Run) -> u64 {
    a.outputs().max(b.outputs()).div_ceil(MOST).max(1)
}

/// Outputs that a comparison reads.
pub(super) fn work(a: &Run, b: &Run) -> u64 {
    passes(a, b) * (a.outputs() + b.outputs())
}

/// The outputs of a run whose first row's common number is in `rows`, by name;
/// of an example the last.
fn all(
    of: &Common<'_>,
    rows: &std::ops::Range<u64>,
    until: Option<Arrival>,
    pass: &mut Pass<'_>,
) -> Result<Vec<Entry>, CompareError> {
    let run = of.run;
    let mut found = Vec::new();
    let mut first = 0;
    while first < run.outputs() {
        let page = run.output_page(first, PAGE)?;
        if page.is_empty() {
            break;
        }
        let wanted = page.iter().filter(|v| until.is_none_or(|until| v.at < until));
        let entries = wanted.filter_map(|view| of.entry(view));
        found.extend(entries.filter(|entry| rows.contains(&(entry.name >> 32))));
        first += page.len() as u64;
        pass.did(page.len() as u64)?;
    }
    // Stable: of equal names the later output stays behind.
    found.sort_by_key(|entry| entry.name);
    found.dedup_by(|later, earlier| {
        let same = later.name == earlier.name && later.name as u32 == EXAMPLE;
        if same {
            earlier.said = later.said;
        }
        same
    });
    Ok(found)
}

pub(super) fn diff(
    a: &Run,
    b: &Run,
    matching: &Matching,
    limit: usize,
    pass: &mut Pass<'_>,
) -> Result<OutputsDiff, CompareError> {
    let mut found = OutputsDiff::default();
    let passes = passes(a, b);
    let end = a.rows() + b.rows();
    let common = |row| matching.common(row);
    let pair = |rows| matching.as_in_a(rows);
    let (own, in_order) = (|row: u64| row, |rows: (u64, u64)| rows);
    let of_a = Common::new(a, &own, &in_order);
    let of_b = Common::new(b, &common, &pair);
    for n in 0..passes {
        let rows = end * n / passes..end * (n + 1) / passes;
        let one = all(&of_a, &rows, matching.until, pass)?;
        let two = all(&of_b, &rows, matching.until, pass)?;
        merge(one, two, matching, limit, &mut found);
    }
    Ok(found)
}

fn merge(
    one: Vec<Entry>,
    two: Vec<Entry>,
    matching: &Matching,
    limit: usize,
    found: &mut OutputsDiff,
) {
    let (mut one, mut two) = (one.into_iter().peekable(), two.into_iter().peekable());
    loop {
        let order = match (one.peek(), two.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.name.cmp(&b.name),
        };
        match order {
            Ordering::Less => {
                if let Some(entry) = one.next() {
                    found.only_in_a.add(entry.named(), limit);
                }
            }
            Ordering::Greater => {
                if let Some(entry) = two.next() {
                    let named = match entry.named().mapped(|row| matching.row_of_b(row)) {
                        Named::Pair(first, second) => {
                            let (first, second) = matching.as_in_b((first, second));
                            Named::Pair(first, second)
                        }
                        other => other,
                    };
                    found.only_in_b.add(named, limit);
                }
            }
            Ordering::Equal => {
                let (a, b) = (one.next(), two.next());
                if a == b {
                    found.same += 1;
                } else if let Some(entry) = a {
                    found.changed += 1;
                    if found.changed_first.len() < limit {
                        found.changed_first.push(entry.named());
                    }
                }
            }
        }
    }
}
