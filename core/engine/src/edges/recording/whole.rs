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
    if path.symlink_metadata().is_ok() {
        return Err(RecordingError::Exists { path: path.to_owned() });
    }
    if under_temporary_name {
        return begin(path).map(|(file, temporary)| (file, Some(temporary)));
    }
    let file = OpenOptions::new().write(true).read(true).create_new(true).open(path);
    Ok((file.map_err(|error| refused(path, error))?, None))
}

/// A file under a temporary name beside its place. For as long as it is open it is locked:
/// of one that is not, the writer is gone. Keep it open until it has its name.
pub fn begin(path: &Path) -> Result<(File, PathBuf), RecordingError> {
    remove_left_behind(path);
    loop {
        let temporary = part_of(path);
        // One of that name is a crashed process's of the same number.
        let mut open = OpenOptions::new();
        let file = open.write(true).read(true).create(true).truncate(true).open(&temporary);
        let file = file.map_err(|error| refused(path, error))?;
        // Who looked for what was left behind may have had it before, and removed it. Where
        // there are no locks nobody can have had one.
        if file.lock().is_err() || temporary.symlink_metadata().is_ok() {
            return Ok((file, temporary));
        }
    }
}

/// Removes what writers of the same file began and did not end, where they are gone.
fn remove_left_behind(path: &Path) {
    let begins = beginning_of(path);
    let is_number = |text: &str| text.parse::<u64>().is_ok();
    let Ok(entries) = std::fs::read_dir(folder_of(path)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let numbers = name
            .to_str()
            .and_then(|name| name.strip_prefix(&begins)?.strip_suffix(".part")?.split_once('-'));
        let ours = numbers.is_some_and(|(process, n)| is_number(process) && is_number(n));
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let Ok(file) = OpenOptions::new().read(true).write(true).open(entry.path()) else {
            continue;
        };
        if file.try_lock().is_ok() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

pub(super) fn refused(path: &Path, error: std::io::Error) -> RecordingError {
    match error.kind() {
        ErrorKind::AlreadyExists => RecordingError::Exists { path: path.to_owned() },
        ErrorKind::NotFound => {
            let what = "its folder does not exist: make it first, or name another place";
            RecordingError::io(path, "create", std::io::Error::new(ErrorKind::NotFound, what))
        }
        _ => RecordingError::io(path, "create", error),
    }
}

/// A name for a file beside its place while it is not whole; another one each time: who
/// makes the same file at the same time makes one of its own.
pub fn part_of(path: &Path) -> PathBuf {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let begins = beginning_of(path);
    path.with_file_name(format!("{begins}{}-{number}.part", std::process::id()))
}

/// What such names begin with. Of a long name it is the beginning: 255 bytes is all that
/// most file systems take.
fn beginning_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(".{}.", name.chars().take(50).collect::<String>())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
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
    if let Ok(folder) = File::open(folder_of(path)) {
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

    #[test]
    fn what_a_writer_left_that_is_gone_goes_with_the_next() {
        let (_folder, path) = folder();
        let beside = |end: &str| path.with_file_name(format!("{}{end}", beginning_of(&path)));
        let (gone, foreign) = (beside("4000000000-7.part"), beside("old-7.part"));
        std::fs::write(&gone, b"half").unwrap();
        std::fs::write(&foreign, b"somebody else's").unwrap();
        let (open, mine) = begin(&path).unwrap();
        assert!(!gone.exists() && foreign.exists());
        let other = create(&path, true).unwrap();
        assert!(mine.exists(), "its writer goes on");
        // As the system does for a process that is killed.
        drop((open, other));
        // A process that another test starts has it open, too, until it begins.
        let is_gone = |_| {
            drop(begin(&path).unwrap());
            !mine.exists()
        };
        assert!((0..1_000).any(is_gone));
        assert!(foreign.exists());
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
