//! What a run leaves behind, and how to ask it.
#![allow(dead_code)]

mod blocks;
mod bytes;
mod error;
mod layout;
mod ledger;
mod manifest;
mod pyramid;
mod summary;
mod types;

pub use error::{Result, RunError};
pub use layout::{PAGE_ROWS, SEGMENT_ARRIVALS};
pub use manifest::{InputInfo, Manifest, ManifestStart, RecordingRef, RunEnd, RunState};
pub use types::*;
