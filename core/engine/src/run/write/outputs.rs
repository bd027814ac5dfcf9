//! Outputs by column, and a sink that keeps nothing else.

use std::path::{Path, PathBuf};

use super::MANY_ENTRIES;
use super::close::{Table, column};
use crate::engine::step::{CheckpointEntry, Output, Sink, SinkError, Step};
use crate::operator::record::Arrival;
use crate::run::error::{Result, RunError};
use crate::run::layout::{NO_ROW, Part, SEGMENT_ARRIVALS, SEGMENTS};
use crate::run::table::Values;

const OUTPUTS_NOTE: &str = "kind: 0 pair 1 pad 2 example; first, second, more: row numbers, the \
    largest u64 where there is none; labels: bit i is label i; correction: 0 the first";

/// Outputs by column; row numbers beyond two lie in `more`.
#[derive(Default)]
pub(super) struct Outputs {
    pub at: Vec<u64>,
    pub epoch: Vec<u64>,
    pub time: Vec<i64>,
    pub kind: Vec<u8>,
    pub first: Vec<u64>,
    pub second: Vec<u64>,
    pub labels: Vec<u64>,
    pub correction: Vec<u32>,
    pub more_end: Vec<i32>,
    pub more: Vec<u64>,
}

impl Outputs {
    /// Takes the next one.
    pub fn push(&mut self, output: &Output) {
        self.at.push(output.at);
        self.epoch.push(output.epoch);
        self.time.push(output.time);
        self.kind.push(output.kind as u8);
        self.labels.push(output.labels);
        self.correction.push(output.correction);
        self.first.push(output.records.first().copied().unwrap_or(NO_ROW));
        self.second.push(output.records.get(1).copied().unwrap_or(NO_ROW));
        self.more.extend(output.records.iter().skip(2));
        self.more_end.push(self.more.len() as i32);
    }

    pub fn clear(&mut self) {
        let Self { at, epoch, time, kind, first, second, labels, correction, more_end, more } =
            self;
        at.clear();
        epoch.clear();
        time.clear();
        kind.clear();
        first.clear();
        second.clear();
        labels.clear();
        correction.clear();
        more_end.clear();
        more.clear();
        more.shrink_to(MANY_ENTRIES);
    }

    /// `first`: number of the first; `folds`: an output may name more than two rows.
    pub fn table(&self, first: u64, folds: bool) -> Table<'_> {
        let rows = self.at.len();
        let mut columns = vec![
            column("n", Values::Counting(first)),
            column("at", Values::U64(&self.at)),
            column("epoch", Values::U64(&self.epoch)),
            column("time", Values::I64(&self.time)),
            column("kind", Values::U8(&self.kind)),
            column("first", Values::U64(&self.first)),
            column("second", Values::U64(&self.second)),
            column("labels", Values::U64(&self.labels)),
            column("correction", Values::U32(&self.correction)),
        ];
        if folds {
            columns
                .push(column("more", Values::Lists { ends: &self.more_end, values: &self.more }));
        }
        Table { rows, columns, note: OUTPUTS_NOTE }
    }
}

/// Keeps the outputs of a run and no verdicts, in the files in which a run has
/// them: what a benchmark holds against keeping both.
#[derive(Default)]
pub struct OutputsAlone {
    dir: PathBuf,
    outputs: Outputs,
    /// Number of the first that is not written.
    first: u64,
    segment: u64,
    /// The segment ends with this arrival.
    end: Arrival,
}

impl OutputsAlone {
    /// In an existing folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(dir: &Path) -> Result<Self> {
        let segments = dir.join(SEGMENTS);
        std::fs::create_dir_all(&segments).map_err(|e| RunError::io(&segments, e))?;
        Ok(Self { dir: dir.to_owned(), end: SEGMENT_ARRIVALS, ..Self::default() })
    }

    /// Writes what is not yet written.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(&mut self) -> Result<()> {
        let path = Part::Outputs.path(&self.dir, self.segment);
        self.outputs.table(self.first, true).write(&path)?;
        self.first += self.outputs.at.len() as u64;
        self.segment += 1;
        self.outputs.clear();
        Ok(())
    }
}

impl Sink for OutputsAlone {
    fn step(&mut self, step: Step) -> std::result::Result<(), SinkError> {
        for output in &step.outputs {
            self.outputs.push(output);
        }
        if step.end >= self.end || self.outputs.at.len() >= MANY_ENTRIES {
            self.end = (step.end / SEGMENT_ARRIVALS + 1) * SEGMENT_ARRIVALS;
            self.finish().map_err(|e| SinkError(e.to_string()))?;
        }
        Ok(())
    }

    fn checkpoint(&mut self, _: CheckpointEntry) -> std::result::Result<(), SinkError> {
        Ok(())
    }
}
