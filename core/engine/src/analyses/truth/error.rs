//! Why a run could not be held against the truth.

use crate::engine::SourceError;
use crate::operator::codec::CodecError;

#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The run was made of other records.
    #[error(
        "the run does not belong to this recording: its row {row} is {claimed}, here it is {found}; \
         name the recording that it was run over"
    )]
    OtherRecording { row: u64, claimed: String, found: String },
    #[error("the run has {claimed} rows, the recording gives {found}")]
    Rows { claimed: u64, found: u64 },
    #[error("the run cannot be held against the truth: {0}")]
    Run(String),
    #[error("cancelled")]
    Cancelled,
}
