//! What the guarantees panel asks: the three guarantees under the same faults.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use joinscope_core::analyses::guarantees::faults::Faults;
use joinscope_core::analyses::guarantees::going::Going;
use joinscope_core::analyses::guarantees::matrix::{Matrix, STAGES, Spec, matrix};
use joinscope_core::engine::AtEnd;
use joinscope_core::run::Run;

use crate::window::text::thousands;

/// Records that fit into a comparison in the window: the simulated cluster is
/// in memory.
pub const MOST: u64 = 300_000;

/// More epochs make nothing clearer, and each takes its time.
const EPOCHS: u64 = 150;

/// ms of the recording's time that a job is away after its process ended.
const DOWNTIME: i64 = 2_000;

/// How far a comparison is, and whether it is still wanted.
#[derive(Debug, Default)]
pub struct Progress {
    /// Place in [`STAGES`].
    at: AtomicUsize,
    going: Arc<Going>,
}

impl Progress {
    /// What is run now, and how many were before it.
    pub fn stage(&self) -> (usize, &'static str) {
        let at = self.at.load(Ordering::Relaxed).min(STAGES.len() - 1);
        (at, STAGES[at])
    }

    /// Ends it as soon as what is run now can end.
    pub fn cancel(&self) {
        self.going.stop();
    }

    fn reached(&self, name: &str) -> bool {
        if let Some(at) = STAGES.iter().position(|stage| *stage == name) {
            self.at.store(at, Ordering::Relaxed);
        }
        !self.going.is_over()
    }
}

/// Records that a run is over, where they are too many to compare here.
pub fn too_many(run: &Run) -> Option<u64> {
    let records = run.manifest().start.total.unwrap_or_else(|| run.rows());
    Some(records).filter(|records| *records > MOST)
}

#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub dir: PathBuf,
    pub faults: Faults,
}

/// A mode as JSON, with all that is behind its numbers.
pub fn as_json(compared: &Result<Matrix, String>, mode: usize) -> Result<String, String> {
    let matrix = compared.as_ref().map_err(Clone::clone)?;
    let mode = matrix.columns.get(mode).ok_or("it is not compared any longer")?;
    serde_json::to_string_pretty(mode).map_err(|e| e.to_string())
}

/// Compares.
pub fn compare(run: &Run, q: &Question, progress: &Progress) -> Result<Matrix, String> {
    let recording = run.recording().ok_or_else(|| {
        "the recording of this run is not where it was: locate it to compare guarantees".to_owned()
    })?;
    if let Some(records) = too_many(run) {
        return Err(format!("{} records are too many", thousands(records)));
    }
    let at_end = match run.manifest().start.at_end.as_str() {
        "close" => AtEnd::Close,
        _ => AtEnd::Open,
    };
    let mut spec = Spec::of(run.pipeline(), &recording, q.faults.clone(), at_end, DOWNTIME)
        .map_err(|e| e.0)?
        .at_most(EPOCHS);
    spec.going = Arc::clone(&progress.going);
    matrix(&spec, &|name| progress.reached(name)).map_err(|e| e.to_string())
}
