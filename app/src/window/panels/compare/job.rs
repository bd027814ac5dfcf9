//! The job that looks for what differs: its results come in parts, a newer one
//! ends it, and what it found stays until the next one is whole.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use joinscope_core::analyses::compare::{
    self, Changed, CompareError, Compared, Kind, Matching, Named, OutputsDiff,
};

use crate::window::jobs::{Jobs, Slot};
use crate::window::store::Run;

/// Outputs of each kind of difference that are listed; more are counted.
pub const LISTED: usize = 100_000;

/// What the table lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Choice {
    /// All records that differ.
    #[default]
    All,
    Kind(Kind),
    Outputs(Outputs),
}

/// A kind of difference between outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outputs {
    PairsHere,
    PairsThere,
    /// Pads and examples.
    OthersHere,
    OthersThere,
    Changed,
}

impl Outputs {
    pub const ALL: [Self; 5] =
        [Self::PairsHere, Self::PairsThere, Self::OthersHere, Self::OthersThere, Self::Changed];

    /// How many there are, and those that are listed.
    pub fn of(self, diff: &OutputsDiff) -> (u64, &[Named]) {
        let (a, b) = (&diff.only_in_a, &diff.only_in_b);
        match self {
            Self::PairsHere => (a.pairs, &a.first_pairs),
            Self::PairsThere => (b.pairs, &b.first_pairs),
            Self::OthersHere => (a.pads + a.examples, &a.first_others),
            Self::OthersThere => (b.pads + b.examples, &b.first_others),
            Self::Changed => (diff.changed, &diff.changed_first),
        }
    }

    /// Whether its rows are numbered as in the other run.
    pub fn is_there(self) -> bool {
        matches!(self, Self::PairsThere | Self::OthersThere)
    }
}

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    Record(Changed),
    /// Whether it is only in the other run.
    Output(bool, Named),
}

/// A row of both runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    pub here: Option<u64>,
    pub there: Option<u64>,
}

impl Sides {
    /// `row` is one of the other run where `of_there`.
    pub fn of(of_there: bool, row: u64, matching: &Matching) -> Self {
        if of_there {
            Self { here: matching.in_a(row), there: Some(row) }
        } else {
            Self { here: Some(row), there: matching.in_b(row) }
        }
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Found {
    pub matching: Option<Arc<Matching>>,
    kinds: Vec<(Kind, Vec<u32>)>,
    places: HashMap<Kind, u16>,
    /// Rows that differ, in order, each with the place of its kind.
    all: Vec<(u32, u16)>,
    pub compared: Option<Compared>,
    pub outputs: Option<Arc<OutputsDiff>>,
    /// What is done now, and how far it is.
    pub doing: &'static str,
    pub done: u64,
    pub of: u64,
    pub whole: bool,
}

impl Found {
    fn add(&mut self, changed: &[Changed]) {
        for Changed { kind, row } in changed {
            let kinds = &mut self.kinds;
            let place = *self.places.entry(*kind).or_insert_with(|| {
                kinds.push((*kind, Vec::new()));
                (kinds.len() - 1) as u16
            });
            // Matching refuses runs with more rows than that.
            let row = *row as u32;
            self.all.push((row, place));
            self.kinds[usize::from(place)].1.push(row);
        }
    }

    /// Kinds of change with their counts, the most frequent first.
    pub fn kinds(&self) -> Vec<(Kind, u64)> {
        let mut all: Vec<(Kind, u64)> =
            self.kinds.iter().map(|(kind, rows)| (*kind, rows.len() as u64)).collect();
        all.sort_by_key(|(kind, n)| (std::cmp::Reverse(*n), *kind));
        all
    }

    /// Records that differ.
    pub fn changed(&self) -> u64 {
        self.all.len() as u64
    }

    /// Lines of a choice, as far as they are listed.
    pub fn len(&self, choice: Choice) -> u64 {
        match choice {
            Choice::All => self.changed(),
            Choice::Kind(kind) => {
                self.places.get(&kind).map_or(0, |p| self.kinds[usize::from(*p)].1.len() as u64)
            }
            Choice::Outputs(of) => {
                self.outputs.as_ref().map_or(0, |diff| of.of(diff).1.len() as u64)
            }
        }
    }

    /// Lines at places of the table.
    pub fn lines(&self, choice: Choice, first: u64, count: usize) -> Vec<Line> {
        let first = first as usize;
        let record = |kind, row: u32| Line::Record(Changed { kind, row: u64::from(row) });
        match choice {
            Choice::All => {
                let some = self.all.iter().skip(first).take(count);
                some.map(|(row, kind)| record(self.kinds[usize::from(*kind)].0, *row)).collect()
            }
            Choice::Kind(kind) => {
                let Some(place) = self.places.get(&kind) else { return Vec::new() };
                let rows = self.kinds[usize::from(*place)].1.iter().skip(first).take(count);
                rows.map(|row| record(kind, *row)).collect()
            }
            Choice::Outputs(of) => {
                let Some(diff) = &self.outputs else { return Vec::new() };
                let named = of.of(diff).1.iter().skip(first).take(count);
                named.map(|named| Line::Output(of.is_there(), *named)).collect()
            }
        }
    }

    /// The place of a record of this run, where the table lists records; of one
    /// that is not among them (`Err`) that of the next.
    pub fn place(&self, choice: Choice, row: u64) -> Option<Result<u64, u64>> {
        let row = u32::try_from(row).ok()?;
        let here = |kind: &Kind| kind.from.is_some();
        match choice {
            Choice::All => {
                // Those of this run stand first, in order.
                let end = self.all.partition_point(|(_, k)| here(&self.kinds[usize::from(*k)].0));
                Some(self.all[..end].binary_search_by_key(&row, |(row, _)| *row))
            }
            Choice::Kind(kind) if here(&kind) => {
                let place = self.places.get(&kind)?;
                Some(self.kinds[usize::from(*place)].1.binary_search(&row))
            }
            _ => None,
        }
        .map(|place| place.map(|n| n as u64).map_err(|n| n as u64))
    }

    /// Percent, while it is at work.
    pub fn percent(&self) -> u64 {
        (self.done * 100).checked_div(self.of).unwrap_or(0)
    }
}

type Shared = Arc<Mutex<Found>>;

/// Locks for as long as it takes to look.
pub fn look(found: &Shared) -> MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One comparison at a time.
#[derive(Default)]
pub struct Job {
    /// Revision of this run, and the other.
    asked: Option<(u64, PathBuf)>,
    slot: Slot<u64, ()>,
    /// Another for each comparison.
    number: u64,
    found: Shared,
    cancel: Arc<AtomicBool>,
    /// What the last whole one found, until the next is.
    whole: Option<(u64, Shared)>,
    stopped: bool,
}

impl Job {
    /// Begins to compare, unless this is what is compared already; of a run in
    /// progress what is newer is compared once the last comparison is done.
    pub fn ask(&mut self, jobs: &Jobs, revision: u64, here: &Run, there: &Run) {
        let other = there.dir().to_owned();
        let busy = self.is_open();
        if let Some((asked, path)) = &self.asked {
            let same = *path == other;
            if same && (*asked == revision || busy || self.stopped) {
                return;
            }
            if !same {
                self.whole = None;
            }
        }
        self.cancel.store(true, Ordering::Release);
        self.asked = Some((revision, other));
        (self.cancel, self.found, self.stopped) = (Arc::default(), Arc::default(), false);
        self.number += 1;
        let (found, cancel) = (Arc::clone(&self.found), Arc::clone(&self.cancel));
        let (here, there) = (here.clone(), there.clone());
        self.slot.ask_long(jobs, self.number, move |_| {
            match work(&here, &there, &found, &cancel) {
                Err(CompareError::Cancelled) => Ok(()),
                done => done.map_err(|e| e.to_string()),
            }
        });
    }

    /// How the runs are matched, once that is known.
    pub fn matching(&self) -> Option<Arc<Matching>> {
        look(&self.found).matching.clone()
    }

    /// What is known: of the comparison at hand once it is whole or where there
    /// is no other. With its number.
    pub fn shown(&mut self) -> (u64, Shared) {
        let whole = look(&self.found).whole;
        if whole || self.whole.is_none() {
            if whole {
                self.whole = Some((self.number, Arc::clone(&self.found)));
            }
            return (self.number, Arc::clone(&self.found));
        }
        self.whole.clone().unwrap_or((self.number, Arc::clone(&self.found)))
    }

    pub fn is_open(&mut self) -> bool {
        let _ = self.slot.answer();
        self.asked.is_some() && self.slot.is_open()
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Ends it; what was found stays.
    pub fn stop(&mut self) {
        self.cancel.store(true, Ordering::Release);
        self.stopped = true;
    }

    /// Compares anew.
    pub fn again(&mut self) {
        self.asked = None;
    }

    /// Why it failed.
    pub fn error(&mut self) -> Option<String> {
        self.asked.as_ref()?;
        let answer = self.slot.answer()?;
        (answer.question == self.number).then(|| answer.result.as_ref().err().cloned())?
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Release);
    }
}

fn work(
    here: &Run,
    there: &Run,
    found: &Mutex<Found>,
    cancel: &AtomicBool,
) -> Result<(), CompareError> {
    let look = || found.lock().unwrap_or_else(PoisonError::into_inner);
    let tell = |doing: &'static str| {
        move |at: compare::Progress| {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            (found.doing, found.done, found.of) = (doing, at.done, at.of);
        }
    };
    let matching = compare::matching(here, there, cancel, &mut tell("matched"))?;
    let matching = Arc::new(matching);
    look().matching = Some(Arc::clone(&matching));
    let mut add = |changed: &[Changed]| look().add(changed);
    let compared =
        compare::changed(here, there, &matching, cancel, &mut tell("compared"), &mut add)?;
    look().compared = Some(compared);
    let mut tell = tell("of the outputs compared");
    let outputs = compare::outputs(here, there, &matching, LISTED, cancel, &mut tell)?;
    let mut found = look();
    found.outputs = Some(Arc::new(outputs));
    found.whole = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use joinscope_operator::verdict::Verdict;

    #[test]
    fn lines_are_found_by_kind_and_by_row() {
        let kind = |to| Kind { input: 0, from: Some(Verdict::Late), to };
        let (joined, gone) = (kind(Some(Verdict::Joined)), kind(None));
        let only = Kind { input: 0, from: None, to: Some(Verdict::Late) };
        let mut found = Found::default();
        let at = |kind, row| Changed { kind, row };
        found.add(&[at(joined, 3), at(gone, 5), at(joined, 9), at(only, 1), at(only, 4)]);
        assert_eq!(found.kinds()[0].1, 2);
        assert_eq!((found.len(Choice::All), found.len(Choice::Kind(joined))), (5, 2));
        assert_eq!(found.lines(Choice::Kind(joined), 1, 9), [Line::Record(at(joined, 9))]);
        assert_eq!(found.place(Choice::All, 9), Some(Ok(2)));
        assert_eq!(found.place(Choice::Kind(joined), 9), Some(Ok(1)));
        // A row of the other run is no row of this one: the next that changed.
        assert_eq!(found.place(Choice::All, 4), Some(Err(1)));
        assert_eq!(found.place(Choice::All, 10), Some(Err(3)));
        assert_eq!(found.place(Choice::Kind(joined), 5), Some(Err(1)));
        assert_eq!(found.place(Choice::Kind(only), 4), None);
    }
}
