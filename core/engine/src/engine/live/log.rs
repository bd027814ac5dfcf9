//! The arrival log: a recording in segments, in the run's folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;

use crate::edges::kafka::TailLane;
use crate::edges::recording::{
    ArrivalOrder, ClockEntry, ClockEntryKind, Compression, Info, PartitionInfo, RecordingError,
    Schemas, Segments, StoredSchema, Writer, WriterOptions, end_segment,
};
use crate::engine::source::{ClockInput, ClockInputKind, Given};
use crate::operator::record::{Arrival, TopicPartition};

/// A segment ends after so many bytes of records, or so many chunks:
/// what a writer must remember until the end of its file stays small, and what
/// has left memory is mostly in a segment that is whole.
const BYTES: u64 = 128 << 20;
const CHUNKS: u64 = 30_000;
/// What stands around a record's bytes in a chunk and its index, about.
const FRAME: u64 = 64;
/// A partition that is read further than its last record, as behind the marker of a
/// transaction, is noted once it rests: between two looks so many ms apart.
const REST_MS: i64 = 10_000;

pub(super) struct ArrivalLog {
    segments: Segments,
    /// Who writes to it is given the chunks ([`ArrivalLog::chunks`]).
    keeps: bool,
    writer: Option<Writer>,
    bytes: u64,
    chunks: u64,
    /// Each partition's next offset: all before it is in the log, or is not there.
    next: Vec<i64>,
    /// The same, as a segment that is cut says it.
    told: Vec<i64>,
    /// `next` at the last look, and when that was, ms.
    seen: (Vec<i64>, i64),
}

/// Where a partition goes on behind the log. Behind its last record it may have been
/// read on to its end, over offsets without a record: that the topic has lost those
/// since is no loss.
pub(super) fn behind(partition: &PartitionInfo) -> Option<i64> {
    partition.last_offset.map(|last| last.saturating_add(1)).max(partition.end_offset)
}

impl ArrivalLog {
    /// The log goes on with segment `number`, where the partitions stand as
    /// `lanes` say. `added` are said of partitions that no segment before it has, and
    /// stand in its first chunk, as their names do: whoever finds one finds both.
    ///
    /// # Errors
    /// The segment cannot be made.
    pub fn begin(
        folder: PathBuf,
        number: u64,
        lanes: &[TailLane],
        cluster_id: Option<String>,
        topic_ids: BTreeMap<String, String>,
        schemas: Schemas,
        added: &[ClockInput],
    ) -> Result<Self, RecordingError> {
        let next: Vec<i64> = lanes.iter().map(|lane| lane.next).collect();
        let options = WriterOptions {
            // Values are read back one by one, at their places.
            compression: Compression::None,
            arrival_order: ArrivalOrder::Read,
            cluster_id,
            topic_ids,
            notes: BTreeMap::from([(
                Info::LIVE.to_owned(),
                "the arrival log of a live run".to_owned(),
            )]),
            ..WriterOptions::default()
        };
        let partitions = lanes.iter().map(|lane| lane.partition.clone()).collect();
        let mut log = Self {
            segments: Segments::new(folder, number, options, partitions, schemas),
            keeps: false,
            writer: None,
            bytes: 0,
            chunks: 0,
            told: next.clone(),
            seen: (next.clone(), i64::MIN),
            next,
        };
        log.open(added)?;
        Ok(log)
    }

    /// Makes the next segment.
    fn open(&mut self, added: &[ClockInput]) -> Result<(), RecordingError> {
        let added: Vec<ClockEntry> =
            added.iter().map(|said| entry(said, self.segments.partitions())).collect();
        let mut writer = self.segments.begin(&self.next, &added)?;
        if self.keeps {
            writer.keep_chunks();
        }
        (self.bytes, self.chunks) = (0, 0);
        self.writer = Some(writer);
        Ok(())
    }

    /// From now on [`ArrivalLog::chunks`] has what is written.
    pub fn keep_chunks(&mut self) {
        self.keeps = true;
        if let Some(writer) = &mut self.writer {
            writer.keep_chunks();
        }
    }

    /// The chunks that were written since the last call, as they lie in the file.
    pub fn chunks(&mut self) -> Vec<Bytes> {
        self.writer.as_mut().map(Writer::chunks).unwrap_or_default()
    }

    /// Keeps a schema before the first record that names it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn schema(&mut self, schema: StoredSchema) -> Result<(), RecordingError> {
        self.segments.schema(schema.clone());
        self.writer.as_mut().map_or(Ok(()), |writer| writer.schema(schema))
    }

    /// Shows a pause of the alignment, or its end; nothing follows from it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn paused(
        &mut self,
        source: u32,
        paused: bool,
        precedes: Arrival,
        at_ns: i64,
    ) -> Result<(), RecordingError> {
        let name = self.segments.partitions()[source as usize].to_string();
        let kind =
            if paused { ClockEntryKind::Paused(name) } else { ClockEntryKind::Resumed(name) };
        let entry = ClockEntry { precedes, at_ns, kind };
        self.writer.as_mut().map_or(Ok(()), |writer| writer.clock(&entry))
    }

    /// Writes what is about to be given to the engine. Afterwards it is in the
    /// file: this process may end.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, given: &Given) -> Result<(), RecordingError> {
        if self.bytes >= BYTES || self.chunks >= CHUNKS {
            self.finish()?;
            self.open(&[])?;
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let mut clock = given.clock.iter().peekable();
        for record in &given.records {
            while let Some(said) = clock.next_if(|said| said.precedes <= record.arrival) {
                writer.clock(&entry(said, self.segments.partitions()))?;
            }
            writer.add(record)?;
            let next = record.offset.saturating_add(1);
            self.next[record.source as usize] = next;
            self.told[record.source as usize] = next;
            self.bytes += FRAME + record.payload() as u64;
        }
        for said in clock {
            writer.clock(&entry(said, self.segments.partitions()))?;
        }
        self.chunks += 1;
        writer.hand_over()?;
        // On the disk once a second.
        writer.tick()
    }

    /// Where the reading stands, all of whose records are written: a partition's end
    /// may lie behind its last record. What rests there is noted in the file, where
    /// a process that is killed leaves it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn reached(&mut self, lanes: &[TailLane], now_ms: i64) -> Result<(), RecordingError> {
        for (next, lane) in self.next.iter_mut().zip(lanes) {
            *next = (*next).max(lane.next);
        }
        let (seen, at_ms) = &mut self.seen;
        if now_ms.saturating_sub(*at_ms) < REST_MS {
            return Ok(());
        }
        *at_ms = now_ms;
        let mut ends = Vec::new();
        for (source, next) in self.next.iter().enumerate() {
            if seen[source] == *next && self.told[source] < *next {
                ends.push((source as u32, *next));
            }
        }
        seen.clone_from(&self.next);
        let Some(writer) = self.writer.as_mut().filter(|_| !ends.is_empty()) else {
            return Ok(());
        };
        for (source, next) in &ends {
            self.told[*source as usize] = *next;
        }
        writer.reached(&ends)?;
        writer.hand_over()
    }

    /// Ends the segment: it is whole by itself.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(&mut self) -> Result<(), RecordingError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        end_segment(writer, &self.next).map(drop)
    }
}

fn entry(said: &ClockInput, partitions: &[TopicPartition]) -> ClockEntry {
    let name = |source: u32| partitions[source as usize].to_string();
    let kind = match said.kind {
        ClockInputKind::Tick => ClockEntryKind::Tick,
        ClockInputKind::Held(source) => ClockEntryKind::Held(name(source)),
        ClockInputKind::Free(source) => ClockEntryKind::Free(name(source)),
        ClockInputKind::Barrier => ClockEntryKind::Barrier(0),
        ClockInputKind::Added(source) => ClockEntryKind::Added(name(source)),
    };
    ClockEntry { precedes: said.precedes, at_ns: said.at_ms.saturating_mul(1_000_000), kind }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::edges::recording::{Recording, Slice, parts_of, slice, unattended};
    use crate::engine::Source;
    use crate::operator::record::Record;

    fn begin(folder: &Path, number: u64, lanes: u32, added: &[ClockInput]) -> ArrivalLog {
        let lane = |partition: u32| TailLane {
            partition: TopicPartition { topic: "t".into(), partition: partition as i32 },
            next: i64::from(partition) * 10,
            end: 100,
            paused: false,
            newest_ms: None,
            waits_since_ms: None,
        };
        let lanes: Vec<TailLane> = (0..lanes).map(lane).collect();
        let (ids, schemas) = (BTreeMap::new(), Schemas::default());
        ArrivalLog::begin(folder.to_owned(), number, &lanes, None, ids, schemas, added).unwrap()
    }

    fn given(arrival: Arrival, source: u32) -> Given {
        let record = Record {
            arrival,
            arrival_ns: 1_000_000 * arrival as i64,
            source,
            offset: i64::from(source) * 10 + arrival as i64,
            ..Record::default()
        };
        Given { records: vec![record], clock: Vec::new() }
    }

    fn added(recording: &Recording) -> Vec<ClockInput> {
        let topics: [Arc<str>; 1] = ["t".into()];
        let batches = Source::batches(recording, &topics, 0).unwrap();
        let said = batches.flat_map(|given| given.unwrap().clock);
        said.filter(|said| matches!(said.kind, ClockInputKind::Added(_))).collect()
    }

    /// A topic's transactions end in markers, and retention may leave nothing before
    /// the log's end: what was read to there is known, and nothing beyond.
    #[test]
    fn a_partition_goes_on_where_it_was_read_to_also_behind_its_last_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::create_dir(&path).unwrap();
        let go_on = || {
            let open = Recording::open(&path).unwrap();
            open.info().partitions.iter().map(behind).collect::<Vec<_>>()
        };
        let lanes = |next: [i64; 2]| -> Vec<TailLane> {
            let lane = |(partition, next)| TailLane {
                partition: TopicPartition { topic: "t".into(), partition },
                next,
                end: 100,
                paused: false,
                newest_ms: None,
                waits_since_ms: None,
            };
            (0..).zip(next).map(lane).collect()
        };
        let mut log = begin(&path, 0, 2, &[]);
        log.write(&given(0, 0)).unwrap();
        log.write(&given(1, 1)).unwrap();
        log.reached(&lanes([2, 13]), 0).unwrap();
        // Not before it rests: each transaction would leave a note of its own.
        log.reached(&lanes([2, 13]), REST_MS - 1).unwrap();
        assert_eq!(go_on(), [Some(1), Some(12)]);
        log.reached(&lanes([2, 14]), REST_MS).unwrap();
        // As a process that is killed leaves it.
        assert_eq!(go_on(), [Some(2), Some(12)]);
        log.reached(&lanes([2, 14]), 2 * REST_MS).unwrap();
        assert_eq!(go_on(), [Some(2), Some(14)]);
        // A record behind it is further.
        log.write(&given(5, 0)).unwrap();
        assert_eq!(go_on(), [Some(6), Some(14)]);
        let cut = Recording::open(&path).unwrap();
        assert!(cut.info().cut.is_some());
        assert_eq!(cut.info().partitions[0].gaps.listed, [(1, 5)]);
        // In order it ends with all that is known.
        log.reached(&lanes([8, 14]), 2 * REST_MS + 1).unwrap();
        log.finish().unwrap();
        assert_eq!(go_on(), [Some(8), Some(14)]);
        let segment = parts_of(&path).unwrap()[0].1.clone();
        let verified = unattended(|job| crate::edges::recording::verify(&segment, job)).unwrap();
        assert!(verified.problems.is_empty(), "{:?}", verified.problems);
        // The next start that is killed knows no less.
        drop(begin(&path, 1, 2, &[]));
        assert_eq!(go_on(), [Some(8), Some(14)]);
    }

    /// However the start ended that found them, and also once the log is one file.
    #[test]
    fn a_partition_that_came_later_stands_in_the_log_with_where_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::create_dir(&path).unwrap();
        let mut log = begin(&path, 0, 2, &[]);
        log.write(&given(0, 0)).unwrap();
        log.write(&given(1, 1)).unwrap();
        drop(log);
        let open = || Recording::open(&path).unwrap();
        assert!(open().later().is_empty() && added(&open()).is_empty());

        let new = ClockInput { precedes: 2, at_ms: 5, kind: ClockInputKind::Added(2) };
        // It ended before it took a record: cut, as after a kill.
        drop(begin(&path, 1, 3, &[new]));
        let names = |r: &Recording| r.partitions().iter().map(|p| p.partition).collect::<Vec<_>>();
        assert_eq!((names(&open()), open().later()), (vec![0, 1, 2], vec![2]));
        assert_eq!(added(&open()), [new]);
        let segment = parts_of(&path).unwrap()[1].1.clone();
        assert_eq!(Recording::open(&segment).unwrap().later(), [2], "by itself too");

        let mut log = begin(&path, 2, 3, &[]);
        log.write(&given(2, 2)).unwrap();
        log.write(&given(3, 0)).unwrap();
        log.finish().unwrap();
        assert_eq!((open().later(), added(&open())), (vec![2], vec![new]));
        assert_eq!(open().len(), 4);
        let verified = unattended(|job| crate::edges::recording::verify(&path, job)).unwrap();
        assert!(verified.sound() && verified.cuts.len() == 2, "{verified:?}");

        let one = folder.path().join("one.mcap");
        unattended(|job| slice(&open(), &Slice::default(), &one, None, job)).unwrap();
        let one = Recording::open(&one).unwrap();
        assert_eq!((one.later(), added(&one)), (vec![2], vec![new]));
    }
}
