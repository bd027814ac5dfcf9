//! What changed up to a barrier, as the join lets go of it.

use super::memory::Slot;
use super::{Delta, Due};

/// Rows of a piece of memory.
const CHUNK: usize = 4096;

/// What a [`Delta`] is made of. It is taken while the join stands still, so rows
/// are copied as they lie; they are put in order and unpacked by whoever writes
/// the checkpoint, beside the rows that follow.
///
/// Rows may be copied before the barrier, and again if they change until then.
#[derive(Debug, Default)]
pub struct Changes {
    /// In pieces, so that growing copies nothing. A row that is new since the
    /// last checkpoint is not held ([`Slot::held`]) in its first copy.
    copies: Vec<Vec<(Due, Slot)>>,
    /// Rows that the last checkpoint held, or that were copied, and that went
    /// when there were so many copies.
    removed: Vec<(Due, u32)>,
}

impl Changes {
    /// Copies so far.
    #[must_use]
    pub fn copies(&self) -> usize {
        self.copies.last().map_or(0, |last| (self.copies.len() - 1) * CHUNK + last.len())
    }

    /// Rows that went.
    pub(super) fn removals(&self) -> usize {
        self.removed.len()
    }

    /// A row as it is now, new or changed.
    #[inline]
    pub(super) fn copy(&mut self, due: Due, slot: Slot) {
        if let Some(chunk) = self.copies.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            chunk.push((due, slot));
        } else {
            let mut chunk = Vec::with_capacity(CHUNK);
            chunk.push((due, slot));
            self.copies.push(chunk);
        }
    }

    /// A row that the last checkpoint holds, or that was copied, went.
    #[inline]
    pub(super) fn remove(&mut self, due: Due) {
        let copies = self.copies() as u32;
        self.removed.push((due, copies));
    }

    /// Puts them in order, each row as it was in the end.
    #[must_use]
    pub fn into_delta(self) -> Delta {
        let Self { copies, mut removed } = self;
        let slot = |at: u32| &copies[at as usize / CHUNK][at as usize % CHUNK].1;
        // Names are put in order, not rows: those are five times as large.
        let mut order: Vec<(Due, u32)> =
            copies.iter().flatten().map(|(due, _)| *due).zip(0..).collect();
        order.sort_unstable();
        removed.sort_unstable();
        let mut delta = Delta {
            upserts: Vec::with_capacity(order.len()),
            removed: Vec::with_capacity(removed.len()),
        };
        let mut gone = removed.chunk_by(|a, b| a.0 == b.0).peekable();
        for row in order.chunk_by(|a, b| a.0 == b.0) {
            let (due, first) = row[0];
            let (_, last) = row[row.len() - 1];
            while let Some(before) = gone.next_if(|gone| gone[0].0 < due) {
                delta.removed.push(before[0].0);
            }
            let went = gone.next_if(|gone| gone[0].0 == due);
            match went {
                // It went after its last copy.
                Some(went) if went[went.len() - 1].1 > last => {
                    let held = slot(first).held() || went[0].1 <= first;
                    if held {
                        delta.removed.push(due);
                    }
                }
                _ => delta.upserts.push((due, slot(last).unpack())),
            }
        }
        delta.removed.extend(gone.map(|gone| gone[0].0));
        delta
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::key::{Key, KeyValue};
    use crate::state::Row;
    use crate::state::memory::Rows;

    const DUE: fn(&Slot) -> i64 = |slot| slot.time;

    fn row(name: u64, corrections: u32) -> Row {
        Row {
            key: Key::new(KeyValue::Int(name as i64 % 5)),
            input: 0,
            time: name as i64 % 7,
            arrival: name,
            row: name,
            partition: 0,
            offset: 0,
            labels: 0,
            matched: false,
            corrections,
            folded: Vec::new(),
        }
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
                            let (id, tag) = rows.place(row(name, value), false).unwrap();
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
                            rows.copy_ahead(random(3) as usize, DUE);
                            copied_ahead += rows.copied() - before;
                        }
                        _ => {}
                    }
                }
                let Delta { upserts, removed } = rows.take_changes(DUE).into_delta();
                assert!(upserts.is_sorted_by(|a, b| a.0 < b.0), "{seed}");
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
