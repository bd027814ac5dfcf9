//! What can go wrong with state on disk, and what to do about it.

use std::path::{Path, PathBuf};

use crate::edges::disk::is_full;
use crate::edges::fault::Crash;
use crate::operator::state::StateError;

/// State or a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the disk is full: {what} {path}: free space there, or run with --out on another disk; \
         the checkpoints before this one are whole"
    )]
    DiskFull { what: &'static str, path: PathBuf },

    #[error("{what} {path}: {source}")]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },

    #[error("{what} {path}: {message}")]
    Rocks { what: &'static str, path: PathBuf, message: String },

    /// A file of a checkpoint is not what was written.
    #[error("checkpoint {epoch} is damaged: {path}: {what}; {}", instead(others))]
    Damaged { epoch: u64, path: PathBuf, what: String, others: Vec<u64> },

    #[error("{path} holds no checkpoint {epoch}; it has {}", listed(have))]
    Missing { epoch: u64, path: PathBuf, have: Vec<u64> },

    #[error(
        "checkpoint {epoch} in {path} was written in form {found}, this program reads up to form \
         {known}: use the version {version} that wrote it, or a newer one"
    )]
    Newer { epoch: u64, path: PathBuf, found: u32, known: u32, version: String },

    /// The caller's own rows could not be taken back.
    #[error(transparent)]
    State(#[from] StateError),

    #[error(transparent)]
    Fault(#[from] Crash),

    #[error("{0} is in use by another run: wait for it, or choose another --out")]
    InUse(PathBuf),
}

/// How one goes on from another is said by whoever knows what was to go on.
fn instead(others: &[u64]) -> String {
    if others.is_empty() {
        "run again from the start".to_owned()
    } else {
        format!("the others are {}", listed(others))
    }
}

fn listed(epochs: &[u64]) -> String {
    if epochs.is_empty() {
        return "none".to_owned();
    }
    epochs.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

impl StoreError {
    /// An I/O error at `path`; a full disk is told apart.
    pub(super) fn io(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        if is_full(&source) {
            Self::DiskFull { what, path: path.to_owned() }
        } else {
            Self::Io { what, path: path.to_owned(), source }
        }
    }

    /// A RocksDB error at `path`; RocksDB names the cause only in its text.
    pub(super) fn rocks(what: &'static str, path: &Path, error: &rocksdb::Error) -> Self {
        let message = error.to_string();
        let full = ["No space left", "File too large", "Disk quota exceeded", "NoSpace"];
        if full.iter().any(|text| message.contains(text)) {
            Self::DiskFull { what, path: path.to_owned() }
        } else {
            Self::Rocks { what, path: path.to_owned(), message }
        }
    }
}

impl From<StoreError> for StateError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}
