//! The file of a recording while it is written: chunks compressed, each with
//! its indices; attachments and metadata between them; the summary at the end.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use super::building::Building;
use super::index::Index;
use super::meta::{self, Map};
use super::summary::{self, Summary};
use super::tally::{Content, Tally};
use super::wire::{self, op};
use super::{Compression, Info, RecordingError, Schemas, compress, whole};

/// After an error of the file system the file ends after its last whole record
/// of the container, and nothing more is to be asked.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    temporary: Option<PathBuf>,
    file: File,
    compression: Compression,
    index: Index,
    pub summary: Summary,
    /// The message records so far.
    pub content: Content,
    /// What the file system is given next.
    out: Vec<u8>,
    /// Bytes in the file, and their CRC (the data section's).
    written: u64,
    crc: crc32fast::Hasher,
}

impl Store {
    /// Makes the file with its head; a name that is taken is refused.
    pub fn create(
        path: PathBuf,
        whole_or_nothing: bool,
        compression: Compression,
        info: &Info,
    ) -> Result<Self, RecordingError> {
        let (file, temporary) = whole::create(&path, whole_or_nothing)?;
        let mut store = Self {
            path,
            temporary,
            file,
            compression,
            index: Index::default(),
            summary: Summary::default(),
            content: Content::default(),
            out: Vec::new(),
            written: 0,
            crc: crc32fast::Hasher::new(),
        };
        store.out.extend_from_slice(wire::MAGIC);
        wire::record(&mut store.out, op::HEADER, |out| {
            wire::prefixed(out, meta::PROFILE.as_bytes());
            wire::prefixed(out, info.recorder.as_bytes());
        });
        store.metadata(meta::START, meta::start_map(info));
        if let Err(error) = store.put() {
            // Without its head it is of no use, and its name would be taken.
            let _ = std::fs::remove_file(store.temporary.as_ref().unwrap_or(&store.path));
            return Err(error);
        }
        Ok(store)
    }

    /// Only when it is whole the file has its name.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Of the chunks that follow.
    pub fn set_compression(&mut self, kind: Compression) {
        self.compression = kind;
    }

    /// Bytes in the file.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The file, to be forced to disk beside the writing.
    pub fn file(&self) -> Result<File, RecordingError> {
        self.file.try_clone().map_err(|error| self.error("force to disk", error))
    }

    /// An error of the file system.
    pub fn error(&self, doing: &str, error: std::io::Error) -> RecordingError {
        RecordingError::io(&self.path, doing, error)
    }

    /// Writes a chunk and empties it.
    pub fn chunk(&mut self, building: &mut Building) -> Result<(), RecordingError> {
        for range in building.message_ranges() {
            self.content.take(&building.bytes[range]);
        }
        for range in building.other_ranges() {
            let record = building.bytes[range].to_vec();
            if record.first() == Some(&op::SCHEMA) {
                self.summary.schemas.push(record);
            } else {
                self.summary.channels.push(record);
            }
        }
        let byte = self.written + self.out.len() as u64;
        let crc = crc32fast::hash(&building.bytes);
        let (start, end) = building.times.unwrap_or((0, 0));
        let (kind, name) = (self.compression, self.compression.name());
        let mut compressed = Ok(0);
        wire::record(&mut self.out, op::CHUNK, |out| {
            out.extend_from_slice(&start.to_le_bytes());
            out.extend_from_slice(&end.to_le_bytes());
            out.extend_from_slice(&(building.bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(&crc.to_le_bytes());
            wire::prefixed(out, name.as_bytes());
            compressed =
                wire::long_prefixed(out, |out| compress::compress(kind, &building.bytes, out));
        });
        let compressed = match compressed {
            Ok(length) => length,
            Err(error) => {
                // The file ends before this chunk.
                self.out.truncate((byte - self.written) as usize);
                return Err(self.error("compress", error));
            }
        };
        let indexes = self.written + self.out.len() as u64;
        let positions = building.write_indexes(&mut self.out);
        self.summary.chunk(&summary::ChunkIndex {
            times: building.times,
            byte,
            length: indexes - byte,
            index_byte: indexes,
            index_length: self.written + self.out.len() as u64 - indexes,
            positions: &positions,
            compression: name,
            compressed,
            uncompressed: building.bytes.len() as u64,
        });
        self.index.push(byte, indexes - byte, &building.spans);
        building.clear();
        self.put()
    }

    /// Writes an attachment.
    pub fn attachment(&mut self, name: &str, data: &[u8]) -> Result<(), RecordingError> {
        let byte = self.written + self.out.len() as u64;
        let start = self.out.len();
        let kind = summary::SCHEMA_MEDIA_TYPE;
        wire::attachment(&mut self.out, name, kind, data);
        let length = (self.out.len() - start) as u64;
        self.summary.attachment(byte, length, data.len() as u64, name, kind);
        self.put()
    }

    /// Writes how far partitions were read.
    pub fn reached(&mut self, map: Map) -> Result<(), RecordingError> {
        self.metadata(meta::REACHED, map);
        self.put()
    }

    fn metadata(&mut self, name: &str, map: Map) {
        let byte = self.written + self.out.len() as u64;
        let map = meta::seal(name, map);
        let start = self.out.len();
        wire::record(&mut self.out, op::METADATA, |out| {
            wire::prefixed(out, name.as_bytes());
            wire::map(out, &map);
        });
        self.summary.metadata(byte, (self.out.len() - start) as u64, name);
    }

    /// Forces what is written to disk.
    pub fn sync(&mut self) -> Result<(), RecordingError> {
        self.file.sync_data().map_err(|error| self.error("force to disk", error))
    }

    /// Writes metadata and summary, forces all to disk and gives the file its
    /// name. `tally` gets the content, `info` the totals.
    pub fn finish(
        mut self,
        tally: &mut Tally,
        schemas: &Schemas,
        has_clock: bool,
        info: &mut Info,
    ) -> Result<(), RecordingError> {
        let done = self.end(tally, schemas, has_clock, info);
        if done.is_err() {
            self.discard();
        }
        done
    }

    fn end(
        &mut self,
        tally: &mut Tally,
        schemas: &Schemas,
        has_clock: bool,
        info: &mut Info,
    ) -> Result<(), RecordingError> {
        tally.content = std::mem::take(&mut self.content);
        tally.fill(info);
        info.chunks = self.index.chunks();
        info.schemas = schemas.len();
        let mut from = 0;
        while from < self.index.chunks() {
            let to = self.index.map_end(from, meta::INDEX_CHUNKS, meta::INDEX_SPANS);
            let map = self.index.map(from, to);
            self.metadata(meta::INDEX, map);
            self.put()?;
            from = to;
        }
        self.metadata(meta::END, meta::end_map(info, &tally.digest(schemas)));
        self.put()?;
        let crc = self.crc.clone().finalize();
        wire::record(&mut self.out, op::DATA_END, |out| {
            out.extend_from_slice(&crc.to_le_bytes());
        });
        let start = self.written + self.out.len() as u64;
        let counts: Vec<u64> = tally.partitions.iter().map(|p| p.records).collect();
        let clock = has_clock.then_some(tally.clock_events);
        self.summary.write(&mut self.out, start, &counts, clock);
        self.put()?;
        self.file.sync_all().map_err(|error| self.error("force to disk", error))?;
        info.file_bytes = self.written;
        match self.temporary.take() {
            Some(temporary) => whole::name(&temporary, &self.path),
            None => Ok(()),
        }
    }

    /// Removes the file where it is of no use before it is whole.
    pub fn discard(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _ = std::fs::remove_file(temporary);
        }
    }

    /// As if the disk were full.
    #[cfg(test)]
    pub fn fail_from_now_on(&mut self) {
        if let Ok(full) = File::options().write(true).open("/dev/full") {
            self.file = full;
        }
    }

    /// Gives `out` to the file system.
    fn put(&mut self) -> Result<(), RecordingError> {
        if let Err(error) = self.file.write_all(&self.out) {
            // Nothing half-written stays behind where that can be helped.
            let _ = self.file.set_len(self.written);
            return Err(self.error("write", error));
        }
        self.crc.update(&self.out);
        self.written += self.out.len() as u64;
        self.out.clear();
        self.out.shrink_to(8 << 20);
        Ok(())
    }
}
