//! What is kept of outputs while two runs are read: a bit for a row, and outputs
//! that only one of them has at a place.

use std::ops::Range;

use super::named::Entry;

/// Numbers of rows as bits; it grows to the largest.
#[derive(Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// Whether the row was not in it.
    pub fn set(&mut self, row: u64) -> bool {
        let (word, bit) = ((row / 64) as usize, 1 << (row % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let word = &mut self.0[word];
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    pub fn has(&self, row: u64) -> bool {
        let word = self.0.get((row / 64) as usize);
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    fn word(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// How many rows are in both.
    pub fn both(&self, other: &Self) -> u64 {
        let words = self.0.iter().zip(&other.0);
        words.map(|(one, two)| u64::from((one & two).count_ones())).sum()
    }

    /// How many rows are in it and not in the other.
    pub fn count_without(&self, other: &Self) -> u64 {
        let words = self.0.iter().enumerate();
        words.map(|(at, word)| u64::from((word & !other.word(at)).count_ones())).sum()
    }

    /// Rows that are in it and not in the other, ascending.
    pub fn without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u64> + 'a {
        self.0.iter().enumerate().flat_map(move |(at, word)| {
            let own = word & !other.word(at);
            (0..64).filter(move |bit| own >> bit & 1 == 1).map(move |bit| at as u64 * 64 + bit)
        })
    }
}

/// Outputs of two runs by the common number of their first row, of a range of rows:
/// the range ends early where there are too many, and the rest takes another pass.
pub(super) struct Kept {
    rows: Range<u64>,
    /// Of each run, at once.
    most: usize,
    /// One row has more than that: there is no less to ask for.
    has_to: bool,
    sides: [Vec<Entry>; 2],
}

impl Kept {
    /// Of all rows.
    pub fn all(most: usize) -> Self {
        Self { rows: 0..u64::MAX, most, has_to: false, sides: Default::default() }
    }

    pub fn add(&mut self, side: usize, entry: Entry) {
        if !self.rows.contains(&entry.row()) {
            return;
        }
        self.sides[side].push(entry);
        if self.sides[side].len() > self.most && !self.has_to {
            self.shorten();
        }
    }

    /// Leaves the later half of what is kept to the next pass.
    fn shorten(&mut self) {
        let mut rows: Vec<u64> = self.sides.iter().flatten().map(|entry| entry.row()).collect();
        let half = rows.len() / 2;
        let end = (*rows.select_nth_unstable(half).1).max(self.rows.start.saturating_add(1));
        self.has_to = end >= self.rows.end;
        self.rows.end = self.rows.end.min(end);
        for side in &mut self.sides {
            side.retain(|entry| entry.row() < end);
        }
    }

    /// Whether the next pass has rows left to it.
    pub fn is_cut(&self) -> bool {
        self.rows.end < u64::MAX
    }

    /// Gives out what each run has, by name; of equal names the later output stays
    /// behind. From now on the next rows are kept.
    pub fn take(&mut self) -> [Vec<Entry>; 2] {
        self.rows = self.rows.end..u64::MAX;
        self.has_to = false;
        let mut sides = std::mem::take(&mut self.sides);
        for side in &mut sides {
            side.sort_by_key(|entry| entry.name);
        }
        sides
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rolls(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed;
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        }
    }

    #[test]
    fn bits_are_a_set() {
        let mut roll = rolls(5);
        for most in [1, 64, 900] {
            let mut bits = [Bits::default(), Bits::default()];
            let mut sets = [BTreeSet::new(), BTreeSet::new()];
            for _ in 0..200 {
                let (side, row) = (roll(2) as usize, roll(most));
                assert_eq!(bits[side].set(row), sets[side].insert(row));
            }
            let [one, two] = &bits;
            assert_eq!(one.both(two), sets[0].intersection(&sets[1]).count() as u64);
            let without: Vec<u64> = sets[0].difference(&sets[1]).copied().collect();
            assert_eq!(one.without(two).collect::<Vec<_>>(), without);
            assert_eq!(one.count_without(two), without.len() as u64);
            assert!((0..1_000).all(|row| one.has(row) == sets[0].contains(&row)));
            assert!(!one.is_empty());
        }
        assert!(Bits::default().is_empty());
    }

    #[test]
    fn passes_keep_each_output_once_and_in_order() {
        let mut roll = rolls(9);
        for most in [1, 3, 40, 10_000] {
            // One row has more than are to be kept at once.
            let row = |n: u64| if n < 50 { 7 } else { n };
            let outputs: Vec<(usize, Entry)> = (0..1_000)
                .map(|said| (roll(2) as usize, Entry { name: row(roll(300)) << 32, said }))
                .collect();
            let mut kept = Kept::all(most);
            let mut got: [Vec<Entry>; 2] = Default::default();
            let mut passes = 0;
            loop {
                outputs.iter().for_each(|(side, entry)| kept.add(*side, *entry));
                let more = kept.is_cut();
                for (all, side) in got.iter_mut().zip(kept.take()) {
                    all.extend(side);
                }
                passes += 1;
                if !more {
                    break;
                }
            }
            for (side, got) in got.iter().enumerate() {
                let own = outputs.iter().filter(|(of, _)| *of == side);
                let mut want: Vec<Entry> = own.map(|(_, entry)| *entry).collect();
                want.sort_by_key(|entry| entry.name);
                assert_eq!(*got, want, "at most {most}");
            }
            assert_eq!(passes > 1, most < 1_000, "{passes} passes of {most}");
        }
    }
}
