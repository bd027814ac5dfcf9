//! What a run leaves behind, and how to ask it.

mod advice;
mod bench;
mod blocks;
mod breaking;
mod bytes;
mod error;
mod execute;
mod expired;
pub mod explain;
pub mod incident;
mod job;
mod keep;
mod layout;
mod ledger;
mod live;
mod manifest;
mod packed;
mod pyramid;
mod read;
mod schemas;
mod summary;
pub mod synthetic;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod types;
mod write;

pub use bench::{QuestionTime, bench_filter, bench_questions, bench_search, bench_sort};
pub use blocks::CACHE_BYTES;
pub use breaking::AtHit;
pub use error::{Result, RunError};
pub use execute::{Execute, execute, go_on, resume};
pub use expired::Expired;
pub use job::{Deliver, execute_job};
pub use keep::{RunStore, job_start};
pub(crate) use layout::NO_ROW;
pub use layout::{PAGE_ROWS, SEGMENT_ARRIVALS};
pub use live::{ExecuteLive, Outlook, execute_live, may_begin};
pub use manifest::{
    InputInfo, LiveInfo, Manifest, ManifestStart, RecordingRef, RunEnd, RunState, SourceInfo,
};
pub use read::{EventSpans, Levels, NEVER, NO_GROUP, Need, Run};
pub(crate) use read::{Lists, OutputColumns};
pub use schemas::GivenSchemas;
pub use types::*;
pub use write::{OutputsAlone, Writer};
