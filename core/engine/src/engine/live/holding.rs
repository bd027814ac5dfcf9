//! Which partitions may not be idle: those that are paused, or have records in
//! the log that were not yet taken. Only changes are said, and a moment's lag
//! is none.

use crate::edges::kafka::TailLane;
use crate::engine::ends::waits_for_partitions;
use crate::operator::pipeline::Pipeline;
use crate::operator::record::Record;

/// A partition must lag so long before it is held, ms at most.
const MOMENT: i64 = 1_000;

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
        }
    }

    /// These come right after the next changes.
    pub fn coming(&mut self, records: &[Record]) {
        if self.waits {
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

    /// What changed: a partition, and whether it is held now.
    pub fn changes(&mut self, lanes: &[TailLane], away: bool, now: i64) -> Vec<(u32, bool)> {
        let Some(moment) = self.moment else { return Vec::new() };
        let mut changes = Vec::new();
        for (i, lane) in lanes.iter().enumerate() {
            let (behind, held) = (&mut self.behind[i], &mut self.held[i]);
            if !(away || lane.paused || lane.lag() > 0) {
                *behind = None;
                if !self.coming[i] && std::mem::replace(held, false) {
                    changes.push((i as u32, false));
                }
                continue;
            }
            let since = *behind.get_or_insert(now);
            let lasting = lane.paused || away || now.saturating_sub(since) >= moment;
            if lasting && !std::mem::replace(held, true) {
                changes.push((i as u32, true));
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::record::TopicPartition;

    fn lane(next: i64, end: i64, paused: bool) -> TailLane {
        let partition = TopicPartition { topic: "t".into(), partition: 0 };
        TailLane { partition, next, end, paused, newest_ms: None }
    }

    #[test]
    fn what_lags_for_longer_than_a_moment_is_held_until_it_has_caught_up() {
        let mut holding = Holding {
            moment: Some(100),
            behind: vec![None; 2],
            held: vec![false; 2],
            waits: false,
            coming: vec![false; 2],
        };
        assert_eq!(holding.begin(), [(0, true), (1, true)]);
        let mut at = |now, a, b, away| holding.changes(&[a, b], away, now);
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
    fn where_a_task_waits_nothing_is_free_before_its_records_were_given() {
        let mut holding = Holding {
            moment: Some(0),
            behind: vec![None; 2],
            held: vec![false; 2],
            waits: true,
            coming: vec![true, false],
        };
        holding.begin();
        let (done, lags) = (lane(5, 5, false), lane(5, 6, false));
        assert_eq!(holding.changes(&[done.clone(), done.clone()], false, 0), [(1, false)]);
        holding.coming(&[]);
        assert_eq!(holding.changes(&[done, lags], false, 1), [(0, false), (1, true)]);
    }
}
