//! The records table: every record with its verdict, filtered and searched.

mod ask;
mod draw;
#[cfg(test)]
mod tests;

use egui::Ui;
use joinscope_core::run::VerdictSet;

use self::ask::{Found, Page, Question, Source};
use crate::window::chrome::{Title, panel};
use crate::window::cx::Cx;
use crate::window::jobs::Slot;
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::table::Table;

/// Where a row stands in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    At(u64),
    /// The filter leaves it out.
    Hidden,
}

/// The panel's state.
#[derive(Default)]
pub struct Records {
    table: Table,
    filter: VerdictSet,
    search: String,
    /// What stands in the search field, before it is asked for.
    typed: String,
    page: Slot<Question, Page>,
    found: Found,
    /// A row that waits to be brought into sight.
    reveal: Option<u64>,
    rank: Slot<(u64, VerdictSet, u64), Place>,
}

impl Records {
    #[must_use]
    pub fn filter(&self) -> VerdictSet {
        self.filter
    }

    /// Shows only these verdicts; empty: all.
    pub fn set_filter(&mut self, verdicts: VerdictSet) {
        if verdicts != self.filter {
            self.filter = verdicts;
            self.table.top();
        }
    }

    /// Shows only records whose key or name contains this; empty: all.
    pub fn set_search(&mut self, text: String) {
        if text != self.search {
            self.typed.clone_from(&text);
            self.search = text;
            self.table.top();
        }
    }

    /// Brings a row of the run into sight, once its place in the table is known.
    pub fn reveal(&mut self, row: u64) {
        self.reveal = Some(row);
    }

    /// The question that a table position answers now.
    fn source(&self, cx: &Cx<'_>) -> Source {
        let search = (!self.search.is_empty()).then(|| self.search.clone());
        Source { revision: cx.doc.revision, verdicts: self.filter, search }
    }

    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        let source = self.source(cx);
        self.found.ask(cx, &source);
        let len = self.len(cx, &source);
        let sentence = draw::sentence(self, cx, &source, len);
        let title = Title {
            panel: Panel::Records,
            text: Panel::Records.title(),
            mono: false,
            sentence: &sentence,
            tabs,
        };
        let mut commands = Vec::new();
        // The two closures share the panel one after the other.
        let this = std::cell::RefCell::new(&mut *self);
        let has_run = cx.doc.run.is_some();
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, commands| {
                if has_run {
                    draw::controls(&mut this.borrow_mut(), ui, commands);
                }
            },
            |ui, _| draw::body(&mut this.borrow_mut(), ui, cx, &source, len),
        );
        cx.commands.append(&mut commands);
        dragged
    }

    /// Rows of the table as it is filtered now, as far as known.
    fn len(&mut self, cx: &Cx<'_>, source: &Source) -> Option<u64> {
        match (&cx.doc.run, &source.search) {
            (Some(_), Some(_)) => Some(self.found.len()),
            (Some(run), None) if source.verdicts.is_empty() => Some(run.rows),
            (Some(_), None) => self.page.answer().and_then(|a| match &a.result {
                Ok(page) if a.question.source == *source => Some(page.len),
                _ => None,
            }),
            (None, _) => cx.doc.recording.as_ref().map(|r| r.recording.len()),
        }
    }

    /// Whether the selected row is left out by the filter; `None` where that
    /// is not known yet.
    #[must_use]
    pub fn hides(&mut self, cx: &Cx<'_>) -> Option<bool> {
        let Some(Selection::Row(row)) = cx.selection else { return Some(false) };
        if !self.search.is_empty() {
            return Some(!self.found.contains(row));
        }
        if self.filter.is_empty() || cx.doc.run.is_none() {
            return Some(false);
        }
        let rank = self.rank(cx, row)?;
        Some(rank == Place::Hidden)
    }

    /// The place of a row among those of the filter; asks for it.
    fn rank(&mut self, cx: &Cx<'_>, row: u64) -> Option<Place> {
        let run = cx.doc.run.as_ref()?.run.clone();
        let question = (cx.doc.revision, self.filter, row);
        self.rank.ask(cx.jobs, question, move |(_, set, row)| {
            let found = run.row(*row).map_err(|e| e.to_string())?;
            if !set.contains(found.verdict) {
                return Ok(Place::Hidden);
            }
            run.rank(*set, *row).map(Place::At).map_err(|e| e.to_string())
        });
        let answer = self.rank.answer()?;
        if answer.question != question {
            return None;
        }
        answer.result.as_ref().ok().copied()
    }
}
