//! Reading a recording from its first byte to its last: what a cut file needs,
//! and what verifying does. Every record must be one that a recording has;
//! anything else is where the recording ends.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::chunk::{self, Item};
use super::clock::ClockEntry;
use super::envelope::{self, Brief};
use super::index::{Index, Span};
use super::meta::{self, Map};
use super::source::Source;
use super::summary::{ChunkIndex, Summary};
use super::tally::{Tally, check_order};
use super::wire::{self, ChannelRecord, Fields, MAGIC, op};
use super::{Info, PartitionInfo, RecordingError, Schemas, StoredSchema};
use crate::operator::record::{Arrival, TopicPartition};

/// Checks magic, header and the first metadata record; what it says, and where
/// the rest of the file begins.
pub fn start(source: &Source) -> Result<(Info, u64), RecordingError> {
    let path = &source.path;
    let not = |why: &str| RecordingError::NotARecording { path: path.clone(), why: why.to_owned() };
    let mut bytes = Vec::new();
    source.read(0, source.length.min(MAGIC.len() as u64), &mut bytes)?;
    if bytes.is_empty() {
        return Err(not("the file is empty"));
    }
    if bytes != MAGIC {
        if bytes.len() == MAGIC.len() && bytes[..5] == MAGIC[..5] && bytes[6..] == MAGIC[6..] {
            let version = char::from(bytes[5]).escape_default();
            return Err(not(&format!(
                "it is version {version} of MCAP, and this program reads version 0 (a newer joinscope may read it)"
            )));
        }
        if MAGIC.starts_with(&bytes) {
            return Err(not("it ends within its first 8 bytes"));
        }
        return Err(not("it does not begin as an MCAP file does"));
    }
    // The header and the first metadata are small; a claim beyond is a lie.
    let mut walk = super::source::Walk::new(source, MAGIC.len() as u64);
    let mut next = |wanted: u8, what: &str| -> Result<(u64, Vec<u8>), RecordingError> {
        let mut body = Vec::new();
        match walk.next(&mut body) {
            Ok((_, opcode)) if opcode == wanted => Ok((walk.at, body)),
            Ok(_) => Err(not(&format!("an MCAP file, but its {what} is missing"))),
            Err(super::source::Stop::Cut { byte, why }) => {
                Err(not(&format!("at byte {byte}, in its {what}, {why}")))
            }
            Err(super::source::Stop::Error(error)) => Err(error),
        }
    };
    let (_, header) = next(op::HEADER, "header")?;
    let mut fields = Fields::new(&header);
    let profile = fields.string().unwrap_or_default();
    if profile != meta::PROFILE {
        return Err(not(&format!(
            "an MCAP file of profile \"{}\", not \"{}\"",
            profile.escape_debug(),
            meta::PROFILE
        )));
    }
    let (end, body) = next(op::METADATA, "first metadata record")?;
    let byte = end - body.len() as u64;
    let damaged = |what: &str| {
        let (path, what) = (path.clone(), what.to_owned());
        RecordingError::Beginning { path, byte, what, by_end: false }
    };
    let (name, map) =
        wire::read_metadata(&body).ok_or_else(|| damaged("the first metadata record"))?;
    if name != meta::START || !meta::sealed(&name, &map) {
        return Err(damaged("the first metadata record is not what was written"));
    }
    let version: u32 = map
        .get("format_version")
        .and_then(|v| v.parse().ok())
        .ok_or_else(|| damaged("no format version"))?;
    if version > meta::FORMAT_VERSION {
        return Err(RecordingError::Newer {
            path: path.clone(),
            found: version.to_string(),
            known: meta::FORMAT_VERSION,
            by: map.get("recorder").cloned().unwrap_or_default(),
        });
    }
    let mut info = Info { file_bytes: source.length, ..Info::default() };
    meta::read_start(&map, &mut info).ok_or_else(|| damaged("the first metadata record"))?;
    Ok((info, end))
}

/// What a scan gathers.
#[derive(Debug)]
pub struct Gathered {
    pub tally: Tally,
    pub index: Index,
    pub schemas: Schemas,
    pub compression: String,
    channels: HashMap<u16, ChannelRecord>,
    /// The partitions that have a channel.
    named: HashSet<TopicPartition>,
    /// The message index records that have to follow the last chunk.
    expected: BTreeMap<u16, Vec<u8>>,
    /// The record before which a live run's clock first said something.
    pub heard: Option<Arrival>,
    /// `joinscope/end`, if it came.
    pub end: Option<Map>,
    /// Chunk places and spans as `joinscope/index` gives them.
    pub indexed: Index,
    pub index_sound: bool,
    /// MCAP's summary as it has to be for what came.
    pub summary: Summary,
    last_chunk: Option<LastChunk>,
}

/// What the summary will say of the chunk whose index records follow.
#[derive(Debug)]
struct LastChunk {
    times: Option<(u64, u64)>,
    byte: u64,
    length: u64,
    compression: String,
    compressed: u64,
    uncompressed: u64,
    index_length: u64,
    positions: Vec<(u16, u64)>,
}

/// A message of a chunk that was checked but not counted yet.
struct Checked {
    source: u32,
    arrival_ns: i64,
    brief: Brief,
}

impl Gathered {
    pub fn new() -> Self {
        Self {
            tally: Tally::default(),
            index: Index::default(),
            schemas: Schemas::default(),
            compression: String::new(),
            channels: HashMap::new(),
            named: HashSet::new(),
            expected: BTreeMap::new(),
            heard: None,
            end: None,
            indexed: Index::default(),
            index_sound: true,
            summary: Summary::default(),
            last_chunk: None,
        }
    }

    /// Takes the next record of the data section. On an error nothing of it
    /// was taken.
    pub fn take(&mut self, byte: u64, opcode: u8, body: &[u8]) -> Result<(), String> {
        if opcode != op::MESSAGE_INDEX && !self.close_chunk() {
            return Err("message index records of the chunk before are missing".to_owned());
        }
        let length = (wire::HEAD + body.len()) as u64;
        match opcode {
            op::CHUNK => self.chunk(byte, body),
            op::MESSAGE_INDEX => self.message_index(body),
            op::METADATA => {
                let name = self.metadata(body)?;
                self.summary.metadata(byte, length, &name);
                Ok(())
            }
            op::ATTACHMENT => {
                let found = self.attachment(body)?;
                let (name, size) = (found.name, found.data.len() as u64);
                self.summary.attachment(byte, length, size, name, found.media_type);
                Ok(())
            }
            _ => Err(format!("a record of kind {opcode:#04x} where none belongs")),
        }
    }

    fn message_index(&mut self, body: &[u8]) -> Result<(), String> {
        let channel = Fields::new(body).u16().ok_or("a message index is too short")?;
        if self.expected.get(&channel).is_some_and(|b| b == body) {
            self.expected.remove(&channel);
            if let Some(last) = &mut self.last_chunk {
                last.positions.push((channel, last.index_length));
                last.index_length += (wire::HEAD + body.len()) as u64;
            }
            return Ok(());
        }
        Err("a message index does not fit its chunk".to_owned())
    }

    fn metadata(&mut self, body: &[u8]) -> Result<String, String> {
        let (name, map) = wire::read_metadata(body).ok_or("a metadata record is damaged")?;
        if !meta::sealed(&name, &map) {
            return Err(format!("the CRC of metadata \"{}\" is wrong", name.escape_debug()));
        }
        match name.as_str() {
            meta::END => self.end = Some(map),
            meta::REACHED => {
                for (name, end) in &map {
                    if let Ok(end) = end.parse() {
                        self.tally.reached(name, end);
                    }
                }
            }
            meta::INDEX => {
                let partitions = self.tally.partitions.len();
                self.index_sound &= self.indexed.read(&map, partitions).is_some();
            }
            _ => {}
        }
        Ok(name)
    }

    fn attachment<'a>(&mut self, body: &'a [u8]) -> Result<wire::Attachment<'a>, String> {
        let found = wire::read_attachment(body).ok_or("an attachment is damaged")?;
        if found.name.starts_with(meta::SCHEMA_PREFIX) {
            let schema = read_schema(found.name, found.data)?;
            if !self.schemas.insert(schema) {
                return Err(format!("two different schemas {}", found.name));
            }
        }
        Ok(found)
    }

    fn chunk(&mut self, byte: u64, body: &[u8]) -> Result<(), String> {
        let bytes = chunk::load(body)?;
        let mut raw = (Vec::new(), Vec::new());
        let mut times: Option<(u64, u64)> = None;
        let mut new_channels: Vec<(u16, ChannelRecord)> = Vec::new();
        let mut partitions: Vec<PartitionInfo> = Vec::new();
        let mut named: HashSet<TopicPartition> = HashSet::new();
        let mut checked = Vec::new();
        let mut last_arrival = self.tally.arrivals.map(|(_, last)| last);
        let mut last_offsets: HashMap<u32, i64> = HashMap::new();
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let mut entries: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
        let mut clock = Vec::new();
        let known = self.tally.partitions.len();
        let mut at = 0;
        while at < bytes.len() {
            let from = at;
            let item = chunk::next(&bytes, &mut at).ok_or("a record in a chunk does not fit it")?;
            let message = match item {
                Item::Message(message) => message,
                Item::Other(op::SCHEMA, a, b) => {
                    if !wire::is_schema(&bytes[a..b]) {
                        return Err("a schema record is damaged".to_owned());
                    }
                    raw.0.push(bytes[from..at].to_vec());
                    continue;
                }
                Item::Other(op::CHANNEL, a, b) => {
                    let channel =
                        ChannelRecord::read(&bytes[a..b]).ok_or("a channel record is damaged")?;
                    if let Some(old) = self.channels.get(&channel.id) {
                        if *old != channel {
                            return Err(format!("two different channels {}", channel.id));
                        }
                        continue;
                    }
                    if channel.id != 0 {
                        let partition = partition_of(&channel)
                            .filter(|_| usize::from(channel.id) == known + partitions.len() + 1)
                            .ok_or("a channel is not one of a recording")?;
                        if self.named.contains(&partition) || !named.insert(partition.clone()) {
                            return Err(format!("two channels of {partition}"));
                        }
                        partitions.push(PartitionInfo::new(partition));
                    }
                    new_channels.push((channel.id, channel));
                    raw.1.push(bytes[from..at].to_vec());
                    continue;
                }
                Item::Other(kind, ..) => {
                    return Err(format!("a record of kind {kind:#04x} inside a chunk"));
                }
            };
            match runs.last_mut() {
                Some(run) if run.1 == from => run.1 = at,
                _ => runs.push((from, at)),
            }
            let time = message.log_time;
            times = Some(times.map_or((time, time), |(a, b)| (a.min(time), b.max(time))));
            let entry = entries.entry(message.channel).or_default();
            entry.extend_from_slice(&message.log_time.to_le_bytes());
            entry.extend_from_slice(&(from as u64).to_le_bytes());
            let envelope = &bytes[message.start..message.end];
            let arrival_ns = i64::try_from(message.log_time)
                .map_err(|_| "an arrival time beyond the year 2262".to_owned())?;
            if message.channel == 0 {
                let said = ClockEntry::decode(envelope, arrival_ns);
                clock.push(said.ok_or("a clock event is damaged")?);
                continue;
            }
            let source = u32::from(message.channel) - 1;
            let partition = self
                .tally
                .partitions
                .get(source as usize)
                .or_else(|| partitions.get((source as usize).wrapping_sub(known)))
                .ok_or("a message of a channel that was not introduced")?;
            let brief = envelope::brief(envelope).ok_or("an envelope is damaged")?;
            let last_offset = last_offsets.get(&source).copied().or(partition.last_offset);
            if message.sequence != brief.arrival as u32
                || message.publish_time != wire::publish_time(brief.timestamp)
            {
                return Err("a message's sequence or publish time is not its envelope's".to_owned());
            }
            check_order(partition, last_arrival, last_offset, &brief)?;
            last_arrival = Some(brief.arrival);
            last_offsets.insert(source, brief.offset);
            checked.push(Checked { source, arrival_ns, brief });
        }
        let head = wire::ChunkHead::read(body).ok_or("a chunk's lengths do not add up")?;
        if head.times != times.unwrap_or((0, 0)) {
            return Err("a chunk's times are not those of its messages".to_owned());
        }
        // All of it is sound: count it.
        self.summary.schemas.extend(raw.0);
        self.summary.channels.extend(raw.1);
        self.last_chunk = Some(LastChunk {
            times,
            byte,
            length: (wire::HEAD + body.len()) as u64,
            compression: head.compression.to_owned(),
            compressed: head.data.len() as u64,
            uncompressed: head.uncompressed,
            index_length: 0,
            positions: Vec::new(),
        });
        self.channels.extend(new_channels);
        self.tally.partitions.extend(partitions);
        self.named.extend(named);
        clock.iter().for_each(|said| self.tally.hear(&said.kind));
        self.heard = self.heard.or(clock.first().map(|said| said.precedes));
        for (from, to) in runs {
            self.tally.content.take(&bytes[from..to]);
        }
        let mut spans: Vec<Span> = Vec::new();
        let mut slots: HashMap<u32, usize> = HashMap::new();
        for Checked { source, arrival_ns, brief } in checked {
            self.tally.observe(source, arrival_ns, &brief);
            let offset = brief.offset;
            let slot = *slots.entry(source).or_insert_with(|| {
                spans.push(Span { source, records: 0, first_offset: offset, last_offset: offset });
                spans.len() - 1
            });
            spans[slot].records += 1;
            spans[slot].last_offset = offset;
        }
        self.index.push(byte, (wire::HEAD + body.len()) as u64, &spans);
        self.expected = entries
            .into_iter()
            .map(|(channel, list)| {
                let mut index = channel.to_le_bytes().to_vec();
                wire::prefixed(&mut index, &list);
                (channel, index)
            })
            .collect();
        head.compression.clone_into(&mut self.compression);
        Ok(())
    }

    /// The last chunk and its index records are over; whether all of those came.
    pub fn close_chunk(&mut self) -> bool {
        if let Some(last) = self.last_chunk.take() {
            self.summary.chunk(&ChunkIndex {
                times: last.times,
                byte: last.byte,
                length: last.length,
                index_byte: last.byte + last.length,
                index_length: last.index_length,
                positions: &last.positions,
                compression: &last.compression,
                compressed: last.compressed,
                uncompressed: last.uncompressed,
            });
        }
        std::mem::take(&mut self.expected).is_empty()
    }

    /// Whether a clock's channel came.
    pub fn has_clock(&self) -> bool {
        self.channels.contains_key(&0)
    }
}

/// The partition that a channel stands for.
fn partition_of(channel: &ChannelRecord) -> Option<TopicPartition> {
    let partition = TopicPartition {
        topic: channel.metadata.get("topic")?.as_str().into(),
        partition: channel.metadata.get("partition")?.parse().ok()?,
    };
    (partition.to_string() == channel.topic).then_some(partition)
}

/// The schema in an attachment.
pub fn read_schema(name: &str, data: &[u8]) -> Result<StoredSchema, String> {
    serde_json::from_slice(data).map_err(|error| format!("attachment \"{name}\": {error}"))
}
