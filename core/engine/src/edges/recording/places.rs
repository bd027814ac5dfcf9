//! Single records of files by partition and offset, each found without decoding
//! others where the files are not compressed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use foldhash::fast::RandomState;

use super::chunk::{self, Item};
use super::envelope;
use super::packed::ByOffset;
use super::source;
use super::wire::{ChunkHead, HEAD, op};
use super::{Recording, RecordingError};
use crate::operator::record::Record;

/// Records whose places are remembered (8 bytes each).
const REMEMBERED: usize = 8 << 20;
/// Read at once where a record's length is not known yet.
const GUESS: u64 = 512;
/// Bytes of chunks that are held.
const HELD: usize = 48 << 20;
/// Chunks that a thread has at hand.
const AT_HAND: usize = 8;
/// A chunk is read whole when so many single reads of it …
const BURST: u32 = 32;
/// … are among so many of all chunks: more of it will be wanted at once, as rows
/// expire in the order in which they came. What matches is scattered over
/// everything that rests, and a chunk costs as much as some 300 single reads.
const WITHIN: u32 = 4 * BURST;

/// A file, and a chunk of it.
type Which = (u64, usize);

/// Chunks read last, as they lie in files that are not compressed: one for all
/// files and threads that read from one folder.
#[derive(Debug, Default)]
pub struct Shelf(Mutex<Shelved>);

#[derive(Debug, Default)]
struct Shelved {
    walked: HashMap<Which, (Arc<Walked>, Burst), RandomState>,
    /// The oldest first.
    order: VecDeque<Which>,
    records: usize,
    /// The oldest first.
    chunks: VecDeque<(Which, Bytes)>,
    bytes: usize,
    /// Single reads of all chunks; goes round.
    singles: u32,
}

impl Shelved {
    fn chunk(&self, which: Which) -> Option<Bytes> {
        self.chunks.iter().rev().find(|(of, _)| *of == which).map(|(_, data)| data.clone())
    }

    fn hold(&mut self, which: Which, data: Bytes) {
        self.bytes += data.len();
        self.chunks.push_back((which, data));
        while self.bytes > HELD && self.chunks.len() > 1 {
            self.bytes -= self.chunks.pop_front().map_or(0, |(_, data)| data.len());
        }
    }

    fn remember(&mut self, which: Which, walked: Arc<Walked>) {
        self.records += walked.places.records();
        self.order.push_back(which);
        self.walked.insert(which, (walked, Burst::default()));
        while self.records > REMEMBERED && self.order.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { break };
            let gone = self.walked.remove(&oldest);
            self.records -= gone.map_or(0, |(walked, _)| walked.places.records());
        }
    }
}

/// One thread's way to a [`Shelf`].
#[derive(Debug, Default)]
pub struct Held {
    shelf: Arc<Shelf>,
    /// The one used last at the end.
    at_hand: Vec<(Which, Arc<Walked>, Bytes)>,
}

impl Held {
    /// Another way to the same.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { shelf: Arc::clone(&self.shelf), at_hand: Vec::new() }
    }

    fn take(&mut self, which: Which, walked: &Arc<Walked>, data: &Bytes) {
        if self.at_hand.len() == AT_HAND {
            self.at_hand.remove(0);
        }
        // Counts who holds a record's bytes for this thread alone: a count that
        // threads share costs each of them more than decoding does.
        let own = Bytes::from_owner(data.clone());
        self.at_hand.push((which, Arc::clone(walked), own));
    }
}

/// Finds single records of a recording of one file. Where it is not compressed
/// a chunk is walked once. While it is held its records cost nothing more; then
/// each costs a read of its own, until many come at once and it is held again.
#[derive(Debug)]
pub struct Places {
    recording: Recording,
    /// Tells files apart.
    file: u64,
    buffer: Vec<u8>,
}

/// What is known of a chunk.
#[derive(Debug)]
struct Walked {
    /// Where its data begin in the file; `None`: they are compressed.
    data: Option<u64>,
    /// Its own in the file.
    length: u64,
    places: ByOffset,
}

/// Single reads of a chunk.
#[derive(Clone, Copy, Debug, Default)]
struct Burst {
    count: u32,
    /// Those of all chunks when the count began.
    since: u32,
}

impl Burst {
    /// One more, the one numbered `now` of all; whether they have become many.
    fn grows(&mut self, now: u32) -> bool {
        if self.count == 0 || now.wrapping_sub(self.since) >= WITHIN {
            *self = Self { count: 0, since: now };
        }
        self.count += 1;
        let many = self.count >= BURST;
        if many {
            self.count = 0;
        }
        many
    }
}

impl Places {
    /// `file` is another number for each of the files that share a [`Shelf`].
    #[must_use]
    pub fn new(recording: Recording, file: u64) -> Self {
        Self { recording, file, buffer: Vec::new() }
    }

    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The record of a partition ([`Record::source`]) at an offset.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub fn record(
        &mut self,
        source: u32,
        offset: i64,
        held: &mut Held,
    ) -> Result<Option<Record>, RecordingError> {
        // What is at hand first: an offset is in no other chunk as well.
        let mut hands = held.at_hand.iter().rev().filter(|(which, ..)| which.0 == self.file);
        let found = hands.find_map(|(which, walked, bytes)| {
            Some((which.1, walked.places.find(source, offset)?, bytes))
        });
        if let Some((number, at, bytes)) = found {
            return self.decode(number, bytes, at as usize, source, offset).map(Some);
        }
        let chunk_of = self.recording.opened().index.chunk_of(source, offset);
        let Some(number) = chunk_of else { return Ok(None) };
        let which = (self.file, number);
        if held.at_hand.iter().any(|hand| hand.0 == which) {
            return Ok(None);
        }
        let (walked, bytes) = self.chunk(which, held)?;
        let Some(data) = walked.data else {
            let partition = &self.recording.partitions()[source as usize];
            return self.recording.record(&crate::operator::record::RecordName {
                topic: Arc::clone(&partition.topic),
                partition: partition.partition,
                offset,
            });
        };
        let Some(at) = walked.places.find(source, offset) else { return Ok(None) };
        if let Some(bytes) = bytes {
            held.take(which, &walked, &bytes);
            return self.decode(number, &bytes, at as usize, source, offset).map(Some);
        }
        let bytes = self.single(number, data + u64::from(at), walked.length)?;
        self.decode(number, &bytes, 0, source, offset).map(Some)
    }

    /// What is known of a chunk, and its data where they are held or are worth it.
    /// Whoever wants the same one meanwhile waits instead of reading it as well.
    fn chunk(
        &self,
        which: Which,
        held: &Held,
    ) -> Result<(Arc<Walked>, Option<Bytes>), RecordingError> {
        let mut shelf = held.shelf.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = &mut *shelf;
        let mut bytes = shelf.chunk(which);
        let Some((walked, burst)) = shelf.walked.get_mut(&which) else {
            let (walked, bytes) = self.walk(which.1)?;
            let walked = Arc::new(walked);
            shelf.remember(which, Arc::clone(&walked));
            if let Some(bytes) = &bytes {
                shelf.hold(which, bytes.clone());
            }
            return Ok((walked, bytes));
        };
        let walked = Arc::clone(walked);
        if bytes.is_none() && walked.data.is_some() {
            shelf.singles = shelf.singles.wrapping_add(1);
            if burst.grows(shelf.singles) {
                bytes = self.load(which.1)?.map(|(_, data)| data);
                if let Some(data) = &bytes {
                    shelf.hold(which, data.clone());
                }
            }
        }
        Ok((walked, bytes))
    }

    /// The message at `at`.
    fn decode(
        &self,
        number: usize,
        bytes: &Bytes,
        mut at: usize,
        source: u32,
        offset: i64,
    ) -> Result<Record, RecordingError> {
        let Some(Item::Message(message)) = chunk::next(bytes, &mut at) else {
            return Err(self.damaged(number, "another record stands where a message was"));
        };
        let record = i64::try_from(message.log_time)
            .ok()
            .and_then(|ns| envelope::decode(bytes, message.start, message.end, source, ns));
        let record = record.filter(|record| record.offset == offset);
        record.ok_or_else(|| self.damaged(number, "an envelope"))
    }

    fn damaged(&self, number: usize, what: &str) -> RecordingError {
        let byte = self.recording.opened().index.entry(number).map_or(0, |entry| entry.byte);
        RecordingError::damaged(self.recording.path(), byte, what.to_owned())
    }

    /// The bytes of one message of a chunk, which begins at `at` in the file and is no
    /// longer than that.
    fn single(&mut self, number: usize, at: u64, longest: u64) -> Result<Bytes, RecordingError> {
        let recording = self.recording.clone();
        let file = recording.opened().file()?;
        let mut bytes = std::mem::take(&mut self.buffer);
        file.read(at, GUESS.min(file.length.saturating_sub(at)), &mut bytes)?;
        let (code, length) =
            source::head(&bytes).ok_or_else(|| self.damaged(number, "a record's length"))?;
        let whole = HEAD as u64 + length;
        if code != op::MESSAGE || whole > longest {
            return Err(self.damaged(number, "another record stands where a message was"));
        }
        if whole > bytes.len() as u64 {
            file.read(at, whole, &mut bytes)?;
        }
        bytes.truncate(whole as usize);
        let message = Bytes::copy_from_slice(&bytes);
        self.buffer = bytes;
        Ok(message)
    }

    /// The data of a chunk and where they begin in the file; `None`: they are
    /// compressed.
    fn load(&self, number: usize) -> Result<Option<(u64, Bytes)>, RecordingError> {
        let opened = self.recording.opened();
        let entry = opened.entry(number)?;
        let mut bytes = Vec::new();
        let body = opened.file()?.record(entry.byte, entry.length, op::CHUNK, &mut bytes)?;
        let head = ChunkHead::read(body)
            .ok_or_else(|| self.damaged(number, "a chunk's lengths do not add up"))?;
        if !head.compression.is_empty() {
            return Ok(None);
        }
        if crc32fast::hash(head.data) != head.crc {
            return Err(self.damaged(number, "a chunk's CRC is wrong"));
        }
        // Nothing follows the data.
        let before = HEAD + body.len() - head.data.len();
        Ok(Some((entry.byte + before as u64, Bytes::from(bytes).slice(before..))))
    }

    /// Where each message of a chunk lies, and its data if they are not compressed.
    fn walk(&self, number: usize) -> Result<(Walked, Option<Bytes>), RecordingError> {
        let damaged = |what: &str| self.damaged(number, what);
        let mut places = ByOffset::default();
        let Some((data, bytes)) = self.load(number)? else {
            return Ok((Walked { data: None, length: 0, places }, None));
        };
        let mut at = 0;
        while at < bytes.len() {
            let from = at;
            let item = chunk::next(&bytes, &mut at);
            let item = item.ok_or_else(|| damaged("in the chunk there: a record's length"))?;
            let Item::Message(message) = item else { continue };
            let Some(source) = message.channel.checked_sub(1) else { continue };
            let brief = envelope::brief(&bytes[message.start..message.end])
                .ok_or_else(|| damaged("in the chunk there: an envelope"))?;
            places.add(u32::from(source), brief.offset, from as u32);
        }
        let length = self.recording.opened().entry(number)?.length;
        let walked = Walked { data: Some(data), length, places };
        Ok((walked, Some(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::{Compression, Packed, Writer, WriterOptions};
    use crate::operator::record::{Header, TimestampType, TopicPartition};

    /// With gaps in one partition, and one that is larger than what is read at once.
    fn records() -> Vec<Record> {
        let record = |n: u64| Record {
            arrival: n,
            arrival_ns: 1_000_000 + n as i64,
            source: (n % 2) as u32,
            offset: if n.is_multiple_of(2) { n as i64 / 2 } else { n as i64 * 3 },
            timestamp: (!n.is_multiple_of(3)).then_some(n as i64 - 5),
            timestamp_type: TimestampType::Create,
            leader_epoch: n.is_multiple_of(4).then_some(n as i32),
            key: (!n.is_multiple_of(5)).then(|| format!("key {n}").into()),
            value: (n != 7).then(|| vec![n as u8; if n == 20 { 3000 } else { 10 }].into()),
            headers: (0..n % 3)
                .map(|h| Header {
                    key: format!("h{h}").into(),
                    value: (h == 0).then(|| "v".into()),
                })
                .collect(),
        };
        (0..100).map(record).collect()
    }

    fn got(packed: &Packed, source: u32, offset: i64) -> Option<Record> {
        let mut record = records().swap_remove(3);
        packed.get(&packed.at_hand(), source, offset, &mut record).map(|()| record)
    }

    #[test]
    fn each_is_found_as_it_was_given_and_no_other() {
        let records = records();
        let packed = Packed::of(&records);
        let folder = tempfile::tempdir().unwrap();
        for compression in [Compression::None, Compression::default()] {
            let path = folder.path().join(format!("{}.mcap", compression.name()));
            let options = WriterOptions { compression, ..WriterOptions::default() };
            let mut writer = Writer::create(&path, options).unwrap();
            for partition in 0..2 {
                writer.partition(TopicPartition { topic: "t".into(), partition }).unwrap();
            }
            for record in &records {
                writer.add(record).unwrap();
                if record.arrival % 10 == 9 {
                    writer.hand_over().unwrap();
                }
            }
            writer.finish().unwrap();
            let mut places = Places::new(Recording::open(&path).unwrap(), 0);
            let mut held = Held::default();
            for offset in (-1..310).chain(-1..310) {
                if offset == -1 {
                    // Once from what is held, once each by itself.
                    held = held.another();
                    held.shelf.0.lock().unwrap().chunks.clear();
                }
                for source in 0..3 {
                    let wanted =
                        records.iter().find(|r| (r.source, r.offset) == (source, offset)).cloned();
                    assert_eq!(got(&packed, source, offset), wanted, "{source} {offset}");
                    assert_eq!(places.record(source, offset, &mut held).unwrap(), wanted);
                }
            }
        }
        assert_eq!(packed.firsts().collect::<Vec<_>>(), [(0, 0), (1, 3)]);
        assert_eq!(got(&Packed::of(&[]), 0, 0), None);
    }

    #[test]
    fn a_chunk_is_read_whole_when_much_of_it_is_wanted_at_once() {
        let turns = |every: u32| {
            let (mut burst, mut now) = (Burst::default(), u32::MAX - 50);
            (0..10 * BURST).position(|_| {
                now = now.wrapping_add(every);
                burst.grows(now)
            })
        };
        let many = Some(BURST as usize - 1);
        assert_eq!([turns(1), turns(4)], [many, many]);
        // Never, where others are asked for in between.
        assert_eq!([turns(5), turns(900)], [None, None]);
        let mut burst = Burst::default();
        let whole = (0..3 * BURST).filter(|now| burst.grows(*now)).count();
        assert_eq!(whole, 3);
    }

    #[test]
    fn a_flipped_bit_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r");
        let options = WriterOptions { compression: Compression::None, ..WriterOptions::default() };
        let mut writer = Writer::create(&path, options).unwrap();
        for partition in 0..2 {
            writer.partition(TopicPartition { topic: "t".into(), partition }).unwrap();
        }
        for record in records() {
            writer.add(&record).unwrap();
        }
        writer.finish().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(7).position(|w| w == b"key 42\x3a").unwrap();
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let mut places = Places::new(Recording::open(&path).unwrap(), 0);
        let error = places.record(0, 3, &mut Held::default()).unwrap_err().to_string();
        assert!(error.contains("CRC"), "{error}");
    }
}
