//! How the records table draws.

use std::sync::Arc;

use egui::Ui;

use super::ask::{self, Line, MOST, Page, Question, Source};
use super::columns::{Col, RowShown, key_line, paths};
use super::{Place, Records};
use crate::window::command::Command;
use crate::window::cursor::State;
use crate::window::cx::Cx;
use crate::window::jobs::Answer;
use crate::window::panels::watermarks::say::feeds_several;
use crate::window::panels::{failed, no_record, tools};
use crate::window::selection::Selection;
use crate::window::table::{Cell, Column, Head, RowCells, TIME, date_room, empty, fill};
use crate::window::text::{self, elide_apart, elide_records, from_bytes, plural, thousands};

const OF_RECORDING: [Column; 6] = [
    Column::figure("Arrival", 76.0),
    Column::soft("Record", 200.0, 110.0),
    Column::soft("Kafka key", 160.0, 64.0),
    Column::firm("Timestamp", TIME),
    Column::firm("Arrived", TIME),
    Column::rest("Value"),
];

/// `8,412 of 1,204,118`, and how far a search is.
pub fn sentence(this: &mut Records, cx: &Cx<'_>, source: &Source, len: Option<u64>) -> String {
    let all = cx.doc.run.as_ref().map(|r| r.rows);
    let shown = len.map_or_else(|| "…".to_owned(), thousands);
    let start = cx.doc.run.as_ref().map(|r| &r.manifest.start);
    let whole = match len {
        None => shown.clone(),
        // A record has a row for each input that it feeds.
        Some(_) if start.is_some_and(feeds_several) => {
            format!("{shown} rows of {}", plural(cx.cursor.len(), "record"))
        }
        Some(n) => plural(n, "record"),
    };
    let Some(all) = all.filter(|_| source.filters() || source.is_listed()) else { return whole };
    let mut text = if source.filters() || len != Some(all) {
        format!("{shown} of {}", thousands(all))
    } else {
        whole
    };
    text.push_str(&this.listing.how_far(source.sort.is_some()));
    text
}

/// The table, or what stands in its place.
pub fn body(this: &mut Records, ui: &mut Ui, cx: &mut Cx<'_>, source: &Source, len: Option<u64>) {
    if let Some(error) = this.listing.error() {
        if failed(ui, &error) {
            this.listing.again();
        }
        return;
    }
    let searching = this.listing.percent().is_some();
    if searching {
        tools::stop(ui, || this.listing.stop());
    }
    if len == Some(0) && !searching {
        nothing(ui, cx, source, this.listing.is_stopped());
        return;
    }
    reveal(this, cx, source);
    let (columns, heads) = columns(this, cx, source, ui.available_width());
    // Until the number of rows is known, one page of bars.
    let rows = len.unwrap_or(50);
    this.table.follow(cx.cursor.state() == State::Following && source.sort.is_none());
    let laid = this.table.lay_out_with(ui, "Records", &columns, heads, rows);
    let lines = match ask_page(this, cx, source, &laid.rows) {
        Ok(lines) => lines,
        Err(error) => {
            if failed(ui, &error) {
                this.page.again();
            }
            return;
        }
    };
    if this.controls.choosing {
        this.controls.fields = paths(lines.all().iter().filter_map(Line::value));
    }
    let at = |col: &Col| this.columns.iter().position(|c| c == col);
    let has_run = cx.doc.run.is_some();
    let places = if has_run { (at(&Col::Record), at(&Col::Key)) } else { (Some(1), Some(2)) };
    let chars = |place: Option<usize>| place.map_or(0, |n| laid.chars(ui, n));
    let cells = cells_of(&this.columns, &lines, cx, (chars(places.0), chars(places.1)));
    if this.page.is_stale() {
        ui.multiply_opacity(0.6);
    }
    if this.page.is_open() {
        // The dimming begins without an event of the user.
        ui.ctx().request_repaint_after(crate::window::jobs::DIM_AFTER);
    }
    if searching {
        // What it has found is looked at now and then.
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
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
    match events.copied.and_then(|at| lines.at(at)) {
        Some(Line::Record { name, record, .. }) => {
            cx.commands.push(Command::Copy(ask::record_as_json(name, record)));
        }
        Some(line) => this.copy_row(cx, line.number()),
        None => {}
    }
    if let Some(column) = events.sorted {
        this.sort_by(column);
    }
}

/// Nothing to show: says what to do next.
fn nothing(ui: &mut Ui, cx: &mut Cx<'_>, source: &Source, stopped: bool) {
    if stopped && source.is_listed() {
        empty(ui, "No record was found until it was stopped", tools::STOPPED);
    } else if source.filters() {
        empty(ui, "No record is like that", "Remove the filter or search for something else");
    } else {
        no_record(ui, cx, "They appear as soon as the run has published its first segment");
    }
}

/// `table`: how wide it is, points.
fn columns(this: &Records, cx: &Cx<'_>, source: &Source, table: f32) -> (Vec<Column>, Vec<Head>) {
    let date = date_room(cx.times, table);
    if cx.doc.run.is_none() {
        let mut columns = OF_RECORDING.to_vec();
        for c in &mut columns {
            if matches!(c.title, "Timestamp" | "Arrived") {
                *c = c.wider(date);
            }
        }
        return (columns, Vec::new());
    }
    let mut columns: Vec<Column> = this.columns.iter().map(|col| col.column(date)).collect();
    fill(&mut columns);
    let heads = this.columns.iter().map(|col| col.head(source.sort.as_ref())).collect();
    (columns, heads)
}

/// Brings the row that waits for it into sight.
fn reveal(this: &mut Records, cx: &Cx<'_>, source: &Source) {
    let Some(row) = this.reveal else { return };
    let place = if source.is_listed() && cx.doc.run.is_some() {
        let place = this.listing.place(row);
        if place.is_none() && this.listing.percent().is_some() {
            return; // it may still come
        }
        place
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
    let listed = source.is_listed() && cx.doc.run.is_some();
    let rows = listed.then(|| this.listing.lines(first, count));
    let values = this.controls.choosing || this.columns.iter().any(|c| matches!(c, Col::Field(_)));
    let question = Question { source: source.clone(), first, count, rows, values };
    if let Some(run) = &cx.doc.run {
        let run = run.run.clone();
        this.page.ask(cx.jobs, question, move |q| ask::of_run(&run, q));
    } else if let Some(doc) = &cx.doc.recording {
        let recording = doc.recording.clone();
        this.page.ask(cx.jobs, question, move |q| ask::of_recording(&recording, q));
    }
    let Some(answer) = this.page.answer() else { return Ok(Lines::default()) };
    if !answer.question.source.is_like(source) {
        return Ok(Lines::default());
    }
    match &answer.result {
        Ok(_) => Ok(Lines { page: Some(answer) }),
        Err(error) => Err(error.clone()),
    }
}

/// Cells of all lines, names and keys elided so that they stay apart.
fn cells_of(cols: &[Col], lines: &Lines, cx: &Cx<'_>, chars: (usize, usize)) -> Vec<RowCells> {
    let names: Vec<String> = lines.all().iter().map(name_of).collect();
    let keys: Vec<String> = lines.all().iter().map(key_of).collect();
    let names = elide_records(&names, chars.0);
    let keys = elide_apart(&keys, chars.1);
    let lines = lines.all().iter().zip(names).zip(keys);
    lines.map(|((line, name), key)| cells(cols, line, &name, &key, cx)).collect()
}

fn name_of(line: &Line) -> String {
    let name = match line {
        Line::Row { row, .. } => &row.record,
        Line::Record { name, .. } => name,
    };
    text::line(&name.to_string()).into_owned()
}

fn key_of(line: &Line) -> String {
    match line {
        Line::Row { row, .. } => row.key.as_ref().map_or_else(|| "–".to_owned(), key_line),
        Line::Record { record, .. } => match &record.key {
            None => "–".to_owned(),
            Some(key) => text::line(&from_bytes(head(key))).into_owned(),
        },
    }
}

/// No more bytes than a line can show.
fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(text::LONGEST)]
}

fn cells(cols: &[Col], line: &Line, name: &str, key: &str, cx: &Cx<'_>) -> RowCells {
    let number = line.number();
    let selected = cx.selection == Some(Selection::Row(number));
    let hovered = cx.hover == Some(number);
    let mono = Cell::Mono;
    match line {
        Line::Row { row, why, value } => {
            let at = cx.cursor.at();
            let verdict = row.verdict_at(at).unwrap_or(row.verdict);
            let inputs = cx.doc.pipeline_that_ran().map(|p| p.inputs.as_slice());
            let input = inputs.and_then(|i| i.get(usize::from(row.input)));
            let shown = RowShown {
                view: row,
                why,
                value: value.as_ref(),
                verdict,
                name,
                key,
                input: input.map_or("", |i| &*i.name),
            };
            RowCells {
                cells: cols.iter().map(|col| col.cell(&shown, cx)).collect(),
                name: format!("arrival {}, {}, {verdict}", row.arrival, row.record),
                selected,
                hovered,
                dimmed: row.arrival > at,
            }
        }
        Line::Record { record, name: full, .. } => {
            let time =
                |ms: Option<i64>| ms.map_or(Cell::Empty, |ms| Cell::Time(cx.times.exact(ms)));
            let value = match &record.value {
                None => "null".to_owned(),
                Some(v) => text::line(&from_bytes(&v[..v.len().min(160)])).into_owned(),
            };
            let elided = |shown: &str, whole| Cell::Elided { shown: shown.to_owned(), whole };
            RowCells {
                cells: vec![
                    mono(thousands(record.arrival)),
                    elided(name, full.to_string()),
                    elided(key, key_of(line)),
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
