//! The picture over time as counts: by block of arrivals, group of partitions and
//! height. A pass gives arrivals in order: only the newest block is counted into,
//! those before it are kept as they are and shared by all copies.

use std::ops::Range;
use std::sync::Arc;

use joinscope_core::run::NEVER;
use joinscope_operator::record::Arrival;

use super::counts::NO_VALUE;

/// Heights that the picture tells apart in a doubling of a need.
const A_DOUBLING: u16 = 6;
/// Heights that there are; no need is as high.
pub const HEIGHTS: u16 = 64 * A_DOUBLING;
/// Places of a group's counts: the last one is of [`NO_VALUE`].
const WIDTH: usize = HEIGHTS as usize + 1;

/// 2^(63 + n/6) for n from 1 on, rounded up: the doubling's heights, its leading
/// bit being the 63rd.
const PARTS: [u64; A_DOUBLING as usize - 1] = [
    10_352_885_068_807_405_238,
    11_620_720_580_245_083_922,
    13_043_817_825_332_782_213,
    14_641_190_473_997_345_814,
    16_434_180_649_130_740_278,
];

/// The picture's height of a need, ms: the logarithm of its base, rounded down.
#[must_use]
pub fn step(ms: i64) -> u16 {
    if ms == NEVER {
        return NO_VALUE;
    }
    let ms = ms.max(1).unsigned_abs();
    let zeros = ms.leading_zeros();
    let scaled = ms << zeros;
    let part: u16 = PARTS.iter().map(|from| u16::from(scaled >= *from)).sum();
    (63 - zeros as u16) * A_DOUBLING + part
}

/// The smallest need of a height, ms.
#[must_use]
pub fn step_from(step: u16) -> f64 {
    (f64::from(step) / f64::from(A_DOUBLING)).exp2()
}

/// A count: where it is among those of a block, and how many.
#[derive(Clone, Copy, Debug)]
struct Cell {
    at: u32,
    n: u32,
}

/// Counts by block, place of a target, group and height.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    groups: usize,
    /// Arrivals of a block.
    block: u64,
    /// Blocks that are done: their first arrival and what is not 0, ascending.
    done: Vec<(Arrival, Arc<[Cell]>)>,
    /// Arrivals of the block that is counted into.
    open: Range<Arrival>,
    /// Its counts, by place, group and height; which of them are not 0.
    counts: Vec<u32>,
    some: Vec<u32>,
}

impl Cells {
    /// For so many places and groups, by `block` arrivals.
    #[must_use]
    pub fn new(places: usize, groups: usize, block: u64) -> Self {
        let counts = vec![0; places * groups * WIDTH];
        Self { groups, block, counts, ..Self::default() }
    }

    /// Counts come into the block of an arrival from now on.
    pub fn begin(&mut self, arrival: Arrival) {
        if self.open.contains(&arrival) {
            return;
        }
        let cells = self.newest();
        for cell in &*cells {
            self.counts[cell.at as usize] = 0;
        }
        self.some.clear();
        if !cells.is_empty() {
            self.done.push((self.open.start, cells));
        }
        let block = self.block.max(1);
        let first = arrival / block * block;
        self.open = first..first.saturating_add(block);
    }

    /// Counts one more.
    pub fn add(&mut self, place: usize, group: u32, step: u16) {
        let at = self.first(place) + group as usize * WIDTH + usize::from(step.min(HEIGHTS));
        let Some(n) = self.counts.get_mut(at) else { return };
        if *n == 0 {
            self.some.push(at as u32);
        }
        *n += 1;
    }

    fn first(&self, place: usize) -> usize {
        place * self.groups * WIDTH
    }

    /// What is not 0 in the block that is counted into, ascending.
    fn newest(&self) -> Arc<[Cell]> {
        let mut some = self.some.clone();
        some.sort_unstable();
        some.into_iter().map(|at| Cell { at, n: self.counts[at as usize] }).collect()
    }

    /// First arrival, group, height and count of what is not 0 for a place.
    pub fn of(&self, place: usize) -> impl Iterator<Item = (Arrival, u32, u16, u32)> + '_ {
        let own = self.first(place) as u32..self.first(place + 1) as u32;
        let newest = (self.open.start, self.newest());
        let blocks = self.done.iter().cloned().chain([newest]);
        blocks.flat_map(move |(arrival, cells)| {
            let from = cells.partition_point(|cell| cell.at < own.start);
            let to = cells.partition_point(|cell| cell.at < own.end);
            let first = own.start;
            (from..to).map(move |i| {
                let Cell { at, n } = cells[i];
                let at = at - first;
                let height = (at % WIDTH as u32) as u16;
                let step = if height == HEIGHTS { NO_VALUE } else { height };
                (arrival, at / WIDTH as u32, step, n)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_height_is_the_logarithm_of_a_need() {
        let plain = |ms: i64| ((ms.max(1) as f64).log2() * f64::from(A_DOUBLING)) as u16;
        // Beyond that a neighbour's logarithm rounds to the same number.
        for bits in 0..44 {
            let around = (0..=A_DOUBLING).map(|n| step_from(bits * A_DOUBLING + n) as i64);
            for ms in around.flat_map(|ms| ms - 2..=ms + 2) {
                assert_eq!(step(ms), plain(ms), "{ms} ms");
            }
        }
        assert_eq!((step(-5), step(0), step(1)), (0, 0, 0));
        assert_eq!(step(NEVER), NO_VALUE);
        assert!(step(NEVER - 1) < HEIGHTS);
    }

    #[test]
    fn what_is_counted_is_what_a_map_counts() {
        let mut state = 3u64;
        let mut roll = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for block in [1, 7, 1_000] {
            let mut cells = Cells::new(3, 4, block);
            let mut plain: BTreeMap<_, u32> = BTreeMap::new();
            let mut arrival = 0;
            for _ in 0..3_000 {
                arrival += roll(3);
                cells.begin(arrival);
                let (place, group) = (roll(3) as usize, roll(4) as u32);
                let step = if roll(9) == 0 { NO_VALUE } else { step(roll(1 << 30) as i64) };
                cells.add(place, group, step);
                *plain.entry((place, arrival / block * block, group, step)).or_default() += 1;
            }
            // A copy stays as it was.
            let copy = cells.clone();
            cells.begin(arrival + block);
            cells.add(0, 0, 1);
            for place in 0..3 {
                let got: Vec<_> = copy.of(place).collect();
                let want = plain.iter().filter(|((p, ..), _)| *p == place);
                let want: Vec<_> = want
                    .map(|((_, arrival, group, step), n)| (*arrival, *group, *step, *n))
                    .collect();
                assert_eq!(got, want, "blocks of {block}");
            }
        }
        assert_eq!(Cells::default().of(0).count(), 0);
    }
}
