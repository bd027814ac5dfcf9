//! Rows as sorted files that RocksDB takes in whole: no memtable, no log, one
//! write of each row.

use std::path::PathBuf;

use rocksdb::{ColumnFamily, DB, IngestExternalFileOptions, Options, SstFileWriter};

use super::error::StoreError;
use super::files;

/// Files are cut at about this size, so that whole files fall behind the
/// watermark.
const TABLE_BYTES: u64 = 16 << 20;
/// How many entries to write between two looks at the size.
const LOOK: u32 = 256;

/// Sorted files in the making.
pub(super) struct Tables<'a> {
    folder: PathBuf,
    options: &'a Options,
    writer: Option<(SstFileWriter<'a>, PathBuf)>,
    entries: u32,
    done: Vec<PathBuf>,
}

impl<'a> Tables<'a> {
    /// Files go to `folder` until they are taken in; what it held is removed.
    pub fn new(folder: PathBuf, options: &'a Options) -> Self {
        Self { folder, options, writer: None, entries: 0, done: Vec::new() }
    }

    /// The next entry; keys ascend over all calls.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let (writer, path) = self.writer()?;
        writer.put(key, value).map_err(|e| StoreError::rocks("write", path, &e))?;
        self.cut_when_full()
    }

    /// The next entry is gone; keys ascend over all calls.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let (writer, path) = self.writer()?;
        writer.delete(key).map_err(|e| StoreError::rocks("write", path, &e))?;
        self.cut_when_full()
    }

    /// Hands all files over to the database.
    pub fn ingest(mut self, db: &DB, family: &ColumnFamily) -> Result<(), StoreError> {
        self.cut()?;
        if self.done.is_empty() {
            return Ok(());
        }
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        db.ingest_external_file_cf_opts(family, &options, self.done)
            .map_err(|e| StoreError::rocks("take in", &self.folder, &e))?;
        files::remove_dir(&self.folder)
    }

    fn writer(&mut self) -> Result<(&mut SstFileWriter<'a>, &PathBuf), StoreError> {
        let (writer, path) = match self.writer.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        let (writer, path) = self.writer.insert((writer, path));
        Ok((writer, path))
    }

    fn begin(&self) -> Result<(SstFileWriter<'a>, PathBuf), StoreError> {
        if self.done.is_empty() {
            files::remove_dir(&self.folder)?;
            files::create_dir(&self.folder)?;
        }
        let path = self.folder.join(format!("{}.sst", self.done.len()));
        let writer = SstFileWriter::create(self.options);
        writer.open(&path).map_err(|e| StoreError::rocks("create", &path, &e))?;
        Ok((writer, path))
    }

    fn cut_when_full(&mut self) -> Result<(), StoreError> {
        self.entries += 1;
        let full = self.entries.is_multiple_of(LOOK)
            && self.writer.as_ref().is_some_and(|(writer, _)| writer.file_size() > TABLE_BYTES);
        if full { self.cut() } else { Ok(()) }
    }

    fn cut(&mut self) -> Result<(), StoreError> {
        if let Some((mut writer, path)) = self.writer.take() {
            writer.finish().map_err(|e| StoreError::rocks("write", &path, &e))?;
            self.done.push(path);
            self.entries = 0;
        }
        Ok(())
    }
}
