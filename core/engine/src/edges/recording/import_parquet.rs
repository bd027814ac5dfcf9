//! A recording made of a Parquet file: of one that `recording export` wrote, as
//! it was; of any other table, a record for each row, its value the row as JSON.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray as _, RecordBatch, make_array};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Int32Type, Int64Type, TimestampMillisecondType, TimestampNanosecondType, UInt64Type,
};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::export::{DESCRIBED, Described, VERSION};
use super::import::Import;
use super::{Compression, ImportJsonl, Info, Job, RecordingError, Writer, WriterOptions};
use crate::operator::record::{Header, Record, TimestampType, TopicPartition};

/// Rows that are read at once.
const ROWS: usize = 4096;
/// Of long ones fewer, bytes: more than 2 GiB in one column are not read at all.
const BYTES: u64 = 128 << 20;

/// How many rows of a file to read at once, by the group with the longest ones.
fn rows_at_once(builder: &Builder) -> usize {
    let long = builder.metadata().row_groups().iter().map(|group| {
        let bytes = u64::try_from(group.total_byte_size()).unwrap_or(0);
        bytes / u64::try_from(group.num_rows()).unwrap_or(0).max(1)
    });
    let fit = BYTES / long.max().unwrap_or(0).max(1);
    usize::try_from(fit).unwrap_or(ROWS).clamp(1, ROWS)
}

/// Whether a Parquet file is an exported recording.
///
/// # Errors
/// It cannot be read.
pub fn is_exported(from: &Path) -> Result<bool, RecordingError> {
    Ok(described(&open(from)?, from)?.is_some())
}

/// Makes a recording of a table's rows by `options` (see
/// [`import_jsonl`](super::import_jsonl): fields are columns, or paths into
/// columns that are structs; a time column is text in RFC 3339). Progress is in
/// rows.
///
/// # Errors
/// A file that is no Parquet file, a column that is not there, or as
/// [`import_jsonl`](super::import_jsonl), a row for a line.
pub fn import_parquet(
    from: &Path,
    options: &ImportJsonl,
    to: &Path,
    job: &mut Job<'_>,
) -> Result<Info, RecordingError> {
    let builder = open(from)?;
    let total = rows(&builder);
    for field in [&options.key, &options.arrival, &options.timestamp].into_iter().flatten() {
        let column = field.split('.').next().unwrap_or(field);
        let schema = builder.schema();
        if schema.field_with_name(field).is_err() && schema.field_with_name(column).is_err() {
            let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            return Err(RecordingError::Missing {
                path: from.to_owned(),
                what: format!("has no column \"{column}\"; it has {}", names.join(", ")),
            });
        }
    }
    let mut import = Import::create(from, options, to)?;
    let at_once = rows_at_once(&builder);
    let reader = builder.with_batch_size(at_once).build().map_err(|e| bad(from, e))?;
    let mut row = 0;
    for batch in reader {
        let batch = batch.map_err(|e| bad(from, e))?;
        let mut lines = arrow_json::LineDelimitedWriter::new(Vec::new());
        lines
            .write(&at_utc(&batch).map_err(|e| bad(from, e))?)
            .and_then(|()| lines.finish())
            .map_err(|e| bad(from, e))?;
        for line in lines.into_inner().split(|byte| *byte == b'\n').filter(|l| !l.is_empty()) {
            row += 1;
            import.add(row, line)?;
        }
        job.step(row, total)?;
    }
    import.finish()
}

/// The rows with instants as instants of UTC, however their zone is called: a
/// zone's name does not change an instant.
fn at_utc(batch: &RecordBatch) -> arrow::error::Result<RecordBatch> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let DataType::Timestamp(unit, Some(_)) = field.data_type() else {
            return Ok((field.name().clone(), Arc::clone(column), field.is_nullable()));
        };
        let kind = DataType::Timestamp(*unit, Some("+00:00".into()));
        let data = column.to_data().into_builder().data_type(kind).build()?;
        Ok((field.name().clone(), make_array(data), field.is_nullable()))
    });
    RecordBatch::try_from_iter_with_nullable(columns.collect::<arrow::error::Result<Vec<_>>>()?)
}

/// Makes a recording of an exported one. Progress is in rows.
///
/// # Errors
/// A file that is no exported recording, or of a newer version, or whose rows
/// are not in order; an output that exists, or cancelled. Then there is no output.
pub fn import_exported(
    from: &Path,
    compression: Compression,
    to: &Path,
    job: &mut Job<'_>,
) -> Result<Info, RecordingError> {
    let builder = open(from)?;
    let total = rows(&builder);
    let odd = |what: &str| RecordingError::Missing { path: from.to_owned(), what: what.to_owned() };
    let described = described(&builder, from)?;
    let described = described.ok_or_else(|| odd("is no recording that was exported"))?;
    let info = described.info().ok_or_else(|| odd("does not say its order of arrival"))?;
    let mut writer = Writer::create(to, WriterOptions::like(&info, Some(compression)))?;
    if let Some(arrival) = described.live_from {
        writer.set_live_from(arrival);
    }
    for (topic, partition, start, end) in &described.partitions {
        let partition = TopicPartition { topic: topic.as_str().into(), partition: *partition };
        let source = writer.partition(partition)?;
        writer.set_range(source, *start, *end);
    }
    for schema in described.schemas {
        writer.schema(schema)?;
    }
    let at_once = rows_at_once(&builder);
    let reader = builder.with_batch_size(at_once).build().map_err(|e| bad(from, e))?;
    let mut row = 0;
    for batch in reader {
        let batch = batch.map_err(|e| bad(from, e))?;
        let table = Table::of(&batch).ok_or_else(|| odd("has not the columns of a recording"))?;
        for i in 0..batch.num_rows() {
            let (partition, mut record) = table
                .record(i)
                .ok_or_else(|| odd(&format!("row {}: a value is missing", row + 1)))?;
            record.source = writer.partition(partition)?;
            writer.add(&record)?;
            row += 1;
        }
        job.step(row, total)?;
    }
    writer.finish()
}

fn bad(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> RecordingError {
    RecordingError::io(path, "read as Parquet", std::io::Error::other(error))
}

type Builder = ParquetRecordBatchReaderBuilder<File>;

fn open(from: &Path) -> Result<Builder, RecordingError> {
    let file = File::open(from).map_err(|error| RecordingError::io(from, "open", error))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| bad(from, e))
}

fn rows(builder: &Builder) -> u64 {
    u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0)
}

fn described(builder: &Builder, from: &Path) -> Result<Option<Described>, RecordingError> {
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let said = metadata.into_iter().flatten().find(|pair| pair.key == DESCRIBED);
    let Some(said) = said.and_then(|pair| pair.value.as_deref()) else { return Ok(None) };
    let odd = |what: String| RecordingError::Missing { path: from.to_owned(), what };
    let described: Described = serde_json::from_str(said)
        .map_err(|error| odd(format!("its description as a recording cannot be read: {error}")))?;
    if described.version > VERSION {
        return Err(odd("was exported by a newer joinscope: use that one".to_owned()));
    }
    Ok(Some(described))
}

/// The columns of some rows of an exported recording.
struct Table {
    batch: RecordBatch,
}

impl Table {
    /// `None`: a column is missing or of another type.
    fn of(batch: &RecordBatch) -> Option<Self> {
        let schema = super::export::schema();
        let mut columns = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let column = batch.column_by_name(field.name())?;
            let wanted = match field.data_type() {
                // Other writers need not keep the dictionary.
                DataType::Dictionary(_, value) => value.as_ref(),
                other => other,
            };
            columns.push((field.name().clone(), cast(column, wanted).ok()?));
        }
        Some(Self { batch: RecordBatch::try_from_iter(columns).ok()? })
    }

    fn record(&self, i: usize) -> Option<(TopicPartition, Record)> {
        let column = |at: usize| self.batch.column(at);
        let there = |at: usize| column(at).is_valid(i);
        if ![0, 1, 2, 3, 4, 10].into_iter().all(there) {
            return None;
        }
        let partition = TopicPartition {
            topic: column(2).as_string_opt::<i32>()?.value(i).into(),
            partition: column(3).as_primitive_opt::<Int32Type>()?.value(i),
        };
        let bytes = |at: usize| {
            let values = column(at).as_binary_opt::<i32>()?;
            there(at).then(|| Bytes::copy_from_slice(values.value(i)))
        };
        let timestamp = column(5).as_primitive_opt::<TimestampMillisecondType>()?.value(i);
        let kind = column(6).as_string_opt::<i32>()?;
        let list = column(10).as_list_opt::<i32>()?.value(i);
        let list = list.as_struct_opt()?;
        let (names, values) =
            (list.column(0).as_string_opt::<i32>()?, list.column(1).as_binary_opt::<i32>()?);
        let headers = (0..list.len()).map(|h| Header {
            key: names.value(h).to_owned().into(),
            value: values.is_valid(h).then(|| Bytes::copy_from_slice(values.value(h))),
        });
        let record = Record {
            arrival: column(0).as_primitive_opt::<UInt64Type>()?.value(i),
            arrival_ns: column(1).as_primitive_opt::<TimestampNanosecondType>()?.value(i),
            source: 0,
            offset: column(4).as_primitive_opt::<Int64Type>()?.value(i),
            timestamp: there(5).then_some(timestamp),
            timestamp_type: match there(6).then(|| kind.value(i)) {
                Some("create") => TimestampType::Create,
                Some("logappend") => TimestampType::LogAppend,
                _ => TimestampType::None,
            },
            leader_epoch: there(7).then_some(column(7).as_primitive_opt::<Int32Type>()?.value(i)),
            key: bytes(8),
            value: bytes(9),
            headers: headers.collect(),
        };
        Some((partition, record))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::BinaryArray;
    use parquet::arrow::ArrowWriter;

    use super::*;

    #[test]
    fn of_long_rows_few_are_read_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let at_once = |lengths: &[usize]| {
            let values: Vec<Vec<u8>> = lengths.iter().map(|length| vec![7; *length]).collect();
            let values = BinaryArray::from_iter_values(values);
            let columns = [("value", Arc::new(values) as Arc<dyn Array>)];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let file = File::create(&path).unwrap();
            let mut out = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
            out.write(&batch).unwrap();
            out.close().unwrap();
            rows_at_once(&open(&path).unwrap())
        };
        assert_eq!(at_once(&[]), ROWS);
        assert_eq!(at_once(&[10; 100]), ROWS);
        let long = at_once(&[1 << 20, (1 << 20) + 1, (1 << 20) + 2]);
        assert!((100..=128).contains(&long), "{long}");
    }
}
