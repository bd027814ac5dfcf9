//! The brokers' side: logs, the transaction coordinator, group offsets. A plain
//! state machine without a clock of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::{Fetched, InMessage, LogError, LogErrorKind, OutMessage, TopicState};
use super::script::Script;
use crate::edges::kafka::Isolation;
use crate::edges::recording::partition_of_key;
use crate::operator::record::TopicPartition;

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

/// An open transaction.
struct Open {
    serial: u64,
    began_ms: i64,
    partitions: BTreeSet<TopicPartition>,
    offsets: BTreeMap<(String, TopicPartition), i64>,
}

/// A transactional id as the coordinator has it.
#[derive(Default)]
struct Owner {
    epoch: u32,
    timeout_ms: u32,
    open: Option<Open>,
    /// How the last transaction ended: an end that is asked for again answers.
    last: Option<bool>,
}

/// The end of a transaction on its way.
struct Late {
    id: String,
    epoch: u32,
    commit: bool,
    after: u32,
    before_init: bool,
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

fn fenced(id: &str) -> LogError {
    let what = format!(
        "transactional id \"{id}\": another producer has taken it over, or its transaction timed out"
    );
    LogError::new(LogErrorKind::Fenced, what)
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

    /// The new epoch of `id`; whoever had an earlier one is fenced.
    pub fn init(&mut self, id: &str, timeout_ms: u32) -> u32 {
        let late = std::mem::take(&mut self.late);
        for end in late {
            if end.id == id && end.before_init {
                let _ = self.end(&end.id, end.epoch, end.commit);
            } else {
                self.late.push(end);
            }
        }
        if self.owners.get(id).is_some_and(|owner| owner.open.is_some()) {
            self.finish(id, false);
        }
        let owner = self.owners.entry(id.to_owned()).or_default();
        owner.epoch += 1;
        owner.timeout_ms = timeout_ms;
        owner.last = None;
        owner.epoch
    }

    fn owner(&mut self, id: &str, epoch: u32) -> Result<&mut Owner, LogError> {
        match self.owners.get_mut(id) {
            Some(owner) if owner.epoch == epoch => Ok(owner),
            _ => Err(fenced(id)),
        }
    }

    /// Opens a transaction with its first message or offsets.
    fn open(&mut self, id: &str, epoch: u32) -> Result<u64, LogError> {
        let (now_ms, next) = (self.now_ms, self.serial + 1);
        let owner = self.owner(id, epoch)?;
        if let Some(open) = &owner.open {
            return Ok(open.serial);
        }
        owner.last = None;
        owner.open = Some(Open {
            serial: next,
            began_ms: now_ms,
            partitions: BTreeSet::new(),
            offsets: BTreeMap::new(),
        });
        self.serial = next;
        self.outcomes.insert(next, Outcome::Open);
        Ok(next)
    }

    /// Appends for a transactional producer (`Some((id, epoch))`) or any other.
    pub fn produce(
        &mut self,
        by: Option<(&str, u32)>,
        message: OutMessage,
        turn: &mut u32,
    ) -> Result<(), LogError> {
        let partitions = self.topic(&message.topic).partitions;
        let topic = Arc::clone(&message.topic);
        let partition = message.partition.unwrap_or_else(|| {
            if let Some(key) = &message.key {
                partition_of_key(key, partitions.max(1) as u32)
            } else {
                *turn += 1;
                (*turn % partitions.max(1) as u32) as i32
            }
        });
        let to = TopicPartition { topic, partition };
        self.partition(&to)?;
        let txn = by.map(|(id, epoch)| self.open(id, epoch)).transpose()?;
        self.written_bytes += super::bytes_of(&message) as u64;
        let now_ms = self.now_ms;
        let log = self.partition_mut(&to)?;
        let offset = log.end;
        log.end += 1;
        log.entries.push(Entry {
            message: Some(InMessage {
                offset,
                timestamp: Some(message.timestamp),
                key: message.key,
                value: message.value,
                headers: message.headers,
            }),
            offset,
            txn,
            written_ms: now_ms,
        });
        if let Some((id, epoch)) = by {
            if let Some(open) = &mut self.owner(id, epoch)?.open {
                open.partitions.insert(to);
            }
            self.arrive_late(id);
        }
        Ok(())
    }

    pub fn add_offsets(
        &mut self,
        id: &str,
        epoch: u32,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), LogError> {
        self.open(id, epoch)?;
        if let Some(open) = &mut self.owner(id, epoch)?.open {
            for (partition, offset) in offsets {
                open.offsets.insert((group.to_owned(), partition.clone()), *offset);
            }
        }
        Ok(())
    }

    /// Ends whatever transaction is open under this epoch.
    pub fn end(&mut self, id: &str, epoch: u32, commit: bool) -> Result<(), LogError> {
        let owner = self.owner(id, epoch)?;
        match (&owner.open, owner.last) {
            (Some(_), _) => {
                self.finish(id, commit);
                Ok(())
            }
            // Asked for again, or nothing was written.
            (None, Some(last)) if last == commit => Ok(()),
            (None, None) => Ok(()),
            (None, Some(_)) => {
                let what =
                    format!("transactional id \"{id}\": the transaction has ended otherwise");
                Err(LogError::new(LogErrorKind::Fatal, what))
            }
        }
    }

    pub fn end_later(&mut self, id: &str, epoch: u32, commit: bool, after: u32, before_init: bool) {
        self.late.push(Late { id: id.to_owned(), epoch, commit, after, before_init });
    }

    /// One more message of `id` was written: ends that were under way arrive.
    fn arrive_late(&mut self, id: &str) {
        let mut due = Vec::new();
        self.late.retain_mut(|end| {
            if end.id != id {
                return true;
            }
            if end.after > 1 {
                end.after -= 1;
                return true;
            }
            due.push((end.epoch, end.commit));
            false
        });
        for (epoch, commit) in due {
            // Of an epoch that is over: fenced, and nobody waits for the answer.
            let _ = self.end(id, epoch, commit);
        }
    }

    fn finish(&mut self, id: &str, commit: bool) {
        let Some(owner) = self.owners.get_mut(id) else { return };
        let Some(open) = owner.open.take() else { return };
        owner.last = Some(commit);
        let outcome = if commit { Outcome::Committed(self.now_ms) } else { Outcome::Aborted };
        self.outcomes.insert(open.serial, outcome);
        let now_ms = self.now_ms;
        for of in &open.partitions {
            if let Ok(log) = self.partition_mut(of) {
                let offset = log.end;
                log.end += 1;
                log.entries.push(Entry { message: None, offset, txn: None, written_ms: now_ms });
            }
        }
        if commit {
            self.offsets.extend(open.offsets);
        }
    }

    pub fn advance_to(&mut self, now_ms: i64) {
        if now_ms > self.now_ms {
            self.now_ms = now_ms;
            self.time_out(now_ms);
        }
    }

    /// Aborts what is open for too long at `now_ms` and fences its producer.
    pub fn time_out(&mut self, now_ms: i64) {
        let over: Vec<String> = self
            .owners
            .iter()
            .filter(|(_, owner)| {
                owner.open.as_ref().is_some_and(|open| {
                    now_ms.saturating_sub(open.began_ms) >= i64::from(owner.timeout_ms)
                })
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            self.finish(&id, false);
            if let Some(owner) = self.owners.get_mut(&id) {
                owner.epoch += 1;
            }
        }
    }

    pub fn committed(
        &self,
        group: &str,
        of: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, LogError> {
        let pending = self.owners.values().filter_map(|owner| owner.open.as_ref());
        if pending.flat_map(|open| open.offsets.keys()).any(|(g, p)| g == group && of.contains(p)) {
            let what = format!("group \"{group}\": its offsets are in an open transaction");
            return Err(LogError::new(LogErrorKind::TimedOut, what));
        }
        let find = |p: &TopicPartition| self.offsets.get(&(group.to_owned(), p.clone())).copied();
        Ok(of.iter().filter_map(|p| Some((p.clone(), find(p)?))).collect())
    }

    pub fn delete_group(&mut self, group: &str) {
        self.offsets.retain(|(of, _), _| of != group);
    }

    pub fn commit_offsets(&mut self, group: &str, offsets: &BTreeMap<TopicPartition, i64>) {
        for (partition, offset) in offsets {
            self.offsets.insert((group.to_owned(), partition.clone()), *offset);
        }
    }
}
