//! From a row to its lane and arrival, for rows of closed segments: decisions
//! name rows only. A bounded number of segments is kept; older ones are read
//! back from their file when a decision still reaches them.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Int32Array, UInt8Array, UInt64Array};
use lru::LruCache;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::run::error::{Result, RunError};
use crate::run::layout::Part;
use crate::run::pyramid::MANY;
use crate::run::types::LaneInfo;

/// Segments kept: 16 million rows, some 32 MB (160 MB where two inputs read one topic).
const KEPT: usize = 64;

/// Finds the lane of an (input, partition).
#[derive(Clone, Debug)]
pub(crate) struct LaneTable {
    /// By input: (partition, lane), sorted by partition.
    inputs: Vec<Vec<(i32, u32)>>,
    /// By input: where partitions are 0, 1, 2, …, the first lane and their number.
    dense: Vec<Option<(u32, u32)>>,
    pub inputs_of_lanes: Vec<u8>,
    /// Each topic feeds one input: a row's number is its arrival.
    pub row_is_arrival: bool,
}

impl LaneTable {
    pub fn new(inputs: usize, lanes: &[LaneInfo]) -> Self {
        let mut table = vec![Vec::new(); inputs];
        for (lane, info) in lanes.iter().enumerate() {
            if let Some(input) = table.get_mut(info.input as usize) {
                input.push((info.partition, lane as u32));
            }
        }
        let dense = table
            .iter()
            .map(|input: &Vec<(i32, u32)>| {
                let first = input.first()?.1;
                let straight = input
                    .iter()
                    .enumerate()
                    .all(|(i, (p, lane))| *p == i as i32 && *lane == first + i as u32);
                straight.then_some((first, input.len() as u32))
            })
            .collect();
        table.iter_mut().for_each(|input| input.sort_unstable());
        let mut topics: Vec<(&str, u8)> = lanes.iter().map(|l| (&*l.topic, l.input)).collect();
        topics.sort_unstable();
        topics.dedup();
        let row_is_arrival = topics.windows(2).all(|w| w[0].0 != w[1].0);
        Self {
            inputs: table,
            dense,
            inputs_of_lanes: lanes.iter().map(|l| l.input).collect(),
            row_is_arrival,
        }
    }

    #[inline]
    pub fn lane(&self, input: u8, partition: i32) -> Option<u32> {
        if let Some((first, n)) = self.dense.get(input as usize)? {
            u32::try_from(partition).ok().filter(|p| p < n).map(|partition| first + partition)
        } else {
            let lanes = &self.inputs[input as usize];
            let at = lanes.binary_search_by_key(&partition, |l| l.0).ok()?;
            Some(lanes[at].1)
        }
    }
}

/// Lanes and arrivals of the rows of one segment.
#[derive(Debug, Default)]
pub(crate) struct SegmentRows {
    pub first_row: u64,
    /// Lane of each row; [`MANY`] stands for those beyond.
    pub lanes: Vec<u16>,
    /// Arrival of each row; empty where a row's number is its arrival.
    pub arrivals: Vec<u64>,
}

/// Rows of closed segments.
pub(crate) struct RowLanes {
    dir: PathBuf,
    table: Arc<LaneTable>,
    /// First row of each closed segment, and the end of the last.
    bounds: Vec<u64>,
    kept: LruCache<usize, Arc<SegmentRows>>,
    last: Option<(usize, Arc<SegmentRows>)>,
}

impl RowLanes {
    pub fn new(dir: &Path, table: Arc<LaneTable>, bounds: Vec<u64>) -> Self {
        let kept = LruCache::new(NonZeroUsize::new(KEPT).unwrap_or(NonZeroUsize::MIN));
        Self { dir: dir.to_owned(), table, bounds, kept, last: None }
    }

    /// Lanes that came are behind those that are known.
    pub fn lanes_are(&mut self, table: Arc<LaneTable>) {
        self.table = table;
    }

    /// Takes in the rows of the segment that was just closed.
    pub fn push(&mut self, rows: SegmentRows) {
        self.bounds.push(rows.first_row + rows.lanes.len() as u64);
        self.kept.put(self.bounds.len() - 2, Arc::new(rows));
    }

    /// The number of the closed segment that a row is in.
    pub fn segment(&self, row: u64) -> usize {
        match &self.last {
            Some((n, rows))
                if row >= rows.first_row && row - rows.first_row < rows.lanes.len() as u64 =>
            {
                *n
            }
            _ => self.bounds.partition_point(|first| *first <= row).saturating_sub(1),
        }
    }

    /// Lane and arrival of a row of a closed segment.
    #[inline]
    pub fn find(&mut self, row: u64) -> Result<(u16, u64)> {
        let segment = self.segment(row);
        if self.last.as_ref().is_none_or(|(n, _)| *n != segment) {
            let rows = self.load(segment)?;
            self.last = Some((segment, rows));
        }
        let Some((_, rows)) = &self.last else {
            return Err(RunError::NoSuch(format!("row {row}")));
        };
        let at = row.wrapping_sub(rows.first_row) as usize;
        let lane = rows.lanes.get(at).ok_or_else(|| {
            RunError::NoSuch(format!("a decision names row {row}, which has not arrived"))
        })?;
        Ok((*lane, rows.arrivals.get(at).copied().unwrap_or(row)))
    }

    fn load(&mut self, segment: usize) -> Result<Arc<SegmentRows>> {
        if let Some(rows) = self.kept.get(&segment) {
            return Ok(Arc::clone(rows));
        }
        let first_row = *self
            .bounds
            .get(segment)
            .ok_or_else(|| RunError::NoSuch(format!("segment {segment} of the run")))?;
        let path = Part::Rows.path(&self.dir, segment as u64);
        let bad = |e: parquet::errors::ParquetError| RunError::corrupt(&path, e.to_string());
        let file = std::fs::File::open(&path).map_err(|e| RunError::io(&path, e))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(bad)?;
        let mask =
            ProjectionMask::columns(builder.parquet_schema(), ["arrival", "input", "partition"]);
        let mut rows = SegmentRows { first_row, ..SegmentRows::default() };
        for batch in builder.with_projection(mask).build().map_err(bad)? {
            let batch = batch.map_err(|e| RunError::corrupt(&path, e.to_string()))?;
            let column = |name| batch.column_by_name(name).map(arrow::array::Array::as_any);
            let (Some(arrivals), Some(inputs), Some(partitions)) = (
                column("arrival").and_then(|c| c.downcast_ref::<UInt64Array>()),
                column("input").and_then(|c| c.downcast_ref::<UInt8Array>()),
                column("partition").and_then(|c| c.downcast_ref::<Int32Array>()),
            ) else {
                return Err(RunError::corrupt(&path, "it lacks a column"));
            };
            if !self.table.row_is_arrival {
                rows.arrivals.extend_from_slice(arrivals.values());
            }
            rows.lanes.extend(inputs.values().iter().zip(partitions.values()).map(|(i, p)| {
                self.table.lane(*i, *p).map_or(MANY, |lane| lane.min(MANY.into()) as u16)
            }));
        }
        let rows = Arc::new(rows);
        self.kept.put(segment, Arc::clone(&rows));
        Ok(rows)
    }
}
