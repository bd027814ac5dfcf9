//! The cold tier of one shard: rows that rest on disk alone.
//!
//! Two column families. `due` holds each row once, by (shard, due, arrival,
//! input): what expires is read from the front, in order, without a search.
//! `key` says where the rows of a key are: (shard, bucket, key hash, input,
//! time, arrival) → due, with a prefix filter over (shard, bucket, hash). A
//! bucket is a span of `due`, a quarter of the retention: the index of a bucket
//! that the watermark has passed is dropped by range, files and all, as is the
//! front of `due`. Nothing is ever deleted row by row: a row with `due` behind
//! the watermark is gone, whatever the storage still holds.
//!
//! Behind a barrier nothing is written before the database is frozen there;
//! reading goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rocksdb::{ColumnFamily, ColumnFamilyDescriptor, DB, ReadOptions, WriteBatch, WriteOptions};

use super::barrier::Barrier;
use super::error::StoreError;
use super::keys::{
    INDEX_LEN, PREFIX_LEN, SHARD_LEN, bucket_start, index_arrival, index_key, index_prefix,
    parse_due, shard_due_key,
};
use super::options::Tuning;
use super::row::{decode_row, encode_row};
use crate::operator::key::Key;
use crate::operator::pipeline::InputIndex;
use crate::operator::state::{Cold, Due, Folded, Row, StateError};

/// Column families of `state/cold`.
pub(super) const DUE: &str = "due";
pub(super) const KEY: &str = "key";

/// Rows read ahead from the front of `due`; also rows in one write.
const CHUNK: usize = 4096;
/// Bytes in memory that rows read ahead take, about: some of them are large, as
/// thousands are folded into them.
pub(super) const AHEAD_BYTES: usize = 4 << 20;

/// The database under the cold tiers of all shards, made at the first spill.
pub(super) struct ColdDatabase {
    pub path: PathBuf,
    tuning: Arc<Tuning>,
    opening: Mutex<()>,
    db: OnceLock<DB>,
    pub barrier: Barrier,
}

impl ColdDatabase {
    pub fn new(path: PathBuf, tuning: Arc<Tuning>) -> Self {
        Self {
            path,
            tuning,
            opening: Mutex::new(()),
            db: OnceLock::new(),
            barrier: Barrier::default(),
        }
    }

    /// `None` while nothing was ever spilled.
    pub fn get(&self) -> Option<&DB> {
        self.db.get()
    }

    fn open(&self) -> Result<&DB, StoreError> {
        let _one_at_a_time = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(db) = self.db.get() {
            return Ok(db);
        }
        let families = [
            ColumnFamilyDescriptor::new(DUE, self.tuning.by_due()),
            ColumnFamilyDescriptor::new(KEY, self.tuning.by_key()),
        ];
        let db = DB::open_cf_descriptors(&self.tuning.database(), &self.path, families)
            .map_err(|e| StoreError::rocks("open", &self.path, &e))?;
        Ok(self.db.get_or_init(|| db))
    }

    pub fn family<'a>(&self, db: &'a DB, name: &str) -> Result<&'a ColumnFamily, StoreError> {
        db.cf_handle(name).ok_or_else(|| StoreError::Rocks {
            what: "open",
            path: self.path.clone(),
            message: format!("no column family {name}"),
        })
    }
}

/// The cold tier of one shard ([`Cold`]).
pub struct ColdTier {
    shared: Arc<ColdDatabase>,
    shard: u16,
    /// Span of a bucket, ms of `due`.
    width: i64,
    /// Rows with `due` below it were taken.
    taken: i64,
    /// The rows before `front_end` that were not taken; they are on disk too.
    front: BTreeMap<Due, Row>,
    /// Of the front, by [`weight`].
    front_bytes: usize,
    front_end: Due,
    /// Rows from `front_end` on.
    behind: u64,
    buckets: BTreeSet<i64>,
    /// Smallest and largest `due - time` seen, by input: which buckets can hold
    /// rows of a range of times.
    offsets: Vec<Option<(i64, i64)>>,
    bytes: Vec<u8>,
    /// Barriers that this shard has come to.
    barriers: u64,
}

impl ColdTier {
    pub(super) fn new(shared: Arc<ColdDatabase>, shard: u16, retention_ms: i64) -> Self {
        Self {
            shared,
            shard,
            width: (retention_ms / 4).max(1),
            taken: i64::MIN,
            front: BTreeMap::new(),
            front_bytes: 0,
            front_end: Due { due: i64::MIN, arrival: 0, input: 0 },
            behind: 0,
            buckets: BTreeSet::new(),
            offsets: Vec::new(),
            bytes: Vec::new(),
            barriers: 0,
        }
    }

    fn bucket(&self, due: i64) -> i64 {
        due.div_euclid(self.width)
    }

    fn failed(&self, what: &'static str, error: &rocksdb::Error) -> StateError {
        StoreError::rocks(what, &self.shared.path, error).into()
    }

    fn damaged(&self, what: &str) -> StateError {
        StoreError::Rocks {
            what: "read",
            path: self.shared.path.clone(),
            message: format!("{what}: the disk or another program changed it; run again"),
        }
        .into()
    }

    fn decode(&self, due: Due, bytes: &[u8]) -> Result<Row, StateError> {
        decode_row(due, bytes).map_err(|e| self.damaged(&e.to_string()))
    }

    /// Notes where a row's index entry goes and whether it is in the front.
    fn note(&mut self, due: Due, row: &Row) {
        self.buckets.insert(self.bucket(due.due));
        let offset = due.due.saturating_sub(row.time);
        let input = usize::from(due.input);
        if self.offsets.len() <= input {
            self.offsets.resize(input + 1, None);
        }
        let (lo, hi) = self.offsets[input].unwrap_or((offset, offset));
        self.offsets[input] = Some((lo.min(offset), hi.max(offset)));
        if due < self.front_end {
            self.front_bytes += weight(row);
            self.front.insert(due, row.clone());
        } else {
            self.behind += 1;
        }
    }

    /// Keeps the front small, and not empty while anything rests here.
    fn balance(&mut self) -> Result<(), StateError> {
        if self.front.len() > 4 * CHUNK || self.front_bytes > 4 * AHEAD_BYTES {
            let (mut rows, mut bytes) = (0, 0);
            let mut stays = |row: &Row| {
                (rows, bytes) = (rows + 1, bytes + weight(row));
                rows == 1 || rows <= CHUNK && bytes <= AHEAD_BYTES
            };
            let first = self.front.iter().find(|(_, row)| !stays(row)).map(|(due, _)| *due);
            if let Some(due) = first {
                let left = self.front.split_off(&due);
                self.front_bytes -= left.values().map(weight).sum::<usize>();
                self.behind += left.len() as u64;
                self.front_end = due;
            }
        } else if self.front.is_empty() && self.behind > 0 {
            self.read_ahead()?;
        }
        Ok(())
    }

    fn read_ahead(&mut self) -> Result<(), StateError> {
        let db = self.shared.open()?;
        let family = self.shared.family(db, DUE)?;
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(self.shard_end());
        // What expires is read once: it shall not push the rest out of the cache.
        options.fill_cache(false);
        let mut rows = db.raw_iterator_cf_opt(family, options);
        rows.seek(shard_due_key(self.shard, self.front_end));
        let (mut read, mut bytes) = (Vec::new(), 0);
        while read.len() < CHUNK && bytes < AHEAD_BYTES {
            let Some((key, value)) = rows.item() else { break };
            let due =
                parse_due(&key[SHARD_LEN..]).ok_or_else(|| self.damaged("a key is no due"))?;
            // Behind the watermark: taken already, not dropped yet.
            if due.due >= self.taken {
                let row = self.decode(due, value)?;
                bytes += weight(&row);
                read.push((due, row));
            }
            rows.next();
        }
        rows.status().map_err(|e| self.failed("read", &e))?;
        drop(rows);
        let Some((last, _)) = read.last() else {
            return Err(self.damaged("rows are missing"));
        };
        self.front_end = Due { input: last.input + 1, ..*last };
        self.behind = self
            .behind
            .checked_sub(read.len() as u64)
            .ok_or_else(|| self.damaged("there are more rows than were put"))?;
        self.front.extend(read);
        self.front_bytes += bytes;
        Ok(())
    }

    /// The first key of the next shard (shards are fewer than 65,535).
    fn shard_end(&self) -> [u8; SHARD_LEN] {
        self.shard.saturating_add(1).to_be_bytes()
    }

    /// Drops what the watermark has passed: whole buckets of the index, and the
    /// front of `due`.
    fn sweep(&mut self) -> Result<(), StateError> {
        let kept = self.bucket(self.taken);
        if self.buckets.first().is_none_or(|first| *first >= kept) {
            return Ok(());
        }
        self.shared.barrier.wait(self.barriers);
        self.buckets = self.buckets.split_off(&kept);
        let db = self.shared.open()?;
        let start = self.shard.to_be_bytes();
        let index_end = bucket_start(self.shard, kept);
        let due_end = shard_due_key(self.shard, Due { due: self.taken, arrival: 0, input: 0 });
        // Before the key of any row: a file that ends with the last key goes too.
        let due_end = &due_end[..SHARD_LEN + size_of::<i64>()];
        for (family, end) in [(KEY, &index_end[..]), (DUE, due_end)] {
            let family = self.shared.family(db, family)?;
            db.delete_file_in_range_cf(family, &start[..], end)
                .and_then(|()| db.delete_range_cf_opt(family, &start[..], end, &no_log()))
                .map_err(|e| self.failed("drop from", &e))?;
        }
        Ok(())
    }
}

/// Bytes that a row takes in memory, about.
pub(super) fn weight(row: &Row) -> usize {
    size_of::<(Due, Row)>() + row.key.canonical().len() + row.folded.len() * size_of::<Folded>()
}

/// No write-ahead log: a crash goes back to a checkpoint anyway.
pub(super) fn no_log() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

impl Cold for ColdTier {
    /// Appended by (event time, arrival).
    fn find(
        &mut self,
        key: &Key,
        input: InputIndex,
        lo: i64,
        hi: i64,
        out: &mut Vec<(Due, Row)>,
    ) -> Result<(), StateError> {
        let Some((least, most)) = self.offsets.get(usize::from(input)).copied().flatten() else {
            return Ok(());
        };
        if lo > hi || self.is_empty() {
            return Ok(());
        }
        let first = self.bucket(lo.saturating_add(least).max(self.taken));
        let last = self.bucket(hi.saturating_add(most));
        if first > last {
            return Ok(());
        }
        let db = self.shared.open()?;
        let (index, rows) = (self.shared.family(db, KEY)?, self.shared.family(db, DUE)?);
        let mut options = ReadOptions::default();
        options.set_prefix_same_as_start(true);
        let mut at = db.raw_iterator_cf_opt(index, options);
        let from = out.len();
        for bucket in self.buckets.range(first..=last) {
            let prefix = index_prefix(self.shard, *bucket, key.hash64());
            let end = index_key(&prefix, input, hi, u64::MAX);
            at.seek(index_key(&prefix, input, lo, 0));
            while let Some((entry, value)) = at.item() {
                if entry.len() != INDEX_LEN || entry[..PREFIX_LEN] != prefix || entry > &end[..] {
                    break;
                }
                let due = value
                    .try_into()
                    .ok()
                    .zip(index_arrival(entry))
                    .map(|(due, arrival)| Due { due: i64::from_le_bytes(due), arrival, input })
                    .ok_or_else(|| self.damaged("the key index is torn"))?;
                at.next();
                if due.due < self.taken {
                    continue;
                }
                let row = if due < self.front_end {
                    self.front.get(&due).cloned()
                } else {
                    match db
                        .get_pinned_cf(rows, shard_due_key(self.shard, due))
                        .map_err(|e| self.failed("read", &e))?
                    {
                        Some(bytes) => Some(self.decode(due, &bytes)?),
                        None => None,
                    }
                };
                let row = row.ok_or_else(|| self.damaged("a row of the key index is missing"))?;
                // Keys of one hash may differ.
                if row.key == *key {
                    out.push((due, row));
                }
            }
            at.status().map_err(|e| self.failed("read", &e))?;
        }
        out[from..].sort_unstable_by_key(|(due, row)| (row.time, due.arrival));
        Ok(())
    }

    fn put(&mut self, rows: &[(Due, Row)]) -> Result<(), StateError> {
        self.shared.barrier.wait(self.barriers);
        for chunk in rows.chunks(CHUNK) {
            let mut batch = WriteBatch::default();
            let db = self.shared.open()?;
            let (index, family) = (self.shared.family(db, KEY)?, self.shared.family(db, DUE)?);
            for (due, row) in chunk {
                self.bytes.clear();
                encode_row(row, &mut self.bytes);
                batch.put_cf(family, shard_due_key(self.shard, *due), &self.bytes);
                let prefix = index_prefix(self.shard, self.bucket(due.due), row.key.hash64());
                let entry = index_key(&prefix, due.input, row.time, due.arrival);
                batch.put_cf(index, entry, due.due.to_le_bytes());
            }
            db.write_opt(batch, &no_log()).map_err(|e| self.failed("write", &e))?;
            for (due, row) in chunk {
                self.note(*due, row);
            }
        }
        self.balance()
    }

    fn update(&mut self, due: Due, row: &Row) -> Result<(), StateError> {
        self.shared.barrier.wait(self.barriers);
        self.bytes.clear();
        encode_row(row, &mut self.bytes);
        let db = self.shared.open()?;
        let family = self.shared.family(db, DUE)?;
        db.put_cf_opt(family, shard_due_key(self.shard, due), &self.bytes, &no_log())
            .map_err(|e| self.failed("write", &e))?;
        if let Some(kept) = self.front.get_mut(&due) {
            self.front_bytes = self.front_bytes - weight(kept) + weight(row);
            kept.clone_from(row);
        }
        self.balance()
    }

    fn earliest(&self) -> Option<i64> {
        self.front.keys().next().map(|due| due.due)
    }

    fn take_due(&mut self, watermark: i64, out: &mut Vec<(Due, Row)>) -> Result<(), StateError> {
        if watermark <= self.taken {
            return Ok(());
        }
        while let Some(first) = self.front.first_entry() {
            // The last watermark takes all, also what is due at the end of time.
            if first.key().due >= watermark && watermark != i64::MAX {
                break;
            }
            let (due, row) = first.remove_entry();
            self.front_bytes -= weight(&row);
            out.push((due, row));
            self.balance()?;
        }
        self.taken = watermark;
        self.sweep()
    }

    fn barrier(&mut self) {
        self.barriers += 1;
    }

    fn len(&self) -> u64 {
        self.front.len() as u64 + self.behind
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::StoreOptions;
    use super::super::row::tests::plain;
    use super::*;

    /// They come back as they were, whichever way they go.
    #[test]
    fn large_rows_that_are_read_ahead_take_no_more_memory_than_small_ones() {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions { memory: 0, retention_ms: 400 };
        let tuning = Arc::new(Tuning::new(options));
        let shared = Arc::new(ColdDatabase::new(folder.path().join("cold"), tuning));
        let mut tier = ColdTier::new(shared, 0, options.retention_ms);
        let folded =
            Folded { input: 1, time: 0, arrival: 0, row: 0, partition: 0, offset: 0, labels: 0 };
        let each = 5 * AHEAD_BYTES / size_of::<Folded>() / 200;
        let held = |tier: &ColdTier| {
            let held: usize = tier.front.values().map(weight).sum();
            assert_eq!(held, tier.front_bytes);
            held
        };
        // The second time before what was read ahead.
        let mut expected = Vec::new();
        for second in [0, 1] {
            let mut rows: Vec<_> = (0..200)
                .map(|n| plain(500 * (1 - second as i64) + n as i64, 200 * second + n))
                .collect();
            for (_, row) in &mut rows {
                row.folded = vec![folded.clone(); each];
            }
            tier.put(&rows).unwrap();
            assert!(held(&tier) < 2 * AHEAD_BYTES, "{} bytes", held(&tier));
            expected.splice(0..0, rows);
        }
        assert_eq!(tier.len(), 400);
        // One of them grows beyond all bounds.
        expected[20].1.folded = vec![folded; 200 * each];
        tier.update(expected[20].0, &expected[20].1).unwrap();
        assert!(held(&tier) < 2 * AHEAD_BYTES, "{} bytes", held(&tier));
        let mut taken = Vec::new();
        for watermark in [100, 550, i64::MAX] {
            tier.take_due(watermark, &mut taken).unwrap();
            held(&tier);
        }
        assert!(taken == expected, "{} rows", taken.len());
        assert_eq!((tier.front_bytes, tier.len()), (0, 0));
    }

    /// A file that ends with the first row of a run, due at the very watermark, is
    /// none that the watermark has passed.
    #[test]
    fn what_is_due_at_the_watermark_stays_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions { memory: 0, retention_ms: 400 };
        let tuning = Arc::new(Tuning::new(options));
        let shared = Arc::new(ColdDatabase::new(folder.path().join("cold"), tuning));
        let mut tier = ColdTier::new(Arc::clone(&shared), 0, options.retention_ms);
        // The first record lies ahead of all others.
        let mut rows: Vec<_> =
            (1..=100).map(|arrival| plain(arrival as i64 * 9, arrival)).collect();
        rows.push(plain(1_000, 0));
        tier.put(&rows).unwrap();
        let db = shared.get().unwrap();
        let family = shared.family(db, DUE).unwrap();
        // Into one file below the newest level: those go whole.
        db.flush_cf(family).unwrap();
        db.compact_range_cf(family, None::<&[u8]>, None::<&[u8]>);
        let mut gone = Vec::new();
        tier.take_due(1_000, &mut gone).unwrap();
        assert_eq!(gone.len(), 100);
        let key = shard_due_key(0, Due { due: 1_000, arrival: 0, input: 0 });
        assert!(db.get_cf(family, key).unwrap().is_some());
    }
}
