//! A part of a recording as a recording of its own: arrival numbers, schemas
//! and metadata are kept.

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use super::{
    ClockEntry, ClockEntryKind, Compression, Info, Job, Recording, RecordingError, Writer,
    WriterOptions,
};
use crate::operator::figures::plural;
use crate::operator::record::{Record, TopicPartition};
use crate::operator::time::rfc3339_ms;

/// Which time a slice goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SliceTime {
    /// When records arrived.
    #[default]
    Arrival,
    /// What their timestamps say; records without one are left out.
    Timestamp,
}

/// What of a recording is wanted; all conditions hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// All, if empty.
    pub topics: Vec<String>,
    pub time: SliceTime,
    /// From this time on, ms (inclusive).
    pub from_ms: Option<i64>,
    /// Before this time, ms (exclusive).
    pub until_ms: Option<i64>,
    /// Offsets `[from, to)` of these partitions; others of their topics are
    /// left out, other topics are not concerned.
    pub offsets: Vec<(TopicPartition, i64, i64)>,
    /// Kafka keys; all, if empty.
    pub keys: HashSet<Vec<u8>>,
}

impl Slice {
    fn wants(&self, partition: &TopicPartition, record: &Record) -> bool {
        let time = match self.time {
            SliceTime::Arrival => Some(record.arrival_ms()),
            SliceTime::Timestamp => record.timestamp,
        };
        if self.from_ms.is_some() || self.until_ms.is_some() {
            let Some(time) = time else { return false };
            if self.from_ms.is_some_and(|from| time < from)
                || self.until_ms.is_some_and(|until| time >= until)
            {
                return false;
            }
        }
        let mut of_topic =
            self.offsets.iter().filter(|(p, ..)| p.topic == partition.topic).peekable();
        if of_topic.peek().is_some()
            && !of_topic
                .any(|(p, from, to)| p == partition && (*from..*to).contains(&record.offset))
        {
            return false;
        }
        self.keys.is_empty() || record.key.as_ref().is_some_and(|k| self.keys.contains(&k[..]))
    }

    /// What the clock decided, as the slice has it; `None`: it is not of it. Time begins
    /// with the slice and is over with it: as it went before, each partition would be
    /// idle when the first record comes, and as it goes on after, some would go so. What
    /// was so when it begins still is, and a partition that came later did come.
    fn heard(&self, event: ClockEntry) -> Option<ClockEntry> {
        if self.time != SliceTime::Arrival {
            return Some(event);
        }
        let ms = event.at_ns.div_euclid(1_000_000);
        let at = |ms: i64| ms.saturating_mul(1_000_000).max(0);
        if let Some(until) = self.until_ms.filter(|until| ms >= *until) {
            let came = matches!(event.kind, ClockEntryKind::Added(_));
            return came.then_some(ClockEntry { at_ns: at(until), ..event });
        }
        let Some(from) = self.from_ms.filter(|from| ms < *from) else { return Some(event) };
        let passes = matches!(event.kind, ClockEntryKind::Tick | ClockEntryKind::Barrier(_));
        (!passes).then_some(ClockEntry { at_ns: at(from), ..event })
    }

    /// Whether the recording has what is asked for by name, and anything can lie within
    /// the times.
    fn check(&self, recording: &Recording) -> Result<(), RecordingError> {
        let missing =
            |what: String| RecordingError::Missing { path: recording.path().to_owned(), what };
        if let (Some(from), Some(until)) = (self.from_ms, self.until_ms)
            && until <= from
        {
            return Err(missing(format!(
                "nothing lies from {} until {}: the end has to be later than the beginning",
                rfc3339_ms(from),
                rfc3339_ms(until)
            )));
        }
        let has_topic = |t: &str| recording.partitions().iter().any(|p| &*p.topic == t);
        let known = || {
            let mut topics: Vec<_> =
                recording.partitions().iter().map(|p| p.topic.to_string()).collect();
            topics.sort();
            topics.dedup();
            topics.join(", ")
        };
        if let Some(topic) = self.topics.iter().find(|topic| !has_topic(topic)) {
            return Err(missing(format!("has no topic \"{topic}\"; it has {}", known())));
        }
        let mut asked = self.offsets.iter().map(|(partition, ..)| partition);
        match asked.find(|partition| !recording.partitions().contains(partition)) {
            Some(partition) => Err(missing(format!("has no partition {partition}"))),
            None => Ok(()),
        }
    }

    /// Whether it takes all that a topic has.
    fn takes_all_of(&self, topic: &str) -> bool {
        self.from_ms.is_none()
            && self.until_ms.is_none()
            && self.keys.is_empty()
            && self.offsets.iter().all(|(p, ..)| *p.topic != *topic)
    }

    /// The wanted topics; `None`: all.
    fn topics(&self) -> Option<Vec<Arc<str>>> {
        (!self.topics.is_empty()).then(|| self.topics.iter().map(|t| t.as_str().into()).collect())
    }

    /// What is wanted of the offsets `first..=last` of a partition, by its offsets
    /// alone: ascending ranges, none touching the next.
    pub(super) fn offsets_within(
        &self,
        partition: &TopicPartition,
        first: i64,
        last: i64,
    ) -> Vec<(i64, i64)> {
        if !self.offsets.iter().any(|(p, ..)| p.topic == partition.topic) {
            return vec![(first, last)];
        }
        let own = self.offsets.iter().filter(|(p, ..)| p == partition);
        let mut own: Vec<(i64, i64)> = own
            .map(|(_, from, to)| (first.max(*from), last.min(to.saturating_sub(1))))
            .filter(|(first, last)| first <= last)
            .collect();
        // As they were asked for they may overlap, and stand in any order.
        own.sort_unstable();
        own.dedup_by(|next, before| {
            let one = next.0 <= before.1.saturating_add(1);
            if one {
                before.1 = before.1.max(next.1);
            }
            one
        });
        own
    }

    /// As text, for the notes of what comes out.
    fn describe(&self) -> String {
        let mut parts = Vec::new();
        if !self.topics.is_empty() {
            parts.push(format!("topics {}", self.topics.join(", ")));
        }
        if self.from_ms.is_some() || self.until_ms.is_some() {
            parts.push(format!(
                "{:?} time {:?} until {:?} ms",
                self.time, self.from_ms, self.until_ms
            ));
        }
        parts.extend(self.offsets.iter().map(|(p, from, to)| format!("{p}@{from}..{to}")));
        if !self.keys.is_empty() {
            parts.push(plural(self.keys.len() as u64, "key"));
        }
        if parts.is_empty() {
            return "all".to_owned();
        }
        parts.join("; ")
    }
}

/// Writes the wanted part of a recording. Progress is in records read.
///
/// # Errors
/// A topic or partition that the recording does not have, an end that is not after
/// the beginning, damage, an output that exists, or cancelled (then there is no output).
pub fn slice(
    recording: &Recording,
    slice: &Slice,
    path: &Path,
    compression: Option<Compression>,
    job: &mut Job<'_>,
) -> Result<Info, RecordingError> {
    let mut out = Output::create(recording, slice, path, compression)?;
    let (topics, total) = (slice.topics(), recording.info().records);
    let mut read = 0;
    let mut batches = recording.batches(topics.as_deref(), 0);
    while let Some(next) = batches.next_with_clock() {
        let (batch, events) = next?;
        out.clock(events);
        read += batch.len() as u64;
        out.put(batch)?;
        job.step(read, total)?;
    }
    out.finish()
}

/// The recording that a slice becomes.
pub(super) struct Output<'a> {
    recording: &'a Recording,
    slice: &'a Slice,
    pub writer: Writer,
    /// By partition of the recording, its number in the slice; `None`: not wanted.
    pub sources: Vec<Option<u32>>,
    /// By number in the slice: it has the whole range of offsets that the recording has.
    pub ranged: Vec<bool>,
    /// By number in the slice, the offset behind its last record; `None`: none yet.
    pub next: Vec<Option<i64>>,
    /// What the clock decided, as the slice has it, and is not written yet.
    events: VecDeque<ClockEntry>,
}

impl<'a> Output<'a> {
    /// # Errors
    /// A topic or partition that the recording does not have, an end that is not after
    /// the beginning, or an output that exists.
    pub fn create(
        recording: &'a Recording,
        slice: &'a Slice,
        path: &Path,
        compression: Option<Compression>,
    ) -> Result<Self, RecordingError> {
        slice.check(recording)?;
        let info = recording.info();
        let mut writer = Writer::create(path, WriterOptions::like(info, compression))?;
        writer.note("sliced_from", recording.digest());
        writer.note("sliced_by", &slice.describe());
        if let Some(arrival) = info.live_from {
            writer.set_live_from(arrival);
        }
        let topics = slice.topics();
        let mut sources = Vec::with_capacity(info.partitions.len());
        let mut ranged = Vec::new();
        for partition in &info.partitions {
            let of = &partition.topic_partition;
            if !topics.as_ref().is_none_or(|t| t.contains(&of.topic)) {
                sources.push(None);
                continue;
            }
            let source = writer.partition(of.clone())?;
            sources.push(Some(source));
            // What a filter leaves out is no gap at the ends.
            let all = slice.takes_all_of(&of.topic);
            ranged.push(all);
            if all {
                writer.set_range(source, partition.start_offset, partition.end_offset);
            }
        }
        for schema in recording.schemas().iter() {
            writer.schema(schema.clone())?;
        }
        let next = vec![None; sources.len()];
        Ok(Self { recording, slice, writer, sources, ranged, next, events: VecDeque::new() })
    }

    /// Takes what the clock decided, in order; each is written before the record
    /// that it precedes.
    pub fn clock(&mut self, events: Vec<ClockEntry>) {
        let slice = self.slice;
        self.events.extend(events.into_iter().filter_map(|event| slice.heard(event)));
    }

    /// Takes records of the recording, in order, and writes the wanted ones.
    pub fn put(&mut self, records: impl IntoIterator<Item = Record>) -> Result<(), RecordingError> {
        for mut record in records {
            let source = record.source as usize;
            let Some(new) = self.sources[source] else { continue };
            if !self.slice.wants(&self.recording.partitions()[source], &record) {
                continue;
            }
            while self.events.front().is_some_and(|e| e.precedes <= record.arrival)
                && let Some(event) = self.events.pop_front()
            {
                self.writer.clock(&event)?;
            }
            record.source = new;
            self.writer.add(&record)?;
            self.next[new as usize] = Some(record.offset.saturating_add(1));
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<Info, RecordingError> {
        while let Some(event) = self.events.pop_front() {
            self.writer.clock(&event)?;
        }
        self.writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::tests::{folder, partition};
    use crate::edges::recording::{PartitionInfo, unattended};
    use crate::operator::record::TimestampType;

    /// What the clock decided before the slice and after it would let time go by there
    /// without a record: partitions would go idle that never were.
    #[test]
    fn a_slice_begins_and_ends_where_it_was_to_for_the_clock_too() {
        let (folder, path) = folder();
        let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
        writer.partition(partition("views", 0)).unwrap();
        let second = |n: u64| n as i64 * 1_000_000_000;
        for arrival in 0..6u64 {
            let kind = match arrival {
                4 => ClockEntryKind::Added("views[0]".to_owned()),
                _ => ClockEntryKind::Tick,
            };
            let at_ns = second(arrival) - i64::from(arrival > 0);
            writer.clock(&ClockEntry { precedes: arrival, at_ns, kind }).unwrap();
            let record = Record {
                arrival,
                arrival_ns: second(arrival),
                offset: arrival as i64,
                timestamp: Some(arrival as i64),
                timestamp_type: TimestampType::Create,
                ..Default::default()
            };
            writer.add(&record).unwrap();
        }
        let end = ClockEntry { precedes: 6, at_ns: second(60), kind: ClockEntryKind::Tick };
        writer.clock(&end).unwrap();
        writer.finish().unwrap();
        let recording = Recording::open(&path).unwrap();
        let heard = |name: &str, wanted: &Slice| {
            let to = folder.path().join(name);
            unattended(|job| slice(&recording, wanted, &to, None, job)).unwrap();
            let events = Recording::open(&to).unwrap().clock_events().unwrap();
            assert!(events.is_sorted_by_key(|event| event.at_ns));
            events.iter().map(|event| event.precedes).collect::<Vec<_>>()
        };
        // Just before it ends, and that a partition came.
        let until = |ms| Slice { until_ms: Some(ms), ..Slice::default() };
        assert_eq!(heard("three", &until(3_000)), [0, 1, 2, 3, 4]);
        assert_eq!(heard("two", &until(2_999)), [0, 1, 2, 4]);
        let last = Recording::open(&folder.path().join("two")).unwrap().clock_events().unwrap();
        assert_eq!(last[3].at_ns, 2_999_000_000);
        assert_eq!(heard("all", &until(60_001)), [0, 1, 2, 3, 4, 5, 6]);
        let from = |ms| Slice { from_ms: Some(ms), ..Slice::default() };
        assert_eq!(heard("from three", &from(3_000)), [4, 5, 6]);
        // That one came is said of the beginning.
        assert_eq!(heard("from five", &from(5_000)), [4, 6]);
        let first = Recording::open(&folder.path().join("from five")).unwrap();
        assert_eq!(first.clock_events().unwrap()[0].at_ns, second(5));
        assert_eq!(heard("none", &until(-5)), [4]);
        let stamped = Slice { time: SliceTime::Timestamp, ..until(3) };
        assert_eq!(heard("stamped", &stamped), [0, 1, 2, 3, 4, 5, 6]);
    }

    /// As a transaction's marker at the end of a partition, and what was deleted before
    /// its beginning: without the range it was not known that all of it is there.
    #[test]
    fn of_what_it_takes_all_of_a_slice_has_the_range() {
        let (folder, path) = folder();
        let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
        for (source, topic) in ["views", "clicks", "none"].into_iter().enumerate() {
            writer.partition(partition(topic, 0)).unwrap();
            writer.set_range(source as u32, Some(3), Some(20));
        }
        for arrival in 0..4u64 {
            let (source, offset) = (arrival as u32 % 2, 5 + arrival as i64);
            writer.add(&Record { arrival, source, offset, ..Record::default() }).unwrap();
        }
        writer.finish().unwrap();
        let recording = Recording::open(&path).unwrap();
        let ranges = |name: &str, wanted: &Slice| {
            let to = folder.path().join(name);
            let info = unattended(|job| slice(&recording, wanted, &to, None, job)).unwrap();
            let range = |p: &PartitionInfo| (p.start_offset, p.end_offset, p.gaps.offsets);
            info.partitions.iter().map(range).collect::<Vec<_>>()
        };
        let whole = (Some(3), Some(20), 15);
        let empty = (Some(3), Some(20), 17);
        assert_eq!(ranges("all", &Slice::default()), [whole, whole, empty]);
        let topics = Slice { topics: vec!["clicks".to_owned()], ..Slice::default() };
        assert_eq!(ranges("clicks", &topics), [whole]);
        let offsets = Slice { offsets: vec![(partition("views", 0), 6, 20)], ..Slice::default() };
        assert_eq!(ranges("views", &offsets), [(Some(7), Some(8), 0), whole, empty]);
        let time = Slice { from_ms: Some(0), ..Slice::default() };
        assert_eq!(ranges("time", &time)[2], (None, None, 0));
    }
}
