//! What stands between a pipeline and its run: the check, and running in this
//! process.

use std::path::PathBuf;

use joinscope_core::analyses::check;
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_core::edges::recording::Recording;
use joinscope_core::engine::{AtEnd, Control, restarts};
use joinscope_core::run::{self, Execute, Result};
use joinscope_operator::pipeline::Pipeline;
use joinscope_operator::record::Arrival;

use crate::cli::place::NewFolder;

pub use joinscope_core::run::Run;

/// The first row of an arrival; past the last, the number of rows.
pub fn first_row_of(run: &Run, arrival: Arrival) -> Result<u64> {
    if arrival >= run.arrivals() {
        return Ok(run.rows());
    }
    let rows = run.rows_of_arrival(arrival)?;
    Ok(rows.first().map_or_else(|| run.rows(), |r| r.row))
}

/// What is to be run.
#[derive(Clone)]
pub struct RunOrder {
    /// Name of the pipeline's file, for messages.
    pub file: String,
    /// As it was written, or with its schemas in it.
    pub text: String,
    /// `path = value`, in order.
    pub overrides: Vec<(String, String)>,
    pub recording: Recording,
    /// Bytes of state that it keeps in memory.
    pub memory: u64,
    pub seed: u64,
    /// Modelled restarts, where the pipeline's semantics has any.
    pub restarts: Vec<Arrival>,
    pub at_end: AtEnd,
    /// `None`: on the platform's place.
    pub out: Option<PathBuf>,
}

/// What the check before a run found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Why the user is asked before it runs; empty: it may run.
    pub reasons: Vec<String>,
}

fn parse(order: &RunOrder) -> std::result::Result<Pipeline, String> {
    Pipeline::parse_with(&order.text, &order.file, &order.overrides).map_err(|e| e.to_string())
}

/// Checks a pipeline against a recording before it runs.
pub fn check_order(order: &RunOrder) -> std::result::Result<Checked, String> {
    let pipeline = parse(order)?;
    let report = check::check(&pipeline, &order.recording, || true).map_err(|e| e.to_string())?;
    Ok(Checked { reasons: report.reasons() })
}

/// Runs, and tells `begun` where it goes.
pub fn execute(
    order: &RunOrder,
    control: &Control,
    begun: &dyn Fn(PathBuf),
) -> std::result::Result<(), String> {
    let pipeline = parse(order)?;
    let pipeline =
        PipelineFile { path: PathBuf::from(&order.file), text: order.text.clone(), pipeline };
    let mut made = None;
    let dir = if let Some(out) = &order.out {
        out.clone()
    } else {
        let new = NewFolder::make(order.recording.digest());
        made.insert(new.map_err(|e| crate::cli::whole(&e))?).path().to_owned()
    };
    begun(dir.clone());
    // A run made anew under another semantics is one without.
    let semantics = pipeline.pipeline.join.semantics;
    let restarts = if restarts::possible(semantics) { order.restarts.clone() } else { Vec::new() };
    let spec = Execute {
        overrides: order.overrides.clone(),
        memory: order.memory,
        seed: order.seed,
        restarts,
        at_end: order.at_end,
        shards: shards(),
        ..Execute::new(pipeline, order.recording.clone(), dir)
    };
    run::execute(spec, control).map(|_| ()).map_err(|e| e.to_string())
}

/// Runs go on behind the window: frames and questions come first.
pub const BEHIND: i32 = 10;

/// One core is the window's.
fn shards() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cores.saturating_sub(1).max(1)
}
