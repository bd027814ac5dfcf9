//! Two runs over the same records, held against each other: which settings
//! differ, which records changed their verdict, which outputs are only in one
//! (9-analyses, "Compare").
//!
//! Runs over the same recording number their rows alike, so that a row is the
//! same (record, input) in both. A run that did not end is compared as far as
//! it came.

mod outputs;
mod settings;
#[cfg(test)]
mod tests;
mod verdicts;

use std::sync::atomic::{AtomicBool, Ordering};

pub use outputs::{Named, OutputsDiff, Side, count};
pub use settings::SettingDiff;
pub use verdicts::Change;

use crate::run::{Run, RunError};

/// Rows or outputs that are asked for at once.
const PAGE: usize = 8192;

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

/// What differs between run `a` and run `b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// By path; recording, version and how the runs ended are among them.
    pub settings: Vec<SettingDiff>,
    /// Rows compared: those that both took.
    pub rows: u64,
    /// Rows that only the longer run took.
    pub beyond: u64,
    /// Rows with another verdict, by input, then kind of change.
    pub changes: Vec<Change>,
    pub outputs: OutputsDiff,
}

impl Comparison {
    /// Whether verdicts and outputs are the same.
    #[must_use]
    pub fn same(&self) -> bool {
        self.changes.is_empty() && self.beyond == 0 && self.outputs.same()
    }

    /// Rows with another verdict.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.changes.iter().map(|change| change.count).sum()
    }
}

/// Compares two runs; of each kind of difference the first `limit` are named.
/// It holds both runs' outputs in memory, 24 bytes each.
///
/// # Errors
/// They are not runs over the same records, one cannot be read, or `cancel`
/// was set.
pub fn compare(
    a: &Run,
    b: &Run,
    limit: usize,
    cancel: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Comparison, CompareError> {
    same_records(a, b)?;
    let rows = a.rows().min(b.rows());
    let of = rows + a.outputs() + b.outputs();
    let mut done = 0;
    let mut pass = |n: u64| {
        if cancel.load(Ordering::Relaxed) {
            return Err(CompareError::Cancelled);
        }
        done += n;
        progress(Progress { done, of });
        Ok(())
    };
    let changes = verdicts::changes(a, b, rows, limit, &mut pass)?;
    let outputs = outputs::diff(a, b, limit, &mut pass)?;
    Ok(Comparison {
        settings: settings::differing(a, b),
        rows,
        beyond: a.rows().max(b.rows()) - rows,
        changes,
        outputs,
    })
}

/// Rows are the same only over the same records, taken in for the same inputs.
fn same_records(a: &Run, b: &Run) -> Result<(), CompareError> {
    let (one, two) = (a.manifest().start, b.manifest().start);
    if one.recording.digest != two.recording.digest {
        return Err(CompareError::Apart(format!(
            "{} was run over {} (digest {}), {} over {} (digest {}): compare runs over one recording",
            a.dir().display(),
            one.recording.path.display(),
            one.recording.digest,
            b.dir().display(),
            two.recording.path.display(),
            two.recording.digest
        )));
    }
    let topics = |start: &crate::run::ManifestStart| {
        let inputs = start.inputs.iter().map(|i| format!("{} from {}", i.name, i.topic));
        inputs.collect::<Vec<_>>().join(", ")
    };
    if topics(&one) != topics(&two) {
        return Err(CompareError::Apart(format!(
            "{} has the inputs {}, {} has {}: compare runs with the same inputs, in the same order",
            a.dir().display(),
            topics(&one),
            b.dir().display(),
            topics(&two)
        )));
    }
    Ok(())
}
