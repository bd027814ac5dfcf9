//! A file that has its name from the start, or only when it is whole.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
    // A temporary file of that name is a crashed process's of the same number.
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

/// A name for a file beside its place while it is not whole; another one each time: who
/// makes the same file at the same time makes one of its own. Of a long name it has the
/// beginning: 255 bytes is all that most file systems take.
pub fn part_of(path: &Path) -> PathBuf {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().take(50).collect();
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}-{number}.part", std::process::id()))
}

/// Gives a finished file its name, over another one if need be.
pub fn replace(temporary: &Path, path: &Path) -> Result<(), RecordingError> {
    std::fs::rename(temporary, path)
        .map_err(|error| RecordingError::io(path, "rename to its name", error))?;
    named(path);
    Ok(())
}

/// Gives a finished file its name, never over another one. Where it cannot have it the
/// file is gone.
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
    if let Err(error) = named {
        let _ = std::fs::remove_file(temporary);
        return Err(RecordingError::io(path, "rename to its name", error));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::tests::{all, folder, partition, records};
    use crate::edges::recording::{Recording, Writer, WriterOptions};

    #[test]
    fn a_file_that_cannot_have_its_name_is_gone() {
        let (folder, path) = folder();
        std::fs::write(&path, b"whole").unwrap();
        let error = name(&path, &folder.path().join("no folder").join("r.mcap")).unwrap_err();
        assert!(error.to_string().contains("rename to its name"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_name_may_be_as_long_as_a_file_system_takes() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["r".repeat(255), "\u{20ac}".repeat(85)] {
            let path = folder.path().join(name);
            let options = WriterOptions { whole_or_nothing: true, ..WriterOptions::default() };
            Writer::create(&path, options).unwrap().finish().unwrap();
            assert!(Recording::open(&path).unwrap().is_empty());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    /// As two windows on one run would: each wrote into the file of the other.
    #[test]
    fn of_two_that_make_the_same_file_at_once_one_does() {
        let (folder, path) = folder();
        let options = || WriterOptions { whole_or_nothing: true, ..WriterOptions::default() };
        let begin = || {
            let mut writer = Writer::create(&path, options()).unwrap();
            for (topic, number) in [("views", 0), ("views", 1), ("clicks", 0), ("empty", 0)] {
                writer.partition(partition(topic, number)).unwrap();
            }
            writer
        };
        let (mut first, mut second) = (begin(), begin());
        let (of_first, of_second) = (records(1, 500), records(2, 700));
        for record in &of_second {
            second.add(record).unwrap();
        }
        for record in &of_first {
            first.add(record).unwrap();
        }
        first.finish().unwrap();
        let error = second.finish().unwrap_err();
        assert!(matches!(error, RecordingError::Exists { .. }), "{error}");
        assert_eq!(all(&Recording::open(&path).unwrap()).unwrap(), of_first);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
