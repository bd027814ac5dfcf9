//! Writing a recording: chunks of messages, each with its indices, forced to
//! disk by size and time; the summary at the end.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::building::Building;
use super::clock::ClockEntry;
use super::compress;
use super::envelope::{self, Brief};
use super::index::Index;
use super::meta::{self, Map};
use super::summary::{self, Summary};
use super::tally::Tally;
use super::whole;
use super::wire::{self, ChannelRecord, MAX_RECORD, op};
use super::{Info, PartitionInfo, RecordingError, Schemas, StoredSchema, WriterOptions};
use crate::operator::record::{Arrival, Record, RecordName, TopicPartition};

/// The program that writes.
fn recorder() -> String {
    format!("joinscope {}", env!("CARGO_PKG_VERSION"))
}

/// Writes a recording. After an error of the file system every further call
/// fails, and the file ends after its last whole chunk.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    temporary: Option<PathBuf>,
    file: File,
    options: WriterOptions,
    info: Info,
    tally: Tally,
    schemas: Schemas,
    sources: HashMap<TopicPartition, u32>,
    building: Building,
    index: Index,
    summary: Summary,
    /// What the file system is given next.
    out: Vec<u8>,
    compressed: Vec<u8>,
    /// Bytes in the file, and their CRC (the data section's).
    written: u64,
    crc: crc32fast::Hasher,
    synced: u64,
    last_sync: Instant,
    since_look: u32,
    has_clock: bool,
    failed: bool,
    finished: bool,
}

impl Writer {
    /// Makes the file; one that exists is refused.
    pub fn create(path: &Path, options: WriterOptions) -> Result<Self, RecordingError> {
        let (file, temporary) = whole::create(path, options.whole_or_nothing)?;
        let info = Info {
            arrival_order: options.arrival_order,
            approximate: options.approximate,
            cluster_id: options.cluster_id.clone(),
            topic_ids: options.topic_ids.clone(),
            redaction: options.redaction.clone(),
            notes: options.notes.clone(),
            compression: options.compression.name().to_owned(),
            recorder: recorder(),
            ..Info::default()
        };
        let mut writer = Self {
            path: path.to_owned(),
            temporary,
            file,
            options,
            info,
            tally: Tally::new(),
            schemas: Schemas::default(),
            sources: HashMap::new(),
            building: Building::default(),
            index: Index::default(),
            summary: Summary::default(),
            out: Vec::new(),
            compressed: Vec::new(),
            written: 0,
            crc: crc32fast::Hasher::new(),
            synced: 0,
            last_sync: Instant::now(),
            since_look: 0,
            has_clock: false,
            failed: false,
            finished: false,
        };
        writer.out.extend_from_slice(wire::MAGIC);
        let library = writer.info.recorder.clone();
        wire::record(&mut writer.out, op::HEADER, |out| {
            wire::prefixed(out, meta::PROFILE.as_bytes());
            wire::prefixed(out, library.as_bytes());
        });
        let start = meta::start_map(&writer.info);
        writer.metadata(meta::START, start);
        let schema = summary::schema_record(summary::ENVELOPE_SCHEMA);
        writer.building.bytes.extend_from_slice(&schema);
        writer.summary.schemas.push(schema);
        writer.put()?;
        Ok(writer)
    }

    /// Adds a partition (also one that stays empty) or finds it again; the
    /// answer is its records' [`Record::source`].
    pub fn partition(&mut self, partition: TopicPartition) -> Result<u32, RecordingError> {
        if let Some(&source) = self.sources.get(&partition) {
            return Ok(source);
        }
        let source = self.sources.len() as u32;
        if source >= u32::from(u16::MAX) {
            return Err(RecordingError::Record {
                record: partition.to_string(),
                what: "a recording holds at most 65,535 topic-partitions (channel numbers have \
                       16 bits): record fewer topics into each file"
                    .to_owned(),
            });
        }
        let mut metadata = Map::new();
        metadata.insert("topic".to_owned(), partition.topic.to_string());
        metadata.insert("partition".to_owned(), partition.partition.to_string());
        let channel = ChannelRecord {
            id: source as u16 + 1,
            schema: summary::ENVELOPE_SCHEMA,
            topic: partition.to_string(),
            metadata,
        };
        self.channel(&channel);
        self.tally.partitions.push(PartitionInfo::new(partition.clone()));
        self.sources.insert(partition, source);
        Ok(source)
    }

    fn channel(&mut self, channel: &ChannelRecord) {
        self.digest();
        let start = self.building.bytes.len();
        channel.write(&mut self.building.bytes);
        self.building.digested = self.building.bytes.len();
        self.summary.channels.push(self.building.bytes[start..].to_vec());
    }

    /// The range of offsets that is recorded of a partition, from `start`
    /// (inclusive) to `end` (exclusive), where the broker says so. The start
    /// has to be known before the partition's first record.
    pub fn set_range(&mut self, source: u32, start: Option<i64>, end: Option<i64>) {
        if let Some(partition) = self.tally.partitions.get_mut(source as usize) {
            partition.start_offset = start.or(partition.start_offset);
            partition.end_offset = end.or(partition.end_offset);
        }
    }

    /// Records from this arrival on came while recording.
    pub fn set_live_from(&mut self, arrival: Arrival) {
        self.info.live_from = Some(arrival);
    }

    /// Whether the arrival order is only as good as producers' clocks.
    pub fn set_approximate(&mut self, approximate: bool) {
        self.info.approximate = approximate;
    }

    /// Keeps a topic's id.
    pub fn set_topic_id(&mut self, topic: &str, id: &str) {
        self.info.topic_ids.insert(topic.to_owned(), id.to_owned());
    }

    /// Keeps a note.
    pub fn note(&mut self, key: &str, value: &str) {
        self.info.notes.insert(key.to_owned(), value.to_owned());
    }

    /// Adds a schema; adding it again does nothing, another one with its id is
    /// refused.
    pub fn schema(&mut self, schema: StoredSchema) -> Result<(), RecordingError> {
        let known = self.schemas.get(schema.id).is_some();
        let name = format!("{}{}", meta::SCHEMA_PREFIX, schema.id);
        let json = serde_json::to_vec(&schema).map_err(|error| RecordingError::Record {
            record: name.clone(),
            what: error.to_string(),
        })?;
        if !self.schemas.insert(schema) {
            return Err(RecordingError::Record {
                record: name,
                what: "two different schemas have this id".to_owned(),
            });
        }
        if known {
            return Ok(());
        }
        self.close_chunk()?;
        self.attachment(&name, &json);
        self.put()
    }

    /// Adds a record. Arrival numbers must increase, offsets must increase
    /// within their partition, arrival times must not be negative.
    pub fn add(&mut self, record: &Record) -> Result<(), RecordingError> {
        let refuse = |what: String| {
            let partition = self.tally.partitions.get(record.source as usize);
            let name = partition.map_or_else(
                || format!("record of partition number {}", record.source),
                |p| name(&p.topic_partition, record.offset).to_string(),
            );
            RecordingError::Record { record: name, what }
        };
        if self.failed {
            return Err(self.failed_before());
        }
        if record.source as usize >= self.tally.partitions.len() {
            return Err(refuse("the partition was not added".to_owned()));
        }
        if record.arrival_ns < 0 || record.offset < 0 {
            return Err(refuse(format!(
                "arrival time {} ns and offset {} must not be negative",
                record.arrival_ns, record.offset
            )));
        }
        let brief =
            Brief { arrival: record.arrival, offset: record.offset, timestamp: record.timestamp };
        self.tally.check(record.source, &brief).map_err(refuse)?;
        let payload = record.key.as_ref().map_or(0, |b| b.len() as u64)
            + record.value.as_ref().map_or(0, |b| b.len() as u64)
            + record.headers.iter().map(header_len).sum::<u64>();
        if payload > MAX_RECORD / 2 {
            return Err(refuse(format!("{payload} bytes; at most {} are kept", MAX_RECORD / 2)));
        }
        let chunk = self.building.bytes.len();
        if chunk > 0 && chunk as u64 + payload > (self.options.chunk_bytes as u64).max(1 << 16) {
            self.close_chunk()?;
            self.put()?;
        }
        self.building.message(
            record.source as u16 + 1,
            record.arrival as u32,
            record.arrival_ns as u64,
            wire::publish_time(record.timestamp),
            |out| envelope::encode(out, record),
        );
        self.building.count(record.source, record.offset);
        self.tally.observe(record.source, record.arrival_ns, &brief);
        self.since_look += 1;
        if self.since_look >= 1024 {
            self.tick()?;
        }
        Ok(())
    }

    /// Adds a decision of a live run's clock.
    pub fn clock(&mut self, entry: &ClockEntry) -> Result<(), RecordingError> {
        if self.failed {
            return Err(self.failed_before());
        }
        let Ok(at) = u64::try_from(entry.at_ns) else {
            return Err(RecordingError::Record {
                record: meta::ARRIVALS_TOPIC.to_owned(),
                what: format!("time {} ns must not be negative", entry.at_ns),
            });
        };
        if !self.has_clock {
            self.has_clock = true;
            self.digest();
            let schema = summary::schema_record(summary::CLOCK_SCHEMA);
            self.building.bytes.extend_from_slice(&schema);
            self.building.digested = self.building.bytes.len();
            self.summary.schemas.push(schema);
            self.channel(&ChannelRecord {
                id: 0,
                schema: summary::CLOCK_SCHEMA,
                topic: meta::ARRIVALS_TOPIC.to_owned(),
                metadata: Map::new(),
            });
        }
        self.building.message(0, entry.precedes as u32, at, at, |out| entry.encode(out));
        self.tally.clock_events += 1;
        Ok(())
    }

    /// Forces data to disk if it is time to; to be called now and then where
    /// no records come.
    pub fn tick(&mut self) -> Result<(), RecordingError> {
        self.since_look = 0;
        let pending = self.written - self.synced + self.building.bytes.len() as u64;
        let due = pending > 0
            && (pending >= self.options.sync_bytes
                || self.options.sync_every.is_some_and(|every| self.last_sync.elapsed() >= every));
        // What is written under a temporary name is of no use before it is whole.
        if due && self.temporary.is_none() { self.flush() } else { Ok(()) }
    }

    /// Closes the chunk and gives it to the file system: what was added opens
    /// after a crash of this process, though perhaps not of the machine.
    pub fn hand_over(&mut self) -> Result<(), RecordingError> {
        self.close_chunk()?;
        self.put()
    }

    /// Closes the chunk and forces all to disk: what was added opens after a
    /// crash.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        self.close_chunk()?;
        self.put()?;
        self.file.sync_data().map_err(|error| self.fail("force to disk", error))?;
        self.synced = self.written;
        self.last_sync = Instant::now();
        Ok(())
    }

    /// Records added so far.
    pub fn records(&self) -> u64 {
        self.tally.records
    }

    /// Bytes in the file so far.
    pub fn written_bytes(&self) -> u64 {
        self.written
    }

    /// Writes the summary, forces all to disk and (if `whole_or_nothing`)
    /// gives the file its name.
    pub fn finish(mut self) -> Result<Info, RecordingError> {
        self.close_chunk()?;
        self.put()?;
        self.tally.fill(&mut self.info);
        self.info.chunks = self.index.chunks.len();
        self.info.schemas = self.schemas.len();
        let digest = self.tally.digest(&self.schemas);
        let mut from = 0;
        while from < self.index.chunks.len() {
            let to = (from + meta::INDEX_CHUNKS).min(self.index.chunks.len());
            let map = self.index.map(from, to);
            self.metadata(meta::INDEX, map);
            self.put()?;
            from = to;
        }
        let end = meta::end_map(&self.info, &digest);
        self.metadata(meta::END, end);
        self.put()?;
        let crc = self.crc.clone().finalize();
        wire::record(&mut self.out, op::DATA_END, |out| {
            out.extend_from_slice(&crc.to_le_bytes());
        });
        let start = self.written + self.out.len() as u64;
        let counts: Vec<u64> = self.tally.partitions.iter().map(|p| p.records).collect();
        let clock = self.has_clock.then_some(self.tally.clock_events);
        let mut out = std::mem::take(&mut self.out);
        self.summary.write(&mut out, start, &counts, clock);
        self.out = out;
        self.put()?;
        self.file.sync_all().map_err(|error| self.fail("force to disk", error))?;
        if let Some(temporary) = self.temporary.take() {
            whole::name(&temporary, &self.path)?;
        }
        self.finished = true;
        self.info.file_bytes = self.written;
        Ok(std::mem::take(&mut self.info))
    }

    /// Takes messages since the last channel into the digest.
    fn digest(&mut self) {
        let building = &mut self.building;
        if building.digested < building.bytes.len() && building.messages > 0 {
            self.tally.digest_messages(&building.bytes[building.digested..]);
        }
        building.digested = building.bytes.len();
    }

    /// Puts the open chunk, compressed, with its indices into `out`.
    fn close_chunk(&mut self) -> Result<(), RecordingError> {
        if self.failed {
            return Err(self.failed_before());
        }
        if self.building.bytes.is_empty() {
            return Ok(());
        }
        self.digest();
        let building = &mut self.building;
        let byte = self.written + self.out.len() as u64;
        self.compressed.clear();
        compress::compress(self.options.compression, &building.bytes, &mut self.compressed)
            .map_err(|error| RecordingError::io(&self.path, "compress", error))?;
        let crc = crc32fast::hash(&building.bytes);
        let (start, end) = building.times.unwrap_or((0, 0));
        let name = self.options.compression.name();
        let compressed = &self.compressed;
        wire::record(&mut self.out, op::CHUNK, |out| {
            out.extend_from_slice(&start.to_le_bytes());
            out.extend_from_slice(&end.to_le_bytes());
            out.extend_from_slice(&(building.bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(&crc.to_le_bytes());
            wire::prefixed(out, name.as_bytes());
            out.extend_from_slice(&(compressed.len() as u64).to_le_bytes());
            out.extend_from_slice(compressed);
        });
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
            compressed: self.compressed.len() as u64,
            uncompressed: building.bytes.len() as u64,
        });
        self.index.push(byte, indexes - byte, &building.spans);
        building.clear();
        Ok(())
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

    fn attachment(&mut self, name: &str, data: &[u8]) {
        let byte = self.written + self.out.len() as u64;
        let start = self.out.len();
        let kind = summary::SCHEMA_MEDIA_TYPE;
        wire::attachment(&mut self.out, name, kind, data);
        let length = (self.out.len() - start) as u64;
        self.summary.attachment(byte, length, data.len() as u64, name, kind);
    }

    /// Gives `out` to the file system.
    fn put(&mut self) -> Result<(), RecordingError> {
        if self.out.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(&self.out) {
            // Nothing half-written stays behind where that can be helped.
            let _ = self.file.set_len(self.written);
            return Err(self.fail("write", error));
        }
        self.crc.update(&self.out);
        self.written += self.out.len() as u64;
        self.out.clear();
        self.out.shrink_to(8 << 20);
        Ok(())
    }

    fn fail(&mut self, doing: &str, error: std::io::Error) -> RecordingError {
        self.failed = true;
        RecordingError::io(&self.path, doing, error)
    }

    fn failed_before(&self) -> RecordingError {
        RecordingError::io(
            &self.path,
            "go on writing",
            std::io::Error::other("writing failed before"),
        )
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if let Some(temporary) = &self.temporary {
            let _ = std::fs::remove_file(temporary);
        } else if !self.failed {
            // Cut short by an error elsewhere: what was added stays readable.
            let _ = self.flush();
        }
    }
}

fn header_len(header: &crate::operator::record::Header) -> u64 {
    (header.key.len() + header.value.as_ref().map_or(0, bytes::Bytes::len) + 16) as u64
}

fn name(partition: &TopicPartition, offset: i64) -> RecordName {
    RecordName { topic: partition.topic.clone(), partition: partition.partition, offset }
}
