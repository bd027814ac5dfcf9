//! How the diagram is drawn and acted on.

use egui::{
    Align2, Color32, CornerRadius, Key, Modifiers, Pos2, Rect, Response, Role, Sense, Shape,
    Stroke, StrokeKind, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};
use joinscope_core::run::RowView;
use joinscope_operator::record::Arrival;
use joinscope_operator::time::format_duration;

use super::map::{Map, Moment, Spacing};
use super::story::{Kind, Story, Subject};
use crate::window::axis::{GUTTER, RIGHT};
use crate::window::cx::Cx;
use crate::window::panels::outputs::kind_name;
use crate::window::panels::watermarks::say::lane_name;
use crate::window::ruler;
use crate::window::selection::Selection;
use crate::window::text::thousands;
use crate::window::theme::{INSET, SMALL, Tokens, fonts};
use crate::window::widgets::{fit, verdict_shape};

/// Lanes are as high as the room allows, within these, points.
const LOWEST: f32 = 24.0;
const HIGHEST: f32 = 84.0;
/// The list of inversions.
const LIST: f32 = 260.0;
/// Room at the ends of the diagram, points.
const PAD: f32 = 18.0;
const R: f32 = 5.0;

/// Order of what happens at one time.
const HAPPENED: u8 = 0;
const ARRIVED: u8 = 1;
const PUT_OUT: u8 = 2;
const ENDED: u8 = 3;

/// What is shown.
pub struct Shown<'a> {
    pub story: &'a Story,
    pub about: Subject,
    pub spacing: Spacing,
    pub sentence: &'a str,
}

/// What stays between frames.
#[derive(Default)]
pub struct State {
    /// Part of the diagram in sight: left edge and width, of 1.
    view: Option<(f64, f64)>,
    /// Scrolled down by, points.
    top: f32,
    /// The node that the keyboard stands on.
    active: usize,
    /// What the view belongs to.
    about: Option<Subject>,
}

/// A node that can be pointed at.
struct Node {
    at: Pos2,
    selection: Selection,
    arrival: Arrival,
    name: String,
    detail: String,
}

/// Places of everything.
struct Placed<'a> {
    story: &'a Story,
    map: Map,
    lanes: Vec<u32>,
    plot: Rect,
    height: f32,
    top: f32,
    view: (f64, f64),
}

impl Placed<'_> {
    fn x(&self, moment: Moment) -> f32 {
        let part = (self.map.place(moment) - self.view.0) / self.view.1;
        self.plot.left() + PAD + part as f32 * (self.plot.width() - 2.0 * PAD)
    }

    /// Height of the `i`-th lane's middle.
    fn y(&self, i: usize) -> f32 {
        self.plot.top() + (i as f32 + 0.5) * self.height - self.top
    }

    fn lane(&self, row: &RowView) -> f32 {
        self.y(self.lanes.iter().position(|l| *l == row.lane).unwrap_or(0))
    }

    fn engine(&self) -> f32 {
        self.y(self.lanes.len())
    }

    fn sink(&self) -> f32 {
        self.y(self.lanes.len() + 1)
    }

    fn epochs(&self) -> f32 {
        self.y(self.lanes.len() + 2)
    }

    /// Where a record happened; where it has no event time, where it arrived.
    fn happened(&self, row: &RowView) -> Pos2 {
        let moment = row.event_time.map_or((row.arrival_ms, ARRIVED), |ms| (ms, HAPPENED));
        pos2(self.x(moment), self.lane(row))
    }

    fn arrived(&self, ms: i64) -> Pos2 {
        pos2(self.x((ms, ARRIVED)), self.engine())
    }
}

impl State {
    /// All of the diagram.
    pub fn whole(&mut self) {
        self.view = None;
    }

    /// Shows the diagram; what was chosen in it.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        cx: &mut Cx<'_>,
        s: &Shown<'_>,
    ) -> Option<(Selection, Arrival)> {
        if self.about != Some(s.about) {
            self.about = Some(s.about);
            self.active = 0;
        }
        let t = Tokens::of(ui.ctx());
        let whole = ui.available_rect_before_wrap();
        let listed = !s.story.inversions.is_empty() && whole.width() > 560.0;
        let mut rect = whole;
        if listed {
            rect.max.x -= LIST.min(whole.width() * 0.3);
        }
        let p = self.place(ui, s, rect);
        let response = ui.interact(p.plot, ui.scope_id().with("plot"), Sense::click_and_drag());
        response
            .widget_info(|| WidgetInfo::labeled(Role::Canvas, true, "Causality of the selection"));
        ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(s.sentence));
        self.act(ui, &p, &response);
        lanes(ui, cx, &p, rect, t);
        axis(ui, cx, &p, s.spacing, rect, t);
        let nodes = nodes(cx, &p);
        arrows(ui, cx, s, &p, t);
        let mut chosen = self.nodes(ui, cx, &p, &nodes, &response, t);
        cursor(ui, cx, &p, rect, t);
        if listed {
            let at = Rect::from_min_max(pos2(rect.right(), whole.top()), whole.max);
            chosen = list(ui, cx, s.story, at, t).or(chosen);
        }
        chosen
    }

    fn place<'a>(&mut self, ui: &Ui, s: &Shown<'a>, rect: Rect) -> Placed<'a> {
        let story = s.story;
        let mut lanes: Vec<u32> = story.rows.iter().map(|r| r.lane).collect();
        lanes.sort_unstable();
        lanes.dedup();
        let plot = Rect::from_min_max(
            pos2(rect.left() + GUTTER, rect.top() + 4.0),
            pos2(rect.right() - RIGHT, (rect.bottom() - ruler::HEIGHT).max(rect.top() + 40.0)),
        );
        let all = lanes.len() as f32 + 3.0;
        let height = (plot.height() / all).clamp(LOWEST, HIGHEST);
        let most = (all * height - plot.height()).max(0.0);
        let gutter = Rect::from_x_y_ranges(rect.left()..=plot.left(), plot.y_range());
        if ui.rect_contains_pointer(gutter) {
            self.top -= ui.input(|i| i.smooth_scroll_delta.y);
        }
        self.top = self.top.clamp(0.0, most);
        let happened = story.rows.iter().filter_map(|r| Some((r.event_time?, HAPPENED)));
        let arrived = story.times.values().map(|ms| (*ms, ARRIVED));
        let out = story.outputs.iter().flat_map(|o| [(o.at_ms, ARRIVED), (o.at_ms, PUT_OUT)]);
        let ended = story.epochs.iter().map(|e| (e.ends_ms, ENDED));
        let map = Map::new(happened.chain(arrived).chain(out).chain(ended), s.spacing);
        Placed {
            story,
            map,
            lanes,
            plot,
            height,
            top: self.top,
            view: self.view.unwrap_or((0.0, 1.0)),
        }
    }

    /// Wheel and drag; the keyboard moves from node to node.
    fn act(&mut self, ui: &Ui, p: &Placed<'_>, response: &Response) {
        let (left, wide) = p.view;
        let mut view = p.view;
        if response.double_clicked() {
            self.view = None;
            return;
        }
        let points = f64::from((p.plot.width() - 2.0 * PAD).max(1.0));
        if response.dragged() {
            view.0 -= f64::from(response.drag_delta().x) / points * wide;
        }
        if let Some(pos) = response.hover_pos() {
            let (scroll, zoom) = ui.input(|i| (i.smooth_scroll_delta, i.zoom_delta()));
            let factor = f64::from((-scroll.y / 200.0).exp() / zoom);
            let part = f64::from(pos.x - p.plot.left() - PAD) / points;
            view.0 += part * wide * (1.0 - factor) - f64::from(scroll.x) / points * wide;
            view.1 *= factor;
        }
        if response.has_focus() {
            for (key, factor) in [(Key::Plus, 0.5), (Key::Equals, 0.5), (Key::Minus, 2.0)] {
                if ui.input_mut(|i| i.consume_key(Modifiers::NONE, key)) {
                    view.0 += wide * (1.0 - factor) / 2.0;
                    view.1 *= factor;
                }
            }
            if ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Num0)) {
                view = (0.0, 1.0);
            }
        }
        if view == (left, wide) {
            return;
        }
        view.1 = view.1.clamp(1e-4, 1.0);
        view.0 = view.0.clamp(0.0, 1.0 - view.1);
        self.view = (view.1 < 1.0).then_some(view);
    }

    /// Nodes: what each says, and what a press on it selects.
    fn nodes(
        &mut self,
        ui: &mut Ui,
        cx: &mut Cx<'_>,
        p: &Placed<'_>,
        nodes: &[Node],
        plot: &Response,
        t: &Tokens,
    ) -> Option<(Selection, Arrival)> {
        let mut chosen = self.keys(ui, nodes, plot);
        let clip = p.plot.expand2(vec2(4.0, 0.0));
        let mut child = ui.new_child(
            UiBuilder::new().max_rect(clip).id_salt("nodes").accessibility_parent(plot.id),
        );
        child.set_clip_rect(clip.intersect(ui.clip_rect()));
        for row in &p.story.rows {
            let at = p.happened(row);
            let verdict = row.verdict_at(cx.cursor.at()).unwrap_or(row.verdict);
            child.painter().extend(verdict_shape(at, R, verdict, t));
            child.painter().circle_filled(p.arrived(row.arrival_ms), 2.5, t.second);
        }
        for out in &p.story.outputs {
            let at = pos2(p.x((out.at_ms, PUT_OUT)), p.sink());
            let square = Rect::from_center_size(at, vec2(8.0, 8.0));
            child.painter().rect(
                square,
                1.5,
                t.raised,
                Stroke::new(1.5, t.text),
                StrokeKind::Middle,
            );
        }
        epochs(child.painter(), p, t);
        names(child.painter(), p, t);
        for (i, node) in nodes.iter().enumerate() {
            let at = Rect::from_center_size(node.at, vec2(16.0, 16.0));
            let id = child.scope_id().with(("node", i));
            let response = child.interact(at.intersect(clip), id, Sense::click());
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &node.name));
            child.ctx().accesskit_node_builder(response.id, |n| n.set_value(node.detail.as_str()));
            let row = match node.selection {
                Selection::Row(row) => Some(row),
                Selection::Output(_) => None,
            };
            let selected = cx.selection == Some(node.selection);
            let hovered = response.hovered() || row.is_some() && row == cx.hover;
            let active = plot.has_focus() && i == self.active || response.has_focus();
            if selected || hovered || active {
                let wide = if selected { 2.0 } else { 1.0 };
                child.painter().circle_stroke(node.at, R + 4.0, Stroke::new(wide, t.accent));
            }
            if response.hovered()
                && let Some(row) = row
            {
                *cx.hovers = Some(row);
            }
            if response.clicked() {
                chosen = Some((node.selection, node.arrival));
                self.active = i;
            }
            response.on_hover_text(format!("{}\n{}", node.name, node.detail));
        }
        chosen
    }

    fn keys(&mut self, ui: &Ui, nodes: &[Node], plot: &Response) -> Option<(Selection, Arrival)> {
        if plot.clicked() || plot.drag_started() {
            plot.request_focus();
        }
        if !plot.has_focus() || nodes.is_empty() {
            return None;
        }
        let filter = egui::EventFilter { horizontal_arrows: true, ..egui::EventFilter::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(plot.id, filter));
        let last = nodes.len() - 1;
        let here = self.active.min(last);
        self.active = here;
        let moves = [
            (Key::ArrowLeft, here.saturating_sub(1)),
            (Key::ArrowRight, (here + 1).min(last)),
            (Key::Home, 0),
            (Key::End, last),
        ];
        for (key, to) in moves {
            if ui.input_mut(|i| i.consume_key(Modifiers::NONE, key)) {
                self.active = to;
            }
        }
        let enter = ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter));
        enter.then(|| (nodes[self.active].selection, nodes[self.active].arrival))
    }
}

/// Records, then outputs, from left to right.
fn nodes(cx: &Cx<'_>, p: &Placed<'_>) -> Vec<Node> {
    let records = p.story.rows.iter().map(|row| {
        let event = row.event_time.map_or_else(|| "none".to_owned(), |ms| cx.times.full(ms));
        let behind = row.event_time.map_or_else(String::new, |ms| {
            format!(", {} after it happened", format_duration(row.arrival_ms.saturating_sub(ms)))
        });
        Node {
            at: p.happened(row),
            selection: Selection::Row(row.row),
            arrival: row.arrival,
            name: format!("{}, {}", row.record, row.verdict),
            detail: format!(
                "event time {event}\narrived {}{behind}\narrival {}",
                cx.times.full(row.arrival_ms),
                thousands(row.arrival)
            ),
        }
    });
    let outputs = p.story.outputs.iter().map(|out| Node {
        at: pos2(p.x((out.at_ms, PUT_OUT)), p.sink()),
        selection: Selection::Output(out.output.n),
        arrival: out.output.at,
        name: format!(
            "output {}, {}",
            thousands(out.output.n),
            kind_name(out.output.kind, out.output.correction)
        ),
        detail: format!(
            "time {}\nput out {} at arrival {}\nepoch {}",
            cx.times.full(out.output.time),
            cx.times.full(out.at_ms),
            thousands(out.output.at),
            thousands(out.output.epoch),
        ),
    });
    let mut nodes: Vec<Node> = records.chain(outputs).collect();
    nodes.sort_by(|a, b| a.at.x.total_cmp(&b.at.x));
    nodes
}

fn lanes(ui: &mut Ui, cx: &Cx<'_>, p: &Placed<'_>, rect: Rect, t: &Tokens) {
    let start = cx.doc.run.as_ref().map(|r| &r.manifest.start);
    let infos = start.map(|s| s.lanes.as_slice()).unwrap_or_default();
    // Of a topic that two inputs read, a lane is called by its input.
    let called = |lane: u32| {
        let info = infos.get(lane as usize)?;
        let twin = infos.iter().any(|o| {
            (o.input, o.partition) != (info.input, info.partition)
                && o.topic == info.topic
                && o.partition == info.partition
        });
        let input = start?.inputs.get(usize::from(info.input))?;
        twin.then(|| format!("{}[{}]", input.name, info.partition))
    };
    let name_of = |lane: &u32| called(*lane).unwrap_or_else(|| lane_name(infos, *lane));
    let mut names: Vec<String> = p.lanes.iter().map(name_of).collect();
    names.extend(["engine", "sink", "epochs"].map(str::to_owned));
    let clip = Rect::from_x_y_ranges(rect.x_range(), p.plot.y_range());
    for (i, name) in names.iter().enumerate() {
        let y = p.y(i);
        let row = Rect::from_x_y_ranges(rect.x_range(), y - p.height / 2.0..=y + p.height / 2.0);
        if !row.intersects(clip) {
            continue;
        }
        let painter = ui.painter_at(clip);
        let own = i >= p.lanes.len();
        if own {
            let ground =
                Rect::from_x_y_ranges(p.plot.x_range(), row.y_range()).shrink2(vec2(0.0, 2.0));
            painter.rect_filled(ground, CornerRadius::same(4), t.raised.gamma_multiply(0.6));
        }
        painter.hline(p.plot.x_range(), y.round() + 0.5, Stroke::new(1.0, t.line));
        let font = fonts::regular(SMALL);
        let shown = fit(ui, name, &font, GUTTER - INSET - 10.0);
        let ink = if own { t.text } else { t.second };
        painter.text(pos2(rect.left() + INSET, y), Align2::LEFT_CENTER, &shown, font, ink);
        let label = Rect::from_x_y_ranges(rect.left()..=p.plot.left() - 4.0, row.y_range());
        let id = ui.scope_id().with(("lane", i));
        let response = ui.interact(label.intersect(clip), id, Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, name));
        response.on_hover_text(name);
    }
}

/// Times of what is in sight, as many as fit.
fn axis(ui: &Ui, cx: &Cx<'_>, p: &Placed<'_>, spacing: Spacing, rect: Rect, t: &Tokens) {
    let painter = ui.painter_at(rect);
    let y = rect.bottom() - ruler::HEIGHT / 2.0;
    let mut taken = rect.left() + GUTTER - 12.0;
    for (ms, _) in p.map.times() {
        let x = p.x((ms, HAPPENED));
        if x < p.plot.left() || x > p.plot.right() {
            continue;
        }
        let galley = painter.layout_no_wrap(cx.times.exact(ms), fonts::mono(SMALL - 0.5), t.second);
        let left = (x - galley.size().x / 2.0)
            .clamp(p.plot.left() - 12.0, p.plot.right() - galley.size().x);
        if left < taken + 14.0 {
            continue;
        }
        taken = left + galley.size().x;
        let line = Stroke::new(1.0, t.line.gamma_multiply(0.5));
        painter.vline(x.round() + 0.5, p.plot.y_range(), line);
        painter.galley(pos2(left, y - galley.size().y / 2.0), galley, t.second);
    }
    if spacing == Spacing::Shortened {
        let at = pos2(rect.left() + INSET, y);
        painter.text(at, Align2::LEFT_CENTER, "not to scale", fonts::regular(SMALL - 1.0), t.third);
    }
}

/// What led to what.
fn arrows(ui: &Ui, cx: &Cx<'_>, s: &Shown<'_>, p: &Placed<'_>, t: &Tokens) {
    let painter = ui.painter_at(p.plot.expand2(vec2(4.0, 0.0)));
    let marked = |row: u64| cx.selection == Some(Selection::Row(row)) || cx.hover == Some(row);
    let plain = Stroke::new(1.0, t.third.gamma_multiply(0.7));
    let strong = Stroke::new(1.8, t.accent);
    for row in &p.story.rows {
        let turned = p.story.inversions.iter().any(|i| i.row == row.row && i.kind == Kind::Arrival);
        let from = p.happened(row);
        let to = p.arrived(row.arrival_ms);
        let stroke = match (marked(row.row), turned) {
            (true, _) => strong,
            (_, true) => Stroke::new(1.8, t.text),
            _ => plain,
        };
        arrow(&painter, from, to, stroke, turned);
    }
    for c in &p.story.caused {
        let Some(row) = p.story.rows.iter().find(|r| r.row == c.row) else { continue };
        let time = |arrival: Arrival| p.story.times.get(&arrival).copied();
        let Some(at) = time(c.at) else { continue };
        let froms = [time(c.cause).filter(|_| c.cause != c.at), Some(row.arrival_ms)];
        for from in froms.into_iter().flatten().filter(|ms| *ms != at) {
            let stroke = if marked(c.row) { strong } else { plain };
            arc(&painter, p.arrived(from), p.arrived(at), p.height, stroke);
        }
    }
    for out in &p.story.outputs {
        let whole = matches!(s.about, Subject::Output(n) if n == out.output.n);
        let about = whole || out.output.rows.iter().any(|r| marked(*r));
        let stroke = if about { strong } else { plain };
        let engine = p.arrived(out.at_ms);
        for row in p.story.rows.iter().filter(|r| out.output.rows.contains(&r.row)) {
            if row.arrival_ms != out.at_ms {
                let stroke = if whole || marked(row.row) { strong } else { plain };
                arc(&painter, p.arrived(row.arrival_ms), engine, p.height, stroke);
            }
        }
        painter.circle_filled(engine, 2.5, t.second);
        let sink = pos2(p.x((out.at_ms, PUT_OUT)), p.sink());
        arrow(&painter, engine, sink, stroke, false);
        if let Some(epoch) = p.story.epochs.iter().find(|e| e.n == out.output.epoch) {
            let end = pos2(p.x((epoch.ends_ms, ENDED)), p.epochs());
            arrow(&painter, sink, end, stroke, false);
        }
    }
    // What is held against what: by event time, on the lanes themselves.
    for i in p.story.inversions.iter().filter(|i| i.kind == Kind::EventTime && i.row != i.against) {
        let find = |row: u64| p.story.rows.iter().find(|r| r.row == row);
        if let (Some(a), Some(b)) = (find(i.against), find(i.row)) {
            let points = [p.happened(a), p.happened(b)];
            painter.add(Shape::dashed_line(&points, Stroke::new(1.5, t.text), 5.0, 4.0));
        }
    }
}

fn arrow(painter: &egui::Painter, from: Pos2, to: Pos2, stroke: Stroke, dashed: bool) {
    let along = to - from;
    let far = along.length();
    if far < 4.0 {
        return;
    }
    let way = along / far;
    // It begins and ends at the edge of the nodes.
    let (from, to) = (from + way * (R + 1.0).min(far / 3.0), to - way * 4.0_f32.min(far / 3.0));
    if dashed {
        painter.add(Shape::dashed_line(&[from, to], stroke, 6.0, 3.0));
    } else {
        painter.line_segment([from, to], stroke);
    }
    head(painter, to, way, stroke.color);
}

fn head(painter: &egui::Painter, to: Pos2, way: egui::Vec2, colour: Color32) {
    let side = way.rot90() * 3.0;
    let back = to - way * 6.0;
    let points = vec![to, back + side, back - side];
    painter.add(Shape::convex_polygon(points, colour, Stroke::NONE));
}

/// Along the engine's lane, above its line.
fn arc(painter: &egui::Painter, from: Pos2, to: Pos2, height: f32, stroke: Stroke) {
    let wide = to.x - from.x;
    if wide.abs() < 3.0 {
        return;
    }
    let up = (wide.abs() * 0.18).clamp(5.0, height * 0.44);
    let points = [from, from + vec2(wide * 0.2, -up), to + vec2(-wide * 0.2, -up), to];
    let line = egui::epaint::CubicBezierShape::from_points_stroke(
        points,
        false,
        Color32::TRANSPARENT,
        stroke,
    );
    painter.add(line);
    head(painter, to, (to - points[2]).normalized(), stroke.color);
}

/// What the nodes are called, beside them where there is room.
fn names(painter: &egui::Painter, p: &Placed<'_>, t: &Tokens) {
    let records = p.story.rows.iter().map(|row| {
        let offset = thousands(row.record.offset.unsigned_abs());
        (p.happened(row), format!("@{offset}"))
    });
    let outputs = p.story.outputs.iter().map(|out| {
        let at = pos2(p.x((out.at_ms, PUT_OUT)), p.sink());
        (at, kind_name(out.output.kind, out.output.correction).to_owned())
    });
    let mut all: Vec<(Pos2, String)> = records.chain(outputs).collect();
    all.sort_by(|a, b| {
        (a.0.y, a.0.x).partial_cmp(&(b.0.y, b.0.x)).unwrap_or(std::cmp::Ordering::Equal)
    });
    for (i, (at, text)) in all.iter().enumerate() {
        let galley = painter.layout_no_wrap(text.clone(), fonts::mono(SMALL - 1.0), t.second);
        let left = at.x - galley.size().x / 2.0;
        let top = at.y - R - 4.0 - galley.size().y;
        let beside = |other: Option<&(Pos2, String)>| {
            other.is_some_and(|o| {
                (o.0.y - at.y).abs() < 1.0 && (o.0.x - at.x).abs() < galley.size().x + 10.0
            })
        };
        let crowded = beside(i.checked_sub(1).and_then(|i| all.get(i))) || beside(all.get(i + 1));
        if !crowded && top > p.plot.top() - 2.0 {
            painter.galley(pos2(left.max(p.plot.left()), top), galley, t.second);
        }
    }
}

fn epochs(painter: &egui::Painter, p: &Placed<'_>, t: &Tokens) {
    for (i, epoch) in p.story.epochs.iter().enumerate() {
        let at = pos2(p.x((epoch.ends_ms, ENDED)), p.epochs());
        painter.vline(at.x, p.sink() - 8.0..=at.y, Stroke::new(1.0, t.third));
        let fill = if epoch.snapshot { t.text } else { t.panel };
        let diamond = [vec2(0.0, -5.0), vec2(5.0, 0.0), vec2(0.0, 5.0), vec2(-5.0, 0.0)];
        let points = diamond.iter().map(|d| at + *d).collect();
        painter.add(Shape::convex_polygon(points, fill, Stroke::new(1.5, t.text)));
        let text = format!("epoch {}", thousands(epoch.n));
        let galley = painter.layout_no_wrap(text, fonts::mono(SMALL - 1.0), t.second);
        // At the side where there is room; where there is none it is in the tooltip
        // of its outputs.
        let wide = galley.size().x;
        let beside = |n: Option<usize>| {
            let other = n.and_then(|n| p.story.epochs.get(n));
            other.map(|e| p.x((e.ends_ms, ENDED)))
        };
        let next = beside(Some(i + 1)).unwrap_or(p.plot.right());
        let before = beside(i.checked_sub(1)).unwrap_or(p.plot.left());
        let left = if at.x + 15.0 + wide < next {
            at.x + 9.0
        } else if i + 1 == p.story.epochs.len() && at.x - 15.0 - wide > before {
            at.x - 9.0 - wide
        } else {
            continue;
        };
        painter.galley(pos2(left, at.y - galley.size().y / 2.0), galley, t.second);
    }
}

fn cursor(ui: &Ui, cx: &Cx<'_>, p: &Placed<'_>, rect: Rect, t: &Tokens) {
    let Some((first, last)) = p.map.ends() else { return };
    let ms = cx.clock.time(cx.cursor.at() as f64).round() as i64;
    let exact = p.story.rows.iter().find(|r| r.arrival == cx.cursor.at());
    let ms = exact.map_or(ms, |r| r.arrival_ms);
    if ms < first || ms > last {
        return;
    }
    let x = p.x((ms, ARRIVED));
    if x >= p.plot.left() && x <= p.plot.right() {
        let line = Stroke::new(1.5, t.accent.gamma_multiply(0.8));
        ui.painter().vline(x, rect.top()..=p.plot.bottom(), line);
    }
}

/// The inversions; a press selects.
fn list(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    story: &Story,
    at: Rect,
    t: &Tokens,
) -> Option<(Selection, Arrival)> {
    ui.painter().vline(at.left(), at.y_range(), Stroke::new(1.0, t.line));
    let inner = at.shrink2(vec2(INSET, 4.0));
    let mut child = ui.new_child(UiBuilder::new().max_rect(inner).id_salt("inversions"));
    child.shrink_clip_rect(at);
    let mut chosen = None;
    egui::ScrollArea::vertical().id_salt("inversions").show(&mut child, |ui| {
        for (kind, title) in [
            (Kind::Arrival, "Out of order by arrival"),
            (Kind::EventTime, "Out of order by event time"),
        ] {
            let of: Vec<_> = story.inversions.iter().filter(|i| i.kind == kind).collect();
            if of.is_empty() {
                continue;
            }
            crate::window::widgets::group(ui, title);
            for i in of {
                let Some(row) = story.rows.iter().find(|r| r.row == i.row) else { continue };
                let selected = cx.selection == Some(Selection::Row(i.row));
                let ink = if selected { t.text } else { t.second };
                let text = egui::RichText::new(&i.text).font(fonts::regular(SMALL)).color(ink);
                let width = ui.available_width();
                let label = egui::Label::new(text).wrap().sense(Sense::click());
                let response = ui.add_sized(vec2(width, 0.0), label);
                response.widget_info(|| WidgetInfo::labeled(Role::Link, true, &i.text));
                if response.hovered() || response.has_focus() {
                    *cx.hovers = Some(i.row);
                    let under = response.rect.bottom() + 1.0;
                    let line = Stroke::new(1.0, t.accent);
                    ui.painter().hline(response.rect.x_range(), under, line);
                }
                if response.clicked() {
                    chosen = Some((Selection::Row(i.row), row.arrival));
                }
                ui.add_space(6.0);
            }
        }
    });
    chosen
}
