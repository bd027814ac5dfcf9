//! Standard output, where what a verb answers goes.

use std::io::{self, StdoutLock, Write};
use std::path::Path;

use joinscope_core::edges::disk::is_full;

/// Standard output; an error says that it was this which could not be written.
pub fn lock() -> Stdout {
    Stdout(io::stdout().lock())
}

/// A path as JSON has it. One that is no UTF-8 is none there: it is given as it is shown.
pub fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub struct Stdout(StdoutLock<'static>);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(said)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(said)
    }
}

/// Of the same kind: a closed pipe stays one, and what was interrupted goes on.
fn said(error: io::Error) -> io::Error {
    let full = "; free space where it goes, or send it elsewhere";
    let advice = if is_full(&error) { full } else { "" };
    io::Error::new(error.kind(), format!("cannot write to standard output: {error}{advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_about_an_error_stays_the_same() {
        for kind in [io::ErrorKind::BrokenPipe, io::ErrorKind::Interrupted] {
            assert_eq!(said(kind.into()).kind(), kind);
        }
        let full = said(io::ErrorKind::StorageFull.into()).to_string();
        assert!(full.starts_with("cannot write to standard output: "), "{full}");
        assert!(full.ends_with("or send it elsewhere"), "{full}");
        let other = said(io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(!other.contains("free space"), "{other}");
    }
}
