//! Who may write what together: transactional ids, their transactions and how
//! they end; the offsets of groups, which a transaction may hold back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Broker, Entry, Outcome};
use crate::edges::log::sim::bytes_of;
use crate::edges::log::{InMessage, LogError, LogErrorKind, NOW, OutMessage};
use crate::edges::recording::partition_of_key;
use crate::operator::record::TopicPartition;

/// An open transaction.
struct Open {
    serial: u64,
    began_ms: i64,
    partitions: BTreeSet<TopicPartition>,
    offsets: BTreeMap<(String, TopicPartition), i64>,
}

/// A transactional id as the coordinator has it.
#[derive(Default)]
pub(super) struct Owner {
    epoch: u32,
    timeout_ms: u32,
    open: Option<Open>,
    /// How the last transaction ended: an end that is asked for again answers.
    last: Option<bool>,
}

/// The end of a transaction on its way.
pub(super) struct Late {
    id: String,
    epoch: u32,
    commit: bool,
    after: u32,
    before_init: bool,
}

fn fenced(id: &str) -> LogError {
    let what = format!(
        "transactional id \"{id}\": another producer has taken it over, or its transaction timed out"
    );
    LogError::new(LogErrorKind::Fenced, what)
}

impl Broker {
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
        self.written_bytes += bytes_of(&message) as u64;
        let now_ms = self.now_ms;
        let log = self.partition_mut(&to)?;
        let offset = log.end;
        log.end += 1;
        log.entries.push(Entry {
            message: Some(InMessage {
                offset,
                timestamp: Some(if message.timestamp == NOW { now_ms } else { message.timestamp }),
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
