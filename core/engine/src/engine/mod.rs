//! The run loop: sequencer, shards, barriers. The only place with threads.

mod batch;
mod books;
pub mod breakpoint;
mod checkpoint;
mod collector;
mod control;
mod decode;
pub mod delivery;
mod digest;
mod ends;
mod failure;
pub mod limit;
pub mod live;
mod meter;
mod operators;
mod recording;
pub mod restarts;
mod routes;
mod run;
mod sequencer;
mod shard;
mod sink;
mod source;
pub mod sources;
mod spec;
mod stairs;
pub mod step;
mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod threads;
mod waits;

pub use control::{Control, InputBooks, Progress, Stop};
pub use failure::panic_message;
pub use routes::lanes;
pub use source::{Batches, ClockInput, ClockInputKind, Given, Heads, Source, SourceError};
pub use spec::{AtEnd, CHECKPOINT_RECORDS, RunSpec};
pub use summary::{Ended, Furthest, RunError, StageTime, Summary};
pub use waits::Waiting;

use step::Sink;

use crate::operator::pipeline::Pipeline;

/// Runs a pipeline over a source and gives every step to `sink`, in arrival
/// order. Blocks until the source has ended, `control` was cancelled, or
/// something failed; all threads it starts have ended when it returns.
///
/// The sink gets whole steps only; after an error or a cancel what it was given
/// is a valid prefix of the run. A run over a recording that was cancelled takes a
/// checkpoint there, if it has a folder, and goes on from it as if it had not been.
pub fn run(spec: RunSpec, sink: &mut dyn Sink, control: &Control) -> Result<Summary, RunError> {
    run::run(&spec, sink, control, false)
}

/// As [`run`], but the checkpoint that it goes on from was just found whole
/// ([`crate::edges::rocksdb::verify`]): that may take long, and is not done twice.
///
/// # Errors
/// As [`run`].
pub fn run_verified(
    spec: RunSpec,
    sink: &mut dyn Sink,
    control: &Control,
) -> Result<Summary, RunError> {
    run::run(&spec, sink, control, true)
}

/// Whether a pipeline can be run over a source at all: its topics are there and
/// its inputs can be decoded. Writes nothing.
pub fn check(pipeline: &Pipeline, source: &dyn Source) -> Result<(), RunError> {
    let routes = routes::Routes::new(pipeline, source.partitions(), &source.later())?;
    decode::Decoders::new(pipeline, std::sync::Arc::new(routes), &source.schemas()).map(drop)
}
