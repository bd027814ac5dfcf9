//! What one pass over the run leaves: for each partition how many records need
//! which out-of-orderness, and when.
//!
//! Counts are by bins of three digits ([`super::bins`]), so the answer to "how
//! many would be late at this out-of-orderness" is exact for every value that
//! the slider stands on, and for the value that was run.

use std::sync::Arc;

use joinscope_operator::record::Arrival;

use super::cells::{Cells, step};
use super::counts::{Counts, bin_of};

/// Blocks of arrivals over the whole run, at most.
const BLOCKS: u64 = 2_048;
/// With more partitions the picture over time is kept by input.
const LANES_IN_TIME: usize = 64;

/// Needs below it are looked up, ms: most are.
const KNOWN: i64 = 1 << 16;

/// Whose out-of-orderness is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Target {
    /// That of every input, to the same value.
    #[default]
    All,
    Input(u8),
}

impl Target {
    /// Its place among what an index keeps.
    #[must_use]
    pub fn place(self) -> usize {
        match self {
            Self::All => 0,
            Self::Input(i) => usize::from(i) + 1,
        }
    }
}

/// A record that was judged for lateness.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    pub arrival: Arrival,
    pub lane: u32,
    /// ms; 0: not late.
    pub late_by: i64,
}

/// What is known of one partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lane {
    /// Records that were judged for lateness.
    pub judged: u64,
    /// Late as it was run.
    pub late: u64,
    /// How late those were, ms.
    pub late_by: Counts,
    /// The latest, ms.
    pub latest: i64,
    /// By [`Target::place`]: what records need, of those that need anything.
    /// With what was run exactly the late ones are late, whichever the target.
    pub needs: Vec<Counts>,
}

impl Lane {
    fn merge(&mut self, other: &Self) {
        self.judged += other.judged;
        self.late += other.late;
        self.late_by.merge(&other.late_by);
        self.latest = self.latest.max(other.latest);
        self.needs.resize(self.needs.len().max(other.needs.len()), Counts::default());
        for (a, b) in self.needs.iter_mut().zip(&other.needs) {
            a.merge(b);
        }
    }
}

/// Everything that one pass leaves.
#[derive(Clone, Debug, Default)]
pub struct Index {
    pub lanes: Vec<Lane>,
    /// Arrivals of a block.
    pub block: u64,
    cells: Cells,
    /// By lane: as which group it is kept over time.
    groups: Vec<u32>,
    /// By need below [`KNOWN`]: its bin and its height.
    known: Arc<[(u16, u16)]>,
    /// What was run, by [`Target::place`], ms: every input's, where they are
    /// all the same, else nothing is said of all.
    pub now: Vec<Option<i64>>,
}

impl Index {
    #[must_use]
    pub fn new(inputs: Vec<u8>, bounds: &[i64], arrivals: u64) -> Self {
        let same = bounds.windows(2).all(|w| w[0] == w[1]);
        let mut now = vec![bounds.first().copied().filter(|_| same)];
        now.extend(bounds.iter().map(|b| Some(*b)));
        let places = bounds.len() + 1;
        let by_lane = inputs.len() <= LANES_IN_TIME;
        let block = arrivals.div_ceil(BLOCKS).max(1);
        let lane = Lane { needs: vec![Counts::default(); places], ..Lane::default() };
        Self {
            block,
            cells: Cells::new(places, if by_lane { inputs.len() } else { bounds.len() }, block),
            groups: (0..)
                .zip(&inputs)
                .map(|(lane, input)| if by_lane { lane } else { u32::from(*input) })
                .collect(),
            known: (0..KNOWN).map(|ms| (bin_of(ms), step(ms))).collect(),
            lanes: vec![lane; inputs.len()],
            now,
        }
    }

    /// Takes in a record; `needs`: by [`Target::place`], ms.
    pub fn add(&mut self, record: &Judged, needs: &[i64]) {
        let number = record.lane as usize;
        let (Some(lane), Some(group)) = (self.lanes.get_mut(number), self.groups.get(number))
        else {
            return;
        };
        lane.judged += 1;
        if record.late_by > 0 {
            lane.late += 1;
            lane.late_by.add(record.late_by);
            lane.latest = lane.latest.max(record.late_by);
        }
        self.cells.begin(record.arrival);
        for ((place, counts), ms) in lane.needs.iter_mut().enumerate().zip(needs) {
            if *ms <= 0 {
                continue;
            }
            let known = self.known.get(*ms as usize).copied();
            let (bin, height) = known.unwrap_or_else(|| (bin_of(*ms), step(*ms)));
            counts.count(bin, 1);
            self.cells.add(place, *group, height);
        }
    }

    /// First arrival, height and count of each cell of some lanes.
    pub fn cells<'a>(
        &'a self,
        target: Target,
        lanes: &'a dyn Fn(u32) -> bool,
    ) -> impl Iterator<Item = (Arrival, u16, u32)> + 'a {
        // Each once: thousands of partitions are kept as a few inputs.
        let mut wanted = vec![false; self.groups.len()];
        for (lane, group) in (0..).zip(&self.groups) {
            if lanes(lane)
                && let Some(wanted) = wanted.get_mut(*group as usize)
            {
                *wanted = true;
            }
        }
        let all = self.cells.of(target.place());
        let own = all.filter(move |(_, group, ..)| wanted.get(*group as usize) == Some(&true));
        own.map(|(arrival, _, step, n)| (arrival, step, n))
    }

    /// Some lanes as one.
    #[must_use]
    pub fn sum(&self, lanes: &dyn Fn(u32) -> bool) -> Lane {
        let mut sum = Lane::default();
        for (lane, one) in self.lanes.iter().enumerate() {
            if lanes(lane as u32) {
                sum.merge(one);
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use joinscope_core::run::NEVER;

    use super::*;
    use crate::window::panels::late::bins::bin;

    #[test]
    fn partitions_add_up() {
        let record = |arrival, lane, late_by| Judged { arrival, lane, late_by };
        let mut index = Index::new(vec![0, 0], &[7_777], 10);
        index.add(&record(0, 0, 0), &[7_777, NEVER]);
        index.add(&record(1, 1, 1), &[7_778, NEVER]);
        index.add(&record(2, 1, 0), &[0, NEVER]);
        let all = index.sum(&|_| true);
        assert_eq!((all.judged, all.late, all.latest), (3, 1, 1));
        assert_eq!(all.needs[Target::All.place()].beyond(bin(7_770)), 2);
        assert_eq!(all.needs[1].beyond(bin(1 << 40)), 3, "no value is enough for any");
        assert_eq!(index.sum(&|l| l == 0).late, 0);
        let cells: Vec<_> = index.cells(Target::All, &|l| l == 1).collect();
        assert_eq!(cells, [(1, step(7_778), 1)]);
        // One that is not looked up.
        index.add(&record(3, 0, 0), &[10 * KNOWN, NEVER]);
        assert_eq!(index.sum(&|l| l == 0).needs[0].beyond(bin(10 * KNOWN) - 1), 1);
        assert!(index.cells(Target::All, &|l| l == 0).any(|c| c == (3, step(10 * KNOWN), 1)));
    }
}
