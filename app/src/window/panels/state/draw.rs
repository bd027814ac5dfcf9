//! How the state panel draws: rows and bytes over time above, what rests in the
//! state at the cursor below.

use egui::{
    Color32, Mesh, Rect, Role, Sense, Shape, Stroke, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};
use joinscope_core::run::{MinMax, StateLines, StateNow};
use joinscope_operator::time::format_duration;

use super::ask::{Line, LinesQuestion, Page, expiry_is_known, file_row};
use super::{Order, State};
use crate::window::axis::{Axis, GUTTER, RIGHT, Scale};
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::jobs::DIM_AFTER;
use crate::window::panels::records::key_line;
use crate::window::panels::tools::copy_json;
use crate::window::panels::{failed, no_record, reading};
use crate::window::ruler;
use crate::window::selection::Selection;
use crate::window::table::{Cell, Column, RowCells, TIME, date_room, empty};
use crate::window::text::{bytes, elide_apart, plural, short_count, thousands};
use crate::window::theme::{INSET, SMALL, Tokens, fonts};

/// Points between buckets.
const STEP: f32 = 2.0;
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
    let Ok(books) = &answer.result else { return String::new() };
    if books.state_rows == 0 {
        return "empty at the cursor".to_owned();
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
    text
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

/// One of the two plots.
struct Plot<'a> {
    name: &'a str,
    rect: Rect,
    /// From the base up, and whether it is filled.
    line: &'a [Option<MinMax>],
    /// Of it, the part that is told apart by stripes.
    part: Option<&'a [Option<MinMax>]>,
    label: fn(u64) -> String,
}

fn lines(this: &mut State, ui: &mut Ui, cx: &mut Cx<'_>) {
    let t = Tokens::of(ui.ctx());
    let rect = ui.available_rect_before_wrap();
    let width = (rect.width() - GUTTER - RIGHT).max(10.0);
    let axis = cx.axis(rect.left() + GUTTER, width);
    let buckets = (width / STEP).floor().max(1.0) as usize;
    let question = LinesQuestion { revision: cx.doc.revision, range: axis.range(), buckets };
    let clock = cx.scale == Scale::Arrival || !cx.clock.is_empty();
    if let (Some(doc), true) = (&cx.doc.run, clock) {
        let run = doc.run.clone();
        this.lines.ask(cx.jobs, question, move |q| {
            run.state_lines(q.range, q.buckets).map_err(|e| e.to_string())
        });
    }
    if this.lines.is_open() {
        ui.ctx().request_repaint_after(DIM_AFTER);
    }
    let Some(answer) = this.lines.answer() else {
        reading(ui, "Reading the run", "How large the state was over time");
        return;
    };
    let found = match &answer.result {
        Ok(found) => found,
        Err(error) => {
            if failed(ui, error) {
                this.lines.again();
            }
            return;
        }
    };
    if this.lines.is_stale() {
        ui.multiply_opacity(0.6);
    }
    let plots = Rect::from_min_max(
        pos2(axis.left, rect.top() + 8.0),
        pos2(axis.left + axis.width, rect.bottom() - ruler::HEIGHT),
    );
    let response = ui.interact(plots, ui.scope_id().with("plot"), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, "State over time"));
    let said = spoken(found, cx);
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(said.as_str()));
    ruler::act(ui, cx, &axis, &response);
    let middle = plots.center().y;
    let gap = 5.0;
    let upper = Rect::from_x_y_ranges(plots.x_range(), plots.top()..=middle - gap);
    let lower = Rect::from_x_y_ranges(plots.x_range(), middle + gap..=plots.bottom());
    let disk = found.disk_rows.iter().flatten().any(|v| v.max > 0);
    let of_rows = Plot {
        name: "rows",
        rect: upper,
        line: &found.rows,
        part: disk.then_some(&found.disk_rows),
        label: short_count,
    };
    let of_bytes = Plot {
        // Held from one sample to the next: batches, of which a small run has few.
        name: "memory, sampled",
        rect: lower,
        line: &found.memory_bytes,
        part: None,
        label: bytes,
    };
    for plot in [of_rows, of_bytes] {
        paint(ui, cx, &axis, found, &plot, rect, t);
    }
    let y = plots.bottom() + ruler::HEIGHT / 2.0;
    ruler::labels(ui.painter(), cx, &axis, y, rect.right(), t);
    ruler::later(ui, cx, &axis, plots, t);
    if disk {
        name_part(ui, upper, t);
    }
    ruler::line(ui, cx, &axis, plots, rect, t);
    if response.has_focus() {
        let line = Stroke::new(1.0, t.accent);
        ui.painter().rect_stroke(plots.expand(2.0), 3, line, egui::StrokeKind::Outside);
    }
    if let Some(pos) = response.hover_pos() {
        hover(&response, cx, &axis, found, pos.x);
    }
}

/// What the pointer is over, in words.
fn hover(response: &egui::Response, cx: &Cx<'_>, axis: &Axis, found: &StateLines, x: f32) {
    let part = f64::from((x - axis.left) / axis.width).clamp(0.0, 1.0);
    let bucket = ((part * found.buckets as f64) as usize).min(found.buckets.saturating_sub(1));
    let at = |line: &[Option<MinMax>]| line.get(bucket).copied().flatten();
    let Some(rows) = at(&found.rows) else { return };
    let arrival = axis.arrival(x, cx.clock);
    let when = cx.times.full(cx.clock.time(arrival as f64) as i64);
    let mut said = format!("{when}\n{} in the state", plural(rows.max.max(0) as u64, "row"));
    if let Some(memory) = at(&found.memory_bytes) {
        let taken = format!(", {} in memory when sampled", bytes(memory.max.max(0) as u64));
        said.push_str(&taken);
    }
    if let Some(disk) = at(&found.disk_rows).filter(|d| d.max > 0) {
        let on = format!("\n{} on disk alone", plural(disk.max as u64, "row"));
        said.push_str(&on);
    }
    response.clone().on_hover_text_at_pointer(said);
}

/// The largest of each, for who cannot see the lines.
fn spoken(found: &StateLines, cx: &Cx<'_>) -> String {
    let most = |line: &[Option<MinMax>]| {
        line.iter().flatten().map(|v| v.max).max().unwrap_or(0).max(0) as u64
    };
    format!(
        "at most {} and {} in memory in sight, at most {} on disk alone; cursor at arrival {}",
        plural(most(&found.rows), "row"),
        bytes(most(&found.memory_bytes)),
        plural(most(&found.disk_rows), "row"),
        cx.cursor.at()
    )
}

fn paint(
    ui: &Ui,
    cx: &Cx<'_>,
    axis: &Axis,
    found: &StateLines,
    plot: &Plot<'_>,
    panel: Rect,
    t: &Tokens,
) {
    let painter = ui.painter();
    let most = plot.line.iter().flatten().map(|v| v.max).max().unwrap_or(0).max(1);
    let top = round_up(most as u64);
    let y = |value: i64| {
        let part = value.max(0) as f64 / top as f64;
        plot.rect.bottom() - (part * f64::from(plot.rect.height())) as f32
    };
    let base = plot.rect.bottom().round() - 0.5;
    painter.hline(plot.rect.x_range(), base, Stroke::new(1.0, t.line));
    painter.hline(plot.rect.x_range(), y(top as i64).round() + 0.5, Stroke::new(1.0, t.line));
    let left = panel.left() + INSET;
    let label_y = (plot.rect.top() + 5.0).min(plot.rect.center().y);
    ruler::gutter_label(painter, left, label_y, (plot.label)(top), t);
    let font = fonts::regular(SMALL);
    let name_y = plot.rect.bottom() - 7.0;
    painter.text(pos2(left, name_y), egui::Align2::LEFT_CENTER, plot.name, font, t.second);
    let x = |bucket: usize| {
        let span = (i128::from(found.range.to) - i128::from(found.range.from)) as f64;
        let at = found.range.from as f64 + span * bucket as f64 / found.buckets.max(1) as f64;
        axis.x(at.round() as i64)
    };
    let painter = ui.painter_at(plot.rect.expand(1.0));
    let mut mesh = Mesh::default();
    let fill = t.text.gamma_multiply(if t.dark { 0.16 } else { 0.12 });
    bars(&mut mesh, plot.line, &x, &y, base, fill);
    if let Some(part) = plot.part {
        bars(&mut mesh, part, &x, &y, base, t.third.gamma_multiply(0.7));
    }
    painter.add(Shape::mesh(mesh));
    // Its upper edge as a line of steps: up and down within a bucket both show.
    let mut points = Vec::with_capacity(plot.line.len() * 2);
    for (i, value) in plot.line.iter().enumerate() {
        let Some(v) = value else {
            if points.len() > 1 {
                painter.line(std::mem::take(&mut points), Stroke::new(1.5, t.second));
            }
            points.clear();
            continue;
        };
        points.push(pos2(x(i), y(v.max)));
        if v.min != v.max {
            points.push(pos2(x(i), y(v.min)));
        }
        points.push(pos2(x(i + 1), y(v.max)));
    }
    if points.len() > 1 {
        painter.line(points, Stroke::new(1.5, t.second));
    }
    let _ = cx;
}

/// Says what the stripes of a plot are.
fn name_part(ui: &Ui, plot: Rect, t: &Tokens) {
    let painter = ui.painter_at(plot.expand(1.0));
    let label = "on disk alone";
    let galley = painter.layout_no_wrap(label.to_owned(), fonts::regular(SMALL), t.text);
    let base = plot.bottom().round() - 0.5;
    let at = pos2(plot.right() - galley.size().x - 4.0, base - galley.size().y - 1.0);
    painter.galley(at, galley, t.text);
}

fn bars(
    mesh: &mut Mesh,
    line: &[Option<MinMax>],
    x: &dyn Fn(usize) -> f32,
    y: &dyn Fn(i64) -> f32,
    base: f32,
    colour: Color32,
) {
    for (i, value) in line.iter().enumerate() {
        if let Some(v) = value.filter(|v| v.max > 0) {
            let at = Rect::from_min_max(pos2(x(i), y(v.max)), pos2(x(i + 1), base));
            mesh.add_colored_rect(at, colour);
        }
    }
}

/// The next of a few round numbers, so that lines fill most of their plot.
fn round_up(n: u64) -> u64 {
    let mut unit = 1u64;
    loop {
        for step in [1, 2, 3, 4, 5, 6, 8] {
            let Some(top) = unit.checked_mul(step) else { return u64::MAX };
            if top >= n {
                return top;
            }
        }
        let Some(next) = unit.checked_mul(10) else { return u64::MAX };
        unit = next;
    }
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

#[cfg(test)]
mod tests {
    use super::round_up;

    #[test]
    fn scales_end_at_round_numbers() {
        assert_eq!([1, 3, 812, 1_204, 50_001].map(round_up), [1, 3, 1_000, 2_000, 60_000]);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }
}
