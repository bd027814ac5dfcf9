//! A file that has its name from the start, or only when it is whole.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::RecordingError;

/// Makes a file of that name, or of a temporary one beside it (then named in
/// the answer). A name that is taken is refused.
pub fn create(
    path: &Path,
    under_temporary_name: bool,
) -> Result<(File, Option<PathBuf>), RecordingError> {
    let exists = || RecordingError::Exists { path: path.to_owned() };
    if path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let temporary = under_temporary_name.then(|| part_of(path));
    let mut open = OpenOptions::new();
    open.write(true).read(true);
    // A temporary file of the same process number is a crashed one's.
    let file = match &temporary {
        Some(temporary) => open.create(true).truncate(true).open(temporary),
        None => open.create_new(true).open(path),
    };
    let file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(),
        ErrorKind::NotFound => {
            let what = "its folder does not exist: make it first, or name another place";
            RecordingError::io(path, "create", std::io::Error::new(ErrorKind::NotFound, what))
        }
        _ => RecordingError::io(path, "create", error),
    })?;
    Ok((file, temporary))
}

/// The name of a file beside its place while it is not whole.
pub fn part_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

/// Gives a finished file its name, over another one if need be.
pub fn replace(temporary: &Path, path: &Path) -> Result<(), RecordingError> {
    std::fs::rename(temporary, path)
        .map_err(|error| RecordingError::io(path, "rename to its name", error))?;
    named(path);
    Ok(())
}

/// Gives a finished file its name, never over another one.
pub fn name(temporary: &Path, path: &Path) -> Result<(), RecordingError> {
    let named = match std::fs::hard_link(temporary, path) {
        Ok(()) => std::fs::remove_file(temporary),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let _ = std::fs::remove_file(temporary);
            return Err(RecordingError::Exists { path: path.to_owned() });
        }
        // A file system without links.
        Err(_) => std::fs::rename(temporary, path),
    };
    named.map_err(|error| RecordingError::io(path, "rename to its name", error))?;
    self::named(path);
    Ok(())
}

/// The name itself has to reach the disk; not every file system can.
fn named(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
}
