//! What to run, and how.

use std::path::PathBuf;
use std::sync::Arc;

use super::source::Source;
use super::step::CheckpointEntry;
use crate::operator::pipeline::Pipeline;
use crate::operator::record::Arrival;

/// Records between two real snapshots, unless the run says otherwise.
pub const CHECKPOINT_RECORDS: u64 = 1_000_000;

/// One run. Nothing here but `pipeline`, `source`, `at_end`, `seed` and `restarts`
/// can change an output, a verdict or the digest.
pub struct RunSpec {
    pub pipeline: Arc<Pipeline>,
    pub source: Arc<dyn Source>,
    /// The run's folder; the engine makes `state/` and `checkpoints/` in it.
    /// `None`: all state stays in memory and no checkpoint is taken.
    pub folder: Option<PathBuf>,
    pub at_end: AtEnd,
    /// Reserved for what a pipeline leaves to chance; kept with the run.
    pub seed: u64,
    /// Before these arrivals the engine that the join stands for is stopped with a
    /// savepoint and started again, and forgets what the release forgets; only
    /// where [`super::restarts::possible`].
    pub restarts: Vec<Arrival>,
    /// Bytes that rows may take in memory, over all shards; more rest on disk.
    pub memory: u64,
    /// At least 1; 0 means one for each core.
    pub shards: usize,
    /// See [`CHECKPOINT_RECORDS`].
    pub checkpoint_records: u64,
    /// Go on from this checkpoint of `folder`; the sink must stand at its arrival.
    pub resume: Option<CheckpointEntry>,
}

/// What the end of the recording means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtEnd {
    /// It is not the end of time: rows stay `open`.
    #[default]
    Open,
    /// The last event-time watermark: everything closes.
    Close,
}
