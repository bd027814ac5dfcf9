//! Reading files by block: each block's checksum is known from the segment's
//! summary, what was read rests in a bounded cache, and a file that vanished or
//! changed is an error that names it (no mmap, so never a SIGBUS).

use std::fs::File;
use std::io::Write;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use lru::LruCache;

use super::error::{Result, RunError};

/// Bytes of a block; the unit of checksums and of the cache.
pub(crate) const BLOCK: usize = 16 * 1024;
/// Bytes that the cache of one process holds by default.
pub const CACHE_BYTES: usize = 256 << 20;
/// Files held open at once.
const OPEN_FILES: usize = 192;

/// CRC-32 of each block.
#[cfg(test)]
pub(crate) fn checksums(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks(BLOCK).map(crc32fast::hash).collect()
}

/// Blocks that the writer gathers before it hands them to the system: few
/// enough to stay in the processor's cache.
const GATHERED: usize = 16;

/// Writes a file and notes the checksum of each block.
pub(crate) struct BlockWriter {
    file: File,
    gathered: Vec<u8>,
    crcs: Vec<u32>,
    len: u64,
}

impl BlockWriter {
    pub fn create(path: &std::path::Path) -> std::io::Result<Self> {
        Ok(Self {
            file: File::create(path)?,
            gathered: Vec::with_capacity(GATHERED * BLOCK),
            crcs: Vec::new(),
            len: 0,
        })
    }

    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.crcs.extend(bytes.chunks(BLOCK).map(crc32fast::hash));
        self.len += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Ends the file: itself (for what is not checked by block), its length
    /// and the checksums.
    pub fn finish(mut self) -> std::io::Result<(File, u64, Vec<u32>)> {
        let rest = std::mem::take(&mut self.gathered);
        self.put(&rest)?;
        Ok((self.file, self.len, self.crcs))
    }
}

impl Write for BlockWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.gathered.is_empty() && bytes.len() >= GATHERED * BLOCK {
            let whole = bytes.len() / BLOCK * BLOCK;
            self.put(&bytes[..whole])?;
            return Ok(whole);
        }
        let n = bytes.len().min(GATHERED * BLOCK - self.gathered.len());
        self.gathered.extend_from_slice(&bytes[..n]);
        if self.gathered.len() == GATHERED * BLOCK {
            let mut full = std::mem::take(&mut self.gathered);
            self.put(&full)?;
            full.clear();
            self.gathered = full;
        }
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        // Only whole blocks may leave; `finish` gives out the rest.
        Ok(())
    }
}

/// A finished file: its length and checksums are what the writer saw.
#[derive(Debug)]
pub(crate) struct StoredFile {
    /// Of this process, never given twice: a run that goes on from a checkpoint may
    /// write a file of the same name anew.
    pub id: u64,
    pub path: PathBuf,
    pub len: u64,
    crcs: Vec<u32>,
}

impl StoredFile {
    pub fn new(path: PathBuf, len: u64, crcs: Vec<u32>) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if crcs.len() as u64 != len.div_ceil(BLOCK as u64) {
            return Err(RunError::corrupt(&path, "its summary does not fit its length"));
        }
        Ok(Self { id: NEXT.fetch_add(1, Ordering::Relaxed), path, len, crcs })
    }
}

/// The bounded cache of blocks and of open files.
pub(crate) struct Cache {
    /// Bytes that it was given.
    bytes: usize,
    shards: Vec<Mutex<LruCache<(u64, u32), Bytes>>>,
    files: Mutex<LruCache<u64, Arc<File>>>,
    /// Blocks read from files, for measurements.
    pub blocks_read: AtomicU64,
}

impl Cache {
    const SHARDS: usize = 16;

    /// Blocks of a shard.
    fn blocks(bytes: usize) -> NonZeroUsize {
        NonZeroUsize::new(bytes / BLOCK / Self::SHARDS).unwrap_or(NonZeroUsize::MIN)
    }

    /// Holds so many bytes less than it was given, at least a quarter of them: they
    /// are held elsewhere for the same questions.
    pub fn give_way(&self, bytes: usize) {
        let blocks = Self::blocks(self.bytes.saturating_sub(bytes).max(self.bytes / 4));
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).resize(blocks);
        }
    }

    pub fn new(bytes: usize) -> Self {
        let blocks = Self::blocks(bytes);
        Self {
            bytes,
            shards: (0..Self::SHARDS).map(|_| Mutex::new(LruCache::new(blocks))).collect(),
            files: Mutex::new(LruCache::new(
                NonZeroUsize::new(OPEN_FILES).unwrap_or(NonZeroUsize::MIN),
            )),
            blocks_read: AtomicU64::new(0),
        }
    }

    /// Forgets everything (measurements).
    pub fn clear(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn shard(&self, file: u64, block: u32) -> &Mutex<LruCache<(u64, u32), Bytes>> {
        &self.shards[(file as usize * 7 + block as usize) % self.shards.len()]
    }

    fn cached(&self, file: u64, block: u32) -> Option<Bytes> {
        let mut shard = self.shard(file, block).lock().unwrap_or_else(PoisonError::into_inner);
        shard.get(&(file, block)).cloned()
    }

    fn open(&self, file: &StoredFile) -> Result<Arc<File>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = files.get(&file.id) {
            return Ok(Arc::clone(open));
        }
        let open = File::open(&file.path).map_err(|e| RunError::io(&file.path, e))?;
        let open = Arc::new(open);
        files.put(file.id, Arc::clone(&open));
        Ok(open)
    }

    /// Has the disk begin with bytes `at..at + len` of a file that are asked for
    /// next, beside others: one after the other each would cost its whole way.
    pub fn expect(&self, file: &StoredFile, at: u64, len: u64) {
        let end = at.saturating_add(len).min(file.len);
        if at >= end {
            return;
        }
        let (first, last) = (at / BLOCK as u64, (end - 1) / BLOCK as u64);
        let is_here = |block: u64| self.cached(file.id, block as u32).is_some();
        if is_here(first) && is_here(last) {
            return;
        }
        if let Ok(open) = self.open(file) {
            let from = first * BLOCK as u64;
            super::advice::soon(&open, from, end - from);
        }
    }

    /// Bytes `at..at + len` of a file, checked.
    pub fn read(&self, file: &StoredFile, at: u64, len: usize) -> Result<Bytes> {
        if len == 0 {
            return Ok(Bytes::new());
        }
        if at.checked_add(len as u64).is_none_or(|end| end > file.len) {
            return Err(RunError::corrupt(&file.path, "it refers beyond its own end"));
        }
        let first = (at / BLOCK as u64) as u32;
        let last = ((at + len as u64 - 1) / BLOCK as u64) as u32;
        let skip = (at % BLOCK as u64) as usize;
        if first == last {
            let block = match self.cached(file.id, first) {
                Some(block) => block,
                None => self.load(file, first, first)?,
            };
            return Ok(block.slice(skip..skip + len));
        }
        let mut out = BytesMut::with_capacity((last - first + 1) as usize * BLOCK);
        let mut next = first;
        while next <= last {
            if let Some(block) = self.cached(file.id, next) {
                out.extend_from_slice(&block);
                next += 1;
                continue;
            }
            let mut end = next;
            while end < last && end - next < 255 && self.cached(file.id, end + 1).is_none() {
                end += 1;
            }
            out.extend_from_slice(&self.load(file, next, end)?);
            next = end + 1;
        }
        Ok(out.freeze().slice(skip..skip + len))
    }

    /// Reads blocks `first..=last` with one call and puts them into the cache.
    fn load(&self, file: &StoredFile, first: u32, last: u32) -> Result<Bytes> {
        let start = u64::from(first) * BLOCK as u64;
        let end = ((u64::from(last) + 1) * BLOCK as u64).min(file.len);
        let mut bytes = vec![0; (end - start) as usize];
        self.open(file)?
            .read_exact_at(&mut bytes, start)
            .map_err(|e| RunError::io(&file.path, e))?;
        self.blocks_read.fetch_add(u64::from(last - first) + 1, Ordering::Relaxed);
        let bytes = Bytes::from(bytes);
        for (i, number) in (first..=last).enumerate() {
            let block = bytes.slice(i * BLOCK..((i + 1) * BLOCK).min(bytes.len()));
            if crc32fast::hash(&block) != file.crcs[number as usize] {
                let from = u64::from(number) * BLOCK as u64;
                return Err(RunError::corrupt(
                    &file.path,
                    format!("the checksum of bytes {from}..{} is wrong", from + block.len() as u64),
                ));
            }
            // A slice of a large read would keep all of it alive: own copies.
            let own = if first == last { block } else { Bytes::copy_from_slice(&block) };
            let mut shard =
                self.shard(file.id, number).lock().unwrap_or_else(PoisonError::into_inner);
            shard.put((file.id, number), own);
        }
        Ok(bytes)
    }
}

/// A file as the Parquet reader wants it; all reads go through the cache.
#[derive(Clone)]
pub(crate) struct Chunks {
    pub cache: Arc<Cache>,
    pub file: Arc<StoredFile>,
}

impl parquet::file::reader::Length for Chunks {
    fn len(&self) -> u64 {
        self.file.len
    }
}

impl parquet::file::reader::ChunkReader for Chunks {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        use bytes::Buf;
        // Page headers are short: enough to read one.
        let len = (self.file.len.saturating_sub(start) as usize).min(BLOCK);
        Ok(self.get_bytes(start, len)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.cache
            .read(&self.file, start, length)
            .map_err(|e| parquet::errors::ParquetError::External(Box::new(e)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_knows_its_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut bytes = Vec::new();
        let mut writer = BlockWriter::create(&path).unwrap();
        for n in [1, BLOCK, 7, GATHERED * BLOCK * 2 + 5, 3, GATHERED * BLOCK - 1, 40] {
            let part: Vec<u8> = (0..n).map(|i| (i * 17 + n) as u8).collect();
            writer.write_all(&part).unwrap();
            bytes.extend_from_slice(&part);
        }
        let (_, len, crcs) = writer.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        assert_eq!((len, crcs), (bytes.len() as u64, checksums(&bytes)));
    }

    #[test]
    fn reads_across_blocks_and_finds_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let bytes: Vec<u8> = (0..BLOCK * 3 + 100).map(|i| (i * 31 % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = StoredFile::new(path.clone(), bytes.len() as u64, checksums(&bytes)).unwrap();
        let cache = Cache::new(1 << 20);
        for (at, len) in [(0, 10), (BLOCK - 1, 2), (5, BLOCK * 3), (BLOCK * 3, 100), (7, 0)] {
            assert_eq!(cache.read(&file, at as u64, len).unwrap(), bytes[at..at + len]);
        }
        assert!(cache.read(&file, bytes.len() as u64 - 1, 2).is_err());

        let mut damaged = bytes.clone();
        damaged[BLOCK + 3] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        cache.clear();
        assert_eq!(cache.read(&file, 0, 10).unwrap(), bytes[..10]);
        let error = cache.read(&file, BLOCK as u64, 1).unwrap_err().to_string();
        assert!(error.contains("checksum") && error.contains(path.to_str().unwrap()), "{error}");

        std::fs::remove_file(&path).unwrap();
        cache.clear();
        assert!(matches!(cache.read(&file, 0, 1), Err(RunError::Io { .. })));
    }
}
