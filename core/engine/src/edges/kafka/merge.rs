//! The merge of partitions by record timestamp (5-recording, Arrival): the
//! smallest head first, ties by topic and partition, offset order kept within
//! a partition.
//!
//! Rules:
//! 1. Nothing leaves while an open lane is empty: its next record could be the
//!    smallest.
//! 2. Only heads are compared. A record behind a later one of its own partition
//!    waits for that one, as it did in the log.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::operator::record::Record;

/// Lanes are numbered in the order of topic and partition.
pub(super) struct Merge {
    lanes: Vec<MergeLane>,
    /// (timestamp of the head, lane) of each lane that has one.
    heads: BinaryHeap<Reverse<(i64, u32)>>,
    /// Open lanes without a record.
    starving: usize,
}

struct MergeLane {
    records: VecDeque<Record>,
    bytes: usize,
    open: bool,
}

/// A record without a timestamp goes before all that have one.
fn head_time(record: &Record) -> i64 {
    record.timestamp.unwrap_or(i64::MIN)
}

/// About what a record holds in memory.
fn size(record: &Record) -> usize {
    size_of::<Record>() + record.payload()
}

impl Merge {
    /// All lanes are open and empty.
    pub fn new(lanes: usize) -> Self {
        let lane = || MergeLane { records: VecDeque::new(), bytes: 0, open: true };
        Self {
            lanes: (0..lanes).map(|_| lane()).collect(),
            heads: BinaryHeap::new(),
            starving: lanes,
        }
    }

    /// Adds the lane's next record.
    pub fn push(&mut self, lane: u32, record: Record) {
        let queue = &mut self.lanes[lane as usize];
        if queue.records.is_empty() {
            self.heads.push(Reverse((head_time(&record), lane)));
            if queue.open {
                self.starving -= 1;
            }
        }
        queue.bytes += size(&record);
        queue.records.push_back(record);
    }

    /// No more records will come in this lane.
    pub fn close(&mut self, lane: u32) {
        let queue = &mut self.lanes[lane as usize];
        if queue.open && queue.records.is_empty() {
            self.starving -= 1;
        }
        queue.open = false;
    }

    /// The next record of the merge, if it is known.
    pub fn pop(&mut self) -> Option<Record> {
        if self.starving > 0 {
            return None;
        }
        let Reverse((_, lane)) = self.heads.pop()?;
        let queue = &mut self.lanes[lane as usize];
        let record = queue.records.pop_front()?;
        queue.bytes -= size(&record);
        match queue.records.front() {
            Some(next) => self.heads.push(Reverse((head_time(next), lane))),
            None if queue.open => self.starving += 1,
            None => {}
        }
        Some(record)
    }

    /// Lanes that hold the merge up.
    pub fn starving(&self) -> impl Iterator<Item = u32> {
        self.lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| lane.open && lane.records.is_empty())
            .map(|(i, _)| i as u32)
    }

    /// Records and bytes waiting in a lane.
    pub fn waiting(&self, lane: u32) -> (usize, usize) {
        let lane = &self.lanes[lane as usize];
        (lane.records.len(), lane.bytes)
    }

    /// All lanes are closed and empty.
    pub fn is_done(&self) -> bool {
        self.heads.is_empty() && self.starving == 0
    }
}

/// Gives records their arrival times, which never go back.
#[derive(Default)]
pub(super) struct ArrivalClock {
    last_ns: i64,
    /// Records whose timestamp was below the arrival time before it.
    pub raised: u64,
    /// Records without a timestamp, or with one that no arrival time can hold:
    /// they get the arrival time before them.
    pub unusable: u64,
}

impl ArrivalClock {
    /// In a merge: the record's timestamp, raised to the one before it.
    pub fn of_timestamp(&mut self, record: &Record) -> i64 {
        match record.timestamp.and_then(|ms| ms.checked_mul(1_000_000)).filter(|ns| *ns >= 0) {
            Some(ns) if ns < self.last_ns => self.raised += 1,
            Some(ns) => self.last_ns = ns,
            None => self.unusable += 1,
        }
        self.last_ns
    }

    /// When it was read, by this machine's clock.
    pub fn now(&mut self) -> i64 {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        self.last_ns = self.last_ns.max(now);
        self.last_ns
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::record::TimestampType;

    fn record(source: u32, offset: i64, timestamp: Option<i64>) -> Record {
        let timestamp_type =
            if timestamp.is_some() { TimestampType::Create } else { TimestampType::None };
        Record { source, offset, timestamp, timestamp_type, ..Record::default() }
    }

    /// The rule, written the slow way.
    fn expected(mut lanes: Vec<VecDeque<Record>>) -> Vec<Record> {
        let mut merged = Vec::new();
        while let Some(lane) = (0..lanes.len())
            .filter(|i| !lanes[*i].is_empty())
            .min_by_key(|i| (lanes[*i][0].timestamp.unwrap_or(i64::MIN), *i))
        {
            merged.extend(lanes[lane].pop_front());
        }
        merged
    }

    proptest! {
        #[test]
        fn it_is_the_smallest_head_first_however_records_come_in(
            lanes in prop::collection::vec(
                prop::collection::vec(prop::option::weighted(0.9, 0i64..6), 0..12), 1..5),
            feed in prop::collection::vec(0usize..5, 0..200),
        ) {
            let lanes: Vec<VecDeque<Record>> = lanes
                .iter()
                .enumerate()
                .map(|(i, times)| {
                    times.iter().enumerate()
                        .map(|(o, t)| record(i as u32, o as i64, *t)).collect()
                })
                .collect();
            let mut coming = lanes.clone();
            let mut merge = Merge::new(lanes.len());
            let mut merged = Vec::new();
            // Whatever the feed left out comes at the end, lane by lane.
            let rest = (0..lanes.len()).flat_map(|lane| [lane; 13]);
            for lane in feed.into_iter().map(|l| l % lanes.len()).chain(rest) {
                match coming[lane].pop_front() {
                    Some(next) => merge.push(lane as u32, next),
                    None => merge.close(lane as u32),
                }
                merged.extend(std::iter::from_fn(|| merge.pop()));
            }
            prop_assert!(merge.is_done());
            prop_assert_eq!(merged, expected(lanes));
        }
    }

    #[test]
    fn a_lane_that_may_still_give_holds_the_others() {
        let mut merge = Merge::new(2);
        merge.push(0, record(0, 0, Some(5)));
        assert_eq!(merge.starving().collect::<Vec<_>>(), [1]);
        assert!(merge.pop().is_none());
        merge.push(1, record(1, 0, Some(4)));
        assert_eq!(merge.pop().map(|r| r.source), Some(1));
        assert!(merge.pop().is_none(), "lane 1 may give 4 again");
        merge.close(1);
        assert_eq!(merge.pop().map(|r| r.source), Some(0));
    }

    #[test]
    fn arrival_times_are_timestamps_that_never_go_back() {
        let mut clock = ArrivalClock::default();
        let times = [Some(10), Some(7), None, Some(i64::MAX), Some(-3), Some(11)];
        let arrivals: Vec<i64> =
            times.iter().map(|t| clock.of_timestamp(&record(0, 0, *t)) / 1_000_000).collect();
        assert_eq!(arrivals, [10, 10, 10, 10, 10, 11]);
        assert_eq!((clock.raised, clock.unusable), (1, 3));
        // Live records follow by the wall clock, which never goes back either.
        let first = clock.now();
        assert!(clock.now() >= first);
    }
}
