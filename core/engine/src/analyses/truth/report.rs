//! How a run and the truth differ.

use std::collections::BTreeMap;

use super::expect::Because;

/// Differences that are listed one by one; more are only counted.
pub const LISTED: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// In the truth, not in the run.
    Missing,
    /// In the run, not in the truth.
    Extra,
    /// In the run more often than in the truth.
    Duplicate,
    /// An example with other labels or other folded records.
    Changed,
    /// Corrections that do not follow from one another.
    Corrections,
    /// An output whose event time is not what its records make it.
    Time,
    /// A row whose verdict is not what its outputs make it.
    Verdict,
}

impl Kind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Duplicate => "duplicate",
            Self::Changed => "changed",
            Self::Corrections => "corrections",
            Self::Time => "time",
            Self::Verdict => "verdict",
        }
    }
}

/// One difference between a run and the truth.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    pub kind: Kind,
    /// The records of the output, by name, joined by `+`; one record for a verdict.
    pub output: String,
    pub rows: Vec<u64>,
    /// `None`: nothing that the run says explains it.
    pub because: Option<Because>,
    /// In words.
    pub text: String,
}

/// A run held against the truth.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Reconciliation {
    /// Outputs of the truth, and last corrections and pairs of the run.
    pub truth: u64,
    pub run: u64,
    /// In both, and the same.
    pub same: u64,
    /// By kind and reason (`late`, `gone`, `open`, or `unexplained`).
    pub counts: BTreeMap<String, u64>,
    pub explained: u64,
    pub unexplained: u64,
    /// Unexplained ones first; at most [`LISTED`] of each sort.
    pub differences: Vec<Difference>,
    /// The explained ones, until the list is whole.
    #[serde(skip)]
    pub(super) explained_list: Vec<Difference>,
}

impl Reconciliation {
    /// Whether the run is right: every difference is one that its verdicts name.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.unexplained == 0
    }

    pub(super) fn add(&mut self, difference: Difference) {
        let reason = match difference.because {
            Some(Because::Late { .. }) => "late",
            Some(Because::Gone { .. }) => "gone",
            Some(Because::Open { .. }) => "open",
            None => "unexplained",
        };
        *self.counts.entry(format!("{} {reason}", difference.kind.name())).or_default() += 1;
        let list = if difference.because.is_some() {
            self.explained += 1;
            &mut self.explained_list
        } else {
            self.unexplained += 1;
            &mut self.differences
        };
        if list.len() < LISTED {
            list.push(difference);
        }
    }

    pub(super) fn finish(mut self) -> Self {
        let explained = std::mem::take(&mut self.explained_list);
        self.differences.extend(explained);
        self
    }
}
