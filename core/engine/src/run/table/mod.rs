//! Tables as Parquet files of one row group. Pages are packed here and their
//! headers, the chunks' metadata, the page index and the footer come from the
//! `parquet` crate: its own way from a column to a page goes over Arrow arrays and
//! levels that these columns do not have, and costs several times as much for each
//! value; writing tables is the largest part of keeping a run's verdicts.
//!
//! Numbers that hardly differ from one row to the next are delta-packed: that is
//! both smaller and, counted with the kernel's share of writing, quicker than plain
//! ones; compression on top of it costs more time than the whole rest.

mod delta;

use std::io::Write;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::column::writer::{ColumnCloseResult, get_typed_column_writer_mut};
use parquet::data_type::Int64Type;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue, OffsetIndexBuilder};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::layout::PAGE_ROWS;

/// A column's values.
pub(crate) enum Values<'a> {
    U64(&'a [u64]),
    I64(&'a [i64]),
    U32(&'a [u32]),
    I32(&'a [i32]),
    U8(&'a [u8]),
    Bool(&'a [bool]),
    /// The first, and each one more than the one before.
    Counting(u64),
    /// Byte strings one after another; `ends` wrap at 4 GiB, none is longer.
    Bytes {
        ends: &'a [u32],
        bytes: &'a [u8],
    },
    /// Lists of numbers one after another.
    Lists {
        ends: &'a [i32],
        values: &'a [u64],
    },
}

/// One column.
pub(crate) struct Column<'a> {
    pub name: &'static str,
    pub values: Values<'a>,
}

impl Values<'_> {
    fn data_type(&self) -> DataType {
        match self {
            Self::U64(_) | Self::Counting(_) => DataType::UInt64,
            Self::I64(_) => DataType::Int64,
            Self::U32(_) => DataType::UInt32,
            Self::I32(_) => DataType::Int32,
            Self::U8(_) => DataType::UInt8,
            Self::Bool(_) => DataType::Boolean,
            Self::Bytes { .. } => DataType::Binary,
            Self::Lists { .. } => {
                DataType::List(Arc::new(Field::new("row", DataType::UInt64, false)))
            }
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Self::Bool(_) | Self::Lists { .. } => Encoding::PLAIN,
            Self::Bytes { .. } => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            _ => Encoding::DELTA_BINARY_PACKED,
        }
    }

    /// The data of the page of rows `from..to`; `at`: bytes before it.
    fn page(&self, from: usize, to: usize, at: &mut usize, out: &mut Vec<u8>) {
        fn narrow<T: Copy>(values: &[T], as_i32: impl Fn(T) -> i32, out: &mut Vec<u8>) {
            let values: Vec<i32> = values.iter().map(|v| as_i32(*v)).collect();
            delta::encode(&values, out);
        }
        match self {
            Self::U64(values) => {
                let values: Vec<i64> = values[from..to].iter().map(|v| *v as i64).collect();
                delta::encode(&values, out);
            }
            Self::I64(values) => delta::encode(&values[from..to], out),
            Self::U32(values) => narrow(&values[from..to], |v| v as i32, out),
            Self::I32(values) => delta::encode(&values[from..to], out),
            Self::U8(values) => narrow(&values[from..to], i32::from, out),
            Self::Bool(values) => {
                let bits = |eight: &[bool]| {
                    eight.iter().enumerate().fold(0, |byte, (i, bit)| byte | u8::from(*bit) << i)
                };
                out.extend(values[from..to].chunks(8).map(bits));
            }
            Self::Counting(first) => {
                delta::encode_counting(first.wrapping_add(from as u64) as i64, to - from, out);
            }
            Self::Bytes { ends, bytes } => {
                let mut last = from.checked_sub(1).map_or(0, |i| ends[i]);
                let lengths: Vec<i32> = ends[from..to]
                    .iter()
                    .map(|end| end.wrapping_sub(std::mem::replace(&mut last, *end)) as i32)
                    .collect();
                delta::encode(&lengths, out);
                let begin = *at;
                *at += lengths.iter().map(|n| *n as usize).sum::<usize>();
                out.extend_from_slice(&bytes[begin..*at]);
            }
            // Not a flat column: see `lists`.
            Self::Lists { .. } => {}
        }
    }
}

/// Writes columns of `rows` rows each.
pub(crate) fn write<W: Write + Send>(
    out: W,
    rows: usize,
    columns: &[Column<'_>],
    note: &str,
) -> Result<W> {
    let fields = columns.iter().map(|c| Field::new(c.name, c.values.data_type(), false));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let schema = ArrowSchemaConverter::new().convert(&schema)?;
    let properties = WriterProperties::builder()
        .set_created_by(concat!("joinscope ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_key_value_metadata(Some(vec![KeyValue::new("joinscope".to_owned(), note.to_owned())]))
        .build();
    let mut file = SerializedFileWriter::new(out, schema.root_schema_ptr(), Arc::new(properties))?;
    if rows == 0 {
        return file.into_inner();
    }
    let mut group = file.next_row_group()?;
    let mut page = Vec::new();
    for (column, descriptor) in columns.iter().zip(schema.columns()) {
        if let Values::Lists { ends, values } = &column.values {
            let mut writer = group.next_column()?.ok_or_else(|| {
                parquet::errors::ParquetError::General("more columns than its schema has".into())
            })?;
            let (values, definitions, repetitions) = levels(ends, values);
            get_typed_column_writer_mut::<Int64Type>(writer.untyped()).write_batch(
                &values,
                Some(&definitions),
                Some(&repetitions),
            )?;
            writer.close()?;
        } else {
            let (chunk, close) = chunk(&column.values, rows, descriptor, &mut page)?;
            group.append_column(&chunk, close)?;
        }
    }
    group.close()?;
    file.into_inner()
}

/// A flat column's pages, one after another, and what is to be known of them.
fn chunk(
    values: &Values<'_>,
    rows: usize,
    descriptor: &ColumnDescPtr,
    page: &mut Vec<u8>,
) -> Result<(Bytes, ColumnCloseResult)> {
    let encoding = values.encoding();
    let mut sink = TrackedWrite::new(Vec::new());
    let mut index = OffsetIndexBuilder::new();
    let mut at = 0;
    for from in (0..rows).step_by(PAGE_ROWS) {
        let to = (from + PAGE_ROWS).min(rows);
        page.clear();
        values.page(from, to, &mut at, page);
        let data = Page::DataPage {
            buf: Bytes::copy_from_slice(page),
            num_values: (to - from) as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let spec = SerializedPageWriter::new(&mut sink)
            .write_page(CompressedPage::new(data, page.len()))?;
        index.append_row_count((to - from) as i64);
        index.append_offset_and_size(spec.offset as i64, spec.bytes_written as i32);
    }
    let bytes = Bytes::from(sink.into_inner()?);
    let metadata = ColumnChunkMetaData::builder(Arc::clone(descriptor))
        .set_compression(Compression::UNCOMPRESSED)
        .set_encodings(vec![encoding])
        .set_total_compressed_size(bytes.len() as i64)
        .set_total_uncompressed_size(bytes.len() as i64)
        .set_num_values(rows as i64)
        .set_data_page_offset(0)
        .build()?;
    let close = ColumnCloseResult {
        bytes_written: bytes.len() as u64,
        rows_written: rows as u64,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: Some(index.build()),
    };
    Ok((bytes, close))
}

/// A list column's values with their definition and repetition levels.
fn levels(ends: &[i32], values: &[u64]) -> (Vec<i64>, Vec<i16>, Vec<i16>) {
    let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
    let mut from = 0;
    for end in ends {
        let n = (end - from).max(0) as usize;
        from = *end;
        // An empty list stands as one entry without a value.
        definitions.push(i16::from(n > 0));
        repetitions.push(0);
        for _ in 1..n {
            definitions.push(1);
            repetitions.push(1);
        }
    }
    (values.iter().map(|v| *v as i64).collect(), definitions, repetitions)
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray as _;
    use arrow::datatypes::{Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use proptest::prelude::*;

    use super::*;

    fn column<'a>(name: &'static str, values: Values<'a>) -> Column<'a> {
        Column { name, values }
    }

    fn read(columns: &[Column<'_>], rows: usize) -> arrow::array::RecordBatch {
        let bytes = write(Vec::new(), rows, columns, "a note").unwrap();
        let options = parquet::arrow::arrow_reader::ArrowReaderOptions::new()
            .with_offset_index_policy(parquet::file::metadata::PageIndexPolicy::Required);
        let builder =
            ParquetRecordBatchReaderBuilder::try_new_with_options(Bytes::from(bytes), options)
                .unwrap();
        let index = builder.metadata().page_index().unwrap();
        let pages = index.offset_index(0, 0).unwrap().page_locations().len();
        assert_eq!(pages, rows.div_ceil(PAGE_ROWS));
        let schema = builder.schema().clone();
        let batches: Vec<_> =
            builder.with_batch_size(rows.max(1)).build().unwrap().map(Result::unwrap).collect();
        arrow::compute::concat_batches(&schema, &batches).unwrap()
    }

    #[test]
    fn no_rows_are_a_file_as_well() {
        let columns = [Column { name: "a", values: Values::U64(&[]) }];
        let bytes = Bytes::from(write(Vec::new(), 0, &columns, "a note").unwrap());
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        assert_eq!(builder.metadata().file_metadata().num_rows(), 0);
        assert_eq!(builder.schema().fields().len(), 1);
    }

    /// Numbers whose differences take any width.
    fn numbers(n: usize) -> impl Strategy<Value = Vec<u64>> {
        let one = (0..=64u32, any::<u64>()).prop_map(
            |(bits, v)| {
                if bits == 0 { 0 } else { v >> (64 - bits) }
            },
        );
        prop::collection::vec(one, n)
    }

    proptest! {
        #[test]
        fn the_crate_reads_what_was_written(
            (values, first) in (1..3 * PAGE_ROWS).prop_flat_map(|n| (numbers(n), any::<u64>())),
        ) {
            let rows = values.len();
            let texts: Vec<Vec<u8>> =
                values.iter().map(|v| vec![*v as u8; (v % 40) as usize]).collect();
            let mut end = 0;
            let ends: Vec<u32> = texts.iter().map(|t| { end += t.len() as u32; end }).collect();
            let mut list_end = 0;
            let list_ends: Vec<i32> =
                values.iter().map(|v| { list_end += (v % 4) as i32; list_end }).collect();
            let listed: Vec<u64> = (0..list_end as u64).map(|i| i * i).collect();
            let i32s: Vec<i32> = values.iter().map(|v| *v as i32).collect();
            let i64s: Vec<i64> = values.iter().map(|v| *v as i64).collect();
            let u32s: Vec<u32> = values.iter().map(|v| *v as u32).collect();
            let u8s: Vec<u8> = values.iter().map(|v| *v as u8).collect();
            let bools: Vec<bool> = values.iter().map(|v| v % 3 == 0).collect();
            let bytes = texts.concat();
            let columns = [
                column("u64", Values::U64(&values)),
                column("i64", Values::I64(&i64s)),
                column("u32", Values::U32(&u32s)),
                column("i32", Values::I32(&i32s)),
                column("u8", Values::U8(&u8s)),
                column("bool", Values::Bool(&bools)),
                column("counting", Values::Counting(first)),
                column("bytes", Values::Bytes { ends: &ends, bytes: &bytes }),
                column("lists", Values::Lists { ends: &list_ends, values: &listed }),
            ];
            let batch = read(&columns, rows);
            prop_assert_eq!(batch.num_rows(), rows);
            let at = |i: usize| batch.column(i);
            prop_assert_eq!(&at(0).as_primitive::<UInt64Type>().values()[..], &values[..]);
            prop_assert_eq!(&at(1).as_primitive::<Int64Type>().values()[..], &i64s[..]);
            prop_assert_eq!(&at(3).as_primitive::<Int32Type>().values()[..], &i32s[..]);
            for (i, v) in values.iter().enumerate() {
                prop_assert_eq!(at(2).as_primitive::<UInt32Type>().value(i), *v as u32);
                prop_assert_eq!(at(4).as_primitive::<UInt8Type>().value(i), *v as u8);
                prop_assert_eq!(at(5).as_boolean().value(i), v % 3 == 0);
                prop_assert_eq!(
                    at(6).as_primitive::<UInt64Type>().value(i),
                    first.wrapping_add(i as u64)
                );
                prop_assert_eq!(at(7).as_binary::<i32>().value(i), &texts[i][..]);
                let list = at(8).as_list::<i32>();
                prop_assert_eq!(list.value_length(i), (v % 4) as i32);
            }
            let list = at(8).as_list::<i32>().values().clone();
            prop_assert_eq!(&list.as_primitive::<UInt64Type>().values()[..], &listed[..]);
        }
    }
}
