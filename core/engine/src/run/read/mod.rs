//! Asking a run. Each question is a plain blocking call over one published
//! moment of the run; what it costs at 10 million records, cold, stands in the
//! design's table (2-architecture, "The run store") and is measured by
//! [`super::bench_questions`].

mod books;
mod came;
mod clocked;
mod column;
mod density;
mod earlier;
mod edges;
mod effects;
mod event;
mod fates;
mod grouped;
mod hits;
mod keys;
mod lateness;
mod lines;
mod offsets;
mod output_columns;
mod outputs;
mod passing;
mod pyramids;
mod rows;
mod search;
mod segment;
mod state;
mod state_counts;
mod state_index;
mod state_rows;
mod stretches;
mod tables;
mod verdicts;
mod watermarks;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::blocks::{CACHE_BYTES, Cache};
use super::bytes::u64_at;
use super::error::{Result, RunError};
use super::layout::PIPELINE;
use super::manifest::{Lock, Manifest, RunState, text_digest};
use super::pyramid::{REVISED, ROWS, uncell};
use super::schemas;
use super::summary::Section;
use super::write::LaneTable;
use crate::edges::recording::{Recording, Schemas};
use crate::engine::step::CheckpointEntry;
use crate::operator::pipeline::Pipeline;
use crate::operator::verdict::Verdict;
use segment::Segment;
use tables::Tables;

pub(crate) use earlier::Earlier;
pub use event::EventSpans;
pub use grouped::NO_GROUP;
pub use lateness::{Levels, NEVER, Need};
pub(crate) use output_columns::{Lists, OutputColumns};
pub(crate) use passing::Event;
pub(crate) use segment::load_summary;

/// A run, in progress or ended. Clones share everything; all calls may be made
/// from any thread.
#[derive(Clone)]
pub struct Run {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    tables: Tables,
    pipeline: Arc<Pipeline>,
    pipeline_text: String,
    /// That the recording lacks.
    schemas: Schemas,
    now: RwLock<Arc<Moment>>,
    recording: RwLock<Option<Recording>>,
    looked_for_recording: OnceLock<()>,
    before_opening: OnceLock<fn(&Path)>,
    state_index: RwLock<Option<Arc<state_index::StateIndex>>>,
}

/// What was published at one moment.
pub(crate) struct Moment {
    pub manifest: Manifest,
    /// A job that goes on may have got partitions.
    pub lanes: LaneTable,
    pub segments: Vec<Arc<Segment>>,
    /// By segment: those in which decisions about its rows fell, ascending.
    sources: Vec<Vec<u32>>,
    /// By segment: those with outputs that name its rows, ascending.
    ref_sources: Vec<Vec<u32>>,
    /// By block of 1,024 arrivals: rows by verdict code, and all rows in the last place.
    sums: Vec<[u32; 11]>,
    /// Whether verdicts are revised in this run.
    pub revisions: bool,
    /// Of all blocks; open ones counted.
    totals: [u64; 10],
}

/// The text of `pipeline.toml`, checked against the manifest.
pub(crate) fn pipeline_text(dir: &Path, manifest: &Manifest) -> Result<String> {
    let path = dir.join(PIPELINE);
    let bytes = std::fs::read(&path).map_err(|e| RunError::io(&path, e))?;
    String::from_utf8(bytes)
        .ok()
        .filter(|text| text_digest(text) == manifest.pipeline_digest)
        .ok_or_else(|| RunError::corrupt(&path, "it is not the pipeline that was run"))
}

impl Run {
    /// Opens a run folder: also one in progress, cancelled or cut off, up to
    /// its last published segment.
    ///
    /// # Errors
    /// The folder is no run, was written by a newer version, or is damaged.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with_cache(dir, CACHE_BYTES)
    }

    /// [`Run::open`] with a bound on the bytes that its cache holds.
    ///
    /// # Errors
    /// As [`Run::open`].
    pub fn open_with_cache(dir: &Path, cache_bytes: usize) -> Result<Self> {
        let manifest = Manifest::load(dir)?;
        let pipeline_text = pipeline_text(dir, &manifest)?;
        let file = dir.join(PIPELINE).display().to_string();
        let pipeline = Pipeline::parse_with(&pipeline_text, &file, &manifest.start.overrides)
            .map_err(|e| RunError::Pipeline(e.to_string()))?;
        if pipeline.inputs.len() != manifest.start.inputs.len() {
            return Err(RunError::corrupt(&dir.join(PIPELINE), "its inputs are not the run's"));
        }
        let schemas = schemas::read(dir, manifest.start.schemas.as_ref())?;
        let tables = Tables::new(Arc::new(Cache::new(cache_bytes)));
        let moment = Moment::load(dir, manifest, None, &tables)?;
        Ok(Self {
            inner: Arc::new(Inner {
                dir: dir.to_owned(),
                tables,
                pipeline: Arc::new(pipeline),
                pipeline_text,
                schemas,
                now: RwLock::new(Arc::new(moment)),
                recording: RwLock::new(None),
                looked_for_recording: OnceLock::new(),
                before_opening: OnceLock::new(),
                state_index: RwLock::new(None),
            }),
        })
    }

    /// Looks for segments published since; whether anything is new.
    ///
    /// # Errors
    /// The folder vanished or is damaged; the run can still be asked about
    /// what was there before.
    pub fn refresh(&self) -> Result<bool> {
        let old = self.now();
        let manifest = Manifest::load_again(&self.inner.dir, Some(&old.manifest))?;
        let moment = Moment::load(&self.inner.dir, manifest, Some(&old), &self.inner.tables)?;
        if moment.manifest == old.manifest {
            return Ok(false);
        }
        *self.inner.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(moment);
        Ok(true)
    }

    pub(crate) fn now(&self) -> Arc<Moment> {
        Arc::clone(&self.inner.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The run's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// The manifest as last read; its state is `CutOff` where it says running, or waiting
    /// at a breakpoint, but no process holds the run.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        self.now().manifest.clone()
    }

    /// Whether and how the run ended.
    #[must_use]
    pub fn state(&self) -> RunState {
        self.now().manifest.state
    }

    /// The pipeline as it was run, overrides applied.
    #[must_use]
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.inner.pipeline
    }

    /// The pipeline's text, without overrides.
    #[must_use]
    pub fn pipeline_text(&self) -> &str {
        &self.inner.pipeline_text
    }

    /// Schemas that the run was given because its recording lacks them.
    #[must_use]
    pub fn given_schemas(&self) -> &Schemas {
        &self.inner.schemas
    }

    /// Rows that are published.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.now().rows()
    }

    /// Arrivals that are published: 0 up to this one, exclusive.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.now().arrivals()
    }

    /// Outputs that are published.
    #[must_use]
    pub fn outputs(&self) -> u64 {
        self.now().outputs()
    }

    /// Checkpoints in order.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<CheckpointEntry> {
        self.now().manifest.checkpoints.clone()
    }

    /// The recording that was run over, where it still lies or was located.
    /// Without it all but values can be asked.
    #[must_use]
    pub fn recording(&self) -> Option<Recording> {
        self.inner.looked_for_recording.get_or_init(|| {
            if self.known_recording().is_some() {
                return;
            }
            let path = self.recording_path();
            if let Some(tell) = self.inner.before_opening.get() {
                tell(&path);
            }
            // Missing or changed: the run goes without, see `why_no_recording`.
            let _ = self.locate(&path);
        });
        let known = self.known_recording()?;
        // The arrival log of a run in progress has grown since.
        if self.now().manifest.start.live.is_some() && known.len() < self.arrivals() {
            let grown = known.grown().map_err(|e| RunError::Recording(e.to_string()));
            let _ = grown.and_then(|grown| self.located(grown));
            return self.known_recording();
        }
        Some(known)
    }

    fn known_recording(&self) -> Option<Recording> {
        self.inner.recording.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Is told where the recording lies before [`Run::recording`] opens it there, which may
    /// take long; not of one that was located.
    pub fn before_opening(&self, tell: fn(&Path)) {
        let _ = self.inner.before_opening.set(tell);
    }

    fn recording_path(&self) -> PathBuf {
        let now = self.now();
        let start = &now.manifest.start;
        let path = &start.recording.path;
        // A live run has it in its own folder, wherever that is now.
        match path.file_name().filter(|_| start.live.is_some()) {
            Some(name) => self.dir().join(name),
            None => path.clone(),
        }
    }

    /// Why [`Run::recording`] gives none; `None`: it gives one.
    #[must_use]
    pub fn why_no_recording(&self) -> Option<String> {
        if self.recording().is_some() {
            return None;
        }
        self.locate(&self.recording_path()).err().map(|error| error.to_string())
    }

    /// Names the place that the recording moved to.
    ///
    /// # Errors
    /// It cannot be opened, or is another recording.
    pub fn locate(&self, path: &Path) -> Result<()> {
        self.located(Recording::open(path).map_err(|e| RunError::Recording(e.to_string()))?)
    }

    /// The same with a recording that is open: nothing is read.
    ///
    /// # Errors
    /// It is another recording.
    pub fn located(&self, recording: Recording) -> Result<()> {
        let want = &self.now().manifest.start.recording.digest;
        // The arrival log of a live run is known by its digest once it is whole.
        if !want.is_empty() && recording.digest() != want {
            return Err(RunError::Recording(format!(
                "{}: another recording than the one that was run over (digest {}, not {want})",
                recording.path().display(),
                recording.digest(),
            )));
        }
        let recording = recording.with_schemas(&self.inner.schemas);
        *self.inner.recording.write().unwrap_or_else(PoisonError::into_inner) = Some(recording);
        Ok(())
    }

    /// Forgets all that was read, so that the next question is a cold one (measurements).
    pub fn forget(&self) {
        self.inner.tables.clear();
    }

    /// Asks the system to forget the run's files as well, so that the next
    /// question is read from the disk (measurements). What is not yet on the disk
    /// stays in memory.
    ///
    /// # Errors
    /// A file cannot be opened.
    pub fn forget_files(&self) -> Result<()> {
        self.forget();
        for file in self.now().segments.iter().flat_map(|s| &s.files) {
            let failed = |e| RunError::io(&file.path, e);
            let open = std::fs::File::open(&file.path).map_err(failed)?;
            crate::run::advice::forget(&open).map_err(failed)?;
        }
        Ok(())
    }

    fn cache(&self) -> &Cache {
        &self.inner.tables.cache
    }
}

impl Moment {
    fn load(
        dir: &Path,
        mut manifest: Manifest,
        old: Option<&Self>,
        tables: &Tables,
    ) -> Result<Self> {
        let goes_on = match manifest.state {
            RunState::Running => true,
            RunState::Stopped => manifest.end.is_none(),
            _ => false,
        };
        if goes_on && !Lock::is_held(dir) {
            manifest.state = RunState::CutOff;
        }
        // Segments once published never change, unless a run is resumed.
        let old = old.filter(|old| {
            manifest.segments.len() >= old.segments.len()
                && manifest.segments[..old.segments.len()]
                    == old.manifest.segments[..old.segments.len()]
        });
        let mut moment = Self {
            segments: old.map_or_else(Vec::new, |old| old.segments.clone()),
            sources: old.map_or_else(Vec::new, |old| old.sources.clone()),
            ref_sources: old.map_or_else(Vec::new, |old| old.ref_sources.clone()),
            sums: old.map_or_else(Vec::new, |old| old.sums.clone()),
            revisions: old.is_some_and(|old| old.revisions),
            totals: old.map_or([0; 10], |old| old.totals),
            lanes: LaneTable::new(manifest.start.inputs.len(), &manifest.start.lanes),
            manifest,
        };
        let durable = moment.manifest.checkpoints.last().map_or(0, |c| c.arrival);
        for number in moment.segments.len()..moment.manifest.segments.len() {
            let at = moment.manifest.segments[number];
            let added = Segment::open(dir, number as u64, at)
                .and_then(|segment| moment.add(segment, dir, tables));
            match added {
                Ok(()) => {}
                // After a power cut the newest segments may not have reached the
                // disk; a checkpoint's have.
                Err(_) if moment.manifest.state == RunState::CutOff && at.end > durable => {
                    moment.manifest.segments.truncate(number);
                    break;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(moment)
    }

    fn add(&mut self, segment: Segment, dir: &Path, tables: &Tables) -> Result<()> {
        let s = &segment.summary;
        let before = self.segments.last().map(|s| &s.summary);
        let fits = s.first_arrival == before.map_or(0, |b| b.end_arrival)
            && s.first_row == before.map_or(0, |b| b.end_row)
            && s.first_output == before.map_or(0, |b| b.end_output)
            && s.targets.iter().chain(&s.ref_targets).all(|t| t.0 <= s.number)
            && s.books.inputs.len() == self.manifest.start.inputs.len();
        if !fits {
            return Err(RunError::corrupt(
                &segment.index().path,
                format!("it does not go on where the segment before it ended ({})", dir.display()),
            ));
        }
        let cells = segment.len(Section::Sums, 8);
        let bytes = segment.entries(&tables.cache, Section::Sums, 8, 0, cells)?;
        let blocks = s.end_arrival.div_ceil(1024).max(self.sums.len() as u64);
        let sums: Vec<_> = bytes.chunks_exact(8).map(|e| uncell(u64_at(e, 0))).collect();
        if sums.iter().any(|(block, _, verdict, _)| {
            *block >= blocks
                || ![ROWS, REVISED].contains(verdict) && *verdict as usize >= Verdict::ALL.len()
        }) {
            return Err(RunError::corrupt(&segment.index().path, "a sum beyond its end"));
        }
        self.sums.resize(blocks as usize, [0; 11]);
        for (block, _, verdict, count) in sums {
            let sum = &mut self.sums[block as usize];
            let code = match verdict {
                ROWS => 10,
                REVISED => {
                    let unmatched = &mut sum[Verdict::Unmatched as usize];
                    *unmatched = unmatched.wrapping_sub(count as u32);
                    Verdict::Expired as usize
                }
                verdict => usize::from(verdict),
            };
            sum[code] = sum[code].wrapping_add(count as u32);
        }
        self.revisions |= s.revisions > 0;
        self.totals = [0; 10];
        for counts in &s.books.inputs {
            self.totals.iter_mut().zip(counts.0).for_each(|(total, n)| *total += n);
        }
        let number = self.segments.len();
        self.sources.push(Vec::new());
        self.ref_sources.push(Vec::new());
        for (target, _) in &s.targets {
            self.sources[*target as usize].push(number as u32);
        }
        for (target, _) in &s.ref_targets {
            self.ref_sources[*target as usize].push(number as u32);
        }
        self.segments.push(Arc::new(segment));
        Ok(())
    }

    pub fn rows(&self) -> u64 {
        self.segments.last().map_or(0, |s| s.summary.end_row)
    }

    pub fn arrivals(&self) -> u64 {
        self.segments.last().map_or(0, |s| s.summary.end_arrival)
    }

    pub fn outputs(&self) -> u64 {
        self.segments.last().map_or(0, |s| s.summary.end_output)
    }

    /// The segment that a row is in.
    pub fn segment_of_row(&self, row: u64) -> Option<usize> {
        let at = self.segments.partition_point(|s| s.summary.end_row <= row);
        (at < self.segments.len()).then_some(at)
    }

    /// The segment that an arrival is in.
    pub fn segment_of_arrival(&self, arrival: u64) -> Option<usize> {
        let at = self.segments.partition_point(|s| s.summary.end_arrival <= arrival);
        (at < self.segments.len()).then_some(at)
    }

    /// Rows by verdict of a block of 1,024 arrivals.
    fn block(&self, block: usize) -> [u32; 10] {
        let sum = &self.sums[block];
        let mut counts = [0; 10];
        counts.copy_from_slice(&sum[..10]);
        let decided: u32 = counts.iter().skip(1).sum();
        counts[Verdict::Open as usize] = sum[10].saturating_sub(decided);
        counts
    }
}
