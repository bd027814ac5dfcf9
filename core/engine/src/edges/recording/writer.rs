//! Writing a recording: records go into chunks of messages with what their
//! indices need; a thread behind compresses and writes the chunks.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;

use super::behind::Behind;
use super::building::Building;
use super::clock::{ClockEntry, ClockEntryKind};
use super::envelope::{self, Brief, Draft};
use super::meta::{self, Map};
use super::store::Store;
use super::summary;
use super::tally::Tally;
use super::wire::{self, ChannelRecord, MAX_RECORD};
use super::{
    Compression, Info, PartitionInfo, RecordingError, Schemas, StoredSchema, WriterOptions,
};
use crate::operator::record::{Arrival, Record, RecordName, TopicPartition};

/// The program that writes.
fn recorder() -> String {
    format!("joinscope {}", env!("CARGO_PKG_VERSION"))
}

/// Writes a recording. After an error of the file system every further call
/// fails, and the file ends after its last whole chunk. The error may be said
/// some chunks after the record that met it, by [`Writer::flush`] and
/// [`Writer::finish`] at the latest.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    options: WriterOptions,
    info: Info,
    tally: Tally,
    schemas: Schemas,
    sources: HashMap<TopicPartition, u32>,
    building: Building,
    behind: Behind,
    last_sync: Instant,
    since_look: u32,
    has_clock: bool,
    finished: bool,
    /// Bytes of the chunks that were closed, before they are compressed.
    closed: u64,
    /// Copies of the chunks that were closed; `None`: nobody wants any.
    kept: Option<Vec<Bytes>>,
}

impl Writer {
    /// Makes the file; one that exists is refused.
    pub fn create(path: &Path, options: WriterOptions) -> Result<Self, RecordingError> {
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
        let store =
            Store::create(path.to_owned(), options.whole_or_nothing, options.compression, &info)?;
        let mut writer = Self {
            path: path.to_owned(),
            info,
            tally: Tally::default(),
            schemas: Schemas::default(),
            sources: HashMap::new(),
            building: Building::default(),
            behind: Behind::start(store, options.sync_bytes)?,
            options,
            last_sync: Instant::now(),
            since_look: 0,
            has_clock: false,
            finished: false,
            closed: 0,
            kept: None,
        };
        writer.building.other(&summary::schema_record(summary::ENVELOPE_SCHEMA));
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
        let mut bytes = Vec::new();
        channel.write(&mut bytes);
        self.building.other(&bytes);
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

    /// Notes at this place how far partitions were read, by their sources: all before
    /// the offset was added or is not there. It counts in a file that is cut too.
    pub fn reached(&mut self, ends: &[(u32, i64)]) -> Result<(), RecordingError> {
        let mut map = Map::new();
        for (source, end) in ends {
            if let Some(partition) = self.tally.partitions.get_mut(*source as usize) {
                partition.end_offset = partition.end_offset.max(Some(*end));
                map.insert(partition.topic_partition.to_string(), end.to_string());
            }
        }
        // Behind the chunk that introduces them.
        self.close_chunk();
        self.behind.reached(map);
        self.check()
    }

    /// Records from this arrival on came while recording.
    pub fn set_live_from(&mut self, arrival: Arrival) {
        self.info.live_from = Some(arrival);
    }

    /// Compresses what is added from now on, the open chunk included, with another
    /// level of the file's own compression; nothing is done for any other, as the
    /// metadata names one for the whole file.
    pub fn set_compression(&mut self, kind: Compression) {
        if kind.name() == self.options.compression.name() {
            self.behind.compression(kind);
        }
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
        self.close_chunk();
        self.behind.attachment(name, json);
        self.check()
    }

    /// Adds a record. Arrival numbers must increase, offsets must increase
    /// within their partition, arrival times must not be negative.
    pub fn add(&mut self, record: &Record) -> Result<(), RecordingError> {
        let headers = record.headers.iter().map(|h| (&*h.key, h.value.as_deref()));
        self.append(&Draft::from(record), headers)
    }

    /// Adds a record that is nowhere a [`Record`]: it is copied once, into the
    /// chunk. The rules are those of [`Writer::add`].
    pub fn add_draft(
        &mut self,
        draft: &Draft<'_>,
        headers: &[(Cow<'_, str>, Option<&[u8]>)],
    ) -> Result<(), RecordingError> {
        self.append(draft, headers.iter().map(|(key, value)| (key.as_ref(), *value)))
    }

    #[inline]
    fn append<'h>(
        &mut self,
        record: &Draft<'_>,
        headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)> + Clone,
    ) -> Result<(), RecordingError> {
        if self.behind.failed() {
            return self.check();
        }
        let brief =
            Brief { arrival: record.arrival, offset: record.offset, timestamp: record.timestamp };
        let payload = record.key.map_or(0, |b| b.len() as u64)
            + record.value.map_or(0, |b| b.len() as u64)
            + headers.clone().map(header_len).sum::<u64>();
        self.sound(record, &brief, payload)?;
        let chunk = self.building.bytes.len();
        if chunk > 0 && chunk as u64 + payload > (self.options.chunk_bytes as u64).max(1 << 16) {
            self.close_chunk();
        }
        self.building.message(
            record.source as u16 + 1,
            record.arrival as u32,
            record.arrival_ns as u64,
            wire::publish_time(record.timestamp),
            |out, few| envelope::encode(out, few, record, headers),
        );
        self.building.count(record.source, record.offset);
        self.tally.observe(record.source, record.arrival_ns, &brief);
        self.since_look += 1;
        if self.since_look >= 1024 {
            self.tick()?;
        }
        Ok(())
    }

    /// Refuses what a recording cannot hold.
    #[inline]
    fn sound(&self, record: &Draft<'_>, brief: &Brief, payload: u64) -> Result<(), RecordingError> {
        let what = if record.source as usize >= self.tally.partitions.len() {
            "the partition was not added".to_owned()
        } else if record.arrival_ns < 0 || record.offset < 0 {
            format!(
                "arrival time {} ns and offset {} must not be negative",
                record.arrival_ns, record.offset
            )
        } else if let Err(what) = self.tally.check(record.source, brief) {
            what
        } else if payload > MAX_RECORD / 2 {
            format!("{payload} bytes; at most {} are kept", MAX_RECORD / 2)
        } else {
            return Ok(());
        };
        let partition = self.tally.partitions.get(record.source as usize);
        let name = partition.map_or_else(
            || format!("record of partition number {}", record.source),
            |p| name(&p.topic_partition, record.offset).to_string(),
        );
        Err(RecordingError::Record { record: name, what })
    }

    /// Adds a decision of a live run's clock.
    pub fn clock(&mut self, entry: &ClockEntry) -> Result<(), RecordingError> {
        self.check()?;
        let Ok(at) = u64::try_from(entry.at_ns) else {
            return Err(RecordingError::Record {
                record: meta::ARRIVALS_TOPIC.to_owned(),
                what: format!("time {} ns must not be negative", entry.at_ns),
            });
        };
        // Where no record comes for long the clock alone fills chunks. What says that a
        // partition came stays with its name.
        let came = matches!(entry.kind, ClockEntryKind::Added(_));
        if !came && self.building.bytes.len() > self.options.chunk_bytes.max(1 << 16) {
            self.close_chunk();
        }
        if !self.has_clock {
            self.has_clock = true;
            self.building.other(&summary::schema_record(summary::CLOCK_SCHEMA));
            self.channel(&ChannelRecord {
                id: 0,
                schema: summary::CLOCK_SCHEMA,
                topic: meta::ARRIVALS_TOPIC.to_owned(),
                metadata: Map::new(),
            });
        }
        self.building.message(0, entry.precedes as u32, at, at, |out, few| {
            few.append_to(out);
            entry.encode(out);
        });
        self.tally.hear(&entry.kind);
        Ok(())
    }

    /// Has data forced to disk if it is time to, without waiting for it; to be
    /// called now and then where no records come.
    pub fn tick(&mut self) -> Result<(), RecordingError> {
        self.since_look = 0;
        let due = self.options.sync_every.is_some_and(|every| self.last_sync.elapsed() >= every);
        // What is written under a temporary name is of no use before it is whole.
        if due && !self.options.whole_or_nothing {
            self.last_sync = Instant::now();
            self.close_chunk();
            self.behind.force();
        }
        self.check()
    }

    /// Closes the chunk and gives it to the file system: what was added opens
    /// after a crash of this process, though perhaps not of the machine.
    pub fn hand_over(&mut self) -> Result<(), RecordingError> {
        self.close_chunk();
        self.behind.settle();
        self.check()
    }

    /// Closes the chunk and forces all to disk: what was added opens after a
    /// crash.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        self.close_chunk();
        self.behind.flush();
        self.last_sync = Instant::now();
        self.check()
    }

    /// From now on keeps a copy of each chunk for [`Writer::chunks`].
    pub fn keep_chunks(&mut self) {
        self.kept.get_or_insert_default();
    }

    /// The chunks that were closed since the last call, before they are compressed;
    /// with [`Writer::keep_chunks`] only.
    pub fn chunks(&mut self) -> Vec<Bytes> {
        self.kept.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Records added so far.
    pub fn records(&self) -> u64 {
        self.tally.records
    }

    /// Its file, or the one that it is to become.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes added so far, before they are compressed.
    pub fn bytes(&self) -> u64 {
        self.closed + self.building.bytes.len() as u64
    }

    /// Each partition's offset after its last record; `None`: no record.
    pub fn next_offsets(&self) -> Vec<Option<i64>> {
        self.tally.next_offsets().into_iter().map(|(_, next)| next).collect()
    }

    /// Writes the summary, forces all to disk and (if `whole_or_nothing`)
    /// gives the file its name.
    pub fn finish(mut self) -> Result<Info, RecordingError> {
        self.close_chunk();
        let store = self.behind.end();
        self.finished = true;
        let Some(mut store) = store else { return Err(self.failed_before()) };
        if let Err(error) = self.check() {
            store.discard();
            return Err(error);
        }
        store.finish(&mut self.tally, &self.schemas, self.has_clock, &mut self.info)?;
        Ok(std::mem::take(&mut self.info))
    }

    /// Hands the open chunk to the thread behind.
    fn close_chunk(&mut self) {
        if !self.building.bytes.is_empty() {
            if let Some(kept) = &mut self.kept {
                kept.push(Bytes::copy_from_slice(&self.building.bytes));
            }
            self.closed += self.building.bytes.len() as u64;
            self.behind.chunk(&mut self.building);
        }
    }

    /// The error that the thread behind has met.
    fn check(&self) -> Result<(), RecordingError> {
        if self.behind.failed() {
            return Err(self.behind.trouble().unwrap_or_else(|| self.failed_before()));
        }
        Ok(())
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
        // Cut short by an error elsewhere: what was added stays readable.
        if !self.options.whole_or_nothing && !self.behind.failed() {
            let _ = self.flush();
        }
        if let Some(mut store) = self.behind.end() {
            store.discard();
        }
    }
}

fn header_len((key, value): (&str, Option<&[u8]>)) -> u64 {
    (key.len() + value.map_or(0, <[u8]>::len) + 16) as u64
}

fn name(partition: &TopicPartition, offset: i64) -> RecordName {
    RecordName { topic: partition.topic.clone(), partition: partition.partition, offset }
}
