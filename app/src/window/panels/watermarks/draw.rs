//! How the lines are drawn.

use egui::{
    Align2, Color32, CornerRadius, Key, Mesh, Modifiers, Pos2, Rangef, Rect, Response, Role, Sense,
    Shape, Stroke, Ui, WidgetInfo, pos2, vec2,
};
use joinscope_core::run::{LaneInfo, MinMax};
use joinscope_operator::time::format_duration;
use joinscope_operator::verdict::Verdict;

use super::ask::{Band, Drawn, Line, Question};
use super::say::lane_name;
use super::scale::{Height, Vertical};
use crate::window::axis::{Axis, Scale, zoomed};
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::selection::Selection;
use crate::window::text::thousands;
use crate::window::theme::{INSET, SMALL, Tokens, fonts};
use crate::window::times::{count_step, tick_step};

/// Below the lines: the axis' labels.
const LABELS: f32 = 24.0;

/// What is shown.
pub struct Shown<'a> {
    pub axis: Axis,
    pub vertical: Vertical,
    /// The lane that the sentence is about.
    pub lane: Option<u32>,
    pub sentence: &'a str,
    pub question: &'a Question,
    pub drawn: &'a Drawn,
}

impl Shown<'_> {
    /// Screen position of a bucket's left edge.
    fn x(&self, bucket: usize) -> f32 {
        let q = self.question;
        let span = (i128::from(q.range.to) - i128::from(q.range.from)) as f64;
        let at = q.range.from as f64 + span * bucket as f64 / q.buckets as f64;
        self.axis.x(at.round() as i64)
    }
}

/// Shows lines, axis and cursor over all room.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, s: &Shown<'_>) {
    let t = Tokens::of(ui.ctx());
    let rect = ui.available_rect_before_wrap();
    let plot = Rect::from_min_max(
        pos2(s.axis.left, rect.top() + 6.0),
        pos2(s.axis.left + s.axis.width, rect.bottom() - LABELS),
    );
    let response = ui.interact(plot, ui.scope_id().with("plot"), Sense::click_and_drag());
    describe(ui, &response, cx, s);
    act(ui, cx, s, &response);
    let (low, high) = bounds(s);
    let height = Height::new(s.vertical, low, high, plot.y_range());
    grid(ui, cx, s, &height, plot, rect, t);
    let painter = ui.painter_at(plot.expand2(vec2(1.0, 0.0)));
    shade(&painter, s, plot, t);
    for band in &s.drawn.bands {
        painter.add(Shape::mesh(band_mesh(band, s, &height, t.third.gamma_multiply(0.25))));
        let line = middle_line(&band.median, s, &height);
        painter.line(line, Stroke::new(1.0, t.third.gamma_multiply(0.8)));
    }
    for (lane, line) in &s.drawn.lanes {
        let about = Some(*lane) == s.lane;
        if !about {
            paint(&painter, line, s, &height, Stroke::new(1.0, t.third.gamma_multiply(0.55)));
        }
    }
    for line in &s.drawn.inputs {
        paint(&painter, line, s, &height, Stroke::new(1.0, t.second));
    }
    if let Some((lane, line)) = s.drawn.lanes.iter().find(|(lane, _)| Some(*lane) == s.lane) {
        let colour = t.verdict(Verdict::Late);
        paint(&painter, line, s, &height, Stroke::new(2.0, colour));
        name(&painter, line, s, &height, plot, &about_name(cx, *lane), t);
    }
    paint(&painter, &s.drawn.join, s, &height, Stroke::new(2.0, t.text));
    name(&painter, &s.drawn.join, s, &height, plot, "join", t);
    late(&painter, cx, s, &height, plot, t);
    cursor(ui, cx, s, plot, rect, t);
}

fn lanes<'a>(cx: &'a Cx<'_>) -> &'a [LaneInfo] {
    cx.doc.run.as_ref().map(|r| r.manifest.start.lanes.as_slice()).unwrap_or_default()
}

fn about_name(cx: &Cx<'_>, lane: u32) -> String {
    lane_name(lanes(cx), lane)
}

/// The panel's one node: its name and its sentence.
fn describe(ui: &Ui, response: &Response, cx: &Cx<'_>, s: &Shown<'_>) {
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, "Event-time watermark lines"));
    let late = format!(
        "{}; {} late records in sight; cursor at arrival {}",
        s.sentence,
        thousands(s.drawn.late_count),
        cx.cursor.at()
    );
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(late.as_str()));
}

fn act(ui: &Ui, cx: &mut Cx<'_>, s: &Shown<'_>, response: &Response) {
    let axis = &s.axis;
    if let Some(pos) = response.interact_pointer_pos() {
        cx.commands.push(Command::GoTo(axis.arrival(pos.x, cx.clock)));
        response.request_focus();
        if response.clicked()
            && let Some(late) = nearest(cx, s, pos)
        {
            let selection = Some(Selection::Row(late.0));
            cx.commands.push(Command::Select(selection, Some(late.1)));
        }
    }
    if response.double_clicked() {
        cx.commands.push(Command::View(None));
    }
    if let Some(pos) = response.hover_pos() {
        let (scroll, zoom) = ui.input(|i| (i.smooth_scroll_delta, i.zoom_delta()));
        let factor = f64::from((-scroll.y / 200.0).exp() / zoom);
        if (factor - 1.0).abs() > 1e-3 {
            let at = axis.arrival(pos.x, cx.clock);
            let view = zoomed(cx.view, at, factor, cx.cursor.len());
            cx.commands.push(Command::View(view));
        }
    }
    if !response.has_focus() {
        return;
    }
    let filter = egui::EventFilter { horizontal_arrows: true, ..egui::EventFilter::default() };
    ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
    let page = ((cx.view.1 - cx.view.0) / 20).max(1) as i64;
    let moves = [
        (Key::ArrowLeft, Command::Step(-1)),
        (Key::ArrowRight, Command::Step(1)),
        (Key::PageUp, Command::Step(-page)),
        (Key::PageDown, Command::Step(page)),
        (Key::Home, Command::Start),
        (Key::End, Command::End),
    ];
    for (key, command) in moves {
        if ui.input_mut(|i| i.consume_key(Modifiers::NONE, key)) {
            cx.commands.push(command);
        }
    }
}

/// The late record under the pointer: row and arrival.
fn nearest(cx: &Cx<'_>, s: &Shown<'_>, pos: Pos2) -> Option<(u64, u64)> {
    let near = s.drawn.late.iter().map(|l| {
        let x = s.axis.x_of(l.arrival, cx.clock);
        ((x - pos.x).abs(), l)
    });
    let (far, late) = near.min_by(|a, b| a.0.total_cmp(&b.0))?;
    (far < 3.0).then_some((late.row, late.arrival))
}

/// Smallest and largest value that is drawn.
fn bounds(s: &Shown<'_>) -> (i64, i64) {
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    let mut take = |v: i64| {
        low = low.min(v);
        high = high.max(v);
    };
    let clock = &s.drawn.arrival_ms;
    let lines = s.drawn.lanes.iter().map(|(_, l)| l);
    for line in lines.chain(&s.drawn.inputs).chain([&s.drawn.join]) {
        for (value, ms) in line.iter().zip(clock) {
            if let (Some(v), Some(ms)) = (value, ms) {
                take(s.vertical.value(ms.min, v.min));
                take(s.vertical.value(ms.max, v.max));
            }
        }
    }
    for late in &s.drawn.late {
        take(s.vertical.value(late.arrival_ms, late.event_time));
    }
    if low > high { (0, 1) } else { (low, high) }
}

fn grid(ui: &Ui, cx: &Cx<'_>, s: &Shown<'_>, height: &Height, plot: Rect, rect: Rect, t: &Tokens) {
    let painter = ui.painter();
    let (step, ticks) = height.ticks(34.0);
    for value in ticks {
        let y = height.y(value).round() + 0.5;
        painter.hline(plot.x_range(), y, Stroke::new(1.0, t.line.gamma_multiply(0.8)));
        let label = match s.vertical {
            Vertical::Lag if value < 0 => format!("−{}", format_duration(-value)),
            Vertical::Lag => format_duration(value),
            Vertical::EventTime => cx.times.tick(value, step),
        };
        let at = pos2(rect.left() + INSET, y);
        painter.text(at, Align2::LEFT_CENTER, label, fonts::mono(SMALL - 0.5), t.second);
    }
    let y = plot.bottom() + LABELS / 2.0;
    let mut right = f32::NEG_INFINITY;
    for (x, label) in axis_ticks(cx, &s.axis) {
        let font = fonts::mono(SMALL - 0.5);
        let galley = painter.layout_no_wrap(label, font, t.second);
        let left = (x - galley.size().x / 2.0).min(rect.right() - 4.0 - galley.size().x);
        if left < right + 12.0 {
            continue;
        }
        right = left + galley.size().x;
        painter.galley(pos2(left, y - galley.size().y / 2.0), galley, t.second);
    }
}

/// Labels of the shared axis.
fn axis_ticks(cx: &Cx<'_>, axis: &Axis) -> Vec<(f32, String)> {
    const APART: f32 = 110.0;
    let span = axis.to.saturating_sub(axis.from);
    let least = span as f64 * f64::from(APART / axis.width);
    let step = match axis.scale {
        Scale::Arrival => count_step(least) as i64,
        Scale::ArrivalTime => tick_step(least.ceil() as i64),
    }
    .max(1);
    let first = axis.from.div_euclid(step).saturating_mul(step);
    (0..64)
        .map(|i| first.saturating_add(step.saturating_mul(i)))
        .skip_while(|v| *v < axis.from)
        .take_while(|v| *v <= axis.to)
        .map(|v| {
            let label = match axis.scale {
                Scale::Arrival => thousands(v.max(0) as u64),
                Scale::ArrivalTime => cx.times.tick(v, step),
            };
            (axis.x(v), label)
        })
        .collect()
}

/// Ranges in which a partition was silent.
fn shade(painter: &egui::Painter, s: &Shown<'_>, plot: Rect, t: &Tokens) {
    let mut ranges: Vec<(usize, usize)> =
        s.drawn.silences.iter().take(3).map(|silence| (silence.from, silence.to)).collect();
    ranges.sort_unstable();
    // Where two overlap the ground is not shaded twice.
    let mut shaded = 0;
    for (from, to) in ranges {
        let from = from.max(shaded);
        if from < to {
            let at = Rect::from_x_y_ranges(s.x(from)..=s.x(to), plot.y_range());
            painter.rect_filled(at, 0, t.shade());
            shaded = to;
        }
    }
}

/// A line through what it had at the start and the end of each bucket.
fn paint(painter: &egui::Painter, line: &Line, s: &Shown<'_>, height: &Height, stroke: Stroke) {
    let mut points: Vec<Pos2> = Vec::with_capacity(line.len() * 2);
    let clock = &s.drawn.arrival_ms;
    for (i, (value, ms)) in line.iter().zip(clock).enumerate() {
        let (Some(v), Some(ms)) = (value, ms) else {
            if points.len() > 1 {
                painter.line(std::mem::take(&mut points), stroke);
            }
            points.clear();
            continue;
        };
        for p in ends(i, *v, *ms, s, height) {
            if points.last() != Some(&p) {
                points.push(p);
            }
        }
    }
    if points.len() > 1 {
        painter.line(points, stroke);
    }
}

fn ends(i: usize, v: MinMax, ms: MinMax, s: &Shown<'_>, height: &Height) -> [Pos2; 2] {
    [
        pos2(s.x(i), height.y(s.vertical.value(ms.min, v.min))),
        pos2(s.x(i + 1), height.y(s.vertical.value(ms.max, v.max))),
    ]
}

fn middle_line(values: &[Option<i64>], s: &Shown<'_>, height: &Height) -> Vec<Pos2> {
    let clock = &s.drawn.arrival_ms;
    let both = values.iter().zip(clock).enumerate();
    both.filter_map(|(i, (v, ms))| {
        let value = s.vertical.value(ms.as_ref()?.max, (*v)?);
        Some(pos2(s.x(i + 1), height.y(value)))
    })
    .collect()
}

fn band_mesh(band: &Band, s: &Shown<'_>, height: &Height, colour: Color32) -> Mesh {
    let mut mesh = Mesh::default();
    let low = middle_line(&band.low, s, height);
    let high = middle_line(&band.high, s, height);
    for (a, b) in low.windows(2).zip(high.windows(2)) {
        let first = mesh.vertices.len() as u32;
        for p in [a[0], b[0], b[1], a[1]] {
            mesh.colored_vertex(p, colour);
        }
        mesh.add_triangle(first, first + 1, first + 2);
        mesh.add_triangle(first, first + 2, first + 3);
    }
    mesh
}

/// A line's name, under its right part.
fn name(
    painter: &egui::Painter,
    line: &Line,
    s: &Shown<'_>,
    height: &Height,
    plot: Rect,
    text: &str,
    t: &Tokens,
) {
    let from = line.len() * 5 / 6;
    let found =
        line.iter().zip(&s.drawn.arrival_ms).enumerate().skip(from).find_map(|(i, (v, ms))| {
            Some((i, s.vertical.value(ms.as_ref()?.max, v.as_ref()?.max)))
        });
    let Some((i, value)) = found else { return };
    let galley = painter.layout_no_wrap(text.to_owned(), fonts::regular(SMALL), t.text);
    let below = text == "join";
    let y = height.y(value);
    let top = if below { y + 5.0 } else { y - galley.size().y - 5.0 };
    let top = top.clamp(plot.top(), (plot.bottom() - galley.size().y).max(plot.top()));
    let left = s.x(i).min(plot.right() - galley.size().x - 2.0);
    let ground = Rect::from_min_size(pos2(left, top), galley.size()).expand2(vec2(3.0, 0.0));
    painter.rect_filled(ground, CornerRadius::same(3), t.panel.gamma_multiply(0.8));
    painter.galley(pos2(left, top), galley, t.text);
}

/// Late records, each where it is; where they are too many, the rest as density
/// at the foot.
fn late(
    painter: &egui::Painter,
    cx: &Cx<'_>,
    s: &Shown<'_>,
    height: &Height,
    plot: Rect,
    t: &Tokens,
) {
    let colour = t.verdict(Verdict::Late);
    let mut mesh = Mesh::default();
    if s.drawn.late_count > s.drawn.late.len() as u64 {
        let most = s.drawn.late_density.iter().copied().max().unwrap_or(0).max(1) as f32;
        for (i, n) in s.drawn.late_density.iter().enumerate().filter(|(_, n)| **n > 0) {
            let tall = (*n as f32 / most).sqrt() * 16.0 + 1.5;
            let x = Rangef::new(s.x(i), s.x(i + 1).max(s.x(i) + 1.0));
            let at = Rect::from_x_y_ranges(x, plot.bottom() - tall..=plot.bottom());
            mesh.add_colored_rect(at, colour.gamma_multiply(0.55));
        }
    }
    for late in &s.drawn.late {
        let value = s.vertical.value(late.arrival_ms, late.event_time);
        let at = pos2(s.axis.x_of(late.arrival, cx.clock), height.y(value));
        mesh.add_colored_rect(Rect::from_center_size(at, vec2(2.4, 2.4)), colour);
    }
    painter.add(Shape::mesh(mesh));
    let marked = |row: u64| Some(Selection::Row(row)) == cx.selection || Some(row) == cx.hover;
    for late in s.drawn.late.iter().filter(|l| marked(l.row)) {
        let value = s.vertical.value(late.arrival_ms, late.event_time);
        let at = pos2(s.axis.x_of(late.arrival, cx.clock), height.y(value));
        painter.circle_stroke(at, 5.0, Stroke::new(1.5, t.accent));
    }
}

/// The cursor, and what is later dimmed.
fn cursor(ui: &Ui, cx: &Cx<'_>, s: &Shown<'_>, plot: Rect, rect: Rect, t: &Tokens) {
    let at = cx.cursor.at();
    if at < cx.view.0 {
        ui.painter().rect_filled(plot, 0, t.panel.gamma_multiply(0.5));
        return;
    }
    if at > cx.view.1 {
        return;
    }
    let x = s.axis.x_of(at, cx.clock).clamp(plot.left(), plot.right());
    let later = Rect::from_x_y_ranges(x..=plot.right() + 1.0, plot.y_range());
    ui.painter().rect_filled(later, 0, t.panel.gamma_multiply(0.5));
    let line = Stroke::new(1.5, t.accent);
    ui.painter().vline(x, rect.top()..=rect.bottom(), line);
}
