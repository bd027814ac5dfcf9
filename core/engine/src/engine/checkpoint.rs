//! Real snapshots: what they keep besides rows, the thread that writes them
//! beside the next epoch's work, and going back to one.

use std::path::Path;
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::{Deserialize, Serialize};

use super::batch::{Cut, Position};
use super::books::Books;
use super::digest::Digest;
use super::routes::Routes;
use super::stairs::Sampled;
use super::step::{CheckpointEntry, Durable, Prepared, SinkError};
use super::summary::RunError;
use crate::edges::rocksdb::{
    CheckpointMeta, Frozen, Position as Offset, Restored, Store, StoreError, StoreOptions,
};
use crate::operator::join::Operator;
use crate::operator::pipeline::{InputIndex, Pipeline};
use crate::operator::record::TopicPartition;
use crate::operator::state::{Changes, Delta, Row, StateError};
use crate::operator::verdict::Counts;
use crate::operator::watermark::Tracker;

/// Checkpoints that stay: enough to go back in time by steps that grow with age.
const KEEP: usize = 16;

/// The engine's own part of a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct EngineMeta {
    epoch: u64,
    epochs_with_effect: u64,
    first_ms: i64,
    now_ms: i64,
    counts: Vec<Counts>,
    /// By input.
    watermarks: Vec<i64>,
    /// The source's, in its order; none: not told.
    #[serde(default)]
    partitions: Vec<String>,
    /// By partition of the source.
    next_offsets: Vec<Option<i64>>,
    idle: Vec<bool>,
    clock: usize,
    closed: bool,
    /// [`Cut::dirty`] and [`Cut::furthest`].
    #[serde(default)]
    dirty: bool,
    #[serde(default)]
    furthest: Option<(i64, u32, i64, i64)>,
    /// `delivery.checkpoint_interval`, ms; 0: not told.
    #[serde(default)]
    interval: i64,
    /// By shard, where an operator keeps more than rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    operators: Vec<Vec<u8>>,
}

/// How a run's state rests on disk: about so long, in ms of event time, as the
/// event-time watermark is behind by the out-of-orderness.
pub(super) fn options(pipeline: &Pipeline, memory: u64) -> StoreOptions {
    let reach = pipeline.join.with.iter().map(|w| w.until.max(w.after.saturating_neg()));
    let disorder = pipeline.inputs.iter().map(|input| input.watermark.max_out_of_orderness);
    let reach = reach.max().unwrap_or(0).max(0);
    StoreOptions::for_budget(memory, reach.saturating_add(disorder.max().unwrap_or(0)))
}

/// A snapshot on its way to the disk.
pub(super) struct Job {
    pub cut: Cut,
    pub frozen: Frozen,
    pub changes: Vec<Changes>,
    pub state_rows: u64,
    pub state_bytes: u64,
    // Known where the steps are given to the sink:
    pub outputs: u64,
    pub digest: Digest,
    pub counts: Vec<Counts>,
    /// By shard: what the operator keeps besides rows.
    pub operators: Vec<Vec<u8>>,
    /// How long the join stood still for it.
    pub pause: Duration,
    /// What makes durable what the sink was given, once the sink has ended the
    /// epoch: that goes on beside the writing of the state.
    pub durable: Option<Receiver<Option<Durable>>>,
}

/// Identity of the run, written into each checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// Of what guards the state: interval and guarantee may change.
    pub pipeline_digest: String,
    /// ms.
    pub interval: i64,
    pub shards: usize,
    pub seed: u64,
    /// [`CheckpointMeta::any_due`].
    pub any_due: bool,
}

/// Writes checkpoints, one after another, on a thread of its own.
pub(super) struct Checkpointer {
    jobs: Receiver<Job>,
    done: Sender<Result<CheckpointEntry, RunError>>,
}

/// The sink stage's end of a [`Checkpointer`]: at most one is in preparation.
pub(super) struct Checkpoints {
    jobs: Sender<Job>,
    done: Receiver<Result<CheckpointEntry, RunError>>,
    in_flight: bool,
}

pub(super) fn checkpointer() -> (Checkpoints, Checkpointer) {
    let (jobs_in, jobs) = bounded(1);
    let (done, done_out) = bounded(1);
    (Checkpoints { jobs: jobs_in, done: done_out, in_flight: false }, Checkpointer { jobs, done })
}

impl Checkpoints {
    /// Begins one; the one before must have been taken by [`Checkpoints::wait`].
    pub(super) fn begin(&mut self, job: Job) {
        // A checkpointer that is gone has left its reason in `done` or panicked.
        self.in_flight = self.jobs.send(job).is_ok();
    }

    pub(super) fn in_flight(&self) -> bool {
        self.in_flight
    }

    /// Where the one in preparation comes out.
    pub(super) fn done(&self) -> &Receiver<Result<CheckpointEntry, RunError>> {
        &self.done
    }

    /// The one in preparation, if it is ready now.
    pub(super) fn ready(&mut self) -> Option<Result<CheckpointEntry, RunError>> {
        let done = self.done.try_recv().ok()?;
        self.in_flight = false;
        Some(done)
    }

    /// The one in preparation, once it is ready.
    pub(super) fn wait(&mut self) -> Option<Result<CheckpointEntry, RunError>> {
        if !std::mem::take(&mut self.in_flight) {
            return None;
        }
        self.done.recv().ok()
    }
}

impl Checkpointer {
    /// Until the sink stage ends.
    pub(super) fn run(&self, store: &Store, routes: &Routes, identity: &Identity) {
        for job in &self.jobs {
            let written = write(store, routes, identity, job);
            let failed = written.is_err();
            if self.done.send(written).is_err() || failed {
                return;
            }
        }
    }
}

fn write(
    store: &Store,
    routes: &Routes,
    identity: &Identity,
    job: Job,
) -> Result<CheckpointEntry, RunError> {
    let Job { cut, frozen, changes, durable, .. } = job;
    let position = cut.position;
    let engine = EngineMeta {
        epoch: position.epoch,
        epochs_with_effect: position.epochs_with_effect,
        first_ms: cut.first_ms,
        now_ms: position.now_ms,
        counts: job.counts,
        watermarks: cut.inputs,
        partitions: routes.partitions.iter().map(ToString::to_string).collect(),
        next_offsets: cut.next_offsets.clone(),
        idle: cut.idle,
        clock: cut.clock,
        closed: cut.closed,
        dirty: cut.dirty,
        furthest: cut.furthest,
        interval: identity.interval,
        operators: if job.operators.iter().any(|saved| !saved.is_empty()) {
            job.operators
        } else {
            Vec::new()
        },
    };
    let offsets = routes.partitions.iter().zip(&cut.next_offsets);
    let offsets: Vec<(TopicPartition, i64)> =
        offsets.filter_map(|(partition, offset)| Some((partition.clone(), (*offset)?))).collect();
    let meta = CheckpointMeta {
        epoch: cut.epoch,
        arrival: position.arrival,
        row: position.row,
        output: job.outputs,
        arrival_ms: position.now_ms,
        watermark: position.watermark,
        any_due: identity.any_due,
        state_rows: job.state_rows,
        state_bytes: job.state_bytes,
        offsets: offsets
            .iter()
            .map(|(partition, offset)| Offset {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                offset: *offset,
            })
            .collect(),
        tracker: cut.tracker,
        digest: job.digest.bytes().to_vec(),
        pipeline_digest: identity.pipeline_digest.clone(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        shards: identity.shards as u16,
        seed: identity.seed,
        engine: serde_json::to_vec(&engine).unwrap_or_default(),
        ..CheckpointMeta::default()
    };
    let start = Instant::now();
    let deltas: Vec<Delta> = changes.into_iter().map(Changes::into_delta).collect();
    let ordered_ms = start.elapsed().as_millis() as u64;
    let written = store.commit(frozen, &deltas, meta)?;
    drop(deltas);
    let entry = CheckpointEntry {
        epoch: cut.epoch,
        arrival: position.arrival,
        row: position.row,
        output: job.outputs,
        arrival_ms: position.now_ms,
        state_rows: job.state_rows,
        state_bytes: job.state_bytes,
        written_bytes: written.bytes,
        disk_bytes: Some(written.total_bytes),
        segments: None,
        delta_ms: ordered_ms + written.delta_ms,
        snapshot_ms: written.snapshot_ms,
        sync_ms: written.sync_ms,
        pause_us: job.pause.as_micros().min(u128::from(u64::MAX)) as u64,
        path: written.path,
    };
    // What this checkpoint replaces is let go only when everybody has it.
    let durable = durable.map(|ended| ended.recv()).transpose();
    let durable = durable.map_err(|_| SinkError("the epoch could not be kept".to_owned()))?;
    if let Some(durable) = durable.flatten() {
        let prepared = Prepared { entry: entry.clone(), offsets, digest: job.digest.hex() };
        durable(&prepared)?;
    }
    store.collect(KEEP)?;
    Ok(entry)
}

/// Where a run stands: at its beginning, or where a checkpoint left it.
pub(super) struct Start {
    pub store: Option<Store>,
    pub cut: Option<(Cut, Tracker)>,
    pub books: Books,
    pub digest: Digest,
    pub outputs: u64,
    pub join: i64,
    pub watermarks: Vec<i64>,
    /// Of the rows that were given back.
    pub sample: Vec<Sampled>,
}

impl Start {
    /// A run from its beginning; with a folder, its state rests there.
    pub(super) fn fresh(
        folder: Option<&Path>,
        options: StoreOptions,
        routes: &Routes,
    ) -> Result<Self, RunError> {
        Ok(Self {
            store: folder.map(|folder| Store::create(folder, options)).transpose()?,
            cut: None,
            books: Books::new(&routes.inputs),
            digest: Digest::default(),
            outputs: 0,
            join: i64::MIN,
            watermarks: vec![i64::MIN; routes.inputs.len()],
            sample: Vec::new(),
        })
    }
}

/// A checkpoint's rows and the run's position, to be given to the shards.
pub(super) struct Resumed {
    pub start: Start,
    /// By shard: what the operator keeps besides rows.
    saved: Vec<Vec<u8>>,
    restored: Restored,
}

impl Resumed {
    /// Goes back to `entry`; newer checkpoints of the folder are gone then. `verified`: it
    /// was just found whole.
    pub(super) fn open(
        folder: &Path,
        entry: &CheckpointEntry,
        options: StoreOptions,
        routes: &Arc<Routes>,
        identity: &Identity,
        verified: bool,
    ) -> Result<Self, RunError> {
        let damaged = |what: String| RunError::Checkpoint { path: entry.path.clone(), what };
        let restore = if verified { Store::restore_verified } else { Store::restore };
        let (store, restored) =
            restore(folder, entry.epoch, options).map_err(|error| match error {
                // As it is, no further start goes on from it.
                StoreError::Damaged { .. }
                | StoreError::Missing { .. }
                | StoreError::Newer { .. } => damaged(error.to_string()),
                other => other.into(),
            })?;
        let meta = restored.meta();
        if meta.pipeline_digest != identity.pipeline_digest {
            return Err(damaged(
                "it was taken under another pipeline; run with the pipeline of this run, or \
                 begin a new run"
                    .to_owned(),
            ));
        }
        let mut engine: EngineMeta =
            serde_json::from_slice(&meta.engine).map_err(|e| damaged(e.to_string()))?;
        let inputs = routes.inputs.len();
        if engine.counts.len() != inputs
            || engine.watermarks.len() != inputs
            || !routes.may_know_only(engine.next_offsets.len())
        {
            return Err(damaged(
                "its inputs or partitions are not those of the recording".to_owned(),
            ));
        }
        let names = routes.partitions.iter().map(ToString::to_string);
        if !engine.partitions.is_empty()
            && engine.partitions.iter().cloned().ne(names.take(engine.partitions.len()))
        {
            return Err(damaged(
                "the partitions are in another order than they were (is the arrival log beside \
                 it missing?)"
                    .to_owned(),
            ));
        }
        let tracker = Tracker::load_grown(routes.tracker.clone(), &routes.later, &meta.tracker)
            .map_err(|e| damaged(e.to_string()))?;
        // Partitions that came since: nothing was taken of them.
        engine.next_offsets.resize(routes.partitions.len(), None);
        engine.idle.resize(tracker.lanes() as usize, true);
        let digest = Digest::from_bytes(&meta.digest)
            .ok_or_else(|| damaged("its digest is not 16 bytes".to_owned()))?;
        let cut = Cut {
            epoch: meta.epoch,
            position: Position {
                arrival: meta.arrival,
                row: meta.row,
                now_ms: engine.now_ms,
                watermark: meta.watermark,
                epoch: engine.epoch,
                epochs_with_effect: engine.epochs_with_effect,
            },
            // Under another interval the epochs count on from here.
            first_ms: if engine.interval == 0 || engine.interval == identity.interval {
                engine.first_ms
            } else {
                let before = engine.epoch.saturating_sub(1).min(i64::MAX as u64) as i64;
                engine.now_ms.saturating_sub(before.saturating_mul(identity.interval))
            },
            tracker: Vec::new(),
            inputs: engine.watermarks.clone(),
            next_offsets: engine.next_offsets,
            idle: engine.idle,
            clock: engine.clock,
            closed: engine.closed,
            dirty: engine.dirty,
            furthest: engine.furthest,
        };
        Ok(Self {
            start: Start {
                store: Some(store),
                books: Books::restore(&routes.inputs, engine.counts, meta.row),
                digest,
                outputs: meta.output,
                join: meta.watermark,
                watermarks: engine.watermarks,
                sample: Vec::new(),
                cut: Some((cut, tracker)),
            },
            saved: engine.operators,
            restored,
        })
    }

    /// Gives the rows to the operators and checks them against the books.
    pub(super) fn rows(mut self, operators: &mut [Box<dyn Operator>]) -> Result<Start, RunError> {
        // Only released semantics save anything, and they run in one shard.
        for (operator, saved) in operators.iter_mut().zip(&self.saved) {
            operator.load(saved)?;
        }
        let join = self.start.join;
        operators.iter_mut().for_each(|operator| operator.passed(join));
        let given = match &self.start.store {
            Some(store) => give_back(self.restored, store, operators)?,
            None => GivenBack::default(),
        };
        self.start.sample = given.sample;
        let books = &mut self.start.books;
        books.undecided(given.undecided);
        if books.undecided_in_window() != books.open() {
            return Err(RunError::Checkpoint {
                path: "checkpoint".to_owned(),
                what: format!(
                    "its books have {} open rows, its state {}",
                    books.open(),
                    books.undecided_in_window()
                ),
            });
        }
        Ok(self.start)
    }
}

/// Rows on their way to one shard: so many times some thousands.
const ON_THE_WAY: usize = 2;

/// What is to be known of the rows of a checkpoint besides the shards.
#[derive(Default)]
struct GivenBack {
    /// Those that are in no pair yet: (row, input).
    undecided: Vec<(u64, InputIndex)>,
    sample: Vec<Sampled>,
}

/// Each shard takes its rows in while the next ones are read.
fn give_back(
    restored: Restored,
    store: &Store,
    operators: &mut [Box<dyn Operator>],
) -> Result<GivenBack, RunError> {
    let shards = operators.len();
    let mut given = GivenBack::default();
    std::thread::scope(|scope| {
        let mut to = Vec::with_capacity(shards);
        let mut taking = Vec::with_capacity(shards);
        for operator in operators {
            let (rows_in, rows) = bounded::<Vec<Row>>(ON_THE_WAY);
            let take = move || rows.into_iter().try_for_each(|rows| operator.restore(rows));
            let thread = Builder::new().name("joinscope-restore".to_owned());
            taking.push(thread.spawn_scoped(scope, take).map_err(RunError::Thread)?);
            to.push(rows_in);
        }
        let read = restored.rows(store, |rows| {
            let most = rows.len() / shards + rows.len() / 8;
            let mut parts: Vec<Vec<_>> = (0..shards).map(|_| Vec::with_capacity(most)).collect();
            for row in rows {
                if !row.matched {
                    given.undecided.push((row.row, row.input));
                }
                given.sample.extend(Sampled::of(&row));
                parts[super::batch::shard_of(row.key.hash64(), shards)].push(row);
            }
            for (shard, rows) in to.iter().zip(parts) {
                // A shard that ended has its reason.
                shard.send(rows).map_err(|_| StateError("a shard took no more rows".to_owned()))?;
            }
            Ok::<_, StateError>(())
        });
        drop(to);
        for thread in taking {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        read?;
        Ok(given)
    })
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        Self::State(error.into())
    }
}
