//! Reading checkpoints, and going on from one.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamilyDescriptor, DB, DBRawIterator, ReadOptions};

use super::cold::{AHEAD_BYTES, DUE, KEY, weight};
use super::error::StoreError;
use super::files;
use super::image::{Image, ImageError};
use super::keys::{SHARD_LEN, due_key, parse_due, shard_due_key};
use super::manifest::{self, CheckpointMeta, FileEntry};
use super::options::{StoreOptions, Tuning};
use super::row::{decode_row, encode_stamped};
use super::store::{Store, checkpoint_dir, checkpoints_dir, remove_checkpoint, state_dir};
use super::tables::Tables;
use crate::operator::state::{Due, Row, StateError};

/// Rows given back at once, fewer where they are large.
const CHUNK: usize = 8192;

/// The checkpoints of the run in folder `run`, by epoch, oldest first. Half
/// ones (`N.tmp`) are not among them.
///
/// # Errors
/// The folder cannot be read.
pub fn list(run: &Path) -> Result<Vec<u64>, StoreError> {
    let folder = checkpoints_dir(run);
    let failed = |e| StoreError::io("list", &folder, e);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut epochs = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        epochs.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    epochs.sort_unstable();
    Ok(epochs)
}

/// What checkpoint `epoch` says of itself; its files are not looked at.
///
/// # Errors
/// There is no such checkpoint, its manifest is damaged, or a newer program
/// wrote it.
pub fn open(run: &Path, epoch: u64) -> Result<CheckpointMeta, StoreError> {
    Ok(read(run, epoch)?.0)
}

/// Reads every file of checkpoint `epoch` against its checksum.
///
/// # Errors
/// As [`open`]; or a file is missing, cut or changed: it is named.
pub fn verify(run: &Path, epoch: u64) -> Result<CheckpointMeta, StoreError> {
    Ok(read_verified(run, epoch)?.0)
}

/// Deletes the checkpoints after `epoch`, half ones too: they belong to a
/// timeline that is left. Nobody may be at work in the folder.
///
/// # Errors
/// A folder cannot be removed.
pub fn cut_after(run: &Path, epoch: u64) -> Result<(), StoreError> {
    for newer in list(run)?.into_iter().filter(|n| *n > epoch) {
        remove_checkpoint(run, newer)?;
    }
    if checkpoints_dir(run).is_dir() { remove_half(run) } else { Ok(()) }
}

fn read(run: &Path, epoch: u64) -> Result<(CheckpointMeta, Vec<FileEntry>), StoreError> {
    let epochs = list(run)?;
    if !epochs.contains(&epoch) {
        return Err(StoreError::Missing { epoch, path: run.to_owned(), have: epochs });
    }
    let manifest = manifest::read(&checkpoint_dir(run, epoch), epoch, &epochs)?;
    Ok((manifest.meta, manifest.files))
}

fn read_verified(run: &Path, epoch: u64) -> Result<(CheckpointMeta, Vec<FileEntry>), StoreError> {
    let (meta, entries) = read(run, epoch)?;
    let folder = checkpoint_dir(run, epoch);
    for entry in &entries {
        let path = folder.join(&entry.path);
        let what = match std::fs::metadata(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => "the file is missing".to_owned(),
            Err(e) => return Err(StoreError::io("read", &path, e)),
            Ok(found) if found.len() != entry.bytes => {
                format!("it has {} bytes of {}", found.len(), entry.bytes)
            }
            Ok(_) if files::checksum(&path)?.1 != entry.xxh3 => {
                "its checksum does not match".to_owned()
            }
            Ok(_) => continue,
        };
        return Err(damaged(run, epoch, &path, what));
    }
    Ok((meta, entries))
}

fn damaged(run: &Path, epoch: u64, path: &Path, what: String) -> StoreError {
    let mut others = list(run).unwrap_or_default();
    others.retain(|n| *n != epoch);
    StoreError::Damaged { epoch, path: path.to_owned(), what, others }
}

/// A checkpoint whose rows wait to be given back: [`Restored::rows`].
#[must_use = "the rows have to be given back"]
pub struct Restored {
    run: PathBuf,
    meta: CheckpointMeta,
    cold: Option<DB>,
}

impl Store {
    /// Goes back to checkpoint `epoch` of the run in folder `run`, to go on from
    /// there: newer checkpoints and half ones are deleted, `state/` is made
    /// anew. Then give each shard its [`Store::cold`] and call
    /// [`Restored::rows`].
    ///
    /// # Errors
    /// As [`verify`], before anything is changed; another run is at work in the
    /// folder; or it cannot be written.
    pub fn restore(
        run: &Path,
        epoch: u64,
        options: StoreOptions,
    ) -> Result<(Self, Restored), StoreError> {
        Self::restore_read(run, epoch, options, read_verified)
    }

    /// As [`Store::restore`], of a checkpoint that was just found whole by [`verify`]:
    /// its files are not read against their checksums once more.
    ///
    /// # Errors
    /// As [`open`], before anything is changed; else as [`Store::restore`].
    pub fn restore_verified(
        run: &Path,
        epoch: u64,
        options: StoreOptions,
    ) -> Result<(Self, Restored), StoreError> {
        Self::restore_read(run, epoch, options, read)
    }

    fn restore_read(
        run: &Path,
        epoch: u64,
        options: StoreOptions,
        read: impl Fn(&Path, u64) -> Result<(CheckpointMeta, Vec<FileEntry>), StoreError>,
    ) -> Result<(Self, Restored), StoreError> {
        let lock = files::lock(run)?;
        let (meta, entries) = read(run, epoch)?;
        cut_after(run, epoch)?;
        let from = checkpoint_dir(run, epoch);
        let state = state_dir(run);
        files::remove_dir(&state)?;
        files::link_database(&from.join("rows"), &state.join("rows"))?;
        let known: HashMap<_, _> = entries
            .into_iter()
            .filter(|e| e.path.starts_with("rows/") && files::is_table(Path::new(&e.path)))
            .map(|e| (e.path.clone(), e))
            .collect();
        let store = Self::open(run, options, known, lock)?;
        let old = from.join("cold");
        let cold = if old.is_dir() {
            // Opening writes a log file: not into the checkpoint.
            let copy = store.cold_restored_dir();
            files::link_database(&old, &copy)?;
            Some(open_cold(&copy, options)?)
        } else {
            None
        };
        Ok((store, Restored { run: run.to_owned(), meta, cold }))
    }
}

fn open_cold(path: &Path, options: StoreOptions) -> Result<DB, StoreError> {
    let tuning = Tuning::new(options);
    let families = [
        ColumnFamilyDescriptor::new(DUE, tuning.by_due()),
        ColumnFamilyDescriptor::new(KEY, tuning.by_key()),
    ];
    let mut database = tuning.database();
    database.set_disable_auto_compactions(true);
    DB::open_cf_descriptors_read_only(&database, path, families, false)
        .map_err(|e| StoreError::rocks("open", path, &e))
}

fn remove_half(run: &Path) -> Result<(), StoreError> {
    let folder = checkpoints_dir(run);
    let failed = |e| StoreError::io("list", &folder, e);
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|e| e == "tmp") {
            files::remove_dir(&path)?;
        }
    }
    Ok(())
}

impl Restored {
    #[must_use]
    pub fn meta(&self) -> &CheckpointMeta {
        &self.meta
    }

    /// Gives every live row to `take`, by (due, arrival, input), some thousands
    /// at a time; the caller chooses each row's shard by its key. Returns how
    /// many there were.
    ///
    /// # Errors
    /// The checkpoint holds other rows than its manifest says, or `take` failed.
    pub fn rows(
        self,
        store: &Store,
        mut take: impl FnMut(Vec<Row>) -> Result<(), StateError>,
    ) -> Result<u64, StoreError> {
        let mut image = Image::new(store, &self.meta)?;
        let mut cold = ColdRows::new(self.cold.as_ref(), self.meta.watermark)?;

        // Rows of the cold tier are not in `rows/` yet: they go there now, so
        // that the next delta need not hold them.
        let by_due = store.by_due();
        let mut tables = Tables::new(store.delta_dir(), &by_due);
        let mut stamped = Vec::new();
        let mut chunk = Vec::with_capacity(CHUNK);
        let (mut count, mut bytes) = (0, 0);
        let bad = |what: String| damaged(&self.run, self.meta.epoch, &store.rows_dir(), what);
        let next = |image: &mut Image<'_>| match image.next(store) {
            Err(ImageError::Store(error)) => Err(error),
            other => other.map_err(|error| bad(error.to_string())),
        };
        let mut resident = next(&mut image)?;
        loop {
            let memory = resident.as_ref().map(|(due, _)| *due);
            let row = match (memory, cold.peek()) {
                (None, None) => break,
                (Some(due), spilled) if spilled.is_none_or(|spilled| due < spilled) => {
                    std::mem::replace(&mut resident, next(&mut image)?).map(|(_, row)| row)
                }
                (memory, spilled) => {
                    let Some(due) = spilled else { break };
                    let value = cold.value().unwrap_or_default();
                    stamped.clear();
                    if self.meta.any_due {
                        stamped.extend_from_slice(value);
                    } else {
                        encode_stamped(value, self.meta.epoch, &mut stamped);
                    }
                    tables.put(&due_key(self.meta.name(due)), &stamped)?;
                    let row = decode_row(due, value).map_err(|e| bad(e.to_string()))?;
                    if memory == Some(due) {
                        resident = next(&mut image)?;
                    }
                    cold.next()?;
                    Some(row)
                }
            };
            let Some(row) = row else { continue };
            bytes += weight(&row);
            chunk.push(row);
            count += 1;
            if chunk.len() == CHUNK || bytes >= AHEAD_BYTES {
                take(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)))?;
                bytes = 0;
            }
        }
        drop(image);
        if !chunk.is_empty() {
            take(chunk)?;
        }
        if count != self.meta.state_rows {
            return Err(bad(format!("{count} rows of {}", self.meta.state_rows)));
        }
        tables.ingest(store.rows(), store.family()?)?;
        drop(cold);
        drop(self.cold);
        files::remove_dir(&store.cold_restored_dir())?;
        Ok(count)
    }
}

/// The rows of all shards of a cold tier, merged by due.
struct ColdRows<'a> {
    shards: Vec<(u16, DBRawIterator<'a>)>,
    /// (next row, position in `shards`).
    heads: BTreeSet<(Due, usize)>,
}

impl<'a> ColdRows<'a> {
    /// Those that the watermark has not passed: of the others some lie there still,
    /// and none that it has passed goes down, whatever the semantics.
    fn new(db: Option<&'a DB>, watermark: i64) -> Result<Self, StoreError> {
        let mut rows = Self { shards: Vec::new(), heads: BTreeSet::new() };
        // The last watermark has passed all, also what is due at the end of time.
        let Some(db) = db.filter(|_| watermark != i64::MAX) else { return Ok(rows) };
        let family = db.cf_handle(DUE).ok_or_else(|| StoreError::Rocks {
            what: "open",
            path: db.path().to_owned(),
            message: format!("no column family {DUE}"),
        })?;
        let first = Due { due: watermark, arrival: 0, input: 0 };
        let mut shard = Some(0u16);
        // The next shard that has rows is found by seeking to it.
        while let Some(number) = shard {
            let mut options = ReadOptions::default();
            options.fill_cache(false);
            let mut at = db.raw_iterator_cf_opt(family, options);
            at.seek(number.to_be_bytes());
            at.status().map_err(|e| StoreError::rocks("read", db.path(), &e))?;
            let Some(found) = at.key().and_then(|key| key.first_chunk::<SHARD_LEN>()) else {
                break;
            };
            let found = u16::from_be_bytes(*found);
            at.seek(shard_due_key(found, first));
            let place = rows.shards.len();
            rows.shards.push((found, at));
            rows.read_head(place)?;
            shard = found.checked_add(1);
        }
        Ok(rows)
    }

    fn read_head(&mut self, place: usize) -> Result<(), StoreError> {
        let (shard, at) = &self.shards[place];
        at.status().map_err(|e| StoreError::Rocks {
            what: "read",
            path: "cold".into(),
            message: e.to_string(),
        })?;
        let due = at
            .key()
            .filter(|key| key[..SHARD_LEN.min(key.len())] == shard.to_be_bytes())
            .and_then(|key| parse_due(&key[SHARD_LEN..]));
        self.heads.extend(due.map(|due| (due, place)));
        Ok(())
    }

    fn peek(&self) -> Option<Due> {
        self.heads.first().map(|(due, _)| *due)
    }

    fn value(&self) -> Option<&[u8]> {
        let (_, place) = self.heads.first()?;
        self.shards[*place].1.value()
    }

    fn next(&mut self) -> Result<(), StoreError> {
        let Some((_, place)) = self.heads.pop_first() else { return Ok(()) };
        self.shards[place].1.next();
        self.read_head(place)
    }
}
