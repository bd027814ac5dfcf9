//! The run store of a job: the same folder through every restart.

use std::path::PathBuf;
use std::sync::Arc;

use super::execute::{Keeper, Laid};
use super::layout::ARRIVALS;
use super::manifest::{InputInfo, ManifestStart, RunEnd, RunState, now_ms};
use super::write::Writer;
use crate::engine::delivery::{Keep, Kept};
use crate::engine::step::{CheckpointEntry, Durable, Sink, SinkError, Step};
use crate::engine::{Ended, Summary};
use crate::operator::pipeline::Pipeline;
use crate::operator::record::{Arrival, TopicPartition};

/// Opens the run folder of a job where the job goes on.
pub struct RunStore {
    dir: PathBuf,
    start: ManifestStart,
    pipeline: Arc<Pipeline>,
}

impl RunStore {
    /// `start` counts where the folder is new.
    #[must_use]
    pub fn new(dir: PathBuf, start: ManifestStart, pipeline: Arc<Pipeline>) -> Self {
        Self { dir, start, pipeline }
    }
}

/// What a job's run store says of itself at its start. `partitions` are those
/// of the source.
#[must_use]
pub fn job_start(pipeline: &Pipeline, partitions: &[TopicPartition], seed: u64) -> ManifestStart {
    let Laid { lanes, later } = Laid::out(pipeline, partitions, &[]);
    ManifestStart {
        pipeline_file: format!("{}.toml", pipeline.name),
        pipeline_text: pipeline.to_toml(),
        semantics: pipeline.join.semantics.to_string(),
        seed,
        at_end: "open".to_owned(),
        inputs: pipeline
            .inputs
            .iter()
            .map(|input| InputInfo {
                name: Arc::clone(&input.name),
                topic: Arc::clone(&input.topic),
                max_out_of_orderness: input.watermark.max_out_of_orderness,
            })
            .collect(),
        lanes,
        later,
        sources: super::execute::sources(pipeline, partitions),
        ..ManifestStart::default()
    }
}

impl Keep for RunStore {
    fn open(&mut self, from: Option<&CheckpointEntry>) -> Result<Box<dyn Kept>, SinkError> {
        let failed = |e: super::error::RunError| SinkError(e.to_string());
        let there = self.dir.join(super::layout::MANIFEST).exists();
        let folds = self.pipeline.folds();
        let writer = if there || from.is_some() {
            let mut writer = match from {
                Some(entry) => Writer::resume_from(&self.dir, entry, folds),
                None => Writer::resume(&self.dir, 0, folds),
            }
            .map_err(failed)?;
            if let Some(entry) = from {
                // It may have been committed before the run store was told of it.
                writer.adopt(entry).map_err(failed)?;
            }
            writer
        } else {
            Writer::create_around(&self.dir, self.start.clone(), folds, ARRIVALS).map_err(failed)?
        };
        let keeper = Keeper::new(writer, &self.pipeline).map_err(failed)?;
        Ok(Box::new(JobStore { keeper, pipeline: Arc::clone(&self.pipeline) }))
    }
}

/// The run store while the job runs.
struct JobStore {
    keeper: Keeper,
    pipeline: Arc<Pipeline>,
}

impl Sink for JobStore {
    fn step(&mut self, step: Step) -> Result<(), SinkError> {
        self.keeper.sink().step(step)
    }

    fn revise(&mut self, step: &mut Step) -> Result<(), SinkError> {
        self.keeper.sink().revise(step)
    }

    fn barrier(&mut self, at: Arrival) -> Result<Option<Durable>, SinkError> {
        self.keeper.sink().barrier(at)
    }

    fn checkpoint(&mut self, entry: CheckpointEntry) -> Result<(), SinkError> {
        self.keeper.sink().checkpoint(entry)
    }
}

impl Kept for JobStore {
    fn partitions(&mut self, all: &[TopicPartition], later: &[u32]) -> Result<(), SinkError> {
        let laid = Laid::out(&self.pipeline, all, later);
        self.keeper.writer().grow(laid).map_err(|e| SinkError(e.to_string()))
    }

    fn finish(self: Box<Self>, outcome: Result<&Summary, &str>) -> Result<(), SinkError> {
        let state = match outcome {
            Ok(summary) if summary.ended == Ended::Done => RunState::Done,
            Ok(_) => RunState::Cancelled,
            Err(_) => RunState::Failed,
        };
        let end = RunEnd {
            error: outcome.err().map(str::to_owned),
            digest: outcome.ok().map(|summary| summary.digest.clone()),
            seconds: outcome.map_or(0.0, |summary| summary.seconds),
            peak_memory_bytes: outcome.map_or(0, |summary| summary.peak_memory_bytes),
            ended_ms: now_ms(),
        };
        self.keeper.into_writer().finish(state, end).map_err(|e| SinkError(e.to_string()))
    }
}
