//! The outputs table: the joined rows, in output order, filtered, searched and
//! sorted; its columns are the user's choice.

mod ask;
mod columns;
mod draw;
mod export;
#[cfg(test)]
mod tests;
mod view;

use egui::Ui;
use joinscope_core::engine::step::OutputKind;

use self::ask::{Kinds, Page, Question, Sorted, Source};
use self::columns::Col;
pub use self::draw::{kind_name, labels, labels_named};
use super::tools::{self, Typed};
use crate::window::chrome::{Title, panel};
use crate::window::cx::Cx;
use crate::window::jobs::Slot;
use crate::window::layout::Tabs;
use crate::window::listing::{Listing, Report};
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::table::{Position, Table};

/// The panel's state.
pub struct Outputs {
    table: Table,
    page: Slot<Question, Page>,
    listing: Listing<Source>,
    kinds: Kinds,
    search: String,
    /// The search as it is typed.
    typed: String,
    conditions: String,
    asked: Typed,
    sort: Option<Sorted>,
    columns: Vec<Col>,
    /// Fields of the outputs in sight, while the user chooses.
    fields: Vec<String>,
    choosing: bool,
    path: String,
    /// An output that waits to be brought into sight.
    reveal: Option<u64>,
    /// The selection that was last brought into sight.
    followed: Option<Selection>,
    /// Revision and selected row: its outputs.
    of_row: Slot<(u64, u64), Vec<u64>>,
    copy: Slot<(u64, u64), String>,
    copying: bool,
}

impl Default for Outputs {
    fn default() -> Self {
        Self {
            table: Table::default(),
            page: Slot::default(),
            listing: Listing::default(),
            kinds: Kinds::default(),
            search: String::new(),
            typed: String::new(),
            conditions: String::new(),
            asked: Typed::default(),
            sort: None,
            columns: Col::FIRST.to_vec(),
            fields: Vec::new(),
            choosing: false,
            path: String::new(),
            reveal: None,
            followed: None,
            of_row: Slot::default(),
            copy: Slot::default(),
            copying: false,
        }
    }
}

/// How the table was set up, and where it stood.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    kinds: Kinds,
    search: String,
    conditions: String,
    sort: Option<Sorted>,
    columns: Vec<Col>,
    position: Position,
    followed: Option<Selection>,
}

impl Outputs {
    /// For when the run comes to the front again.
    #[must_use]
    pub fn keep(&self) -> Kept {
        Kept {
            kinds: self.kinds,
            search: self.search.clone(),
            conditions: self.conditions.clone(),
            sort: self.sort.clone(),
            columns: self.columns.clone(),
            position: self.table.position(),
            followed: self.followed,
        }
    }

    /// As it was kept.
    #[must_use]
    pub fn restored(kept: Kept) -> Self {
        let columns = if kept.columns.is_empty() { Col::FIRST.to_vec() } else { kept.columns };
        Self {
            kinds: kept.kinds,
            typed: kept.search.clone(),
            search: kept.search,
            asked: Typed { text: kept.conditions.clone(), ..Typed::default() },
            conditions: kept.conditions,
            sort: kept.sort,
            columns,
            table: Table::standing(kept.position),
            followed: kept.followed,
            ..Self::default()
        }
    }

    /// Shows only outputs of one kind.
    pub fn show_only(&mut self, kind: OutputKind) {
        self.clear_filter();
        self.kinds = Kinds::default().toggled(kind as usize);
    }

    /// Brings an output into sight.
    pub fn reveal(&mut self, n: u64) {
        self.reveal = Some(n);
    }

    /// Brings the output that was selected elsewhere into sight, or the first one of the
    /// record that was, once it is known.
    fn follow(&mut self, cx: &Cx<'_>) {
        if self.followed == cx.selection {
            return;
        }
        if let Some(Selection::Output(n)) = cx.selection {
            self.reveal = Some(n);
        }
        if let (Some(doc), Some(Selection::Row(row))) = (&cx.doc.run, cx.selection) {
            let run = doc.run.clone();
            let question = (cx.doc.revision, row);
            self.of_row.ask(cx.jobs, question, move |(_, row)| {
                let outputs = run.outputs_of(*row).map_err(|e| e.to_string())?;
                Ok(outputs.iter().map(|o| o.n).collect())
            });
            let Some(answer) = self.of_row.answer().filter(|a| a.question == question) else {
                return;
            };
            let own = answer.result.as_deref().unwrap_or_default();
            // One that was selected before it stays where it is.
            let stays = matches!(self.followed, Some(Selection::Output(n)) if own.contains(&n));
            if let Some(first) = own.first().filter(|_| !stays) {
                self.reveal = Some(*first);
            }
        }
        self.followed = cx.selection;
    }

    fn source(&self, cx: &Cx<'_>) -> Source {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        Source {
            revision: cx.doc.revision,
            kinds: self.kinds,
            search: some(&self.search),
            conditions: some(&self.conditions),
            range: cx.range.filter(),
            sort: self.sort.clone(),
        }
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

    /// Whether the selected output is left out by the filter; `None` where that is not
    /// known yet.
    #[must_use]
    pub fn hides(&mut self, cx: &Cx<'_>) -> Option<bool> {
        let Some(Selection::Output(n)) = cx.selection else { return Some(false) };
        let source = self.source(cx);
        if !source.filters() || cx.doc.run.is_none() {
            return Some(false);
        }
        // Another panel may stand before the table, which would ask.
        self.ask_listing(cx, &source);
        let there = self.listing.place(n).is_some();
        (there || self.listing.is_whole()).then_some(!there)
    }

    /// Whether something is filtered by, but for the range.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        !self.kinds.is_empty() || !self.search.is_empty() || !self.conditions.is_empty()
    }

    /// Shows every output.
    pub fn clear_filter(&mut self) {
        self.kinds = Kinds::default();
        self.search.clear();
        self.typed.clear();
        self.conditions.clear();
        self.asked = Typed::default();
        self.table.top();
    }

    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        let source = self.source(cx);
        self.ask_listing(cx, &source);
        self.copied(cx);
        self.follow(cx);
        if labels(0, cx).is_empty() {
            self.columns.retain(|c| *c != Col::Labels);
            if self.columns.is_empty() {
                // A view may be of another pipeline, and of labels only.
                self.columns = Col::FIRST.into_iter().filter(|c| *c != Col::Labels).collect();
            }
        }
        let all = cx.doc.run.as_ref().map_or(0, |r| r.outputs);
        let len = if source.is_listed() { self.listing.len() } else { all };
        let sentence = draw::sentence(self, &source, len, all);
        let title = Title::of(Panel::Outputs, &sentence, tabs);
        let mut commands = Vec::new();
        let chips = f32::from(u8::from(!self.conditions.is_empty())) * 190.0
            + f32::from(u8::from(!self.kinds.is_empty())) * 130.0
            + f32::from(u8::from(cx.range.marked.is_some())) * 100.0;
        let beside = ui.available_width() > tools::title_width(tabs) + 330.0 + chips;
        let some = all > 0;
        let this = std::cell::RefCell::new(&mut *self);
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, commands| {
                if some && beside {
                    draw::controls(&mut this.borrow_mut(), ui, cx.range, commands);
                }
            },
            |ui, commands| {
                let this = &mut this.borrow_mut();
                if some && !beside {
                    tools::bar(ui, |ui| draw::controls(this, ui, cx.range, commands));
                }
                draw::body(this, ui, cx, &source, len);
            },
        );
        cx.commands.append(&mut commands);
        dragged
    }

    /// Sorts by a column: first ascending, then descending, then as it was.
    fn sort_by(&mut self, column: usize) {
        let Some(by) = self.columns.get(column).and_then(Col::sorts_by) else { return };
        self.sort = Sorted::pressed(self.sort.take(), by, &ask::By::Number);
        self.table.top();
    }

    fn copy_output(&mut self, cx: &Cx<'_>, n: u64) {
        let Some(doc) = &cx.doc.run else { return };
        let run = doc.run.clone();
        self.copying = true;
        self.copy.again();
        self.copy.ask(cx.jobs, (cx.doc.revision, n), move |(_, n)| ask::as_json(&run, *n));
    }

    fn copied(&mut self, cx: &mut Cx<'_>) {
        if let Some(command) = tools::copied(&mut self.copy, &mut self.copying) {
            cx.commands.push(command);
        }
    }
}
