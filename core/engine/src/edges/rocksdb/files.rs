//! Files that are whole or not there: fsync, checksums, links.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::Xxh3;

use super::error::StoreError;
use crate::edges::fault;

/// Writes a file and forces it to the disk.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| StoreError::io("write", path, e))?;
    fault::synced(path);
    Ok(())
}

/// Forces a file's content, or a folder's entries, to the disk.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|f| f.sync_all()).map_err(|e| StoreError::io("fsync", path, e))?;
    fault::synced(path);
    Ok(())
}

pub(super) fn create_dir(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(|e| StoreError::io("create", path, e))
}

/// Removes a folder and what it holds; one that is not there is removed already.
pub(super) fn remove_dir(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", path, e))
        }
        _ => Ok(()),
    }
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|e| StoreError::io("rename", from, e))
}

/// Size and XXH3-128 (hex) of a file.
pub(super) fn checksum(path: &Path) -> Result<(u64, String), StoreError> {
    let read = || {
        let mut file = File::open(path)?;
        let mut hash = Xxh3::new();
        let mut buffer = vec![0; 1 << 18];
        let mut bytes = 0;
        loop {
            let n = file.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
            bytes += n as u64;
        }
        Ok((bytes, format!("{:032x}", hash.digest128())))
    };
    read().map_err(|e| StoreError::io("read", path, e))
}

/// The files in `folder` (not below it), by name; none if it is not there.
pub(super) fn files_in(folder: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let failed = |e| StoreError::io("list", folder, e);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            files.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// Takes the lock on a run's state, until the file is dropped or the process
/// ends: what another run works on is not touched.
pub(super) fn lock(run: &Path) -> Result<File, StoreError> {
    create_dir(run)?;
    let path = run.join("state.lock");
    let file = File::create(&path).map_err(|e| StoreError::io("create", &path, e))?;
    // A process that is just ending, or one between fork and exec, holds it for
    // some milliseconds more.
    let patience = Instant::now() + Duration::from_millis(500);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < patience => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(fs::TryLockError::WouldBlock) => return Err(StoreError::InUse(run.to_owned())),
            Err(fs::TryLockError::Error(e)) => return Err(StoreError::io("lock", &path, e)),
        }
    }
}

/// Whether it is one of RocksDB's sorted files, which never change.
pub(super) fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "sst")
}

/// Makes `to` a database of its own out of `from`'s files: tables are linked
/// (nobody changes them in place), the rest is copied.
pub(super) fn link_database(from: &Path, to: &Path) -> Result<(), StoreError> {
    create_dir(to)?;
    for (name, path) in files_in(from)? {
        let target = to.join(&name);
        let linked = is_table(&path) && fs::hard_link(&path, &target).is_ok();
        if !linked {
            fs::copy(&path, &target).map_err(|e| StoreError::io("copy", &path, e))?;
        }
    }
    Ok(())
}
