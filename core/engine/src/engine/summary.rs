//! What a run was, once it ended.

use std::time::Duration;

use super::control::InputBooks;
use super::source::SourceError;
use super::step::SinkError;
use crate::operator::record::RecordName;
use crate::operator::state::StateError;

/// The figures of a run that ended without an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub ended: Ended,
    /// Records taken.
    pub records: u64,
    /// (record, input) pairs.
    pub rows: u64,
    pub outputs: u64,
    /// By input, in pipeline order.
    pub books: Vec<InputBooks>,
    /// 32 hex digits over every field of outputs and verdicts but `epoch` and `why`.
    pub digest: String,
    pub seconds: f64,
    pub records_per_second: f64,
    /// Sampled peak of anonymous memory, bytes; 0 where it cannot be read.
    pub peak_memory_bytes: u64,
    /// The join's event-time watermark at the end, ms; `i64::MIN`: none yet,
    /// `i64::MAX`: closed.
    pub watermark: i64,
    /// Epochs that ended; those without effect are only counted.
    pub epochs: u64,
    pub epochs_with_effect: u64,
    pub checkpoints: u64,
    pub state_rows: u64,
    pub state_bytes: u64,
    /// The record whose event time lay furthest beyond its own arrival.
    pub furthest: Option<Furthest>,
    /// Busy time of each stage, in the order in which data flows.
    pub stages: Vec<StageTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    Done,
    Cancelled,
    /// At a breakpoint.
    Stopped,
}

/// A record that moved an event-time watermark, and how far it was ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Furthest {
    pub record: RecordName,
    /// ms.
    pub event_time: i64,
    /// Event time minus arrival time, ms.
    pub ahead_ms: i64,
}

/// How long a stage worked (not waited).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTime {
    pub name: &'static str,
    /// CPU time of the stage's threads; wall time at work where the system
    /// does not tell.
    pub busy: Duration,
}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the pipeline cannot be run: {0}")]
    Pipeline(String),
    #[error(
        "the books of input \"{input}\" do not balance before arrival {arrival}: \
         {taken} rows taken, {booked} with a verdict or open ({detail}); this is a defect \
         of joinscope, please report it with the recording and the pipeline"
    )]
    Books { input: String, arrival: u64, taken: u64, booked: u64, detail: String },
    #[error("checkpoint {path}: {what}")]
    Checkpoint { path: String, what: String },
    #[error("the {stage} stage of the engine broke down: {message}")]
    Panic { stage: &'static str, message: String },
    #[error("no thread could be started: {0}")]
    Thread(std::io::Error),
    #[error("there is nothing to run")]
    NothingToDo,
}
