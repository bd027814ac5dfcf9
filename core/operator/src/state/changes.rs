//! What changed up to a barrier, as the join lets go of it.

use super::memory::{HELD, Slot};
use super::{Due, Row};

/// Rows of a piece of memory.
const CHUNK: usize = 4096;
/// Rows that are brought near at a time.
const NEAR: usize = 16;

/// Rows as they were when they were copied, each with its `due`.
#[derive(Debug, Default)]
struct Copies(Vec<Vec<(i64, Slot)>>);

impl Copies {
    fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * CHUNK + last.len())
    }

    #[inline]
    fn push(&mut self, due: i64, slot: Slot) {
        if let Some(chunk) = self.0.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            chunk.push((due, slot));
        } else {
            let mut chunk = Vec::with_capacity(CHUNK);
            chunk.push((due, slot));
            self.0.push(chunk);
        }
    }

    /// When each leaves that is not due before `earliest`, with its number.
    fn dues(&self, earliest: i64) -> impl Iterator<Item = (i64, u32)> + '_ {
        let dues = self.0.iter().flatten().map(|copy| copy.0).zip(0..);
        dues.filter(move |(due, _)| *due >= earliest)
    }

    #[inline]
    fn get(&self, at: u32) -> (Due, &Slot) {
        let (due, slot) = &self.0[at as usize / CHUNK][at as usize % CHUNK];
        (Due { due: *due, arrival: slot.arrival, input: slot.input }, slot)
    }

    /// The numbers of those not due before `earliest`, by [`Due`], those of one row as
    /// they were made.
    fn ordered(&self, earliest: i64) -> Vec<u32> {
        let dues = || self.dues(earliest).map(|(due, _)| due);
        let least = dues().min().unwrap_or(0);
        let span = dues().max().unwrap_or(0).abs_diff(least);
        if let Ok(span) = u32::try_from(span) {
            // Few digits differ, and numbers are moved instead of rows.
            let rest = |due: i64| due.abs_diff(least) as u32;
            let mut by_due: Vec<(u32, u32)> =
                self.dues(earliest).map(|(due, at)| (rest(due), at)).collect();
            if span > 0 {
                radsort::sort_by_key(&mut by_due, |copy| copy.0);
            }
            self.within(by_due)
        } else {
            let mut by_due: Vec<(i64, u32)> = self.dues(earliest).collect();
            by_due.sort_by_key(|copy| copy.0);
            self.within(by_due)
        }
    }

    /// Orders what is due at one time; it comes mostly in order.
    fn within<T: PartialEq>(&self, mut by_due: Vec<(T, u32)>) -> Vec<u32> {
        let name = |at: u32| {
            let slot = self.get(at).1;
            (slot.arrival, slot.input, at)
        };
        for alike in by_due.chunk_by_mut(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
            if !alike.is_sorted_by_key(|copy| name(copy.1)) {
                alike.sort_unstable_by_key(|copy| name(copy.1));
            }
        }
        by_due.into_iter().map(|copy| copy.1).collect()
    }
}

/// What a [`Delta`] is made of. It is taken while the join stands still, so rows
/// are copied as they lie; they are put in order by whoever writes the
/// checkpoint, beside the rows that follow.
///
/// Rows may be copied before the barrier, and again if they change until then.
#[derive(Debug)]
pub struct Changes {
    /// A row that is new since the last checkpoint is not held ([`Slot::held`])
    /// in its first copy.
    copies: Copies,
    /// Rows that the last checkpoint held, or that were copied, and that went
    /// when there were so many copies.
    removed: Vec<(Due, u32)>,
    /// See [`Delta::earliest`].
    earliest: i64,
}

impl Default for Changes {
    fn default() -> Self {
        Self { copies: Copies::default(), removed: Vec::new(), earliest: i64::MIN }
    }
}

impl Changes {
    /// Copies so far.
    #[must_use]
    pub fn copies(&self) -> usize {
        self.copies.len()
    }

    /// Rows that went.
    pub(super) fn removals(&self) -> usize {
        self.removed.len()
    }

    /// A row as it is now, new or changed; when it leaves.
    #[inline]
    pub(super) fn copy(&mut self, due: i64, slot: Slot) {
        self.copies.push(due, slot);
    }

    /// Every row due before `earliest` has gone, whether it was named or not.
    pub(super) fn passed(&mut self, earliest: i64) {
        self.earliest = earliest;
    }

    /// A row that the last checkpoint holds, or that was copied, went.
    #[inline]
    pub(super) fn remove(&mut self, due: Due) {
        let copies = self.copies() as u32;
        self.removed.push((due, copies));
    }

    /// Puts them in order.
    #[must_use]
    pub fn into_delta(self) -> Delta {
        let Self { copies, removed: mut went, earliest } = self;
        went.retain(|(due, _)| due.due >= earliest);
        went.sort_unstable();
        Delta { order: copies.ordered(earliest), copies, went, earliest }
    }
}

/// What changed in the memory tier since the last barrier: what a checkpoint
/// has to write. A row that came and went between two barriers is not in it.
///
/// Rows that rest in the cold tier are not spoken of here: it keeps them itself.
/// A row that went down there since the last barrier therefore left the memory
/// tier: it is gone if the last checkpoint held it among the memory tier's rows.
#[derive(Debug)]
pub struct Delta {
    copies: Copies,
    /// By [`Due`], those of one row as they were made.
    order: Vec<u32>,
    /// As in [`Changes`], by [`Due`]; not those due before `earliest`.
    went: Vec<(Due, u32)>,
    /// Every row due before this has gone, ms: a checkpoint drops them all at once. The
    /// smallest number where rows leave by rules of their own.
    pub earliest: i64,
}

/// What became of a row.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// It is new or changed; one that is not held ([`Slot::held`]) is in no earlier
    /// checkpoint, but for one that went and came back.
    Row(Due, &'a Slot),
    /// The last checkpoint held it, and it is gone.
    Gone(Due),
}

impl Change<'_> {
    /// The row's name.
    #[must_use]
    pub fn due(&self) -> Due {
        match self {
            Self::Row(due, _) | Self::Gone(due) => *due,
        }
    }
}

impl Delta {
    /// Of these rows, each with whether the last checkpoint held it; they and the names
    /// ascend by [`Due`].
    #[must_use]
    pub fn new(upserts: Vec<(Due, Row, bool)>, removed: Vec<Due>) -> Self {
        let mut copies = Copies::default();
        let order = (0..upserts.len() as u32).collect();
        for (due, row, held) in upserts {
            let mut slot = Slot::pack(row);
            if held {
                slot.set(HELD);
            }
            copies.push(due.due, slot);
        }
        let went = removed.into_iter().map(|due| (due, 0)).collect();
        Self { copies, order, went, earliest: i64::MIN }
    }

    /// By [`Due`], each row as it was in the end.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        InOrder { delta: self, at: 0, gone: 0 }
    }

    /// The rows among them.
    pub fn rows(&self) -> impl Iterator<Item = (Due, Row)> {
        self.changes().filter_map(|change| match change {
            Change::Row(due, slot) => Some((due, slot.unpack())),
            Change::Gone(_) => None,
        })
    }

    /// The others.
    pub fn removed(&self) -> impl Iterator<Item = Due> {
        self.changes().filter_map(|change| match change {
            Change::Row(..) => None,
            Change::Gone(due) => Some(due),
        })
    }
}

/// See [`Delta::changes`]. Copies lie as they were made: so many are brought near at a
/// time, which is faster than one by one, and each is looked at once.
struct InOrder<'a> {
    delta: &'a Delta,
    /// The next ones of `order` and of `went`.
    at: usize,
    gone: usize,
}

impl<'a> InOrder<'a> {
    /// The next copy: its number, whose it is, and what it holds.
    #[inline]
    fn copy(&self) -> Option<(u32, Due, &'a Slot)> {
        let number = *self.delta.order.get(self.at)?;
        let (due, slot) = self.delta.copies.get(number);
        Some((number, due, slot))
    }

    #[inline]
    fn pass(&mut self) {
        self.at += 1;
        if self.at.is_multiple_of(NEAR) {
            let Delta { copies, order, .. } = self.delta;
            let near = order[self.at..].iter().take(NEAR).map(|at| copies.get(*at));
            std::hint::black_box(near.fold(0, |sum, (due, slot)| sum ^ due.due ^ slot.offset));
        }
    }

    /// Passes what is said of the going of a row, by when it went.
    fn went(&mut self, due: Due) -> &'a [(Due, u32)] {
        let rest = &self.delta.went[self.gone..];
        let of_it = rest.iter().take_while(|went| went.0 == due).count();
        self.gone += of_it;
        &rest[..of_it]
    }
}

impl<'a> Iterator for InOrder<'a> {
    type Item = Change<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let copy = self.copy();
            let gone = self.delta.went.get(self.gone).map(|gone| gone.0);
            if let Some(gone) = gone.filter(|gone| copy.is_none_or(|(_, due, _)| *gone < due)) {
                self.went(gone);
                return Some(Change::Gone(gone));
            }
            let (first, due, slot) = copy?;
            self.pass();
            let (mut last, mut row) = (first, slot);
            while let Some((again, _, slot)) = self.copy().filter(|next| next.1 == due) {
                (last, row) = (again, slot);
                self.pass();
            }
            if gone != Some(due) {
                return Some(Change::Row(due, row));
            }
            match self.went(due) {
                // It went after its last copy.
                all @ [earliest, ..] if all[all.len() - 1].1 > last => {
                    if slot.held() || earliest.1 <= first {
                        return Some(Change::Gone(due));
                    }
                }
                _ => return Some(Change::Row(due, row)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::state::memory::Rows;
    use crate::state::memory::tests::row as plain;

    const DUE: fn(&Slot) -> i64 = |slot| slot.time;

    /// In every third case times lie further apart than 32 bits.
    fn row(name: u64, corrections: u32, far: bool) -> Row {
        let time = (name as i64 % 7 - 3) * if far { 1 << 40 } else { 1 };
        Row { corrections, ..plain(name as i64 % 5, time, name) }
    }

    fn random(seed: &mut u64, below: u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 33) % below
    }

    /// Rows come, change, go and come back under their name, and are copied at
    /// any time: what checkpoints hold afterwards is what is there.
    #[test]
    fn checkpoints_hold_what_is_there_whenever_it_was_copied() {
        let (mut copied_ahead, mut changed_after) = (0, 0);
        for seed in 0..300 {
            let mut random = {
                let mut seed = seed;
                move |below| random(&mut seed, below)
            };
            let mut rows = Rows::new();
            // By name: its slot, tag, and what it holds.
            let mut there: BTreeMap<u64, (u32, u32, u32)> = BTreeMap::new();
            let mut held: BTreeMap<Due, Row> = BTreeMap::new();
            for _ in 0..=random(6) {
                for _ in 0..random(60) {
                    let name = random(20);
                    match (random(6), there.get(&name).copied()) {
                        (0..2, None) => {
                            let value = random(1000) as u32;
                            let (id, tag) = rows
                                .place(row(name, value, seed.is_multiple_of(3)), false)
                                .unwrap();
                            there.insert(name, (id, tag, value));
                        }
                        (0..3, Some((id, tag, value))) => {
                            rows.change(id).corrections = value + 1;
                            there.insert(name, (id, tag, value + 1));
                            changed_after += 1;
                        }
                        (3, Some((id, tag, _))) => {
                            rows.remove(id, tag, DUE);
                            there.remove(&name);
                        }
                        (4, _) => {
                            let before = rows.copied();
                            rows.copy_ahead(random(3) as usize, random(30) as usize, DUE);
                            copied_ahead += rows.copied() - before;
                        }
                        _ => {}
                    }
                }
                let delta = rows.take_changes(i64::MIN, DUE).into_delta();
                let upserts: Vec<_> = delta.rows().collect();
                assert!(upserts.is_sorted_by(|a, b| a.0 < b.0), "{seed}");
                let removed: Vec<_> = delta.removed().collect();
                assert!(removed.is_sorted_by(|a, b| a < b), "{seed}");
                for due in removed {
                    assert!(held.remove(&due).is_some(), "{seed}: {due:?} was in no checkpoint");
                }
                held.extend(upserts);
                let mut now: Vec<(u64, u32)> =
                    held.values().map(|row| (row.arrival, row.corrections)).collect();
                now.sort_unstable();
                let expected: Vec<(u64, u32)> =
                    there.iter().map(|(name, (_, _, value))| (*name, *value)).collect();
                assert_eq!(now, expected, "{seed}");
            }
        }
        assert!(copied_ahead > 1000 && changed_after > 1000, "{copied_ahead} {changed_after}");
    }
}
