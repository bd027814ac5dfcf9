//! Writing a run: steps fill a segment, a full one is written and published.
//! Memory is that of one segment and of the lanes of a bounded number of older ones.

mod begin;
mod by_row;
mod close;
mod lanes;
mod open;
mod outputs;
mod resume;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Result, RunError};
use super::execute::Laid;
use super::layout::{ARRIVALS, Part, SEGMENT_ARRIVALS, SEGMENTS};
use super::manifest::{Lock, Manifest, ManifestStart, RunEnd, RunState};
use super::types::Books;
use crate::edges::fault;
use crate::edges::recording::Recording;
use crate::engine::step::{CheckpointEntry, Durable, Sink, SinkError, Step};
use crate::operator::record::Arrival;
use crate::operator::verdict::Counts;

pub(crate) use lanes::LaneTable;
pub(crate) use open::moves_watermark;
pub use outputs::OutputsAlone;

use close::{Around, Scratch};
use lanes::RowLanes;
use open::{Open, Running, Stretch};

/// A segment is closed early when it holds this many decisions or outputs (a
/// watermark that moves after a long stall decides millions of rows at once),
/// or this many bytes of keys or trackers.
const MANY_ENTRIES: usize = 1 << 20;
const MANY_BYTES: usize = 64 << 20;

/// Writes a run folder; the engine's sink.
pub struct Writer {
    dir: PathBuf,
    manifest: Manifest,
    /// Held while the run is in progress.
    _lock: Lock,
    table: Arc<LaneTable>,
    /// So many lanes, the first ones, the segments that are kept know.
    known_lanes: usize,
    older: RowLanes,
    /// First row of each closed segment.
    firsts: Vec<u64>,
    open: Open,
    scratch: Scratch,
    running: Running,
    folds: bool,
    segment_arrivals: u64,
    /// Segments that are not yet known to be on the disk.
    unsynced: Vec<u64>,
    /// The first so many of them are being brought there for a checkpoint.
    begun: usize,
    /// Segments at the last barrier.
    at_barrier: u64,
}

impl Writer {
    /// Makes the folder and starts a run in it. `folds`: outputs may name more
    /// than two rows.
    ///
    /// # Errors
    /// The folder exists already (an empty one does not count) or cannot be written;
    /// nothing is then left of it.
    pub fn create(dir: &Path, start: ManifestStart, folds: bool) -> Result<Self> {
        Self::create_around(dir, start, folds, "")
    }

    /// As [`Writer::create`]; the folder may hold what is named `there` already.
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn create_around(
        dir: &Path,
        start: ManifestStart,
        folds: bool,
        there: &str,
    ) -> Result<Self> {
        let (manifest, lock) = begin::begin(dir, start, there)?;
        Ok(Self::with(dir, manifest, lock, folds, vec![0], 0, 0))
    }

    fn with(
        dir: &Path,
        manifest: Manifest,
        lock: Lock,
        folds: bool,
        bounds: Vec<u64>,
        arrival: u64,
        output: u64,
    ) -> Self {
        let start = &manifest.start;
        let lanes = start.lanes.len();
        let table = Arc::new(LaneTable::new(start.inputs.len(), &start.lanes));
        let row = bounds.last().copied().unwrap_or(0);
        Self {
            running: Running {
                books: Books {
                    inputs: vec![Counts::default(); start.inputs.len()],
                    ..Books::default()
                },
                ends: start.ends_at_first(),
                last_arrival: arrival.checked_sub(1),
                last_ms: i64::MIN,
            },
            open: Open::new(lanes, arrival, row, output),
            scratch: Scratch::default(),
            firsts: bounds[..bounds.len() - 1].to_vec(),
            older: RowLanes::new(dir, Arc::clone(&table), bounds),
            dir: dir.to_owned(),
            manifest,
            _lock: lock,
            table,
            known_lanes: 0,
            folds,
            segment_arrivals: SEGMENT_ARRIVALS,
            unsynced: Vec::new(),
            begun: 0,
            at_barrier: 0,
        }
    }

    /// Takes in the partitions of the source, before the first step: the lanes that
    /// the run's segments know are the first of `laid`, and those behind came since.
    pub(super) fn grow(&mut self, laid: Laid) -> Result<()> {
        let start = &mut self.manifest.start;
        if (&start.lanes, start.later) == (&laid.lanes, laid.later) {
            return Ok(());
        }
        // What a start made known that ended before it kept anything counts for nothing.
        let known = self.known_lanes;
        let fits = start.lanes.get(..known).is_some_and(|known| laid.lanes.starts_with(known));
        let came = laid.lanes.len().saturating_sub(known);
        if !fits || known > 0 && came > laid.later as usize || !self.open.is_empty() {
            return Err(RunError::NoSuch(format!(
                "{}: the run's {known} partitions are not the first of the {} that are read now; \
                 give another --out",
                self.dir.display(),
                laid.lanes.len()
            )));
        }
        start.lanes = laid.lanes;
        start.later = laid.later;
        let lanes = start.lanes.len();
        let mut ends = start.ends_at_first();
        for (end, was) in ends.iter_mut().zip(&self.running.ends).take(known) {
            *end = *was;
        }
        self.table = Arc::new(LaneTable::new(start.inputs.len(), &start.lanes));
        self.older.lanes_are(Arc::clone(&self.table));
        self.running.ends = ends;
        let open = &self.open;
        self.open = Open::new(lanes, open.end, open.first_row, open.first_output);
        self.manifest.store(&self.dir, true)
    }

    /// Names the checkpoint that a job goes on from, which ends where the run
    /// was cut, unless it is named already.
    pub(crate) fn adopt(&mut self, entry: &CheckpointEntry) -> Result<()> {
        if self.manifest.checkpoints.iter().any(|known| known.epoch == entry.epoch) {
            return Ok(());
        }
        // Nothing was added since the cut.
        let segments = Some(self.manifest.segments.len() as u64);
        self.manifest.checkpoints.push(CheckpointEntry { segments, ..entry.clone() });
        self.manifest.store(&self.dir, true)
    }

    /// Smaller segments, so that a test has many.
    #[cfg(test)]
    pub(crate) fn set_segment_arrivals(&mut self, n: u64) {
        self.segment_arrivals = n;
    }

    /// The run's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Segments that are published.
    pub(crate) fn segments(&self) -> usize {
        self.manifest.segments.len()
    }

    /// The largest event time so far, ms; `i64::MIN`: there is none, or nothing is known
    /// of it.
    pub(crate) fn newest(&self) -> i64 {
        self.running.ends.iter().map(|end| end.0).max().unwrap_or(i64::MIN)
    }

    /// The books as they stand.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.running.books
    }

    fn take(&mut self, step: &Step) -> Result<()> {
        let facts = &step.facts;
        if facts.first_row != self.open.first_row + self.open.facts.len() as u64
            && !facts.is_empty()
        {
            return Err(RunError::NoSuch(format!("row {} out of turn", facts.first_row)));
        }
        let mut rows = 0;
        let mut decisions = &step.decisions[..];
        let mut revisions = &step.revisions[..];
        let mut outputs = &step.outputs[..];
        let mut clock = &step.clock[..];
        let mut state = &step.state[..];
        let mut trackers = &step.trackers[..];
        loop {
            let limit = self.open.first_arrival + self.segment_arrivals;
            let bound = self.open.mark_end().min(limit);
            let last = step.end <= bound;
            let end = if last { step.end.max(self.open.end) } else { bound };
            let cut = |n: usize, all: usize| if last { all } else { n };
            let row_end =
                cut(rows + facts.arrival[rows..].partition_point(|a| *a < bound), facts.len());
            let d = cut(decisions.partition_point(|d| d.at < bound), decisions.len());
            let r = cut(revisions.partition_point(|r| r.at < bound), revisions.len());
            let o = cut(outputs.partition_point(|o| o.at < bound), outputs.len());
            let c = cut(clock.partition_point(|c| c.precedes < bound), clock.len());
            let s = cut(state.partition_point(|s| s.arrival < bound), state.len());
            let t = cut(trackers.partition_point(|t| t.0 < bound), trackers.len());
            let stretch = Stretch {
                facts,
                rows: rows..row_end,
                decisions: &decisions[..d],
                revisions: &revisions[..r],
                outputs: &outputs[..o],
                clock: &clock[..c],
                state: &state[..s],
                end,
            };
            self.open.append(&stretch, &self.table, &mut self.older, &mut self.running)?;
            for tracker in &trackers[..t] {
                self.open.tracker_bytes += tracker.1.len();
                self.open.trackers.push(tracker.clone());
            }
            rows = row_end;
            decisions = &decisions[d..];
            revisions = &revisions[r..];
            outputs = &outputs[o..];
            clock = &clock[c..];
            state = &state[s..];
            trackers = &trackers[t..];
            let full = end >= limit
                || self.open.fallen.len() >= MANY_ENTRIES
                || self.open.refs.len() >= MANY_ENTRIES
                || self.open.facts.keys.len() >= MANY_BYTES
                || self.open.tracker_bytes >= MANY_BYTES;
            if full && end > self.open.first_arrival {
                self.close()?;
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Writes and publishes the open segment, if anything is in it.
    fn close(&mut self) -> Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let number = self.firsts.len() as u64;
        self.firsts.push(self.open.first_row);
        let firsts = &self.firsts;
        let segment_of = |row: u64| {
            let after = firsts.partition_point(|first| *first <= row);
            (after.saturating_sub(1) as u64, firsts.get(after).copied().unwrap_or(u64::MAX))
        };
        let around = Around {
            running: &self.running,
            folds: self.folds,
            row_is_arrival: self.table.row_is_arrival,
            segment_of: &segment_of,
        };
        let closed = close::close(&self.dir, number, &mut self.open, &mut self.scratch, &around);
        // Also after an error: what could not be written is not tried again.
        self.open.restart();
        let closed = closed?;
        self.older.push(closed.rows);
        self.manifest.segments.push(closed.segment);
        self.unsynced.push(number);
        self.manifest.store(&self.dir, false)
    }

    /// Publishes what is left and says how the run ended.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self, state: RunState, end: RunEnd) -> Result<()> {
        let closed = self.close();
        if self.manifest.start.live.is_some()
            && let Ok(log) = Recording::open(&self.dir.join(ARRIVALS))
        {
            // Whole only now.
            log.digest().clone_into(&mut self.manifest.start.recording.digest);
        }
        self.manifest.state = state;
        self.manifest.end = Some(end);
        let synced = sync_segments(&self.dir, &self.unsynced)
            .and_then(|()| self.manifest.store(&self.dir, true));
        closed.and(synced)
    }
}

/// Makes segments durable.
fn sync_segments(dir: &Path, segments: &[u64]) -> Result<()> {
    for number in segments {
        for part in Part::ALL {
            let path = part.path(dir, *number);
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(|e| RunError::io(&path, e))?;
            fault::synced(&path);
        }
    }
    // The manifest names them: its content is on the disk, its name not yet.
    for folder in [dir.join(SEGMENTS), dir.to_owned()] {
        File::open(&folder).and_then(|f| f.sync_all()).map_err(|e| RunError::io(&folder, e))?;
        fault::synced(&folder);
    }
    Ok(())
}

impl Sink for Writer {
    fn step(&mut self, step: Step) -> Result<(), SinkError> {
        self.take(&step).map_err(|e| SinkError(e.to_string()))
    }

    fn barrier(&mut self, at: Arrival) -> Result<Option<Durable>, SinkError> {
        if at != self.open.end {
            return Err(SinkError(format!(
                "a barrier at arrival {at}, but the steps end at {}",
                self.open.end
            )));
        }
        let failed = |e: RunError| SinkError(e.to_string());
        self.at_barrier = self.manifest.segments.len() as u64 + u64::from(!self.open.is_empty());
        self.manifest.at_barrier = Some(self.at_barrier);
        if self.open.is_empty() {
            self.manifest.store(&self.dir, false).map_err(failed)?;
        }
        self.close().map_err(failed)?;
        let (dir, segments) = (self.dir.clone(), self.unsynced.clone());
        self.begun = segments.len();
        Ok(Some(Box::new(move |_| sync_segments(&dir, &segments).map_err(failed))))
    }

    fn stopped(&mut self, stopped: bool) -> Result<(), SinkError> {
        self.manifest.state = if stopped { RunState::Stopped } else { RunState::Running };
        let closed = self.close();
        closed
            .and_then(|()| self.manifest.store(&self.dir, false))
            .map_err(|e| SinkError(e.to_string()))
    }

    fn checkpoint(&mut self, entry: CheckpointEntry) -> Result<(), SinkError> {
        self.unsynced.drain(..std::mem::take(&mut self.begun));
        let segments = Some(self.at_barrier);
        self.manifest.checkpoints.push(CheckpointEntry { segments, ..entry });
        self.manifest.store(&self.dir, true).map_err(|e| SinkError(e.to_string()))
    }
}
