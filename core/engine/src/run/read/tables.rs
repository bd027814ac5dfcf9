//! Rows of a segment's Parquet files, by page.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    Array, BinaryArray, BooleanArray, LargeBinaryArray, ListArray, PrimitiveArray, RecordBatch,
};
use arrow::compute::concat_batches;
use lru::LruCache;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;

use super::segment::Segment;
use crate::run::blocks::{BLOCK, Cache, Chunks, StoredFile};
use crate::run::error::{Result, RunError};
use crate::run::layout::Part;

/// Footers of files kept in memory.
const FOOTERS: usize = 256;

/// So many ranges of rows of a file are asked of the disk before they are read.
const TOGETHER: usize = 4;

/// Reads tables; keeps the footers of the files last used.
pub(crate) struct Tables {
    pub cache: Arc<Cache>,
    /// By [`StoredFile::id`].
    footers: Mutex<LruCache<u64, ArrowReaderMetadata>>,
}

/// Columns of some rows.
pub(crate) struct Columns {
    batch: RecordBatch,
    path: std::path::PathBuf,
}

impl Tables {
    pub fn new(cache: Arc<Cache>) -> Self {
        let n = NonZeroUsize::new(FOOTERS).unwrap_or(NonZeroUsize::MIN);
        Self { cache, footers: Mutex::new(LruCache::new(n)) }
    }

    /// Forgets everything (measurements).
    pub fn clear(&self) {
        self.cache.clear();
        self.footers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn chunks(&self, file: &Arc<StoredFile>) -> Chunks {
        Chunks { cache: Arc::clone(&self.cache), file: Arc::clone(file) }
    }

    fn known_footer(&self, file: &StoredFile) -> Option<ArrowReaderMetadata> {
        let mut footers = self.footers.lock().unwrap_or_else(PoisonError::into_inner);
        footers.get(&file.id).cloned()
    }

    fn footer(&self, segment: &Segment, part: Part) -> Result<ArrowReaderMetadata> {
        let file = &segment.files[part as usize];
        if let Some(footer) = self.known_footer(file) {
            return Ok(footer);
        }
        let options = ArrowReaderOptions::new()
            .with_skip_arrow_metadata(true)
            .with_column_index_policy(PageIndexPolicy::Skip)
            .with_offset_index_policy(PageIndexPolicy::Optional);
        let footer = ArrowReaderMetadata::load(&self.chunks(file), options);
        let footer = footer.map_err(|e| own(e, file))?;
        let mut footers = self.footers.lock().unwrap_or_else(PoisonError::into_inner);
        footers.put(file.id, footer.clone());
        Ok(footer)
    }

    /// Has the disk begin with what reading some columns of rows of several segments
    /// takes, each with its rows: one after the other each would cost its whole way.
    pub fn expect<'a>(
        &self,
        part: Part,
        columns: &[&str],
        wanted: impl Iterator<Item = (&'a Segment, Range<u64>)> + Clone,
    ) {
        for (segment, _) in wanted.clone() {
            let file = &segment.files[part as usize];
            if self.known_footer(file).is_none() {
                self.cache.expect(file, file.len.saturating_sub(BLOCK as u64), BLOCK as u64);
            }
        }
        for (segment, rows) in wanted {
            // What cannot be read is said when it is.
            let Ok(footer) = self.footer(segment, part) else { continue };
            let metadata = footer.metadata();
            let pages = metadata.page_index_for_row_group(0);
            let schema = metadata.file_metadata().schema_descr();
            for (i, column) in schema.columns().iter().enumerate() {
                let Some(pages) =
                    pages.page_locations(i).filter(|_| columns.contains(&column.name()))
                else {
                    continue;
                };
                let before = |row: u64| pages.partition_point(|p| p.first_row_index < row as i64);
                let first = pages.partition_point(|p| p.first_row_index <= rows.start as i64);
                let of = &pages[first.saturating_sub(1)..before(rows.end)];
                let (Some(from), Some(to)) = (of.first(), of.last()) else { continue };
                let end = to.offset + i64::from(to.compressed_page_size);
                let len = (end - from.offset).max(0) as u64;
                self.cache.expect(&segment.files[part as usize], from.offset.max(0) as u64, len);
            }
        }
    }

    /// Some columns of rows of a file that follow each other.
    pub fn read_range(
        &self,
        segment: &Segment,
        part: Part,
        columns: &[&str],
        range: &Range<u64>,
    ) -> Result<Columns> {
        self.read(segment, part, columns, std::slice::from_ref(range))
    }

    /// Some columns of some rows of a file; rows count from its start, ranges ascend.
    pub fn read(
        &self,
        segment: &Segment,
        part: Part,
        columns: &[&str],
        ranges: &[Range<u64>],
    ) -> Result<Columns> {
        let file = &segment.files[part as usize];
        let bad = |e: String| RunError::corrupt(&file.path, e);
        let chunks = self.chunks(file);
        let footer = self.footer(segment, part)?;
        let rows = footer.metadata().file_metadata().num_rows() as u64;
        if columns.len() > 1 && ranges.len() <= TOGETHER {
            // The columns of some rows lie far apart, and the reader takes one after
            // the other.
            self.expect(part, columns, ranges.iter().map(|rows| (segment, rows.clone())));
        }
        let wanted: u64 = ranges.iter().map(|r| r.end.saturating_sub(r.start)).sum();
        if ranges.last().is_some_and(|r| r.end > rows) {
            return Err(bad(format!("it has {rows} rows, fewer than its summary says")));
        }
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, footer);
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let selection = RowSelection::from_consecutive_ranges(
            ranges.iter().map(|r| r.start as usize..r.end as usize),
            rows as usize,
        );
        let reader = builder
            .with_projection(mask)
            .with_row_selection(selection)
            .with_batch_size((wanted as usize).max(1))
            .build()
            .map_err(|e| own(e, file))?;
        let schema = arrow::array::RecordBatchReader::schema(&reader);
        let mut batches = Vec::with_capacity(1);
        for batch in reader {
            batches.push(batch.map_err(|e| match e {
                arrow::error::ArrowError::ExternalError(e) => bad(e.to_string()),
                e => bad(e.to_string()),
            })?);
        }
        let batch = match batches.len() {
            1 => batches.swap_remove(0),
            _ => concat_batches(&schema, &batches).map_err(|e| bad(e.to_string()))?,
        };
        if batch.num_rows() as u64 != wanted {
            return Err(bad(format!("{} rows where {wanted} belong", batch.num_rows())));
        }
        Ok(Columns { batch, path: file.path.clone() })
    }
}

/// What the Parquet reader met: our own error, or damage.
fn own(error: ParquetError, file: &StoredFile) -> RunError {
    match error {
        ParquetError::External(e) => match e.downcast::<RunError>() {
            Ok(e) => *e,
            Err(e) => RunError::corrupt(&file.path, e.to_string()),
        },
        e => RunError::corrupt(&file.path, e.to_string()),
    }
}

impl Columns {
    fn column<T: Array + 'static>(&self, name: &str) -> Result<&T> {
        self.batch
            .column_by_name(name)
            .and_then(|c| c.as_any().downcast_ref())
            .ok_or_else(|| RunError::corrupt(&self.path, format!("no column {name} of its type")))
    }

    fn values<T: arrow::datatypes::ArrowPrimitiveType>(&self, name: &str) -> Result<&[T::Native]> {
        Ok(self.column::<PrimitiveArray<T>>(name)?.values())
    }

    /// What is wrong with the file.
    pub fn corrupt(&self, what: &str) -> RunError {
        RunError::corrupt(&self.path, what)
    }

    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }
    pub fn u64s(&self, name: &str) -> Result<&[u64]> {
        self.values::<arrow::datatypes::UInt64Type>(name)
    }
    pub fn i64s(&self, name: &str) -> Result<&[i64]> {
        self.values::<arrow::datatypes::Int64Type>(name)
    }
    pub fn i32s(&self, name: &str) -> Result<&[i32]> {
        self.values::<arrow::datatypes::Int32Type>(name)
    }
    pub fn u32s(&self, name: &str) -> Result<&[u32]> {
        self.values::<arrow::datatypes::UInt32Type>(name)
    }
    pub fn u8s(&self, name: &str) -> Result<&[u8]> {
        self.values::<arrow::datatypes::UInt8Type>(name)
    }
    pub fn bools(&self, name: &str) -> Result<&BooleanArray> {
        self.column(name)
    }
    pub fn binary(&self, name: &str) -> Result<&dyn BinaryLike> {
        if let Ok(a) = self.column::<LargeBinaryArray>(name) {
            return Ok(a);
        }
        Ok(self.column::<BinaryArray>(name)?)
    }
    /// Lists, where the file has them.
    pub fn lists(&self, name: &str) -> Option<&ListArray> {
        self.column(name).ok()
    }
}

/// Byte strings by position.
pub(crate) trait BinaryLike {
    fn at(&self, i: usize) -> &[u8];
}

impl BinaryLike for LargeBinaryArray {
    fn at(&self, i: usize) -> &[u8] {
        self.value(i)
    }
}

impl BinaryLike for BinaryArray {
    fn at(&self, i: usize) -> &[u8] {
        self.value(i)
    }
}
