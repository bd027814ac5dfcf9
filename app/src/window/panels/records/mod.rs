//! The records table: every record with its verdict, filtered, searched and
//! sorted; its columns are the user's choice, fields of the value among them.

mod ask;
mod columns;
mod controls;
mod draw;
mod export;
#[cfg(test)]
mod tests;
mod view;

use egui::Ui;
use joinscope_core::run::VerdictSet;

use self::ask::{Page, Question, Sorted, Source};
use self::columns::Col;
pub use self::columns::{key_line, late_by, paths};
use crate::cli::filter::Filter;
use crate::window::chrome::{Title, panel};
use crate::window::cx::Cx;
use crate::window::jobs::Slot;
use crate::window::layout::Tabs;
use crate::window::listing::{Listing, Report};
use crate::window::panel::Panel;
use crate::window::panels::watermarks::say::feeds_several;
use crate::window::panels::{choose, tools};
use crate::window::selection::Selection;
use crate::window::table::{Position, Table};

/// Where a row stands in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    At(u64),
    /// The filter leaves it out.
    Hidden,
}

/// The panel's state.
pub struct Records {
    table: Table,
    filter: VerdictSet,
    search: String,
    conditions: String,
    sort: Option<Sorted>,
    columns: Vec<Col>,
    /// Whether the columns are those that go with the run.
    fitted: bool,
    controls: controls::Controls,
    page: Slot<Question, Page>,
    listing: Listing<Source>,
    /// A row that waits to be brought into sight.
    reveal: Option<u64>,
    rank: Slot<(u64, VerdictSet, u64), Place>,
    /// A row on its way to the clipboard, as JSON.
    copy: Slot<(u64, u64), String>,
    copying: bool,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            table: Table::default(),
            filter: VerdictSet::EMPTY,
            search: String::new(),
            conditions: String::new(),
            sort: None,
            columns: Col::FIRST.to_vec(),
            fitted: false,
            controls: controls::Controls::default(),
            page: Slot::default(),
            listing: Listing::default(),
            reveal: None,
            rank: Slot::default(),
            copy: Slot::default(),
            copying: false,
        }
    }
}

/// How the table was set up, and where it stood.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    filter: VerdictSet,
    search: String,
    conditions: String,
    sort: Option<Sorted>,
    columns: Vec<Col>,
    position: Position,
}

impl Records {
    /// For when the run comes to the front again.
    #[must_use]
    pub fn keep(&self) -> Kept {
        Kept {
            filter: self.filter,
            search: self.search.clone(),
            conditions: self.conditions.clone(),
            sort: self.sort.clone(),
            columns: self.columns.clone(),
            position: self.table.position(),
        }
    }

    /// As it was kept.
    #[must_use]
    pub fn restored(kept: Kept) -> Self {
        let mut this = Self { filter: kept.filter, sort: kept.sort, ..Self::default() };
        this.set_search(kept.search);
        // They were right when they were kept.
        let _ = this.set_conditions(&kept.conditions);
        if !kept.columns.is_empty() {
            (this.columns, this.fitted) = (kept.columns, true);
        }
        this.table = Table::standing(kept.position);
        this
    }

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
            self.controls.search.clone_from(&text);
            self.search = text;
            self.table.top();
        }
    }

    /// Shows only records that meet conditions (`verdicts --where`); empty: all.
    ///
    /// # Errors
    /// What is wrong with them; the table stays as it is.
    pub fn set_conditions(&mut self, text: &str) -> Result<(), String> {
        let text = text.trim();
        if !text.is_empty() {
            text.parse::<Filter>()?;
        }
        // What was typed and not asked for is gone, and what was wrong with it.
        self.controls.conditions = tools::Typed { text: text.to_owned(), wrong: None };
        if text != self.conditions {
            text.clone_into(&mut self.conditions);
            self.table.top();
        }
        Ok(())
    }

    /// What is searched for.
    #[must_use]
    pub fn search(&self) -> &str {
        &self.search
    }

    #[must_use]
    pub fn conditions(&self) -> &str {
        &self.conditions
    }

    /// Brings a row of the run into sight, once its place in the table is known.
    pub fn reveal(&mut self, row: u64) {
        self.reveal = Some(row);
    }

    /// The question that a table position answers now.
    fn source(&self, cx: &Cx<'_>) -> Source {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        Source {
            revision: cx.doc.revision,
            verdicts: self.filter,
            search: some(&self.search),
            conditions: some(&self.conditions),
            range: cx.range.filter(),
            sort: self.sort.clone(),
        }
    }

    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        if let (Some(doc), false) = (&cx.doc.run, self.fitted) {
            self.fitted = true;
            // Two rows of one record differ in nothing else.
            if feeds_several(&doc.manifest.start) && self.columns == Col::FIRST {
                choose::add(&mut self.columns, Col::Input);
            }
        }
        let source = self.source(cx);
        self.ask_listing(cx, &source);
        self.copied(cx);
        let len = self.len(cx, &source);
        let sentence = draw::sentence(self, cx, &source, len);
        let title = Title::of(Panel::Records, &sentence, tabs);
        let mut commands = Vec::new();
        let has_run = cx.doc.run.is_some();
        // Beside the tabs where there is room, else below them.
        let beside = controls::fit_beside(ui.available_width(), tabs, cx.range, self);
        // The two closures share the panel one after the other.
        let this = std::cell::RefCell::new(&mut *self);
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, commands| {
                if has_run && beside {
                    controls::show(&mut this.borrow_mut(), ui, cx.range, commands);
                }
            },
            |ui, commands| {
                let this = &mut this.borrow_mut();
                if has_run && !beside {
                    tools::bar(ui, |ui| controls::show(this, ui, cx.range, commands));
                }
                draw::body(this, ui, cx, &source, len);
            },
        );
        cx.commands.append(&mut commands);
        dragged
    }

    fn ask_listing(&mut self, cx: &Cx<'_>, source: &Source) {
        match &cx.doc.run {
            Some(doc) if source.is_listed() => {
                let (run, order) = (doc.run.clone(), source.clone());
                let list = move |report: &Report| ask::list(&run, &order, report);
                self.listing.ask(cx.jobs, source, Source::is_like, list);
            }
            _ => self.listing.clear(),
        }
    }

    /// Rows of the table as it is filtered now, as far as known.
    fn len(&mut self, cx: &Cx<'_>, source: &Source) -> Option<u64> {
        match &cx.doc.run {
            Some(_) if source.is_listed() => Some(self.listing.len()),
            Some(run) if source.verdicts.is_empty() => Some(run.rows),
            Some(_) => self.page.answer().and_then(|a| match &a.result {
                Ok(page) if a.question.source.is_like(source) => Some(page.len),
                _ => None,
            }),
            None => cx.doc.recording.as_ref().map(|r| r.recording.len()),
        }
    }

    /// Whether the selected row is left out by the filter; `None` where that
    /// is not known yet.
    #[must_use]
    pub fn hides(&mut self, cx: &Cx<'_>) -> Option<bool> {
        let Some(Selection::Row(row)) = cx.selection else { return Some(false) };
        let source = self.source(cx);
        if !source.filters() || cx.doc.run.is_none() {
            return Some(false);
        }
        if source.is_listed() {
            // Another panel may stand before the table, which would ask.
            self.ask_listing(cx, &source);
            let there = self.listing.place(row).is_some();
            return (there || self.listing.is_whole()).then_some(!there);
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

    /// Sorts by a column: first ascending, then descending, then as it was.
    fn sort_by(&mut self, column: usize) {
        let Some(by) = self.columns.get(column).and_then(Col::sorts_by) else { return };
        self.sort = Sorted::pressed(self.sort.take(), by, &ask::By::Arrival);
        self.table.top();
    }

    /// Asks for a row as JSON.
    fn copy_row(&mut self, cx: &Cx<'_>, row: u64) {
        let Some(doc) = &cx.doc.run else { return };
        let run = doc.run.clone();
        self.copying = true;
        self.copy.again();
        self.copy.ask(cx.jobs, (cx.doc.revision, row), move |(_, row)| ask::as_json(&run, *row));
    }

    /// Puts what was asked for on the clipboard.
    fn copied(&mut self, cx: &mut Cx<'_>) {
        if let Some(command) = tools::copied(&mut self.copy, &mut self.copying) {
            cx.commands.push(command);
        }
    }
}
