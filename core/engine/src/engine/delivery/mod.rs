//! Delivery: outputs into topics, under one of the three guarantees (4-commit).
//!
//! [`run`] does a whole job: it starts (fences whoever had the job before, asks
//! the progress topic where to go on, opens that checkpoint), runs the engine
//! with a `DeliverSink` around the run store's own sink, and after an
//! error does what the recovery table says: goes on from the last committed
//! checkpoint, or stops with the reason. It knows the cluster as a
//! [`Log`](crate::edges::log::Log) only, so a real one and the simulated one
//! take the same path.
//!
//! What a job is given:
//! - [`JobSpec`]: pipeline, run folder, how to run;
//! - a [`Feed`]: opens the input at a place (a live source; a recording), and
//!   gives records back by name for their values;
//! - a [`Keep`]: opens the run store at a checkpoint (`run::keep::RunStore`).
//!
//! | | exactly-once | at-least-once | at-most-once |
//! | --- | --- | --- | --- |
//! | producer | transactional | idempotent | idempotent |
//! | outputs leave | as they come; visible with the commit | as they come | when their epoch's checkpoint is on the disk |
//! | at barrier N | prepare N; progress record and offsets into the transaction; commit | prepare N; flush; mark N; offsets to the group | prepare N; hand the outputs over |
//! | goes on from | the progress record's checkpoint | the newest one that is marked | as at-least-once, but reads from the committed offsets |
//!
//! At-most-once holds an epoch's outputs back until its checkpoint is on the
//! disk: else a row that the event-time watermark closed would be closed, and
//! put out, a second time by the state that a restore brings back.
//!
//! In the run's folder: `delivery.lock` (held by the job), `delivery.json`
//! ([`mark`]), `delivery.epochs.jsonl` ([`epochs`]). Fail points are those of [`fault`](crate::edges::fault); their
//! scope is the run's folder.

mod avro;
pub mod epochs;
mod job;
mod mark;
mod message;
mod naming;
mod outbox;
mod piece;
mod progress;
mod rewrite;
mod sending;
mod sink;
mod start;
mod stuck;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::control::Control;
use super::source::{Source, SourceError};
use super::spec::AtEnd;
use super::step::{CheckpointEntry, Sink, SinkError};
use super::summary::Summary;
use crate::edges::fault::Crash;
use crate::edges::log::LogError;
use crate::operator::pipeline::Pipeline;
use crate::operator::record::{Arrival, Record, RecordName, TopicPartition};

pub use avro::output_schema;
pub use job::run;
pub use mark::{Lost, Mark};
pub use message::{Messages, sink_of};
pub use naming::{example_name, key_text, sides};
pub use progress::{Progress, check_job, progress_topic, transactional_id};
pub use start::same_state;
pub(in crate::engine) use start::state_digest;

/// What to run as a job.
#[derive(Clone)]
pub struct JobSpec {
    pub pipeline: Arc<Pipeline>,
    /// The run's folder; state, checkpoints and the run store are in it.
    pub folder: PathBuf,
    pub at_end: AtEnd,
    pub seed: u64,
    /// Bytes that join state may take in memory.
    pub memory: u64,
    /// 0: one for each core.
    pub shards: usize,
    /// ms; the broker aborts a transaction that is open for longer.
    pub transaction_timeout_ms: u32,
    /// Bytes of outputs that may wait while the epoch before them is committed;
    /// then input stops.
    pub queue_bytes: usize,
    /// Between two calls of what the cluster did not answer.
    pub backoff: Duration,
    /// Each epoch is committed before the next one's outputs are looked at:
    /// slower, but which call follows which is always the same.
    pub in_step: bool,
    /// Give a checkpoint that is missing or damaged up and make it anew, by
    /// replaying the input with the output suppressed as far as it was
    /// delivered. Refused where the arrival log does not reach so far: outputs
    /// could differ, and be given twice. The digest is compared too.
    pub rebuild: bool,
    /// Of the outputs, where the sink takes Avro; 0: no registry was asked.
    pub schema_id: u32,
    /// Set by whoever wants it to end with what is whole. The feed then ends by itself;
    /// before there is one, what the cluster does not answer is not waited for any more.
    pub stop: Arc<AtomicBool>,
    /// This machine and process, for whoever is fenced.
    pub host: String,
    pub pid: u32,
    /// Told the processing time, ms, of each output before it is handed over
    /// and of each barrier before its commit.
    pub clock: Option<Clock>,
    #[doc(hidden)]
    pub bugs: Bugs,
}

/// See [`JobSpec::clock`].
pub type Clock = Arc<dyn Fn(i64) + Send + Sync>;

/// Mistakes that the harness must find.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bugs {
    /// Goes on with a producer one of whose calls timed out.
    pub reuse_producer: bool,
    /// Adopts the newest checkpoint instead of the committed one.
    pub adopt_newest: bool,
    /// Says that an epoch is delivered before it is.
    pub commit_early: bool,
}

impl JobSpec {
    /// With the settings that a job has unless it is told otherwise.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>, folder: PathBuf) -> Self {
        Self {
            pipeline,
            folder,
            at_end: AtEnd::Open,
            seed: 0,
            memory: 1 << 30,
            shards: 0,
            transaction_timeout_ms: 60_000,
            queue_bytes: 64 << 20,
            backoff: Duration::from_millis(500),
            in_step: false,
            rebuild: false,
            schema_id: 0,
            stop: Arc::default(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            clock: None,
            bugs: Bugs::default(),
        }
    }

    /// `delivery.job`, or the pipeline's name.
    #[must_use]
    pub fn job(&self) -> &str {
        self.pipeline.delivery.job.as_deref().unwrap_or(&self.pipeline.name)
    }
}

/// Where a job goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartAt {
    /// Records before this arrival are in the state.
    pub arrival: Arrival,
    /// Processing time that the state has reached, ms; no arrival from now on is
    /// before it.
    pub now_ms: i64,
    /// The next offset to read, for every partition of the inputs.
    pub offsets: BTreeMap<TopicPartition, i64>,
    /// At-most-once: what the arrival log has beyond `arrival` is lost. Reading
    /// goes on at `offsets`, and the log with it. Otherwise the arrival log
    /// beyond `arrival` is followed first.
    pub skips: bool,
}

/// Why an input cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Its brokers do not answer now: it is asked again, as the cluster is.
    #[error("{0}")]
    Away(String),
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// The input of a job.
pub trait Feed {
    /// Where a job without any state begins.
    ///
    /// # Errors
    /// The cluster cannot be asked.
    fn first_offsets(&mut self) -> Result<BTreeMap<TopicPartition, i64>, FeedError>;

    /// The input from there on. Its [`Source::batches`] is called once, with
    /// `at.arrival`. A stop in order ends the batches: the last epoch is then
    /// committed.
    ///
    /// # Errors
    /// The source cannot be read from there.
    fn open(&mut self, at: &StartAt) -> Result<Arc<dyn Source>, FeedError>;

    /// Records by name, for what is given out: of the source that is open. Asked
    /// once for each thread that makes messages.
    fn values(&mut self) -> Box<dyn Values>;

    /// So many arrivals, from the first on, are in the arrival log without a gap.
    ///
    /// # Errors
    /// It cannot be read.
    fn logged(&self) -> Result<Arrival, SourceError>;

    /// Where each partition goes on behind the arrival log, of those that gave it a
    /// record or were read to an end: all before is in it, or is not there.
    ///
    /// # Errors
    /// It cannot be read.
    fn logged_offsets(&self) -> Result<BTreeMap<TopicPartition, i64>, SourceError>;

    /// Called on the checkpoint's thread before an epoch is committed: the
    /// arrival log is on the disk up to this arrival when it returns.
    fn durable(&self) -> Option<LogDurable> {
        None
    }
}

/// See [`Feed::durable`].
pub type LogDurable = Arc<dyn Fn(Arrival) -> Result<(), SinkError> + Send + Sync>;

/// Gives records back by name.
pub trait Values: Send {
    /// Puts the record of that name into `into`, in place of what is there.
    ///
    /// # Errors
    /// It is not there any more.
    fn record(&mut self, name: &RecordName, into: &mut Record) -> Result<(), SinkError>;
}

/// Where a job's steps are kept besides the topics it writes: the run store.
pub trait Keep {
    /// A sink that stands at the checkpoint `from` (`None`: at the beginning);
    /// what it had kept after that is dropped.
    ///
    /// # Errors
    /// It cannot be opened there.
    fn open(&mut self, from: Option<&CheckpointEntry>) -> Result<Box<dyn Kept>, SinkError>;
}

/// A sink that is told how the run ended.
pub trait Kept: Sink {
    /// The source's partitions, before the first step; of these, `later` were not
    /// there from the beginning ([`Source::later`]). What was kept before may know
    /// the first of them only.
    ///
    /// # Errors
    /// What was kept is of other partitions, or it cannot be written.
    fn partitions(&mut self, all: &[TopicPartition], later: &[u32]) -> Result<(), SinkError>;

    /// # Errors
    /// What is left could not be written.
    fn finish(self: Box<Self>, outcome: Result<&Summary, &str>) -> Result<(), SinkError>;
}

/// What a job tells as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// It goes on from this checkpoint (0: from the beginning).
    Restored { epoch: u64, arrival: Arrival },
    /// The epoch's checkpoint is on the disk.
    Prepared { epoch: u64 },
    /// The epoch is delivered, as far as the guarantee goes.
    Committed { epoch: u64, arrival_ms: i64 },
    /// What was written since the last commit is aborted, and will be again.
    Aborted { why: String },
    /// The producer was replaced because a call of it timed out.
    NewProducer,
    /// The cluster does not answer; it is asked again.
    Waiting { what: String },
    /// At-most-once: these records will not be processed.
    Lost(Vec<Lost>),
    /// A partition that was not there when the job began, and what is done with it.
    NewPartition { partition: TopicPartition, is: NewIs },
    /// Outputs are suppressed up to this arrival, to make a checkpoint anew.
    Rebuilding { arrival: Arrival },
}

/// What a job does with a partition that was not there when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewIs {
    /// It is read from its first offset, this one; its records may be late.
    ReadFrom(i64),
    /// The pipeline's rules leave no place for it: only a new job reads it.
    Unread,
    /// It is of a topic that the job writes.
    Written,
}

impl std::fmt::Display for NewIs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ReadFrom(offset) => {
                write!(f, "it is read from its first offset, {offset}, and its records may be late")
            }
            Self::Unread => f.write_str(
                "under Flink's rules with several source subtasks (join.parallelism) only a new \
                 job reads it, in another folder under another delivery.job",
            ),
            Self::Written => {
                f.write_str("outputs go to it too, so that a key's may go elsewhere than before")
            }
        }
    }
}

/// Why a job stopped that had not come to the end of its input.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Crash(#[from] Crash),

    #[error(
        "job \"{job}\" was taken over by process {pid} on {host} (owner {owner}): this process \
         stops and touches nothing; give one of them another delivery.job"
    )]
    Replaced { job: String, owner: String, host: String, pid: u32 },

    #[error("job \"{job}\" is being run by {by} in {}: wait for it or stop it", folder.display())]
    InUse { job: String, folder: PathBuf, by: String },

    #[error(
        "{what}; last handed over: {output}. The same place failed twice: raise the limit \
         (max.message.bytes of the topic, message.max.bytes of the broker; for a time that is too \
         far ahead message.timestamp.after.max.ms), or leave the records out with the input's \
         `where` (or, for such a time, watermark.max_ahead)"
    )]
    Output { what: String, output: String },

    #[error(
        "{what}: gone on from epoch {epoch} {attempts} times without getting further; if \
         transactions time out, raise the transaction time-out or shorten \
         delivery.checkpoint_interval"
    )]
    Stuck { what: String, epoch: u64, attempts: u32 },

    /// State and cluster do not fit together; nothing is reset by itself.
    #[error("{0}")]
    Refused(String),

    #[error("checkpoint {epoch}, the last committed one, cannot be used: {why}. {help}")]
    Checkpoint { epoch: u64, why: String, help: &'static str },

    #[error(
        "the rebuilt state at epoch {epoch} is not the one that was delivered (digest {found}, \
         delivered {delivered}): the input's order or delivery.checkpoint_interval was another \
         one, so outputs in the replayed range may differ"
    )]
    Rebuilt { epoch: u64, found: String, delivered: String },

    #[error(transparent)]
    Cluster(#[from] LogError),

    #[error(transparent)]
    Run(#[from] super::summary::RunError),

    #[error("{0}")]
    Io(String),

    /// A registry does not answer now, or the brokers take nothing: another start may
    /// find them back.
    #[error("{0}")]
    Away(String),

    #[error("stopped while waiting for the cluster")]
    Cancelled,
}

impl From<SourceError> for JobError {
    fn from(error: SourceError) -> Self {
        Self::Run(error.into())
    }
}

impl From<FeedError> for JobError {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Away(what) => Self::Away(what),
            FeedError::Source(error) => error.into(),
        }
    }
}

/// How a job came to the end of its input.
#[derive(Clone, Debug, PartialEq)]
pub struct JobEnd {
    pub summary: Summary,
    /// The last epoch that is delivered.
    pub committed: u64,
    /// How often it went on from a checkpoint within this process.
    pub restarts: u32,
}

/// What [`run`] needs besides its spec.
pub struct Parts<'a> {
    pub log: Arc<dyn crate::edges::log::Log>,
    pub feed: &'a mut dyn Feed,
    pub keep: &'a mut dyn Keep,
    pub control: &'a Control,
    /// Called from several threads, never for long.
    pub tell: Arc<dyn Fn(JobEvent) + Send + Sync>,
}
