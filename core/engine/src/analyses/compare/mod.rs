//! Two runs held against each other: which settings differ, which records
//! changed their verdict, which outputs are only in one (9-analyses, "Compare";
//! 6-window, "Compare").
//!
//! Runs over the same recording number their rows alike, so that a row is the
//! same (record, input) in both; runs over different recordings of one cluster
//! are matched by the records' names. A run that did not end is compared as far
//! as it came.

mod kept;
mod matching;
mod named;
mod outputs;
mod scan;
mod settings;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_outputs;
mod verdicts;

use std::sync::atomic::{AtomicBool, Ordering};

pub use matching::Matching;
pub use named::Named;
pub use outputs::{OutputsDiff, Side, count};
pub use settings::SettingDiff;
pub use verdicts::{Change, Changed, Compared, Kind};

use crate::run::{Run, RunError};

/// Rows, or outputs, of which columns are read at once.
const CHUNK: u64 = 32_768;

/// Why two runs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// They have nothing in common that could be compared.
    #[error("{0}")]
    Apart(String),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("cancelled")]
    Cancelled,
}

/// How far a comparison is: rows and outputs read, of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub of: u64,
}

/// Counts what is read, tells it, and ends what is cancelled.
pub(super) struct Pass<'a> {
    at: Progress,
    cancel: &'a AtomicBool,
    told: &'a mut dyn FnMut(Progress),
}

impl<'a> Pass<'a> {
    fn new(of: u64, cancel: &'a AtomicBool, told: &'a mut dyn FnMut(Progress)) -> Self {
        Self { at: Progress { done: 0, of }, cancel, told }
    }

    /// There is more to read than was thought.
    fn more(&mut self, n: u64) {
        self.at.of += n;
    }

    fn did(&mut self, n: u64) -> Result<(), CompareError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(CompareError::Cancelled);
        }
        self.at.done = (self.at.done + n).min(self.at.of);
        (self.told)(self.at);
        Ok(())
    }
}

/// What differs between run `a` and run `b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// By path; recording, version and how the runs ended are among them.
    pub settings: Vec<SettingDiff>,
    /// Rows compared: those that both took.
    pub rows: u64,
    /// Rows that only the longer run took.
    pub beyond: u64,
    /// Names of the inputs that changes count.
    pub inputs: Vec<std::sync::Arc<str>>,
    /// Rows with another verdict, or in one run only, by input, then kind of change.
    pub changes: Vec<Change>,
    pub outputs: OutputsDiff,
}

impl Comparison {
    /// Whether verdicts and outputs are the same.
    #[must_use]
    pub fn same(&self) -> bool {
        self.changes.is_empty() && self.beyond == 0 && self.outputs.same()
    }

    /// Of the rows compared, those with another verdict.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.count(Kind::is_in_both)
    }

    /// Rows that are in one run only, though the other did not end before them.
    #[must_use]
    pub fn only_in_one(&self) -> u64 {
        self.count(|kind| !kind.is_in_both())
    }

    fn count(&self, which: impl Fn(Kind) -> bool) -> u64 {
        self.changes.iter().filter(|change| which(change.kind)).map(|change| change.count).sum()
    }
}

/// Every setting in which two runs differ, recording and version included.
#[must_use]
pub fn settings(a: &Run, b: &Run) -> Vec<SettingDiff> {
    settings::differing(a, b)
}

/// Matches the rows of two runs: the first step of a comparison in parts.
///
/// # Errors
/// They have nothing in common, one cannot be read, or `cancel` was set.
pub fn matching(
    a: &Run,
    b: &Run,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Matching, CompareError> {
    Matching::of(a, b, &mut Pass::new(a.rows() + b.rows(), cancel, progress))
}

/// Tells `found` every record with another verdict, in parts.
///
/// # Errors
/// One run cannot be read, or `cancel` was set.
pub fn changed(
    a: &Run,
    b: &Run,
    matching: &Matching,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
    found: &mut dyn FnMut(&[Changed]),
) -> Result<Compared, CompareError> {
    let of = matching.rows[0] + matching.rows[1];
    verdicts::each(a, b, matching, &mut Pass::new(of, cancel, progress), found)
}

/// How the outputs of two runs differ; of each kind the first `limit` are named.
///
/// # Errors
/// One run cannot be read, or `cancel` was set.
pub fn outputs(
    a: &Run,
    b: &Run,
    matching: &Matching,
    limit: usize,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<OutputsDiff, CompareError> {
    let of = outputs::work(a, b);
    outputs::diff(a, b, matching, limit, &mut Pass::new(of, cancel, progress))
}

/// Compares two runs; of each kind of difference the first `limit` are named.
///
/// # Errors
/// They have nothing in common, one cannot be read, or `cancel` was set.
pub fn compare(
    a: &Run,
    b: &Run,
    limit: usize,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Comparison, CompareError> {
    // Rows are read once to be matched by name, and once to be compared.
    let rows = a.rows() + b.rows();
    let named = !matching::same_recording(&a.now().manifest.start, &b.now().manifest.start);
    let of = rows * (1 + u64::from(named)) + outputs::work(a, b);
    let mut pass = Pass::new(of, cancel, progress);
    let matching = Matching::of(a, b, &mut pass)?;
    let (compared, changes) = verdicts::changes(a, b, &matching, limit, &mut pass)?;
    let outputs = outputs::diff(a, b, &matching, limit, &mut pass)?;
    Ok(Comparison {
        settings: settings::differing(a, b),
        rows: compared.rows,
        beyond: compared.beyond,
        inputs: matching.inputs,
        changes,
        outputs,
    })
}
