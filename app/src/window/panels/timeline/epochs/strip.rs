//! The strip: at its foot what stands, above it what came to nothing, at its
//! head where a process crashed (a cross, and a dashed line through the rows)
//! and where one went on (an arrow's head to the left). Each fate has a shape
//! of its own: committed is filled, found committed has a hole, prepared is
//! hollow, what came to nothing is struck through. More than can stand side by
//! side are drawn together.

use egui::{
    Align2, Key, Modifiers, Painter, Pos2, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind,
    Ui, WidgetInfo, pos2, vec2,
};
use joinscope_core::engine::delivery::epochs::{Epoch, Fate, Moment, Turn};
use joinscope_operator::record::Arrival;

use super::{FATES, Known, Lane, end_of, said, turn, whole};
use crate::window::axis::Axis;
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::panels::timeline::draw::NAMES;
use crate::window::ruler;
use crate::window::text::thousands;
use crate::window::theme::{INSET, SMALL, Tokens, fonts};
use crate::window::widgets::{fit, text};

/// Points.
pub const HEIGHT: f32 = 28.0;
/// Room that a single epoch needs, points.
const APART: f32 = 6.0;
/// Width of what is drawn together, points.
const STEP: f32 = 6.0;
/// Width of a crash or an arrow, points.
const SIGN: f32 = 10.0;

/// Where the strip is, and what is beside it.
pub struct Placed {
    pub rect: Rect,
    /// The rows' plot: crashes go through it.
    pub plot: Rect,
    pub axis: Axis,
}

/// Something drawn, and what is said about it.
struct Mark {
    at: Rect,
    /// Where a press goes.
    to: Arrival,
    said: Box<dyn Fn(&Cx<'_>) -> String>,
}

/// Shows the strip.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, p: &Placed, known: &Known) {
    let t = Tokens::of(ui.ctx());
    let response = ui.interact(p.rect, ui.scope_id().with("epochs"), Sense::click());
    let from = cx.view.0;
    let to = cx.view.1.saturating_add(1);
    let sentence = known.sentence(from, to);
    response.widget_info(|| WidgetInfo::labeled(Role::List, true, "Epochs"));
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(sentence.as_str()));
    keys(ui, cx, known, &response);
    // Over the names of the rows.
    let left = p.rect.left() + INSET + NAMES;
    let y = p.rect.center().y;
    let font = fonts::semibold(SMALL);
    ui.painter().text(pos2(left, y), Align2::LEFT_CENTER, "Epochs", font, t.text);
    let strip = Rect::from_x_y_ranges(p.plot.x_range(), p.rect.y_range());
    let painter = ui.painter_at(strip.expand2(vec2(SIGN / 2.0, 0.0)));
    let third = HEIGHT / 3.0;
    let row = |n: f32| {
        let top = strip.top() + n * third;
        Rect::from_x_y_ranges(strip.x_range(), top + 1.0..=top + third - 1.0)
    };
    let mut marks = Vec::new();
    for (lane, at) in [(&known.stand, row(2.0)), (&known.lost, row(1.0))] {
        attempts(&painter, cx, p, lane, at, t, &mut marks);
    }
    ruler::later(ui, cx, &p.axis, strip, t);
    let rows = ui.painter_at(p.plot);
    moments([&painter, &rows], cx, p, known.moments(from, to), row(0.0), t, &mut marks);
    if response.has_focus() {
        let line = Stroke::new(1.0, t.accent);
        ui.painter().rect_stroke(p.rect.shrink(0.5), 2, line, StrokeKind::Inside);
    }
    told(ui, cx, &response, &marks, &sentence);
}

/// Says in its place why there is no strip.
pub fn failed(ui: &mut Ui, rect: Rect, error: &str) {
    let t = Tokens::of(ui.ctx());
    let mut child = ui.new_child(egui::UiBuilder::new().max_rect(rect.shrink2(vec2(INSET, 4.0))));
    let said = format!("The job's epochs cannot be read: {error}");
    crate::window::failures::note_part(ui.ctx(), &said);
    let font = fonts::regular(SMALL);
    let shown = fit(&child, &said, &font, rect.width() - 2.0 * INSET);
    text(&mut child, &shown, font, t.second).on_hover_text(said);
}

/// What each mark says: to the pointer, and to who cannot see it.
fn told(ui: &mut Ui, cx: &mut Cx<'_>, response: &Response, marks: &[Mark], sentence: &str) {
    let pointer = response.hover_pos();
    let room = egui::UiBuilder::new()
        .max_rect(response.rect)
        .id_salt("epochs")
        .accessibility_parent(response.id);
    let child = ui.new_child(room);
    let listed = ui.ctx().accesskit_node_builder(response.id, |_| ()).is_some();
    if listed {
        for (n, mark) in marks.iter().enumerate() {
            let id = child.scope_id().with(n);
            // No target of its own: the strip takes presses and keys.
            let node = child.interact(mark.at, id, Sense::empty());
            let said = (mark.said)(cx).replace('\n', ", ");
            node.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, &said));
        }
    }
    let Some(pos) = pointer else { return };
    let near = marks.iter().map(|mark| (mark.at.distance_to_pos(pos), mark));
    let near = near.filter(|(far, _)| *far < 4.0).min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((_, mark)) = near else {
        response.clone().on_hover_text_at_pointer(format!(
            "{sentence} in sight\nfilled: committed · hollow: prepared · struck through: came to \
             nothing\ncross: crash · arrow: went on from there"
        ));
        return;
    };
    if response.clicked() {
        cx.commands.push(Command::GoTo(mark.to));
    }
    response.clone().on_hover_text_at_pointer((mark.said)(cx));
}

/// Left and right go to the last record of the epoch before and after.
fn keys(ui: &Ui, cx: &mut Cx<'_>, known: &Known, response: &Response) {
    if response.clicked() {
        response.request_focus();
    }
    if !response.has_focus() {
        return;
    }
    let filter = egui::EventFilter { horizontal_arrows: true, ..egui::EventFilter::default() };
    ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
    for (key, forward) in [(Key::ArrowLeft, false), (Key::ArrowRight, true)] {
        if ui.input_mut(|i| i.consume_key(Modifiers::NONE, key))
            && let Some(at) = known.neighbour(cx.cursor.at(), forward)
        {
            cx.commands.push(Command::GoTo(at));
        }
    }
}

fn attempts(
    painter: &Painter,
    cx: &Cx<'_>,
    p: &Placed,
    lane: &Lane,
    row: Rect,
    t: &Tokens,
    marks: &mut Vec<Mark>,
) {
    let (from, to) = (cx.view.0, cx.view.1.saturating_add(1));
    let seen = lane.within(from, to);
    if seen.len() as f32 * APART <= p.axis.width {
        for epoch in &lane.epochs[seen] {
            let x =
                |arrival: Arrival| p.axis.x_of(arrival, cx.clock).clamp(row.left(), row.right());
            let left = x(epoch.from.max(from));
            let right = x(end_of(epoch).min(to)).max(left + 4.0);
            let at = Rect::from_x_y_ranges(left..=right - 1.0, row.y_range());
            painter.extend(shape(at, epoch.fate, t));
            let said = epoch.clone();
            marks.push(Mark {
                at,
                to: last(epoch),
                said: Box::new(move |cx| whole(&said, cx.times)),
            });
        }
        return;
    }
    let mut x = row.left();
    let mut begin = seen.start;
    while x < row.right() {
        let right = (x + STEP).min(row.right());
        let end = if right < row.right() {
            lane.until(p.axis.arrival(right, cx.clock)).clamp(begin, seen.end)
        } else {
            seen.end
        };
        if end > begin {
            let together = begin..end;
            let counts = lane.count(&together);
            let at = Rect::from_x_y_ranges(x..=right - 1.0, row.y_range());
            // Whatever is the least usual among them is seen.
            let of = FATES.iter().zip(counts).rev().find(|(_, n)| *n > 0);
            painter.extend(shape(at, of.map_or(Fate::Committed, |((fate, _), _)| *fate), t));
            let (first, last_of) = (&lane.epochs[begin], &lane.epochs[end - 1]);
            let arrivals = (first.from, end_of(last_of));
            let to = last(last_of);
            let said = move |_: &Cx<'_>| {
                let (from, to) = (thousands(arrivals.0), thousands(arrivals.1.saturating_sub(1)));
                format!("{}\narrivals {from} – {to}\nzoom in for each", said(counts))
            };
            marks.push(Mark { at, to, said: Box::new(said) });
        }
        (x, begin) = (right, end);
    }
}

/// Its last record.
fn last(epoch: &Epoch) -> Arrival {
    end_of(epoch).saturating_sub(1)
}

fn shape(at: Rect, fate: Fate, t: &Tokens) -> Vec<Shape> {
    let line = Stroke::new(1.0, t.second);
    let hollow = Shape::rect_stroke(at, 1, line, StrokeKind::Inside);
    match fate {
        Fate::Committed => vec![Shape::rect_filled(at, 1, t.second)],
        Fate::Adopted => {
            let hole = Rect::from_center_size(at.center(), vec2(3.0_f32.min(at.width()), 3.0));
            vec![Shape::rect_filled(at, 1, t.second), Shape::rect_filled(hole, 0, t.panel)]
        }
        Fate::Prepared => vec![hollow],
        Fate::Aborted | Fate::Crashed => {
            let mut shapes = vec![hollow];
            // Strokes as steep as the row is high, however wide it is.
            let mut x = at.left();
            while x < at.right() {
                let right = (x + at.height()).min(at.right());
                let up = at.bottom() - (right - x);
                shapes.push(Shape::line_segment([pos2(x, at.bottom()), pos2(right, up)], line));
                x += at.height();
            }
            shapes
        }
    }
}

/// Crashes and what was gone on from, in the strip and down through the rows;
/// those that would lie on one another are drawn together.
fn moments(
    [strip, rows]: [&Painter; 2],
    cx: &Cx<'_>,
    p: &Placed,
    all: &[Moment],
    row: Rect,
    t: &Tokens,
    marks: &mut Vec<Mark>,
) {
    let mut crosses: Vec<f32> = Vec::new();
    for crashed in [true, false] {
        let of = |m: &&Moment| (m.turn == Turn::Crashed) == crashed;
        let mut together: Vec<&Moment> = Vec::new();
        let mut next = all.iter().filter(of).peekable();
        while let Some(moment) = next.next() {
            together.push(moment);
            let x = p.axis.x_of(together[0].arrival, cx.clock);
            let x = x.clamp(p.plot.left(), p.plot.right());
            let near = |m: &&&Moment| p.axis.x_of(m.arrival, cx.clock) - x < SIGN;
            if next.peek().is_some_and(|m| near(&m)) {
                continue;
            }
            // Where one went on from where another had come to, both are seen.
            let beside = !crashed && crosses.iter().any(|cross| (cross - x).abs() < SIGN);
            let middle = if beside { x + 6.0 } else { x };
            let middle = pos2(middle, row.center().y);
            let at = Rect::from_center_size(middle, vec2(SIGN, row.height()));
            if crashed {
                crosses.push(x);
                strip.extend(cross(at.center(), t));
                let ends = [pos2(x, p.plot.top()), pos2(x, p.plot.bottom())];
                rows.extend(Shape::dashed_line(&ends, Stroke::new(1.0, t.text), 4.0, 3.0));
            } else {
                strip.extend(arrow(at.center(), t));
            }
            let to = together[0].arrival;
            let these: Vec<Moment> = together.drain(..).copied().collect();
            let said = move |cx: &Cx<'_>| match these.as_slice() {
                [one] => turn(one, cx.times),
                more => {
                    let what = if crashed { "crashes" } else { "times restored" };
                    let (from, to) = (more[0].arrival, more[more.len() - 1].arrival);
                    format!(
                        "{} {what}\narrivals {} – {}\nzoom in for each",
                        thousands(more.len() as u64),
                        thousands(from),
                        thousands(to)
                    )
                }
            };
            marks.push(Mark { at, to, said: Box::new(said) });
        }
    }
}

fn cross(at: Pos2, t: &Tokens) -> [Shape; 2] {
    let line = Stroke::new(2.0, t.text);
    let r = 3.5;
    let to = |x: f32, y: f32| at + vec2(x, y);
    [
        Shape::line_segment([to(-r, -r), to(r, r)], line),
        Shape::line_segment([to(-r, r), to(r, -r)], line),
    ]
}

/// An arrow whose head shows where it was gone on from.
fn arrow(at: Pos2, t: &Tokens) -> [Shape; 2] {
    let to = |x: f32, y: f32| at + vec2(x, y);
    let head = vec![to(0.0, 0.0), to(5.0, -4.0), to(5.0, 4.0)];
    [
        Shape::convex_polygon(head, t.text, Stroke::NONE),
        Shape::line_segment([to(0.0, -4.0), to(0.0, 4.0)], Stroke::new(1.5, t.text)),
    ]
}
