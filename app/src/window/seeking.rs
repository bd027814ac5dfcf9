//! Selecting, and looking through the run for what is to be selected.

use joinscope_core::run::{Direction, RowView, VerdictSet};
use joinscope_operator::record::{Arrival, RecordName};

use super::app::App;
use super::cursor::State;
use super::selection::{Place, Selection};

/// A question for one place of the run: the revision, and where to look.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seek {
    Next(u64, VerdictSet, (Option<u64>, Arrival), Direction),
    Named(u64, RecordName),
}

impl App {
    pub(super) fn place(&self) -> Place {
        Place { selection: self.selection, cursor: self.cursor.at() }
    }

    pub(super) fn go_to_place(&mut self, place: Place) {
        self.selection = place.selection;
        self.cursor.go(place.cursor);
        self.reveal();
    }

    /// Whether what is in front has this.
    pub(super) fn has(&self, selection: Selection) -> bool {
        match (&self.doc.run, selection) {
            (Some(run), Selection::Row(row)) => row < run.rows,
            (Some(run), Selection::Output(n)) => n < run.outputs,
            (None, Selection::Row(row)) => row < self.cursor.len(),
            (None, Selection::Output(_)) => false,
        }
    }

    /// Selecting moves the cursor when paused, not when playing.
    pub(super) fn select(&mut self, selection: Option<Selection>, at: Option<Arrival>) {
        if selection == self.selection {
            return;
        }
        self.history.leave(self.place());
        self.selection = selection;
        if let Some(at) = at.filter(|_| self.cursor.state() != State::Playing) {
            self.cursor.go(at);
        }
    }

    pub(super) fn select_row(&mut self, row: &RowView) {
        self.select(Some(Selection::Row(row.row)), Some(row.arrival));
        // It may have been selected already, and the cursor moved on.
        if self.cursor.state() != State::Playing {
            self.cursor.go(row.arrival);
        }
        self.reveal();
    }

    /// Brings the selected row into sight in its table.
    pub(super) fn reveal(&mut self) {
        match self.selection {
            Some(Selection::Row(row)) => self.panels.records.reveal(row),
            Some(Selection::Output(n)) => self.panels.outputs.reveal(n),
            None => {}
        }
    }

    pub(super) fn seek_next(&mut self, set: VerdictSet, direction: Direction) {
        let Some(doc) = &self.doc.run else { return };
        let run = doc.run.clone();
        let at = self.cursor.at();
        // From the selected row where the cursor stands on it: several rows may share
        // an arrival. While playing the cursor is never there.
        let playing = self.cursor.state() == State::Playing;
        let selected = match self.selection {
            Some(Selection::Row(row)) => Some(row),
            _ => None,
        };
        let seek = Seek::Next(self.doc.revision, set, (selected, at), direction);
        self.seeking = Some(seek.clone());
        self.seek.again();
        self.seek.ask(&self.jobs, seek, move |_| {
            let is_here = |row: &u64| playing || run.row(*row).is_ok_and(|r| r.arrival == at);
            let from = match selected.filter(is_here) {
                Some(row) => row,
                None => crate::window::store::first_row_of(&run, at).map_err(|e| e.to_string())?,
            };
            let next = run.next(set, from, direction).map_err(|e| e.to_string())?;
            next.map(|row| run.row(row)).transpose().map_err(|e| e.to_string())
        });
    }

    pub(super) fn seek_named(&mut self, name: RecordName) {
        let Some(doc) = &self.doc.run else { return };
        let run = doc.run.clone();
        let seek = Seek::Named(self.doc.revision, name.clone());
        self.seeking = Some(seek.clone());
        self.seek.again();
        self.seek.ask(&self.jobs, seek, move |_| {
            let rows = run.find(&name).map_err(|e| e.to_string())?;
            match rows.into_iter().next() {
                Some(row) => Ok(Some(row)),
                None => Err(format!("{name} is not in this run")),
            }
        });
    }
}
