//! What can go wrong with a run folder.

use std::path::{Path, PathBuf};

/// Why a run could not be written, opened or asked. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// The file is not what was written.
    #[error("{}: {what}; {}", path.display(), "the run folder is damaged: run the pipeline again, or copy the folder from where it is whole")]
    Corrupt { path: PathBuf, what: String },
    /// The folder holds no run.
    #[error("{}: not a run folder: it has no manifest.json; give the folder that `joinscope run` printed", .0.display())]
    NotARun(PathBuf),
    /// Written by a newer version.
    #[error("{}: written by format {found}, this program reads up to {known}; use a newer joinscope", path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    /// The output folder is there already.
    #[error("{}: exists already; give another --out, or remove it", .0.display())]
    Exists(PathBuf),
    /// A question beyond what is there.
    #[error("{0}")]
    NoSuch(String),
    /// The recording cannot be used.
    #[error("{0}")]
    Recording(String),
    /// The pipeline cannot be used.
    #[error("{0}")]
    Pipeline(String),
    /// Brokers or a schema registry do not answer now: another start may find them.
    #[error("{0}")]
    Away(String),
    /// A living process has the folder.
    #[error("{0}")]
    Taken(String),
    /// The engine stopped.
    #[error("{0}")]
    Engine(String),
    /// The cancel flag was set.
    #[error("cancelled")]
    Cancelled,
}

/// What a question is answered with.
pub type Result<T, E = RunError> = std::result::Result<T, E>;

impl RunError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(path: &Path, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), what: what.into() }
    }
}
