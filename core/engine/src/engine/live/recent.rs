//! Records by name while the run goes on, for the values of what is given out:
//! the newest from memory, older ones from the arrival log.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::edges::recording::Recording;
use crate::operator::record::{Record, RecordName, TopicPartition};

/// Bytes of keys, values and headers that are kept, about.
const KEPT: usize = 256 << 20;

/// The newest records.
#[derive(Debug)]
pub(super) struct Recent {
    by_name: HashMap<TopicPartition, u32>,
    /// By partition, in offset order.
    lanes: Vec<VecDeque<Record>>,
    /// The partitions of what is kept, oldest first.
    order: VecDeque<u32>,
    bytes: usize,
    limit: usize,
}

impl Recent {
    pub fn new(partitions: &[TopicPartition]) -> Self {
        Self {
            by_name: partitions.iter().cloned().zip(0..).collect(),
            lanes: vec![VecDeque::new(); partitions.len()],
            order: VecDeque::new(),
            bytes: 0,
            limit: KEPT,
        }
    }

    pub fn add(&mut self, records: &[Record]) {
        for record in records {
            self.bytes += held(record);
            self.order.push_back(record.source);
            self.lanes[record.source as usize].push_back(record.clone());
        }
        while self.bytes > self.limit {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(record) = self.lanes[oldest as usize].pop_front() {
                self.bytes -= held(&record);
            }
        }
    }

    fn get(&self, name: &RecordName) -> Option<Record> {
        let partition =
            TopicPartition { topic: Arc::clone(&name.topic), partition: name.partition };
        let lane = &self.lanes[*self.by_name.get(&partition)? as usize];
        let at = lane.binary_search_by_key(&name.offset, |record| record.offset).ok()?;
        Some(lane[at].clone())
    }
}

fn held(record: &Record) -> usize {
    let bytes = |b: &Option<bytes::Bytes>| b.as_ref().map_or(0, bytes::Bytes::len);
    let headers: usize = record.headers.iter().map(|h| h.key.len() + bytes(&h.value)).sum();
    size_of::<Record>() + bytes(&record.key) + bytes(&record.value) + headers
}

/// Looks records up; one for each thread.
pub struct Lookup {
    recent: Arc<Mutex<Recent>>,
    folder: PathBuf,
    log: Option<Recording>,
}

impl Lookup {
    pub(super) fn new(recent: Arc<Mutex<Recent>>, folder: PathBuf) -> Self {
        Self { recent, folder, log: None }
    }

    /// The record of that name.
    ///
    /// # Errors
    /// The arrival log does not have it, or cannot be read.
    pub fn record(&mut self, name: &RecordName) -> Result<Record, String> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner).get(name);
        if let Some(record) = recent {
            return Ok(record);
        }
        for opened_now in [false, true] {
            if opened_now {
                // It came since the log was opened, and has left memory meanwhile.
                self.log = Some(Recording::open(&self.folder).map_err(|e| e.to_string())?);
            }
            let found = self.log.as_ref().map(|log| log.record(name)).transpose();
            if let Some(record) = found.map_err(|e| e.to_string())?.flatten() {
                return Ok(record);
            }
        }
        Err(format!("{name} is not in the arrival log {}", self.folder.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::{Writer, WriterOptions, part_name};
    use crate::operator::record::TimestampType;

    fn record(n: u64) -> Record {
        Record {
            arrival: n,
            arrival_ns: 0,
            source: (n % 3) as u32,
            offset: n as i64 / 3 * 2,
            timestamp: None,
            timestamp_type: TimestampType::None,
            leader_epoch: None,
            key: None,
            value: Some(vec![n as u8; 100].into()),
            headers: Vec::new(),
        }
    }

    #[test]
    fn the_newest_come_from_memory_and_older_ones_from_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let partitions: Vec<TopicPartition> =
            (0..3).map(|partition| TopicPartition { topic: "t".into(), partition }).collect();
        let mut log =
            Writer::create(&folder.path().join(part_name(0)), WriterOptions::default()).unwrap();
        let mut recent = Recent::new(&partitions);
        recent.limit = 20 * held(&record(0));
        for partition in &partitions {
            log.partition(partition.clone()).unwrap();
        }
        let shared = Arc::new(Mutex::new(recent));
        let mut lookup = Lookup::new(Arc::clone(&shared), folder.path().to_owned());
        let name = |n: u64| RecordName {
            topic: "t".into(),
            partition: (n % 3) as i32,
            offset: n as i64 / 3 * 2,
        };
        for n in 0..200 {
            log.add(&record(n)).unwrap();
            log.hand_over().unwrap();
            shared.lock().unwrap().add(&[record(n)]);
            for back in [0, 5, 25, 150] {
                if let Some(n) = n.checked_sub(back) {
                    assert_eq!(lookup.record(&name(n)), Ok(record(n)));
                }
            }
        }
        assert_eq!(shared.lock().unwrap().order.len(), 20);
        let missing = RecordName { offset: 1, ..name(0) };
        assert!(lookup.record(&missing).unwrap_err().contains("t[0]@1 is not in the arrival log"));
    }
}
