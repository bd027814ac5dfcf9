//! The newest records of a live run, for the values of what is given out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::edges::recording::Packed;

/// Bytes of memory that are kept, about.
const KEPT: usize = 256 << 20;

/// The newest records, batch by batch.
#[derive(Debug)]
pub(super) struct Recent {
    /// By partition: the batches that have records of it, with its first offset
    /// in them, in offset order.
    lanes: Vec<VecDeque<(i64, Arc<Packed>)>>,
    /// Oldest first.
    batches: VecDeque<Arc<Packed>>,
    bytes: usize,
    limit: usize,
}

impl Recent {
    pub fn new(partitions: usize) -> Self {
        Self::within(partitions, KEPT)
    }

    /// Keeps about `limit` bytes.
    pub fn within(partitions: usize, limit: usize) -> Self {
        Self { lanes: vec![VecDeque::new(); partitions], batches: VecDeque::new(), bytes: 0, limit }
    }

    pub fn add(&mut self, batch: Packed) {
        let batch = Arc::new(batch);
        self.bytes += batch.memory();
        for (source, first) in batch.firsts() {
            self.lanes[source as usize].push_back((first, Arc::clone(&batch)));
        }
        self.batches.push_back(batch);
        while self.bytes > self.limit {
            let Some(oldest) = self.batches.pop_front() else { break };
            self.bytes -= oldest.memory();
            for (source, _) in oldest.firsts() {
                self.lanes[source as usize].pop_front();
            }
        }
    }

    fn batch(&self, source: u32, offset: i64) -> Option<Arc<Packed>> {
        let lane = self.lanes.get(source as usize)?;
        let at = lane.partition_point(|(first, _)| *first <= offset).checked_sub(1)?;
        Some(Arc::clone(&lane[at].1))
    }

    /// The batch that has the record of a partition at an offset, if any has;
    /// `shared` is held no longer than that is looked up.
    pub fn batch_of(shared: &Mutex<Self>, source: u32, offset: i64) -> Option<Arc<Packed>> {
        shared.lock().unwrap_or_else(PoisonError::into_inner).batch(source, offset)
    }
}
