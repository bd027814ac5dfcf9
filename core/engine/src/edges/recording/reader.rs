//! An open recording and the questions asked of it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use super::batches::{self, Batches};
use super::chunk::{self, Item};
use super::clock::ClockEntry;
use super::envelope;
use super::index::{ChunkEntry, Cursor, Span};
use super::open::{self, Opened};
use super::packed::ByOffset;
use super::parts;
use super::source::Source;
use super::{Info, RecordingError, Schemas};
use crate::operator::record::{Record, RecordName, TopicPartition};

/// Decoded chunks that are kept for questions about single records.
const KEPT: usize = 6;
/// Larger ones are not kept, bytes.
const KEPT_BYTES: usize = 8 << 20;

/// An open recording; clones share it.
#[derive(Clone, Debug)]
pub struct Recording {
    inner: Arc<Inner>,
    /// Its own and those that it was given.
    schemas: Arc<Schemas>,
    given: Arc<Schemas>,
}

#[derive(Debug)]
struct Inner {
    opened: Opened,
    partitions: Vec<TopicPartition>,
    recent: Mutex<VecDeque<(usize, Arc<Decoded>)>>,
}

/// All records of a chunk.
#[derive(Debug)]
pub(super) struct Decoded {
    pub records: Vec<Record>,
    /// Where each lies among them, once one is asked for.
    places: OnceLock<ByOffset>,
}

impl Decoded {
    fn find(&self, source: u32, offset: i64) -> Option<&Record> {
        let places = self.places.get_or_init(|| {
            let mut places = ByOffset::default();
            for (at, record) in self.records.iter().enumerate() {
                places.add(record.source, record.offset, at as u32);
            }
            places
        });
        self.records.get(places.find(source, offset)? as usize)
    }
}

impl Recording {
    /// Opens a recording. A file that was cut off or never finished opens up
    /// to the cut; [`Info::cut`] says where. A folder opens as the one recording
    /// whose segments lie in it (a live run's arrival log).
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        if path.is_dir() {
            return Ok(Self::from_opened(parts::open(path)?));
        }
        Self::from_source(Source::open(path)?)
    }

    /// The same; a file whose beginning is damaged opens by its end, where that is whole:
    /// it says all that the beginning does. What else is damaged is found as it is read.
    pub fn open_past_damage(path: &Path) -> Result<Self, RecordingError> {
        if path.is_dir() {
            return Self::open(path);
        }
        Ok(Self::from_opened(open::open_past_damage(Source::open(path)?)?))
    }

    /// The same recording once more, which may have grown: the arrival log of a run in
    /// progress. Of a folder that is open only what may have changed is read.
    pub fn grown(&self) -> Result<Self, RecordingError> {
        if self.path().is_dir() {
            return Ok(Self::from_opened(parts::grown(&self.inner.opened)?));
        }
        Self::open(self.path())
    }

    /// Opens a recording whose bytes are in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, RecordingError> {
        Self::from_source(Source::memory(bytes))
    }

    fn from_source(source: Source) -> Result<Self, RecordingError> {
        Ok(Self::from_opened(open::open(source)?))
    }

    fn from_opened(mut opened: Opened) -> Self {
        let schemas = Arc::new(std::mem::take(&mut opened.schemas));
        opened.index.shrink();
        let partitions = opened.info.partitions.iter().map(|p| p.topic_partition.clone()).collect();
        let recent = Mutex::new(VecDeque::new());
        let inner = Arc::new(Inner { opened, partitions, recent });
        Self { inner, schemas, given: Arc::default() }
    }

    pub(super) fn opened(&self) -> &Opened {
        &self.inner.opened
    }

    pub fn path(&self) -> &Path {
        &self.inner.opened.path
    }

    /// [`Record::source`] is the position in this list.
    pub fn partitions(&self) -> &[TopicPartition] {
        &self.inner.partitions
    }

    pub fn info(&self) -> &Info {
        &self.inner.opened.info
    }

    /// Its own, and those that it was given.
    pub fn schemas(&self) -> Arc<Schemas> {
        Arc::clone(&self.schemas)
    }

    /// The same recording with schemas that it lacks; its own stay what they are.
    /// The file and the digest are not concerned: what keeps either keeps these
    /// beside it.
    #[must_use]
    pub fn with_schemas(mut self, given: &Schemas) -> Self {
        let lacking: Vec<_> =
            given.iter().filter(|schema| self.schemas.get(schema.id).is_none()).collect();
        if lacking.is_empty() {
            return self;
        }
        let (mut all, mut kept) = ((*self.schemas).clone(), (*self.given).clone());
        for schema in lacking {
            all.insert(schema.clone());
            kept.insert(schema.clone());
        }
        (self.schemas, self.given) = (Arc::new(all), Arc::new(kept));
        self
    }

    /// The schemas of [`Recording::with_schemas`].
    pub fn given_schemas(&self) -> &Schemas {
        &self.given
    }

    /// 32 hex digits over all records, their partitions, times and order, the
    /// schemas and the clock events; not over compression or metadata. As it
    /// was written; `verify` computes it anew.
    pub fn digest(&self) -> &str {
        &self.inner.opened.digest
    }

    /// Number of records.
    pub fn len(&self) -> u64 {
        self.inner.opened.info.records
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records of `topics` (all if `None`) in arrival order, from the
    /// `from`-th of them on.
    pub fn batches(&self, topics: Option<&[Arc<str>]>, from: u64) -> Batches {
        Batches::new(self.clone(), topics, from)
    }

    /// The record of that name.
    pub fn record(&self, name: &RecordName) -> Result<Option<Record>, RecordingError> {
        let found = self
            .inner
            .partitions
            .iter()
            .position(|p| p.partition == name.partition && p.topic == name.topic);
        let Some(source) = found.map(|at| at as u32) else { return Ok(None) };
        let Some(chunk) = self.inner.opened.index.chunk_of(source, name.offset) else {
            return Ok(None);
        };
        Ok(self.chunk(chunk)?.find(source, name.offset).cloned())
    }

    /// The first chunk with a record of a partition behind an offset.
    pub(super) fn first_behind(&self, source: u32, offset: i64) -> Option<(usize, Span)> {
        self.inner.opened.index.first_behind(source, offset)
    }

    /// The offsets of a partition in a chunk.
    pub(super) fn offsets(&self, chunk: usize, source: u32) -> Result<Vec<i64>, RecordingError> {
        let chunk = self.chunk(chunk)?;
        let mine = chunk.records.iter().filter(|record| record.source == source);
        Ok(mine.map(|record| record.offset).collect())
    }

    /// Records `first..first + n` of all topics, in arrival order.
    pub fn page(&self, first: u64, n: usize) -> Result<Vec<Record>, RecordingError> {
        let mut page = Vec::with_capacity(n.min(batches::BATCH));
        let index = &self.inner.opened.index;
        let mut at = first;
        while page.len() < n {
            let Some(chunk) = index.chunk_at(at) else { break };
            let before = self.inner.opened.entry(chunk)?.before;
            let decoded = self.chunk(chunk)?;
            let records = &decoded.records;
            page.extend(records.iter().skip((at - before) as usize).take(n - page.len()).cloned());
            at = before + records.len() as u64;
        }
        Ok(page)
    }

    /// What the clock of the live run decided that was recorded with this.
    pub fn clock_events(&self) -> Result<Vec<ClockEntry>, RecordingError> {
        let mut all = Vec::new();
        self.clock_of_each(|events| {
            all.append(events);
            false
        })?;
        Ok(all)
    }

    /// Whether the clock decided something that is so. Reads no further than that.
    pub fn any_clock_event(
        &self,
        said: impl Fn(&ClockEntry) -> bool,
    ) -> Result<bool, RecordingError> {
        self.clock_of_each(|events| events.drain(..).any(|event| said(&event)))
    }

    /// Goes through what the clock decided, chunk by chunk, until `take` says that it is
    /// enough; whether it did.
    fn clock_of_each(
        &self,
        mut take: impl FnMut(&mut Vec<ClockEntry>) -> bool,
    ) -> Result<bool, RecordingError> {
        let opened = &self.inner.opened;
        if opened.info.clock_events == 0 {
            return Ok(false);
        }
        let (mut body, mut events, mut cursor) = (Vec::new(), Vec::new(), Cursor::default());
        for number in 0..opened.index.chunks() {
            let Some((entry, _)) = cursor.get(&opened.index, number) else { break };
            self.clock_of(&entry, &mut body, &mut events)?;
            if take(&mut events) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the clock decided that stands in one chunk.
    fn clock_of(
        &self,
        entry: &ChunkEntry,
        body: &mut Vec<u8>,
        events: &mut Vec<ClockEntry>,
    ) -> Result<(), RecordingError> {
        let bytes = self.inner.opened.load(entry, body)?;
        let mut at = 0;
        while at < bytes.len() {
            let damaged = || {
                RecordingError::damaged(self.path(), entry.byte, "a clock event in the chunk there")
            };
            match chunk::next(&bytes, &mut at).ok_or_else(damaged)? {
                Item::Message(m) if m.channel == 0 => {
                    let event = i64::try_from(m.log_time)
                        .ok()
                        .and_then(|at_ns| ClockEntry::decode(&bytes[m.start..m.end], at_ns));
                    events.push(event.ok_or_else(damaged)?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A chunk by itself: its records, and what the clock decided among them.
    pub(super) fn part(
        &self,
        number: usize,
    ) -> Result<(Arc<Decoded>, Vec<ClockEntry>), RecordingError> {
        let records = self.chunk(number)?;
        let mut events = Vec::new();
        if self.info().clock_events > 0 {
            let entry = self.inner.opened.entry(number)?;
            self.clock_of(&entry, &mut Vec::new(), &mut events)?;
        }
        Ok((records, events))
    }

    /// The name of a record of this recording.
    pub fn name_of(&self, record: &Record) -> RecordName {
        let partition = &self.inner.partitions[record.source as usize];
        RecordName {
            topic: Arc::clone(&partition.topic),
            partition: partition.partition,
            offset: record.offset,
        }
    }

    /// All records of a chunk, from the few that are kept or from the file.
    fn chunk(&self, number: usize) -> Result<Arc<Decoded>, RecordingError> {
        {
            let mut recent = self.inner.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = recent.iter().position(|(n, _)| *n == number)
                && let Some(found) = recent.remove(at)
            {
                let records = Arc::clone(&found.1);
                recent.push_front(found);
                return Ok(records);
            }
        }
        let opened = &self.inner.opened;
        let entry = opened.entry(number)?;
        let mut body = Vec::new();
        let bytes = Bytes::from(opened.load(&entry, &mut body)?);
        let damaged = |what: &str| {
            RecordingError::damaged(self.path(), entry.byte, format!("in the chunk there: {what}"))
        };
        let mut records = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let item = chunk::next(&bytes, &mut at).ok_or_else(|| damaged("a record's length"))?;
            let Item::Message(m) = item else { continue };
            if m.channel == 0 {
                continue;
            }
            let source = u32::from(m.channel) - 1;
            if source as usize >= self.inner.partitions.len() {
                return Err(damaged("a message of an unknown channel"));
            }
            let record = i64::try_from(m.log_time)
                .ok()
                .and_then(|ns| envelope::decode(&bytes, m.start, m.end, source, ns));
            records.push(record.ok_or_else(|| damaged("an envelope"))?);
        }
        if records.len() != entry.records as usize {
            return Err(damaged("another number of records than the index says"));
        }
        let records = Arc::new(Decoded { records, places: OnceLock::new() });
        if bytes.len() <= KEPT_BYTES {
            let mut recent = self.inner.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.push_front((number, Arc::clone(&records)));
            recent.truncate(KEPT);
        }
        Ok(records)
    }
}
