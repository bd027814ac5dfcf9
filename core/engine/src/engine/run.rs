//! Wires the stages together: reader → decoders → sequencer → shards →
//! collector → sink, each on threads of its own with bounded queues between
//! them, so that the system keeps every core at work on whatever is waiting.
//! The sink's stage is the calling thread.
//!
//! A stage that ends, by an error or a panic too, drops its queues; its
//! neighbours then end as well. So nothing can hang, and what reached the sink
//! is a whole prefix of the run.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crossbeam_channel::bounded;

use super::checkpoint::{self, Identity, Resumed, Start};
use super::collector::Collector;
use super::control::Control;
use super::decode::Decoders;
use super::delivery;
use super::ends::{Ends, waits_for_partitions};
use super::failure::Failure;
use super::meter::{Meters, Peak};
use super::operators;
use super::restarts;
use super::routes::Routes;
use super::sequencer::{Sequencer, Settings};
use super::sink::{Outcome, SinkStage};
use super::spec::RunSpec;
use super::step::Sink;
use super::summary::{Ended, Furthest, RunError, Summary};
use super::threads::{Common, Ending, LIVE, Threads, WHOLE};
use crate::edges::rocksdb::Store;
use crate::operator::join::Operator;
use crate::operator::pipeline::Semantics;
use crate::operator::state::Cold;

pub(super) fn run(
    spec: &RunSpec,
    sink: &mut dyn Sink,
    control: &Control,
    verified: bool,
) -> Result<Summary, RunError> {
    let began = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let shards = if spec.shards == 0 { cores } else { spec.shards }.min(4096);
    let pipeline = &spec.pipeline;
    if pipeline.delivery.checkpoint_interval < 1 {
        return Err(RunError::Pipeline("delivery.checkpoint_interval must be over 0".to_owned()));
    }
    let routes = Arc::new(Routes::new(pipeline, spec.source.partitions(), &spec.source.later())?);
    let decoders = Decoders::new(pipeline, Arc::clone(&routes), &spec.source.schemas())?;
    // A subtask or task never spans shards (3-semantics), and at parallelism 1
    // there is one: what is sequential in the engine is so here.
    let shards = if pipeline.join.semantics == Semantics::Clean { shards } else { 1 };
    let records = spec.source.records(&routes.topics);
    let restarts = restarts::of(pipeline, records, !routes.later.is_empty(), &spec.restarts)?;
    let identity = Identity {
        pipeline_digest: delivery::state_digest(pipeline),
        interval: pipeline.delivery.checkpoint_interval,
        shards,
        seed: spec.seed,
        any_due: pipeline.join.semantics != Semantics::Clean,
    };
    let options = checkpoint::options(pipeline, spec.memory);

    let operators = |start: &Start| -> Result<Vec<Box<dyn Operator>>, RunError> {
        let disk = start.store.as_ref().map_or(0, Store::memory_bytes);
        let budget = match start.store {
            Some(_) => spec.memory.saturating_sub(disk).max(1) / shards as u64,
            None => u64::MAX,
        };
        let cold = |shard| {
            // The tier below takes no row that is due before what has passed, and after
            // a restart such rows come: everything stays in memory.
            let store = start.store.as_ref().filter(|_| restarts.is_empty())?;
            Some(Box::new(store.cold(shard as u16)) as Box<dyn Cold>)
        };
        (0..shards).map(|shard| operators::make(pipeline, budget, cold(shard))).collect()
    };
    let (start, operators) = match (&spec.resume, &spec.folder) {
        (Some(entry), Some(folder)) => {
            let resumed = Resumed::open(folder, entry, options, &routes, &identity, verified)?;
            let mut operators = operators(&resumed.start)?;
            (resumed.rows(&mut operators)?, operators)
        }
        (Some(_), None) => return Err(RunError::NothingToDo),
        (None, folder) => {
            let start = Start::fresh(folder.as_deref(), options, &routes)?;
            let operators = operators(&start)?;
            (start, operators)
        }
    };
    let Start { store, cut, books, digest, outputs, join, watermarks, sample } = start;

    let settings = Settings {
        late: match pipeline.join.semantics {
            Semantics::Clean | Semantics::FlinkDataStream => Some(pipeline.join.late),
            Semantics::FlinkSql | Semantics::KafkaStreams => None,
        },
        marks: operators::Marks::of_pipeline(pipeline),
        queues: waits_for_partitions(pipeline),
        ends: Ends::of_pipeline(pipeline, || spec.source.last_offsets()),
        shifts: (pipeline.join.semantics == Semantics::Clean)
            .then(|| pipeline.join.shifts(pipeline.inputs.len())),
        checkpoint_interval: pipeline.delivery.checkpoint_interval,
        // Live, an epoch counts too that only the clock had an effect in.
        checkpoint_records: store
            .is_some()
            .then(|| if spec.source.is_live() { 0 } else { spec.checkpoint_records.max(1) }),
        shards,
        held_is_active: pipeline.join.semantics == Semantics::Clean,
        heads: spec.source.heads(),
        restarts,
    };
    let mut sequencer = Sequencer::new(settings, Arc::clone(&routes));
    let from = cut.as_ref().map_or(0, |(cut, _)| cut.position.arrival);
    if let Some((cut, tracker)) = cut {
        spec.source.heard(cut.clock);
        sequencer.restore(cut, tracker, sample);
    } else {
        sequencer.begin();
    }
    let batches = spec.source.batches(&routes.topics, from)?;
    let total = spec.source.records(&routes.topics);
    let common = Common {
        control: control.clone(),
        failure: Failure::default(),
        meters: Meters::default(),
        peak: Peak::default(),
        stopped: AtomicBool::new(false),
        furthest: Mutex::new(None),
    };
    let makers = sink.makers();
    let make: &[&str] = if makers.is_empty() { &[] } else { &["make"] };
    let stages = ["read", "decode", "sequence", "join", "collect"];
    for stage in stages.iter().chain(make).chain(&["keep", "checkpoint"]) {
        common.meters.expect(stage);
    }

    let ending =
        Ending { live: spec.source.is_live(), at_end: spec.at_end, snapshots: store.is_some() };
    let names = sink.names();
    let mut stage = SinkStage::new(sink, books, digest, outputs, control, began, total, from);
    let outcome = std::thread::scope(|scope| {
        let depth = if spec.source.is_live() { LIVE } else { WHOLE };
        let threads = Threads { scope, common: &common, depth };
        let (over, is_over) = bounded::<()>(0);
        let result = (|| {
            let (sink_end, checkpointer) = checkpoint::checkpointer();
            let decoded = threads.decoders(&decoders, cores.clamp(2, 4), batches)?;
            let (to_collector, to_shards) =
                threads.sequencer(sequencer, decoded, shards, ending)?;
            let ahead = spec.source.is_live() && store.is_some();
            let outs = threads.shards(operators, to_shards, (join, &watermarks), ahead)?;
            let collector = Collector::new(Arc::clone(&routes), outputs, names);
            let (collected, to_sink) = threads.makers(makers)?;
            threads.collector(collector, to_collector, outs, store.as_ref(), collected)?;
            if let Some(store) = &store {
                threads.checkpointer(checkpointer, store, &routes, &identity)?;
            }
            threads.sampler(is_over)?;
            Ok((to_sink, sink_end))
        })();
        let outcome = match result {
            Ok((mut to_sink, checkpoints)) => {
                let mut outcome = None;
                common.failure.guard("keep", || {
                    let _meter = common.meters.start("keep");
                    outcome = Some(stage.run(&mut to_sink, checkpoints, &common.peak)?);
                    Ok(())
                });
                // Dropped before the scope waits for the other stages.
                drop(to_sink);
                outcome
            }
            Err(error) => {
                common.failure.set(RunError::Thread(error));
                None
            }
        };
        drop(over);
        outcome
    });
    common.peak.sample();
    if let Some(error) = common.failure.take() {
        return Err(error);
    }
    let Some(outcome) = outcome else { return Err(RunError::NothingToDo) };
    let stopped = common.stopped.load(Ordering::Acquire);
    let furthest = common.furthest.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(summary(&outcome, &common, stopped, furthest, began, from))
}

fn summary(
    outcome: &Outcome,
    common: &Common,
    stopped: bool,
    furthest: Option<Furthest>,
    began: Instant,
    from: u64,
) -> Summary {
    let seconds = began.elapsed().as_secs_f64();
    let position = &outcome.end;
    Summary {
        ended: if stopped { Ended::Cancelled } else { Ended::Done },
        records: position.arrival,
        rows: position.row,
        outputs: outcome.outputs,
        books: outcome.books.clone(),
        digest: outcome.digest.hex(),
        seconds,
        records_per_second: (position.arrival - from) as f64 / seconds.max(1e-9),
        peak_memory_bytes: common.peak.bytes(),
        watermark: position.watermark,
        epochs: position.epoch,
        epochs_with_effect: position.epochs_with_effect,
        checkpoints: outcome.checkpoints,
        state_rows: outcome.state_rows,
        state_bytes: outcome.state_bytes,
        furthest,
        stages: common.meters.times(),
    }
}
