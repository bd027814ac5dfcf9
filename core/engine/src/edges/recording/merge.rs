//! Several recordings as one (5-recording): by arrival time, then in the order
//! in which the files are given; arrival numbers are given anew.
//!
//! Rules:
//! 1. The order within a file is kept; only the files' next records are compared.
//! 2. A record waits for those of its partition that have smaller offsets,
//!    whichever file holds them: offsets increase within a partition. Where
//!    files contradict each other about that, they are refused.
//! 3. `topic[partition]@offset` in several files is one record, the first of
//!    them, if timestamp, key, value and headers agree; else they are refused.
//! 4. A schema counts for all records, also where it came later in a live run: that
//!    was said in arrival numbers, and the merge has others.
//! 5. Arrival times stay as they are, also where rule 2 lets one go back.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;

use super::batches::Batches;
use super::clock::ClockEntry;
use super::past_damage::NOTE as MISSING;
use super::{
    ArrivalOrder, Compression, Info, Job, Recording, RecordingError, StoredSchema, Writer,
    WriterOptions,
};
use crate::operator::record::{Record, RecordName, TopicPartition};

/// What a merge came to.
#[derive(Clone, Debug)]
pub struct Merged {
    pub info: Info,
    /// Records that were in more than one file, counted once for each file
    /// after the first.
    pub duplicates: u64,
}

/// Writes the records of all files into a new one. Progress is in records read.
///
/// # Errors
/// Files that contradict each other (a record's bytes, a topic's id, the order
/// of offsets, a schema's id), more than one with the clock of a live run,
/// damage, an output that exists, or cancelled. Then there is no output.
pub fn merge(
    files: &[Recording],
    path: &Path,
    compression: Option<Compression>,
    job: &mut Job<'_>,
) -> Result<Merged, RecordingError> {
    let topic_ids = topic_ids(files)?;
    if let Some(second) = files.iter().filter(|f| f.info().clock_events > 0).nth(1) {
        return Err(RecordingError::Missing {
            path: second.path().to_owned(),
            what: "holds the clock of a live run, as another of the files does: two clocks are \
                   not one; merge at most one such recording"
                .to_owned(),
        });
    }
    let mut writer = Writer::create(path, options(files, topic_ids, compression))?;
    let digests: Vec<&str> = files.iter().map(Recording::digest).collect();
    writer.note("merged_from", &digests.join(" "));
    let mut lanes = Lanes::new(files, &mut writer)?;
    for file in files {
        for schema in file.schemas().iter() {
            let schema = StoredSchema { from: 0, ..schema.clone() };
            writer.schema(schema).map_err(|error| match error {
                RecordingError::Record { record, what } => {
                    RecordingError::Record { record, what: format!("{what}, in different files") }
                }
                other => other,
            })?;
        }
    }
    let mut heads = files.iter().map(Head::new).collect::<Result<Vec<_>, _>>()?;
    let total = files.iter().map(Recording::len).sum();
    let (mut arrival, mut read, mut duplicates) = (0, 0, 0);
    while let Some(file) = lanes.next(files, &heads)? {
        let Some(mut record) = heads[file].take()? else { break };
        read += 1;
        if read % 4096 == 0 {
            job.step(read, total)?;
        }
        let lane = lanes.of(file, &record);
        let events = heads[file].events(record.arrival);
        record.arrival = arrival;
        for mut event in events {
            event.precedes = arrival;
            writer.clock(&event)?;
        }
        if lanes.last[lane].is_some_and(|last| record.offset <= last) {
            lanes.same(files, file, lane, &record)?;
            duplicates += 1;
            continue;
        }
        lanes.last[lane] = Some(record.offset);
        record.source = lane as u32;
        writer.add(&record)?;
        arrival += 1;
    }
    for head in &mut heads {
        for mut event in head.events(u64::MAX) {
            event.precedes = arrival;
            writer.clock(&event)?;
        }
    }
    writer.note("merged_duplicates", &duplicates.to_string());
    Ok(Merged { info: writer.finish()?, duplicates })
}

/// A topic has one id in all files that know it.
fn topic_ids(files: &[Recording]) -> Result<BTreeMap<String, String>, RecordingError> {
    let mut ids: BTreeMap<String, (String, &Recording)> = BTreeMap::new();
    for file in files {
        for (topic, id) in &file.info().topic_ids {
            if let Some((known, first)) = ids.get(topic)
                && known != id
            {
                return Err(RecordingError::Missing {
                    path: file.path().to_owned(),
                    what: format!(
                        "topic \"{topic}\" has id {id}, and {known} in {}: they are two topics of \
                         one name (one was deleted and made anew); merge recordings of one of them",
                        first.path().display()
                    ),
                });
            }
            ids.entry(topic.clone()).or_insert_with(|| (id.clone(), file));
        }
    }
    Ok(ids.into_iter().map(|(topic, (id, _))| (topic, id)).collect())
}

fn options(
    files: &[Recording],
    topic_ids: BTreeMap<String, String>,
    compression: Option<Compression>,
) -> WriterOptions {
    let infos = || files.iter().map(Recording::info);
    let first = infos().next().cloned().unwrap_or_default();
    let one_order = infos().all(|info| info.arrival_order == first.arrival_order);
    let one_cluster = infos().all(|info| info.cluster_id == first.cluster_id);
    let mut redactions: Vec<String> = infos().filter_map(|info| info.redaction.clone()).collect();
    redactions.dedup();
    let mut notes = BTreeMap::new();
    for info in infos() {
        for (key, value) in &info.notes {
            notes.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    // What one file is without another may hold: the gaps say what still is missing.
    notes.remove(MISSING);
    let missing: Vec<&str> =
        infos().filter_map(|info| info.notes.get(MISSING).map(String::as_str)).collect();
    if !missing.is_empty() {
        notes.insert("missing_before_merge".to_owned(), missing.join("; "));
    }
    WriterOptions {
        compression: compression
            .or_else(|| Compression::from_name(&first.compression))
            .unwrap_or_default(),
        whole_or_nothing: true,
        arrival_order: if one_order { first.arrival_order } else { ArrivalOrder::Timestamp },
        // Between files the order is only as good as their clocks.
        approximate: !one_order || infos().any(|info| info.approximate),
        cluster_id: first.cluster_id.filter(|_| one_cluster),
        topic_ids,
        redaction: (!redactions.is_empty()).then(|| redactions.join("; ")),
        notes,
        ..WriterOptions::default()
    }
}

/// The partitions of the merge, and who has them.
struct Lanes {
    /// By file and source: the partition's number in the merge.
    of_file: Vec<Vec<usize>>,
    /// Files that hold a partition, with its source there.
    holders: Vec<Vec<(usize, u32)>>,
    /// What each of them has in front.
    ahead: Vec<Vec<Ahead>>,
    partitions: Vec<TopicPartition>,
    /// Largest offset that was written.
    last: Vec<Option<i64>>,
}

impl Lanes {
    fn new(files: &[Recording], writer: &mut Writer) -> Result<Self, RecordingError> {
        let mut lanes = Self {
            of_file: vec![Vec::new(); files.len()],
            holders: Vec::new(),
            ahead: Vec::new(),
            partitions: Vec::new(),
            last: Vec::new(),
        };
        let mut ranges: Vec<(Option<i64>, Option<i64>)> = Vec::new();
        let mut known: HashMap<TopicPartition, usize> = HashMap::new();
        for (file, recording) in files.iter().enumerate() {
            for (source, info) in recording.info().partitions.iter().enumerate() {
                let partition = &info.topic_partition;
                let lane = if let Some(lane) = known.get(partition) {
                    *lane
                } else {
                    let lane = writer.partition(partition.clone())? as usize;
                    known.insert(partition.clone(), lane);
                    lanes.partitions.push(partition.clone());
                    lanes.holders.push(Vec::new());
                    lanes.ahead.push(Vec::new());
                    ranges.push((info.start_offset, info.end_offset));
                    lane
                };
                lanes.of_file[file].push(lane);
                lanes.holders[lane].push((file, source as u32));
                lanes.ahead[lane].push(Ahead::default());
                let (start, end) = &mut ranges[lane];
                *start = start.iter().copied().chain(info.start_offset).min();
                *end = end.iter().copied().chain(info.end_offset).max();
            }
        }
        for (lane, (start, end)) in ranges.into_iter().enumerate() {
            writer.set_range(lane as u32, start, end);
        }
        lanes.last = vec![None; lanes.partitions.len()];
        Ok(lanes)
    }

    fn of(&self, file: usize, record: &Record) -> usize {
        self.of_file[file][record.source as usize]
    }

    /// The file whose next record is the next of the merge; `None`: all are done.
    fn next(
        &mut self,
        files: &[Recording],
        heads: &[Head],
    ) -> Result<Option<usize>, RecordingError> {
        let mut waiting: Vec<(i64, usize)> = heads
            .iter()
            .enumerate()
            .filter_map(|(file, head)| Some((head.records.front()?.arrival_ns, file)))
            .collect();
        waiting.sort_unstable();
        for &(_, file) in &waiting {
            let Some(record) = heads[file].records.front() else { continue };
            if !self.blocked(files, file, record)? {
                return Ok(Some(file));
            }
        }
        let Some((_, file)) = waiting.first() else { return Ok(None) };
        let record = heads[*file].records.front();
        let name = record.map_or_else(String::new, |r| files[*file].name_of(r).to_string());
        Err(RecordingError::Missing {
            path: files[*file].path().to_owned(),
            what: format!(
                "{name} arrives before a record of its partition with a smaller offset that \
                 another file holds, and that one waits for this file in turn: the files \
                 contradict each other about the order of arrival and cannot be one"
            ),
        })
    }

    /// Whether another file has records of its partition that go before it.
    fn blocked(
        &mut self,
        files: &[Recording],
        file: usize,
        record: &Record,
    ) -> Result<bool, RecordingError> {
        let lane = self.of(file, record);
        let after = self.last[lane].unwrap_or(-1);
        if record.offset <= after.saturating_add(1) {
            return Ok(false);
        }
        for (&(other, source), ahead) in self.holders[lane].iter().zip(&mut self.ahead[lane]) {
            if other != file
                && let Some(next) = ahead.behind(&files[other], source, after)?
                && next < record.offset
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A record that another file gave to the merge already must be the same.
    fn same(
        &self,
        files: &[Recording],
        file: usize,
        lane: usize,
        record: &Record,
    ) -> Result<(), RecordingError> {
        let partition = &self.partitions[lane];
        let name = RecordName {
            topic: partition.topic.clone(),
            partition: partition.partition,
            offset: record.offset,
        };
        let mut found = false;
        for (other, _) in self.holders[lane].iter().filter(|(other, _)| *other != file) {
            let Some(theirs) = files[*other].record(&name)? else { continue };
            found = true;
            let what = [
                (
                    "timestamp",
                    theirs.timestamp == record.timestamp
                        && theirs.timestamp_type == record.timestamp_type,
                ),
                ("key", theirs.key == record.key),
                ("value", theirs.value == record.value),
                ("headers", theirs.headers == record.headers),
            ];
            if let Some((what, _)) = what.iter().find(|(_, same)| !same) {
                return Err(RecordingError::Record {
                    record: name.to_string(),
                    what: format!(
                        "its {what} differs between {} and {}: they were recorded from different \
                         topics, or one was redacted",
                        files[*other].path().display(),
                        files[file].path().display()
                    ),
                });
            }
        }
        if found {
            return Ok(());
        }
        Err(RecordingError::Record {
            record: name.to_string(),
            what: format!(
                "{} holds it after larger offsets of its partition",
                files[file].path().display()
            ),
        })
    }
}

/// What a file has of a partition behind what was written of it.
#[derive(Default)]
struct Ahead {
    /// The answer to what was asked last.
    next: Option<Option<i64>>,
    /// Offsets of the chunk in which that lies, from it on, where others lie before it.
    offsets: VecDeque<i64>,
}

impl Ahead {
    /// The file's first offset behind one, which is not smaller than any asked for
    /// before.
    fn behind(
        &mut self,
        file: &Recording,
        source: u32,
        offset: i64,
    ) -> Result<Option<i64>, RecordingError> {
        if let Some(known) = self.next
            && known.is_none_or(|next| offset < next)
        {
            return Ok(known);
        }
        let mut next = self.within(offset);
        if next.is_none()
            && let Some((chunk, span)) = file.first_behind(source, offset)
        {
            next = Some(span.first_offset);
            if span.first_offset <= offset {
                self.offsets = file.offsets(chunk, source)?.into();
                next = self.within(offset);
            }
        }
        self.next = Some(next);
        Ok(next)
    }

    /// The first of the chunk's that is behind one.
    fn within(&mut self, offset: i64) -> Option<i64> {
        let passed = self.offsets.partition_point(|passed| *passed <= offset);
        self.offsets.drain(..passed);
        self.offsets.front().copied()
    }
}

/// Where the reading of a file stands.
struct Head {
    records: VecDeque<Record>,
    batches: Batches,
    clock: VecDeque<ClockEntry>,
}

impl Head {
    fn new(file: &Recording) -> Result<Self, RecordingError> {
        let mut head = Self {
            records: VecDeque::new(),
            batches: file.batches(None, 0),
            clock: VecDeque::new(),
        };
        head.fill()?;
        Ok(head)
    }

    fn fill(&mut self) -> Result<(), RecordingError> {
        while self.records.is_empty()
            && let Some(next) = self.batches.next_with_clock()
        {
            let (records, clock) = next?;
            self.records = records.into();
            self.clock.extend(clock);
        }
        Ok(())
    }

    fn take(&mut self) -> Result<Option<Record>, RecordingError> {
        let record = self.records.pop_front();
        self.fill()?;
        Ok(record)
    }

    /// What its clock decided before an arrival of its own.
    fn events(&mut self, arrival: u64) -> Vec<ClockEntry> {
        let n = self.clock.iter().take_while(|event| event.precedes <= arrival).count();
        self.clock.drain(..n).collect()
    }
}
