//! An independent reader of what a job left on the cluster, and the ten things
//! of 4-commit that must hold.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use bytes::Bytes;

use super::oracle::Oracle;
use super::world::{Lived, World};
use crate::edges::kafka::Isolation;
use crate::edges::log::sim::Fate;
use crate::edges::log::{InMessage, Log, LogError, OutMessage};
use crate::engine::delivery::{JobError, JobEvent, Messages, Progress, progress_topic};
use crate::operator::pipeline::Guarantee;
use crate::operator::record::TopicPartition;

const EPOCH: &str = "joinscope.epoch";

/// A message as a reader has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub partition: TopicPartition,
    pub message: InMessage,
}

/// Reads a topic to its end.
///
/// # Errors
/// The cluster cannot be asked.
pub fn read(log: &dyn Log, topic: &str, isolation: Isolation) -> Result<Vec<Read>, LogError> {
    let state = log.topics(&[topic])?;
    let partitions = state.first().map_or(0, |topic| topic.partitions);
    let mut all = Vec::new();
    for partition in 0..partitions {
        let of = TopicPartition { topic: topic.into(), partition };
        let (mut at, end) = log.bounds(&of, isolation)?;
        while at < end {
            let fetched = log.fetch(&of, at, 10_000, isolation)?;
            let messages = fetched.messages.into_iter();
            all.extend(messages.map(|message| Read { partition: of.clone(), message }));
            at = fetched.next.max(at + 1);
        }
    }
    Ok(all)
}

/// The value of a header, as text.
#[must_use]
pub fn header<'a>(headers: &'a [crate::operator::record::Header], key: &str) -> Option<&'a str> {
    let header = headers.iter().find(|header| header.key == key)?;
    std::str::from_utf8(header.value.as_ref()?).ok()
}

/// What two messages share if they are the same output. Its epoch is not of it:
/// it says when a barrier fell, and under at-most-once the record that set that
/// off may be lost.
pub(super) type Identity = (String, Option<Bytes>, Option<Bytes>, String);

pub(super) fn of_read(read: &Read) -> Identity {
    let message = &read.message;
    (
        read.partition.topic.to_string(),
        message.key.clone(),
        message.value.clone(),
        told(&message.headers),
    )
}

pub(super) fn of_out(message: &OutMessage) -> Identity {
    (message.topic.to_string(), message.key.clone(), message.value.clone(), told(&message.headers))
}

fn told(headers: &[crate::operator::record::Header]) -> String {
    let headers = headers.iter().filter(|header| header.key != EPOCH);
    headers.fold(String::new(), |mut text, header| {
        let value = header.value.as_deref().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}={}", header.key, String::from_utf8_lossy(value));
        text
    })
}

/// What an independent reader sees of a job's sink topics: partition, key,
/// value and headers of each message, and how often.
///
/// # Errors
/// The cluster cannot be asked.
pub fn visible(
    world: &World,
    isolation: Isolation,
) -> Result<BTreeMap<(String, String), u64>, LogError> {
    let client = world.cluster.connect()?;
    let text = |bytes: &Option<Bytes>| {
        bytes.as_deref().map_or_else(|| "null".to_owned(), |b| b.escape_ascii().to_string())
    };
    let mut seen = BTreeMap::new();
    for topic in Messages::topics(&world.setup.pipeline) {
        for read in read(&*client, &topic, isolation)? {
            let mut all = format!("{} {}\n", text(&read.message.key), text(&read.message.value));
            for header in &read.message.headers {
                // Writing to a String cannot fail.
                let _ = writeln!(all, "{}={}", header.key, text(&header.value));
            }
            *seen.entry((read.partition.to_string(), all)).or_default() += 1;
        }
    }
    Ok(seen)
}

/// One of the ten things that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number in 4-commit.
    pub rule: u8,
    pub what: String,
}

/// Checks a job that lived through a schedule; empty: everything holds.
#[must_use]
pub fn check(world: &World, lived: &[Lived], oracle: &Oracle) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut check = Check { world, lived, oracle, found: &mut found };
    if let Err(error) = check.all() {
        let what = format!("the cluster cannot be read afterwards: {error}");
        found.push(Violation { rule: 9, what });
    }
    found
}

struct Check<'a> {
    world: &'a World,
    lived: &'a [Lived],
    oracle: &'a Oracle,
    found: &'a mut Vec<Violation>,
}

impl Check<'_> {
    fn say(&mut self, rule: u8, what: impl Into<String>) {
        self.found.push(Violation { rule, what: what.into() });
    }

    fn all(&mut self) -> Result<(), LogError> {
        let pipeline = &self.world.setup.pipeline;
        let guarantee = pipeline.delivery.guarantee;
        self.ends();
        let client = self.world.cluster.connect()?;
        let mut got = Vec::new();
        for topic in Messages::topics(pipeline) {
            let read = read(&*client, &topic, Isolation::ReadCommitted)?;
            self.visible(&topic, &read)?;
            self.last_stable(&*client, &topic)?;
            got.extend(read);
        }
        self.multiset(guarantee, &got);
        self.order(guarantee, &got);
        if guarantee == Guarantee::ExactlyOnce {
            self.offsets(&*client)?;
        }
        Ok(())
    }

    /// 6, 8, 9, 10: how incarnations ended.
    fn ends(&mut self) {
        // A zombie wakes when its twin, which has a later number, is through.
        let last = self.lived.len().saturating_sub(1);
        for (i, life) in self.lived.iter().enumerate() {
            match &life.outcome {
                Ok(end) if i == last => {
                    let oracle = &self.oracle.summary;
                    if end.summary.digest != oracle.digest {
                        self.say(6, "the digest is not that of a run without faults");
                    }
                    if end.summary.books != oracle.books {
                        self.say(10, "the books are not those of a run without faults");
                    }
                }
                // A zombie that had nothing left to write is not fenced; that nothing
                // of one is seen, the multiset says.
                Err(error) if i == last => {
                    self.say(9, format!("the last incarnation stopped: {error}"));
                }
                Err(JobError::Crash(_) | JobError::Replaced { .. }) | Ok(_) => {}
                // What a crash breaks off elsewhere is an echo of it.
                Err(_) if life.crashed => {}
                Err(error) => self.say(9, format!("incarnation {i} stopped: {error}")),
            }
        }
    }

    /// 4: `read_committed` is what is committed and nothing else.
    fn visible(&mut self, topic: &str, read: &[Read]) -> Result<(), LogError> {
        let stored = self.world.cluster.stored(topic)?;
        let committed = stored.iter().filter(|s| s.fate == Fate::Committed);
        let committed: BTreeSet<(i32, i64)> =
            committed.map(|s| (s.partition, s.message.offset)).collect();
        let seen: BTreeSet<(i32, i64)> =
            read.iter().map(|r| (r.partition.partition, r.message.offset)).collect();
        if committed != seen {
            self.say(4, format!("topic {topic}: a reader sees other messages than were committed"));
        }
        Ok(())
    }

    /// 9: nothing is left open.
    fn last_stable(&mut self, log: &dyn Log, topic: &str) -> Result<(), LogError> {
        for partition in 0..self.world.setup.partitions {
            let of = TopicPartition { topic: topic.into(), partition };
            let (_, stable) = log.bounds(&of, Isolation::ReadCommitted)?;
            let (_, end) = log.bounds(&of, Isolation::ReadUncommitted)?;
            if stable != end {
                self.say(9, format!("{of}: the last stable offset is {stable}, the end {end}"));
            }
        }
        Ok(())
    }

    /// 1 and 2: what is there, how often.
    fn multiset(&mut self, guarantee: Guarantee, got: &[Read]) {
        let mut left: HashMap<Identity, i64> = HashMap::new();
        for (_, message) in &self.oracle.messages {
            *left.entry(of_out(message)).or_default() += 1;
        }
        for read in got {
            *left.entry(of_read(read)).or_default() -= 1;
        }
        let number = |headers| header(headers, EPOCH).and_then(|epoch| epoch.parse::<u64>().ok());
        let mut epochs: HashMap<Identity, u64> = HashMap::new();
        for (_, message) in &self.oracle.messages {
            epochs.extend(number(&message.headers).map(|epoch| (of_out(message), epoch)));
        }
        for read in got {
            epochs.extend(number(&read.message.headers).map(|epoch| (of_read(read), epoch)));
        }
        let epoch = |id: &Identity| epochs.get(id).copied();
        let windows = self.windows();
        let within = |id: &Identity| {
            epoch(id).is_none_or(|e| windows.iter().any(|(from, to)| e > *from && e <= *to))
        };
        let mut wrong: Vec<String> = Vec::new();
        for (id, n) in left.iter().filter(|(_, n)| **n != 0) {
            let name = id.3.lines().next().unwrap_or_default();
            let name = match epoch(id) {
                Some(epoch) => format!("{name} of epoch {epoch}"),
                None => name.to_owned(),
            };
            let text = match (guarantee, *n > 0) {
                (Guarantee::AtLeastOnce, false) | (Guarantee::AtMostOnce, true) if within(id) => {
                    continue;
                }
                (_, true) => format!("{name} is missing {n} times"),
                (_, false) => format!("{name} is there {} times too often", -n),
            };
            wrong.push(text);
        }
        wrong.sort();
        if let Some(first) = wrong.first() {
            let rule = if guarantee == Guarantee::ExactlyOnce { 1 } else { 2 };
            let what = format!("{} outputs differ; {first}", wrong.len());
            self.say(rule, format!("{what}; epochs that a fault hit: {windows:?}"));
        }
    }

    /// The epochs (from, to] that were at work when an incarnation ended: behind
    /// the one that the next goes on from (at-most-once: that one too, its outputs
    /// leave when it is prepared), up to the last that can have been begun.
    fn windows(&self) -> Vec<(u64, u64)> {
        let told = super::input::lock(&self.world.told);
        let prepared = told.iter().filter_map(|told| match told.event {
            JobEvent::Prepared { epoch } => Some(epoch),
            _ => None,
        });
        let epochs: BTreeSet<u64> = prepared.collect();
        let most_once = self.world.setup.pipeline.delivery.guarantee == Guarantee::AtMostOnce;
        let (mut windows, mut highest) = (Vec::new(), 0);
        // Whether an attempt ended before: within an incarnation a job begins
        // again by itself.
        let mut ended = false;
        for told in told.iter() {
            match told.event {
                JobEvent::Aborted { .. } => ended = true,
                JobEvent::Prepared { epoch } => highest = highest.max(epoch),
                JobEvent::Restored { epoch, .. }
                    if epoch > 0 || highest > 0 || !windows.is_empty() =>
                {
                    let before = epochs.range(..epoch).next_back().copied().unwrap_or(0);
                    let next = epochs.range(highest + 1..).next().copied();
                    windows
                        .push((if most_once { before } else { epoch }, next.unwrap_or(u64::MAX)));
                }
                // The first attempt may have ended within its first epoch.
                JobEvent::Restored { .. } if told.incarnation > 0 || ended => {
                    windows.push((0, epochs.first().copied().unwrap_or(u64::MAX)));
                }
                _ => {}
            }
        }
        windows
    }

    /// 3: what stands under one key is in the oracle's order.
    fn order(&mut self, guarantee: Guarantee, got: &[Read]) {
        let mut expected: HashMap<(String, Option<Bytes>), Vec<Identity>> = HashMap::new();
        for (_, message) in &self.oracle.messages {
            let id = of_out(message);
            expected.entry((id.0.clone(), id.1.clone())).or_default().push(id);
        }
        let mut found: HashMap<(String, Option<Bytes>), Vec<Identity>> = HashMap::new();
        let mut seen: BTreeSet<Identity> = BTreeSet::new();
        for read in got {
            let id = of_read(read);
            // At-least-once: the first of each; what is replayed comes in order.
            if guarantee == Guarantee::AtLeastOnce && !seen.insert(id.clone()) {
                continue;
            }
            found.entry((id.0.clone(), id.1.clone())).or_default().push(id);
        }
        for (key, found) in found {
            let mut expected = expected.get(&key).map(|e| e.iter()).unwrap_or_default();
            if let Some(out) = found.iter().find(|id| !expected.any(|other| other == *id)) {
                let name = out.3.lines().next().unwrap_or_default().to_owned();
                self.say(3, format!("{name} is out of order under its key"));
                return;
            }
        }
    }

    /// 5: progress, group offsets and state agree and never went back.
    fn offsets(&mut self, log: &dyn Log) -> Result<(), LogError> {
        let pipeline = &self.world.setup.pipeline;
        let job = pipeline.delivery.job.as_deref().unwrap_or(&pipeline.name);
        let mut last: Option<Progress> = None;
        for read in read(log, &progress_topic(job), Isolation::ReadCommitted)? {
            let value = read.message.value.unwrap_or_default();
            let Ok(progress) = serde_json::from_slice::<Progress>(&value) else {
                self.say(5, "the progress topic holds something else");
                continue;
            };
            if let Some(last) = &last
                && (progress.epoch < last.epoch
                    || last.offsets.iter().any(|(p, o)| progress.offsets.get(p) < Some(o)))
            {
                let (from, to) = (last.epoch, progress.epoch);
                self.say(5, format!("progress went back from epoch {from} to {to}"));
            }
            last = Some(progress);
        }
        let Some(last) = last else {
            self.say(5, "there is no progress record");
            return Ok(());
        };
        let partitions = &self.world.setup.input.partitions;
        let committed = log.committed(job, partitions)?;
        let committed: BTreeMap<String, i64> =
            committed.into_iter().map(|(p, o)| (p.to_string(), o)).collect();
        if last.epoch > 0 && committed != last.offsets {
            self.say(5, "the group's offsets are not those of the last progress record");
        }
        if let Some(life) = self.lived.last().filter(|life| life.outcome.is_ok()) {
            match crate::edges::rocksdb::verify(&life.folder, last.epoch) {
                Ok(meta) => {
                    let differs = meta.offsets.iter().any(|p| {
                        let name = format!("{}[{}]", p.topic, p.partition);
                        last.offsets.get(&name) != Some(&p.offset)
                    });
                    if differs {
                        self.say(5, "the state's offsets are not the committed ones");
                    }
                }
                Err(error) if last.epoch > 0 => self.say(5, error.to_string()),
                Err(_) => {}
            }
        }
        Ok(())
    }
}
