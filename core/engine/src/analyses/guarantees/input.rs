//! The input of a simulated job: a recording's records as the topics of a
//! simulated cluster, and the order in which the job took them, which is on
//! record before a record is processed and survives the process.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::ticking::Ticking;
use crate::edges::fault::{Plan, point};
use crate::edges::log::sim::SimLog;
use crate::edges::log::{InMessage, Log as _};
use crate::engine::delivery::{Feed, LogDurable, StartAt, Values};
use crate::engine::step::SinkError;
use crate::engine::{Batches, ClockInput, ClockInputKind, Control, Given, Source, SourceError};
use crate::operator::codec::{NoSchemas, SchemaSource};
use crate::operator::pipeline::Pipeline;
use crate::operator::record::{Record, RecordName, TopicPartition};

/// How many places a record may come before its turn where the order is drawn.
const WINDOW: usize = 12;

/// A batch is held back for the epochs before it until the job has passed no
/// point of its protocol in so many looks: then it has failed. Counted in looks,
/// so that on a busy machine both wait longer.
const STILL_LOOKS: u32 = 100;
/// The same where a cluster takes its time to answer.
const STILL_LOOKS_AFAR: u32 = 1000;
const LOOK: Duration = Duration::from_millis(5);

/// The records of a pipeline's topics, in arrival order.
pub struct Input {
    pub partitions: Vec<TopicPartition>,
    /// Of these, the last ones that the topics do not have at first.
    pub later: Vec<u32>,
    /// So many records are there at first, but for those of later partitions; the rest
    /// comes with these.
    pub first_records: usize,
    pub records: Vec<Record>,
    pub schemas: Arc<dyn SchemaSource + Send + Sync>,
    /// What a live run's clock said, where the recording has it.
    pub clock: Vec<ClockInput>,
    by_name: HashMap<(u32, i64), u32>,
}

impl Input {
    /// `records` are of `partitions`, in arrival order; within a partition their
    /// offsets must rise.
    #[must_use]
    pub fn new(partitions: Vec<TopicPartition>, records: Vec<Record>) -> Self {
        let by_name =
            records.iter().enumerate().map(|(i, r)| ((r.source, r.offset), i as u32)).collect();
        let (later, clock) = (Vec::new(), Vec::new());
        let first_records = records.len();
        Self {
            partitions,
            later,
            first_records,
            records,
            schemas: Arc::new(NoSchemas),
            clock,
            by_name,
        }
    }

    /// The partitions that are there at first.
    #[must_use]
    pub fn first(&self) -> &[TopicPartition] {
        &self.partitions[..self.partitions.len().saturating_sub(self.later.len())]
    }

    /// What a pipeline reads of a source.
    ///
    /// # Errors
    /// The source cannot be read, or gives offsets of a partition out of order:
    /// a topic cannot hold them so.
    pub fn of(pipeline: &Pipeline, source: &dyn Source) -> Result<Self, SourceError> {
        let topics = pipeline.topics();
        let (mut records, mut clock) = (Vec::new(), Vec::new());
        for given in source.batches(&topics, 0)? {
            let given = given?;
            records.extend(given.records);
            clock.extend(given.clock);
        }
        let mut last: HashMap<u32, i64> = HashMap::new();
        for record in &records {
            if last.insert(record.source, record.offset).is_some_and(|was| was >= record.offset) {
                let of = &source.partitions()[record.source as usize];
                return Err(SourceError(format!(
                    "{of}: offset {} comes after a later one: the arrival order of this recording \
                     is not one that a consumer can have; record it anew",
                    record.offset
                )));
            }
        }
        let mut input = Self::new(source.partitions().to_vec(), records);
        input.schemas = source.schemas();
        input.clock = clock;
        Ok(input)
    }

    /// The topics, each with the partitions that it needs.
    #[must_use]
    pub fn topics(&self) -> BTreeMap<Arc<str>, i32> {
        let mut sizes: BTreeMap<Arc<str>, i32> = BTreeMap::new();
        for partition in self.first() {
            let size = sizes.entry(Arc::clone(&partition.topic)).or_default();
            *size = (*size).max(partition.partition + 1);
        }
        sizes
    }

    /// Puts the records into the topics of a cluster, at their own offsets.
    ///
    /// # Errors
    /// A topic has such records already.
    pub fn load(&self, cluster: &SimLog) -> Result<(), SourceError> {
        let failed = |e: crate::edges::log::LogError| SourceError(e.what);
        for (topic, partitions) in self.topics() {
            cluster.client().create_topic(&topic, partitions, false).map_err(failed)?;
        }
        self.put(cluster, |i, record| self.is_first(i, record))
    }

    /// Whether a record is there before the partitions that come later.
    fn is_first(&self, i: usize, record: &Record) -> bool {
        i < self.first_records && !self.later.contains(&record.source)
    }

    /// Gives the topics of a cluster the partitions that come later, and the records
    /// that come with them.
    ///
    /// # Errors
    /// They have such records already.
    pub fn load_later(&self, cluster: &SimLog) -> Result<(), SourceError> {
        for partition in &self.partitions[self.first().len()..] {
            cluster.add_partitions(&partition.topic, 1);
        }
        self.put(cluster, |i, record| !self.is_first(i, record))
    }

    fn put(
        &self,
        cluster: &SimLog,
        wanted: impl Fn(usize, &Record) -> bool,
    ) -> Result<(), SourceError> {
        let failed = |e: crate::edges::log::LogError| SourceError(e.what);
        let records = self.records.iter().enumerate();
        for (_, record) in records.filter(|(i, record)| wanted(*i, record)) {
            let message = InMessage {
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key.clone(),
                value: record.value.clone(),
                headers: record.headers.clone(),
            };
            let to = &self.partitions[record.source as usize];
            cluster.append(to, message).map_err(failed)?;
        }
        Ok(())
    }

    /// Where each partition begins.
    #[must_use]
    pub fn first_offsets(&self) -> BTreeMap<TopicPartition, i64> {
        let mut first: BTreeMap<TopicPartition, i64> =
            self.first().iter().map(|partition| (partition.clone(), 0)).collect();
        for record in self.records.iter().rev().filter(|r| !self.later.contains(&r.source)) {
            first.insert(self.partitions[record.source as usize].clone(), record.offset);
        }
        first
    }
}

/// The order in which a job took its records.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Positions in [`Input::records`], and their arrival time, ns.
    pub order: Vec<(u32, i64)>,
    /// What the clock said meanwhile; `precedes` is a position in `order`.
    pub clock: Vec<ClockInput>,
    /// So much of both is on the disk for sure.
    pub durable: (usize, usize),
}

impl Taken {
    /// What a power loss leaves of it: all that is on the disk for sure, and as
    /// much of the rest as `random` lets be.
    pub(super) fn after_power_loss(&mut self, seed: u64) {
        let (records, clock) = self.durable;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let records = random.random_range(records..=self.order.len().max(records));
        self.order.truncate(records);
        let known = self.clock.partition_point(|said| said.precedes <= records as u64);
        // Records behind what the clock said are there only with it.
        let least = self.clock.partition_point(|said| said.precedes < records as u64).max(clock);
        self.clock.truncate(random.random_range(least.min(known)..=known));
    }
}

/// What outlives an incarnation besides files: the arrival log.
pub type ArrivalLog = Arc<Mutex<Taken>>;

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Epochs that were delivered: in step, a source keeps no more than two ahead.
#[derive(Clone)]
pub struct Pulse(Arc<Beats>);

struct Beats {
    n: Mutex<u64>,
    more: Condvar,
    silent_until: AtomicU64,
    /// Counts what the job does.
    plan: Arc<Plan>,
    still_looks: u32,
    control: Control,
}

impl Pulse {
    /// Of the incarnation with this plan and control; `afar`: on a real cluster.
    #[must_use]
    pub fn of(plan: Arc<Plan>, afar: bool, control: Control) -> Self {
        let still_looks = if afar { STILL_LOOKS_AFAR } else { STILL_LOOKS };
        let (n, more, silent_until) = Default::default();
        Self(Arc::new(Beats { n, more, silent_until, plan, still_looks, control }))
    }

    /// One more epoch is through.
    pub fn beat(&self) {
        *lock(&self.0.n) += 1;
        self.0.more.notify_all();
    }

    /// Epochs up to this arrival are taken again without being delivered: nobody
    /// waits for them.
    pub fn silent_until(&self, arrival: u64) {
        self.0.silent_until.store(arrival, Ordering::Release);
    }

    fn is_silent(&self, end: u64) -> bool {
        end <= self.0.silent_until.load(Ordering::Acquire)
    }

    /// Waits for so many beats; false: the incarnation has ended. A run that has
    /// failed without ending the incarnation is not waited for.
    fn wait(&self, beats: u64, folder: &Path) -> bool {
        let (mut done, mut still) = (0, 0);
        while still < self.0.still_looks {
            let waited = self.0.more.wait_timeout_while(lock(&self.0.n), LOOK, |n| *n < beats);
            let (n, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if *n >= beats {
                return true;
            }
            drop(n);
            // An incarnation that has ended takes nothing more.
            if self.0.control.is_cancelled() || point("gate", folder).is_err() {
                return false;
            }
            let passed: u64 = self.0.plan.passed().iter().map(|(_, times)| times).sum();
            still = if passed == done { still + 1 } else { 0 };
            done = passed;
        }
        true
    }
}

/// The input of one incarnation.
pub struct SimFeed {
    pub input: Arc<Input>,
    pub taken: ArrivalLog,
    /// ms.
    pub interval: i64,
    /// Behind the end of the arrival log: the recorded order, or drawn by this
    /// seed among records that are near each other.
    pub order: Option<u64>,
    /// Keeps in step with what is delivered.
    pub pulse: Option<Pulse>,
    /// As a live source: ticks so many ms apart.
    pub ticks: Option<i64>,
    /// The wall clock's steps: from the n-th record on, so many ms.
    pub steps: Vec<(u64, i64)>,
    /// Scope of the incarnation's faults.
    pub folder: PathBuf,
}

impl Feed for SimFeed {
    fn first_offsets(&mut self) -> Result<BTreeMap<TopicPartition, i64>, SourceError> {
        Ok(self.input.first_offsets())
    }

    fn open(&mut self, at: &StartAt) -> Result<Arc<dyn Source>, SourceError> {
        // The cluster was asked where each partition is that it has.
        let input = &self.input;
        let came = |source: &&u32| at.offsets.contains_key(&input.partitions[**source as usize]);
        let there = input.first().len() + input.later.iter().take_while(came).count();
        Ok(Arc::new(SimSource {
            there,
            input: Arc::clone(&self.input),
            taken: Arc::clone(&self.taken),
            interval: self.interval.max(1),
            order: self.order,
            pulse: self.pulse.clone(),
            ticks: self.ticks,
            steps: self.steps.clone(),
            folder: self.folder.clone(),
            at: at.clone(),
        }))
    }

    fn logged(&self) -> Result<u64, SourceError> {
        Ok(lock(&self.taken).order.len() as u64)
    }

    fn durable(&self) -> Option<LogDurable> {
        let taken = Arc::clone(&self.taken);
        Some(Arc::new(move |_| {
            let mut taken = lock(&taken);
            taken.durable = (taken.order.len(), taken.clock.len());
            Ok(())
        }))
    }

    fn values(&mut self) -> Box<dyn Values> {
        Box::new(InputValues(Arc::clone(&self.input)))
    }
}

/// Records of an input by name.
pub struct InputValues(pub Arc<Input>);

impl Values for InputValues {
    fn record(&mut self, name: &RecordName) -> Result<Record, SinkError> {
        let input = &self.0;
        let source = input
            .partitions
            .iter()
            .position(|p| p.partition == name.partition && p.topic == name.topic);
        let at = source.and_then(|s| input.by_name.get(&(s as u32, name.offset)));
        at.map(|at| input.records[*at as usize].clone())
            .ok_or_else(|| SinkError(format!("{name} is not in the input")))
    }
}

struct SimSource {
    input: Arc<Input>,
    taken: ArrivalLog,
    interval: i64,
    order: Option<u64>,
    pulse: Option<Pulse>,
    ticks: Option<i64>,
    steps: Vec<(u64, i64)>,
    folder: PathBuf,
    at: StartAt,
    /// So many of the input's partitions are on the cluster.
    there: usize,
}

impl SimSource {
    /// Has it on the arrival log, behind what is there, which partitions came since it
    /// was written.
    fn note_new(&self, taken: &mut Taken, from: u64) {
        let first_ns = self.input.records.first().map_or(0, |record| record.arrival_ns);
        let newest_ns = taken.order.last().map_or(first_ns, |(_, ns)| *ns).max(first_ns);
        let said_ms = taken.clock.last().map_or(i64::MIN, |said| said.at_ms);
        let at_ms = newest_ns.div_euclid(1_000_000).max(said_ms).max(self.at.now_ms);
        let precedes = (taken.order.len() as u64).max(from);
        for source in self.later() {
            let kind = ClockInputKind::Added(source);
            if !taken.clock.iter().any(|said| said.kind == kind) {
                taken.clock.push(ClockInput { precedes, at_ms, kind });
            }
        }
    }
}

impl Source for SimSource {
    fn partitions(&self) -> &[TopicPartition] {
        &self.input.partitions[..self.there]
    }

    fn later(&self) -> Vec<u32> {
        let later = self.input.later.iter().copied();
        later.filter(|source| (*source as usize) < self.there).collect()
    }

    fn schemas(&self) -> Arc<dyn SchemaSource + Send + Sync> {
        Arc::clone(&self.input.schemas)
    }

    fn records(&self, _: &[Arc<str>]) -> Option<u64> {
        None
    }

    fn batches(&self, _: &[Arc<str>], from: u64) -> Result<Batches, SourceError> {
        let mut taken = lock(&self.taken);
        if self.at.skips {
            taken.order.truncate(from as usize);
            taken.clock.retain(|said| said.precedes <= from);
            // The time that the state has reached was told by a record that is
            // lost now; the next one, if any comes, is not before it.
            let reached =
                ClockInput { precedes: from, at_ms: self.at.now_ms, kind: ClockInputKind::Tick };
            if self.input.clock.is_empty() && from > 0 {
                taken.clock.push(reached);
            }
            let (records, clock) = taken.durable;
            taken.durable = (records.min(taken.order.len()), clock.min(taken.clock.len()));
        }
        self.note_new(&mut taken, from);
        if self.ticks.is_none() && self.there > self.input.first().len() {
            let what = "partitions that come later are said by a clock: the schedule has to tick";
            return Err(SourceError(what.to_owned()));
        }
        let follow: VecDeque<(u32, i64)> =
            taken.order.get(from as usize..).unwrap_or_default().iter().copied().collect();
        let first_ns = taken.order.first().map(|(_, ns)| *ns);
        let last_ns = taken.order.last().map(|(_, ns)| *ns);
        drop(taken);
        // What neither the state nor the arrival log has.
        let mut next = vec![i64::MIN; self.input.partitions.len()];
        next[self.there..].fill(i64::MAX);
        for (i, partition) in self.partitions().iter().enumerate() {
            next[i] = self.at.offsets.get(partition).copied().unwrap_or(i64::MIN);
        }
        for (i, _) in &follow {
            let record = &self.input.records[*i as usize];
            let next = &mut next[record.source as usize];
            *next = (*next).max(record.offset + 1);
        }
        let grown = self.there > self.input.first().len();
        let mut lanes: Vec<VecDeque<u32>> = vec![VecDeque::new(); next.len()];
        for (i, record) in self.input.records.iter().enumerate() {
            let there = grown || self.input.is_first(i, record);
            if there && record.offset >= next[record.source as usize] {
                lanes[record.source as usize].push_back(i as u32);
            }
        }
        let lanes = Lanes { lanes, random: self.order.map(ChaCha8Rng::seed_from_u64) };
        if let Some(every) = self.ticks {
            let now_ns = self.at.now_ms.saturating_mul(1_000_000);
            return Ok(Box::new(Ticking::new(
                Arc::clone(&self.input),
                Arc::clone(&self.taken),
                lanes,
                from,
                now_ns,
                every,
                self.steps.clone(),
            )));
        }
        Ok(Box::new(Batch {
            input: Arc::clone(&self.input),
            taken: Arc::clone(&self.taken),
            interval: self.interval,
            pulse: self.pulse.clone(),
            folder: self.folder.clone(),
            follow,
            lanes,
            first_ns,
            last_ns: last_ns.unwrap_or(i64::MIN).max(self.at.now_ms.saturating_mul(1_000_000)),
            ahead: None,
            end: from,
            given: 0,
            // Only where the order is the recorded one does it mean anything.
            clock: match self.order {
                None => self.input.clock_from(from),
                Some(_) => VecDeque::new(),
            },
        }))
    }

    fn is_live(&self) -> bool {
        self.ticks.is_some()
    }
}

/// What the partitions still hold.
pub(super) struct Lanes {
    lanes: Vec<VecDeque<u32>>,
    /// Draws which is next among records that are near each other; `None`: the
    /// recorded order.
    random: Option<ChaCha8Rng>,
}

impl Lanes {
    pub fn next(&mut self, input: &Input) -> Option<u32> {
        let first = self.lanes.iter().filter_map(VecDeque::front).min().copied()?;
        let lane = match &mut self.random {
            None => input.records[first as usize].source as usize,
            Some(random) => {
                let near: Vec<usize> = (0..self.lanes.len())
                    .filter(|lane| {
                        let head = self.lanes[*lane].front();
                        head.is_some_and(|i| *i as usize <= first as usize + WINDOW)
                    })
                    .collect();
                near[random.random_range(0..near.len())]
            }
        };
        self.lanes[lane].pop_front()
    }
}

impl Input {
    /// What the clock said after the first `from` records.
    pub fn clock_from(&self, from: u64) -> VecDeque<ClockInput> {
        let last = from.checked_sub(1).and_then(|last| self.records.get(last as usize));
        let last = last.map(|record| record.arrival);
        self.clock.iter().copied().filter(|said| Some(said.precedes) > last).collect()
    }
}

/// Gives the records of one epoch at a time, each on the arrival log before it
/// is given.
struct Batch {
    input: Arc<Input>,
    taken: ArrivalLog,
    interval: i64,
    pulse: Option<Pulse>,
    folder: PathBuf,
    follow: VecDeque<(u32, i64)>,
    lanes: Lanes,
    first_ns: Option<i64>,
    last_ns: i64,
    /// Of the next epoch, and whether it is on the arrival log already.
    ahead: Option<(u32, i64, bool)>,
    /// The arrival behind what was given.
    end: u64,
    /// Epochs of which a beat is to come.
    given: u64,
    clock: VecDeque<ClockInput>,
}

impl Batch {
    fn next_record(&mut self) -> Option<(u32, i64, bool)> {
        if let Some(ahead) = self.ahead.take() {
            return Some(ahead);
        }
        if let Some((i, ns)) = self.follow.pop_front() {
            return Some((i, ns, true));
        }
        let i = self.lanes.next(&self.input)?;
        let ns = self.input.records[i as usize].arrival_ns.max(self.last_ns);
        self.last_ns = ns;
        Some((i, ns, false))
    }

    fn epoch(&self, ns: i64) -> i64 {
        let ms = |ns: i64| ns.div_euclid(1_000_000);
        (ms(ns) - ms(self.first_ns.unwrap_or(ns))) / self.interval
    }
}

impl Iterator for Batch {
    type Item = Result<Given, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        // A batch ends the epoch of the one before it.
        let beats = self.given.saturating_sub(1);
        if self.pulse.as_ref().is_some_and(|pulse| !pulse.wait(beats, &self.folder)) {
            return None;
        }
        let mut batch: Vec<Record> = Vec::new();
        let mut epoch = 0;
        while let Some((i, ns, known)) = self.next_record() {
            self.first_ns.get_or_insert(ns);
            if batch.is_empty() {
                epoch = self.epoch(ns);
            } else if self.epoch(ns) != epoch {
                self.ahead = Some((i, ns, known));
                break;
            }
            if !known {
                lock(&self.taken).order.push((i, ns));
            }
            batch.push(Record { arrival_ns: ns, ..self.input.records[i as usize].clone() });
        }
        let Some(last) = batch.last() else {
            let clock: Vec<ClockInput> = self.clock.drain(..).collect();
            return (!clock.is_empty()).then_some(Ok(Given { records: Vec::new(), clock }));
        };
        let said = self.clock.iter().take_while(|said| said.precedes <= last.arrival).count();
        let clock = self.clock.drain(..said).collect();
        self.end += batch.len() as u64;
        let silent = self.pulse.as_ref().is_some_and(|pulse| pulse.is_silent(self.end));
        self.given += u64::from(!silent);
        Some(Ok(Given { records: batch, clock }))
    }
}
