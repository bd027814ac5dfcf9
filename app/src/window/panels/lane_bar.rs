//! The scroll bar beside lanes that do not all fit.

use egui::{Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::window::theme::Tokens;

const WIDE: f32 = 8.0;
/// Shortest handle, points.
const SHORTEST: f32 = 24.0;

/// Shows it at the right edge of `area`, in front of which lanes of `all` points stand,
/// scrolled down by `top`; nothing where they fit. `said`: which are in sight.
pub fn lane_bar(ui: &Ui, area: Rect, all: f32, top: &mut f32, said: &str) {
    let room = area.height();
    // Of lanes that just fit the sum may be a trifle more.
    if all <= room + 0.5 {
        return;
    }
    let t = Tokens::of(ui.ctx());
    let track = Rect::from_x_y_ranges(area.right() - WIDE..=area.right(), area.y_range());
    // Keys are the plot's.
    let sense = Sense::CLICK | Sense::DRAG;
    let response = ui.interact(track, ui.scope_id().with("scroll bar"), sense);
    response.widget_info(|| WidgetInfo::labeled(Role::ScrollBar, true, "Scroll the lanes"));
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(said));
    let size = (room / all * room).max(SHORTEST);
    if response.dragged() {
        *top += response.drag_delta().y / (room - size).max(1.0) * (all - room);
        *top = top.clamp(0.0, all - room);
    }
    let at = track.top() + *top / (all - room) * (room - size);
    let at = Rect::from_min_size(pos2(track.left() + 2.0, at), vec2(WIDE - 4.0, size));
    let hot = response.hovered() || response.dragged();
    ui.painter().rect_filled(at, 2, if hot { t.third } else { t.handle() });
}
