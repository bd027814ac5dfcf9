//! What lies in a run folder, and the columns of its Parquet files.
//!
//! ```text
//! manifest.json                 what was run, its state, its segments (replaced atomically)
//! pipeline.toml                 the pipeline as it was run
//! lock                          held while the run is in progress
//! segments/00000000.rows.parquet        facts known at arrival, in row order
//! segments/00000000.decisions.parquet   what fell while the segment was open, by row
//! segments/00000000.outputs.parquet     outputs of the segment's arrivals, in output order
//! segments/00000000.index               indices, pyramids, books, trackers, clock, summary
//! checkpoints/, state/          the engine's
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

/// Arrivals of a segment, at most.
pub const SEGMENT_ARRIVALS: u64 = 262_144;
/// Rows of a Parquet page (the design allows 8,192: smaller pages make a cold
/// question read less).
pub const PAGE_ROWS: usize = 2_048;
/// Format number of the manifest and the index files.
pub const FORMAT: u32 = 2;

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const PIPELINE: &str = "pipeline.toml";
pub(crate) const LOCK: &str = "lock";
pub(crate) const SEGMENTS: &str = "segments";

/// The files of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Rows = 0,
    Decisions = 1,
    Outputs = 2,
    Index = 3,
}

impl Part {
    pub const ALL: [Self; 4] = [Self::Rows, Self::Decisions, Self::Outputs, Self::Index];

    pub fn path(self, run: &Path, segment: u64) -> PathBuf {
        let kind = match self {
            Self::Rows => "rows.parquet",
            Self::Decisions => "decisions.parquet",
            Self::Outputs => "outputs.parquet",
            Self::Index => "index",
        };
        run.join(SEGMENTS).join(format!("{segment:08}.{kind}"))
    }
}

/// One column and how it is laid out.
pub(crate) struct Column {
    pub name: &'static str,
    pub values: ArrayRef,
    pub encoding: Encoding,
}

/// No verdict fell with this decision (it only says that the row left).
pub(crate) const NO_VERDICT: u8 = 255;
/// Stands beside the reasons: the verdict was unmatched, its reason stays.
pub(crate) const REVISED: u8 = 4;
/// A pad or an example has no second row.
pub(crate) const NO_ROW: u64 = u64::MAX;

/// Columns as a Parquet file of one row group. Numbers that hardly differ from
/// one row to the next are delta-packed: that is both smaller and, counted with
/// the kernel's share of writing, quicker than plain ones; compression on top
/// of it costs more time than the whole rest.
pub(crate) fn parquet<W: std::io::Write + Send>(
    out: W,
    columns: Vec<Column>,
    note: &str,
) -> parquet::errors::Result<W> {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("joinscope ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(Some(vec![KeyValue::new("joinscope".to_owned(), note.to_owned())]));
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for column in columns {
        properties = properties.set_column_encoding(ColumnPath::from(column.name), column.encoding);
        fields.push(Field::new(column.name, column.values.data_type().clone(), false));
        arrays.push(column.values);
    }
    let schema = Arc::new(Schema::new(fields));
    let options = ArrowWriterOptions::new()
        .with_properties(properties.build())
        .with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(out, schema.clone(), options)?;
    writer.write(&RecordBatch::try_new(schema, arrays)?)?;
    writer.into_inner()
}
