//! The older entries of the manifest's lists, in files beside it that never change:
//! what is written at each publish is as short after a week as in the first hour.
//!
//! ```text
//! older/segments-00000256-1a2b3c4d.json     256 entries from this one on, and their CRC-32
//! older/checkpoints-00000000-5e6f7081.json
//! ```
//!
//! A file is on the disk, with its name, before a manifest names it; one that the
//! manifest does not name counts for nothing.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::SegmentRef;
use crate::edges::fault;
use crate::engine::step::CheckpointEntry;
use crate::run::error::{Result, RunError};

/// Entries of a file; the manifest itself has fewer of each list.
pub(super) const ENTRIES: usize = 256;

/// The folder.
const OLDER: &str = "older";
const SEGMENTS: &str = "segments";
const CHECKPOINTS: &str = "checkpoints";

/// A file, as the manifest names it: where its list begins follows from those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Chunk {
    entries: u32,
    crc: u32,
}

impl Chunk {
    fn path(self, dir: &Path, list: &str, first: usize) -> PathBuf {
        dir.join(OLDER).join(format!("{list}-{first:08}-{:08x}.json", self.crc))
    }

    fn read<T: DeserializeOwned>(self, path: &Path) -> Result<Vec<T>> {
        let bytes = std::fs::read(path).map_err(|e| RunError::io(path, e))?;
        if crc32fast::hash(&bytes) != self.crc {
            return Err(RunError::corrupt(path, "its checksum is wrong"));
        }
        let entries: Vec<T> = serde_json::from_slice(&bytes)
            .map_err(|e| RunError::corrupt(path, format!("not entries of a manifest: {e}")))?;
        if entries.len() != self.entries as usize {
            return Err(RunError::corrupt(path, "it has not as many entries as the manifest says"));
        }
        Ok(entries)
    }
}

/// What a list has beside the manifest.
fn len(chunks: &[Chunk]) -> usize {
    chunks.iter().map(|chunk| chunk.entries as usize).sum()
}

/// The files that hold the beginning of the lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Older {
    segments: Vec<Chunk>,
    checkpoints: Vec<Chunk>,
}

impl Older {
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.checkpoints.is_empty()
    }

    /// So many segments, and so many checkpoints, are not in the manifest itself.
    pub fn lens(&self) -> (usize, usize) {
        (len(&self.segments), len(&self.checkpoints))
    }

    /// Forgets files with entries beyond the first so many of each list: what they
    /// hold of those is the manifest's own again.
    pub fn cut(&mut self, segments: usize, checkpoints: usize) {
        for (chunks, keep) in [(&mut self.segments, segments), (&mut self.checkpoints, checkpoints)]
        {
            while len(chunks) > keep {
                chunks.pop();
            }
        }
    }

    /// Takes over what the manifest is not to have itself of its lists; durable
    /// afterwards. After an error nothing of it counts.
    pub fn take(
        &mut self,
        dir: &Path,
        segments: &[SegmentRef],
        checkpoints: &[CheckpointEntry],
    ) -> Result<()> {
        self.cut(segments.len(), checkpoints.len());
        let had = self.lens();
        if segments.len() - had.0 < ENTRIES && checkpoints.len() - had.1 < ENTRIES {
            return Ok(());
        }
        let folder = dir.join(OLDER);
        std::fs::create_dir_all(&folder).map_err(|e| RunError::io(&folder, e))?;
        let mut more = self.clone();
        put(dir, SEGMENTS, &mut more.segments, segments)?;
        put(dir, CHECKPOINTS, &mut more.checkpoints, checkpoints)?;
        // Their names, and the folder's.
        for folder in [folder.as_path(), dir] {
            File::open(folder)
                .and_then(|open| open.sync_all())
                .map_err(|e| RunError::io(folder, e))?;
            fault::synced(folder);
        }
        *self = more;
        Ok(())
    }

    /// The entries of the files, segments and checkpoints. What `known`, read before
    /// with its lists, has of the same files is not read again.
    pub fn read(
        &self,
        dir: &Path,
        known: Option<(&Self, &[SegmentRef], &[CheckpointEntry])>,
    ) -> Result<(Vec<SegmentRef>, Vec<CheckpointEntry>)> {
        let segments = known.map(|(older, list, _)| (older.segments.as_slice(), list));
        let checkpoints = known.map(|(older, _, list)| (older.checkpoints.as_slice(), list));
        Ok((
            entries(dir, SEGMENTS, &self.segments, segments)?,
            entries(dir, CHECKPOINTS, &self.checkpoints, checkpoints)?,
        ))
    }

    /// Removes what is in the folder and not named here.
    pub fn sweep(&self, dir: &Path) {
        let named = |list: &'static str, chunks: &[Chunk]| -> Vec<PathBuf> {
            let firsts = chunks.iter().scan(0, |first, chunk| {
                let at = *first;
                *first += chunk.entries as usize;
                Some((at, *chunk))
            });
            firsts.map(|(first, chunk)| chunk.path(dir, list, first)).collect()
        };
        let mut kept = named(SEGMENTS, &self.segments);
        kept.extend(named(CHECKPOINTS, &self.checkpoints));
        let Ok(there) = std::fs::read_dir(dir.join(OLDER)) else { return };
        for path in there.flatten().map(|entry| entry.path()) {
            if !kept.contains(&path) {
                // What stays costs room and counts for nothing.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// Writes the full files that a list has beyond `chunks`.
fn put<T: Serialize>(dir: &Path, list: &str, chunks: &mut Vec<Chunk>, all: &[T]) -> Result<()> {
    let mut first = len(chunks);
    while let Some(entries) = all.get(first..first + ENTRIES) {
        let bytes = serde_json::to_vec(entries)
            .map_err(|e| RunError::io(&dir.join(OLDER), std::io::Error::other(e)))?;
        let chunk = Chunk { entries: ENTRIES as u32, crc: crc32fast::hash(&bytes) };
        let path = chunk.path(dir, list, first);
        write(&path, &bytes).map_err(|e| RunError::io(&path, e))?;
        chunks.push(chunk);
        first += ENTRIES;
    }
    Ok(())
}

/// Puts a file there whole: one of this name may be named by the manifest at hand.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("json.new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fault::synced(&new);
    std::fs::rename(&new, path)
}

fn entries<T: DeserializeOwned + Clone>(
    dir: &Path,
    list: &str,
    chunks: &[Chunk],
    known: Option<(&[Chunk], &[T])>,
) -> Result<Vec<T>> {
    let (before, had) = known.unwrap_or_default();
    let same = before.iter().zip(chunks).take_while(|(before, now)| before == now).count();
    let mut all = Vec::new();
    for (n, chunk) in chunks.iter().enumerate() {
        let first = all.len();
        // Of a run that was cut off, who read it may have let its end go.
        match had.get(first..first + chunk.entries as usize).filter(|_| n < same) {
            Some(entries) => all.extend_from_slice(entries),
            None => all.append(&mut chunk.read(&chunk.path(dir, list, first))?),
        }
    }
    Ok(all)
}
