//! Names in the inspector that lead on, and the times beside them.

use egui::Ui;
use joinscope_core::run::RowView;
use joinscope_operator::record::RecordName;

use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::panels::watermarks::say::feeds_several;
use crate::window::selection::Selection;
use crate::window::theme::{SMALL, Tokens, fonts};
use crate::window::widgets::{fit, link, text};

/// What selects a row.
pub fn select(row: &RowView) -> Command {
    Command::Select(Some(Selection::Row(row.row)), Some(row.arrival))
}

/// The input of a row, where several take the records of a topic: a record's name
/// alone does not say then which row is meant.
pub fn input_of<'a>(cx: &Cx<'a>, row: &RowView) -> Option<&'a str> {
    let start = &cx.doc.run.as_ref()?.manifest.start;
    let input = start.inputs.get(usize::from(row.input))?;
    feeds_several(start).then_some(&*input.name)
}

/// A row by its record's name, to jump to.
pub fn row_link(ui: &mut Ui, cx: &mut Cx<'_>, row: &RowView) {
    named(ui, cx, &row.record, select(row));
    input(ui, cx, row);
}

/// The input beside a row's name, where that is needed.
pub fn input(ui: &mut Ui, cx: &Cx<'_>, row: &RowView) {
    if let Some(input) = input_of(cx, row) {
        text(ui, input, fonts::regular(SMALL), Tokens::of(ui.ctx()).second);
    }
}

/// A record's name, to jump to.
pub fn record_link(ui: &mut Ui, cx: &mut Cx<'_>, name: &RecordName) {
    named(ui, cx, name, Command::SelectRecord(name.clone()));
}

/// Elided only where it does not fit.
fn named(ui: &mut Ui, cx: &mut Cx<'_>, name: &RecordName, command: Command) {
    let whole = name.to_string();
    let room = (ui.available_width() - 70.0).max(80.0);
    let shown = fit(ui, &whole, &fonts::mono(SMALL), room);
    if link(ui, &shown).on_hover_text(&whole).clicked() {
        cx.commands.push(command);
    }
}

/// A time beside a name; without its milliseconds where those do not fit.
pub fn time(ui: &mut Ui, cx: &Cx<'_>, ms: i64) {
    let t = Tokens::of(ui.ctx());
    let exact = cx.times.exact(ms);
    let whole = ui.painter().layout_no_wrap(exact.clone(), fonts::mono(SMALL), t.second);
    let fits = whole.size().x <= ui.available_width();
    let shown = if fits { exact } else { cx.times.short(ms) };
    text(ui, &shown, fonts::mono(SMALL), t.second).on_hover_text(cx.times.full(ms));
}
