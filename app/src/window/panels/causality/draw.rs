//! How the diagram is drawn and acted on.

use egui::{
    Key, Modifiers, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, UiBuilder,
    WidgetInfo, pos2, vec2,
};
use joinscope_core::run::RowView;
use joinscope_operator::record::Arrival;
use joinscope_operator::time::format_duration;

use super::inversions;
use super::map::{Map, Moment, Spacing};
use super::paint::{arrows, axis, epochs, lanes, names};
use super::story::{Story, Subject};
use crate::window::axis::{GUTTER, RIGHT};
use crate::window::cx::Cx;
use crate::window::panels::outputs::kind_name;
use crate::window::ruler;
use crate::window::selection::Selection;
use crate::window::table::DIMMED;
use crate::window::text::thousands;
use crate::window::theme::Tokens;
use crate::window::widgets::verdict_shape;

/// Lanes are as high as the room allows, within these, points.
const LOWEST: f32 = 24.0;
const HIGHEST: f32 = 220.0;
/// Room at the ends of the diagram, points.
pub(super) const PAD: f32 = 18.0;
/// Of a node, points.
pub(super) const R: f32 = 5.0;

/// Order of what happens at one time.
pub(super) const HAPPENED: u8 = 0;
pub(super) const ARRIVED: u8 = 1;
pub(super) const PUT_OUT: u8 = 2;
pub(super) const ENDED: u8 = 3;

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
    pub(super) view: Option<(f64, f64)>,
    /// Scrolled down by, points.
    pub(super) top: f32,
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
pub(super) struct Placed<'a> {
    pub story: &'a Story,
    pub map: Map,
    pub lanes: Vec<u32>,
    pub plot: Rect,
    pub height: f32,
    pub top: f32,
    /// What the lanes need beyond the room there is, points.
    pub hidden: f32,
    pub view: (f64, f64),
}

impl Placed<'_> {
    pub fn x(&self, moment: Moment) -> f32 {
        let part = (self.map.place(moment) - self.view.0) / self.view.1;
        self.plot.left() + PAD + part as f32 * (self.plot.width() - 2.0 * PAD)
    }

    /// Height of the `i`-th lane's middle.
    pub fn y(&self, i: usize) -> f32 {
        self.plot.top() + (i as f32 + 0.5) * self.height - self.top
    }

    pub fn lane(&self, row: &RowView) -> f32 {
        self.y(self.lanes.iter().position(|l| *l == row.lane).unwrap_or(0))
    }

    pub fn engine(&self) -> f32 {
        self.y(self.lanes.len())
    }

    pub fn sink(&self) -> f32 {
        self.y(self.lanes.len() + 1)
    }

    pub fn epochs(&self) -> f32 {
        self.y(self.lanes.len() + 2)
    }

    /// Where a record happened; where it has no event time, where it arrived.
    pub fn happened(&self, row: &RowView) -> Pos2 {
        let moment = row.event_time.map_or((row.arrival_ms, ARRIVED), |ms| (ms, HAPPENED));
        pos2(self.x(moment), self.lane(row))
    }

    pub fn arrived(&self, ms: i64) -> Pos2 {
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
        let (rect, listed) = inversions::split(whole, s.story);
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
        later(ui, cx, &p, t);
        // Behind the nodes: a name that stands on it is read.
        cursor(ui, cx, &p, rect, t);
        let mut chosen = self.nodes(ui, cx, &p, &nodes, &response, t);
        self.lane_bar(ui, &p, rect);
        if let Some(listed) = listed {
            chosen = inversions::list(ui, cx, s.story, listed, t).or(chosen);
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
        // What rounding leaves over hides no lane.
        let most = Some(all * height - plot.height()).filter(|over| *over > 0.5).unwrap_or(0.0);
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
            hidden: most,
            view: self.view.unwrap_or((0.0, 1.0)),
        }
    }

    /// Wheel, drag and the keys that move what is in sight; others go from node to node.
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
            view.0 += self.pan(ui, p) * wide;
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
        let mut chosen = self.keys(ui, p, nodes, plot);
        let clip = p.plot.expand2(vec2(4.0, 0.0));
        let mut child = ui.new_child(
            UiBuilder::new().max_rect(clip).id_salt("nodes").accessibility_parent(plot.id),
        );
        child.set_clip_rect(clip.intersect(ui.clip_rect()));
        // Of what has not come yet.
        let mut faint = child.painter().clone();
        faint.multiply_opacity(DIMMED);
        let cursor = cx.cursor.at();
        for row in &p.story.rows {
            let at = p.happened(row);
            let verdict = row.verdict_at(cursor).unwrap_or(row.verdict);
            let brush = if row.arrival > cursor { &faint } else { child.painter() };
            brush.extend(verdict_shape(at, R, verdict, t));
            brush.circle_filled(p.arrived(row.arrival_ms), 2.5, t.second);
        }
        let mut painted: Option<f32> = None;
        for out in &p.story.outputs {
            let at = pos2(p.x((out.at_ms, PUT_OUT)), p.sink());
            // Of two faint ones on each other would come one that looks like the past.
            if painted.replace(at.x).is_some_and(|x| (x - at.x).abs() < 0.5) {
                continue;
            }
            let square = Rect::from_center_size(at, vec2(8.0, 8.0));
            let brush = if out.output.at > cursor { &faint } else { child.painter() };
            brush.rect(square, 1.5, t.raised, Stroke::new(1.5, t.text), StrokeKind::Middle);
        }
        epochs(child.painter(), &faint, now(cx, p), p, t);
        names(child.painter(), p, cx.selection, t);
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
            if response.gained_focus() {
                self.reveal(p, node.at);
            }
            if response.clicked() {
                chosen = Some((node.selection, node.arrival));
                self.active = i;
            }
            response.on_hover_text(format!("{}\n{}", node.name, node.detail));
        }
        chosen
    }

    fn keys(
        &mut self,
        ui: &Ui,
        p: &Placed<'_>,
        nodes: &[Node],
        plot: &Response,
    ) -> Option<(Selection, Arrival)> {
        if plot.clicked() || plot.drag_started() {
            plot.request_focus();
        }
        if !plot.has_focus() || nodes.is_empty() {
            return None;
        }
        let filter = egui::EventFilter {
            horizontal_arrows: true,
            vertical_arrows: p.hidden > 0.0,
            ..egui::EventFilter::default()
        };
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
                self.reveal(p, nodes[to].at);
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
            let lag = row.arrival_ms.saturating_sub(ms);
            let word = if lag < 0 { "before" } else { "after" };
            format!(", {} {word} it happened", format_duration(lag.saturating_abs()))
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

/// Arrival time at the cursor, ms: exact where it is an arrival of the story.
fn now(cx: &Cx<'_>, p: &Placed<'_>) -> i64 {
    let at = cx.cursor.at();
    let output = || p.story.outputs.iter().find(|o| o.output.at == at).map(|o| o.at_ms);
    let exact = p.story.times.get(&at).copied().or_else(output);
    exact.unwrap_or_else(|| cx.clock.time(at as f64).round() as i64)
}

/// Dims what is later than the cursor; what the cursor's own arrival sets off is not.
fn later(ui: &Ui, cx: &Cx<'_>, p: &Placed<'_>, t: &Tokens) {
    let Some((first, last)) = p.map.ends() else { return };
    let ms = now(cx, p);
    if cx.cursor.len() == 0 || ms > last {
        return;
    }
    let left = if ms < first { p.plot.left() } else { p.x((ms, PUT_OUT)) };
    let clip = p.plot.expand2(vec2(4.0, 0.0));
    let left = left.max(p.plot.left()).min(clip.right());
    let ground = Rect::from_x_y_ranges(left..=clip.right(), clip.y_range());
    ui.painter_at(clip).rect_filled(ground, 0, t.veil());
}

fn cursor(ui: &Ui, cx: &Cx<'_>, p: &Placed<'_>, rect: Rect, t: &Tokens) {
    let Some((first, last)) = p.map.ends() else { return };
    let ms = now(cx, p);
    if ms < first || ms > last {
        return;
    }
    let x = p.x((ms, ARRIVED));
    if x >= p.plot.left() && x <= p.plot.right() {
        let line = Stroke::new(1.5, t.cursor());
        ui.painter().vline(x, rect.top()..=p.plot.bottom(), line);
    }
}
