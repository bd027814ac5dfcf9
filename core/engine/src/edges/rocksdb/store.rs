//! A run's state on disk: taking checkpoints.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rocksdb::checkpoint::Checkpoint as Links;
use rocksdb::{ColumnFamily, ColumnFamilyDescriptor, DB};

use super::cold::{ColdDatabase, ColdTier, no_log};
use super::delta;
use super::error::StoreError;
use super::files;
use super::keys::{PAGE_LEN, ordered};
use super::manifest::{self, CheckpointMeta, FORM, FileEntry, Manifest};
use super::options::{StoreOptions, Tuning};
use super::page;
use super::thin::thin;
use crate::edges::fault::point;
use crate::operator::state::Delta;

/// Column family of `state/rows`.
pub(super) const ROWS: &str = "rows";

/// Each range tombstone is a small table of its own, beside those of rows.
const DROP_EVERY: u32 = 8;

/// The state on disk of one run in progress.
pub struct Store {
    run: PathBuf,
    tuning: Arc<Tuning>,
    options: StoreOptions,
    rows: DB,
    cold: Arc<ColdDatabase>,
    /// Sizes and checksums of files that cannot change any more, by path within
    /// a checkpoint.
    known: Mutex<HashMap<String, FileEntry>>,
    /// Checkpoints written, which is when rows are dropped.
    passes: AtomicU32,
    _lock: File,
}

/// A barrier's first half: the cold tier as it was, linked into `N.tmp`.
#[must_use = "a frozen checkpoint has to be committed"]
#[derive(Debug)]
pub struct Frozen {
    epoch: u64,
    temporary: PathBuf,
    cold: bool,
    took_ms: u64,
    waited: Duration,
}

impl Frozen {
    /// How long shards had to wait until it was frozen.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

/// What a checkpoint cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Relative to the run's folder.
    pub path: String,
    /// Bytes of files that no earlier checkpoint has.
    pub bytes: u64,
    /// Bytes of all its files.
    pub total_bytes: u64,
    /// Milliseconds: writing the delta; RocksDB's checkpoint (freezing
    /// included); checksums, fsync and rename.
    pub delta_ms: u64,
    pub snapshot_ms: u64,
    pub sync_ms: u64,
}

impl Store {
    /// Begins the state of a new run in the folder `run`. What another run left
    /// in its `state/` is removed.
    ///
    /// # Errors
    /// The folder cannot be written, or another run is at work in it.
    pub fn create(run: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let lock = files::lock(run)?;
        files::remove_dir(&state_dir(run))?;
        files::create_dir(&state_dir(run))?;
        Self::open(run, options, HashMap::new(), lock)
    }

    /// Opens what lies in `state/rows`; the cold tier begins empty.
    pub(super) fn open(
        run: &Path,
        options: StoreOptions,
        known: HashMap<String, FileEntry>,
        lock: File,
    ) -> Result<Self, StoreError> {
        files::create_dir(&checkpoints_dir(run))?;
        let tuning = Arc::new(Tuning::new(options));
        let rows_dir = state_dir(run).join("rows");
        let rows = DB::open_cf_descriptors(
            &tuning.database(),
            &rows_dir,
            [ColumnFamilyDescriptor::new(ROWS, tuning.resting())],
        )
        .map_err(|e| StoreError::rocks("open", &rows_dir, &e))?;
        let cold = Arc::new(ColdDatabase::new(state_dir(run).join("cold"), Arc::clone(&tuning)));
        Ok(Self {
            run: run.to_owned(),
            tuning,
            options,
            rows,
            cold,
            known: Mutex::new(known),
            passes: AtomicU32::new(0),
            _lock: lock,
        })
    }

    /// The cold tier of a shard; one for each shard, which are fewer than 65,535.
    #[must_use]
    pub fn cold(&self, shard: u16) -> ColdTier {
        ColdTier::new(Arc::clone(&self.cold), shard, self.options.retention_ms)
    }

    /// The most that RocksDB uses; it counts against `--memory`.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.tuning.memory() as u64
    }

    /// Begins checkpoint `epoch`, once every shard has come to its barrier:
    /// until then none may write to its cold tier unless it was told of the
    /// barrier (`Cold::barrier`), which makes it wait.
    ///
    /// # Errors
    /// The folder cannot be written; nothing is left of the checkpoint.
    pub fn freeze(&self, epoch: u64) -> Result<Frozen, StoreError> {
        let start = Instant::now();
        let temporary = checkpoints_dir(&self.run).join(format!("{epoch}.tmp"));
        // A file system that is forcing things to disk may let a new folder wait:
        // without a cold tier it is made later, when nobody stands still for it.
        let link = || {
            let Some(db) = self.cold.get() else { return Ok(false) };
            begin(&temporary)?;
            link_live(db, &temporary.join("cold"))?;
            Ok(true)
        };
        match link() {
            Ok(cold) => {
                let waited = self.cold.barrier.frozen();
                Ok(Frozen { epoch, temporary, cold, took_ms: millis(start), waited })
            }
            Err(error) => Err(undo(&temporary, error)),
        }
    }

    /// Nothing is frozen any more: no shard has to wait for it.
    pub fn no_more_barriers(&self) {
        self.cold.barrier.over();
    }

    /// Writes checkpoint `meta.epoch`: it exists when this returns, whatever
    /// happens to the machine afterwards. `deltas` come from the barrier of
    /// [`Store::freeze`], one a shard; other epochs may run meanwhile.
    ///
    /// # Errors
    /// It cannot be written (a full disk is told apart); nothing is left of it
    /// and earlier checkpoints are whole. The store is of no use afterwards.
    #[allow(clippy::needless_pass_by_value, reason = "a frozen checkpoint is committed once")]
    pub fn commit(
        &self,
        frozen: Frozen,
        deltas: &[Delta],
        meta: CheckpointMeta,
    ) -> Result<Written, StoreError> {
        let Frozen { temporary, .. } = &frozen;
        self.write(&frozen, deltas, meta).map_err(|error| undo(temporary, error))
    }

    fn write(
        &self,
        frozen: &Frozen,
        deltas: &[Delta],
        meta: CheckpointMeta,
    ) -> Result<Written, StoreError> {
        let epoch = frozen.epoch;
        let meta = CheckpointMeta { epoch, ..meta };
        let start = Instant::now();
        point("prepare.delta", &self.run)?;
        self.pass(meta.earliest_due())?;
        delta::write(self, deltas, &meta)?;
        let delta_ms = millis(start);

        let start = Instant::now();
        point("prepare.links", &self.run)?;
        if !frozen.cold {
            begin(&frozen.temporary)?;
        }
        link_live(&self.rows, &frozen.temporary.join("rows"))?;
        let snapshot_ms = frozen.took_ms + millis(start);

        let start = Instant::now();
        point("prepare.sync", &self.run)?;
        let mut entries = Vec::new();
        let mut fresh = 0;
        for part in ["rows", "cold"] {
            if part == "cold" && !frozen.cold {
                continue;
            }
            let folder = frozen.temporary.join(part);
            for (name, path) in files::files_in(&folder)? {
                let (entry, new) = self.seal(format!("{part}/{name}"), &path)?;
                if new {
                    fresh += entry.bytes;
                }
                entries.push(entry);
            }
            files::sync(&folder)?;
        }
        self.forget_all_but(&entries);
        let total_bytes = entries.iter().map(|e| e.bytes).sum();
        point("prepare.manifest", &self.run)?;
        manifest::write(&frozen.temporary, &Manifest { form: FORM, meta, files: entries })?;
        files::sync(&frozen.temporary)?;
        let path = checkpoint_dir(&self.run, epoch);
        // Only a checkpoint of a timeline that was left can stand here.
        files::remove_dir(&path)?;
        point("prepare.rename", &self.run)?;
        files::rename(&frozen.temporary, &path)?;
        point("prepare.renamed", &self.run)?;
        files::sync(&checkpoints_dir(&self.run))?;
        Ok(Written {
            path: format!("checkpoints/{epoch}"),
            bytes: fresh,
            total_bytes,
            delta_ms,
            snapshot_ms,
            sync_ms: millis(start),
        })
    }

    /// Forces a file of a checkpoint to the disk and gives its entry; whether no
    /// earlier checkpoint had it. Tables never change, so they are read once.
    fn seal(&self, name: String, path: &Path) -> Result<(FileEntry, bool), StoreError> {
        let is_table = files::is_table(path);
        if is_table {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(entry) = known.get(&name) {
                return Ok((entry.clone(), false));
            }
        }
        files::sync(path)?;
        let (bytes, xxh3) = files::checksum(path)?;
        let entry = FileEntry { path: name.clone(), bytes, xxh3 };
        if is_table {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(name, entry.clone());
        }
        Ok((entry, true))
    }

    /// A table that the newest checkpoint does not have never comes back.
    fn forget_all_but(&self, entries: &[FileEntry]) {
        // A large state is of ten thousand tables.
        let newest: HashSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, _| newest.contains(name.as_str()));
    }

    /// Rows with `due < watermark` are gone: nobody reads them any more. Whole
    /// files of them go at once; what else there is need not outlive the next
    /// time that tables are put together, so it is dropped now and then.
    fn pass(&self, watermark: i64) -> Result<(), StoreError> {
        if self.passes.fetch_add(1, Ordering::Relaxed).is_multiple_of(DROP_EVERY) {
            return self.drop_below(watermark);
        }
        self.drop_files(watermark)
    }

    /// Drops rows with `due < watermark` (but for the last second of them): whole files
    /// where it can, and one range tombstone over the rest.
    pub(super) fn drop_below(&self, watermark: i64) -> Result<(), StoreError> {
        self.drop_files(watermark)?;
        let Some((start, end)) = below(watermark) else { return Ok(()) };
        self.rows
            .delete_range_cf_opt(self.family()?, start, &end, &no_log())
            .map_err(|e| self.failed("drop from", &e))
    }

    fn drop_files(&self, watermark: i64) -> Result<(), StoreError> {
        let Some((start, end)) = below(watermark) else { return Ok(()) };
        self.rows
            .delete_file_in_range_cf(self.family()?, start, &end[..])
            .map_err(|e| self.failed("drop from", &e))
    }

    /// Deletes checkpoints that [`thin`] lets go, so that at most `keep` stay
    /// (at least 3: the first and the newest two). Returns what went. One whose manifest
    /// is damaged stays and does not count: the run need not stop for it.
    ///
    /// # Errors
    /// A folder cannot be removed, or a manifest not be read.
    pub fn collect(&self, keep: usize) -> Result<Vec<u64>, StoreError> {
        point("collect", &self.run)?;
        let epochs = super::restore::list(&self.run)?;
        if epochs.len() <= keep.max(3) {
            return Ok(Vec::new());
        }
        let (mut whole, mut arrivals) = (Vec::new(), Vec::new());
        for epoch in &epochs {
            match manifest::read(&checkpoint_dir(&self.run, *epoch), *epoch, &epochs) {
                Ok(manifest) => {
                    whole.push(*epoch);
                    arrivals.push(manifest.meta.arrival);
                }
                // Said when somebody wants it, and not at each checkpoint.
                Err(error @ StoreError::Damaged { .. }) => tracing::debug!("{error}"),
                Err(error) => return Err(error),
            }
        }
        let gone: Vec<u64> = thin(&arrivals, keep).into_iter().map(|i| whole[i]).collect();
        for epoch in &gone {
            remove_checkpoint(&self.run, *epoch)?;
        }
        Ok(gone)
    }

    pub(super) fn family(&self) -> Result<&ColumnFamily, StoreError> {
        self.rows.cf_handle(ROWS).ok_or_else(|| StoreError::Rocks {
            what: "open",
            path: self.rows_dir(),
            message: format!("no column family {ROWS}"),
        })
    }

    pub(super) fn by_due(&self) -> rocksdb::Options {
        self.tuning.by_due()
    }

    pub(super) fn rows_dir(&self) -> PathBuf {
        state_dir(&self.run).join("rows")
    }

    /// Sorted files in the making.
    pub(super) fn delta_dir(&self) -> PathBuf {
        state_dir(&self.run).join("delta")
    }

    /// The cold tier of the checkpoint that is being restored.
    pub(super) fn cold_restored_dir(&self) -> PathBuf {
        state_dir(&self.run).join("cold-restored")
    }

    pub(super) fn rows(&self) -> &DB {
        &self.rows
    }

    pub(super) fn failed(&self, what: &'static str, error: &rocksdb::Error) -> StoreError {
        StoreError::rocks(what, &self.rows_dir(), error)
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The empty folder of a checkpoint in the making.
fn begin(temporary: &Path) -> Result<(), StoreError> {
    files::remove_dir(temporary)?;
    files::create_dir(temporary)
}

/// Removes what a failed checkpoint left; the first error is the one to tell.
fn undo(temporary: &Path, error: StoreError) -> StoreError {
    if let Err(second) = files::remove_dir(temporary) {
        tracing::warn!("{second}");
    }
    error
}

/// The keys of pages that have no row with `due >= watermark`, and of rows beside
/// them; `None`: there are none.
fn below(watermark: i64) -> Option<(&'static [u8], Vec<u8>)> {
    if watermark == i64::MIN {
        return None;
    }
    if watermark == i64::MAX {
        // The last watermark: rows that are due at the end of time go too.
        return Some((&[], vec![0xff; PAGE_LEN + 1]));
    }
    Some((&[], ordered(page::floor(watermark)).to_vec()))
}

/// Links a live database into `to`: its memtables are flushed first.
fn link_live(db: &DB, to: &Path) -> Result<(), StoreError> {
    Links::new(db)
        .and_then(|links| links.create_checkpoint(to))
        .map_err(|e| StoreError::rocks("checkpoint to", to, &e))
}

/// Takes a checkpoint away such that half of one never looks whole.
pub(super) fn remove_checkpoint(run: &Path, epoch: u64) -> Result<(), StoreError> {
    let going = checkpoints_dir(run).join(format!("{epoch}.tmp"));
    files::remove_dir(&going)?;
    files::rename(&checkpoint_dir(run, epoch), &going)?;
    files::remove_dir(&going)
}

pub(super) fn state_dir(run: &Path) -> PathBuf {
    run.join("state")
}

pub(super) fn checkpoints_dir(run: &Path) -> PathBuf {
    run.join("checkpoints")
}

pub(super) fn checkpoint_dir(run: &Path, epoch: u64) -> PathBuf {
    checkpoints_dir(run).join(epoch.to_string())
}
