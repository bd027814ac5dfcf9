//! How the records table draws.

use std::sync::Arc;

use egui::{Align, Popup, TextEdit, Ui};
use joinscope_core::run::VerdictSet;
use joinscope_operator::time::format_duration;
use joinscope_operator::verdict::Verdict;

use super::ask::{self, Line, MOST, Page, Question, Source};
use super::{Place, Records};
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::jobs::Answer;
use crate::window::panels::failed;
use crate::window::selection::Selection;
use crate::window::table::{Cell, Column, RowCells, empty};
use crate::window::text::{self, elide_apart, from_bytes, thousands};
use crate::window::theme::fonts::icon;
use crate::window::theme::{SMALL, Tokens, fonts};
use crate::window::widgets::{button, verdict_shape};

const fn column(title: &'static str, width: f32, align: Align) -> Column {
    Column { title, width, align }
}

const OF_RUN: [Column; 7] = [
    column("Arrival", 76.0, Align::Max),
    column("Record", 190.0, Align::Min),
    column("Key", 110.0, Align::Min),
    column("Event time", 100.0, Align::Min),
    column("Late by", 76.0, Align::Max),
    column("Verdict", 92.0, Align::Min),
    column("Why", 0.0, Align::Min),
];

const OF_RECORDING: [Column; 6] = [
    column("Arrival", 76.0, Align::Max),
    column("Record", 200.0, Align::Min),
    column("Kafka key", 160.0, Align::Min),
    column("Timestamp", 110.0, Align::Min),
    column("Arrived", 110.0, Align::Min),
    column("Value", 0.0, Align::Min),
];

/// Room for a date before the time.
const DATE: f32 = 80.0;

/// `8,412 of 1,204,118`, and how far a search is.
pub fn sentence(this: &mut Records, cx: &Cx<'_>, source: &Source, len: Option<u64>) -> String {
    let all = cx.doc.run.as_ref().map(|r| r.rows);
    let shown = len.map_or_else(|| "…".to_owned(), thousands);
    match all {
        Some(_) if source.verdicts.is_empty() && source.search.is_none() => shown,
        Some(all) => {
            let mut text = format!("{shown} of {}", thousands(all));
            if let Some(percent) = this.found.percent() {
                let searched = format!(", {percent} % searched");
                text.push_str(&searched);
            }
            text
        }
        None => shown,
    }
}

/// The filter's chips, its menu, and the search field, from right to left.
pub fn controls(this: &mut Records, ui: &mut Ui, commands: &mut Vec<Command>) {
    let field = TextEdit::singleline(&mut this.typed)
        .hint_text("Search key or record")
        .font(fonts::mono(SMALL))
        .desired_width(150.0);
    let field = ui.add(field).accessible_name("Search key or record");
    let enter = field.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
    if enter || (field.changed() && this.typed.is_empty()) {
        commands.push(Command::Search(this.typed.trim().to_owned()));
    }
    let response = button("Filter").icon(icon::FILTER).name("Filter by verdict").show(ui);
    Popup::menu(&response)
        .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
        .show(|ui| menu(this.filter, ui, commands));
    if !this.filter.is_empty() {
        let names: Vec<&str> = Verdict::ALL
            .into_iter()
            .filter(|v| this.filter.contains(*v))
            .map(Verdict::name)
            .collect();
        let label = match names.as_slice() {
            [one] => format!("verdict is {one}"),
            more => format!("{} verdicts", more.len()),
        };
        let chip = button(&label).icon(icon::CLOSE).selected(true).show(ui);
        if chip.on_hover_text("Show all verdicts").clicked() {
            commands.push(Command::Filter(VerdictSet::EMPTY));
        }
    }
}

fn menu(filter: VerdictSet, ui: &mut Ui, commands: &mut Vec<Command>) {
    let t = Tokens::of(ui.ctx());
    ui.set_min_width(160.0);
    for verdict in Verdict::ALL {
        let mut on = filter.contains(verdict);
        ui.horizontal(|ui| {
            let (rect, _) = ui.allocate_exact_size(egui::vec2(14.0, 20.0), egui::Sense::hover());
            ui.painter().extend(verdict_shape(rect.center(), 4.5, verdict, t));
            if ui.checkbox(&mut on, verdict.name()).changed() {
                let set = if on { filter.with(verdict) } else { filter.without(verdict) };
                commands.push(Command::Filter(set));
            }
        });
    }
}

/// The table, or what stands in its place.
pub fn body(this: &mut Records, ui: &mut Ui, cx: &mut Cx<'_>, source: &Source, len: Option<u64>) {
    if let Some(error) = this.found.error() {
        if failed(ui, &error) {
            this.found = ask::Found::default();
        }
        return;
    }
    let searching = this.found.percent().is_some();
    if len == Some(0) && !searching && nothing(ui, cx, source) {
        return;
    }
    reveal(this, cx, source);
    let has_run = cx.doc.run.is_some();
    let mut columns: Vec<Column> = if has_run { OF_RUN.to_vec() } else { OF_RECORDING.to_vec() };
    let (first, last) = cx.clock.range().unwrap_or_default();
    if cx.times.exact(first).len() > 12 || cx.times.exact(last).len() > 12 {
        for c in &mut columns {
            if matches!(c.title, "Event time" | "Timestamp" | "Arrived") {
                c.width += DATE;
            }
        }
    }
    // Until the number of rows is known, one page of bars.
    let rows = len.unwrap_or(50);
    let laid = this.table.lay_out(ui, "Records", &columns, rows);
    let lines = ask_page(this, cx, source, &laid.rows);
    if let Err(error) = &lines {
        if failed(ui, error) {
            this.page.again();
        }
        return;
    }
    let lines = lines.unwrap_or_default();
    let chars = (laid.chars(ui, 1), laid.chars(ui, 2));
    let cells = cells_of(&lines, cx, chars);
    let stale = this.page.is_stale();
    if stale {
        ui.multiply_opacity(0.6);
    }
    if this.page.is_open() {
        // The dimming begins without an event of the user.
        ui.ctx().request_repaint_after(crate::window::jobs::DIM_AFTER);
    }
    let events = this.table.paint(ui, &laid, |position| {
        cells.get(position.checked_sub(lines.first())? as usize).cloned()
    });
    if let Some(line) = events.clicked.and_then(|at| lines.at(at)) {
        let selection = Some(Selection::Row(line.number()));
        cx.commands.push(Command::Select(selection, Some(line.arrival())));
    }
    if let Some(line) = events.hovered.and_then(|at| lines.at(at)) {
        *cx.hovers = Some(line.number());
    }
}

/// Nothing to show: says what to do next.
fn nothing(ui: &mut Ui, cx: &mut Cx<'_>, source: &Source) -> bool {
    if source.search.is_some() || !source.verdicts.is_empty() {
        empty(ui, "No record is like that", "Remove the filter or search for something else");
    } else if cx.doc.in_progress {
        empty(
            ui,
            "No record yet",
            "They appear as soon as the run has published its first segment",
        );
    } else {
        empty(ui, "No record", "The pipeline's topics hold none in this recording");
    }
    true
}

/// Brings the row that waits for it into sight.
fn reveal(this: &mut Records, cx: &Cx<'_>, source: &Source) {
    let Some(row) = this.reveal else { return };
    let place = if source.search.is_some() {
        this.found.place(row)
    } else if source.verdicts.is_empty() || cx.doc.run.is_none() {
        Some(row)
    } else {
        match this.rank(cx, row) {
            None => return, // asked for
            Some(Place::At(place)) => Some(place),
            Some(Place::Hidden) => None,
        }
    };
    if let Some(place) = place {
        this.table.reveal(place);
    }
    this.reveal = None;
}

/// The lines in sight, as far as they are read.
#[derive(Default)]
struct Lines {
    page: Option<Arc<Answer<Question, Page>>>,
}

impl Lines {
    /// Place of the first line in the table.
    fn first(&self) -> u64 {
        self.page.as_ref().map_or(0, |p| p.question.first)
    }

    fn all(&self) -> &[Line] {
        let page = self.page.as_ref().and_then(|p| p.result.as_ref().ok());
        page.map(|p| p.lines.as_slice()).unwrap_or_default()
    }

    fn at(&self, position: u64) -> Option<&Line> {
        self.all().get(position.checked_sub(self.first())? as usize)
    }
}

fn ask_page(
    this: &mut Records,
    cx: &Cx<'_>,
    source: &Source,
    seen: &std::ops::Range<u64>,
) -> Result<Lines, String> {
    // A little more than is in sight, at whole tens: scrolling by a row asks
    // nothing new.
    let first = seen.start.saturating_sub(10) / 10 * 10;
    let count = ((seen.end - first) as usize).next_multiple_of(10) + 10;
    let count = count.min(MOST);
    let rows = source.search.is_some().then(|| this.found.rows(first, count));
    let question = Question { source: source.clone(), first, count, rows };
    if let Some(run) = &cx.doc.run {
        let run = run.run.clone();
        this.page.ask(cx.jobs, question, move |q| ask::of_run(&run, q));
    } else if let Some(doc) = &cx.doc.recording {
        let recording = doc.recording.clone();
        this.page.ask(cx.jobs, question, move |q| ask::of_recording(&recording, q));
    }
    let Some(answer) = this.page.answer() else { return Ok(Lines::default()) };
    if answer.question.source.verdicts != source.verdicts
        || answer.question.source.search != source.search
    {
        return Ok(Lines::default());
    }
    match &answer.result {
        Ok(_) => Ok(Lines { page: Some(answer) }),
        Err(error) => Err(error.clone()),
    }
}

/// Cells of all lines, names and keys elided so that they stay apart.
fn cells_of(lines: &Lines, cx: &Cx<'_>, chars: (usize, usize)) -> Vec<RowCells> {
    let names: Vec<String> = lines.all().iter().map(name_of).collect();
    let keys: Vec<String> = lines.all().iter().map(key_of).collect();
    let names = elide_apart(&names, chars.0);
    let keys = elide_apart(&keys, chars.1);
    let lines = lines.all().iter().zip(names).zip(keys);
    lines.map(|((line, name), key)| cells(line, name, key, cx)).collect()
}

fn name_of(line: &Line) -> String {
    let name = match line {
        Line::Row { row, .. } => &row.record,
        Line::Record { name, .. } => name,
    };
    let offset = u64::try_from(name.offset).map_or_else(|_| name.offset.to_string(), thousands);
    text::line(&format!("{}[{}]@{offset}", name.topic, name.partition)).into_owned()
}

fn key_of(line: &Line) -> String {
    match line {
        Line::Row { row, .. } => row.key.as_ref().map(|k| text::line(&k.to_string()).into_owned()),
        Line::Record { record, .. } => {
            record.key.as_ref().map(|k| text::line(&from_bytes(head(k))).into_owned())
        }
    }
    .unwrap_or_else(|| "–".to_owned())
}

fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(text::LONGEST)]
}

fn cells(line: &Line, name: String, key: String, cx: &Cx<'_>) -> RowCells {
    let number = line.number();
    let selected = cx.selection == Some(Selection::Row(number));
    let hovered = cx.hover == Some(number);
    let mono = Cell::Mono;
    let time = |ms: Option<i64>| ms.map_or(Cell::Empty, |ms| mono(cx.times.exact(ms)));
    match line {
        Line::Row { row, why } => {
            let at = cx.cursor.at();
            let verdict = row.verdict_at(at).unwrap_or(row.verdict);
            let spoken = format!("arrival {}, {}, {verdict}", row.arrival, row.record);
            RowCells {
                cells: vec![
                    mono(thousands(row.arrival)),
                    mono(name),
                    mono(key),
                    time(row.event_time),
                    row.late_by.map_or(Cell::Empty, |ms| mono(format_duration(ms))),
                    Cell::Verdict(verdict),
                    Cell::Words(if verdict == row.verdict { why.clone() } else { String::new() }),
                ],
                name: spoken,
                selected,
                hovered,
                dimmed: row.arrival > at,
            }
        }
        Line::Record { record, name: full, .. } => {
            let value = match &record.value {
                None => "null".to_owned(),
                Some(v) => text::line(&from_bytes(&v[..v.len().min(160)])).into_owned(),
            };
            RowCells {
                cells: vec![
                    mono(thousands(record.arrival)),
                    mono(name),
                    mono(key),
                    time(record.timestamp),
                    time(Some(record.arrival_ms())),
                    Cell::Words(value),
                ],
                name: format!("arrival {}, {full}", record.arrival),
                selected,
                hovered,
                dimmed: number > cx.cursor.at(),
            }
        }
    }
}
