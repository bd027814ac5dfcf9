//! Topics as they grow: every partition by its number, without a group, from
//! given offsets on, in the order in which records are read. A cluster that goes
//! away is waited for; a topic that is not what it was is an error.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cluster::{Cluster, now_ms, patiently};
use super::convert::{Block, Converter, Taken, draft};
use super::lanes::Lane;
use super::registry::Registry;
use super::stable::Stable;
use super::starved::{Behind, Heard};
use super::sys::{Batch, Client, Code, Queue};
use super::watch::Watch;
use super::watcher::{Beside, Health, Watcher};
use super::{Isolation, KafkaError, RegistrySettings, Settings, Start, Until};
use crate::edges::recording::StoredSchema;
use crate::operator::record::{Record, TopicPartition};

/// Records per read of the queue.
const BATCH: usize = 2048;

/// What helps a run whose input was truncated.
const TRUNCATED: &str = "records that this run has joined are not in the topic any more: begin a \
                         new run, in another folder";

/// What is to be read.
#[derive(Clone, Debug)]
pub struct TailSpec {
    pub settings: Settings,
    pub topics: Vec<String>,
    pub isolation: Isolation,
    /// Where partitions begin that are not in `offsets`.
    pub start: Start,
    /// Where a run goes on.
    pub offsets: BTreeMap<TopicPartition, i64>,
    /// In this order, first; partitions of the topics that are not among them are
    /// new. Empty: none is known.
    pub partitions: Vec<TopicPartition>,
    /// Of these, those that were new once: where `offsets` has none for them they
    /// begin at the first offset of their log, as new ones do.
    pub later: Vec<TopicPartition>,
    /// New partitions are not read.
    pub known_only: bool,
    /// Topic ids as they were, where the run was there before.
    pub topic_ids: BTreeMap<String, String>,
    pub registry: Option<RegistrySettings>,
    /// How long to wait for brokers that do not answer at the start.
    pub patience: Duration,
    /// Bytes that records may take between the brokers and the engine, about.
    pub memory: u64,
}

/// One partition as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailLane {
    pub partition: TopicPartition,
    /// The next offset: all before it was taken, or is not there.
    pub next: i64,
    /// The end of the log as last heard of, behind open transactions too.
    pub end: i64,
    pub paused: bool,
    /// Timestamp of the newest record taken, ms.
    pub newest_ms: Option<i64>,
    /// It stands at its last stable offset, and what lies behind waits for a transaction:
    /// since when, ms since the Unix epoch.
    pub waits_since_ms: Option<i64>,
}

impl TailLane {
    /// Offsets between what was taken and the end.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.end.saturating_sub(self.next).max(0).unsigned_abs()
    }

    /// Whether records of it can come: not where all that is left waits for a transaction.
    #[must_use]
    pub fn can_give(&self) -> bool {
        self.lag() > 0 && self.waits_since_ms.is_none()
    }
}

/// The reading. Fields are dropped in their order: queues before the client.
pub struct Tail {
    batch: Batch,
    all: Queue,
    queues: Vec<Queue>,
    client: Client,
    converter: Converter,
    lanes: Vec<Lane>,
    standing: Vec<TailLane>,
    by_name: HashMap<TopicPartition, u32>,
    registry: Option<Registry>,
    watch: Watch,
    watcher: Watcher,
    cluster: Arc<Cluster>,
    memory: u64,
    heard: Heard,
    behind: Behind,
    stable: Stable,
}

impl Tail {
    /// Connects, finds where each partition begins, and starts reading; a leader that is
    /// being chosen is waited for.
    ///
    /// # Errors
    /// No broker, refused, an unknown topic, an offset that is not in the log, a
    /// topic that was made anew: within `patience`.
    pub fn open(spec: &TailSpec) -> Result<Self, KafkaError> {
        patiently(spec.patience, || Self::opened(spec))
    }

    fn opened(spec: &TailSpec) -> Result<Self, KafkaError> {
        let cluster =
            Cluster::connect(&spec.settings, &spec.topics, spec.isolation, spec.patience)?;
        for topic in &cluster.topics {
            if let (Some(was), Some(is)) = (spec.topic_ids.get(&topic.name), &topic.id)
                && was != is
            {
                return Err(KafkaError::Topic {
                    topic: topic.name.clone(),
                    what: format!(
                        "was deleted and made anew since this run read it (its id was {was}, is \
                         {is}): offsets of the old one mean nothing in the new one; begin a new run"
                    ),
                });
            }
        }
        let mut lanes = cluster.lanes(&spec.start, &Until::Stopped)?;
        if !spec.partitions.is_empty() {
            if let Some(gone) =
                spec.partitions.iter().find(|p| !lanes.iter().any(|l| l.partition == **p))
            {
                return Err(KafkaError::Partition {
                    partition: gone.clone(),
                    offset: None,
                    what: "is not on the cluster any more; begin a new run".to_owned(),
                    code: None,
                });
            }
            let place = |lane: &Lane| spec.partitions.iter().position(|p| *p == lane.partition);
            lanes.retain(|lane| !spec.known_only || place(lane).is_some());
            // New ones behind, in their own order.
            lanes.sort_by_key(|lane| place(lane).unwrap_or(usize::MAX));
        }
        for lane in &mut lanes {
            let is_new = !spec.partitions.is_empty() && !spec.partitions.contains(&lane.partition);
            let offset = spec.offsets.get(&lane.partition).copied();
            if offset.is_none() && (is_new || spec.later.contains(&lane.partition)) {
                (lane.start, lane.backlog) = cluster.offsets(&lane.partition)?;
                lane.next = lane.start;
            }
            let Some(offset) = offset else { continue };
            let (low, high) = cluster.offsets(&lane.partition)?;
            if offset < low || offset > high {
                return Err(KafkaError::Range(format!(
                    "{}@{offset}, where this run would go on, is not in the log, which holds \
                     offsets {low} to {high} (exclusive): retention removed it (once that is so, \
                     nobody can tell whether only markers of transactions lay there), or the \
                     topic is another one; nothing is reset by itself: begin a new run",
                    lane.partition
                )));
            }
            (lane.start, lane.next, lane.backlog) = (offset, offset, high);
        }
        let registry = spec.registry.as_ref().map(Registry::connect).transpose()?;
        let client = cluster.reader(lanes.len(), lanes.len(), spec.memory)?;
        let all = client.queue();
        let queues = queues(&client, &lanes, |_| Some(&all))?;
        let standing: Vec<TailLane> = lanes
            .iter()
            .map(|lane| TailLane {
                partition: lane.partition.clone(),
                next: lane.next,
                end: lane.backlog,
                paused: false,
                newest_ms: None,
                waits_since_ms: None,
            })
            .collect();
        let cluster = Arc::new(cluster);
        let read: Vec<TopicPartition> = lanes.iter().map(|l| l.partition.clone()).collect();
        let by_name = read.iter().cloned().zip(0..).collect();
        let watcher = Watcher::start(Arc::clone(&cluster), read)
            .map_err(|e| KafkaError::Setting(format!("no thread could be started: {e}")))?;
        Ok(Self {
            batch: client.batch(BATCH),
            all,
            queues,
            converter: Converter::new(&lanes, TRUNCATED),
            memory: spec.memory,
            heard: Heard::new(lanes.len()),
            behind: Behind::default(),
            stable: Stable::new(lanes.len()),
            lanes,
            standing,
            by_name,
            client,
            registry,
            watch: Watch::default(),
            watcher,
            cluster,
        })
    }

    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster.id.as_deref()
    }

    /// Topic ids by topic, where the brokers know them.
    pub fn topic_ids(&self) -> BTreeMap<String, String> {
        let topics = self.cluster.topics.iter();
        topics.filter_map(|t| Some((t.name.clone(), t.id.clone()?))).collect()
    }

    /// The partitions, in the order of [`Record::source`].
    pub fn lanes(&self) -> &[TailLane] {
        &self.standing
    }

    /// The number of a partition.
    pub fn source(&self, partition: &TopicPartition) -> Option<u32> {
        self.by_name.get(partition).copied()
    }

    /// What is known of the cluster.
    pub fn health(&self) -> Health {
        self.watcher.health()
    }

    /// The same and more, also while nobody reads.
    pub fn beside(&self) -> Beside {
        self.watcher.beside()
    }

    /// Why it does not answer.
    pub fn why_away(&self) -> String {
        self.watch.why()
    }

    /// Takes what is there, or what comes first within `wait`, behind what is in
    /// `into`; arrival numbers and times are not set. Schemas that the records
    /// name and that are new are given to `schema`.
    ///
    /// # Errors
    /// An offset is gone, a topic is not what it was, the login is refused for a minute,
    /// the registry does not answer. That no broker answers is none. The reading is over
    /// then; what is in `into` was read before, with its schemas.
    pub fn poll(
        &mut self,
        wait: Duration,
        into: &mut Vec<Record>,
        schema: &mut dyn FnMut(StoredSchema),
    ) -> Result<(), KafkaError> {
        if let Some(trouble) = self.watcher.reads() {
            return Err(trouble);
        }
        self.stable.reads(Instant::now());
        self.all.read(&mut self.batch, BATCH, wait);
        let first = into.len();
        let mut ended = Vec::new();
        let mut taken = Ok(());
        if !self.batch.is_empty() {
            self.watch.well();
            let Self { converter, batch, lanes, .. } = self;
            let mut block = Block::of(batch);
            taken = converter.each(batch, lanes, |converter, taken| {
                match taken {
                    Taken::Record(lane, message) => {
                        let headers = converter.headers(message, &lanes[lane as usize])?;
                        into.push(block.record(draft(message, lane), headers));
                    }
                    Taken::End { lane, next } => ended.push((lane, next)),
                }
                Ok(())
            });
        }
        let mut kept = first;
        for i in first..into.len() {
            let lane = &mut self.lanes[into[i].source as usize];
            // Read once more after a restart of the reading.
            if into[i].offset < lane.next {
                continue;
            }
            lane.advance(into[i].offset.saturating_add(1));
            self.heard.of(into[i].source);
            let standing = &mut self.standing[into[i].source as usize];
            standing.newest_ms = into[i].timestamp.or(standing.newest_ms);
            into.swap(kept, i);
            kept += 1;
        }
        into.truncate(kept);
        for (lane, next) in ended {
            self.heard.of(lane);
            self.lanes[lane as usize].advance(next);
            self.stable.ended(lane, next);
        }
        // Before anything can fail: what is in `into` then is kept by whoever asked.
        if let Some(registry) = &mut self.registry {
            registry.see_all(into, first, schema)?;
        }
        // What was there was less than is taken at a time: nothing waits.
        if self.batch.iter().len() < BATCH {
            self.look_at_the_starved()?;
        }
        if let Err(error) = taken {
            self.judge(error)?;
        }
        for (lane, standing) in self.lanes.iter().zip(&mut self.standing) {
            standing.next = lane.next;
            let known = self.client.known_end(&lane.partition.topic, lane.partition.partition);
            standing.end = known.unwrap_or(standing.end).max(lane.next);
        }
        self.look_at_transactions();
        self.watch.note(self.client.events());
        match self.watch.refused_for_good(self.cluster.brokers()) {
            Some(refused) => Err(refused),
            None => Ok(()),
        }
    }

    /// Who stands where the log goes on may wait for a transaction: the brokers know.
    fn look_at_transactions(&mut self) {
        let now = Instant::now();
        let doubtful = self.stable.doubtful(&self.standing, now);
        let answers = self.watcher.stable_of(&doubtful);
        for said in self.stable.judge(&mut self.standing, &answers, now, now_ms()) {
            tracing::warn!("{said}");
        }
    }

    /// Nothing waits: partitions that have been silent for long are asked for,
    /// and read anew if their logs have grown.
    fn look_at_the_starved(&mut self) -> Result<(), KafkaError> {
        let silent: Vec<u32> =
            self.heard.silent().filter(|lane| !self.standing[*lane as usize].paused).collect();
        let ends = self.watcher.ends_of(&silent);
        match self.behind.why(&self.lanes, &ends) {
            Some(why) => self.begin_anew(&why),
            None => Ok(()),
        }
    }

    /// Reads with a new client, from where it was. What the old one holds and
    /// has not given is read again.
    fn begin_anew(&mut self, why: &str) -> Result<(), KafkaError> {
        tracing::warn!("{why}: reading goes on with a new client");
        let client = self.cluster.reader(self.lanes.len(), self.lanes.len(), self.memory)?;
        let all = client.queue();
        let standing = &self.standing;
        let queues = queues(&client, &self.lanes, |lane| (!standing[lane].paused).then_some(&all))?;
        let old = (
            std::mem::replace(&mut self.batch, client.batch(BATCH)),
            std::mem::replace(&mut self.queues, queues),
            std::mem::replace(&mut self.all, all),
            std::mem::replace(&mut self.client, client),
        );
        // Its end waits for partitions that are at no broker: nobody waits for it.
        let _ = std::thread::Builder::new().name("old-client".to_owned()).spawn(|| drop(old));
        self.converter.forget_ids();
        self.watcher.forget_ends();
        self.heard = Heard::new(self.lanes.len());
        self.behind = Behind::default();
        Ok(())
    }

    /// An error of a partition: whether it is one for good.
    fn judge(&mut self, error: KafkaError) -> Result<(), KafkaError> {
        // A topic that is gone is the reason behind such errors.
        self.cluster.check_topics()?;
        let KafkaError::Partition { partition, code: Some(code), .. } = &error else {
            return Err(error);
        };
        let passing =
            [Code::UNKNOWN_TOPIC, Code::UNKNOWN_TOPIC_OR_PARTITION, Code::UNKNOWN_PARTITION];
        // A broker that starts may not know of it yet.
        if self.source(partition).is_none() || !passing.contains(&Code(*code)) {
            return Err(error);
        }
        tracing::warn!("{error}: read again from where it was");
        // What stood behind the error in its batch was not looked at.
        for (lane, queue) in self.lanes.iter().zip(&self.queues) {
            self.client.stop(&lane.partition.topic, lane.partition.partition);
            start(&self.client, lane, queue)?;
        }
        Ok(())
    }

    /// Pauses a partition or takes it up again. What was read of it already
    /// still comes.
    pub fn pause(&mut self, source: u32, paused: bool) {
        let Some(standing) = self.standing.get_mut(source as usize) else { return };
        if std::mem::replace(&mut standing.paused, paused) == paused {
            return;
        }
        // A queue that nobody empties is filled no further.
        let queue = &self.queues[source as usize];
        if paused {
            queue.keep();
        } else {
            queue.forward(&self.all);
            self.heard.of(source);
        }
    }
}

/// Where each partition of `spec.topics` begins by `spec.start`, without reading it.
///
/// # Errors
/// As [`Tail::open`]'s.
pub fn first_offsets(spec: &TailSpec) -> Result<BTreeMap<TopicPartition, i64>, KafkaError> {
    let cluster = Cluster::connect(&spec.settings, &spec.topics, spec.isolation, spec.patience)?;
    let lanes = patiently(spec.patience, || cluster.lanes(&spec.start, &Until::Stopped))?;
    Ok(lanes.into_iter().map(|lane| (lane.partition, lane.start)).collect())
}

/// Starts every partition into a queue of its own, which gives what comes to
/// the queue that `to` names.
fn queues<'q>(
    client: &Client,
    lanes: &[Lane],
    to: impl Fn(usize) -> Option<&'q Queue>,
) -> Result<Vec<Queue>, KafkaError> {
    lanes
        .iter()
        .enumerate()
        .map(|(i, lane)| {
            let queue = client.queue();
            if let Some(all) = to(i) {
                queue.forward(all);
            }
            start(client, lane, &queue)?;
            Ok(queue)
        })
        .collect()
}

fn start(client: &Client, lane: &Lane, queue: &Queue) -> Result<(), KafkaError> {
    client
        .start(&lane.partition.topic, lane.partition.partition, lane.next, queue)
        .map_err(|code| KafkaError::of_code(&lane.partition, Some(lane.next), code, ""))
}
