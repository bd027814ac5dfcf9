//! A disk that takes no more.

use std::io::{Error, ErrorKind};

/// Whether nothing more fits: the disk, a quota or the size that a file may have.
#[must_use]
pub fn is_full(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}
