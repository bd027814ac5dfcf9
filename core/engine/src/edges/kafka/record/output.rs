//! The file that is recorded into, and what goes into it besides records.

use std::time::{Duration, Instant};

use super::super::KafkaError;
use super::super::convert::{Block, Headers};
use super::super::registry::{Part, Registry};
use super::Lane;
use super::files::Files;
use crate::edges::recording::{Compression, Draft, RecordingError, Redactor};
use crate::operator::codec::SchemaRef;
use crate::operator::record::{Record, RecordName, TimestampType, TopicPartition};

/// A live recording lies on disk so soon, also when no record follows.
const QUIET: Duration = Duration::from_secs(1);

/// The file, and what goes into it besides records.
pub(super) struct Output {
    pub files: Files,
    pub registry: Option<Registry>,
    /// What others may not see is taken away before the file has it.
    pub redactor: Option<Redactor>,
    pub records: u64,
    /// Arrival times are record timestamps.
    pub merged: bool,
    limit: Option<u64>,
    partitions: Vec<TopicPartition>,
    /// Each partition's offset after its last record that was written.
    pub written: Vec<i64>,
    /// Records that were flushed, and when.
    flushed: (u64, Instant),
}

impl Output {
    pub fn new(
        files: Files,
        registry: Option<Registry>,
        redactor: Option<Redactor>,
        merged: bool,
        limit: Option<u64>,
        lanes: &[Lane],
    ) -> Self {
        Self {
            files,
            registry,
            redactor,
            merged,
            partitions: lanes.iter().map(|lane| lane.partition.clone()).collect(),
            records: 0,
            limit,
            written: lanes.iter().map(|lane| lane.start).collect(),
            flushed: (0, Instant::now()),
        }
    }

    /// Called several times a second, so that what was written lies on disk soon.
    /// The writer looks at its clock once in many records: where few come, this has
    /// it look; where none come (`quiet`), this flushes.
    pub fn keep_up(&mut self, quiet: bool) -> Result<(), KafkaError> {
        self.files.look()?;
        if !quiet {
            return Ok(self.files.writer.tick()?);
        }
        let (records, at) = self.flushed;
        if at.elapsed() > QUIET {
            if records < self.records {
                self.files.writer.flush()?;
            }
            self.flushed = (self.records, Instant::now());
        }
        Ok(())
    }

    /// Gives a record its arrival and writes it; true when the limit is reached.
    pub fn write(&mut self, mut record: Record, arrival_ns: i64) -> Result<bool, KafkaError> {
        record.arrival = self.records;
        record.arrival_ns = arrival_ns;
        if !self.redact(&mut record)? {
            self.written[record.source as usize] = record.offset.saturating_add(1);
            return Ok(false);
        }
        let headers = record.headers.iter().map(|h| (&*h.key, h.value.as_deref()));
        self.schemas(record.key.as_deref(), record.value.as_deref(), headers)?;
        self.files.approximate |= self.merged && record.timestamp_type == TimestampType::Create;
        self.files.writer.add(&record)?;
        self.wrote(record.source, record.offset)
    }

    /// The same for a record that goes straight from its message into the file.
    #[inline]
    pub fn write_draft(
        &mut self,
        mut draft: Draft<'_>,
        headers: Headers<'_>,
        arrival_ns: i64,
    ) -> Result<bool, KafkaError> {
        if self.redactor.is_some() {
            let record = Block::of_one(&draft).record(draft, headers);
            return self.write(record, arrival_ns);
        }
        draft.arrival = self.records;
        draft.arrival_ns = arrival_ns;
        let named = headers.iter().map(|(key, value)| (key.as_ref(), *value));
        self.schemas(draft.key, draft.value, named)?;
        self.files.writer.add_draft(&draft, &headers)?;
        self.wrote(draft.source, draft.offset)
    }

    #[inline]
    fn wrote(&mut self, source: u32, offset: i64) -> Result<bool, KafkaError> {
        self.written[source as usize] = offset.saturating_add(1);
        self.records += 1;
        if self.limit.is_some_and(|limit| self.records >= limit) {
            return Ok(true);
        }
        self.files.wrote()?;
        Ok(false)
    }

    /// What comes now comes while it is recorded.
    pub fn go_live(&mut self, compression: Compression) {
        self.merged = false;
        self.files.go_live(self.records, compression);
    }

    /// Takes away what others may not see; false: the record is to be left out.
    fn redact(&mut self, record: &mut Record) -> Result<bool, KafkaError> {
        let Some(redactor) = &mut self.redactor else { return Ok(true) };
        let of = &self.partitions[record.source as usize];
        redactor.redact(&of.topic, record).map_err(|what| {
            let (topic, partition) = (of.topic.clone(), of.partition);
            let name = RecordName { topic, partition, offset: record.offset };
            RecordingError::Record { record: name.to_string(), what }.into()
        })
    }

    /// Keeps the schemas that a key and a value name.
    #[inline]
    fn schemas<'h>(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl DoubleEndedIterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Result<(), KafkaError> {
        if let Some(registry) = &mut self.registry {
            let key = key.map_or(Ok(None), |key| registry.see(key, Part::Key))?;
            let id = value.and_then(|value| id_of(value, headers));
            let value = id.map_or(Ok(None), |id| registry.fetch(id, Part::Value))?;
            for schema in [key, value].into_iter().flatten() {
                self.files.schema(schema)?;
            }
        }
        Ok(())
    }
}

/// The id of the schema that a value names: where a header names it, the value is all
/// body and may begin with anything.
#[inline]
fn id_of<'h>(
    value: &[u8],
    headers: impl DoubleEndedIterator<Item = (&'h str, Option<&'h [u8]>)>,
) -> Option<u32> {
    match SchemaRef::of_value(value, headers)? {
        (SchemaRef::Id(id), _) => Some(id),
        (SchemaRef::Guid(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::{Recording, WriterOptions};

    /// Found by reading: a body behind a header that names its schema was asked for as
    /// framed, and the schema that the header names was not.
    #[test]
    fn where_a_header_names_the_schema_the_value_is_all_body() {
        fn own(value: Option<&[u8]>) -> (&str, Option<&[u8]>) {
            ("__value_schema_id", value)
        }
        let framed: &[u8] = &[0, 0, 0, 0, 7, b'x'];
        let guid = [&[1][..], &[9; 16]].concat();
        let of = |value: &[u8], headers: &[(&str, Option<&[u8]>)]| {
            id_of(value, headers.iter().map(|(key, value)| (*key, *value)))
        };
        assert_eq!(of(framed, &[]), Some(7));
        assert_eq!(of(framed, &[("trace", Some(b"1")), own(None)]), Some(7));
        assert_eq!(of(framed, &[own(Some(&[0, 0, 0, 0, 8])), ("trace", None)]), Some(8));
        assert_eq!(of(b"body", &[own(Some(&[0, 0, 0, 0, 8]))]), Some(8));
        assert_eq!(of(framed, &[own(Some(&guid))]), None);
        assert_eq!(of(b"body", &[]), None);
    }

    #[test]
    fn what_trickles_in_lies_on_disk_soon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.mcap");
        let every = Some(Duration::from_millis(20));
        let options = WriterOptions { sync_every: every, ..WriterOptions::default() };
        let partition = TopicPartition { topic: "t".into(), partition: 0 };
        let lane = Lane { partition, start: 0, backlog: 0, stop: None, next: 0 };
        let files =
            Files::create(&path, None, options, vec![lane.partition.clone()], vec![0]).unwrap();
        let mut output = Output::new(files, None, None, false, None, &[lane]);
        let mut on_disk = 0;
        // Too few for the writer to look at its clock, too many for it to be quiet.
        for offset in 0..300 {
            let record = Record { offset, ..Record::default() };
            output.write(record, offset).unwrap();
            std::thread::sleep(Duration::from_millis(10));
            output.keep_up(false).unwrap();
            on_disk = Recording::open(&path).unwrap().len();
            if on_disk > 0 {
                break;
            }
        }
        assert!(on_disk > 0, "a kill would have taken all of it");
    }
}
