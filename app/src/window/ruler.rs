//! What all panels on the shared time axis have: its labels, the cursor with
//! what is later dimmed, and moving both by hand.
//!
//! By pointer: a press moves the cursor; a drag moves what is in sight, or the
//! cursor where it was taken or where the whole run is in sight; the wheel
//! zooms around the pointer, with Shift it moves; two presses show the whole
//! run. By keyboard: arrows step, with Shift they move what is in sight; Page
//! steps further; Home and End; + and − zoom around the cursor; 0 shows all.

use egui::{Align2, CursorIcon, Key, Modifiers, Painter, Rect, Response, Stroke, Ui, pos2};

use super::axis::{Axis, Scale, moved, zoomed};
use super::command::Command;
use super::cx::Cx;
use super::text::thousands;
use super::theme::{SMALL, Tokens, fonts};
use super::times::{count_step, tick_step};

/// Height of the labels below a plot, points.
pub const HEIGHT: f32 = 24.0;
/// Between the middles of two labels, points.
const APART: f32 = 110.0;
/// So near to the cursor's line a drag takes it, points.
const NEAR: f32 = 5.0;

/// Position and label of each tick in sight.
#[must_use]
pub fn ticks(cx: &Cx<'_>, axis: &Axis) -> Vec<(f32, String)> {
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

/// The cursor's line through `whole`, and what is later dimmed in `plot`.
pub fn cursor(ui: &Ui, cx: &Cx<'_>, axis: &Axis, plot: Rect, whole: Rect, t: &Tokens) {
    let at = cx.cursor.at();
    if cx.cursor.len() == 0 {
        return;
    }
    let dim = t.panel.gamma_multiply(0.5);
    if at < cx.view.0 {
        ui.painter().rect_filled(plot, 0, dim);
        return;
    }
    if at > cx.view.1 {
        return;
    }
    let x = axis.x_of(at, cx.clock).clamp(plot.left(), plot.right());
    let later = Rect::from_x_y_ranges(x..=plot.right() + 1.0, plot.y_range());
    ui.painter().rect_filled(later, 0, dim);
    ui.painter().vline(x, whole.y_range(), Stroke::new(1.5, t.accent));
}

/// Acts on pointer and keys over a plot on the shared axis.
pub fn act(ui: &Ui, cx: &mut Cx<'_>, axis: &Axis, response: &Response) {
    pointer(ui, cx, axis, response);
    wheel(ui, cx, axis, response);
    if response.has_focus() {
        keys(ui, cx, response);
    }
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
        let scrubs = is_whole(cx) || takes(from.x);
        ui.ctx().data_mut(|d| d.insert_temp(response.id, scrubs));
        response.request_focus();
    }
    if response.dragged() {
        let scrubs = ui.ctx().data(|d| d.get_temp(response.id)).unwrap_or(true);
        if scrubs {
            if let Some(pos) = response.interact_pointer_pos() {
                cx.commands.push(Command::GoTo(axis.arrival(pos.x, cx.clock)));
            }
        } else {
            ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
            pan(cx, axis, response.drag_delta().x);
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
