//! What the engine gives out without faults: the same messages, over a given
//! order of arrivals.

use std::sync::Arc;

use super::input::{Input, InputValues, Taken};
use super::world::scratch;
use crate::edges::log::OutMessage;
use crate::engine::delivery::{Keep as _, Kept, Messages};
use crate::engine::step::{CheckpointEntry, Sink, SinkError, Step};
use crate::engine::{
    self, AtEnd, Batches, Control, Given, RunError, RunSpec, Source, SourceError, Summary,
};
use crate::operator::codec::SchemaSource;
use crate::operator::pipeline::Pipeline;
use crate::operator::record::{Record, TopicPartition};
use crate::run::{RunStore, job_start};

/// What a run without faults came to.
pub struct Oracle {
    /// In order, each with the processing time (ms) that set it off.
    pub messages: Vec<(i64, OutMessage)>,
    pub summary: Summary,
}

/// Runs the engine over `taken`.
///
/// # Errors
/// The pipeline cannot be run over this input.
pub fn oracle(
    pipeline: &Arc<Pipeline>,
    input: &Arc<Input>,
    taken: Taken,
    in_recorded_order: bool,
    at_end: AtEnd,
) -> Result<Oracle, RunError> {
    oracle_under(&Control::new(), pipeline, input, taken, in_recorded_order, at_end)
}

/// As [`oracle`], watched and ended by `control`.
///
/// # Errors
/// As [`oracle`].
pub fn oracle_under(
    control: &Control,
    pipeline: &Arc<Pipeline>,
    input: &Arc<Input>,
    taken: Taken,
    in_recorded_order: bool,
    at_end: AtEnd,
) -> Result<Oracle, RunError> {
    let values = Box::new(InputValues(Arc::clone(input)));
    let messages = Messages::new(Arc::clone(pipeline), &input.schemas, values, 0);
    // The run store judges what the join cannot know (`expired`), so the oracle
    // has one too.
    let scratch = scratch().map_err(|e| SinkError(format!("no folder for the oracle: {e}")))?;
    let start = job_start(pipeline, input.first(), 0);
    let folder = scratch.path().join("oracle");
    let mut store = RunStore::new(folder, start, Arc::clone(pipeline)).open(None)?;
    store.partitions(&input.partitions, &input.later)?;
    let messages = messages.map_err(RunError::Pipeline)?;
    let mut sink = Told { messages, said: Vec::new(), store };
    let source = Ordered { input: Arc::clone(input), taken, in_recorded_order };
    let summary = engine::run(
        RunSpec {
            pipeline: Arc::clone(pipeline),
            source: Arc::new(source),
            folder: None,
            at_end,
            seed: 0,
            restarts: Vec::new(),
            memory: 1 << 30,
            shards: 1,
            checkpoint_records: u64::MAX,
            resume: None,
        },
        &mut sink,
        control,
    )?;
    Ok(Oracle { messages: sink.said, summary })
}

/// All records in the recorded order.
#[must_use]
pub fn recorded(input: &Input) -> Taken {
    let records = input.records.iter().enumerate();
    let order = records.map(|(i, record)| (i as u32, record.arrival_ns)).collect();
    Taken { order, ..Taken::default() }
}

struct Told {
    messages: Messages,
    said: Vec<(i64, OutMessage)>,
    store: Box<dyn Kept>,
}

impl Sink for Told {
    fn names(&self) -> bool {
        true
    }

    fn step(&mut self, step: Step) -> Result<(), SinkError> {
        let told = &mut self.said;
        self.messages.of_step(&step, |now_ms, message| {
            told.push((now_ms, message));
            Ok(())
        })?;
        self.store.step(step)
    }

    fn revise(&mut self, step: &mut Step) -> Result<(), SinkError> {
        self.store.revise(step)
    }

    fn checkpoint(&mut self, _: CheckpointEntry) -> Result<(), SinkError> {
        Ok(())
    }
}

struct Ordered {
    input: Arc<Input>,
    taken: Taken,
    in_recorded_order: bool,
}

impl Source for Ordered {
    fn partitions(&self) -> &[TopicPartition] {
        &self.input.partitions
    }

    fn schemas(&self) -> Arc<dyn SchemaSource + Send + Sync> {
        Arc::clone(&self.input.schemas)
    }

    fn later(&self) -> Vec<u32> {
        self.input.later.clone()
    }

    fn records(&self, _: &[Arc<str>]) -> Option<u64> {
        Some(self.taken.order.len() as u64)
    }

    fn batches(&self, _: &[Arc<str>], from: u64) -> Result<Batches, SourceError> {
        let input = Arc::clone(&self.input);
        let order = self.taken.order[from as usize..].iter();
        let order: Vec<(u64, (u32, i64))> = (from..).zip(order.copied()).collect();
        let mut batches: Vec<_> = order.chunks(1_024).map(<[_]>::to_vec).collect();
        // What the clock said after the last record.
        batches.push(Vec::new());
        let mut clock = input.clock_from(from);
        if !self.in_recorded_order {
            clock.clear();
        }
        // What a job's own clock said counts its own arrivals.
        let own = input.clock.is_empty();
        if own {
            clock.extend(self.taken.clock.iter().filter(|said| said.precedes >= from));
        }
        Ok(Box::new(batches.into_iter().map(move |batch| {
            let record = |(position, (i, ns)): (u64, (u32, i64))| {
                let record = input.records[i as usize].clone();
                let arrival = if own { position } else { record.arrival };
                Record { arrival, arrival_ns: ns, ..record }
            };
            let records: Vec<Record> = batch.into_iter().map(record).collect();
            let said = records.last().map_or(clock.len(), |last| {
                clock.iter().take_while(|said| said.precedes <= last.arrival).count()
            });
            Ok(Given { records, clock: clock.drain(..said).collect() })
        })))
    }
}
