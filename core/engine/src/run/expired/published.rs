//! Rows of published segments in a row's interval. Each late row asks for them, and
//! those of a hot key are many: what was read for one is remembered for the next.

use std::collections::{BTreeMap, HashMap};

use super::Window;
use crate::run::error::Result;
use crate::run::read::{Earlier, Run};

/// What took so few rows to read is not worth remembering.
const FEW: usize = 8;

/// Rows that are remembered, of some 64 bytes each; with more it begins anew.
const MOST: usize = 1 << 18;

/// A row that asks.
pub(super) struct Asker {
    /// Of its key, and of the key's normalised form.
    pub hashes: (u64, u64),
    pub row: u64,
    /// Its partners are those of this partition number alone.
    pub partition: Option<i32>,
}

impl Asker {
    /// Whether a row in its interval is a partner that came before it.
    fn may(&self, row: u64, partition: i32) -> bool {
        row < self.row && self.partition.is_none_or(|own| own == partition)
    }
}

/// What is known while what is published stays the same.
#[derive(Default)]
pub(super) struct Published {
    /// By the hash of the key, and input.
    known: HashMap<(u64, u8), Known>,
    rows: usize,
}

/// All rows of one key and input that reached the join, within a range of event times.
struct Known {
    lo: i64,
    hi: i64,
    /// The partition of each, by event time and row.
    rows: BTreeMap<(i64, u64), i32>,
    /// Those that were missed.
    missed: BTreeMap<(i64, u64), Earlier>,
}

impl Known {
    fn new(lo: i64, hi: i64) -> Self {
        Self { lo, hi, rows: BTreeMap::new(), missed: BTreeMap::new() }
    }

    /// Nothing lies between this and what is known.
    fn meets(&self, lo: i64, hi: i64) -> bool {
        lo <= self.hi.saturating_add(1) && hi >= self.lo.saturating_sub(1)
    }

    fn take(&mut self, found: Earlier) {
        let place = (found.time, found.row);
        self.rows.insert(place, found.partition);
        if found.missed {
            self.missed.insert(place, found);
        }
    }

    /// As [`Published::ask`].
    fn ask(&self, asker: &Asker, lo: i64, hi: i64, give: &mut impl FnMut(&Earlier)) -> bool {
        let range = (lo, 0)..=(hi, u64::MAX);
        let missed = self.missed.range(range.clone()).map(|(_, found)| found);
        missed.filter(|found| asker.may(found.row, found.partition)).for_each(give);
        self.rows.range(range).any(|(&(_, row), &partition)| asker.may(row, partition))
    }
}

impl Published {
    /// More is published.
    pub fn forget(&mut self) {
        self.known.clear();
        self.rows = 0;
    }

    /// Whether a row before the asker's lies in one of the windows, of which an input
    /// has one at most; `give` gets those of them that were missed.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn ask(
        &mut self,
        run: &Run,
        asker: &Asker,
        windows: &[Window],
        mut give: impl FnMut(&Earlier),
    ) -> Result<bool> {
        if self.rows > MOST {
            self.forget();
        }
        let hash = asker.hashes.0;
        let (mut any, mut new) = (false, Vec::new());
        for &(input, lo, hi) in windows.iter().filter(|(_, lo, hi)| lo <= hi) {
            let known = self.known.get(&(hash, input));
            if !known.is_some_and(|known| known.meets(lo, hi)) {
                new.push((input, lo, hi));
                continue;
            }
            self.reach(run, asker, (input, lo, hi))?;
            if let Some(known) = self.known.get(&(hash, input)) {
                any |= known.ask(asker, lo, hi, &mut give);
            }
        }
        if new.is_empty() {
            return Ok(any);
        }
        let (found, read) = run.earlier(asker.hashes, &new)?;
        for found in found.iter().filter(|found| asker.may(found.row, found.partition)) {
            any = true;
            if found.missed {
                give(found);
            }
        }
        if read > FEW && found.len() <= MOST {
            for (input, lo, hi) in new {
                let before = self.known.insert((hash, input), Known::new(lo, hi));
                self.rows -= before.map_or(0, |before| before.rows.len());
            }
            self.take(hash, found);
        }
        Ok(any)
    }

    /// What is known goes as far as this window then, and by its length further: one
    /// that moves on slowly is not read for at each step.
    fn reach(&mut self, run: &Run, asker: &Asker, (input, lo, hi): Window) -> Result<()> {
        let hash = asker.hashes.0;
        let Some(&Known { lo: from, hi: to, .. }) = self.known.get(&(hash, input)) else {
            return Ok(());
        };
        let length = hi.saturating_sub(lo);
        let before = (lo < from).then(|| (lo.min(from.saturating_sub(length)), from - 1));
        let behind = (hi > to).then(|| (to + 1, hi.max(to.saturating_add(length))));
        for (lo, hi) in before.into_iter().chain(behind) {
            let (found, _) = run.earlier(asker.hashes, &[(input, lo, hi)])?;
            if let Some(known) = self.known.get_mut(&(hash, input)) {
                (known.lo, known.hi) = (known.lo.min(lo), known.hi.max(hi));
            }
            self.take(hash, found);
        }
        Ok(())
    }

    fn take(&mut self, hash: u64, found: Vec<Earlier>) {
        self.rows += found.len();
        for found in found {
            if let Some(known) = self.known.get_mut(&(hash, found.input)) {
                known.take(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::operator::join::Reason;
    use crate::operator::key::{Key, KeyValue};
    use crate::operator::verdict::Verdict;
    use crate::run::tests::model::{Model, ModelRow, Spec, model};
    use crate::run::{RunEnd, RunState};

    /// A run in which a fifth of all rows have one key; of its unmatched rows every
    /// other was missed.
    fn written(seed: u64) -> (tempfile::TempDir, Model, Run) {
        let spec = Spec {
            seed,
            arrivals: 5_000,
            one_topic: seed % 2 == 1,
            partitions: 3,
            batch: 200,
            checkpoint_every: None,
            segment: 1_300,
        };
        let mut m = model(&spec);
        for decision in m.steps.iter_mut().flat_map(|step| &mut step.decisions) {
            if decision.reason == Reason::Padded && decision.row.is_multiple_of(2) {
                decision.reason = Reason::NotKeptPadded;
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let mut writer = m.writer(&path);
        m.feed(&mut writer, 0, u64::MAX);
        writer.finish(RunState::Done, RunEnd::default()).unwrap();
        let run = Run::open(&path).unwrap();
        (dir, m, run)
    }

    #[test]
    fn what_is_remembered_is_what_is_there() {
        let hot = Key::new(KeyValue::String("hot"));
        let (mut partners, mut missed) = (0, 0);
        for seed in 0..4 {
            let (_dir, m, run) = written(seed);
            let times: Vec<i64> = m.rows.iter().filter(|r| r.time > 0).map(|r| r.time).collect();
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut published = Published::default();
            let mut at = times[0];
            for _ in 0..400 {
                // It goes on slowly, and jumps now and then.
                at = match random.random_range(0..40) {
                    0 => times[random.random_range(0..times.len())],
                    1 => at - 500,
                    _ => at + random.random_range(-20..40),
                };
                let length = random.random_range(0..700);
                let both = [(0, at, at + length), (1, at - length, at + 9)];
                let windows = match random.random_range(0..3) {
                    0 => &both[..1],
                    1 => &both[1..],
                    _ => &both[..],
                };
                let row = random.random_range(0..=m.rows.len() as u64);
                let partition = random.random_bool(0.3).then(|| random.random_range(0..3));
                let asker = Asker { hashes: (hot.hash64(), hot.normal_hash()), row, partition };
                let partner = |(number, row): &(u64, &ModelRow)| {
                    *number < asker.row
                        && row.at_arrival == Verdict::Open
                        && row.key.as_ref() == Some(&hot)
                        && partition.is_none_or(|partition| partition == row.partition)
                        && windows.iter().any(|(input, lo, hi)| {
                            row.input == *input && (*lo..=*hi).contains(&row.time)
                        })
                };
                let all: Vec<_> = (0..).zip(&m.rows).filter(partner).collect();
                let gone = all.iter().filter(|(number, row)| {
                    row.verdict == Verdict::Unmatched && number.is_multiple_of(2)
                });
                let want: BTreeSet<u64> = gone.map(|(number, _)| *number).collect();
                let mut got = BTreeSet::new();
                let give = |found: &Earlier| {
                    assert!(got.insert(found.row), "given twice");
                    assert_eq!(found.arrival, m.rows[found.row as usize].arrival);
                };
                let any = published.ask(&run, &asker, windows, give).unwrap();
                assert_eq!((any, &got), (!all.is_empty(), &want), "seed {seed}, at {at}");
                partners += u32::from(any);
                missed += got.len();
            }
            assert!(published.rows > 0);
        }
        assert!(partners > 400 && missed > 200, "{partners}, {missed}");
    }

    #[test]
    fn a_window_that_moves_on_is_seldom_read_for() {
        let hot = Key::new(KeyValue::String("hot"));
        let (_dir, m, run) = written(2);
        let times = m.rows.iter().filter(|row| row.key.as_ref() == Some(&hot) && row.input == 0);
        let times: Vec<i64> = times.map(|row| row.time).collect();
        // Where most of them are.
        let near = |time: i64| times.iter().filter(|t| (time..time + 200).contains(*t)).count();
        let begin = times.iter().copied().max_by_key(|time| near(*time)).unwrap();
        let row = m.rows.len() as u64;
        let asker = Asker { hashes: (hot.hash64(), hot.normal_hash()), row, partition: None };
        let mut published = Published::default();
        let (mut known, mut reads) = (None, 0);
        for at in begin..begin + 1_000 {
            published.ask(&run, &asker, &[(0, at, at + 200)], |_| ()).unwrap();
            let now = published.known.get(&(asker.hashes.0, 0)).map(|known| (known.lo, known.hi));
            reads += u32::from(now != known);
            known = now;
        }
        let (lo, hi) = known.unwrap();
        assert!(lo == begin && hi >= begin + 1_199, "{lo} to {hi}");
        assert!((1..=8).contains(&reads), "{reads}");
        published.forget();
        assert_eq!((published.known.len(), published.rows), (0, 0));
    }
}
