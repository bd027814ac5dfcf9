//! What all panels on the shared time axis have: its labels, the cursor with
//! what is later dimmed, and moving both by hand.
//!
//! By pointer: a press moves the cursor; a drag moves what is in sight, or the
//! cursor where it was taken or where the whole run is in sight; the wheel
//! zooms around the pointer, with Shift it moves; two presses show the whole
//! run. With Shift a drag marks a range, as one over the labels does. By
//! keyboard: arrows step, with Shift they move what is in sight; Page steps
//! further; Home and End; + and − zoom around the cursor; 0 shows all.

use egui::{
    Align2, CursorIcon, Key, Modifiers, Painter, Rect, Response, Role, Sense, Shape, Stroke, Ui,
    WidgetInfo, pos2, vec2,
};

use super::axis::{Axis, Scale, moved, zoomed};
use super::calendar;
use super::command::Command;
use super::cx::Cx;
use super::text::{lines, thousands};
use super::theme::{SMALL, Tokens, fonts};
use super::times::count_step;

/// Height of the labels below a plot, points.
pub const HEIGHT: f32 = 24.0;
/// Between the middles of two labels, points.
const APART: f32 = 110.0;
/// Bookmarks painted at most: more would be one beside the other.
const MARKS: usize = 500;
/// Lines of a bookmark's note in its tooltip.
const LINES: usize = 12;
/// So near to the cursor's line a drag takes it, points.
const NEAR: f32 = 5.0;

/// Position and label of each tick in sight.
#[must_use]
pub fn ticks(cx: &Cx<'_>, axis: &Axis) -> Vec<(f32, String)> {
    let span = axis.to.saturating_sub(axis.from);
    let least = span as f64 * f64::from(APART / axis.width);
    let marks = match axis.scale {
        Scale::Arrival => {
            let step = (count_step(least) as i64).max(1);
            let first = axis.from.div_euclid(step).saturating_mul(step);
            (0..64)
                .map(|i| first.saturating_add(step.saturating_mul(i)))
                .skip_while(|v| *v < axis.from)
                .take_while(|v| *v <= axis.to)
                .map(|v| (v, thousands(v.max(0) as u64)))
                .collect()
        }
        Scale::ArrivalTime | Scale::EventTime => {
            calendar::ticks(cx.times, axis.from, axis.to, least.ceil() as i64)
        }
    };
    marks.into_iter().map(|(at, label)| (axis.x(at), label)).collect()
}

/// Paints the labels around height `y`, none over another nor past `right`.
pub fn labels(painter: &Painter, cx: &Cx<'_>, axis: &Axis, y: f32, right: f32, t: &Tokens) {
    let mut taken = f32::NEG_INFINITY;
    for (x, label) in ticks(cx, axis) {
        let galley = painter.layout_no_wrap(label, fonts::mono(SMALL - 0.5), t.second);
        let left = (x - galley.size().x / 2.0).min(right - 4.0 - galley.size().x);
        if left < taken + 12.0 {
            continue;
        }
        taken = left + galley.size().x;
        painter.galley(pos2(left, y - galley.size().y / 2.0), galley, t.second);
    }
}

/// A label in the gutter, in the middle of height `y`.
pub fn gutter_label(painter: &Painter, left: f32, y: f32, label: String, t: &Tokens) {
    painter.text(pos2(left, y), Align2::LEFT_CENTER, label, fonts::mono(SMALL - 0.5), t.second);
}

/// Dims what is later than the cursor in `plot`; what is said there is painted
/// after it, to stay legible.
pub fn later(ui: &Ui, cx: &Cx<'_>, axis: &Axis, plot: Rect, t: &Tokens) {
    let at = cx.cursor.at();
    // What is later by event time may have arrived before: nothing is dimmed.
    if cx.cursor.len() == 0 || at > cx.view.1 || axis.scale == Scale::EventTime {
        return;
    }
    let later = if at < cx.view.0 {
        plot
    } else {
        let x = axis.x_of(at, cx.clock).clamp(plot.left(), plot.right());
        Rect::from_x_y_ranges(x..=plot.right() + 1.0, plot.y_range())
    };
    ui.painter().rect_filled(later, 0, t.veil());
}

/// What is later than the cursor dimmed in `plot`, and the cursor's line over it.
pub fn cursor(ui: &Ui, cx: &Cx<'_>, axis: &Axis, plot: Rect, whole: Rect, t: &Tokens) {
    later(ui, cx, axis, plot, t);
    line(ui, cx, axis, plot, whole, t);
}

/// The cursor's line, from the top of `whole`; not through the labels below the plot.
pub fn line(ui: &Ui, cx: &Cx<'_>, axis: &Axis, plot: Rect, whole: Rect, t: &Tokens) {
    let at = cx.cursor.at();
    if cx.cursor.len() > 0 && (cx.view.0..=cx.view.1).contains(&at) {
        let x = axis.x_of(at, cx.clock).clamp(plot.left(), plot.right());
        ui.painter().vline(x, whole.top()..=plot.bottom(), Stroke::new(1.5, t.accent));
    }
}

/// The marked range as a ground, and the bookmarks as lines; painted before
/// what is shown.
pub fn marks(ui: &Ui, cx: &Cx<'_>, axis: &Axis, plot: Rect, t: &Tokens) {
    let painter = ui.painter_at(plot);
    if let Some(range) = cx.range.marked {
        let x = axis.x_of(range.from(), cx.clock)..=axis.x_of(range.to(), cx.clock);
        let ground = Rect::from_x_y_ranges(x, plot.y_range());
        painter.rect_filled(ground, 0, t.range());
        for x in [ground.left(), ground.right()] {
            painter.vline(x, plot.y_range(), Stroke::new(1.0, t.accent.gamma_multiply(0.7)));
        }
    }
    for bookmark in cx.bookmarks.list().iter().take(MARKS) {
        let x = axis.x_of(bookmark.at, cx.clock);
        painter.vline(x, plot.y_range(), Stroke::new(1.0, t.third));
    }
}

/// The bookmarks' flags at the plot's upper edge: a press goes there, the note
/// is the tooltip.
pub fn flags(ui: &mut Ui, cx: &mut Cx<'_>, axis: &Axis, plot: Rect, t: &Tokens) {
    for bookmark in cx.bookmarks.list().iter().take(MARKS) {
        let x = axis.x_of(bookmark.at, cx.clock);
        if !plot.x_range().contains(x) {
            continue;
        }
        let top = plot.top() - 2.0;
        let at = Rect::from_min_size(pos2(x - 2.0, top), vec2(13.0, 11.0));
        let id = ui.scope_id().with(("bookmark", bookmark.id));
        let response = ui.interact(at, id, Sense::click());
        let name = format!("Bookmark: {}", bookmark.title());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
        let hot = response.hovered() || response.has_focus();
        let colour = if hot { t.accent } else { t.text };
        let flag = vec![pos2(x, top), pos2(x + 9.0, top + 4.0), pos2(x, top + 8.0)];
        ui.painter().add(Shape::convex_polygon(flag, colour, Stroke::NONE));
        if response.clicked() {
            cx.commands.push(Command::GoToBookmark(bookmark.id));
        }
        let note = match bookmark.note.as_str() {
            "" => bookmark.title(),
            note => lines(note, LINES),
        };
        response.on_hover_text(format!("{note}\narrival {}", thousands(bookmark.at)));
    }
}

/// Dragging on the labels marks a range; two presses clear it.
pub fn range(ui: &Ui, cx: &mut Cx<'_>, axis: &Axis, plot: Rect) {
    let foot = plot.bottom()..=plot.bottom() + HEIGHT;
    let at = Rect::from_x_y_ranges(plot.x_range(), foot);
    let response = ui.interact(at, ui.scope_id().with("axis"), Sense::click_and_drag());
    let marked =
        cx.range.marked.map_or_else(|| "no range".to_owned(), super::range::ArrivalRange::label);
    response.widget_info(|| WidgetInfo::labeled(Role::Slider, true, "Time axis"));
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(marked.as_str()));
    if response.hovered() {
        ui.ctx().set_cursor_icon(CursorIcon::ResizeHorizontal);
    }
    if response.double_clicked() {
        cx.commands.push(Command::ClearRange);
    } else if response.dragged()
        && let (Some(to), Some(from)) =
            (response.interact_pointer_pos(), ui.input(|i| i.pointer.press_origin()))
    {
        let arrival = |x| axis.arrival(x, cx.clock);
        cx.commands.push(Command::SetRange(arrival(from.x), arrival(to.x)));
    }
    if !response.dragged() {
        let hover = "Drag to mark a range, press twice to clear it; with the keyboard, the commands \
                     that begin and end a range at the cursor";
        response.on_hover_text(hover);
    }
}

/// Acts on pointer and keys over a plot on the shared axis.
pub fn act(ui: &Ui, cx: &mut Cx<'_>, axis: &Axis, response: &Response) {
    pointer(ui, cx, axis, response);
    wheel(ui, cx, axis, response);
    if response.has_focus() {
        keys(ui, cx, response);
    }
}

/// What a drag moves, from its begin to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drag {
    Cursor,
    View,
    Range,
}

fn pointer(ui: &Ui, cx: &mut Cx<'_>, axis: &Axis, response: &Response) {
    let line = axis.x_of(cx.cursor.at(), cx.clock);
    let takes = |x: f32| (x - line).abs() <= NEAR;
    if response.hover_pos().is_some_and(|p| takes(p.x)) {
        ui.ctx().set_cursor_icon(CursorIcon::ResizeHorizontal);
    }
    if response.clicked()
        && let Some(pos) = response.interact_pointer_pos()
    {
        cx.commands.push(Command::GoTo(axis.arrival(pos.x, cx.clock)));
        response.request_focus();
    }
    if response.double_clicked() {
        cx.commands.push(Command::View(None));
    }
    if response.drag_started()
        && let Some(from) = ui.input(|i| i.pointer.press_origin())
    {
        let drag = match ui.input(|i| i.modifiers.shift) {
            true => Drag::Range,
            false if is_whole(cx) || takes(from.x) => Drag::Cursor,
            false => Drag::View,
        };
        ui.ctx().data_mut(|d| d.insert_temp(response.id, drag));
        response.request_focus();
    }
    if response.dragged() {
        let drag = ui.ctx().data(|d| d.get_temp(response.id)).unwrap_or(Drag::Cursor);
        let from = ui.input(|i| i.pointer.press_origin());
        match (drag, response.interact_pointer_pos(), from) {
            (Drag::View, ..) => {
                ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
                pan(cx, axis, response.drag_delta().x);
            }
            (Drag::Range, Some(pos), Some(from)) => {
                let arrival = |x| axis.arrival(x, cx.clock);
                cx.commands.push(Command::SetRange(arrival(from.x), arrival(pos.x)));
            }
            (_, Some(pos), _) => {
                cx.commands.push(Command::GoTo(axis.arrival(pos.x, cx.clock)));
            }
            _ => {}
        }
    }
}

/// Moves what is in sight by points.
fn pan(cx: &mut Cx<'_>, axis: &Axis, points: f32) {
    if points == 0.0 {
        return;
    }
    // By what stands at the left edge now and after.
    let from = axis.left - points;
    let at = axis.arrival_beyond(from, cx.clock);
    let by = at - cx.view.0 as f64;
    cx.commands.push(Command::View(moved(cx.view, by, cx.cursor.len())));
}

fn wheel(ui: &Ui, cx: &mut Cx<'_>, axis: &Axis, response: &Response) {
    let Some(pos) = response.hover_pos() else { return };
    let (scroll, zoom) = ui.input(|i| (i.smooth_scroll_delta, i.zoom_delta()));
    if scroll.x != 0.0 {
        pan(cx, axis, scroll.x);
    }
    let factor = f64::from((-scroll.y / 200.0).exp() / zoom);
    if (factor - 1.0).abs() > 1e-3 {
        let at = axis.arrival(pos.x, cx.clock);
        cx.commands.push(Command::View(zoomed(cx.view, at, factor, cx.cursor.len())));
    }
}

fn is_whole(cx: &Cx<'_>) -> bool {
    cx.view.0 == 0 && cx.view.1 + 1 >= cx.cursor.len()
}

fn keys(ui: &Ui, cx: &mut Cx<'_>, response: &Response) {
    let filter = egui::EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        ..egui::EventFilter::default()
    };
    ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
    let wide = (cx.view.1 - cx.view.0).max(1);
    let page = (wide / 20).max(1) as i64;
    let len = cx.cursor.len();
    let at = cx.cursor.at().clamp(cx.view.0, cx.view.1);
    let zoom = |factor| Command::View(zoomed(cx.view, at, factor, len));
    let pan = |part: f64| Command::View(moved(cx.view, wide as f64 * part, len));
    let none = Modifiers::NONE;
    let moves = [
        (Modifiers::SHIFT, Key::ArrowLeft, pan(-0.1)),
        (Modifiers::SHIFT, Key::ArrowRight, pan(0.1)),
        (none, Key::ArrowLeft, Command::Step(-1)),
        (none, Key::ArrowRight, Command::Step(1)),
        (none, Key::PageUp, Command::Step(-page)),
        (none, Key::PageDown, Command::Step(page)),
        (none, Key::Home, Command::Start),
        (none, Key::End, Command::End),
        (none, Key::Plus, zoom(0.5)),
        (none, Key::Equals, zoom(0.5)),
        (none, Key::Minus, zoom(2.0)),
        (none, Key::Num0, Command::View(None)),
    ];
    for (modifiers, key, command) in moves {
        if ui.input_mut(|i| i.consume_key(modifiers, key)) {
            cx.commands.push(command);
        }
    }
}
