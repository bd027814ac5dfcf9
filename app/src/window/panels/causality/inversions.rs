//! The list of inversions: at the right of the diagram, in a narrow panel under it.

use egui::{Pos2, Rect, Role, Sense, Stroke, Ui, UiBuilder, WidgetInfo, vec2};
use joinscope_operator::record::Arrival;

use super::story::{Kind, Story};
use crate::window::cx::Cx;
use crate::window::selection::Selection;
use crate::window::theme::{INSET, SMALL, Tokens, fonts};

/// A panel that is narrower has no room for it at the right, points.
const NARROW: f32 = 560.0;
/// How wide it is at the right, points.
const WIDE: f32 = 260.0;
/// How high it is below, points.
const HIGH: f32 = 132.0;

/// The room of the list, and where a line stands between it and the diagram.
pub(super) struct Listed {
    at: Rect,
    line: [Pos2; 2],
}

/// The room of the diagram, and that of the list where there is one.
pub(super) fn split(whole: Rect, story: &Story) -> (Rect, Option<Listed>) {
    if story.inversions.is_empty() {
        return (whole, None);
    }
    let beside = whole.width() > NARROW;
    let (diagram, at) = if beside {
        whole.split_left_right_at_x(whole.right() - WIDE.min(whole.width() * 0.3))
    } else {
        whole.split_top_bottom_at_y(whole.bottom() - HIGH.min(whole.height() * 0.4))
    };
    let line = [at.left_top(), if beside { at.left_bottom() } else { at.right_top() }];
    (diagram, Some(Listed { at, line }))
}

/// The inversions; a press selects.
pub(super) fn list(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    story: &Story,
    Listed { at, line }: Listed,
    t: &Tokens,
) -> Option<(Selection, Arrival)> {
    ui.painter().line_segment(line, Stroke::new(1.0, t.line));
    // The scroll bar stands in the margin at the right, not over the words.
    let inner = Rect::from_min_max(at.min + vec2(INSET, 4.0), at.max - vec2(2.0, 4.0));
    let mut child = ui.new_child(UiBuilder::new().max_rect(inner).id_salt("inversions"));
    child.shrink_clip_rect(at);
    let mut chosen = None;
    let area = egui::ScrollArea::vertical().id_salt("inversions").auto_shrink([false, true]);
    area.show(&mut child, |ui| {
        ui.set_max_width(at.width() - 2.0 * INSET);
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
                let response = ui.add(egui::Label::new(text).wrap().sense(Sense::click()));
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
