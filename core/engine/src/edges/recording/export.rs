//! A recording as a Parquet file, for tools that ask tables. Its metadata carries
//! what `import parquet` needs to make the recording again: all but the clock of
//! a live run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Int32Builder, Int64Builder, ListBuilder, RecordBatch, StringBuilder,
    StringDictionaryBuilder, StructBuilder, TimestampMillisecondBuilder,
    TimestampNanosecondBuilder, UInt64Builder,
};
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Packing, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use super::{ArrivalOrder, Info, Job, Recording, RecordingError, StoredSchema, whole};
use crate::operator::record::{Record, TimestampType};

/// The key of the file's metadata under which [`Described`] stands.
pub const DESCRIBED: &str = "joinscope.recording";
/// Rows of a row group.
const GROUP: usize = 1 << 17;
/// Bytes of a row group, about: all of it is in memory until it is whole.
const GROUP_BYTES: usize = 128 << 20;

/// What is known of a recording besides its records.
#[derive(Debug, Serialize, Deserialize)]
pub struct Described {
    /// Of this description.
    pub version: u32,
    pub arrival_order: String,
    pub approximate: bool,
    pub live_from: Option<u64>,
    pub cluster_id: Option<String>,
    pub topic_ids: BTreeMap<String, String>,
    pub redaction: Option<String>,
    pub notes: BTreeMap<String, String>,
    /// Topic, partition, start and end of the recorded range.
    pub partitions: Vec<(String, i32, Option<i64>, Option<i64>)>,
    pub schemas: Vec<StoredSchema>,
}

/// The version of [`Described`] that is written here.
pub const VERSION: u32 = 1;

impl Described {
    fn of(recording: &Recording) -> Self {
        let info = recording.info();
        Self {
            version: VERSION,
            arrival_order: info.arrival_order.as_str().to_owned(),
            approximate: info.approximate,
            live_from: info.live_from,
            cluster_id: info.cluster_id.clone(),
            topic_ids: info.topic_ids.clone(),
            redaction: info.redaction.clone(),
            notes: info.notes.clone(),
            partitions: info
                .partitions
                .iter()
                .map(|p| {
                    let of = &p.topic_partition;
                    (of.topic.to_string(), of.partition, p.start_offset, p.end_offset)
                })
                .collect(),
            schemas: recording.schemas().iter().cloned().collect(),
        }
    }

    /// What a recording that is made of it begins with.
    pub fn info(&self) -> Option<Info> {
        Some(Info {
            arrival_order: ArrivalOrder::parse(&self.arrival_order)?,
            approximate: self.approximate,
            cluster_id: self.cluster_id.clone(),
            topic_ids: self.topic_ids.clone(),
            redaction: self.redaction.clone(),
            notes: self.notes.clone(),
            ..Info::default()
        })
    }
}

fn header_fields() -> Fields {
    vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Binary, true)]
        .into()
}

/// The columns of an exported recording.
pub fn schema() -> Schema {
    let time = |unit| DataType::Timestamp(unit, Some("UTC".into()));
    let topic = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let header = Field::new("header", DataType::Struct(header_fields()), false);
    Schema::new(vec![
        Field::new("arrival", DataType::UInt64, false),
        Field::new("arrival_time", time(TimeUnit::Nanosecond), false),
        Field::new("topic", topic, false),
        Field::new("partition", DataType::Int32, false),
        Field::new("offset", DataType::Int64, false),
        Field::new("timestamp", time(TimeUnit::Millisecond), true),
        Field::new("timestamp_type", DataType::Utf8, true),
        Field::new("leader_epoch", DataType::Int32, true),
        Field::new("key", DataType::Binary, true),
        Field::new("value", DataType::Binary, true),
        Field::new("headers", DataType::List(Arc::new(header)), false),
    ])
}

/// Writes the records of some topics (of all, if none is named) into a Parquet
/// file, in arrival order, with zstd. Progress is in records.
///
/// # Errors
/// A topic that the recording does not have, damage, an output that exists, or
/// cancelled. Then there is no output.
pub fn export_parquet(
    recording: &Recording,
    topics: &[String],
    path: &Path,
    job: &mut Job<'_>,
) -> Result<u64, RecordingError> {
    export_in_groups(recording, topics, path, GROUP_BYTES, job)
}

fn export_in_groups(
    recording: &Recording,
    topics: &[String],
    path: &Path,
    group_bytes: usize,
    job: &mut Job<'_>,
) -> Result<u64, RecordingError> {
    for topic in topics {
        if !recording.partitions().iter().any(|p| *p.topic == **topic) {
            return Err(RecordingError::Missing {
                path: recording.path().to_owned(),
                what: format!("has no topic \"{topic}\""),
            });
        }
    }
    let mut described = Described::of(recording);
    described.partitions.retain(|(topic, ..)| topics.is_empty() || topics.contains(topic));
    let said = serde_json::to_string(&described).map_err(|error| RecordingError::Missing {
        path: recording.path().to_owned(),
        what: error.to_string(),
    })?;
    let (file, temporary) = whole::create(path, true)?;
    let unfinished = Unfinished(temporary);
    let bad = |error: ParquetError| RecordingError::io(path, "write", std::io::Error::other(error));
    let properties = WriterProperties::builder()
        .set_created_by(concat!("joinscope ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Packing::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP))
        .set_max_row_group_bytes(Some(group_bytes))
        .set_key_value_metadata(Some(vec![KeyValue::new(DESCRIBED.to_owned(), said)]))
        .build();
    let synced = file.try_clone().map_err(|error| RecordingError::io(path, "write", error))?;
    let mut out = ArrowWriter::try_new(file, Arc::new(schema()), Some(properties)).map_err(bad)?;
    let wanted: Option<Vec<Arc<str>>> =
        (!topics.is_empty()).then(|| topics.iter().map(|t| t.as_str().into()).collect());
    let mut written = 0;
    for batch in recording.batches(wanted.as_deref(), 0) {
        let batch = batch?;
        out.write(&rows(recording, &batch).map_err(|e| bad(e.into()))?).map_err(bad)?;
        written += batch.len() as u64;
        job.step(written, recording.len())?;
    }
    out.close().map_err(bad)?;
    synced.sync_all().map_err(|error| RecordingError::io(path, "force to disk", error))?;
    unfinished.name(path)?;
    Ok(written)
}

/// A file under its temporary name, removed unless it is given its own.
struct Unfinished(Option<std::path::PathBuf>);

impl Unfinished {
    fn name(mut self, path: &Path) -> Result<(), RecordingError> {
        self.0.take().map_or(Ok(()), |temporary| whole::name(&temporary, path))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(temporary) = &self.0 {
            let _ = std::fs::remove_file(temporary);
        }
    }
}

fn rows(recording: &Recording, records: &[Record]) -> arrow::error::Result<RecordBatch> {
    let mut arrival = UInt64Builder::new();
    let mut arrival_time = TimestampNanosecondBuilder::new().with_timezone("UTC");
    let mut topic = StringDictionaryBuilder::<Int32Type>::new();
    let mut partition = Int32Builder::new();
    let mut offset = Int64Builder::new();
    let mut timestamp = TimestampMillisecondBuilder::new().with_timezone("UTC");
    let mut timestamp_type = StringBuilder::new();
    let mut leader_epoch = Int32Builder::new();
    let (mut key, mut value) = (BinaryBuilder::new(), BinaryBuilder::new());
    let header = Field::new("header", DataType::Struct(header_fields()), false);
    let header_columns = StructBuilder::new(
        header_fields(),
        vec![Box::new(StringBuilder::new()), Box::new(BinaryBuilder::new())],
    );
    let mut headers = ListBuilder::new(header_columns).with_field(Arc::new(header));
    for record in records {
        let of = &recording.partitions()[record.source as usize];
        arrival.append_value(record.arrival);
        arrival_time.append_value(record.arrival_ns);
        topic.append_value(&of.topic);
        partition.append_value(of.partition);
        offset.append_value(record.offset);
        timestamp.append_option(record.timestamp);
        timestamp_type.append_option(match record.timestamp_type {
            TimestampType::None => None,
            TimestampType::Create => Some("create"),
            TimestampType::LogAppend => Some("logappend"),
        });
        leader_epoch.append_option(record.leader_epoch);
        key.append_option(record.key.as_deref());
        value.append_option(record.value.as_deref());
        for header in &record.headers {
            let columns = headers.values();
            if let Some(names) = columns.field_builder::<StringBuilder>(0) {
                names.append_value(&header.key);
            }
            if let Some(values) = columns.field_builder::<BinaryBuilder>(1) {
                values.append_option(header.value.as_deref());
            }
            columns.append(true);
        }
        headers.append(true);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(arrival.finish()),
        Arc::new(arrival_time.finish()),
        Arc::new(topic.finish()),
        Arc::new(partition.finish()),
        Arc::new(offset.finish()),
        Arc::new(timestamp.finish()),
        Arc::new(timestamp_type.finish()),
        Arc::new(leader_epoch.finish()),
        Arc::new(key.finish()),
        Arc::new(value.finish()),
        Arc::new(headers.finish()),
    ];
    RecordBatch::try_new(Arc::new(schema()), columns)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use rand::{RngCore as _, SeedableRng as _};

    use super::*;
    use crate::edges::recording::tests::{all, folder, records, write};
    use crate::edges::recording::{Compression, WriterOptions, import_exported, unattended};

    #[test]
    fn long_values_make_short_row_groups() {
        let (folder, path) = folder();
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        let mut records = records(4, 40);
        for record in &mut records {
            // What zstd cannot shorten.
            let mut value = vec![0; 100_000];
            random.fill_bytes(&mut value);
            record.value = Some(Bytes::from(value));
        }
        write(&path, &records, WriterOptions::default());
        let recording = Recording::open(&path).unwrap();
        let table = folder.path().join("r.parquet");
        let done = unattended(|job| export_in_groups(&recording, &[], &table, 1 << 20, job));
        assert_eq!(done.unwrap(), 40);
        let file = SerializedFileReader::new(std::fs::File::open(&table).unwrap()).unwrap();
        let groups = file.metadata().row_groups();
        assert!((3..=20).contains(&groups.len()), "{}", groups.len());
        assert!(groups.iter().all(|group| group.compressed_size() < 3 << 20));
        let back = folder.path().join("back.mcap");
        unattended(|job| import_exported(&table, Compression::Lz4, &back, job)).unwrap();
        assert_eq!(all(&Recording::open(&back).unwrap()).unwrap(), records);
    }
}
