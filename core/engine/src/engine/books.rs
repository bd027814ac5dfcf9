//! The books: how many rows of each input have each verdict, and the check that
//! they balance at every barrier (2-architecture, invariant 3).

use std::collections::VecDeque;
use std::sync::Arc;

use super::control::InputBooks;
use super::step::{Decision, Facts, Revision};
use super::summary::RunError;
use crate::operator::record::Arrival;
use crate::operator::verdict::{Counts, Verdict};

/// An entry of the window whose verdict has fallen.
const DECIDED: u8 = u8::MAX;

/// Rows taken and what became of them.
#[derive(Clone, Debug)]
pub(super) struct Books {
    names: Vec<Arc<str>>,
    counts: Vec<Counts>,
    /// Rows that the sequencer took for each input, counted apart.
    taken: Vec<u64>,
    /// The input of each row from `first` on that is undecided, else
    /// [`DECIDED`]: begins with the oldest undecided row. A verdict that falls
    /// twice, or for a row that was never taken, is found here.
    window: VecDeque<u8>,
    first: u64,
}

impl Books {
    pub(super) fn new(names: &[Arc<str>]) -> Self {
        Self {
            names: names.to_vec(),
            counts: vec![Counts::default(); names.len()],
            taken: vec![0; names.len()],
            window: VecDeque::new(),
            first: 0,
        }
    }

    /// Books of a checkpoint that took `rows` rows; the undecided ones are then
    /// named by [`Books::undecided`].
    pub(super) fn restore(names: &[Arc<str>], counts: Vec<Counts>, rows: u64) -> Self {
        Self {
            names: names.to_vec(),
            taken: counts.iter().map(Counts::total).collect(),
            counts,
            window: VecDeque::new(),
            first: rows,
        }
    }

    /// Names the rows of a restored state that have no verdict yet, in any
    /// order: `(row, input)`.
    pub(super) fn undecided(&mut self, rows: Vec<(u64, u8)>) {
        let Some(first) = rows.iter().map(|row| row.0).min() else { return };
        let end = self.first;
        self.first = first.min(end);
        self.window = std::iter::repeat_n(DECIDED, (end - self.first) as usize).collect();
        for (row, input) in rows {
            if let Some(entry) = self.window.get_mut((row.wrapping_sub(self.first)) as usize) {
                *entry = input;
            }
        }
    }

    /// The `i`-th row of `facts` was taken.
    #[inline]
    pub(super) fn take(&mut self, facts: &Facts, i: usize) {
        let (input, code) = (facts.input[i], facts.at_arrival[i]);
        self.taken[input as usize] += 1;
        self.counts[input as usize].0[code as usize] += 1;
        if code == Verdict::Open as u8 {
            self.window.push_back(input);
        } else if self.window.is_empty() {
            self.first += 1;
        } else {
            self.window.push_back(DECIDED);
        }
    }

    /// A verdict fell.
    #[inline]
    pub(super) fn decide(&mut self, decision: &Decision) -> Result<(), RunError> {
        let Some(verdict) = decision.verdict else { return Ok(()) };
        let at = decision.row.wrapping_sub(self.first);
        let entry = usize::try_from(at).ok().and_then(|at| self.window.get_mut(at));
        let input = match entry {
            Some(entry) if *entry != DECIDED => std::mem::replace(entry, DECIDED),
            _ => return Err(self.twice(decision, verdict)),
        };
        let counts = &mut self.counts[input as usize];
        counts.0[Verdict::Open as usize] -= 1;
        counts.add(verdict, 1);
        if at == 0 {
            while self.window.front() == Some(&DECIDED) {
                self.window.pop_front();
                self.first += 1;
            }
        }
        Ok(())
    }

    /// A row that was `unmatched` is `expired`.
    pub(super) fn revise(&mut self, revision: &Revision) {
        if let Some(counts) = self.counts.get_mut(revision.input as usize) {
            let unmatched = &mut counts.0[Verdict::Unmatched as usize];
            *unmatched = unmatched.wrapping_sub(1);
            counts.add(Verdict::Expired, 1);
        }
    }

    #[cold]
    fn twice(&self, decision: &Decision, verdict: Verdict) -> RunError {
        RunError::Books {
            input: self.names.iter().map(|n| &**n).collect::<Vec<_>>().join("\" or \""),
            arrival: decision.at,
            taken: self.taken.iter().sum(),
            booked: self.counts.iter().map(Counts::total).sum::<u64>() + 1,
            detail: format!(
                "row {} got the verdict {verdict}, but it has one already or was never taken",
                decision.row
            ),
        }
    }

    /// For each input: rows taken = rows with a verdict + open rows.
    pub(super) fn check(&self, before: Arrival) -> Result<(), RunError> {
        for ((name, counts), &taken) in self.names.iter().zip(&self.counts).zip(&self.taken) {
            let booked = counts.total();
            if booked != taken {
                let detail = Verdict::ALL
                    .into_iter()
                    .map(|v| format!("{v} {}", counts.get(v)))
                    .collect::<Vec<_>>()
                    .join(", ");
                return Err(RunError::Books {
                    input: name.to_string(),
                    arrival: before,
                    taken,
                    booked,
                    detail,
                });
            }
        }
        Ok(())
    }

    /// Rows without a verdict, over all inputs.
    pub(super) fn open(&self) -> u64 {
        self.counts.iter().map(|c| c.get(Verdict::Open)).sum()
    }

    /// Rows that the restored state named as undecided.
    pub(super) fn undecided_in_window(&self) -> u64 {
        self.window.iter().filter(|&&input| input != DECIDED).count() as u64
    }

    pub(super) fn counts(&self) -> &[Counts] {
        &self.counts
    }

    pub(super) fn by_input(&self) -> Vec<InputBooks> {
        self.names
            .iter()
            .zip(&self.counts)
            .map(|(input, &counts)| InputBooks { input: Arc::clone(input), counts })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::join::Reason;

    fn facts(codes: &[(u8, Verdict)]) -> Facts {
        Facts {
            input: codes.iter().map(|c| c.0).collect(),
            at_arrival: codes.iter().map(|c| c.1 as u8).collect(),
            ..Facts::default()
        }
    }

    fn decided(row: u64, verdict: Verdict) -> Decision {
        Decision {
            row,
            at: 7,
            verdict: Some(verdict),
            reason: Reason::Plain,
            removed: false,
            cause: 7,
        }
    }

    #[test]
    fn every_row_gets_one_verdict() {
        let mut books = Books::new(&["views".into(), "plays".into()]);
        let facts = facts(&[(0, Verdict::Open), (1, Verdict::Late), (1, Verdict::Open)]);
        (0..3).for_each(|i| books.take(&facts, i));
        books.check(3).unwrap();
        assert_eq!(books.open(), 2);
        books.decide(&decided(2, Verdict::Joined)).unwrap();
        books.decide(&decided(0, Verdict::Unmatched)).unwrap();
        books.check(3).unwrap();
        assert_eq!(books.open(), 0);
        assert_eq!(books.counts()[1].get(Verdict::Late), 1);
        for row in [0, 1, 2, 3, u64::MAX] {
            let error = books.decide(&decided(row, Verdict::Joined)).unwrap_err();
            assert!(error.to_string().contains(&format!("row {row} ")), "{error}");
        }
    }

    #[test]
    fn restored_books_know_what_is_open() {
        let mut counts = vec![Counts::default()];
        counts[0].add(Verdict::Open, 2);
        counts[0].add(Verdict::Late, 5);
        let mut books = Books::restore(&["views".into()], counts, 7);
        books.undecided(vec![(5, 0), (2, 0)]);
        assert_eq!(books.undecided_in_window(), books.open());
        books.decide(&decided(5, Verdict::Joined)).unwrap();
        books.decide(&decided(2, Verdict::Joined)).unwrap();
        assert!(books.decide(&decided(3, Verdict::Joined)).is_err());
        books.take(&facts(&[(0, Verdict::Open)]), 0);
        books.decide(&decided(7, Verdict::Joined)).unwrap();
        books.check(8).unwrap();
    }

    #[test]
    fn an_imbalance_names_the_input_and_the_numbers() {
        let mut books = Books::new(&["views".into()]);
        books.take(&facts(&[(0, Verdict::Open)]), 0);
        books.counts[0].add(Verdict::Joined, 1);
        let error = books.check(1).unwrap_err().to_string();
        assert!(
            error.contains("\"views\"") && error.contains("1 rows") && error.contains("2 with")
        );
    }
}
