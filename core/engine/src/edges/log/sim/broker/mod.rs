//! The brokers' side: logs, the transaction coordinator, group offsets. A plain
//! state machine without a clock of its own.

mod coordinator;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::{Fetched, InMessage, LogError, LogErrorKind, TopicState};
use super::script::Script;
use crate::edges::kafka::Isolation;
use crate::operator::record::TopicPartition;
use coordinator::{Late, Owner};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Written outside a transaction, or committed.
    Committed,
    Aborted,
    /// Its transaction is open.
    Open,
}

/// A message as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub partition: i32,
    pub message: InMessage,
    pub fate: Fate,
    /// The cluster's clock when it was written, and when it became visible to
    /// `read_committed`, ms.
    pub written_ms: i64,
    pub visible_ms: Option<i64>,
}

struct Entry {
    /// `None`: a control record.
    message: Option<InMessage>,
    offset: i64,
    txn: Option<u64>,
    written_ms: i64,
}

#[derive(Default)]
struct Partition {
    /// The first offset that is there, and the one after the last.
    start: i64,
    end: i64,
    entries: Vec<Entry>,
}

struct Topic {
    id: u64,
    compacted: bool,
    partitions: Vec<Partition>,
}

#[derive(Clone, Copy)]
enum Outcome {
    Open,
    Committed(i64),
    Aborted,
}

#[derive(Default)]
pub(super) struct Broker {
    topics: BTreeMap<Arc<str>, Topic>,
    owners: BTreeMap<String, Owner>,
    outcomes: BTreeMap<u64, Outcome>,
    offsets: BTreeMap<(String, TopicPartition), i64>,
    late: Vec<Late>,
    serial: u64,
    pub now_ms: i64,
    /// Bytes, by topic; any size where there is none.
    pub largest: BTreeMap<String, usize>,
    pub written_bytes: u64,
    pub script: Script,
}

fn unknown(of: &TopicPartition) -> LogError {
    LogError::new(LogErrorKind::Fatal, format!("{of}: there is no such topic or partition"))
}

impl Broker {
    pub fn create_topic(&mut self, name: &str, partitions: i32, compacted: bool) {
        self.serial += 1;
        let id = self.serial;
        self.topics.entry(name.into()).or_insert_with(|| Topic {
            id,
            compacted,
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
        });
    }

    pub fn topic_names(&self) -> Vec<String> {
        self.topics.keys().map(ToString::to_string).collect()
    }

    pub fn delete_topic(&mut self, name: &str) {
        self.topics.remove(name);
    }

    pub fn make_anew(&mut self, name: &str) {
        if let Some(topic) = self.topics.remove(name) {
            self.create_topic(name, topic.partitions.len() as i32, topic.compacted);
        }
    }

    pub fn add_partitions(&mut self, name: &str, partitions: i32) {
        if let Some(topic) = self.topics.get_mut(name) {
            topic.partitions.extend((0..partitions).map(|_| Partition::default()));
        }
    }

    pub fn topic(&self, name: &str) -> TopicState {
        let topic = self.topics.get(name);
        TopicState {
            name: name.into(),
            id: topic.map(|topic| format!("sim-{}", topic.id)),
            partitions: topic.map_or(0, |topic| topic.partitions.len() as i32),
        }
    }

    /// Of each key only the newest message that was committed stays.
    pub fn compact(&mut self, name: &str) {
        let Self { topics, outcomes, .. } = self;
        let Some(topic) = topics.get_mut(name).filter(|topic| topic.compacted) else { return };
        let settled = |entry: &Entry| match entry.txn.and_then(|txn| outcomes.get(&txn)) {
            Some(Outcome::Open) => None,
            Some(Outcome::Aborted) => Some(false),
            Some(Outcome::Committed(_)) | None => Some(true),
        };
        for partition in &mut topic.partitions {
            let mut seen = BTreeSet::new();
            let mut kept: Vec<Entry> = Vec::new();
            for entry in std::mem::take(&mut partition.entries).into_iter().rev() {
                let Some(message) = &entry.message else { continue };
                let stays = match settled(&entry) {
                    None => true,
                    Some(committed) => committed && seen.insert(message.key.clone()),
                };
                if stays {
                    kept.push(entry);
                }
            }
            kept.reverse();
            partition.entries = kept;
        }
    }

    fn partition(&self, of: &TopicPartition) -> Result<&Partition, LogError> {
        let topic = self.topics.get(&of.topic);
        topic.and_then(|t| t.partitions.get(of.partition as usize)).ok_or_else(|| unknown(of))
    }

    fn partition_mut(&mut self, of: &TopicPartition) -> Result<&mut Partition, LogError> {
        let topic = self.topics.get_mut(&of.topic);
        topic.and_then(|t| t.partitions.get_mut(of.partition as usize)).ok_or_else(|| unknown(of))
    }

    pub fn delete_before(&mut self, of: &TopicPartition, offset: i64) {
        if let Ok(partition) = self.partition_mut(of) {
            partition.entries.retain(|entry| entry.offset >= offset);
            partition.start = partition.start.max(offset.min(partition.end));
        }
    }

    /// The first offset of an open transaction, or the end.
    fn last_stable(&self, partition: &Partition) -> i64 {
        let open = |entry: &&Entry| {
            entry.txn.is_some_and(|txn| matches!(self.outcomes.get(&txn), Some(Outcome::Open)))
        };
        partition.entries.iter().find(open).map_or(partition.end, |entry| entry.offset)
    }

    pub fn bounds(
        &self,
        of: &TopicPartition,
        isolation: Isolation,
    ) -> Result<(i64, i64), LogError> {
        let partition = self.partition(of)?;
        let end = match isolation {
            Isolation::ReadUncommitted => partition.end,
            Isolation::ReadCommitted => self.last_stable(partition),
        };
        Ok((partition.start, end))
    }

    pub fn fetch(
        &self,
        of: &TopicPartition,
        from: i64,
        max: usize,
        isolation: Isolation,
    ) -> Result<Fetched, LogError> {
        let (start, end) = self.bounds(of, isolation)?;
        let partition = self.partition(of)?;
        if from < start || from > partition.end {
            let what = format!("{of}@{from}: the log holds {start} to {}", partition.end);
            return Err(LogError::new(LogErrorKind::OutOfRange, what));
        }
        let mut fetched = Fetched { messages: Vec::new(), next: end.max(from) };
        let first = partition.entries.partition_point(|entry| entry.offset < from);
        for entry in &partition.entries[first..] {
            if entry.offset >= end {
                break;
            }
            if fetched.messages.len() >= max {
                fetched.next = entry.offset;
                break;
            }
            let aborted = entry
                .txn
                .is_some_and(|txn| matches!(self.outcomes.get(&txn), Some(Outcome::Aborted)));
            match &entry.message {
                Some(message) if !(aborted && isolation == Isolation::ReadCommitted) => {
                    fetched.messages.push(message.clone());
                }
                _ => {}
            }
        }
        Ok(fetched)
    }

    pub fn append_at(&mut self, to: &TopicPartition, message: InMessage) -> Result<(), LogError> {
        let now_ms = self.now_ms;
        let partition = self.partition_mut(to)?;
        if message.offset < partition.end {
            let what = format!("{to}@{}: the log ends at {}", message.offset, partition.end);
            return Err(LogError::new(LogErrorKind::Fatal, what));
        }
        let offset = message.offset;
        partition.end = offset + 1;
        partition.entries.push(Entry {
            message: Some(message),
            offset,
            txn: None,
            written_ms: now_ms,
        });
        Ok(())
    }

    pub fn stored(&self, topic: &str) -> Vec<Stored> {
        let Some(topic) = self.topics.get(topic) else { return Vec::new() };
        let partitions = topic.partitions.iter().enumerate();
        partitions
            .flat_map(|(partition, log)| {
                log.entries.iter().filter_map(move |entry| {
                    let outcome = entry.txn.and_then(|txn| self.outcomes.get(&txn));
                    let (fate, visible_ms) = match outcome {
                        None => (Fate::Committed, Some(entry.written_ms)),
                        Some(Outcome::Committed(at)) => (Fate::Committed, Some(*at)),
                        Some(Outcome::Aborted) => (Fate::Aborted, None),
                        Some(Outcome::Open) => (Fate::Open, None),
                    };
                    Some(Stored {
                        partition: partition as i32,
                        message: entry.message.clone()?,
                        fate,
                        written_ms: entry.written_ms,
                        visible_ms,
                    })
                })
            })
            .collect()
    }

    pub fn advance_to(&mut self, now_ms: i64) {
        if now_ms > self.now_ms {
            self.now_ms = now_ms;
            self.time_out(now_ms);
        }
    }
}
