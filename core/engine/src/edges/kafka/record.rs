//! Topics into a recording (5-recording): every partition, from offsets known
//! at the start, without a group and without a commit.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::cluster::{Cluster, Watch, now_ms};
use super::convert::{Block, Converter, Headers, Taken, draft};
use super::lanes::Lane;
use super::merge::{ArrivalClock, Merge};
use super::range::{Start, Until};
use super::registry::Registry;
use super::sys::{Batch, Client, Queue};
use super::{Isolation, KafkaError, RegistrySettings, Settings};
use crate::edges::recording::{ArrivalOrder, Compression, Draft, Info, Writer, WriterOptions};
use crate::operator::record::{Record, TopicPartition};

/// What is to be recorded.
#[derive(Clone, Debug)]
pub struct RecordSpec {
    pub settings: Settings,
    pub topics: Vec<String>,
    pub start: Start,
    pub until: Until,
    /// At most so many records.
    pub limit: Option<u64>,
    pub isolation: Isolation,
    /// `Timestamp`: the merge of what was in the log; `Read`: as it is read.
    pub order: ArrivalOrder,
    pub registry: Option<RegistrySettings>,
    /// How long to wait for brokers that do not answer.
    pub patience: Duration,
    /// Bytes that records may take between the brokers and the file, about.
    pub memory: u64,
    pub compression: Compression,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub records: u64,
    /// Offsets of the backlog, and those done with.
    pub backlog: u64,
    pub done: u64,
    /// The backlog is through; what comes now came while recording.
    pub live: bool,
}

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub info: Info,
    /// Told to stop before the end of the range.
    pub stopped: bool,
    /// Records whose timestamps were below the arrival time before them.
    pub raised: u64,
    /// Records without a timestamp that could be an arrival time.
    pub unusable_timestamps: u64,
    pub odd_headers: u64,
    /// Schema ids that records name and the registry does not know.
    pub unknown_schemas: BTreeMap<u32, String>,
}

/// Records per read of a queue: few enough that librdkafka's structures are
/// still in the processor's cache when they are given back.
const BATCH: usize = 512;
/// A read of the backlog that gave fewer than this is ahead of the brokers: the
/// next one comes a little later and finds more, which spares both sides a wake-up
/// for every few records.
const FEW: usize = 256;
const GATHER: Duration = Duration::from_millis(2);
/// What a lane of the merge holds at most beside librdkafka's own queue.
const LANE_RECORDS: usize = 2048;
const WAIT: Duration = Duration::from_millis(50);
const HOUSEKEEPING: Duration = Duration::from_millis(100);
/// A live recording lies on disk so soon, also when no record follows.
const QUIET: Duration = Duration::from_secs(1);
/// Silence after which the topics are looked at, and how often.
const SILENCE: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_secs(3);
const LOOK_ANYWAY: Duration = Duration::from_secs(30);

/// Records into a new file. `stop` ends it with what was read; `progress` is
/// called several times a second.
///
/// # Errors
/// Nothing can be read, or reading had to end before its time: then the file
/// holds, whole, what was read before.
pub fn record(
    spec: &RecordSpec,
    out: &Path,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Outcome, KafkaError> {
    if out.exists() {
        // Before the cluster is asked: it is the cheaper question.
        return Err(crate::edges::recording::RecordingError::Exists { path: out.to_owned() }.into());
    }
    let cluster = Cluster::connect(&spec.settings, &spec.topics, spec.isolation, spec.patience)?;
    let lanes = cluster.lanes(&spec.start, &spec.until)?;
    let registry = spec.registry.as_ref().map(Registry::connect).transpose()?;
    let merged = spec.order == ArrivalOrder::Timestamp;
    let queues = if merged { lanes.len() } else { 1 };
    let client = cluster.reader(queues, lanes.len(), spec.memory)?;

    let mut writer = Writer::create(out, options(spec, &cluster))?;
    for (i, lane) in lanes.iter().enumerate() {
        let source = writer.partition(lane.partition.clone())?;
        debug_assert_eq!(source as usize, i, "a new file numbers partitions as they come");
        writer.set_range(source, Some(lane.start), lane.stop);
    }
    let mut intake = Intake {
        spec,
        cluster: &cluster,
        batch: client.batch(BATCH),
        converter: Converter::new(&lanes),
        clock: ArrivalClock::default(),
        live: false,
        drained: true,
        closed: vec![false; lanes.len()],
        output: Output {
            writer,
            registry,
            records: 0,
            limit: spec.limit,
            written: lanes.iter().map(|lane| lane.start).collect(),
            flushed: (0, Instant::now()),
        },
        lanes,
        due: match spec.until {
            Until::Time(ms) if ms > now_ms() => Some(ms),
            _ => None,
        },
        stop,
        progress,
        health: Health::new(),
    };
    let ended = if spec.limit == Some(0) {
        Ok(Ended::Whole)
    } else if merged {
        intake.merged(&client)
    } else {
        intake.as_read(&client)
    };
    // Whatever happened: what was written stays valid.
    let outcome = intake.finish();
    if let Err(KafkaError::Partition { .. }) = &ended {
        // A topic that is gone is the reason behind such errors.
        cluster.check_topics()?;
    }
    let stopped = ended? == Ended::Stopped;
    let mut outcome = outcome?;
    outcome.stopped = stopped;
    Ok(outcome)
}

fn options(spec: &RecordSpec, cluster: &Cluster) -> WriterOptions {
    let mut notes = BTreeMap::new();
    notes.insert("isolation".to_owned(), spec.isolation.as_str().to_owned());
    WriterOptions {
        compression: match spec.compression {
            Compression::Lz4 => Compression::Lz4Fast,
            other => other,
        },
        arrival_order: spec.order,
        // Until the records say otherwise, at the end.
        approximate: spec.order == ArrivalOrder::Timestamp,
        cluster_id: cluster.id.clone(),
        topic_ids: cluster
            .topics
            .iter()
            .filter_map(|t| Some((t.name.clone(), t.id.clone()?)))
            .collect(),
        notes,
        ..WriterOptions::default()
    }
}

/// Why reading ended without an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Everything that was asked for is there.
    Whole,
    Stopped,
}

struct Health {
    last_progress: Instant,
    last_housekeeping: Instant,
    last_look: Instant,
    watch: Watch,
}

impl Health {
    fn new() -> Self {
        let now = Instant::now();
        Self { last_progress: now, last_housekeeping: now, last_look: now, watch: Watch::default() }
    }
}

/// The file, and what goes into it besides records.
struct Output {
    writer: Writer,
    registry: Option<Registry>,
    records: u64,
    limit: Option<u64>,
    /// Each partition's offset after its last record that was written.
    written: Vec<i64>,
    /// Records that were flushed, and when.
    flushed: (u64, Instant),
}

impl Output {
    /// The writer flushes as records come; when none come, this does.
    fn flush_when_quiet(&mut self) -> Result<(), KafkaError> {
        let (records, at) = self.flushed;
        if at.elapsed() > QUIET {
            if records < self.records {
                self.writer.flush()?;
            }
            self.flushed = (self.records, Instant::now());
        }
        Ok(())
    }

    /// Gives a record its arrival and writes it; true when the limit is reached.
    fn write(&mut self, mut record: Record, arrival_ns: i64) -> Result<bool, KafkaError> {
        record.arrival = self.records;
        record.arrival_ns = arrival_ns;
        self.schemas([record.key.as_deref(), record.value.as_deref()])?;
        self.writer.add(&record)?;
        Ok(self.wrote(record.source, record.offset))
    }

    /// The same for a record that goes straight from its message into the file.
    #[inline]
    fn write_draft(
        &mut self,
        mut draft: Draft<'_>,
        headers: &Headers<'_>,
        arrival_ns: i64,
    ) -> Result<bool, KafkaError> {
        draft.arrival = self.records;
        draft.arrival_ns = arrival_ns;
        self.schemas([draft.key, draft.value])?;
        self.writer.add_draft(&draft, headers)?;
        Ok(self.wrote(draft.source, draft.offset))
    }

    #[inline]
    fn wrote(&mut self, source: u32, offset: i64) -> bool {
        self.written[source as usize] = offset.saturating_add(1);
        self.records += 1;
        self.limit.is_some_and(|limit| self.records >= limit)
    }

    /// Keeps the schemas that a key and a value name.
    #[inline]
    fn schemas(&mut self, parts: [Option<&[u8]>; 2]) -> Result<(), KafkaError> {
        if let Some(registry) = &mut self.registry {
            for bytes in parts.into_iter().flatten() {
                if let Some(schema) = registry.see(bytes)? {
                    self.writer.schema(schema)?;
                }
            }
        }
        Ok(())
    }
}

/// The reading in progress.
struct Intake<'a> {
    spec: &'a RecordSpec,
    cluster: &'a Cluster,
    lanes: Vec<Lane>,
    batch: Batch,
    converter: Converter,
    clock: ArrivalClock,
    output: Output,
    live: bool,
    /// All records before the lanes' positions are written (not so while some
    /// wait in the merge).
    drained: bool,
    /// Lanes that are not read any more.
    closed: Vec<bool>,
    /// Wall clock at which the ends are looked up (`Until::Time` to come).
    due: Option<i64>,
    stop: &'a AtomicBool,
    progress: &'a mut dyn FnMut(&Progress),
    health: Health,
}

impl Intake<'_> {
    /// `--arrival read`: one queue, the order of reading.
    fn as_read(&mut self, client: &Client) -> Result<Ended, KafkaError> {
        let queue = client.queue();
        for (i, lane) in self.lanes.iter().enumerate() {
            if lane.finished() {
                self.closed[i] = true;
            } else {
                start(client, lane, &queue)?;
            }
        }
        self.live_loop(client, &queue)
    }

    /// The merge of what was in the log; live records follow as they are read.
    fn merged(&mut self, client: &Client) -> Result<Ended, KafkaError> {
        let mut merge = Merge::new(self.lanes.len());
        let mut queues = Vec::with_capacity(self.lanes.len());
        for (i, lane) in self.lanes.iter().enumerate() {
            let queue = client.queue();
            if lane.finished() {
                self.closed[i] = true;
            } else {
                start(client, lane, &queue)?;
            }
            if lane.past_backlog() {
                merge.close(i as u32);
            }
            queues.push(queue);
        }
        // Read beyond the backlog while it was merged.
        let mut early = Vec::new();
        self.drained = false;
        while !merge.is_done() {
            while let Some(record) = merge.pop() {
                let at = self.clock.of_timestamp(&record);
                if self.output.write(record, at)? {
                    return Ok(Ended::Whole);
                }
                if self.output.records.is_multiple_of(4096) && self.housekeeping(client)? {
                    return Ok(Ended::Stopped);
                }
            }
            let starving: Vec<u32> = merge.starving().collect();
            let mut came = false;
            for lane in &starving {
                came |= self.refill(
                    &queues[*lane as usize],
                    *lane,
                    Duration::ZERO,
                    &mut merge,
                    &mut early,
                )?;
            }
            if let (false, Some(lane)) = (came, starving.first()) {
                // All of them are needed: waiting for any is as good.
                self.refill(&queues[*lane as usize], *lane, WAIT, &mut merge, &mut early)?;
            }
            if self.housekeeping(client)? {
                return Ok(Ended::Stopped);
            }
        }
        if self.lanes.iter().all(Lane::finished) {
            self.drained = true;
            return Ok(Ended::Whole);
        }
        let all = client.queue();
        for queue in &queues {
            queue.forward(&all);
        }
        self.go_live();
        for record in early {
            let at = self.clock.now();
            if self.output.write(record, at)? {
                return Ok(Ended::Whole);
            }
        }
        self.drained = true;
        self.live_loop(client, &all)
    }

    /// Takes what waits in a lane's queue into the merge, up to a bound.
    fn refill(
        &mut self,
        queue: &Queue,
        lane: u32,
        patience: Duration,
        merge: &mut Merge,
        early: &mut Vec<Record>,
    ) -> Result<bool, KafkaError> {
        let bytes = (self.spec.memory / 4 / self.lanes.len().max(1) as u64).max(64 << 10) as usize;
        let (mut came, mut patience) = (false, patience);
        loop {
            // Small reads: a lane's bound in bytes is looked at in between.
            queue.read(&mut self.batch, 256, patience);
            patience = Duration::ZERO;
            if self.batch.is_empty() {
                return Ok(came);
            }
            came = true;
            self.health.last_progress = Instant::now();
            self.health.watch.well();
            let Self { converter, batch, lanes, closed, .. } = self;
            let (mut records, mut next) = (Vec::new(), None);
            let mut block = Block::of(batch);
            converter.each(batch, lanes, |converter, taken| {
                match taken {
                    Taken::Record(lane, message) => {
                        let headers = converter.headers(message, &lanes[lane as usize])?;
                        next = Some(message.offset().saturating_add(1));
                        records.push(block.record(message, lane, headers));
                    }
                    Taken::End { next: end, .. } => next = next.max(Some(end)),
                }
                Ok(())
            })?;
            let at = &mut lanes[lane as usize];
            for record in records {
                if record.offset >= at.backlog {
                    if at.takes(record.offset) {
                        early.push(record);
                    }
                } else if record.offset >= at.start {
                    merge.push(lane, record);
                }
            }
            at.advance(next.unwrap_or(at.next));
            if at.past_backlog() {
                merge.close(lane);
                closed[lane as usize] = at.finished();
                return Ok(true);
            }
            let (waiting, held) = merge.waiting(lane);
            if waiting >= LANE_RECORDS || held >= bytes {
                return Ok(true);
            }
        }
    }

    /// Everything in the order in which it is read, until the end.
    fn live_loop(&mut self, client: &Client, queue: &Queue) -> Result<Ended, KafkaError> {
        loop {
            if !self.live && self.lanes.iter().all(Lane::past_backlog) {
                if self.lanes.iter().all(Lane::finished) {
                    return Ok(Ended::Whole);
                }
                self.go_live();
            }
            if self.closed.iter().all(|closed| *closed) {
                return Ok(Ended::Whole);
            }
            queue.read(&mut self.batch, BATCH, WAIT);
            if !self.batch.is_empty() {
                self.health.last_progress = Instant::now();
                self.health.watch.well();
                if self.write_batch()? {
                    return Ok(Ended::Whole);
                }
                if !self.live && self.batch.iter().len() < FEW {
                    std::thread::sleep(GATHER);
                }
            }
            for i in 0..self.lanes.len() {
                if !self.closed[i] && self.lanes[i].finished() {
                    self.closed[i] = true;
                    let partition = &self.lanes[i].partition;
                    client.stop(&partition.topic, partition.partition);
                }
            }
            if self.housekeeping(client)? {
                return Ok(Ended::Stopped);
            }
        }
    }

    /// Writes a batch; true when the limit is reached.
    fn write_batch(&mut self) -> Result<bool, KafkaError> {
        let Self { converter, batch, lanes, output, clock, drained, .. } = self;
        let mut next: Vec<i64> = lanes.iter().map(|lane| lane.next).collect();
        let mut full = false;
        let arrival_ns = clock.now();
        let result = converter.each(batch, lanes, |converter, taken| {
            match taken {
                _ if full => {}
                Taken::Record(source, message) => {
                    let lane = source as usize;
                    if lanes[lane].takes(message.offset()) {
                        let headers = converter.headers(message, &lanes[lane])?;
                        full = output.write_draft(draft(message, source), &headers, arrival_ns)?;
                    }
                    next[lane] = next[lane].max(message.offset().saturating_add(1));
                }
                Taken::End { lane, next: end } => {
                    next[lane as usize] = next[lane as usize].max(end);
                }
            }
            Ok(())
        });
        for (lane, next) in lanes.iter_mut().zip(next) {
            lane.advance(next);
        }
        *drained &= result.is_ok() && !full;
        result.map(|()| full)
    }

    fn go_live(&mut self) {
        self.live = true;
        self.output.writer.set_live_from(self.output.records);
    }

    /// What is done several times a second; true when told to stop.
    fn housekeeping(&mut self, client: &Client) -> Result<bool, KafkaError> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let now = Instant::now();
        if now.duration_since(self.health.last_housekeeping) < HOUSEKEEPING {
            return Ok(false);
        }
        self.health.last_housekeeping = now;
        self.report();
        if now.duration_since(self.health.last_progress) > HOUSEKEEPING {
            self.output.flush_when_quiet()?;
        }
        self.health.watch.note(client.events());
        if let Some(refused) = self.health.watch.refused(self.cluster.brokers()) {
            return Err(refused);
        }
        if let Some(ms) = self.due
            && now_ms() >= ms
        {
            self.due = None;
            self.set_ends(ms)?;
        }
        let silence = now.duration_since(self.health.last_progress);
        let looked = now.duration_since(self.health.last_look);
        if (silence > SILENCE && looked > LOOK_AGAIN) || looked > LOOK_ANYWAY {
            self.cluster.check_topics()?;
            self.health.last_look = Instant::now();
        }
        // Nothing new may come for ever; what is known to be there must come.
        let owed: Vec<String> = self
            .lanes
            .iter()
            .filter(|lane| !lane.past_backlog())
            .map(|lane| lane.partition.to_string())
            .collect();
        if silence > self.spec.patience && !owed.is_empty() {
            let shown = owed.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
            return Err(KafkaError::Stalled {
                seconds: silence.as_secs(),
                waiting: if owed.len() > 8 { format!("{shown}, …") } else { shown },
                why: self.health.watch.why(),
            });
        }
        Ok(false)
    }

    /// The time has come that `Until::Time` named: the ends are known now.
    fn set_ends(&mut self, ms: i64) -> Result<(), KafkaError> {
        let partitions: Vec<TopicPartition> =
            self.lanes.iter().map(|lane| lane.partition.clone()).collect();
        let found = self.cluster.at(&partitions, ms)?;
        for (lane, at) in self.lanes.iter_mut().zip(found) {
            let end = match at {
                Some(offset) => offset,
                None => self.cluster.offsets(&lane.partition)?.1,
            };
            lane.stop = Some(end.max(lane.next));
        }
        Ok(())
    }

    fn report(&mut self) {
        let (mut backlog, mut done) = (0, 0);
        for (all, seen) in self.lanes.iter().map(Lane::backlog_progress) {
            backlog += all;
            done += seen;
        }
        let progress = Progress { records: self.output.records, backlog, done, live: self.live };
        (self.progress)(&progress);
    }

    fn finish(mut self) -> Result<Outcome, KafkaError> {
        self.report();
        for (i, lane) in self.lanes.iter().enumerate() {
            // What is read but not written is not claimed.
            let end = if self.drained { lane.end() } else { self.output.written[i] };
            self.output.writer.set_range(i as u32, Some(lane.start), Some(end));
        }
        let merged = self.spec.order == ArrivalOrder::Timestamp;
        self.output.writer.set_approximate(merged && self.clock.from_producers);
        let info = self.output.writer.finish()?;
        Ok(Outcome {
            info,
            stopped: false,
            raised: self.clock.raised,
            unusable_timestamps: self.clock.unusable,
            odd_headers: self.converter.odd_headers,
            unknown_schemas: self.output.registry.map(|r| r.unknown).unwrap_or_default(),
        })
    }
}

fn start(client: &Client, lane: &Lane, queue: &Queue) -> Result<(), KafkaError> {
    client
        .start(&lane.partition.topic, lane.partition.partition, lane.next, queue)
        .map_err(|code| KafkaError::of_code(&lane.partition, Some(lane.next), code, ""))
}
