//! Outputs by what they name, so that those of two runs can be held against each
//! other.

use xxhash_rust::xxh3::xxh3_64;

use crate::engine::step::OutputKind;
use crate::operator::record::Arrival;
use crate::run::{Lists, NO_ROW, OutputColumns, Result, Run};

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

    pub(super) fn mapped(self, to: impl Fn(u64) -> u64) -> Self {
        match self {
            Self::Pair(a, b) => Self::Pair(to(a), to(b)),
            Self::Pad(row) => Self::Pad(to(row)),
            Self::Example(row) => Self::Example(to(row)),
        }
    }
}

/// An output by its rows' common numbers, in 32 bits each, and what it says
/// besides: folded rows and labels. 16 bytes, so that millions fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: u64,
    pub said: u64,
}

/// In the second row's place.
const PAD: u32 = u32::MAX;
const EXAMPLE: u32 = u32::MAX - 1;

impl Entry {
    pub fn pad(row: u64) -> Self {
        Self { name: row << 32 | u64::from(PAD), said: 0 }
    }

    /// The common number of its first row.
    pub fn row(self) -> u64 {
        self.name >> 32
    }

    pub fn is_pad(self) -> bool {
        self.name as u32 == PAD
    }

    pub fn is_example(self) -> bool {
        self.name as u32 == EXAMPLE
    }

    pub fn named(self) -> Named {
        match self.name as u32 {
            PAD => Named::Pad(self.row()),
            EXAMPLE => Named::Example(self.row()),
            second => Named::Pair(self.row(), u64::from(second)),
        }
    }
}

/// What is read of outputs to compare them, of a run that folds and of another.
const FOLDED: [&str; 6] = ["at", "kind", "first", "second", "labels", "more"];
const PLAIN: [&str; 4] = ["at", "kind", "first", "second"];

const PAIR_KIND: u8 = OutputKind::Pair as u8;
const PAD_KIND: u8 = OutputKind::Pad as u8;
pub(super) const EXAMPLE_KIND: u8 = OutputKind::Example as u8;

/// Columns of outputs that follow each other.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct View<'a> {
    pub ats: &'a [Arrival],
    pub kinds: &'a [u8],
    pub firsts: &'a [u64],
    seconds: &'a [u64],
    labels: &'a [u64],
    more: Option<Lists<'a>>,
}

impl<'a> View<'a> {
    /// Whether output `i` names what its kind needs.
    pub fn is_whole(&self, i: usize) -> bool {
        self.firsts[i] != NO_ROW && (self.kinds[i] != PAIR_KIND || self.seconds[i] != NO_ROW)
    }

    /// The rows that an output names beyond the second.
    fn more(&self, i: usize) -> &'a [u64] {
        let Some((ends, values)) = self.more else { return &[] };
        let (Some(from), Some(to)) = (ends.get(i), ends.get(i + 1)) else { return &[] };
        values.get(*from as usize..*to as usize).unwrap_or_default()
    }
}

/// How a run's rows and labels are written, so that the other run's compare with
/// them: the pipelines may list their inputs and labels in other orders.
pub(super) struct Common<'a> {
    pub run: &'a Run,
    /// A row's common number.
    row: &'a dyn Fn(u64) -> u64,
    /// The rows of a pair in the order of `a`.
    pair: &'a dyn Fn((u64, u64)) -> (u64, u64),
    /// The bit of each label and the hash of its name, by name.
    pub labels: Vec<(u64, u64)>,
    folds: bool,
}

impl<'a> Common<'a> {
    pub fn new(
        run: &'a Run,
        row: &'a dyn Fn(u64) -> u64,
        pair: &'a dyn Fn((u64, u64)) -> (u64, u64),
    ) -> Self {
        let labels = run.pipeline().examples.iter().flat_map(|examples| &examples.labels);
        let mut labels: Vec<(&str, u64)> =
            labels.enumerate().map(|(bit, label)| (label.name.as_str(), 1u64 << bit)).collect();
        labels.sort_unstable();
        let labels = labels.into_iter().map(|(name, bit)| (bit, xxh3_64(name.as_bytes())));
        Self { run, row, pair, labels: labels.collect(), folds: run.pipeline().folds() }
    }

    /// The columns that a view is of.
    pub fn columns(&self) -> &'static [&'static str] {
        if self.folds { &FOLDED } else { &PLAIN }
    }

    pub fn view<'c>(&self, columns: &'c OutputColumns) -> Result<View<'c>> {
        Ok(View {
            ats: columns.ats()?,
            kinds: columns.kinds()?,
            firsts: columns.firsts()?,
            seconds: columns.seconds()?,
            labels: if self.folds { columns.labels()? } else { &[] },
            more: columns.more()?,
        })
    }

    /// Output `i` of a view; `None`: it lacks a row. `room` is written over.
    pub fn entry(&self, view: &View<'_>, i: usize, room: &mut Vec<u8>) -> Option<Entry> {
        let (first, second) = (view.firsts[i], view.seconds[i]);
        if !view.is_whole(i) {
            return None;
        }
        let common = |row: u64| u32::try_from((self.row)(row)).ok();
        let (first, second, said) = match view.kinds[i] {
            PAIR_KIND => {
                let (first, second) = (self.pair)((first, second));
                (first, common(second)?, 0)
            }
            PAD_KIND => (first, PAD, 0),
            _ => {
                let second = Some(second).filter(|row| *row != NO_ROW);
                let more = view.more(i);
                let rows = [first].into_iter().chain(second).chain(more.iter().copied());
                let labels = view.labels.get(i).copied().unwrap_or(0);
                let held = self.labels.iter().filter(|(bit, _)| labels & bit != 0);
                let n = 1 + second.iter().count() + more.len();
                let said = [n as u64].into_iter().chain(rows.map(self.row));
                room.clear();
                room.extend(said.chain(held.map(|(_, name)| *name)).flat_map(u64::to_le_bytes));
                (first, EXAMPLE, xxh3_64(room))
            }
        };
        Some(Entry { name: u64::from(common(first)?) << 32 | u64::from(second), said })
    }
}
