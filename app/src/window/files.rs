//! The window's own files: JSON that says its version, written whole or not at
//! all and off the window's thread. One that cannot be read is put aside, never
//! overwritten. One that several windows write is changed, not replaced: what
//! another one put there stays.

use std::any::Any;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use joinscope_core::edges::disk::is_full;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What came of reading a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<T> {
    Value(T),
    Missing,
    /// Broken, or of another version: why, what is used instead, and where the
    /// file was put.
    Unreadable(String),
}

/// Reads a file of this version.
pub fn read<T: DeserializeOwned>(path: &Path, version: u32) -> Read<T> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Read::Missing,
        Err(error) => {
            return Read::Unreadable(format!("{}: {error}; defaults are used", path.display()));
        }
    };
    let (why, suffix) = match parse(&text, version) {
        Ok(value) => return Read::Value(value),
        Err(Bad::Version(other)) => (
            format!("is of version {other}, this program reads version {version}"),
            format!("version-{other}"),
        ),
        Err(Bad::Broken(why)) => (format!("cannot be read: {why}"), "broken".to_owned()),
    };
    let kept = match put_aside(path, &suffix) {
        Ok(aside) => format!("the file is kept as {}", aside.display()),
        Err(error) => format!("the file could not be put aside: {error}"),
    };
    Read::Unreadable(format!("{} {why}; defaults are used, {kept}", path.display()))
}

enum Bad {
    Version(u64),
    Broken(String),
}

fn parse<T: DeserializeOwned>(text: &[u8], version: u32) -> Result<T, Bad> {
    let broken = |e: serde_json::Error| Bad::Broken(e.to_string());
    let mut value: Value = serde_json::from_slice(text).map_err(broken)?;
    let Some(object) = value.as_object_mut() else {
        return Err(Bad::Broken("it is no JSON object".to_owned()));
    };
    // Files from before versions were written are of the first.
    let found = object.remove("version").map_or(Some(1), |v| v.as_u64());
    match found {
        Some(found) if found == u64::from(version) => T::deserialize(value).map_err(broken),
        Some(other) => Err(Bad::Version(other)),
        None => Err(Bad::Broken("its version is no number".to_owned())),
    }
}

/// Renames a file that must not be overwritten; where to.
fn put_aside(path: &Path, suffix: &str) -> std::io::Result<PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    for n in 1..1000 {
        let number = if n == 1 { String::new() } else { format!("-{n}") };
        let aside = path.with_file_name(format!("{stem}.{suffix}{number}.json"));
        if !aside.exists() {
            fs::rename(path, &aside)?;
            return Ok(aside);
        }
    }
    Err(std::io::Error::other("too many files are kept beside it"))
}

/// The text of a file of this version.
fn text<T: Serialize>(version: u32, value: &T) -> serde_json::Result<Vec<u8>> {
    let mut whole = serde_json::Map::new();
    whole.insert("version".to_owned(), version.into());
    if let Value::Object(object) = serde_json::to_value(value)? {
        whole.extend(object);
    }
    let mut text = serde_json::to_vec_pretty(&whole)?;
    text.push(b'\n');
    Ok(text)
}

/// Replaces a file as a whole; where that fails nothing is left beside it. A link
/// stays one, and who may read the file stays as it was.
pub fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let done = fill(&new, text).and_then(|()| {
        if let Ok(there) = fs::metadata(&path) {
            // A file system without permissions is no reason to keep nothing.
            let _ = fs::set_permissions(&new, there.permissions());
        }
        fs::rename(&new, &path)
    });
    if done.is_err() {
        // Why it failed says more than that it cannot be removed.
        let _ = fs::remove_file(&new);
    }
    done
}

fn fill(new: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(new)?;
    file.write_all(text)?;
    file.sync_all()
}

/// Why a file of the window's own was not written, and what becomes of it.
fn unwritten(error: &std::io::Error) -> String {
    let what = if is_full(error) {
        format!("the disk is full; free some room ({error})")
    } else {
        error.to_string()
    };
    format!("{what}; what was there before stays, and the next change is written again")
}

/// What waits to be done to a file.
trait Pending: Any + Send {
    fn apply(self: Box<Self>, path: &Path) -> Result<(), String>;
}

/// A text in place of what is there.
struct Whole(Vec<u8>);

impl Pending for Whole {
    fn apply(self: Box<Self>, path: &Path) -> Result<(), String> {
        write(path, &self.0).map_err(|e| unwritten(&e))
    }
}

/// No file any more.
struct Gone;

impl Pending for Gone {
    fn apply(self: Box<Self>, path: &Path) -> Result<(), String> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("it cannot be removed: {error}"))
            }
            _ => Ok(()),
        }
    }
}

/// Changes what a file holds, or says why it does not.
type Change<T> = Box<dyn FnOnce(&mut T) -> Result<(), String> + Send>;

/// Changes of one file, in order: it is read and written once for all of them.
struct Changes<T> {
    version: u32,
    list: Vec<Change<T>>,
}

impl<T: Serialize + DeserializeOwned + Default + 'static> Pending for Changes<T> {
    fn apply(self: Box<Self>, path: &Path) -> Result<(), String> {
        let Self { version, list } = *self;
        // No other window writes between reading and writing: held until this
        // returns.
        let _held =
            lock(path).map_err(|e| format!("its lock cannot be taken: {}", unwritten(&e)))?;
        let mut problems = Vec::new();
        let mut value = match read::<T>(path, version) {
            Read::Value(value) => value,
            Read::Missing => T::default(),
            // It could not be put aside, so it must not be written.
            Read::Unreadable(why) if path.exists() => return Err(why),
            Read::Unreadable(why) => {
                problems.push(why);
                T::default()
            }
        };
        for change in list {
            problems.extend(change(&mut value).err());
        }
        let whole = text(version, &value).map_err(|e| e.to_string())?;
        write(path, &whole).map_err(|e| unwritten(&e))?;
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }
}

/// Takes the lock beside a file; it is let go with what is returned. The file
/// itself cannot carry it: another one takes its place when it is written.
fn lock(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let lock = File::create(path.with_extension("lock"))?;
    match lock.lock() {
        // A file system without locks is no reason to keep nothing.
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {}
        locked => locked?,
    }
    Ok(lock)
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(PathBuf, Box<dyn Pending>)>,
    writing: bool,
    ended: bool,
    failed: Vec<(PathBuf, String)>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes files in a thread of its own, the newest text of each and every
/// change; what waits is written before it is dropped.
#[derive(Default)]
pub struct Saver {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Saver {
    /// Writes `value` to `path`, soon, in place of whatever is there.
    pub fn save<T: Serialize>(&self, path: &Path, version: u32, value: &T) {
        let mut queue = self.shared.lock();
        match text(version, value) {
            Ok(text) => {
                queue.waiting.retain(|(p, _)| p != path);
                queue.waiting.push_back((path.to_owned(), Box::new(Whole(text))));
            }
            Err(error) => queue.failed.push((path.to_owned(), error.to_string())),
        }
        drop(queue);
        self.shared.changed.notify_one();
        self.start();
    }

    /// Changes what `path` holds by then, soon: what another window wrote there
    /// stays.
    pub fn update<T: Serialize + DeserializeOwned + Default + 'static>(
        &self,
        path: &Path,
        version: u32,
        change: impl FnOnce(&mut T) -> Result<(), String> + Send + 'static,
    ) {
        let change: Change<T> = Box::new(change);
        let mut queue = self.shared.lock();
        let last = queue.waiting.iter_mut().rfind(|(p, _)| p == path);
        let last = last.and_then(|(_, waits)| {
            let waits: &mut dyn Any = &mut **waits;
            waits.downcast_mut::<Changes<T>>()
        });
        if let Some(changes) = last.filter(|c| c.version == version) {
            changes.list.push(change);
        } else {
            let changes = Changes { version, list: vec![change] };
            queue.waiting.push_back((path.to_owned(), Box::new(changes)));
        }
        drop(queue);
        self.shared.changed.notify_one();
        self.start();
    }

    /// Removes `path`, soon, whatever is there.
    pub fn remove(&self, path: &Path) {
        let mut queue = self.shared.lock();
        queue.waiting.retain(|(p, _)| p != path);
        queue.waiting.push_back((path.to_owned(), Box::new(Gone)));
        drop(queue);
        self.shared.changed.notify_one();
        self.start();
    }

    fn start(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_some() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let work = move || run(&shared);
        match std::thread::Builder::new().name("saver".to_owned()).spawn(work) {
            Ok(started) => *thread = Some(started),
            Err(error) => {
                let mut queue = self.shared.lock();
                let all: Vec<_> = queue.waiting.drain(..).collect();
                queue.failed.extend(all.into_iter().map(|(path, _)| (path, error.to_string())));
            }
        }
    }

    /// Whether something is not yet written.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let queue = self.shared.lock();
        !queue.waiting.is_empty() || queue.writing
    }

    /// What could not be written since the last time, and why.
    #[must_use]
    pub fn failed(&self) -> Vec<(PathBuf, String)> {
        std::mem::take(&mut self.shared.lock().failed)
    }
}

fn run(shared: &Shared) {
    let mut queue = shared.lock();
    loop {
        if let Some((path, waits)) = queue.waiting.pop_front() {
            queue.writing = true;
            drop(queue);
            let done = waits.apply(&path);
            queue = shared.lock();
            queue.writing = false;
            if let Err(why) = done {
                queue.failed.push((path, why));
            }
        } else if queue.ended {
            return;
        } else {
            queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
        if let Ok(thread) = self.thread.get_mut()
            && let Some(thread) = thread.take()
        {
            // A panic there has nothing left to say to anyone.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
    struct Thing {
        n: u64,
    }

    fn wait_for(saver: &Saver) {
        while saver.is_open() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_newest_of_each_file_is_written_before_the_saver_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("new/a.json"), folder.path().join("b.json"));
        let saver = Saver::default();
        for n in 0..50 {
            saver.save(&a, 1, &Thing { n });
            saver.save(&b, 3, &Thing { n: n * 2 });
        }
        drop(saver);
        assert_eq!(read(&a, 1), Read::Value(Thing { n: 49 }));
        assert_eq!(read(&b, 3), Read::Value(Thing { n: 98 }));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no half-written file is left");
    }

    #[test]
    fn what_cannot_be_read_is_put_aside_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thing.json");
        assert_eq!(read::<Thing>(&path, 1), Read::Missing);
        for (text, says, kept) in [
            ("{", "cannot be read", "thing.broken.json"),
            ("[1]", "no JSON object", "thing.broken-2.json"),
            (r#"{"version": 2, "n": 1}"#, "is of version 2", "thing.version-2.json"),
            (r#"{"version": 1, "n": "x"}"#, "cannot be read", "thing.broken-3.json"),
        ] {
            fs::write(&path, text).unwrap();
            let Read::Unreadable(why) = read::<Thing>(&path, 1) else { panic!("{text}") };
            assert!(why.contains(says) && why.contains("defaults are used"), "{why}");
            assert!(!path.exists());
            assert_eq!(fs::read_to_string(folder.path().join(kept)).unwrap(), text);
        }
        fs::write(&path, r#"{"n": 7}"#).unwrap();
        assert_eq!(
            read(&path, 1),
            Read::Value(Thing { n: 7 }),
            "from before versions were written"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_a_file_as_private_as_it_was() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("kept.toml"), folder.path().join("feed.toml"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&file, &link).unwrap();
        write(&link, b"new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::create_dir(&path).unwrap();
        assert!(write(&path, b"{}").is_err(), "a folder is there");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        fs::write(&blocked, b"").unwrap();
        let saver = Saver::default();
        saver.save(&blocked.join("a.json"), 1, &Thing { n: 1 });
        wait_for(&saver);
        assert_eq!(saver.failed().len(), 1);
        assert!(saver.failed().is_empty(), "it is said once");
    }

    #[test]
    fn changes_by_two_windows_at_once_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/thing.json");
        let savers = [Saver::default(), Saver::default()];
        for _ in 0..50 {
            for saver in &savers {
                saver.update(&path, 1, |thing: &mut Thing| {
                    thing.n += 1;
                    Ok(())
                });
            }
        }
        savers.iter().for_each(wait_for);
        assert!(savers.iter().all(|s| s.failed().is_empty()));
        assert_eq!(read(&path, 1), Read::Value(Thing { n: 100 }));
    }

    #[test]
    fn a_change_that_is_refused_is_said_and_one_that_finds_a_broken_file_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thing.json");
        fs::write(&path, "{").unwrap();
        let saver = Saver::default();
        let set = |n| {
            saver.update(&path, 1, move |thing: &mut Thing| {
                thing.n = n;
                Ok(())
            });
        };
        set(7);
        wait_for(&saver);
        assert!(saver.failed()[0].1.contains("is kept as"));
        assert_eq!(fs::read_to_string(folder.path().join("thing.broken.json")).unwrap(), "{");
        assert_eq!(read(&path, 1), Read::Value(Thing { n: 7 }));
        saver.update(&path, 1, |_: &mut Thing| Err("there is one already".to_owned()));
        set(8);
        wait_for(&saver);
        assert!(saver.failed()[0].1.contains("there is one already"));
        assert_eq!(read(&path, 1), Read::Value(Thing { n: 8 }), "the others are carried out");
        // One that can neither be read nor put aside is no file to write.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        set(9);
        wait_for(&saver);
        assert_eq!(saver.failed().len(), 1);
        assert!(path.is_dir());
    }
}
