//! The folder of a run that begins: all of it is there, or nothing.

use std::fs::File;
use std::path::Path;

use crate::edges::fault;
use crate::run::error::{Result, RunError};
use crate::run::layout::{LOCK, MANIFEST, PIPELINE, SCHEMAS, SEGMENTS};
use crate::run::live::is_leftover;
use crate::run::manifest::{Lock, Manifest, ManifestStart};

/// Makes the folder, which may hold what is named `there` already, and stores the
/// run's first manifest in it.
///
/// # Errors
/// The folder exists already (an empty one does not count) or cannot be written;
/// what was made is then taken away again.
pub(super) fn begin(dir: &Path, start: ManifestStart, there: &str) -> Result<(Manifest, Lock)> {
    let (taken, existed) = match std::fs::read_dir(dir) {
        // A job's own files may be there before its run.
        Ok(mut entries) => {
            let taken = entries
                .any(|entry| entry.is_ok_and(|e| e.file_name() != *there && !is_leftover(&e)));
            (taken, true)
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => (false, false),
        // A part of the way to it is a file, or may not be looked into.
        Err(e) if dir.symlink_metadata().is_err() => {
            let what = format!("no folder can be made there ({e}); give another --out");
            return Err(RunError::io(dir, std::io::Error::new(e.kind(), what)));
        }
        Err(_) => (true, true),
    };
    if taken {
        return Err(RunError::Exists(dir.to_owned()));
    }
    let segments = dir.join(SEGMENTS);
    let folders_go = || {
        let _ = std::fs::remove_dir(&segments);
        if !existed {
            let _ = std::fs::remove_dir(dir);
        }
    };
    if let Err(e) = std::fs::create_dir_all(&segments) {
        folders_go();
        return Err(RunError::io(&segments, e));
    }
    let lock = match Lock::take(dir) {
        Ok(lock) => lock,
        Err(error) => {
            // Where there is a lock, another run began here at the same moment.
            if !dir.join(LOCK).exists() {
                folders_go();
            }
            return Err(error);
        }
    };
    match stored(dir, start) {
        Ok(manifest) => Ok((manifest, lock)),
        Err(error) => {
            for name in ["manifest.json.new", MANIFEST, PIPELINE, SCHEMAS, LOCK] {
                let _ = std::fs::remove_file(dir.join(name));
            }
            folders_go();
            Err(error)
        }
    }
}

fn stored(dir: &Path, start: ManifestStart) -> Result<Manifest> {
    put(&dir.join(PIPELINE), &start.pipeline_text)?;
    if start.schemas.is_some() {
        put(&dir.join(SCHEMAS), &start.schemas_text)?;
    }
    let mut manifest = Manifest::new(start);
    manifest.store(dir, true)?;
    Ok(manifest)
}

fn put(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)
        .and_then(|()| File::open(path)?.sync_all())
        .map_err(|e| RunError::io(path, e))?;
    fault::synced(path);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_cannot_begin_takes_away_what_it_made() {
        let folder = tempfile::tempdir().unwrap();
        // A folder where a file is to be written: what a full disk does, at will.
        for name in [PIPELINE, "manifest.json.new"] {
            let dir = folder.path().join(name.replace('.', "-"));
            std::fs::create_dir_all(dir.join(name)).unwrap();
            std::fs::write(dir.join("delivery.test"), b"").unwrap();
            assert!(begin(&dir, ManifestStart::default(), name).is_err());
            let mut left: Vec<_> =
                std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
            left.sort();
            let mut before = ["delivery.test", name];
            before.sort_unstable();
            assert_eq!(left, before, "what was there before stays");
        }
        let new = folder.path().join("new");
        drop(begin(&new, ManifestStart::default(), "").unwrap());
        assert!(new.join(MANIFEST).is_file());
    }
}
