//! Why a row has its verdict: in a sentence, with its candidates, and what
//! would have been enough. Everything is computed from the run store; the
//! recording is asked only where bytes have to be read again.

mod candidates;
mod enough;
mod json;
mod judge;
mod no_match;
mod passed;
mod released;
mod restart;
mod sentence;
mod why;

use serde_json::Value;

pub use candidates::Candidate;
pub use enough::Enough;
pub use json::key as key_to_json;
pub use no_match::{NoMatch, no_match};
pub use why::{NOT_AT_HAND, Whys, why};

use super::error::Result;
use super::types::{OutputView, RowView};
use super::{Run, RunState};
use crate::operator::record::Arrival;
use crate::operator::time::rfc3339_ms;

/// Whether more may come: what has not fallen may still fall.
fn goes_on(run: &Run) -> bool {
    let now = run.now();
    match now.manifest.state {
        RunState::Running => true,
        // It waits there, or it ended there.
        RunState::Stopped => now.manifest.end.is_none(),
        _ => false,
    }
}

/// So many candidates are named one by one.
const CANDIDATES: usize = 20;
/// So many outputs are named one by one.
const OUTPUTS: usize = 20;

/// A figure beside the sentence; as text with its time as RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figure {
    Text(String),
    /// An arrival, and its time, ms.
    Arrival(Arrival, i64),
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Arrival(at, ms) => write!(f, "arrival {at} · {}", rfc3339_ms(*ms)),
        }
    }
}

/// What can be said about one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub row: RowView,
    /// Name of its input.
    pub input: String,
    /// The verdict in a sentence or two; records by name.
    pub sentence: String,
    /// Figures beyond those of the row itself: (label, figure).
    pub numbers: Vec<(String, Figure)>,
    /// Rows of the other side with its key, or nearly its key, the most
    /// telling first.
    pub candidates: Vec<Candidate>,
    /// Others with its key that are not listed.
    pub more_candidates: u64,
    /// Each of these alone changes the verdict; the smallest change that does, unless
    /// its effect says that not all partners were looked at.
    pub enough: Vec<Enough>,
    /// The first outputs that name it; [`RowView::outputs`] says how many.
    pub outputs: Vec<OutputView>,
}

/// Explains one row.
///
/// # Errors
/// There is no such row, or the store cannot be read.
pub fn explain(run: &Run, row: u64) -> Result<Explanation> {
    let row = run.row(row)?;
    let mut outputs = run.outputs_of(row.row)?;
    outputs.truncate(OUTPUTS);
    let judge = judge::Judge::of_row(run, row.row)?;
    let candidates::Listed { candidates, more: more_candidates, whole } =
        candidates::of(run, &judge, &row, CANDIDATES)?;
    let passed = passed::of(run, &row)?;
    let enough = enough::of(run, &judge, &row, &candidates, whole)?;
    let forgot = restart::said(run, &judge, &row, &candidates)?;
    let said = sentence::Said { run, judge: &judge, row: &row, candidates: &candidates, whole };
    Ok(Explanation {
        input: judge.input_name(row.input).to_owned(),
        sentence: said.sentence(passed.as_ref(), &outputs)? + &forgot,
        numbers: said.numbers(passed.as_ref()),
        candidates,
        more_candidates,
        enough,
        outputs,
        row,
    })
}

impl Explanation {
    /// For machines; times and durations are ms.
    #[must_use]
    pub fn to_json(&self, run: &Run) -> Value {
        json::of(run, self)
    }
}
