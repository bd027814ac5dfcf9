//! What one pass over the run leaves: for each partition how many records need
//! which out-of-orderness, and when.
//!
//! Counts are by bins of three digits ([`super::bins`]), so the answer to "how
//! many would be late at this out-of-orderness" is exact for every value that
//! the slider stands on, and for the value that was run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use joinscope_core::run::{NEVER, Need};
use joinscope_operator::record::Arrival;

use super::bins::{bin, edge};

/// Stands in a bin's place for records that no value is enough for.
pub const NO_VALUE: u16 = u16::MAX;

/// Blocks of arrivals over the whole run, at most.
const BLOCKS: u64 = 2_048;
/// With more partitions the picture over time is kept by input.
const LANES_IN_TIME: usize = 64;

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

/// How many records by bin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts(BTreeMap<u16, u64>);

impl Counts {
    pub fn add(&mut self, ms: i64) {
        let bin = if ms == NEVER { NO_VALUE } else { bin(ms) };
        *self.0.entry(bin).or_default() += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        for (bin, n) in &other.0 {
            *self.0.entry(*bin).or_default() += n;
        }
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many need more than a bin's edge: exact.
    #[must_use]
    pub fn beyond(&self, bin: u16) -> u64 {
        match bin.checked_add(1) {
            Some(next) => self.0.range(next..).map(|(_, n)| n).sum(),
            None => 0,
        }
    }

    /// The value at or below which `part` of them lie, ms: at most 1 % too large.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<i64> {
        let total = self.total();
        let rank = ((total.checked_sub(1)?) as f64 * part).round() as u64;
        let mut before = 0;
        for (bin, n) in &self.0 {
            before += n;
            if before > rank {
                return Some(edge(*bin));
            }
        }
        None
    }

    /// Bins and counts, ascending; [`NO_VALUE`] last.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.0.iter().map(|(bin, n)| (*bin, *n))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
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
    fn add(&mut self, need: &Need<'_>) {
        self.needs.resize(need.by_input.len() + 1, Counts::default());
        self.judged += 1;
        if need.late_by > 0 {
            self.late += 1;
            self.late_by.add(need.late_by);
            self.latest = self.latest.max(need.late_by);
        }
        for (place, ms) in std::iter::once(&need.all).chain(need.by_input).enumerate() {
            if *ms > 0 {
                self.needs[place].add(*ms);
            }
        }
    }

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

/// (block, group, coarse bin).
type Cell = (u32, u32, u16);

/// Everything that one pass leaves.
#[derive(Clone, Debug, Default)]
pub struct Index {
    pub lanes: Vec<Lane>,
    /// Arrivals of a block.
    pub block: u64,
    /// By [`Target::place`].
    cells: Vec<HashMap<Cell, u32>>,
    /// Input of each lane.
    inputs: Vec<u8>,
    /// What was run, by [`Target::place`], ms: every input's, where they are
    /// all the same, else nothing is said of all.
    pub now: Vec<Option<i64>>,
}

/// Heights that the picture over time tells apart.
const STEPS_A_DOUBLING: f64 = 6.0;

/// The picture's height of a need, ms.
#[must_use]
pub fn step(ms: i64) -> u16 {
    if ms == NEVER {
        return NO_VALUE;
    }
    ((ms.max(1) as f64).log2() * STEPS_A_DOUBLING) as u16
}

/// The smallest need of a height, ms.
#[must_use]
pub fn step_from(step: u16) -> f64 {
    (f64::from(step) / STEPS_A_DOUBLING).exp2()
}

impl Index {
    #[must_use]
    pub fn new(inputs: Vec<u8>, bounds: &[i64], arrivals: u64) -> Self {
        let same = bounds.windows(2).all(|w| w[0] == w[1]);
        let mut now = vec![bounds.first().copied().filter(|_| same)];
        now.extend(bounds.iter().map(|b| Some(*b)));
        Self {
            lanes: vec![Lane::default(); inputs.len()],
            block: arrivals.div_ceil(BLOCKS).max(1),
            cells: vec![HashMap::new(); bounds.len() + 1],
            inputs,
            now,
        }
    }

    pub fn add(&mut self, need: &Need<'_>) {
        let Some(lane) = self.lanes.get_mut(need.lane as usize) else { return };
        lane.add(need);
        let block = (need.arrival / self.block) as u32;
        let group = self.group(need.lane);
        for (place, ms) in std::iter::once(&need.all).chain(need.by_input).enumerate() {
            if *ms > 0 {
                *self.cells[place].entry((block, group, step(*ms))).or_default() += 1;
            }
        }
    }

    /// Whether the picture over time is kept by partition.
    #[must_use]
    pub fn by_lane(&self) -> bool {
        self.lanes.len() <= LANES_IN_TIME
    }

    fn group(&self, lane: u32) -> u32 {
        if self.by_lane() {
            lane
        } else {
            self.inputs.get(lane as usize).map_or(0, |i| u32::from(*i))
        }
    }

    /// First arrival, height and count of each cell of some lanes.
    pub fn cells<'a>(
        &'a self,
        target: Target,
        lanes: &'a dyn Fn(u32) -> bool,
    ) -> impl Iterator<Item = (Arrival, u16, u32)> + 'a {
        // Each once: thousands of partitions are kept as a few inputs.
        let groups: BTreeSet<u32> =
            (0..self.lanes.len() as u32).filter(|l| lanes(*l)).map(|l| self.group(l)).collect();
        let cells = self.cells.get(target.place()).into_iter().flatten();
        cells
            .filter(move |((_, group, _), _)| groups.contains(group))
            .map(|((block, _, step), n)| (u64::from(*block) * self.block, *step, *n))
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
    use super::*;

    fn need(arrival: u64, lane: u32, late_by: i64, all: i64) -> Need<'static> {
        Need {
            row: arrival,
            arrival,
            arrival_ms: 0,
            lane,
            event_time: 0,
            late_by,
            all,
            by_input: &[NEVER],
        }
    }

    #[test]
    fn counts_beyond_an_edge_are_exact_and_quantiles_nearly() {
        let mut counts = Counts::default();
        for ms in 1..=10_000 {
            counts.add(ms);
        }
        counts.add(NEVER);
        for at in [0, 1, 500, 1_000, 5_000, 9_990, 10_000] {
            assert_eq!(counts.beyond(bin(at)), 10_000 - at as u64 + 1, "beyond {at}");
        }
        let half = counts.quantile(0.5).unwrap();
        assert!((5_000..=5_050).contains(&half), "{half}");
        assert_eq!(Counts::default().quantile(0.5), None);
    }

    #[test]
    fn partitions_add_up() {
        let mut index = Index::new(vec![0, 0], &[7_777], 10);
        index.add(&need(0, 0, 0, 7_777));
        index.add(&need(1, 1, 1, 7_778));
        index.add(&need(2, 1, 0, 0));
        let all = index.sum(&|_| true);
        assert_eq!((all.judged, all.late, all.latest), (3, 1, 1));
        assert_eq!(all.needs[Target::All.place()].beyond(bin(7_770)), 2);
        assert_eq!(all.needs[1].beyond(bin(1 << 40)), 3, "no value is enough for any");
        assert_eq!(index.sum(&|l| l == 0).late, 0);
        let cells: Vec<_> = index.cells(Target::All, &|l| l == 1).collect();
        assert_eq!(cells, [(1, step(7_778), 1)]);
    }
}
