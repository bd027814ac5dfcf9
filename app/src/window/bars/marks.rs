//! What the user marked, on the clock bar: the range and the bookmarks.

use egui::{Rect, Shape, Stroke, Ui, pos2};

use super::scrub::Clock;
use crate::window::app::App;
use crate::window::command::Command;
use crate::window::theme::Tokens;
use crate::window::theme::fonts::icon;
use crate::window::widgets::icon_button;

/// Bookmarks painted at most: more would be one beside the other.
const PAINTED: usize = 500;

/// With a range: whether playing goes round it, and a button that clears it.
pub fn controls(app: &mut App, ui: &mut Ui) {
    let Some(range) = app.range.marked else { return };
    let on = app.range.looped;
    let loop_ = icon_button(icon::LOOP, "Loop the range").selected(on).show(ui);
    if loop_
        .on_hover_text({
            let count = crate::window::text::plural(range.count(), "arrival");
            format!("Playing goes round {}: {count}", range.label())
        })
        .clicked()
    {
        app.commands.push(Command::Loop(!on));
    }
    if icon_button(icon::CLOSE, "Clear the range").show(ui).clicked() {
        app.commands.push(Command::ClearRange);
    }
}

/// The range under the bars of the strip: a ground and its two ends.
pub fn range(app: &App, ui: &Ui, clock: &Clock, at: Rect, t: &Tokens) {
    let Some(range) = app.range.marked else { return };
    let x = clock.x(range.from())..=clock.x(range.to());
    let ground = Rect::from_x_y_ranges(x, at.y_range());
    ui.painter().rect_filled(ground, 0, t.selected);
    for x in [ground.left(), ground.right()] {
        ui.painter().vline(x, at.y_range(), Stroke::new(1.0, t.accent));
    }
}

/// A pennant over each bookmark.
pub fn bookmarks(app: &App, ui: &Ui, clock: &Clock, at: Rect, t: &Tokens) {
    for bookmark in app.bookmarks.list().iter().take(PAINTED) {
        let x = clock.x(bookmark.at);
        if !at.x_range().contains(x) {
            continue;
        }
        let top = at.top();
        let flag = vec![pos2(x, top), pos2(x + 6.0, top + 3.0), pos2(x, top + 6.0)];
        ui.painter().vline(x, top..=at.bottom(), Stroke::new(1.0, t.third));
        ui.painter().add(Shape::convex_polygon(flag, t.text, Stroke::NONE));
    }
}
