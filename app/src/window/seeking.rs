//! Selecting, and looking through the run or the recording for what is to be
//! selected.

use joinscope_core::edges::recording::Recording;
use joinscope_core::run::{Direction, RowView, VerdictSet};
use joinscope_operator::record::{Arrival, RecordName};

use super::app::App;
use super::cursor::State;
use super::selection::{Place, Selection};

/// What was found: the table's row, and its arrival.
pub(super) type Found = Option<(u64, Arrival)>;

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
        // The run in this folder may have been made anew since, and be shorter.
        self.selection = place.selection.filter(|s| self.has(*s));
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

    pub(super) fn select_row(&mut self, row: u64, arrival: Arrival) {
        self.select(Some(Selection::Row(row)), Some(arrival));
        // It may have been selected already, and the cursor moved on.
        if self.cursor.state() != State::Playing {
            self.cursor.go(arrival);
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
            let next = next.map(|row| run.row(row)).transpose().map_err(|e| e.to_string())?;
            Ok(next.as_ref().map(place_of))
        });
    }

    pub(super) fn seek_named(&mut self, name: RecordName) {
        let run = self.doc.run.as_ref().map(|doc| doc.run.clone());
        let recording = self.doc.recording.as_ref().map(|doc| doc.recording.clone());
        if run.is_none() && recording.is_none() {
            return;
        }
        let seek = Seek::Named(self.doc.revision, name.clone());
        self.seeking = Some(seek.clone());
        self.seek.again();
        self.seek.ask(&self.jobs, seek, move |_| {
            let (found, of) = match (run, recording) {
                (Some(run), _) => {
                    let rows = run.find(&name).map_err(|e| e.to_string())?;
                    (rows.first().map(place_of), "run")
                }
                (None, Some(recording)) => (place_in(&recording, &name)?, "recording"),
                (None, None) => (None, "run"),
            };
            found.map(Some).ok_or_else(|| format!("{name} is not in this {of}"))
        });
    }
}

fn place_of(row: &RowView) -> (u64, Arrival) {
    (row.row, row.arrival)
}

/// Where a record stands in a recording without a run, whose rows are its records. In a
/// slice they keep the arrivals of the whole: those have holes, their order has none.
fn place_in(recording: &Recording, name: &RecordName) -> Result<Found, String> {
    let Some(record) = recording.record(name).map_err(|e| e.to_string())? else {
        return Ok(None);
    };
    let (mut from, mut to) = (0, recording.len());
    while from < to {
        let middle = u64::midpoint(from, to);
        let page = recording.page(middle, 1).map_err(|e| e.to_string())?;
        match page.first() {
            Some(there) if there.arrival < record.arrival => from = middle + 1,
            _ => to = middle,
        }
    }
    Ok(Some((from, from)))
}
