//! What the guarantees panel asks: the three guarantees under the same faults.

use std::path::PathBuf;

use joinscope_core::analyses::guarantees::faults::Faults;
use joinscope_core::analyses::guarantees::matrix::{Matrix, Spec, matrix};
use joinscope_core::engine::AtEnd;
use joinscope_core::run::Run;

/// Records that fit into a comparison in the window: the simulated cluster is
/// in memory.
pub const MOST: u64 = 300_000;

/// More epochs make nothing clearer, and each takes its time.
const EPOCHS: u64 = 150;

/// ms of the recording's time that a job is away after its process ended.
const DOWNTIME: i64 = 2_000;

#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub dir: PathBuf,
    pub faults: Faults,
}

/// Compares.
pub fn compare(run: &Run, q: &Question) -> Result<Matrix, String> {
    let recording = run.recording().ok_or_else(|| {
        "the recording of this run is not where it was: locate it to compare guarantees".to_owned()
    })?;
    let records = run.manifest().start.total.unwrap_or_else(|| run.rows());
    if records > MOST {
        return Err(format!(
            "{records} records are too many for a simulated cluster in memory: cut a part with \
             joinscope recording slice, or use joinscope guarantees"
        ));
    }
    let at_end = match run.manifest().start.at_end.as_str() {
        "close" => AtEnd::Close,
        _ => AtEnd::Open,
    };
    let spec = Spec::of(run.pipeline(), &recording, q.faults.clone(), at_end, DOWNTIME)
        .map_err(|e| e.0)?
        .at_most(EPOCHS);
    matrix(&spec, &|_| {}).map_err(|e| e.to_string())
}
