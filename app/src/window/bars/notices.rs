//! What the window has to say until it is closed: a file of its own that could
//! not be read.

use egui::{Frame, Label, Margin, Panel, RichText, Ui};

use crate::window::app::App;
use crate::window::text::{line, lines};
use crate::window::theme::fonts::icon;
use crate::window::theme::{GAP, RADIUS, TEXT, Tokens, fonts};
use crate::window::widgets::{growing, icon_button, text};

/// Lines of one that are shown; the list of errors has more.
const LINES: usize = 8;

/// Shows the notices, the newest above.
pub fn show(app: &mut App, ui: &mut Ui) {
    if app.notices.is_empty() {
        return;
    }
    let t = Tokens::of(ui.ctx());
    let margin = GAP as i8;
    let frame =
        Frame::NONE.outer_margin(Margin { left: margin, right: margin, top: margin, bottom: 0 });
    let mut closed = None;
    // However many there are, the panels keep their room.
    let most = ui.ctx().content_rect().height() * 0.25;
    let panel = Panel::top("notices").frame(frame).show_separator_line(false);
    panel.show(ui, |ui| {
        growing(ui, most, |ui| {
            for (n, (title, message)) in app.notices.iter().enumerate().rev() {
                if one(ui, title, message, t) {
                    closed = Some(n);
                }
            }
        });
    });
    if let Some(n) = closed {
        app.notices.remove(n);
    }
}

/// One notice; whether it is closed.
fn one(ui: &mut Ui, title: &str, message: &str, t: &Tokens) -> bool {
    let mut closed = false;
    let frame = Frame::NONE.fill(t.panel).corner_radius(RADIUS);
    frame.inner_margin(Margin::symmetric(12, 6)).show(ui, |ui| {
        ui.horizontal_top(|ui| {
            let sign = RichText::new(icon::WARNING).font(fonts::icons(TEXT + 2.0));
            ui.label(sign.color(t.text));
            let width = ui.available_width() - 40.0;
            ui.allocate_ui(egui::vec2(width, 0.0), |ui| {
                ui.vertical(|ui| {
                    ui.set_width(width);
                    text(ui, title, fonts::semibold(TEXT), t.text).on_hover_text(line(title));
                    let said = RichText::new(lines(message, LINES)).font(fonts::regular(TEXT));
                    ui.add(Label::new(said.color(t.second)).wrap().selectable(true));
                });
            });
            closed = icon_button(icon::CLOSE, "Close the notice").plain().show(ui).clicked();
        });
    });
    closed
}
