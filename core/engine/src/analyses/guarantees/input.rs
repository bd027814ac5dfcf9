//! The input of a simulated job: a recording's records as the topics of a
//! simulated cluster, and the order in which the job took them, which is on
//! record before a record is processed and survives the process.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::edges::log::sim::SimLog;
use crate::edges::log::{InMessage, Log as _};
use crate::engine::delivery::Values;
use crate::engine::step::SinkError;
use crate::engine::{ClockInput, Source, SourceError};
use crate::operator::codec::{NoSchemas, SchemaSource};
use crate::operator::pipeline::Pipeline;
use crate::operator::record::{Record, RecordName, TopicPartition};

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
    pub(super) fn is_first(&self, i: usize, record: &Record) -> bool {
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

    /// What the clock said after the first `from` records.
    pub fn clock_from(&self, from: u64) -> VecDeque<ClockInput> {
        let last = from.checked_sub(1).and_then(|last| self.records.get(last as usize));
        let last = last.map(|record| record.arrival);
        self.clock.iter().copied().filter(|said| Some(said.precedes) > last).collect()
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

/// Records of an input by name.
pub struct InputValues(pub Arc<Input>);

impl Values for InputValues {
    fn record(&mut self, name: &RecordName, into: &mut Record) -> Result<(), SinkError> {
        let input = &self.0;
        let source = input
            .partitions
            .iter()
            .position(|p| p.partition == name.partition && p.topic == name.topic);
        let at = source.and_then(|s| input.by_name.get(&(s as u32, name.offset)));
        let at = at.ok_or_else(|| SinkError(format!("{name} is not in the input")))?;
        into.clone_from(&input.records[*at as usize]);
        Ok(())
    }
}
