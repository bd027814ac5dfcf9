//! Which partitions may not be idle: those that are paused, or have records in
//! the log that were not yet taken and do not wait for a transaction. Only changes
//! are said, and a moment's lag is none.
//!
//! Where the reading stood still (a commit or a breakpoint waits, the machine
//! slept), no partition was silent meanwhile: nobody listened. What has records then
//! is held from the last look on, before its idle timeout can have passed.

use crate::edges::kafka::TailLane;
use crate::engine::ends::waits_for_partitions;
use crate::operator::pipeline::Pipeline;
use crate::operator::record::Record;

/// A partition must lag so long before it is held, ms at most.
const MOMENT: i64 = 1_000;
/// Looks lie no further apart than this while the reading gets on, ms: it waits
/// for a tenth of a second at most.
const APART: i64 = 200;
/// After so long, ms, the ends that are known are too old to say that nothing is
/// behind them: the cluster was not heard either.
const ASLEEP: i64 = 10_000;

/// Something that is to be said of a partition: whether it is held, and from when
/// on, ms.
pub(super) type Change = (u32, bool, i64);

#[derive(Debug)]
pub(super) struct Holding {
    /// `None`: no input can be idle and no task waits, so nothing is held.
    moment: Option<i64>,
    /// Since when each lags, ms.
    behind: Vec<Option<i64>>,
    held: Vec<bool>,
    /// A task of `kafka-streams` waits: nothing is free before what it has given
    /// was taken.
    waits: bool,
    /// Whether its records come right after what is said.
    coming: Vec<bool>,
    /// When it was last looked at all of them, ms.
    looked: Option<i64>,
}

impl Holding {
    /// Nothing is known of any partition: all are held until they are seen at
    /// their end.
    pub fn new(pipeline: &Pipeline, lanes: usize) -> Self {
        let idle = pipeline.inputs.iter().filter_map(|input| input.watermark.idle_timeout);
        let moment = idle.min().map(|shortest| (shortest / 2).min(MOMENT));
        let waits = waits_for_partitions(pipeline);
        Self {
            moment: if waits { Some(0) } else { moment },
            behind: vec![None; lanes],
            held: vec![false; lanes],
            waits,
            coming: vec![false; lanes],
            looked: None,
        }
    }

    /// These come right after the next changes.
    pub fn coming(&mut self, records: &[Record]) {
        if self.moment.is_some() {
            self.coming.fill(false);
            for record in records {
                if let Some(coming) = self.coming.get_mut(record.source as usize) {
                    *coming = true;
                }
            }
        }
    }

    /// All of them, at the start.
    pub fn begin(&mut self) -> Vec<(u32, bool)> {
        if self.moment.is_none() {
            return Vec::new();
        }
        self.held.fill(true);
        (0..self.held.len() as u32).map(|source| (source, true)).collect()
    }

    /// What changed, in the order in which it is to be said.
    pub fn changes(&mut self, lanes: &[TailLane], away: bool, now: i64) -> Vec<Change> {
        let Some(moment) = self.moment else { return Vec::new() };
        let last = self.looked.replace(now).unwrap_or(now);
        // A task that waits knows no idleness.
        let apart = if self.waits { 0 } else { now.saturating_sub(last) };
        let stood = apart >= moment.max(APART);
        let mut changes = Vec::new();
        for (i, lane) in lanes.iter().enumerate() {
            let source = i as u32;
            let lags = away || lane.paused || lane.can_give();
            let (behind, held) = (&mut self.behind[i], &mut self.held[i]);
            let unknown = apart >= ASLEEP && !(lags || self.coming[i]);
            if stood && (lags || self.coming[i] || unknown) && !std::mem::replace(held, true) {
                changes.push((source, true, last));
            }
            if !lags {
                *behind = None;
                let waits = unknown || self.waits && self.coming[i];
                if !waits && std::mem::replace(held, false) {
                    changes.push((source, false, now));
                }
                continue;
            }
            let since = *behind.get_or_insert(now);
            let lasting = lane.paused || away || now.saturating_sub(since) >= moment;
            if lasting && !std::mem::replace(held, true) {
                changes.push((source, true, now));
            }
        }
        // Before a timeout that has passed since can count.
        changes.sort_by_key(|(.., at)| *at);
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::record::TopicPartition;

    /// What is said from now on.
    fn now_of(changes: &[Change], now: i64) -> Vec<(u32, bool)> {
        assert!(changes.iter().all(|(.., at)| *at == now), "{changes:?}");
        changes.iter().map(|&(source, held, _)| (source, held)).collect()
    }

    fn lane(next: i64, end: i64, paused: bool) -> TailLane {
        let partition = TopicPartition { topic: "t".into(), partition: 0 };
        TailLane { partition, next, end, paused, newest_ms: None, waits_since_ms: None }
    }

    #[test]
    fn what_lags_for_longer_than_a_moment_is_held_until_it_has_caught_up() {
        let mut holding = Holding {
            moment: Some(100),
            behind: vec![None; 2],
            held: vec![false; 2],
            waits: false,
            coming: vec![false; 2],
            looked: None,
        };
        assert_eq!(holding.begin(), [(0, true), (1, true)]);
        let mut at = |now, a, b, away| now_of(&holding.changes(&[a, b], away, now), now);
        let (done, lags, paused) = (lane(5, 5, false), lane(5, 6, false), lane(5, 5, true));
        assert_eq!(at(0, done.clone(), lags.clone(), false), [(0, false)]);
        assert_eq!(at(10, lags.clone(), done.clone(), false), [(1, false)]);
        assert_eq!(at(50, done.clone(), lags.clone(), false), []);
        assert_eq!(at(149, lags.clone(), lags.clone(), false), [], "anew from 149, and 99 ms");
        assert_eq!(at(150, lags.clone(), lags.clone(), false), [(1, true)]);
        assert_eq!(at(151, paused, done.clone(), false), [(0, true), (1, false)]);
        assert_eq!(at(152, done.clone(), done.clone(), true), [(1, true)], "nobody knows");
        assert_eq!(at(153, done.clone(), done, false), [(0, false), (1, false)]);
    }

    #[test]
    fn who_waits_for_a_transaction_may_be_idle_until_that_ends() {
        let mut holding = Holding {
            moment: Some(100),
            behind: vec![None],
            held: vec![false],
            waits: false,
            coming: vec![false],
            looked: None,
        };
        holding.begin();
        let mut at = |now, lane| now_of(&holding.changes(&[lane], false, now), now);
        let lags = lane(5, 9, false);
        let waits = TailLane { waits_since_ms: Some(7), ..lags.clone() };
        assert_eq!(at(0, lags.clone()), [], "held from the start");
        assert_eq!(at(150, waits.clone()), [(0, false)]);
        assert_eq!(at(300, TailLane { paused: true, ..waits }), [(0, true)]);
        assert_eq!(at(350, lane(9, 9, false)), [(0, false)]);
        assert_eq!(at(400, lags.clone()), [], "a moment is none");
        assert_eq!(at(500, lags), [(0, true)]);
    }

    #[test]
    fn where_a_task_waits_nothing_is_free_before_its_records_were_given() {
        let mut holding = Holding {
            moment: Some(0),
            behind: vec![None; 2],
            held: vec![false; 2],
            waits: true,
            coming: vec![true, false],
            looked: None,
        };
        holding.begin();
        let (done, lags) = (lane(5, 5, false), lane(5, 6, false));
        assert_eq!(holding.changes(&[done.clone(), done.clone()], false, 0), [(1, false, 0)]);
        holding.coming(&[]);
        let later = holding.changes(&[done, lags], false, 60_000);
        assert_eq!(now_of(&later, 60_000), [(0, false), (1, true)]);
    }

    /// Found by reading: after a commit, a breakpoint or a night that took longer than
    /// the idle timeout all partitions were idle, and the one that was read first made
    /// the records of the others late.
    #[test]
    fn while_the_reading_stood_still_no_partition_was_silent() {
        let mut holding = Holding {
            moment: Some(MOMENT),
            behind: vec![None; 3],
            held: vec![false; 3],
            waits: false,
            coming: vec![false; 3],
            looked: None,
        };
        let record = |source| Record { source, offset: 4, ..Record::default() };
        let (done, lags) = (lane(5, 5, false), lane(5, 9, false));
        let quiet = [done.clone(), done.clone(), done.clone()];
        assert_eq!(holding.changes(&quiet, false, 0), []);
        // A moment is none.
        holding.coming(&[record(0)]);
        let some = [done.clone(), lags, done];
        assert_eq!(holding.changes(&some, false, 900), []);
        assert_eq!(holding.changes(&quiet, false, 1_000), []);
        // All that came meanwhile, part of it in this batch; the third has nothing.
        let said = holding.changes(&some, false, 9_000);
        assert_eq!(said, [(0, true, 1_000), (1, true, 1_000), (0, false, 9_000)]);
        holding.coming(&[]);
        assert_eq!(holding.changes(&quiet, false, 9_100), [(1, false, 9_100)]);
        // Nor is anything known of it after a sleep, until the next look.
        let said = holding.changes(&quiet, false, 60_000);
        assert_eq!(said, [(0, true, 9_100), (1, true, 9_100), (2, true, 9_100)]);
        let said = holding.changes(&quiet, false, 60_100);
        assert_eq!(now_of(&said, 60_100), [(0, false), (1, false), (2, false)]);
    }
}
