//! How the outputs table draws.

use std::ops::Range;
use std::sync::Arc;

use egui::{Popup, PopupCloseBehavior, Ui};
use joinscope_core::engine::step::OutputKind;
use joinscope_operator::pipeline::{Label, Pipeline};

use super::Outputs;
use super::ask::{self, Kinds, Line, Page, Question, Source};
use super::columns::Col;
use crate::cli::filter::JsonFilter;
use crate::window::command::{Command, Export};
use crate::window::cursor::State;
use crate::window::cx::Cx;
use crate::window::jobs::{Answer, DIM_AFTER};
use crate::window::panel::Panel;
use crate::window::panels::choose::{self, Fields};
use crate::window::panels::records::paths;
use crate::window::panels::tools::End;
use crate::window::panels::{failed, no_record, tools};
use crate::window::range::{self, RangeState};
use crate::window::selection::Selection;
use crate::window::table::{Column, Head, RowCells, date_room, empty, fill};
use crate::window::text::{elide_apart, line, plural, thousands};
use crate::window::theme::fonts::icon;
use crate::window::widgets::{button, group, icon_button, menu_rows};

/// Width of the filter, points.
const FORM: f32 = 340.0;
/// As many rows of a menu it is high, what may be wrong with conditions among them.
const FORM_ROWS: usize = 10;

/// How many, of how many, and how far a search is.
pub fn sentence(this: &mut Outputs, source: &Source, len: u64, all: u64) -> String {
    let mut text = if source.filters() || len != all {
        format!("{} of {}", thousands(len), thousands(all))
    } else {
        plural(all, "output")
    };
    text.push_str(&this.listing.how_far(source.sort.is_some()));
    text
}

/// Search, filter, columns and export, from right to left.
pub fn controls(this: &mut Outputs, ui: &mut Ui, range: &RangeState, commands: &mut Vec<Command>) {
    if icon_button(icon::EXPORT, "Export what is shown").plain().show(ui).clicked() {
        commands.push(Command::Export(Export::Data(Panel::Outputs)));
    }
    let response = icon_button(icon::COLUMNS, "Columns").plain().show(ui);
    let shown = Popup::menu(&response)
        .frame(tools::form(ui))
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show(|ui| {
            let fields = Fields {
                title: "Fields of the output",
                known: &this.fields,
                typed: &mut this.path,
                hint: "another, as value.views.item",
            };
            choose::menu(ui, &mut this.columns, fields);
        });
    this.choosing = shown.is_some();
    let name = "Search keys and names of records in outputs";
    if let Some(text) = tools::search(ui, &mut this.typed, "Search keys and names", name) {
        this.search = text;
        this.table.top();
    }
    let response = button("Filter").icon(icon::FILTER).name("Filter the outputs").show(ui);
    Popup::menu(&response)
        .frame(tools::form(ui))
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show(|ui| menu_rows(ui, FORM_ROWS, FORM, |ui| filter_menu(this, ui)));
    range::chip(range, ui, commands);
    if !this.conditions.is_empty() && tools::conditions_chip(ui, &this.conditions) {
        this.conditions.clear();
        this.asked = tools::Typed::default();
        this.table.top();
    }
    if !this.kinds.is_empty() {
        let names: Vec<&str> =
            (0..4).filter(|k| this.kinds.has(*k)).map(|k| Kinds::NAMES[k]).collect();
        let chip = button(&names.join(", ")).icon(icon::CLOSE).selected(true).show(ui);
        if chip.on_hover_text("Show all kinds").clicked() {
            this.kinds = Kinds::default();
            this.table.top();
        }
    }
}

fn filter_menu(this: &mut Outputs, ui: &mut Ui) {
    ui.set_width(FORM);
    tools::edged(ui);
    group(ui, "Kind");
    ui.horizontal_wrapped(|ui| {
        for (kind, name) in Kinds::NAMES.into_iter().enumerate() {
            let mut on = this.kinds.has(kind);
            if ui.checkbox(&mut on, name).changed() {
                this.kinds = this.kinds.toggled(kind);
                this.table.top();
            }
        }
    });
    group(ui, "Conditions on fields of outputs --json");
    let check = |text: &str| text.parse::<JsonFilter>().map(|_| ());
    let hint = "labels.like=1, value.views.item~12, time>1763626401480";
    let asked = tools::conditions(ui, &mut this.asked, hint, check);
    let end = tools::end_filter(ui, &this.asked, "Clear the filter of outputs");
    if end == Some(End::Clear) {
        this.clear_filter();
    } else if asked.is_some() || end == Some(End::Apply) {
        this.asked.text.trim().clone_into(&mut this.conditions);
        this.table.top();
    }
}

/// The table, or what stands in its place.
pub fn body(this: &mut Outputs, ui: &mut Ui, cx: &mut Cx<'_>, source: &Source, len: u64) {
    if let Some(error) = this.listing.error() {
        if failed(ui, &error) {
            this.listing.again();
        }
        return;
    }
    let searching = this.listing.percent().is_some();
    if searching {
        tools::stop(ui, || this.listing.stop());
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
    }
    if len == 0 && !searching && cx.cursor.len() == 0 && !source.filters() {
        no_record(ui, cx, "Outputs appear as soon as the run has published its first segment");
        return;
    }
    if len == 0 && !searching {
        let (what, next) = if source.is_listed() && this.listing.is_stopped() {
            ("No output was found until it was stopped", tools::STOPPED)
        } else if source.filters() {
            ("No output is like that", "Remove the filter or search for something else")
        } else if cx.doc.in_progress {
            ("No output", "They appear as soon as the run has published its first segment")
        } else {
            ("No output", "No record matched: the verdicts in the records table say why")
        };
        empty(ui, what, next);
        return;
    }
    reveal(this, source);
    let (columns, heads) = columns(this, cx, source, ui.available_width());
    this.table.follow(cx.cursor.state() == State::Following && source.sort.is_none());
    let laid = this.table.lay_out_with(ui, "Outputs", &columns, heads, len);
    let lines = match ask_page(this, cx, source, &laid.rows) {
        Ok(lines) => lines,
        Err(error) => {
            if failed(ui, &error) {
                this.page.again();
            }
            return;
        }
    };
    if this.choosing {
        this.fields = paths(lines.all().iter().filter_map(|l| l.json.as_ref()));
    }
    if this.page.is_stale() {
        ui.multiply_opacity(0.6);
    }
    if this.page.is_open() {
        ui.ctx().request_repaint_after(DIM_AFTER);
    }
    let keys: Vec<String> = lines.all().iter().map(|l| line(&l.key).into_owned()).collect();
    let chars = |col: &Col| {
        let place = this.columns.iter().position(|c| c == col);
        place.map_or(0, |n| laid.chars(ui, n))
    };
    let keys = elide_apart(&keys, chars(&Col::Key));
    let room = chars(&Col::Records);
    let cols = &this.columns;
    let cells: Vec<RowCells> =
        lines.all().iter().zip(keys).map(|(l, key)| cells(cols, l, &key, room, cx)).collect();
    let first = lines.first();
    let events =
        this.table.paint(ui, &laid, |n| cells.get(n.checked_sub(first)? as usize).cloned());
    let at = |n: u64| lines.all().get(n.checked_sub(first)? as usize);
    if let Some(line) = events.clicked.and_then(at) {
        let selection = Some(Selection::Output(line.output.n));
        // It is in sight.
        this.followed = selection;
        cx.commands.push(Command::Select(selection, Some(line.output.at)));
    }
    if let Some(line) = events.copied.and_then(at) {
        this.copy_output(cx, line.output.n);
    }
    if let Some(column) = events.sorted {
        this.sort_by(column);
    }
}

/// Brings the output that waits for it into sight.
fn reveal(this: &mut Outputs, source: &Source) {
    let Some(n) = this.reveal else { return };
    let place = if source.is_listed() { this.listing.place(n) } else { Some(n) };
    if place.is_none() && this.listing.percent().is_some() {
        return; // it may still come
    }
    if let Some(place) = place {
        this.table.reveal(place);
    }
    this.reveal = None;
}

/// `table`: how wide it is, points.
fn columns(this: &Outputs, cx: &Cx<'_>, source: &Source, table: f32) -> (Vec<Column>, Vec<Head>) {
    let date = date_room(cx.times, table);
    let sample = labels(0, cx);
    let mut columns: Vec<Column> = this.columns.iter().map(|c| c.column(&sample, date)).collect();
    fill(&mut columns);
    let heads = this.columns.iter().map(|c| c.head(source.sort.as_ref())).collect();
    (columns, heads)
}

/// The lines in sight, as far as they are read.
#[derive(Default)]
struct Lines(Option<Arc<Answer<Question, Page>>>);

impl Lines {
    fn first(&self) -> u64 {
        self.0.as_ref().map_or(0, |a| a.question.first)
    }

    fn all(&self) -> &[Line] {
        let page = self.0.as_ref().and_then(|a| a.result.as_ref().ok());
        page.map(|p| p.lines.as_slice()).unwrap_or_default()
    }
}

fn ask_page(
    this: &mut Outputs,
    cx: &Cx<'_>,
    source: &Source,
    seen: &Range<u64>,
) -> Result<Lines, String> {
    let Some(doc) = &cx.doc.run else { return Ok(Lines::default()) };
    let first = seen.start.saturating_sub(10) / 10 * 10;
    let count = ((seen.end - first) as usize).next_multiple_of(10) + 10;
    let listed = source.is_listed().then(|| this.listing.lines(first, count));
    let values = this.choosing || this.columns.iter().any(|c| matches!(c, Col::Field(_)));
    let named = ask::NAMED;
    let question = Question { source: source.clone(), first, count, listed, values, named };
    let run = doc.run.clone();
    this.page.ask(cx.jobs, question, move |q| ask::page(&run, q));
    let Some(answer) = this.page.answer() else { return Ok(Lines::default()) };
    if !answer.question.source.is_like(source) {
        return Ok(Lines::default());
    }
    match &answer.result {
        Ok(_) => Ok(Lines(Some(answer))),
        Err(error) => Err(error.clone()),
    }
}

/// A kind in a word.
#[must_use]
pub fn kind_name(kind: OutputKind, correction: u32) -> &'static str {
    match (kind, correction) {
        (OutputKind::Pair, _) => Kinds::NAMES[0],
        (OutputKind::Pad, _) => Kinds::NAMES[1],
        (OutputKind::Example, 0) => Kinds::NAMES[2],
        (OutputKind::Example, _) => Kinds::NAMES[3],
    }
}

/// Whether an output is of the record that is selected, or under the pointer in some panel.
fn marks(rows: &[u64], selection: Option<Selection>, hover: Option<u64>) -> bool {
    let selected = match selection {
        Some(Selection::Row(row)) => Some(row),
        _ => None,
    };
    selected.into_iter().chain(hover).any(|row| rows.contains(&row))
}

fn cells(cols: &[Col], l: &Line, key: &str, room: usize, cx: &Cx<'_>) -> RowCells {
    let o = &l.output;
    let kind = kind_name(o.kind, o.correction);
    RowCells {
        name: format!("output {}, {kind}, {}", o.n, l.named(", ")),
        cells: cols.iter().map(|col| col.cell(l, key, room, cx)).collect(),
        selected: cx.selection == Some(Selection::Output(o.n)),
        hovered: marks(&o.rows, cx.selection, cx.hover),
        dimmed: o.at > cx.cursor.at(),
    }
}

/// `like = 1, share = 0`; nothing where outputs are pairs.
#[must_use]
pub fn labels(mask: u64, cx: &Cx<'_>) -> String {
    labels_named(mask, cx.doc.pipeline_that_ran().map(Pipeline::labels).unwrap_or_default())
}

/// The same, by their names.
#[must_use]
pub fn labels_named(mask: u64, named: &[Label]) -> String {
    let parts: Vec<String> = named
        .iter()
        .enumerate()
        .map(|(i, label)| format!("{} = {}", label.name, mask >> i & 1))
        .collect();
    parts.join(", ")
}
