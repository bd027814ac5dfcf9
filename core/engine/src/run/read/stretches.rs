//! How finely each stretch of a range is read for its lines: which blocks of the
//! pyramids tell it, and what is told row by row.

use super::density::{EXACT, level_for};
use crate::run::pyramid::BLOCK_SHIFT;
use crate::run::types::{Axis, Range};

/// Arrivals that are read at one level of the pyramids; `None`: row by row.
pub(super) struct Stretch {
    pub from: u64,
    pub to: u64,
    pub level: Option<usize>,
}

impl Stretch {
    /// Its level and the blocks of it; `None`: row by row.
    pub fn blocks(&self) -> Option<(usize, std::ops::Range<u64>)> {
        let shift = BLOCK_SHIFT + 2 * self.level? as u32;
        Some((self.level?, self.from >> shift..((self.to - 1) >> shift) + 1))
    }
}

/// So many stretches are read row by row, wherever they lie.
const SPARSE: usize = 32;

/// The stretches of a range: on the clock, buckets with few arrivals are told finer
/// than the usual one, for a block may last longer than many of them.
pub(super) fn stretches(range: Range, edges: &[u64], coarsest: Option<usize>) -> Vec<Stretch> {
    let (from, to) = (edges[0], edges[edges.len() - 1]);
    let Some(coarsest) = coarsest.filter(|_| range.axis != Axis::Arrival) else {
        return vec![Stretch { from, to, level: coarsest }];
    };
    let told = |exact: bool| {
        let mut found: Vec<Stretch> = Vec::new();
        for pair in edges.windows(2).filter(|pair| pair[0] < pair[1]) {
            let level = level_for(pair[1] - pair[0], 1).map(|level| level.min(coarsest));
            let level = level.or((!exact).then_some(0));
            match found.last_mut() {
                Some(last) if last.level == level => last.to = pair[1],
                _ => found.push(Stretch { from: pair[0], to: pair[1], level }),
            }
        }
        found
    };
    let found = told(true);
    let rows = found.iter().filter(|s| s.level.is_none());
    let (n, arrivals) = rows.fold((0, 0), |(n, sum), s| (n + 1, sum + s.to - s.from));
    up_to_finer(if n > SPARSE || arrivals > EXACT { told(false) } else { found })
}

/// Where a finer stretch follows, a block that reaches into it would tell what comes
/// there too early, by as many buckets as it lasts: the stretch ends at its last block
/// before, and what is left of it is told as finely as can be by whole blocks, the
/// rest with what follows.
fn up_to_finer(stretches: Vec<Stretch>) -> Vec<Stretch> {
    let mut told: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for next in stretches {
        let mut from = next.from;
        let coarse = told.last_mut().and_then(|last| Some((last.level?, last)));
        if let Some((level, last)) = coarse
            && next.level.is_none_or(|finer| finer < level)
        {
            let whole = |level: usize| {
                let shift = BLOCK_SHIFT + 2 * level as u32;
                next.from >> shift << shift
            };
            from = whole(level).max(last.from);
            last.to = from;
            for level in (next.level.map_or(0, |finer| finer + 1)..level).rev() {
                let to = whole(level).max(from);
                told.push(Stretch { from, to, level: Some(level) });
                from = to;
            }
        }
        told.push(Stretch { from, ..next });
    }
    told.retain(|stretch| stretch.from < stretch.to);
    told
}

/// Around restarts: a block that holds arrivals of both sides of one says nothing of
/// either, so that what lies in it is told finer, down to row by row.
pub(super) fn around(stretches: Vec<Stretch>, restarts: &[u64]) -> Vec<Stretch> {
    if restarts.is_empty() {
        return stretches;
    }
    let mut finer = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        let Stretch { from, to, level: Some(level) } = stretch else {
            finer.push(stretch);
            continue;
        };
        let shift = BLOCK_SHIFT + 2 * level as u32;
        // What its blocks say, beyond its ends too.
        let (first, end) = (from >> shift << shift, (((to - 1) >> shift) + 1) << shift);
        let within = |restart: &&u64| (first + 1..end).contains(*restart);
        if !restarts.iter().any(|restart| within(&restart)) {
            finer.push(stretch);
            continue;
        }
        let mut at = from;
        let own = restarts.iter().copied().filter(|restart| (from + 1..to).contains(restart));
        for next in own.chain([to]) {
            cover(at, next, level, &mut finer);
            at = next;
        }
    }
    finer
}

/// Covers arrivals `from..to` by whole blocks, no coarser than a level, and what is
/// left at the ends row by row.
fn cover(from: u64, to: u64, coarsest: usize, into: &mut Vec<Stretch>) {
    let block = |level: usize| 1u64 << (BLOCK_SHIFT + 2 * level as u32);
    let begin = into.len();
    let mut at = from;
    while at < to {
        let fits = |level: &usize| at.is_multiple_of(block(*level)) && at + block(*level) <= to;
        let level = (0..=coarsest).rev().find(fits);
        let end = match level {
            Some(level) => at + block(level),
            None => (((at >> BLOCK_SHIFT) + 1) << BLOCK_SHIFT).min(to),
        };
        match into[begin..].last_mut() {
            Some(last) if last.level == level => last.to = end,
            _ => into.push(Stretch { from: at, to: end, level }),
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::{Range, stretches};
    use crate::run::types::Axis;

    /// Edges of buckets with so many arrivals each.
    fn edges(counts: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut edges = vec![0];
        for n in counts {
            edges.push(edges[edges.len() - 1] + n);
        }
        edges
    }

    #[test]
    fn around_a_restart_no_block_holds_arrivals_of_both_sides() {
        for (from, to, restarts) in [
            (0, 1 << 20, vec![300_000]),
            (70, 900_000, vec![10, 71, 65_536, 65_600, 65_601, 899_999, 950_000]),
            (70, 900_000, vec![900_001]),
            (512, 4_096, vec![512, 1_024]),
            (0, 100, vec![50]),
        ] {
            for level in 0..3 {
                let whole = vec![super::Stretch { from, to, level: Some(level) }];
                let found = super::around(whole, &restarts);
                assert_eq!((found[0].from, found[found.len() - 1].to), (from, to));
                assert!(found.windows(2).all(|pair| pair[0].to == pair[1].from));
                let mut exact = 0;
                for stretch in &found {
                    let Some(level) = stretch.level else {
                        exact += stretch.to - stretch.from;
                        continue;
                    };
                    let shift = 8 + 2 * level as u32;
                    for block in stretch.from >> shift..=(stretch.to - 1) >> shift {
                        let (first, end) = (block << shift, (block + 1) << shift);
                        let held = |restart: &u64| first < *restart && *restart < end;
                        assert!(!restarts.iter().any(held), "{from}..{to} {level} {first}");
                    }
                }
                assert!(exact <= 1_024 * restarts.len() as u64, "{exact}");
            }
        }
    }

    fn told(axis: Axis, edges: &[u64]) -> Vec<(u64, u64, Option<usize>)> {
        let range = Range { axis, from: 0, to: 1 };
        stretches(range, edges, Some(1)).iter().map(|s| (s.from, s.to, s.level)).collect()
    }

    #[test]
    fn on_the_clock_a_stretch_with_few_arrivals_is_told_finer() {
        let dense = (0..100).map(|_| 10_000);
        let tail = [3_000, 700, 90, 0, 0, 12, 1].into_iter();
        let edges = edges(dense.chain(tail));
        // Each up to its last block that reaches no further.
        let want =
            [(0, 999_424, Some(1)), (999_424, 1_003_520, Some(0)), (1_003_520, 1_003_803, None)];
        assert_eq!(told(Axis::ArrivalTime, &edges), want);
        assert_eq!(told(Axis::Arrival, &edges), [(0, 1_003_803, Some(1))]);
    }

    #[test]
    fn no_block_tells_early_what_a_finer_stretch_tells() {
        // Ends and beginnings within blocks; a fall by two levels at once.
        for counts in [
            vec![20_000, 20_000, 7, 5, 0, 3, 300, 9],
            vec![70, 5_000, 5_000, 300, 1, 1, 5_000, 2],
            vec![300, 5, 300, 5, 70_000, 100],
        ] {
            let edges = edges(counts.iter().copied());
            for coarsest in 0..4 {
                let range = Range { axis: Axis::ArrivalTime, from: 0, to: 1 };
                let found = stretches(range, &edges, Some(coarsest));
                assert_eq!(found[0].from, 0);
                assert_eq!(found[found.len() - 1].to, edges[edges.len() - 1]);
                for pair in found.windows(2) {
                    assert_eq!(pair[0].to, pair[1].from, "{counts:?}");
                    let Some(level) = pair[0].level else { continue };
                    let finer = pair[1].level.is_none_or(|finer| finer < level);
                    let whole = pair[0].to.is_multiple_of(1 << (8 + 2 * level));
                    assert!(!finer || whole, "{counts:?}, {coarsest}: {}", pair[0].to);
                }
                // What is read row by row is little more than what has to be.
                let few: u64 = counts.iter().filter(|n| **n < 256).sum();
                let rows = found.iter().filter(|s| s.level.is_none());
                let rows: u64 = rows.map(|s| s.to - s.from).sum();
                assert!((few..=few + 255 * 4).contains(&rows), "{counts:?}: {rows}");
            }
        }
    }

    #[test]
    fn where_few_arrivals_lie_in_many_places_no_row_is_read() {
        let edges = edges((0..200).map(|i| if i % 2 == 0 { 10_000 } else { 5 }));
        let found = told(Axis::ArrivalTime, &edges);
        assert!(found.iter().all(|s| s.2.is_some()), "{found:?}");
        assert_eq!((found[0].0, found[found.len() - 1].1), (0, 1_000_500));
    }
}
