//! Both joins' event-time watermarks over the shared time axis: this run's
//! drawn through, the other's dashed.

use std::sync::Arc;

use egui::{
    Align2, Painter, Pos2, Rect, Role, Sense, Shape, Stroke, StrokeKind, Ui, Vec2, WidgetInfo,
    pos2, vec2,
};
use joinscope_core::run::{Axis as RunAxis, Lines, Range};
use joinscope_operator::time::format_duration;

use super::Compare;
use super::ask::{self, LinesQuestion, Other, Stood};
use crate::window::axis::{Axis, GUTTER, RIGHT};
use crate::window::cx::Cx;
use crate::window::jobs::{Answer, DIM_AFTER};
use crate::window::panels::far::{self, Off};
use crate::window::panels::watermarks::beyond::{arrow, leaves};
use crate::window::panels::watermarks::lines::{Place, pieces};
use crate::window::panels::watermarks::reach::{Reach, lags, up_to};
use crate::window::panels::watermarks::scale::{Height, Vertical};
use crate::window::ruler;
use crate::window::theme::{INSET, SMALL, Tokens, fonts};

/// Points between buckets.
const STEP: f32 = 2.0;
/// What the lines are, and which way they go.
const WHAT: &str = "join's event-time watermark, lag behind arrival";

type Drawn = Arc<Answer<LinesQuestion, [Lines; 2]>>;

/// Shows the plot over `at`.
pub fn show(
    this: &mut Compare,
    ui: &mut Ui,
    at: Rect,
    cx: &mut Cx<'_>,
    other: &Other,
    by_name: bool,
) {
    let t = Tokens::of(ui.ctx());
    let axis = cx.axis(at.left() + GUTTER, at.width() - GUTTER - RIGHT);
    let foot = at.bottom() - ruler::HEIGHT;
    let plot =
        Rect::from_min_max(pos2(axis.left, at.top() + 6.0), pos2(axis.left + axis.width, foot));
    let response = ui.interact(plot, ui.scope_id().with("both lines"), Sense::click_and_drag());
    ruler::act(ui, cx, &axis, &response);
    ruler::range(ui, cx, &axis, plot);
    ruler::marks(ui, cx, &axis, plot, t);
    let drawn = answer(this, cx, &axis, other, by_name);
    let mut said = at_cursor(this, cx, other, by_name);
    let off = drawn.as_ref().and_then(|drawn| off(drawn.result.as_ref().ok()?, &names(cx, other)));
    if let Some(off) = off.as_ref().filter(|_| !this.whole) {
        said += &format!("; beyond the scale: {}", off.said);
    }
    let name = "Event-time watermarks of both runs";
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, name));
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(said.as_str()));
    let what = ui.painter().layout_no_wrap(WHAT.to_owned(), fonts::regular(SMALL), t.second);
    let mut place = None;
    if let Some(drawn) = &drawn
        && let Ok(both) = &drawn.result
    {
        let fade = if this.lines.is_stale() { 0.6 } else { 1.0 };
        let reach = if this.whole { Reach::ALL } else { reach(both) };
        let scale = (&reach, fade);
        let lines = paint(ui, cx, &axis, (plot, at), (&drawn.question, both), scale, t);
        place = free(plot, what.size(), &lines);
    }
    if this.lines.is_open() {
        ui.ctx().request_repaint_after(DIM_AFTER);
    }
    ruler::cursor(ui, cx, &axis, plot, at, t);
    if let Some(place) = place {
        // Over what is dimmed: it is no later than anything. A line of the grid may go
        // through it.
        let ground = Rect::from_min_size(place, what.size()).expand2(vec2(3.0, 0.0));
        ui.painter().rect_filled(ground, 3, t.panel.gamma_multiply(0.85));
        ui.painter().galley(place, what, t.second);
    }
    if response.has_focus() {
        let line = Stroke::new(1.0, t.accent);
        ui.painter().rect_stroke(plot.shrink(0.5), 2, line, StrokeKind::Inside);
    }
    if !said.is_empty() {
        response.on_hover_text_at_pointer(said);
    }
    if let Some(off) = &off {
        // Below what stands at the edge.
        let top = plot.top() + 8.0;
        let at = Rect::from_min_max(pos2(plot.left(), top), pos2(plot.right() - 4.0, top + 26.0));
        let flow = egui::Layout::right_to_left(egui::Align::Center);
        let room = egui::UiBuilder::new().max_rect(at).layout(flow).id_salt("far off");
        far::choose(&mut ui.new_child(room), off, &mut this.whole);
    }
}

/// What both runs are called.
fn names(cx: &Cx<'_>, other: &Other) -> [String; 2] {
    let here = cx.doc.run.as_ref().map(|run| run.label.name.clone());
    [here.unwrap_or_default(), other.doc.label.name.clone()]
}

/// What the scale covers, so that both lines can be read.
fn reach(both: &[Lines; 2]) -> Reach {
    let each = both.iter().flat_map(|lines| lags(&lines.join, &lines.arrival_ms));
    Reach::of(each.collect(), Vec::new())
}

/// What it does not, where there is any.
fn off(both: &[Lines; 2], names: &[String; 2]) -> Option<Off> {
    let reach = reach(both);
    let far = both.iter().zip(names).filter_map(|(lines, name)| {
        let lag = reach.beyond(&lines.join, &lines.arrival_ms)?;
        Some(format!("{name} {}", up_to(lag)))
    });
    let said: Vec<String> = far.collect();
    (!said.is_empty()).then(|| Off { count: said.len() as u64, said: said.join("; ") })
}

fn answer(
    this: &mut Compare,
    cx: &Cx<'_>,
    axis: &Axis,
    other: &Other,
    by_name: bool,
) -> Option<Drawn> {
    if cx.clock.is_empty() {
        return this.lines.answer();
    }
    let question = LinesQuestion {
        revision: cx.doc.revision,
        other: other.doc.dir.clone(),
        ranges: ask::ranges(axis, cx.view, cx.clock, by_name),
        buckets: (axis.width / STEP).floor().max(1.0) as usize,
    };
    let (here, there) = (cx.doc.run.as_ref()?.run.clone(), other.doc.run.clone());
    this.lines.ask(cx.jobs, question, move |q| ask::lines(&here, &there, q));
    this.lines.answer()
}

/// Where a bucket of a line stands, on this run's axis.
fn x_of(axis: &Axis, cx: &Cx<'_>, range: Range, lines: &Lines, bucket: usize) -> f32 {
    if range == axis.range() {
        let span = (i128::from(range.to) - i128::from(range.from)) as f64;
        let value = range.from as f64 + span * bucket as f64 / lines.buckets.max(1) as f64;
        return axis.x(value.round() as i64);
    }
    let arrival = match range.axis {
        RunAxis::ArrivalTime => {
            let span = (i128::from(range.to) - i128::from(range.from)) as f64;
            let ms = range.from as f64 + span * bucket as f64 / lines.buckets.max(1) as f64;
            cx.clock.arrival(ms).round().max(0.0) as u64
        }
        _ => lines.arrivals.get(bucket).copied().unwrap_or_default(),
    };
    axis.x_of(arrival, cx.clock)
}

/// What both watermarks were at the cursor, in words: also where it is out of sight.
fn at_cursor(this: &mut Compare, cx: &Cx<'_>, other: &Other, by_name: bool) -> String {
    let Some(doc) = cx.doc.run.as_ref().filter(|_| cx.cursor.len() > 0) else {
        return String::new();
    };
    let (here, there) = (doc.run.clone(), other.doc.run.clone());
    let question = (cx.doc.revision, by_name, cx.cursor.at());
    this.stood
        .ask(cx.jobs, question, move |(_, by_name, at)| ask::stood(&here, &there, *at, *by_name));
    let Some(answer) = this.stood.answer() else { return String::new() };
    let Ok(both) = &answer.result else { return String::new() };
    let names = [doc.label.name.as_str(), other.doc.label.name.as_str()];
    let said = both.iter().zip(names).map(|(stood, name)| match *stood {
        Stood::Lag(lag) => {
            let word = if lag < 0 { "ahead of" } else { "behind" };
            format!("{name}: {} {word} arrival", format_duration(lag.saturating_abs()))
        }
        Stood::Nowhere => format!("{name}: no event-time watermark"),
        Stood::Absent => format!("{name}: no arrival there"),
    });
    said.collect::<Vec<_>>().join("; ")
}

/// The first corner of `plot`, or place between corners, in which a text of `size`
/// crosses no line; the first of all where there is none such, `None` where there is
/// no room.
fn free(plot: Rect, size: Vec2, lines: &[Vec<Pos2>]) -> Option<Pos2> {
    let inner = plot.shrink2(vec2(6.0, 3.0));
    let (right, bottom) = (inner.right() - size.x, inner.bottom() - size.y);
    if right < inner.left() || bottom < inner.top() {
        return None;
    }
    let corners =
        [pos2(inner.left(), bottom), pos2(right, inner.top()), inner.min, pos2(right, bottom)];
    let is_free = |at: &Pos2| {
        let text = Rect::from_min_size(*at, size).expand(2.0);
        let crosses = |ends: &[Pos2]| Rect::from_two_pos(ends[0], ends[1]).intersects(text);
        !lines.iter().any(|line| line.windows(2).any(crosses))
    };
    let steps = (1..6u8).flat_map(|n| {
        let y = egui::lerp(inner.top()..=bottom, f32::from(n) / 6.0);
        [pos2(inner.left(), y), pos2(right, y)]
    });
    corners.into_iter().chain(steps).find(is_free).or(Some(corners[0]))
}

/// Gives the lines that it painted.
fn paint(
    ui: &Ui,
    cx: &Cx<'_>,
    axis: &Axis,
    (plot, at): (Rect, Rect),
    (question, both): (&LinesQuestion, &[Lines; 2]),
    (reach, fade): (&Reach, f32),
    t: &Tokens,
) -> Vec<Vec<Pos2>> {
    let lag = |ms, v| Vertical::Lag.value(ms, v);
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    for lines in both {
        for lag in lags(&lines.join, &lines.arrival_ms).filter(|lag| reach.covers(*lag)) {
            (low, high) = (low.min(lag), high.max(lag));
        }
    }
    let (low, high) = if low > high { (0, 1) } else { (low, high) };
    let height = Height::new(Vertical::Lag, low, high, plot.y_range());
    let painter = ui.painter();
    for (value, label) in height.ticks(cx.times, 26.0) {
        let y = height.y(value).round() + 0.5;
        painter.hline(plot.x_range(), y, Stroke::new(1.0, t.line.gamma_multiply(0.8)));
        ruler::gutter_label(painter, at.left() + INSET, y, label, t);
    }
    for (x, _) in ruler::ticks(cx, axis) {
        let faint = Stroke::new(1.0, t.line.gamma_multiply(0.5));
        painter.vline(x.round() + 0.5, plot.y_range(), faint);
    }
    ruler::labels(painter, cx, axis, plot.bottom() + ruler::HEIGHT / 2.0, at.right(), t);
    let inside = ui.painter_at(plot.expand(1.0));
    let strokes = strokes(fade, t);
    let mut painted = Vec::new();
    // This run's stands before the other's.
    for n in [1, 0] {
        let lines = &both[n];
        let place = Place {
            clock: &lines.arrival_ms,
            arrivals: &lines.arrivals,
            x: &|bucket| x_of(axis, cx, question.ranges[n], lines, bucket),
            y: &|ms, v| height.y(lag(ms, v)),
        };
        for piece in pieces(&lines.join, &place, &|_| false) {
            line(&inside, piece.clone(), strokes[n], n == 1);
            painted.push(piece);
        }
        for (bucket, ahead) in leaves(&lines.join, &lines.arrival_ms, reach) {
            arrow(&inside, (place.x)(bucket), ahead, plot, strokes[n].color);
        }
    }
    painted
}

fn line(painter: &Painter, points: Vec<Pos2>, stroke: Stroke, dashed: bool) {
    if dashed {
        painter.extend(Shape::dashed_line(&points, stroke, 6.0, 4.0));
    } else {
        painter.line(points, stroke);
    }
}

/// How the lines of this run and of the other are drawn.
fn strokes(fade: f32, t: &Tokens) -> [Stroke; 2] {
    [Stroke::new(2.0, t.text.gamma_multiply(fade)), Stroke::new(1.6, t.second.gamma_multiply(fade))]
}

/// Which line is whose, at the right end of the first line of `at`.
pub fn legend(painter: &Painter, at: Rect, names: [&str; 2], t: &Tokens) {
    let mut right = at.right() - INSET;
    let y = at.top() + 14.0;
    // The settings that differ stand before them.
    let chars = ((at.width() - 700.0) / 30.0).clamp(14.0, 32.0) as usize;
    for n in [0, 1] {
        let name = crate::window::text::elide(&crate::window::text::line(names[n]), chars);
        let font = fonts::regular(SMALL);
        let said = painter.text(pos2(right, y), Align2::RIGHT_CENTER, name, font, t.second);
        let left = said.left() - 28.0;
        line(painter, vec![pos2(left, y), pos2(left + 22.0, y)], strokes(1.0, t)[n], n == 1);
        right = left - 14.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_lines_are_is_written_where_none_of_them_runs() {
        let plot = Rect::from_min_max(pos2(0.0, 0.0), pos2(500.0, 100.0));
        let size = vec2(200.0, 15.0);
        let below = vec![pos2(0.0, 90.0), pos2(500.0, 90.0)];
        let lower_left = free(plot, size, &[]).unwrap();
        let upper_right = free(plot, size, std::slice::from_ref(&below)).unwrap();
        assert!(lower_left.y > 50.0 && lower_left.x < 50.0, "{lower_left:?}");
        assert!(upper_right.y < 50.0 && upper_right.x > 250.0, "{upper_right:?}");
        // A jump passes between its two ends.
        let jump = vec![pos2(400.0, -20.0), pos2(400.0, 120.0)];
        assert!(free(plot, size, &[below, jump]).unwrap().x < 50.0);
        assert!(free(plot, vec2(600.0, 15.0), &[]).is_none());
        // Lines at the top and at the bottom leave the middle.
        let above = vec![pos2(0.0, 8.0), pos2(500.0, 8.0)];
        let middle = free(plot, size, &[above, vec![pos2(0.0, 90.0), pos2(500.0, 90.0)]]).unwrap();
        assert!(middle.y > 12.0 && middle.y + size.y < 88.0, "{middle:?}");
    }
}
