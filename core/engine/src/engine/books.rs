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
    /// The undecided rows: a verdict that falls twice, or for a row that was never
    /// taken, is found here.
    window: Window,
}

/// Rows of a piece of the window.
const PIECE: u64 = 4096;

/// The input of each undecided row, in pieces. One without such a row takes no
/// memory: those that come after a row that stays open for long do not count.
#[derive(Clone, Debug, Default)]
struct Window {
    /// Number of the first piece.
    first: u64,
    pieces: VecDeque<Piece>,
    /// Rows before this one were taken.
    end: u64,
}

#[derive(Clone, Debug, Default)]
struct Piece {
    /// By row, else [`DECIDED`]; so are those behind its end.
    inputs: Vec<u8>,
    /// Rows that are undecided.
    open: u32,
}

impl Window {
    /// A row before `end` is undecided; those before the first piece are not.
    #[inline]
    fn open(&mut self, row: u64, input: u8) {
        let number = row / PIECE;
        if self.first + self.pieces.len() as u64 <= number {
            self.begin(number);
        }
        let piece = &mut self.pieces[(number - self.first) as usize];
        let place = (row % PIECE) as usize;
        if place >= piece.inputs.len() {
            piece.inputs.resize(place + 1, DECIDED);
        }
        piece.open += u32::from(piece.inputs[place] == DECIDED);
        piece.inputs[place] = input;
    }

    /// This is the newest piece from now on.
    #[cold]
    fn begin(&mut self, number: u64) {
        if let Some(last) = self.pieces.back_mut().filter(|last| last.open == 0) {
            last.inputs = Vec::new();
        }
        self.forget(0);
        if self.pieces.is_empty() {
            self.first = number;
        }
        self.pieces.resize_with((number - self.first) as usize + 1, Piece::default);
    }

    /// The oldest pieces go, but for so many, while no row in them is undecided.
    fn forget(&mut self, but: usize) {
        while self.pieces.len() > but && self.pieces.front().is_some_and(|p| p.open == 0) {
            self.pieces.pop_front();
            self.first += 1;
        }
    }

    /// The input of an undecided row, which is decided now.
    #[inline]
    fn decide(&mut self, row: u64) -> Option<u8> {
        let at = (row / PIECE).checked_sub(self.first)? as usize;
        let newest = at + 1 == self.pieces.len();
        let piece = self.pieces.get_mut(at)?;
        let entry = piece.inputs.get_mut((row % PIECE) as usize)?;
        let input = std::mem::replace(entry, DECIDED);
        if input == DECIDED {
            return None;
        }
        piece.open -= 1;
        if piece.open == 0 && !newest {
            piece.inputs = Vec::new();
            self.forget(1);
        }
        Some(input)
    }
}

impl Books {
    pub(super) fn new(names: &[Arc<str>]) -> Self {
        Self {
            names: names.to_vec(),
            counts: vec![Counts::default(); names.len()],
            taken: vec![0; names.len()],
            window: Window::default(),
        }
    }

    /// Books of a checkpoint that took `rows` rows; the undecided ones are then
    /// named by [`Books::undecided`].
    pub(super) fn restore(names: &[Arc<str>], counts: Vec<Counts>, rows: u64) -> Self {
        Self {
            names: names.to_vec(),
            taken: counts.iter().map(Counts::total).collect(),
            counts,
            window: Window { end: rows, ..Window::default() },
        }
    }

    /// Names the rows of a restored state that have no verdict yet, in any
    /// order: `(row, input)`.
    pub(super) fn undecided(&mut self, rows: Vec<(u64, u8)>) {
        let end = self.window.end;
        let mut rows: Vec<_> = rows.into_iter().filter(|(row, _)| *row < end).collect();
        rows.sort_unstable();
        for (row, input) in rows {
            self.window.open(row, input);
        }
    }

    /// The `i`-th row of `facts` was taken.
    #[inline]
    pub(super) fn take(&mut self, facts: &Facts, i: usize) {
        let (input, code) = (facts.input[i], facts.at_arrival[i]);
        self.taken[input as usize] += 1;
        self.counts[input as usize].0[code as usize] += 1;
        if code == Verdict::Open as u8 {
            self.window.open(self.window.end, input);
        }
        self.window.end += 1;
    }

    /// A verdict fell.
    #[inline]
    pub(super) fn decide(&mut self, decision: &Decision) -> Result<(), RunError> {
        let Some(verdict) = decision.verdict else { return Ok(()) };
        let Some(input) = self.window.decide(decision.row) else {
            return Err(self.twice(decision, verdict));
        };
        let counts = &mut self.counts[input as usize];
        counts.0[Verdict::Open as usize] -= 1;
        counts.add(verdict, 1);
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
        self.window.pieces.iter().map(|piece| u64::from(piece.open)).sum()
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

    /// One without a verdict for days, as its event time lies years ahead.
    #[test]
    fn rows_that_come_after_one_that_stays_open_take_no_memory() {
        let mut books = Books::new(&["views".into()]);
        let facts = facts(&[(0, Verdict::Open), (0, Verdict::Late)]);
        let rows = 100 * PIECE;
        for row in 0..rows {
            books.take(&facts, 0);
            books.take(&facts, 1);
            // Some wait for others; the first one for all.
            if let Some(before) = row.checked_sub(row % 3 * 1_000).filter(|row| *row > 0) {
                let _ = books.decide(&decided(2 * before, Verdict::Joined));
            }
        }
        for row in 1..rows {
            let _ = books.decide(&decided(2 * row, Verdict::Joined));
        }
        assert_eq!((books.open(), books.undecided_in_window()), (1, 1));
        books.check(2 * rows).unwrap();
        let bytes = |piece: &Piece| piece.inputs.capacity() + size_of::<Piece>();
        let taken: usize = books.window.pieces.iter().map(bytes).sum();
        assert!(taken < 8 * PIECE as usize, "{taken} bytes for {rows} rows");
        books.decide(&decided(0, Verdict::Joined)).unwrap();
        assert_eq!((books.open(), books.window.pieces.len()), (0, 1));
        // Nor do they where none stays open.
        for row in 2 * rows..2 * rows + 10 * PIECE {
            books.take(&facts, 0);
            books.decide(&decided(row, Verdict::Joined)).unwrap();
        }
        assert_eq!(books.window.pieces.len(), 1);
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
