//! A cluster's topics as the source of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::align::Align;
use super::clock::WallClock;
use super::cut::tidy;
use super::follow::{Followed, follow};
use super::holding::Holding;
use super::log::{ArrivalLog, behind};
use super::lookup::Lookup;
use super::reader::Reader;
use super::recent::Recent;
use super::schemas::LiveSchemas;
use super::status::LiveStatus;
use super::ticks::Ticks;
use crate::edges::kafka::{Health, KafkaError, Tail, TailSpec};
use crate::edges::recording::{Recording, RecordingError, parts_of, written_parts};
use crate::engine::routes::takes_new_partitions;
use crate::engine::source::{Batches, ClockInput, ClockInputKind, Heads, Source, SourceError};
use crate::operator::codec::SchemaSource;
use crate::operator::pipeline::Pipeline;
use crate::operator::record::TopicPartition;

/// What is read, and where its log lies.
#[derive(Clone, Debug)]
pub struct LiveSpec {
    pub pipeline: Arc<Pipeline>,
    /// `topics`, `partitions`, `later`, `known_only`, `topic_ids` and, where the log has
    /// them, `offsets` are filled in here.
    pub tail: TailSpec,
    /// The folder of the arrival log; what it holds is followed first.
    pub folder: PathBuf,
    /// Set by whoever wants the run to end with what is whole.
    pub stop: Arc<AtomicBool>,
    /// Where it tells how it stands.
    pub status: Arc<LiveStatus>,
    /// Values of its records are wanted ([`Live::lookup`]).
    pub values: bool,
    /// Reading goes on exactly at `tail.offsets`, wherever the log ends.
    pub exact: bool,
}

/// Why a live run cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("the arrival log: {0}")]
    Log(#[from] RecordingError),
}

/// A cluster's topics, read live.
pub struct Live {
    partitions: Vec<TopicPartition>,
    /// Those that were not there from the log's beginning.
    later: Vec<u32>,
    schemas: Arc<LiveSchemas>,
    heads: Arc<Heads>,
    status: Arc<LiveStatus>,
    recent: Option<Arc<Mutex<Recent>>>,
    folder: PathBuf,
    cluster_id: Option<String>,
    topic_ids: BTreeMap<String, String>,
    /// See [`Source::heard`].
    heard: AtomicUsize,
    /// Until the reading begins.
    waiting: Mutex<Option<Waiting>>,
}

struct Waiting {
    spec: LiveSpec,
    tail: Tail,
    old: Option<Recording>,
    number: u64,
    /// Partitions that the log does not have yet.
    new: Vec<u32>,
}

impl Live {
    /// Connects, and finds where each partition goes on: where the log ends,
    /// else where the spec says; one that the topics got since the log was written,
    /// at its first offset.
    ///
    /// # Errors
    /// The cluster cannot be read (see [`Tail::open`]); the log that is there is
    /// damaged or of something else.
    pub fn open(mut spec: LiveSpec) -> Result<Self, LiveError> {
        std::fs::create_dir_all(&spec.folder).map_err(|source| RecordingError::Io {
            path: spec.folder.clone(),
            doing: "make".to_owned(),
            source,
        })?;
        tidy(&spec.folder)?;
        let parts = parts_of(&spec.folder)?;
        let number = parts.last().map_or(0, |(number, _)| number + 1);
        let some = !written_parts(&spec.folder)?.is_empty();
        let old = some.then(|| Recording::open(&spec.folder)).transpose()?;
        spec.tail.topics = spec.pipeline.topics().iter().map(ToString::to_string).collect();
        if let Some(old) = &old {
            let info = old.info();
            spec.tail.partitions = old.partitions().to_vec();
            let later = info.partitions.iter().filter(|partition| partition.later);
            spec.tail.later = later.map(|partition| partition.topic_partition.clone()).collect();
            spec.tail.topic_ids = info.topic_ids.clone();
            for partition in &info.partitions {
                let logged = behind(partition).max(partition.start_offset);
                let given = spec.tail.offsets.get(&partition.topic_partition).copied();
                let next = if spec.exact && given.is_some() { given } else { logged.max(given) };
                if let Some(next) = next {
                    spec.tail.offsets.insert(partition.topic_partition.clone(), next);
                }
            }
        }
        spec.tail.known_only = !takes_new_partitions(&spec.pipeline);
        let tail = Tail::open(&spec.tail)?;
        let partitions: Vec<TopicPartition> =
            tail.lanes().iter().map(|lane| lane.partition.clone()).collect();
        let known = Some(spec.tail.partitions.len()).filter(|known| *known > 0);
        let new: Vec<u32> =
            (0..partitions.len() as u32).skip(known.unwrap_or(usize::MAX)).collect();
        let mut later = old.as_ref().map(Source::later).unwrap_or_default();
        later.extend(&new);
        let known = old.as_ref().map(|old| (*old.schemas()).clone()).unwrap_or_default();
        Ok(Self {
            heads: Arc::new(Heads::new(partitions.len())),
            schemas: Arc::new(LiveSchemas::new(known)),
            status: Arc::clone(&spec.status),
            recent: spec.values.then(|| Arc::new(Mutex::new(Recent::new(partitions.len())))),
            folder: spec.folder.clone(),
            cluster_id: tail.cluster_id().map(ToOwned::to_owned),
            topic_ids: tail.topic_ids(),
            partitions,
            later,
            heard: AtomicUsize::new(0),
            waiting: Mutex::new(Some(Waiting { spec, tail, old, number, new })),
        })
    }

    /// Looks records up while the run goes on; `None` where values were not wanted.
    #[must_use]
    pub fn lookup(&self) -> Option<Lookup> {
        let recent = Arc::clone(self.recent.as_ref()?);
        Some(Lookup::new(recent, &self.partitions, self.folder.clone()))
    }

    /// How it stands, also while it runs.
    #[must_use]
    pub fn status(&self) -> Arc<LiveStatus> {
        Arc::clone(&self.status)
    }

    #[must_use]
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// Topic ids by topic, where the brokers know them.
    #[must_use]
    pub fn topic_ids(&self) -> &BTreeMap<String, String> {
        &self.topic_ids
    }

    /// Where each partition goes on, by `topic[partition]`; empty once it is read.
    #[must_use]
    pub fn next_offsets(&self) -> BTreeMap<String, i64> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = waiting.iter().flat_map(|waiting| waiting.tail.lanes());
        lanes.map(|lane| (lane.partition.to_string(), lane.next)).collect()
    }

    /// Says which partitions are new, and from where on they are read.
    pub fn say_new(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Waiting { tail, new, .. }) = &*waiting else { return };
        for lane in new.iter().filter_map(|source| tail.lanes().get(*source as usize)) {
            tracing::warn!(
                "{} is new since the last start: it is read from its first offset, {}, and its \
                 records may be late",
                lane.partition,
                lane.next
            );
        }
    }

    /// Partitions that have nothing and whose inputs can never be idle: they
    /// hold the join back.
    #[must_use]
    pub fn empty(&self, pipeline: &Pipeline) -> Vec<(TopicPartition, String)> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = waiting.iter().flat_map(|waiting| waiting.tail.lanes());
        let empty: Vec<_> = lanes.filter(|l| l.end == 0).map(|l| l.partition.clone()).collect();
        let inputs = pipeline.never_idle();
        inputs
            .flat_map(|(_, input)| {
                let of_topic = empty.iter().filter(|p| p.topic == input.topic);
                of_topic.map(|p| (p.clone(), input.name.to_string())).collect::<Vec<_>>()
            })
            .collect()
    }
}

impl Source for Live {
    fn partitions(&self) -> &[TopicPartition] {
        &self.partitions
    }

    fn schemas(&self) -> Arc<dyn SchemaSource + Send + Sync> {
        Arc::<LiveSchemas>::clone(&self.schemas)
    }

    fn records(&self, _: &[Arc<str>]) -> Option<u64> {
        None
    }

    fn later(&self) -> Vec<u32> {
        self.later.clone()
    }

    /// Only once: what was read is read from the log.
    fn batches(&self, topics: &[Arc<str>], from: u64) -> Result<Batches, SourceError> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Waiting { spec, tail, old, number, new }) = waiting else {
            return Err(SourceError("a live source is read only once".to_owned()));
        };
        let Followed { replay, end: logged, said } = match &old {
            Some(old) => follow(old, &spec.folder, topics, from)?,
            None => Followed::default(),
        };
        let newest_ms = old.as_ref().and_then(|old| old.info().arrival_ms).map(|(_, ms)| ms);
        let mut clock = WallClock::after(newest_ms.unwrap_or(0).saturating_mul(1_000_000));
        let now = clock.now().div_euclid(1_000_000);
        // Behind what the log holds: a replay takes them in at the same place.
        let precedes = logged.max(from);
        // The state has heard more than the log still says: what the clock says next is
        // not that. At a time that has passed, nothing follows from a tick.
        let lost = self.heard.load(Ordering::Relaxed).saturating_sub(said);
        let at_ms = newest_ms.unwrap_or(now);
        let tick = ClockInput { precedes, at_ms, kind: ClockInputKind::Tick };
        let new = new.into_iter().map(ClockInputKind::Added);
        let new = new.map(|kind| ClockInput { precedes, at_ms: now, kind });
        let added: Vec<ClockInput> = std::iter::repeat_n(tick, lost).chain(new).collect();
        let mut log = ArrivalLog::begin(
            spec.folder.clone(),
            number,
            tail.lanes(),
            self.cluster_id.clone(),
            self.topic_ids.clone(),
            self.schemas.all(),
            &added,
        )
        .map_err(|e| SourceError(format!("the arrival log: {e}")))?;
        if self.recent.is_some() {
            log.keep_chunks();
        }
        self.status.begins(tail.beside());
        Ok(Box::new(Reader {
            replay,
            log,
            align: Align::new(&spec.pipeline, tail.lanes()),
            holding: Holding::new(&spec.pipeline, tail.lanes().len()),
            ticks: Ticks::new(&spec.pipeline, now),
            tail,
            stop: spec.stop,
            status: Arc::clone(&self.status),
            schemas: Arc::clone(&self.schemas),
            heads: Arc::clone(&self.heads),
            clock,
            next: from,
            added,
            takes_new: takes_new_partitions(&spec.pipeline),
            began: false,
            ended: false,
            failed: None,
            accounted: None,
            health: Health::default(),
            recent: self.recent.clone(),
        }))
    }

    fn heard(&self, entries: usize) {
        self.heard.store(entries, Ordering::Relaxed);
    }

    fn is_live(&self) -> bool {
        true
    }

    fn heads(&self) -> Option<Arc<Heads>> {
        Some(Arc::clone(&self.heads))
    }
}
