//! What an incarnation leaves on the disk when it ends: everything, or after a
//! power loss what was forced there and, by chance, some of the rest.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::Plan;

/// What is known to be on the disk, by inode: hard links and renames keep it.
#[derive(Clone, Debug, Default)]
pub struct Synced {
    /// Length and time of change at the last fsync.
    files: HashMap<u64, (u64, i64)>,
    /// Entries at the last fsync of a folder.
    folders: HashMap<u64, BTreeSet<OsString>>,
}

impl Synced {
    pub(super) fn note(&mut self, path: &Path) {
        let Ok(meta) = fs::metadata(path) else { return };
        if meta.is_dir() {
            let Ok(entries) = fs::read_dir(path) else { return };
            let names = entries.flatten().map(|entry| entry.file_name()).collect();
            self.folders.insert(inode(&meta), names);
        } else {
            self.files.insert(inode(&meta), (meta.len(), changed(&meta)));
        }
    }

    pub(super) fn note_all(&mut self, folder: &Path) {
        self.note(folder);
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                self.note_all(&path);
            } else {
                self.note(&path);
            }
        }
    }

    fn holds_file(&self, meta: &fs::Metadata) -> bool {
        self.files.get(&inode(meta)) == Some(&(meta.len(), changed(meta)))
    }

    fn holds_name(&self, folder: &fs::Metadata, name: &OsString) -> bool {
        self.folders.get(&inode(folder)).is_some_and(|names| names.contains(name))
    }
}

#[cfg(unix)]
fn inode(meta: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(meta)
}

/// ns, as far as the file system keeps them.
#[cfg(unix)]
fn changed(meta: &fs::Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt as _;
    meta.mtime().wrapping_mul(1_000_000_000).wrapping_add(meta.mtime_nsec())
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> u64 {
    0
}

#[cfg(not(unix))]
fn changed(_: &fs::Metadata) -> i64 {
    0
}

/// What the power loss spares, and what decides where it is free to choose.
#[derive(Clone)]
pub struct PowerLoss {
    /// Asked file by file, while copying: other threads of the incarnation are
    /// not stopped, and what they put into the place of a file is newer than
    /// any list made before.
    pub plan: Arc<Plan>,
    pub seed: u64,
}

/// Copies what the incarnation in `from` leaves to `to`, for the next one. The
/// state that a restore makes anew and locks are left out. Files that vanish
/// meanwhile were not there.
///
/// # Errors
/// `to` cannot be written.
pub fn left_behind(from: &Path, to: &Path, loss: Option<&PowerLoss>) -> io::Result<()> {
    let mut random = loss.map(|loss| (loss, ChaCha8Rng::seed_from_u64(loss.seed)));
    fs::create_dir_all(to)?;
    copy(from, to, true, &mut random)
}

fn copy(
    from: &Path,
    to: &Path,
    top: bool,
    loss: &mut Option<(&PowerLoss, ChaCha8Rng)>,
) -> io::Result<()> {
    let Ok(folder) = fs::metadata(from) else { return Ok(()) };
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    // The manifest first: what it names is there then.
    names.sort_by_key(|name| (name != "manifest.json", name.clone()));
    for name in names {
        let (source, target) = (from.join(&name), to.join(&name));
        let extension = source.extension();
        if top && name == "state" || extension.is_some_and(|e| e == "lock" || e == "new") {
            continue;
        }
        let Ok(meta) = fs::metadata(&source) else { continue };
        if let Some((loss, random)) = loss
            && !top
            && !super::lock(&loss.plan.synced).holds_name(&folder, &name)
            && random.random_bool(0.5)
        {
            continue;
        }
        if meta.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&source, &target, false, loss)?;
            continue;
        }
        let Ok((mut bytes, meta)) = read(&source) else { continue };
        if let Some((loss, random)) = loss
            && !super::lock(&loss.plan.synced).holds_file(&meta)
        {
            match random.random_range(0..4) {
                0 => {}
                1 => bytes.truncate(random.random_range(0..=bytes.len())),
                // The length reached the disk, the content did not.
                2 => {
                    let from = random.random_range(0..=bytes.len());
                    bytes[from..].fill(0);
                }
                _ if top => bytes.clear(),
                _ => continue,
            }
        }
        fs::write(&target, bytes)?;
    }
    Ok(())
}

/// Content of one inode and what it was afterwards, whatever takes its name
/// meanwhile.
fn read(path: &Path) -> io::Result<(Vec<u8>, fs::Metadata)> {
    let mut file = fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((bytes, file.metadata()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_forced_to_the_disk_survives_any_power_loss() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let inner = run.join("checkpoints");
        fs::create_dir_all(&inner).unwrap();
        let plan = Arc::new(Plan::default());
        for name in ["kept", "loose"] {
            fs::write(inner.join(name), [7; 300]).unwrap();
        }
        super::super::lock(&plan.synced).note(&inner.join("kept"));
        super::super::lock(&plan.synced).note(&inner);
        // The same content under a second name, which no fsync of a folder knows.
        fs::hard_link(inner.join("kept"), inner.join("second")).unwrap();
        let (mut lost, mut torn, mut unnamed) = (0, 0, 0);
        for seed in 0..60 {
            let to = dir.path().join(format!("{seed}"));
            let loss = PowerLoss { plan: Arc::clone(&plan), seed };
            left_behind(&run, &to, Some(&loss)).unwrap();
            let to = to.join("checkpoints");
            assert_eq!(fs::read(to.join("kept")).unwrap(), [7; 300]);
            match fs::read(to.join("loose")) {
                Err(_) => lost += 1,
                Ok(bytes) => torn += usize::from(bytes != [7; 300]),
            }
            match fs::read(to.join("second")) {
                Err(_) => unnamed += 1,
                Ok(bytes) => assert_eq!(bytes, [7; 300]),
            }
        }
        assert!(lost > 5 && torn > 5 && unnamed > 5, "{lost} {torn} {unnamed}");
        // Changed after its fsync: free to go.
        fs::write(inner.join("kept"), [8; 301]).unwrap();
        let meta = fs::metadata(inner.join("kept")).unwrap();
        assert!(!super::super::lock(&plan.synced).holds_file(&meta));
    }

    #[test]
    fn a_file_replaced_while_copying_is_the_old_or_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        fs::create_dir_all(&run).unwrap();
        let plan = Arc::new(Plan::default());
        let store = |bytes: &[u8]| {
            let new = run.join("manifest.json.new");
            fs::write(&new, bytes).unwrap();
            super::super::lock(&plan.synced).note(&new);
            fs::rename(&new, run.join("manifest.json")).unwrap();
        };
        store(&[1; 40]);
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    store(&[2; 50]);
                    store(&[1; 40]);
                }
            });
            for seed in 0..300 {
                let to = dir.path().join(format!("{seed}"));
                let loss = PowerLoss { plan: Arc::clone(&plan), seed };
                left_behind(&run, &to, Some(&loss)).unwrap();
                let bytes = fs::read(to.join("manifest.json")).unwrap();
                assert!(bytes == [1; 40] || bytes == [2; 50], "{seed}: {bytes:?}");
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[test]
    fn without_a_power_loss_everything_stays() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        fs::create_dir_all(run.join("state/rows")).unwrap();
        fs::create_dir_all(run.join("segments")).unwrap();
        fs::write(run.join("manifest.json"), "m").unwrap();
        fs::write(run.join("run.lock"), "").unwrap();
        fs::write(run.join("segments/0"), "s").unwrap();
        let to = dir.path().join("next");
        left_behind(&run, &to, None).unwrap();
        assert_eq!(fs::read(to.join("segments/0")).unwrap(), b"s");
        assert!(!to.join("state").exists() && !to.join("run.lock").exists());
    }
}
