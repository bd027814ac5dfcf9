//! The run store as the window asks it, and what stands between a pipeline and
//! its run.

use std::path::PathBuf;

use joinscope_core::run::*;
use joinscope_operator::record::{Arrival, RecordName};

pub use joinscope_core::run::Run;

/// The first row of an arrival; past the last, the number of rows.
pub fn first_row_of(run: &Run, arrival: Arrival) -> Result<u64> {
    if arrival >= run.arrivals() {
        return Ok(run.rows());
    }
    let rows = run.rows_of_arrival(arrival)?;
    Ok(rows.first().map_or_else(|| run.rows(), |r| r.row))
}

/// Why a row has its verdict, in a few words for the table.
pub fn why(_: &Run, row: &RowView) -> String {
    use joinscope_operator::time::format_duration;
    use joinscope_operator::verdict::Verdict;
    match (row.verdict, row.late_by) {
        (Verdict::Late, Some(ms)) => {
            format!("{} behind the event-time watermark", format_duration(ms))
        }
        (Verdict::Joined, _) if row.outputs == 1 => "1 output".to_owned(),
        (Verdict::Joined, _) => format!("{} outputs", super::text::thousands(row.outputs)),
        (Verdict::Unmatched, _) if row.padded => "put out with nulls".to_owned(),
        _ => String::new(),
    }
}

/// Where runs of a recording lie without `--out`: the platform's data folder,
/// `runs/<recording digest>`.
pub fn runs_folder(digest: &str) -> Result<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "joinscope")
        .ok_or_else(|| RunError::NoSuch("no home folder".to_owned()))?;
    Ok(dirs.data_dir().join("runs").join(digest))
}

#[derive(Clone, Debug, Default)]
pub struct Explanation {
    pub sentence: String,
    pub numbers: Vec<(String, String)>,
    pub candidates: Vec<Candidate>,
    pub more_candidates: u64,
    pub enough: Vec<Enough>,
}

#[derive(Clone, Debug)]
pub struct Candidate {
    pub record: RecordName,
    pub distance_ms: Option<i64>,
    pub why: String,
}

#[derive(Clone, Debug)]
pub struct Enough {
    pub path: String,
    pub value: String,
    pub text: String,
}

pub fn explain(_: &Run, _: u64) -> std::result::Result<Explanation, String> {
    Ok(Explanation::default())
}

/// What is to be run.
#[derive(Clone)]
pub struct RunOrder {
    pub file: String,
    pub text: String,
    pub overrides: Vec<(String, String)>,
    pub recording: joinscope_core::edges::recording::Recording,
}

/// What the check before a run found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Why the user is asked before it runs; empty: it may run.
    pub reasons: Vec<String>,
}

pub fn check(_: &RunOrder) -> std::result::Result<Checked, String> {
    Ok(Checked::default())
}

pub fn execute(
    _: &RunOrder,
    _: &joinscope_core::engine::Control,
    _: &dyn Fn(PathBuf),
) -> std::result::Result<(), String> {
    Err("the engine cannot run yet".to_owned())
}
