//! How the state panel draws: its sentence, and below the lines what rests in the
//! state at the cursor.

use egui::{Rect, Stroke, Ui, UiBuilder, pos2, vec2};
use joinscope_core::run::{StateLines, StateNow};
use joinscope_operator::time::format_duration;

use super::ask::{Line, Page, expiry_is_known, file_row};
use super::lines::lines;
use super::{Order, State};
use crate::window::axis::Scale;
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::jobs::DIM_AFTER;
use crate::window::panels::records::key_line;
use crate::window::panels::tools::copy_json;
use crate::window::panels::{failed, no_record, reading};
use crate::window::selection::Selection;
use crate::window::table::{Cell, Column, RowCells, TIME, date_room, empty};
use crate::window::text::{bytes, elide_apart, plural, thousands};
use crate::window::theme::Tokens;

/// Height of the lines above the table: a part of the panel, within bounds.
const LINES: (f32, f32, f32) = (0.42, 110.0, 260.0);

const KEYS: [Column; 5] = [
    // Figures far from their names are hard to read: nothing takes the rest.
    Column::soft("Key", 130.0, 90.0),
    Column::figure("Rows", 64.0),
    Column::firm("Newest event time", TITLED),
    Column::firm("First leaves after", TITLED),
    Column::firm("Last leaves after", TITLED),
];

const LEAVING: [Column; 5] = [
    Column::soft("Key", 130.0, 90.0),
    Column::soft("Record", 150.0, 110.0),
    Column::firm("Event time", TITLED),
    Column::firm("Leaves after", TITLED),
    Column::figure("Still to go", 96.0),
];

/// What a time's column needs for its title, points.
const TITLED: f32 = 112.0;

/// What rests in the state at the cursor.
pub fn sentence(this: &mut State, cx: &Cx<'_>, now: Option<&StateNow>) -> String {
    let Some(answer) = this.books.answer() else { return String::new() };
    let Ok(books) = &answer.result else {
        return "its books at the cursor cannot be read".to_owned();
    };
    if books.state_rows == 0 {
        return format!("empty at the cursor{}", by_checkpoint(cx));
    }
    let mut text = plural(books.state_rows, "row");
    let here = now.filter(|n| n.arrival == cx.cursor.at());
    match here {
        Some(n) if n.whole => {
            let of = format!(" of {} at the cursor", plural(n.keys, "key"));
            text.push_str(&of);
        }
        Some(n) => {
            let percent = (n.rows * 100).checked_div(n.of).unwrap_or(0);
            let how = format!(" at the cursor, {percent} % looked through");
            text.push_str(&how);
        }
        None => text.push_str(" at the cursor"),
    }
    // Before the first sample nobody knows.
    if books.state_bytes > 0 {
        let memory = format!(", {} in memory when last sampled", bytes(books.state_bytes));
        text.push_str(&memory);
    }
    let disk = this.lines.answer().and_then(|a| cold_at_cursor(cx, a.result.as_ref().ok()?));
    match disk {
        Some(0) => text.push_str(", none on disk alone"),
        Some(n) => {
            let on = format!(", {} on disk alone", plural(n, "row"));
            text.push_str(&on);
        }
        None => {}
    }
    text.push_str(&by_checkpoint(cx));
    text
}

/// What the newest checkpoint that the cursor has come to holds on disk, where there is
/// one and that is known.
fn by_checkpoint(cx: &Cx<'_>) -> String {
    let all = cx.doc.run.as_ref().map(|r| r.manifest.checkpoints.as_slice()).unwrap_or_default();
    let past = all.partition_point(|c| c.arrival <= cx.cursor.at().saturating_add(1));
    let newest = past.checked_sub(1).and_then(|n| all.get(n));
    let held = newest.and_then(|c| Some((c.disk_bytes?, c.epoch)));
    held.map_or_else(String::new, |(held, epoch)| {
        format!("; {} on disk in the checkpoint of epoch {}", bytes(held), thousands(epoch))
    })
}

/// Rows on disk alone, by the sample nearest to the cursor, where that is in sight.
fn cold_at_cursor(cx: &Cx<'_>, lines: &StateLines) -> Option<u64> {
    let arrival = cx.cursor.at() as f64;
    let at = match cx.scale {
        Scale::Arrival => arrival as i64,
        Scale::EventTime if cx.clock.has_event_time() => cx.clock.event_time(arrival) as i64,
        Scale::ArrivalTime | Scale::EventTime => cx.clock.time(arrival) as i64,
    };
    let range = lines.range;
    if range.axis != cx.axis(0.0, 1.0).range().axis || !(range.from..=range.to).contains(&at) {
        // The edge of what is in sight says nothing of the cursor beyond it.
        return None;
    }
    let span = lines.range.to.saturating_sub(lines.range.from).max(1);
    let part = at.saturating_sub(lines.range.from) as f64 / span as f64;
    let bucket = (part * lines.buckets as f64).clamp(0.0, lines.buckets as f64 - 1.0) as usize;
    lines.disk_rows.get(bucket).copied().flatten().map(|v| v.max.max(0) as u64)
}

/// Lines and table.
pub fn body(this: &mut State, ui: &mut Ui, cx: &mut Cx<'_>, now: Option<&StateNow>) {
    if cx.cursor.len() == 0 {
        no_record(ui, cx, "It fills as soon as the run has published its first segment");
        return;
    }
    let all = ui.available_rect_before_wrap();
    let height = (all.height() * LINES.0).clamp(LINES.1, LINES.2).min(all.height());
    let above = Rect::from_min_size(all.min, vec2(all.width(), height));
    let below = Rect::from_min_max(pos2(all.left(), above.bottom()), all.max);
    let mut child = ui.new_child(UiBuilder::new().max_rect(above).id_salt("lines"));
    lines(this, &mut child, cx);
    if below.height() < 60.0 {
        return;
    }
    let line = Stroke::new(1.0, Tokens::of(ui.ctx()).line);
    ui.painter().hline(below.x_range(), below.top() + 0.5, line);
    let mut child = ui.new_child(UiBuilder::new().max_rect(below).id_salt("content"));
    child.shrink_clip_rect(below);
    content(this, &mut child, cx, now);
}

/// Keys, or rows that leave next.
fn content(this: &mut State, ui: &mut Ui, cx: &mut Cx<'_>, now: Option<&StateNow>) {
    if let Some(error) = this.looking.error() {
        if failed(ui, &error) {
            this.looking = super::Looking::default();
        }
        return;
    }
    if this.looking.slot.is_open() {
        ui.ctx().request_repaint_after(DIM_AFTER);
    }
    let Some(now) = now else {
        reading(ui, "Looking through the state", "What rests in it at the cursor");
        return;
    };
    if now.rows == 0 && now.whole {
        let next = "No row waits for a match at the cursor; move it to where the lines rise";
        empty(ui, "The state is empty here", next);
        return;
    }
    let mut columns = match this.order {
        Order::Keys => KEYS,
        Order::Leaving => LEAVING,
    };
    let date = date_room(cx.times, ui.available_width());
    for c in &mut columns {
        if c.align == egui::Align::Min && (c.title.ends_with("time") || c.title.ends_with("after"))
        {
            *c = c.wider((TIME + date - TITLED).max(0.0));
        }
    }
    let len = match this.order {
        Order::Keys => now.heaviest.len(),
        Order::Leaving => now.next.len(),
    };
    let name = match this.order {
        Order::Keys => "Largest keys",
        Order::Leaving => "Rows that leave next",
    };
    let laid = this.table.lay_out(ui, name, &columns, len as u64);
    let stale = now.arrival != cx.cursor.at() && this.looking.slot.is_stale();
    let Some(answer) = this.ask_page(cx, now, &laid.rows) else {
        this.table.paint(ui, &laid, |_| None);
        return;
    };
    let page = match &answer.result {
        Ok(page) => page,
        Err(error) => {
            if failed(ui, error) {
                this.page.again();
            }
            return;
        }
    };
    if stale || this.page.is_stale() {
        ui.multiply_opacity(0.6);
    }
    if this.page.is_open() {
        ui.ctx().request_repaint_after(DIM_AFTER);
    }
    let keys: Vec<String> =
        page.lines.iter().map(|l| l.row.key.as_ref().map(key_line).unwrap_or_default()).collect();
    let shown = elide_apart(&keys, laid.chars(ui, 0));
    let known = cx.doc.run.as_ref().is_some_and(|d| expiry_is_known(&d.run));
    let from = laid.rows.start;
    let events = this.table.paint(ui, &laid, |n| {
        let i = n.checked_sub(from)? as usize;
        let line = page.lines.get(i)?;
        Some(cells(line, this.order, page, (&shown[i], &keys[i]), known, cx))
    });
    let line = events.clicked.and_then(|n| page.lines.get(n.checked_sub(from)? as usize));
    if let Some(line) = line {
        // The cursor stays: what is shown is the state there.
        cx.commands.push(Command::Select(Some(Selection::Row(line.row.row)), None));
    }
    if let Some(line) = events.hovered.and_then(|n| page.lines.get(n.checked_sub(from)? as usize)) {
        *cx.hovers = Some(line.row.row);
    }
    if let Some(line) = events.copied.and_then(|n| page.lines.get(n.checked_sub(from)? as usize)) {
        cx.commands.push(copy_json(&file_row(line, known).json));
    }
}

fn cells(
    line: &Line,
    order: Order,
    page: &Page,
    (shown, whole): (&str, &str),
    known: bool,
    cx: &Cx<'_>,
) -> RowCells {
    let time = |ms: Option<i64>| ms.map_or(Cell::Empty, |ms| Cell::Time(cx.times.exact(ms)));
    let due = |ms: i64| if known { time(Some(ms)) } else { Cell::Words("not known".to_owned()) };
    let key = Cell::Elided { shown: shown.to_owned(), whole: whole.to_owned() };
    let says_when = |what: &str| {
        if known { format!("{what} {}", cx.times.exact(line.due.0)) } else { String::new() }
    };
    let left = page.watermark.map(|w| line.due.0.saturating_sub(w).saturating_add(1));
    let (cells, name) = match order {
        Order::Keys => {
            let more = if line.more { "+" } else { "" };
            let cells = vec![
                key,
                Cell::Mono(format!("{}{more}", thousands(line.rows))),
                time(line.row.event_time),
                due(line.due.0),
                due(line.due.1),
            ];
            let leaves = says_when(", the first leaves after");
            (cells, format!("key {whole}, {}{leaves}", plural(line.rows, "row")))
        }
        Order::Leaving => {
            let record = line.row.record.to_string();
            let left = match left {
                Some(ms) if known => Cell::Mono(format_duration(ms.max(0))),
                _ => Cell::Empty,
            };
            let name = format!("{record}, key {whole}{}", says_when(", leaves after"));
            (vec![key, Cell::Name(record), time(line.row.event_time), due(line.due.0), left], name)
        }
    };
    RowCells {
        cells,
        name,
        selected: cx.selection == Some(Selection::Row(line.row.row)),
        hovered: cx.hover == Some(line.row.row),
        dimmed: false,
    }
}
