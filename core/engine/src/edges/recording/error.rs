//! What can be wrong with a recording.

use std::path::{Path, PathBuf};

use crate::edges::disk::is_full;

/// What helps where nothing more fits.
fn room(source: &std::io::Error) -> &'static str {
    if is_full(source) { "; free space there, or write to another disk" } else { "" }
}

/// What helps against a damaged beginning.
fn instead(by_end: bool) -> &'static str {
    if by_end {
        ": its end says the same, and `joinscope recording slice --past-damage` takes what is whole of it by that"
    } else {
        ", without which nothing else of it can be read: use another copy, or record it anew"
    }
}

/// Why a recording cannot be read or written; says what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file system refused.
    #[error("{path}: cannot {doing}: {source}{}", room(.source))]
    Io {
        path: PathBuf,
        /// "open", "read at byte 12", "write", …
        doing: String,
        source: std::io::Error,
    },
    /// The file is something else.
    #[error(
        "{path} is not a recording: {why}; recordings are made by `joinscope record`, `import` or `generate`"
    )]
    NotARecording { path: PathBuf, why: String },
    /// Written by a newer program.
    #[error(
        "{path} was written in version {found} of the recording format (by {by}); this program reads up to version {known}: use a newer joinscope"
    )]
    Newer { path: PathBuf, found: String, known: u32, by: String },
    /// Bytes that are not what was written.
    #[error(
        "{path}: damaged at byte {byte}: {what}; `joinscope recording verify` lists what is intact, and `joinscope recording slice --past-damage` takes it"
    )]
    Damaged { path: PathBuf, byte: u64, what: String },
    /// As [`Self::Damaged`], where it takes all that follows with it, or the end alone
    /// says that it is a recording.
    #[error(
        "{path}: damaged at byte {byte}, in its beginning ({what}){}",
        instead(*.by_end)
    )]
    Beginning {
        path: PathBuf,
        byte: u64,
        what: String,
        /// Its end is whole, and says the same.
        by_end: bool,
    },
    /// The output is there already; nothing is overwritten.
    #[error("{path} exists already: choose another name or remove it first")]
    Exists { path: PathBuf },
    /// A record that a recording cannot hold.
    #[error("{record}: {what}")]
    Record { record: String, what: String },
    /// A line of an imported file that cannot become a record.
    #[error("{path}:{line}: {what}")]
    Line { path: PathBuf, line: u64, what: String },
    /// A question about something that the recording does not have.
    #[error("{path}: {what}")]
    Missing { path: PathBuf, what: String },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl RecordingError {
    pub(super) fn io(path: &Path, doing: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), doing: doing.into(), source }
    }

    pub(super) fn damaged(path: &Path, byte: u64, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), byte, what: what.into() }
    }
}
