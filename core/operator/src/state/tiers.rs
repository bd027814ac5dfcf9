//! The memory tier with a colder one below it: what rests where never shows.

use super::memory::{Memory, Slot, SlotId, gone};
use super::{Changes, Cold, Due, Folded, Row, StateError};
use crate::join::Ref;
use crate::key::Key;
use crate::pipeline::InputIndex;

/// Rows that go down at a time, at most.
const BATCH: usize = 4096;

/// Where a found row rests: valid until a row is inserted or leaves.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    Memory(SlotId),
    /// Position among the cold rows that the last `find` gave.
    Cold(u32),
}

/// What a match did to a row at rest.
#[derive(Debug)]
pub struct Matched {
    pub row: Ref,
    /// The labels of the row as it came, or with what was folded before.
    pub labels: u64,
    /// It is its first match.
    pub first: bool,
}

/// A row that leaves the state.
#[derive(Debug)]
pub struct Leaving {
    pub due: Due,
    pub row: Ref,
    pub labels: u64,
    pub matched: bool,
    pub folded: Vec<Folded>,
}

/// All rows of one shard.
pub struct Tiers {
    memory: Memory,
    cold: Option<Box<dyn Cold>>,
    budget: usize,
    found: Vec<SlotId>,
    /// The cold rows of the last `find`.
    cold_found: Vec<(Due, Row)>,
    /// Cold rows that leave, the next one last.
    cold_due: Vec<(Due, Row)>,
}

impl Tiers {
    /// Rows beyond `budget` bytes go to `cold`; without one all stay in memory.
    pub fn new(memory: Memory, budget: usize, cold: Option<Box<dyn Cold>>) -> Self {
        Self {
            memory,
            cold,
            budget,
            found: Vec::new(),
            cold_found: Vec::new(),
            cold_due: Vec::new(),
        }
    }

    /// When a row leaves: the largest watermark that keeps it.
    pub fn due(&self, row: &Row) -> Due {
        self.memory.due(row)
    }

    /// Brings near what memory knows of keys with these hashes.
    pub fn near(&self, hashes: &[u64]) {
        self.memory.near(hashes);
    }

    /// Finds the rows of a key in each (input, lo, hi), by (input, time,
    /// arrival) if the ranges are by input.
    pub fn find(
        &mut self,
        key: &Key,
        ranges: impl Iterator<Item = (InputIndex, i64, i64)> + Clone,
        out: &mut Vec<Place>,
    ) -> Result<(), StateError> {
        self.found.clear();
        self.memory.find(key, ranges.clone(), &mut self.found);
        out.extend(self.found.iter().map(|&id| Place::Memory(id)));
        let Some(cold) = self.cold.as_mut().filter(|cold| !cold.is_empty()) else { return Ok(()) };
        self.cold_found.clear();
        for (input, lo, hi) in ranges.filter(|(_, lo, hi)| lo <= hi) {
            cold.find(key, input, lo, hi, &mut self.cold_found)?;
        }
        if !self.cold_found.is_empty() {
            out.extend((0..self.cold_found.len()).map(|i| Place::Cold(i as u32)));
            out.sort_by_key(|&place| {
                let row = self.reference(place);
                (row.input, row.time, row.arrival)
            });
        }
        Ok(())
    }

    /// The event time of a found row.
    pub fn time(&self, place: Place) -> i64 {
        match place {
            Place::Memory(id) => self.memory.get(id).time,
            Place::Cold(i) => self.cold_found[i as usize].1.time,
        }
    }

    fn reference(&self, place: Place) -> Ref {
        match place {
            Place::Memory(id) => self.memory.get(id).reference(),
            Place::Cold(i) => Ref::from(&self.cold_found[i as usize].1),
        }
    }

    /// Marks a found row as matched, and folds a row into it.
    pub fn join(&mut self, place: Place, folded: Option<Folded>) -> Result<Matched, StateError> {
        match place {
            Place::Memory(id) => {
                let slot = self.memory.get(id);
                let matched =
                    Matched { row: slot.reference(), labels: slot.labels, first: !slot.matched() };
                if let Some(folded) = folded {
                    let labels = folded.labels;
                    self.memory.fold(id, folded);
                    let slot = self.memory.change(id);
                    slot.labels |= labels;
                    slot.set_matched();
                } else if matched.first {
                    self.memory.change(id).set_matched();
                }
                Ok(matched)
            }
            Place::Cold(i) => {
                let (due, row) = &mut self.cold_found[i as usize];
                let matched =
                    Matched { row: Ref::from(&*row), labels: row.labels, first: !row.matched };
                let changes = matched.first || folded.is_some();
                row.matched = true;
                if let Some(folded) = folded {
                    row.labels |= folded.labels;
                    row.folded.push(folded);
                }
                if let (true, Some(cold)) = (changes, &mut self.cold) {
                    cold.update(*due, row)?;
                }
                Ok(matched)
            }
        }
    }

    /// Counts one more correction of a found row; gives its number, and all
    /// that is folded into the row.
    pub fn correct(&mut self, place: Place) -> Result<(u32, Vec<Folded>), StateError> {
        match place {
            Place::Memory(id) => {
                let slot = self.memory.change(id);
                slot.corrections = slot.corrections.saturating_add(1);
                Ok((slot.corrections, slot.folded.as_deref().cloned().unwrap_or_default()))
            }
            Place::Cold(i) => {
                let (due, row) = &mut self.cold_found[i as usize];
                row.corrections = row.corrections.saturating_add(1);
                if let Some(cold) = &mut self.cold {
                    cold.update(*due, row)?;
                }
                Ok((row.corrections, row.folded.clone()))
            }
        }
    }

    /// Takes a row in; may send others down.
    pub fn insert(&mut self, row: Row) -> Result<(), StateError> {
        self.memory.insert(row)?;
        self.keep_budget()
    }

    /// Takes a row of a checkpoint back; may send others down.
    pub fn restore(&mut self, row: Row) -> Result<(), StateError> {
        self.memory.restore(row)?;
        self.keep_budget()
    }

    #[inline]
    fn keep_budget(&mut self) -> Result<(), StateError> {
        if self.cold.is_some() && self.memory.bytes() > self.budget {
            return self.spill();
        }
        Ok(())
    }

    #[cold]
    fn spill(&mut self) -> Result<(), StateError> {
        let Some(cold) = &mut self.cold else { return Ok(()) };
        // A sixteenth at once, so that it is not for every row.
        let target = self.budget - self.budget / 16;
        loop {
            let rows = self.memory.take_cold(target, BATCH);
            if rows.is_empty() {
                return Ok(());
            }
            cold.put(&rows)?;
        }
    }

    /// Whether a row may leave at this watermark: a comparison or two.
    #[inline]
    pub fn may_be_due(&self, watermark: i64) -> bool {
        self.memory.may_be_due(watermark)
            || self
                .cold
                .as_ref()
                .is_some_and(|cold| cold.earliest().is_some_and(|due| gone(due, watermark)))
    }

    /// The watermark has come so far and no row leaves: what is due before it goes
    /// down no more.
    #[inline]
    pub fn passes(&mut self, watermark: i64) {
        self.memory.passes(watermark);
    }

    /// Takes out every row that the watermark has passed, by [`Due`].
    pub fn leave(
        &mut self,
        watermark: i64,
        mut each: impl FnMut(Leaving),
    ) -> Result<(), StateError> {
        self.memory.passes(watermark);
        // Cold rows come in steps of event time, so that a leap of the
        // watermark does not bring all of them into memory at once.
        let mut step = self.memory.width();
        loop {
            let earliest = self.cold.as_ref().and_then(|cold| cold.earliest());
            let until = match earliest {
                Some(due) if gone(due, watermark) => due.saturating_add(step).min(watermark),
                _ => watermark,
            };
            if let (Some(cold), Some(_)) = (&mut self.cold, earliest) {
                cold.take_due(until, &mut self.cold_due)?;
                // Nothing in a step: the tier's bound was loose, or time is sparse.
                step = if self.cold_due.is_empty() { step.saturating_mul(2) } else { step };
                self.cold_due.reverse();
            }
            self.leave_until(until, &mut each);
            if until == watermark {
                return Ok(());
            }
        }
    }

    /// Merges what leaves memory with the cold rows that were taken out.
    fn leave_until(&mut self, watermark: i64, each: &mut impl FnMut(Leaving)) {
        if self.cold_due.is_empty() {
            while let Some(leaving) = self.pop(watermark) {
                each(leaving);
            }
            return;
        }
        let mut next = self.pop(watermark);
        loop {
            let cold_first = match (&next, self.cold_due.last()) {
                (Some(leaving), Some((due, _))) => *due < leaving.due,
                (None, Some(_)) => true,
                (_, None) => false,
            };
            if cold_first {
                let Some((due, row)) = self.cold_due.pop() else { return };
                each(Leaving {
                    due,
                    row: Ref::from(&row),
                    labels: row.labels,
                    matched: row.matched,
                    folded: row.folded,
                });
            } else if let Some(leaving) = next {
                each(leaving);
                next = self.pop(watermark);
            } else {
                return;
            }
        }
    }

    #[inline]
    fn pop(&mut self, watermark: i64) -> Option<Leaving> {
        let (id, tag) = self.memory.next_due(watermark)?;
        let slot = self.memory.get(id);
        let mut leaving = Leaving {
            due: self.memory.due_of(slot),
            row: slot.reference(),
            labels: slot.labels,
            matched: slot.matched(),
            folded: Vec::new(),
        };
        if slot.folded.is_some() {
            leaving.folded = self.memory.take_folded(id);
        }
        self.memory.release((id, tag), leaving.due.due);
        Some(leaving)
    }

    /// Prepares the next [`Tiers::take_changes`], with an eighth of the budget at most.
    pub fn copy_ahead(&mut self, leave: usize) {
        let most = self.budget / 8 / size_of::<(i64, Slot)>();
        self.memory.copy_ahead(leave, most);
    }

    /// What changed in memory since the last call: here is a barrier.
    pub fn take_changes(&mut self) -> Changes {
        if let Some(cold) = &mut self.cold {
            cold.barrier();
        }
        self.memory.take_changes()
    }

    /// Rows that rest on disk alone.
    pub fn cold_rows(&self) -> u64 {
        self.cold.as_ref().map_or(0, |cold| cold.len())
    }

    /// Rows of all tiers, and the bytes of those in memory.
    pub fn size(&self) -> (u64, u64) {
        (self.memory.len() as u64 + self.cold_rows(), self.memory.bytes() as u64)
    }
}
