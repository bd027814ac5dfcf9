//! Guarantees side by side: the same input and the same faults under each, and
//! what their readers get, held against a run without faults.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;

use super::check::{Read, header, read};
use super::cluster::Cluster;
use super::faults::Faults;
use super::going::Going;
use super::input::Input;
use super::oracle::{Oracle, oracle_under, recorded};
use super::world::{Lived, Setup, World, scratch};
use crate::edges::kafka::Isolation;
use crate::edges::log::sim::{SimLog, Stored};
use crate::edges::log::{LogError, LogErrorKind};
use crate::engine::delivery::{Bugs, JobError, JobEvent, Messages, sink_of};
use crate::engine::{AtEnd, Source, SourceError};
use crate::operator::pipeline::{Guarantee, Pipeline, Sink, SinkFormat};

/// Of the sink topics of a comparison.
const PARTITIONS: i32 = 4;

/// What to compare.
#[derive(Clone)]
pub struct Spec {
    pub pipeline: Arc<Pipeline>,
    pub input: Arc<Input>,
    pub faults: Faults,
    pub at_end: AtEnd,
    /// How long a job is away after its process ended, ms of the recording's time.
    pub downtime_ms: i64,
    /// Partitions of the sink topics.
    pub partitions: i32,
    /// How far it is; ends it.
    pub going: Arc<Going>,
}

impl Spec {
    /// What a pipeline reads of a source. Outputs that it writes nowhere go to a
    /// topic `examples` (or `-out` behind it): what is not written can still be asked
    /// about.
    ///
    /// # Errors
    /// As [`Input::of`], or the pipeline reads what it writes.
    pub fn of(
        pipeline: &Pipeline,
        source: &dyn Source,
        faults: Faults,
        at_end: AtEnd,
        downtime_ms: i64,
    ) -> Result<Self, SourceError> {
        let mut pipeline = pipeline.clone();
        if pipeline.sink.is_none() {
            let mut topic = "examples".to_owned();
            while pipeline.inputs.iter().any(|input| *input.topic == *topic) {
                topic.push_str("-out");
            }
            pipeline.sink = Some(Sink { topic, late_topic: None, format: SinkFormat::Json });
        }
        sink_of(&pipeline).map_err(SourceError)?;
        let input = Arc::new(Input::of(&pipeline, source)?);
        let pipeline = Arc::new(pipeline);
        Ok(Self {
            pipeline,
            input,
            faults,
            at_end,
            downtime_ms,
            partitions: PARTITIONS,
            going: Arc::default(),
        })
    }

    /// The same with a longer checkpoint interval, if it needs one to have no
    /// more epochs than this: each is a checkpoint on the disk, three times.
    #[must_use]
    pub fn at_most(mut self, epochs: u64) -> Self {
        let ends = self.input.records.first().zip(self.input.records.last());
        let span = ends.map_or(0, |(first, last)| last.arrival_ms() - first.arrival_ms());
        let shortest = span / i64::try_from(epochs.max(1)).unwrap_or(i64::MAX) + 1;
        if self.pipeline.delivery.checkpoint_interval < shortest {
            let mut pipeline = (*self.pipeline).clone();
            pipeline.delivery.checkpoint_interval = shortest;
            self.pipeline = Arc::new(pipeline);
        }
        self
    }
}

/// One guarantee, or a reader of it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Column {
    /// `exactly-once`, `at-least-once`, `at-most-once`, or
    /// `at-least-once, deduplicated`.
    pub mode: String,
    /// Why the job stopped before its input ended.
    pub stopped: Option<String>,
    pub read_committed: Seen,
    pub read_uncommitted: Seen,
    /// From an arrival to the moment in which the output that it set off is
    /// visible to `read_committed`, in the recording's time.
    pub latency: Latency,
    /// Bytes of keys, values and headers that were sent to the cluster,
    /// progress records too.
    pub written_bytes: u64,
    /// Records that went through the join, those that were replayed too.
    pub processed: u64,
    /// Of the input, a second of wall time; one run, everything on this machine.
    pub records_per_second: f64,
    /// Processes that it took.
    pub incarnations: u64,
    pub timeline: Vec<Moment>,
}

/// What a reader gets.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Seen {
    pub messages: u64,
    /// The same example once more.
    pub duplicates: Vec<Copy>,
    /// Examples of the run without faults that are not there.
    pub losses: Vec<Copy>,
    /// Examples that the run without faults does not have, or not with this value.
    pub untrue: Vec<Copy>,
    /// Of aborted transactions.
    pub aborted: Vec<Copy>,
}

/// An output behind a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copy {
    pub example: String,
    /// The input records behind it, by name.
    pub records: Vec<String>,
    /// Where it stands; `None`: nowhere.
    pub message: Option<String>,
    pub epoch: Option<u64>,
    /// Which process wrote it is not known to a reader; when it did is, ms.
    pub written_ms: Option<i64>,
}

/// ms of the recording's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    pub p50: i64,
    pub p99: i64,
    pub max: i64,
}

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    pub incarnation: usize,
    pub at_ms: i64,
    /// `prepared`, `committed`, `aborted`, `restored`, `ended`, [`MISSED`], …
    pub what: &'static str,
    pub epoch: Option<u64>,
    pub text: String,
}

/// A fault that never came: the job had no such epoch.
pub const MISSED: &str = "missed";

/// The whole comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Matrix {
    pub faults: String,
    pub records: u64,
    /// Examples of the run without faults, and its epochs.
    pub examples: u64,
    pub epochs: u64,
    /// ms.
    pub checkpoint_interval: i64,
    pub columns: Vec<Column>,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    #[error(transparent)]
    Run(#[from] crate::engine::RunError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("no folder for the runs: {0}")]
    Io(#[from] std::io::Error),
    #[error("cancelled")]
    Cancelled,
}

/// Told what is run next; `false` ends the comparison there.
pub type Stage<'a> = &'a dyn Fn(&str) -> bool;

/// What [`Stage`] is told, in order.
pub const STAGES: [&str; 4] = ["without faults", "exactly-once", "at-least-once", "at-most-once"];

/// Makes the cluster of one guarantee's job, with the topics of the input.
pub type Clusters<'a> = &'a dyn Fn(Guarantee, &Input) -> Result<Arc<dyn Cluster>, LogError>;

/// Runs the three guarantees one after another, each on a simulated cluster;
/// `stage` is told which.
///
/// # Errors
/// The pipeline cannot be run over this input, or has no sink.
pub fn matrix(spec: &Spec, stage: Stage<'_>) -> Result<Matrix, MatrixError> {
    let simulated = |_, input: &Input| {
        let cluster = SimLog::new();
        let loaded = input.load(&cluster);
        loaded.map_err(|e| LogError::new(LogErrorKind::Fatal, e.0))?;
        Ok(Arc::new(cluster) as Arc<dyn Cluster>)
    };
    matrix_on(spec, &simulated, stage)
}

/// As [`matrix`], each guarantee on a cluster that `clusters` makes.
///
/// # Errors
/// As [`matrix`], or a cluster cannot be used.
pub fn matrix_on(
    spec: &Spec,
    clusters: Clusters<'_>,
    stage: Stage<'_>,
) -> Result<Matrix, MatrixError> {
    let begin = |name: &str| if stage(name) { Ok(()) } else { Err(MatrixError::Cancelled) };
    begin(STAGES[0])?;
    let order = recorded(&spec.input);
    let control = spec.going.begin();
    let truth = oracle_under(&control, &spec.pipeline, &spec.input, order, true, spec.at_end)?;
    whole(spec)?;
    let epochs = truth.summary.epochs_with_effect;
    let mut columns = Vec::new();
    for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        begin(name(guarantee))?;
        let column = one(spec, clusters, guarantee, &truth, epochs)?;
        if guarantee == Guarantee::AtLeastOnce {
            columns.push(column.0);
            columns.push(column.1);
        } else {
            columns.push(column.0);
        }
    }
    Ok(Matrix {
        faults: spec.faults.to_string(),
        records: spec.input.records.len() as u64,
        examples: truth.messages.len() as u64,
        epochs,
        checkpoint_interval: spec.pipeline.delivery.checkpoint_interval,
        columns,
    })
}

/// What ran last came to its end.
fn whole(spec: &Spec) -> Result<(), MatrixError> {
    if spec.going.is_over() { Err(MatrixError::Cancelled) } else { Ok(()) }
}

fn name(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::ExactlyOnce => "exactly-once",
        Guarantee::AtLeastOnce => "at-least-once",
        Guarantee::AtMostOnce => "at-most-once",
    }
}

/// A guarantee, and the same behind a reader that removes duplicates.
fn one(
    spec: &Spec,
    clusters: Clusters<'_>,
    guarantee: Guarantee,
    truth: &Oracle,
    epochs: u64,
) -> Result<(Column, Column), MatrixError> {
    let mut pipeline = (*spec.pipeline).clone();
    pipeline.delivery.guarantee = guarantee;
    let setup = Setup {
        pipeline: Arc::new(pipeline),
        input: Arc::clone(&spec.input),
        at_end: spec.at_end,
        downtime_ms: spec.downtime_ms,
        bugs: Bugs::default(),
        forget_syncs_of: None,
        rebuild: false,
        log_left: None,
        next_pipelines: Vec::new(),
        partitions: spec.partitions,
    };
    let root = scratch()?;
    let mut world = World::on(clusters(guarantee, &spec.input)?, setup, root.path())?;
    world.going = Arc::clone(&spec.going);
    let began = Instant::now();
    let lived = world.live(&spec.faults.schedule(guarantee, epochs));
    let missed = spec.faults.missed(guarantee, epochs, &lived);
    let seconds = began.elapsed().as_secs_f64();
    whole(spec)?;

    let client = world.cluster.connect()?;
    let expected = Expected::new(truth);
    let (mut committed, mut uncommitted) = (Vec::new(), Vec::new());
    let mut stored = HashMap::new();
    for topic in Messages::topics(&spec.pipeline) {
        committed.extend(read(&*client, &topic, Isolation::ReadCommitted)?);
        uncommitted.extend(read(&*client, &topic, Isolation::ReadUncommitted)?);
        for found in world.cluster.stored(&topic)? {
            stored.insert((topic.clone(), found.partition, found.message.offset), found);
        }
    }
    let mut column = Column {
        mode: name(guarantee).to_owned(),
        stopped: stopped(&lived),
        read_committed: expected.seen(&committed, &stored),
        read_uncommitted: expected.seen(&uncommitted, &stored),
        latency: expected.latency(&committed, &stored),
        written_bytes: world.cluster.written_bytes(),
        processed: lived.iter().map(|life| life.taken).sum(),
        records_per_second: spec.input.records.len() as f64 / seconds.max(1e-9),
        incarnations: lived.len() as u64,
        timeline: timeline(&world, &lived),
    };
    let (incarnation, at_ms) =
        column.timeline.last().map_or((0, i64::MIN), |last| (last.incarnation, last.at_ms));
    column.timeline.extend(missed.into_iter().map(|moment| {
        let text = format!("{moment} never came: the job ended before it");
        Moment { incarnation, at_ms, what: MISSED, epoch: None, text }
    }));
    let mut deduplicated = column.clone();
    "at-least-once, deduplicated".clone_into(&mut deduplicated.mode);
    deduplicated.read_committed = expected.seen(&first_of_each(committed, &stored), &stored);
    deduplicated.read_uncommitted = expected.seen(&first_of_each(uncommitted, &stored), &stored);
    Ok((column, deduplicated))
}

/// Why the job stopped for good, where it did.
fn stopped(lived: &[Lived]) -> Option<String> {
    let last = lived.last()?;
    last.outcome.as_ref().err().map(ToString::to_string)
}

type Place = (String, i32, i64);

fn place(read: &Read) -> Place {
    (read.partition.topic.to_string(), read.partition.partition, read.message.offset)
}

/// What an idempotent reader keeps: of each example the copy written first.
fn first_of_each(mut reads: Vec<Read>, stored: &HashMap<Place, Stored>) -> Vec<Read> {
    let when = |read: &Read| stored.get(&place(read)).map(|s| s.written_ms);
    reads.sort_by_key(when);
    let mut seen = std::collections::HashSet::new();
    reads.retain(|read| match header(&read.message.headers, "joinscope.example") {
        Some(example) => seen.insert((read.partition.topic.clone(), example.to_owned())),
        None => true,
    });
    reads
}

/// The run without faults, by topic and example.
struct Expected {
    /// Value, and the processing time that set it off.
    examples: BTreeMap<(String, String), (Option<Bytes>, i64, Copy)>,
}

impl Expected {
    fn new(truth: &Oracle) -> Self {
        let examples = truth.messages.iter().map(|(now_ms, message)| {
            let copy = copy(&message.headers, None, None);
            let key = (message.topic.to_string(), copy.example.clone());
            (key, (message.value.clone(), *now_ms, copy))
        });
        Self { examples: examples.collect() }
    }

    fn seen(&self, reads: &[Read], stored: &HashMap<Place, Stored>) -> Seen {
        let mut seen = Seen { messages: reads.len() as u64, ..Seen::default() };
        let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
        for read in reads {
            let at = stored.get(&place(read));
            let copy = copy(&read.message.headers, Some(read), at.map(|s| s.written_ms));
            let key = (read.partition.topic.to_string(), copy.example.clone());
            if at.is_some_and(|s| s.fate == crate::edges::log::sim::Fate::Aborted) {
                seen.aborted.push(copy);
                continue;
            }
            let count = found.entry(key.clone()).or_default();
            *count += 1;
            if self.examples.get(&key).is_none_or(|(value, ..)| *value != read.message.value) {
                seen.untrue.push(copy);
            } else if *count > 1 {
                seen.duplicates.push(copy);
            }
        }
        for (key, (_, _, copy)) in &self.examples {
            if !found.contains_key(key) {
                seen.losses.push(copy.clone());
            }
        }
        seen
    }

    /// Over the first copy of each example that a reader of committed data gets.
    fn latency(&self, reads: &[Read], stored: &HashMap<Place, Stored>) -> Latency {
        let mut first: BTreeMap<(String, String), i64> = BTreeMap::new();
        for read in reads {
            let Some(visible) = stored.get(&place(read)).and_then(|s| s.visible_ms) else {
                continue;
            };
            let example = header(&read.message.headers, "joinscope.example").unwrap_or_default();
            let key = (read.partition.topic.to_string(), example.to_owned());
            let entry = first.entry(key).or_insert(visible);
            *entry = (*entry).min(visible);
        }
        let mut all: Vec<i64> = first
            .iter()
            .filter_map(|(key, visible)| Some(visible - self.examples.get(key)?.1))
            .collect();
        all.sort_unstable();
        let at = |percent: usize| {
            all.get((all.len() * percent / 100).min(all.len().saturating_sub(1))).copied()
        };
        Latency {
            p50: at(50).unwrap_or(0),
            p99: at(99).unwrap_or(0),
            max: all.last().copied().unwrap_or(0),
        }
    }
}

fn copy(
    headers: &[crate::operator::record::Header],
    read: Option<&Read>,
    written_ms: Option<i64>,
) -> Copy {
    let records = header(headers, "joinscope.records").unwrap_or_default();
    Copy {
        example: header(headers, "joinscope.example").unwrap_or_default().to_owned(),
        records: records.split(',').filter(|r| !r.is_empty()).map(str::to_owned).collect(),
        message: read.map(|read| format!("{}@{}", read.partition, read.message.offset)),
        epoch: header(headers, "joinscope.epoch").and_then(|epoch| epoch.parse().ok()),
        written_ms,
    }
}

pub(super) fn timeline(world: &World, lived: &[Lived]) -> Vec<Moment> {
    let mut moments: Vec<Moment> = super::input::lock(&world.told)
        .iter()
        .map(|told| {
            let (what, epoch, text) = match &told.event {
                JobEvent::Restored { epoch, arrival } => {
                    let text = if *epoch == 0 {
                        "from the beginning".to_owned()
                    } else {
                        format!("from epoch {epoch}, at arrival {arrival}")
                    };
                    ("restored", Some(*epoch), text)
                }
                JobEvent::Prepared { epoch } => ("prepared", Some(*epoch), String::new()),
                JobEvent::Committed { epoch, .. } => ("committed", Some(*epoch), String::new()),
                JobEvent::Aborted { why } => ("aborted", None, why.clone()),
                JobEvent::NewProducer => ("new-producer", None, String::new()),
                JobEvent::Waiting { what } => ("waiting", None, what.clone()),
                JobEvent::Lost(lost) => {
                    let records: i64 = lost.iter().map(|lost| lost.to - lost.from).sum();
                    let were = if records == 1 { " was" } else { "s were" };
                    ("lost", None, format!("{records} offset{were} taken and never processed"))
                }
                JobEvent::NewPartition { partition, is } => {
                    ("new-partition", None, format!("{partition}: {is}"))
                }
                JobEvent::Rebuilding { arrival } => {
                    ("rebuilding", None, format!("up to arrival {arrival}"))
                }
            };
            let incarnation = told.incarnation;
            Moment { incarnation, at_ms: told.at_ms, what, epoch, text }
        })
        .collect();
    // From the last to the first, so that places stay what they are; a zombie ends
    // behind its twin.
    let mut ends: Vec<&Lived> = lived.iter().collect();
    ends.sort_by_key(|life| (life.ended.1, life.incarnation));
    for life in ends.into_iter().rev() {
        if let Err(error) = &life.outcome {
            let (at_ms, place) = life.ended;
            let text = match life.at {
                Some(point) => format!("ended on purpose at {point}"),
                None => error.to_string(),
            };
            let moment =
                Moment { incarnation: life.incarnation, at_ms, what: "ended", epoch: None, text };
            moments.insert(place.min(moments.len()), moment);
        }
    }
    moments
}
