//! How the panel is drawn and acted on.

use egui::{
    Align2, Mesh, Pos2, Rangef, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};
use joinscope_core::run::ManifestStart;
use joinscope_operator::verdict::Verdict;

use super::ask::{Drawn, Question};
use super::beyond;
use super::lines::{band_mesh, middle_lines, notches, paint};
use super::names::{NAME, Names, Side};
use super::point::point;
use super::reach::Reach;
use super::say::{by_density, called_in, unit};
use super::scale::{Height, Vertical};
use super::silent::{self, shade, shaded};
use crate::window::axis::Axis;
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::ruler;
use crate::window::selection::Selection;
use crate::window::text::{elide, plural, thousands};
use crate::window::theme::{INSET, SMALL, Tokens, fonts};

/// What is shown.
pub struct Shown<'a> {
    pub axis: Axis,
    pub vertical: Vertical,
    /// The lane that the sentence is about.
    pub lane: Option<u32>,
    /// The selected record's lane.
    pub selected: Option<u32>,
    /// The lane whose line stays lit.
    pub pinned: Option<u32>,
    pub sentence: &'a str,
    pub question: &'a Question,
    pub drawn: &'a Drawn,
    /// The scale covers what is far off, too.
    pub whole: bool,
}

impl Shown<'_> {
    /// What the vertical scale covers.
    pub fn reach(&self) -> Reach {
        if self.whole { Reach::ALL } else { self.drawn.reach }
    }

    /// Screen position of a bucket's left edge.
    pub fn x(&self, bucket: usize) -> f32 {
        let q = self.question;
        let span = (i128::from(q.range.to) - i128::from(q.range.from)) as f64;
        let at = q.range.from as f64 + span * bucket as f64 / q.buckets as f64;
        self.axis.x(at.round() as i64)
    }

    /// The bucket at a screen position.
    pub fn bucket(&self, x: f32) -> usize {
        let (left, right) = (self.x(0), self.x(self.question.buckets));
        let part = ((x - left) / (right - left).max(1.0)).clamp(0.0, 1.0);
        ((part * self.question.buckets as f32) as usize)
            .min(self.question.buckets.saturating_sub(1))
    }
}

/// Shows lines, axis and cursor over all room.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, s: &Shown<'_>) {
    let t = Tokens::of(ui.ctx());
    let rect = ui.available_rect_before_wrap();
    let plot = Rect::from_min_max(
        pos2(s.axis.left, rect.top() + 6.0),
        pos2(s.axis.left + s.axis.width, rect.bottom() - ruler::HEIGHT),
    );
    let response = ui.interact(plot, ui.scope_id().with("plot"), Sense::click_and_drag());
    describe(ui, &response, cx, s);
    act(ui, cx, s, &response);
    ruler::range(ui, cx, &s.axis, plot);
    ruler::marks(ui, cx, &s.axis, plot, t);
    let (low, high) = bounds(s);
    let height = Height::new(s.vertical, low, high, plot.y_range());
    grid(ui, cx, s, &height, plot, rect, t);
    let painter = ui.painter_at(plot.expand2(vec2(1.0, 0.0)));
    let shaded = shaded(s);
    shade(&painter, s, &shaded, plot, t);
    for band in &s.drawn.bands {
        painter.add(Shape::mesh(band_mesh(band, s, &height, t.third.gamma_multiply(0.25))));
        for line in middle_lines(&band.median, s, &height).into_iter().filter(|l| l.len() > 1) {
            painter.line(line, Stroke::new(1.0, t.third.gamma_multiply(0.8)));
        }
    }
    for (lane, line) in &s.drawn.lanes {
        if ![s.lane, s.selected, s.pinned].contains(&Some(*lane)) {
            paint(&painter, Some(*lane), line, s, &height, Stroke::new(1.0, t.faint()));
        }
    }
    for line in &s.drawn.inputs {
        paint(&painter, None, line, s, &height, Stroke::new(1.0, t.second));
    }
    let mut names = Names::new(&painter, cx, plot, s, &height);
    let find = |lane: Option<u32>| s.drawn.lanes.iter().find(|(l, _)| Some(*l) == lane);
    let is_lit = |l: &u32| [s.lane, s.selected].contains(&Some(*l));
    if let Some((lane, line)) = find(s.pinned.filter(|l| !is_lit(l))) {
        paint(&painter, Some(*lane), line, s, &height, Stroke::new(1.5, t.text));
        names.add(line, &format!("{}, pinned", called(cx, *lane)), Side::Over, t);
    }
    if let Some((lane, line)) = find(s.selected.filter(|l| Some(*l) != s.lane)) {
        paint(&painter, Some(*lane), line, s, &height, Stroke::new(1.5, t.accent));
        let text = format!("{}, selected", called(cx, *lane));
        names.add(line, &text, Side::Over, t);
    }
    if let Some((lane, line)) = find(s.lane) {
        // Wider than the join's, which lies on it where this one holds it back.
        paint(&painter, Some(*lane), line, s, &height, Stroke::new(3.0, t.verdict(Verdict::Late)));
        names.add(line, &called(cx, *lane), Side::Over, t);
    }
    paint(&painter, None, &s.drawn.join, s, &height, Stroke::new(1.5, t.text));
    names.add(&s.drawn.join, "join", Side::Under, t);
    silent::names(&mut names, cx, &shaded, t);
    name_inputs(&mut names, cx, s, t);
    if s.drawn.late_count > s.drawn.late.len() as u64 {
        let unit = cx.doc.run.as_ref().map_or("record", |r| unit(&r.manifest.start));
        names.at_foot(&by_density(unit), t);
    }
    notches(&painter, cx, s, &height, t);
    late(&painter, cx, s, &height, plot, t);
    beyond::marks(&painter, s, plot, t);
    ruler::later(ui, cx, &s.axis, plot, t);
    // Names stay legible where the cursor goes through them.
    ruler::line(ui, cx, &s.axis, plot, rect, t);
    ahead(ui, s, &height, plot, t);
    names.paint(t);
    point(ui, cx, s, &height, &response);
    if response.has_focus() {
        let line = Stroke::new(1.0, t.accent);
        ui.painter().rect_stroke(plot.shrink(0.5), 2, line, StrokeKind::Inside);
    }
}

/// A longer name would stand in the way, signs.
const LONGEST: usize = 28;

/// What a lane is called in this run.
pub(super) fn called(cx: &Cx<'_>, lane: u32) -> String {
    let name = cx.doc.run.as_ref().map(|r| name_in(&r.manifest.start, lane));
    name.unwrap_or_default()
}

/// The same, of a run that began so.
pub(super) fn name_in(start: &ManifestStart, lane: u32) -> String {
    elide(&called_in(start, lane), LONGEST)
}

/// What a scale without what is far off does not cover, in words.
pub(super) fn said_beyond(cx: &Cx<'_>, drawn: &Drawn) -> Option<String> {
    let run = cx.doc.run.as_ref().filter(|_| drawn.beyond.count() > 0)?;
    let thinned = drawn.late_count > drawn.late.len() as u64;
    Some(drawn.beyond.said(&|lane| called(cx, lane), unit(&run.manifest.start), thinned))
}

/// Names of the inputs' lines, where there is room.
fn name_inputs(names: &mut Names<'_>, cx: &Cx<'_>, s: &Shown<'_>, t: &Tokens) {
    let Some(run) = &cx.doc.run else { return };
    for (line, input) in s.drawn.inputs.iter().zip(&run.manifest.start.inputs) {
        // One that lies under the join's is named by that.
        let both = line.iter().zip(&s.drawn.join);
        let same = both.filter(|(a, b)| a.map(|v| v.max) == b.map(|v| v.max)).count();
        if same * 2 < line.len() {
            names.add_if_free(line, &elide(&input.name, LONGEST), Side::Over, t);
        }
    }
}

/// The panel's one node: its name and its sentence.
fn describe(ui: &Ui, response: &Response, cx: &Cx<'_>, s: &Shown<'_>) {
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, "Event-time watermark lines"));
    // A record that feeds two inputs has two rows.
    let unit = cx.doc.run.as_ref().map_or("record", |r| unit(&r.manifest.start));
    let mut value = format!(
        "{}; {} in sight; cursor at arrival {}",
        s.sentence,
        plural(s.drawn.late_count, &format!("late {unit}")),
        thousands(cx.cursor.at())
    );
    if let Some(lane) = s.pinned {
        value += &format!("; {} pinned", called(cx, lane));
    }
    if !s.drawn.gaps.is_empty() {
        value += &format!("; {} in offsets", plural(s.drawn.gaps.len() as u64, "gap"));
    }
    for range in shaded(s) {
        value += &format!("; {}", range.said(cx));
    }
    if !s.whole
        && let Some(said) = said_beyond(cx, s.drawn)
    {
        value += &format!("; beyond the scale: {said}");
    }
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(value.as_str()));
}

fn act(ui: &Ui, cx: &mut Cx<'_>, s: &Shown<'_>, response: &Response) {
    ruler::act(ui, cx, &s.axis, response);
    if response.clicked()
        && let Some(pos) = response.interact_pointer_pos()
        && let Some(late) = nearest(cx, s, pos)
    {
        let selection = Some(Selection::Row(late.0));
        cx.commands.push(Command::Select(selection, Some(late.1)));
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

/// Smallest and largest value that the scale covers.
fn bounds(s: &Shown<'_>) -> (i64, i64) {
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    let mut take = |v: i64| {
        low = low.min(v);
        high = high.max(v);
    };
    let reach = s.reach();
    let clock = &s.drawn.arrival_ms;
    let lines = s.drawn.lanes.iter().map(|(_, l)| l);
    let ends = lines.chain(&s.drawn.inputs).chain([&s.drawn.join]).flat_map(|line| {
        let both = line.iter().zip(clock).filter_map(|(v, ms)| (*v).zip(*ms));
        both.flat_map(|(v, ms)| [(ms.min, v.min), (ms.max, v.max)])
    });
    let late = s.drawn.late.iter().map(|late| (late.arrival_ms, late.event_time));
    for (arrival_ms, event_time) in ends.chain(late) {
        if reach.covers(Vertical::Lag.value(arrival_ms, event_time)) {
            take(s.vertical.value(arrival_ms, event_time));
        }
    }
    if low > high { (0, 1) } else { (low, high) }
}

fn grid(ui: &Ui, cx: &Cx<'_>, s: &Shown<'_>, height: &Height, plot: Rect, rect: Rect, t: &Tokens) {
    let painter = ui.painter();
    for (x, _) in ruler::ticks(cx, &s.axis) {
        let line = Stroke::new(1.0, t.line.gamma_multiply(0.5));
        painter.vline(x.round() + 0.5, plot.y_range(), line);
    }
    for (value, label) in height.ticks(cx.times, 34.0) {
        let y = height.y(value).round() + 0.5;
        painter.hline(plot.x_range(), y, Stroke::new(1.0, t.line.gamma_multiply(0.8)));
        let at = pos2(rect.left() + INSET, y);
        painter.text(at, Align2::LEFT_CENTER, label, fonts::mono(SMALL - 0.5), t.second);
    }
    let y = plot.bottom() + ruler::HEIGHT / 2.0;
    ruler::labels(painter, cx, &s.axis, y, rect.right(), t);
}

/// With more room above zero lag it is said what that is, points.
const AHEAD: f32 = 24.0;

/// Above zero only a watermark before its own arrivals.
fn ahead(ui: &Ui, s: &Shown<'_>, height: &Height, plot: Rect, t: &Tokens) {
    if s.vertical == Vertical::Lag && height.y(0) - plot.top() > AHEAD {
        let font = fonts::regular(SMALL - 0.5);
        let galley = ui.painter().layout_no_wrap("ahead of arrival".to_owned(), font, t.second);
        // A line of the grid may go through it.
        let at = Rect::from_min_size(plot.min + vec2(4.0, 1.0), galley.size());
        ui.painter().rect_filled(at.expand2(NAME), 3, t.under_words());
        ui.painter().galley(at.min, galley, t.second);
    }
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
            mesh.add_colored_rect(at, t.late_density());
        }
    }
    let reach = s.reach();
    for late in &s.drawn.late {
        let value = s.vertical.value(late.arrival_ms, late.event_time);
        let at = pos2(s.axis.x_of(late.arrival, cx.clock), height.y(value));
        let lag = Vertical::Lag.value(late.arrival_ms, late.event_time);
        if !reach.covers(lag) {
            beyond::arrow(painter, at.x, lag < 0, plot, colour);
            continue;
        }
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
