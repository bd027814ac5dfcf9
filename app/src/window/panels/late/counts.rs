//! How many records by bin of what they need. A pass over a run adds to it for
//! each record: counts lie in pages of bins, and adding is one addition.

use joinscope_core::run::NEVER;

use super::bins::{bin, edge};

/// Stands in a bin's place for records that no value is enough for.
pub const NO_VALUE: u16 = u16::MAX;

/// Bins of a page.
const PAGE: usize = 64;

/// The bin of a need, ms.
#[must_use]
pub fn bin_of(ms: i64) -> u16 {
    if ms == NEVER { NO_VALUE } else { bin(ms) }
}

/// How many records by bin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// By page; empty where nothing was counted in it.
    pages: Vec<Vec<u64>>,
    /// Of [`NO_VALUE`].
    never: u64,
}

impl Counts {
    pub fn add(&mut self, ms: i64) {
        self.count(bin_of(ms), 1);
    }

    /// Counts `n` more in a bin; `n` is not 0.
    pub fn count(&mut self, bin: u16, n: u64) {
        if bin == NO_VALUE {
            self.never += n;
            return;
        }
        let (page, place) = (usize::from(bin) / PAGE, usize::from(bin) % PAGE);
        if page >= self.pages.len() {
            self.pages.resize(page + 1, Vec::new());
        }
        let page = &mut self.pages[page];
        if page.is_empty() {
            page.resize(PAGE, 0);
        }
        page[place] += n;
    }

    pub fn merge(&mut self, other: &Self) {
        for (bin, n) in other.iter() {
            self.count(bin, n);
        }
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, n)| n).sum()
    }

    /// How many need more than a bin's edge: exact.
    #[must_use]
    pub fn beyond(&self, bin: u16) -> u64 {
        let Some(next) = bin.checked_add(1) else { return 0 };
        let (page, place) = (usize::from(next) / PAGE, usize::from(next) % PAGE);
        let own = self.pages.get(page).and_then(|counts| counts.get(place..)).unwrap_or_default();
        let later = self.pages.iter().skip(page + 1).flatten();
        own.iter().chain(later).sum::<u64>() + self.never
    }

    /// The value at or below which `part` of them lie, ms: at most 1 % too large.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<i64> {
        let total = self.total();
        let rank = ((total.checked_sub(1)?) as f64 * part).round() as u64;
        let mut before = 0;
        for (bin, n) in self.iter() {
            before += n;
            if before > rank {
                return Some(edge(bin));
            }
        }
        None
    }

    /// Bins and counts, ascending; [`NO_VALUE`] last.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let own = self.pages.iter().enumerate().flat_map(|(page, counts)| {
            counts.iter().enumerate().map(move |(place, n)| ((page * PAGE + place) as u16, *n))
        });
        own.chain([(NO_VALUE, self.never)]).filter(|(_, n)| *n > 0)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.never == 0 && self.pages.iter().all(Vec::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

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

    /// Durations of any length, and some that no value is enough for.
    fn durations(seed: u64, n: usize) -> Vec<i64> {
        let mut state = seed;
        let mut roll = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 11
        };
        let one = |_| match roll() % 20 {
            0 => NEVER,
            bits => (roll() % (1 << (2 * bits))) as i64 + 1,
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn what_is_counted_is_what_a_map_of_bins_counts() {
        for seed in 0..40 {
            let parts = [durations(seed, 300), durations(seed + 100, 50)];
            let mut counts = [Counts::default(), Counts::default()];
            let mut plain: BTreeMap<u16, u64> = BTreeMap::new();
            for (counts, durations) in counts.iter_mut().zip(&parts) {
                for ms in durations {
                    counts.add(*ms);
                    *plain.entry(bin_of(*ms)).or_default() += 1;
                }
            }
            let [mut all, other] = counts;
            all.merge(&other);
            assert_eq!(
                all.iter().collect::<Vec<_>>(),
                plain.clone().into_iter().collect::<Vec<_>>()
            );
            assert_eq!(all.total(), 350);
            for bin in plain.keys().flat_map(|b| [b.saturating_sub(1), *b, b.saturating_add(1)]) {
                let want: u64 = plain.iter().filter(|(b, _)| **b > bin).map(|(_, n)| n).sum();
                assert_eq!(all.beyond(bin), want, "seed {seed}, beyond {bin}");
            }
        }
        assert!(Counts::default().is_empty());
    }
}
