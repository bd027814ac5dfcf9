//! Runs a pipeline over a recording into a run folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::breaking::{AtHit, Breaking, Values};
use super::error::{Result, RunError};
use super::expired::Expired;
use super::manifest::{
    InputInfo, Lock, Manifest, ManifestStart, RecordingRef, RunEnd, RunState, SourceInfo, now_ms,
    text_digest,
};
use super::read::Run;
use super::schemas;
use super::types::LaneInfo;
use super::write::Writer;
use crate::edges::pipeline_file::PipelineFile;
use crate::edges::recording::Recording;
use crate::edges::rocksdb::{self, StoreError};
use crate::engine::step::{CheckpointEntry, Sink};
use crate::engine::{self, AtEnd, CHECKPOINT_RECORDS, Control, Ended, RunSpec, Source, Summary};
use crate::operator::pipeline::{LatePolicy, Pipeline, Semantics};
use crate::operator::record::{Arrival, TopicPartition};
use crate::operator::verdict::Counts;
use crate::operator::watermark::Sources;

/// What to run, and where what it leaves behind goes.
#[derive(Clone, Debug)]
pub struct Execute {
    pub pipeline: PipelineFile,
    /// `--set path=value`, in order; already in effect in `pipeline`.
    pub overrides: Vec<(String, String)>,
    pub recording: Recording,
    /// A folder that does not exist yet.
    pub dir: PathBuf,
    pub at_end: AtEnd,
    pub seed: u64,
    /// Before these arrivals the engine that the join stands for is started again
    /// ([`engine::restarts`]), in any order.
    pub restarts: Vec<Arrival>,
    /// Bytes that join state may take in memory.
    pub memory: u64,
    /// 0: one for each core.
    pub shards: usize,
    pub checkpoint_records: u64,
    /// What it does at a breakpoint of its control.
    pub at_hit: AtHit,
}

impl Execute {
    /// With the settings that a run has unless it is told otherwise.
    #[must_use]
    pub fn new(pipeline: PipelineFile, recording: Recording, dir: PathBuf) -> Self {
        Self {
            pipeline,
            overrides: Vec::new(),
            recording,
            dir,
            at_end: AtEnd::Open,
            seed: 0,
            restarts: Vec::new(),
            memory: 1 << 30,
            shards: 0,
            checkpoint_records: CHECKPOINT_RECORDS,
            at_hit: AtHit::Wait,
        }
    }

    pub(super) fn keep(self) -> Keep {
        Keep {
            pipeline: Arc::new(self.pipeline.pipeline),
            recording: Some(self.recording.clone()),
            source: Arc::new(self.recording),
            dir: self.dir,
            at_end: self.at_end,
            seed: self.seed,
            restarts: self.restarts,
            memory: self.memory,
            shards: self.shards,
            checkpoint_records: self.checkpoint_records,
            at_hit: self.at_hit,
            verified: false,
        }
    }

    pub(super) fn start(&self) -> Result<ManifestStart> {
        let pipeline = &self.pipeline.pipeline;
        let given = schemas::kept(&self.dir, self.recording.given_schemas())?;
        let (schemas_text, given) = given.unzip();
        let laid = Laid::out(pipeline, self.recording.partitions(), &self.recording.later());
        Ok(ManifestStart {
            pipeline_file: self.pipeline.path.display().to_string(),
            pipeline_text: self.pipeline.text_to_keep(),
            overrides: self.overrides.clone(),
            semantics: pipeline.join.semantics.to_string(),
            recording: RecordingRef {
                path: std::path::absolute(self.recording.path())
                    .unwrap_or_else(|_| self.recording.path().to_owned()),
                digest: self.recording.digest().to_owned(),
            },
            schemas: given,
            schemas_text: schemas_text.unwrap_or_default(),
            seed: self.seed,
            at_end: match self.at_end {
                AtEnd::Open => "open".to_owned(),
                AtEnd::Close => "close".to_owned(),
            },
            inputs: inputs(pipeline),
            lanes: laid.lanes,
            later: laid.later,
            sources: sources(pipeline, self.recording.partitions()),
            restarts: self.restarts.clone(),
            total: self.recording.records(&pipeline.topics()),
            live: None,
        })
    }
}

/// The pipeline's inputs, as a run names them.
pub(super) fn inputs(pipeline: &Pipeline) -> Vec<InputInfo> {
    let inputs = pipeline.inputs.iter();
    inputs
        .map(|input| InputInfo {
            name: Arc::clone(&input.name),
            topic: Arc::clone(&input.topic),
            max_out_of_orderness: input.watermark.max_out_of_orderness,
        })
        .collect()
}

/// A run's lanes as the engine numbers them.
pub(super) struct Laid {
    pub lanes: Vec<LaneInfo>,
    /// How many, the last ones, are of partitions that came later.
    pub later: u32,
}

impl Laid {
    /// `later`: which partitions came later ([`Source::later`]).
    pub fn out(pipeline: &Pipeline, partitions: &[TopicPartition], later: &[u32]) -> Self {
        let (lanes, later) = engine::lanes(pipeline, partitions, later);
        let info = |(input, source): (u8, u32)| {
            let of = partitions.get(source as usize)?;
            Some(LaneInfo { input, topic: Arc::clone(&of.topic), partition: of.partition })
        };
        Self { lanes: lanes.into_iter().filter_map(info).collect(), later }
    }
}

/// Which source subtask of Flink reads what; none at parallelism 1, and under
/// other rules.
pub(super) fn sources(pipeline: &Pipeline, partitions: &[TopicPartition]) -> Vec<SourceInfo> {
    let inputs = crate::engine::sources::of(pipeline, partitions);
    let info = |(input, sources): (u8, Sources)| SourceInfo {
        input,
        subtasks: sources.owners().to_vec(),
        without_partition: sources.without_partition(sources.owners().len() as u32),
    };
    inputs.map(info).collect()
}

/// Where the steps go: `expired` is decided on the way only where it can happen.
pub(super) enum Keeper {
    Plain(Box<Writer>),
    Judging(Box<Expired>),
}

impl Keeper {
    pub(super) fn new(writer: Writer, pipeline: &Pipeline) -> Result<Self> {
        let judged =
            pipeline.join.late == LatePolicy::Join || pipeline.join.semantics != Semantics::Clean;
        Ok(if judged {
            Self::Judging(Box::new(Expired::new(writer, pipeline)?))
        } else {
            Self::Plain(Box::new(writer))
        })
    }

    pub(super) fn sink(&mut self) -> &mut dyn Sink {
        match self {
            Self::Plain(writer) => writer.as_mut(),
            Self::Judging(judge) => judge.as_mut(),
        }
    }

    pub(super) fn writer(&mut self) -> &mut Writer {
        match self {
            Self::Plain(writer) => writer.as_mut(),
            Self::Judging(judge) => judge.writer(),
        }
    }

    pub(super) fn into_writer(self) -> Writer {
        match self {
            Self::Plain(writer) => *writer,
            Self::Judging(judge) => judge.into_writer(),
        }
    }
}

/// Runs and blocks until the end. Whatever happens, what was whole is kept and
/// the manifest says how it ended; a pipeline that cannot be run over this
/// recording leaves no folder.
///
/// # Errors
/// The run failed; or its folder could not be made or finished.
pub fn execute(mut spec: Execute, control: &Control) -> Result<Summary> {
    let pipeline = Arc::new(spec.pipeline.pipeline.clone());
    engine::check(&pipeline, &spec.recording).map_err(|e| RunError::Pipeline(e.to_string()))?;
    let records = spec.recording.records(&pipeline.topics());
    // Of those that its rules know to come later: where they know none, all are there.
    let (partitions, later) = (spec.recording.partitions(), spec.recording.later());
    let later = Laid::out(&pipeline, partitions, &later).later > 0;
    spec.restarts = engine::restarts::of(&pipeline, records, later, &spec.restarts)
        .map_err(|e| RunError::Pipeline(e.to_string()))?;
    let writer = Writer::create(&spec.dir, spec.start()?, pipeline.folds())?;
    keep(spec.keep(), writer, None, control)
}

/// Goes on with a run whose process ended, from its checkpoint at arrival `at`:
/// what it had kept after that is dropped, and it ends with the rows, verdicts,
/// outputs and digest of a run that was never stopped. Schemas that it was given
/// when it began are in its folder, and are given again; so are modelled restarts,
/// where none are named.
///
/// # Errors
/// `spec` is not what was run in its folder, there is no such checkpoint, or as
/// [`execute`].
pub fn resume(spec: Execute, at: Arrival, control: &Control) -> Result<Summary> {
    let manifest = Manifest::load(&spec.dir)?;
    let entry = manifest.checkpoints.iter().rfind(|c| c.arrival == at).cloned();
    let entry = entry.ok_or_else(|| {
        RunError::NoSuch(format!("{}: no checkpoint at arrival {at}", spec.dir.display()))
    })?;
    resume_from(spec, &manifest, entry, control)
}

fn resume_from(
    mut spec: Execute,
    manifest: &Manifest,
    entry: CheckpointEntry,
    control: &Control,
) -> Result<Summary> {
    let given = schemas::read(&spec.dir, manifest.start.schemas.as_ref())?;
    spec.recording = spec.recording.with_schemas(&given);
    if spec.restarts.is_empty() {
        spec.restarts.clone_from(&manifest.start.restarts);
    }
    spec.restarts.sort_unstable();
    spec.restarts.dedup();
    let start = spec.start()?;
    let differs = [
        ("pipeline", text_digest(&start.pipeline_text) != manifest.pipeline_digest),
        ("overrides", start.overrides != manifest.start.overrides),
        ("recording", start.recording.digest != manifest.start.recording.digest),
        ("set of schemas", start.schemas != manifest.start.schemas),
        ("seed", start.seed != manifest.start.seed),
        ("at_end", start.at_end != manifest.start.at_end),
        ("set of restarts", start.restarts != manifest.start.restarts),
    ];
    if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
        return Err(RunError::NoSuch(format!(
            "{}: was run with another {what}; a run goes on only as it began",
            spec.dir.display()
        )));
    }
    let free = !Lock::is_held(&spec.dir);
    if free {
        let instead = || another(&spec.dir, entry.epoch, &manifest.checkpoints);
        verified(&spec.dir, entry.epoch, instead)?;
    }
    let writer = Writer::resume_from(&spec.dir, &entry, spec.pipeline.pipeline.folds())?;
    keep(Keep { verified: free, ..spec.keep() }, writer, Some(entry), control)
}

/// Goes on with a run that did not come to its end (its process was killed, it
/// was cancelled, stopped or failed), as [`resume`]: from its checkpoint of `epoch`, or
/// from its newest one. One that was cancelled has one where it ended.
///
/// # Errors
/// The run still goes on, has come to its end, is a live one, or has no
/// such checkpoint; else as [`resume`].
pub fn go_on(spec: Execute, epoch: Option<u64>, control: &Control) -> Result<Summary> {
    let manifest = Manifest::load(&spec.dir)?;
    let not = |what: String| Err(RunError::NoSuch(format!("{}: {what}", spec.dir.display())));
    if Lock::is_held(&spec.dir) {
        return not(format!(
            "the run still goes on (process {}); wait for it or stop it",
            manifest.pid
        ));
    }
    if manifest.start.live.is_some() {
        return not("is a live run's folder, which goes on with the same command as it began \
                    (--brokers and --out)"
            .to_owned());
    }
    if manifest.state == RunState::Done {
        return not("the run has come to its end: there is nothing to go on with".to_owned());
    }
    let Some(newest) = manifest.checkpoints.last() else {
        return not("the run ended before its first checkpoint: remove the folder and run it \
                    again"
            .to_owned());
    };
    let Some(epoch) = epoch else {
        let newest = newest.clone();
        return resume_from(spec, &manifest, newest, control);
    };
    // The manifest names those too that were let go since.
    let there = rocksdb::list(&spec.dir).map_err(|e| RunError::Engine(e.to_string()))?;
    let known = manifest.checkpoints.iter().filter(|entry| there.contains(&entry.epoch));
    let known: Vec<&CheckpointEntry> = known.collect();
    let Some(entry) = known.iter().find(|entry| entry.epoch == epoch) else {
        let epochs: Vec<String> = known.iter().map(|entry| entry.epoch.to_string()).collect();
        let has = if epochs.is_empty() { "none".to_owned() } else { epochs.join(", ") };
        return not(format!("the run has no checkpoint {epoch}; it has {has}"));
    };
    let entry = (*entry).clone();
    resume_from(spec, &manifest, entry, control)
}

/// Reads the checkpoint that a run is to go on from against its checksums. It comes before
/// anything is changed: what is newer goes, and with it where the run could go on from
/// instead, which `instead` says.
pub(super) fn verified(dir: &Path, epoch: u64, instead: impl FnOnce() -> String) -> Result<()> {
    match rocksdb::verify(dir, epoch) {
        Ok(_) => Ok(()),
        Err(error @ (StoreError::Damaged { .. } | StoreError::Missing { .. })) => {
            Err(RunError::NoSuch(format!("{error}. Nothing was changed; {}", instead())))
        }
        Err(error @ StoreError::Newer { .. }) => Err(RunError::NoSuch(error.to_string())),
        Err(error) => Err(RunError::Engine(error.to_string())),
    }
}

/// How a run over a recording goes on where its checkpoint `not` is damaged.
fn another(dir: &Path, not: u64, known: &[CheckpointEntry]) -> String {
    let mut others = known.iter().rev().map(|entry| entry.epoch).filter(|epoch| *epoch != not);
    match others.find(|epoch| rocksdb::verify(dir, *epoch).is_ok()) {
        Some(epoch) => {
            format!("--resume {} --checkpoint {epoch} goes on from another one", dir.display())
        }
        None => "no other one is whole: run it again into another --out".to_owned(),
    }
}

/// A run into its folder, whatever its source.
pub(super) struct Keep {
    pub pipeline: Arc<Pipeline>,
    pub source: Arc<dyn Source>,
    /// Where breakpoints read the values of records.
    pub recording: Option<Recording>,
    pub dir: PathBuf,
    pub at_end: AtEnd,
    pub seed: u64,
    pub restarts: Vec<Arrival>,
    pub memory: u64,
    pub shards: usize,
    pub checkpoint_records: u64,
    pub at_hit: AtHit,
    /// The checkpoint that it goes on from was just found whole.
    pub verified: bool,
}

/// Runs.
pub(super) fn keep(
    spec: Keep,
    writer: Writer,
    from: Option<CheckpointEntry>,
    control: &Control,
) -> Result<Summary> {
    let (pipeline, dir) = (Arc::clone(&spec.pipeline), spec.dir.clone());
    let mut sink = Keeper::new(writer, &pipeline)?;
    let (rows, begun) = from.as_ref().map_or((0, 0), |entry| (entry.state_rows, entry.arrival));
    let fields = Values::new(&pipeline, spec.recording);
    let mut breaking = Breaking::new(sink.sink(), control, spec.at_hit, rows, fields);
    let run = if spec.verified { engine::run_verified } else { engine::run };
    let mut outcome = run(
        RunSpec {
            pipeline,
            source: spec.source,
            folder: Some(spec.dir),
            at_end: spec.at_end,
            seed: spec.seed,
            restarts: spec.restarts,
            memory: spec.memory,
            shards: spec.shards,
            checkpoint_records: spec.checkpoint_records,
            resume: from,
        },
        &mut breaking,
        control,
    );
    let stopped = breaking.has_ended();
    let writer = sink.into_writer();
    if let Ok(summary) = &mut outcome
        && stopped
    {
        // What was taken after the breakpoint was thrown away.
        ended_at(summary, control, &writer);
    }
    let (state, end) = match &outcome {
        Ok(summary) => (
            match summary.ended {
                Ended::Done => RunState::Done,
                Ended::Cancelled => RunState::Cancelled,
                Ended::Stopped => RunState::Stopped,
            },
            RunEnd {
                error: None,
                digest: Some(summary.digest.clone()).filter(|digest| !digest.is_empty()),
                seconds: summary.seconds,
                peak_memory_bytes: summary.peak_memory_bytes,
                ended_ms: now_ms(),
            },
        ),
        Err(error) => {
            let progress = control.progress();
            let end = RunEnd {
                error: Some(error.to_string()),
                digest: None,
                seconds: progress.seconds,
                peak_memory_bytes: progress.peak_memory_bytes,
                ended_ms: now_ms(),
            };
            (RunState::Failed, end)
        }
    };
    let finished = writer.finish(state, end);
    let mut summary = outcome.map_err(|error| match error {
        // It took nothing, and as it is no further start would.
        engine::RunError::Checkpoint { .. } => RunError::NoSuch(error.to_string()),
        other => RunError::Engine(other.to_string()),
    })?;
    finished?;
    if stopped {
        // The sequencer was ahead of the breakpoint, and what was a checkpoint there is none.
        let run = Run::open(&dir)?;
        summary.watermark = run.last_watermark()?.unwrap_or(i64::MIN);
        let own = run.checkpoints().into_iter().filter(|entry| entry.arrival > begun);
        summary.checkpoints = own.count() as u64;
        if let Some(furthest) = &summary.furthest
            && run.find(&furthest.record)?.is_empty()
        {
            summary.furthest = None;
        }
    }
    Ok(summary)
}

/// What a run came to that ended at a breakpoint: what the store has of it.
fn ended_at(summary: &mut Summary, control: &Control, writer: &Writer) {
    let books = writer.books();
    summary.ended = Ended::Stopped;
    summary.records = control.stopped().map_or(0, |stop| stop.arrival + 1);
    summary.rows = books.inputs.iter().map(Counts::total).sum();
    summary.outputs = books.outputs;
    (summary.state_rows, summary.state_bytes) = (books.state_rows, books.state_bytes);
    // It is that of a whole run only.
    summary.digest = String::new();
    for (input, counts) in summary.books.iter_mut().zip(&books.inputs) {
        input.counts = *counts;
    }
}
