//! What an incarnation of a simulated job takes: first what the arrival log has,
//! then what the partitions still hold, on the log before it is given.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::input::{ArrivalLog, Input, InputValues, Taken, lock};
use super::pulse::Pulse;
use super::ticking::Ticking;
use crate::engine::delivery::{Feed, FeedError, LogDurable, StartAt, Values};
use crate::engine::{Batches, ClockInput, ClockInputKind, Given, Source, SourceError};
use crate::operator::codec::SchemaSource;
use crate::operator::record::{Record, TopicPartition};

/// How many places a record may come before its turn where the order is drawn.
const WINDOW: usize = 12;

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
    fn first_offsets(&mut self) -> Result<BTreeMap<TopicPartition, i64>, FeedError> {
        Ok(self.input.first_offsets())
    }

    fn open(&mut self, at: &StartAt) -> Result<Arc<dyn Source>, FeedError> {
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

    fn logged_offsets(&self) -> Result<BTreeMap<TopicPartition, i64>, SourceError> {
        let mut next = BTreeMap::new();
        for (i, _) in &lock(&self.taken).order {
            let record = &self.input.records[*i as usize];
            let of = &self.input.partitions[record.source as usize];
            next.insert(of.clone(), record.offset + 1);
        }
        Ok(next)
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
