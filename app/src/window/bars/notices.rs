//! What the window has to say until it is closed: a file of its own that could
//! not be read.

use egui::{Frame, Label, Margin, Panel, RichText, Ui};

use crate::window::app::App;
use crate::window::theme::fonts::icon;
use crate::window::theme::{GAP, RADIUS, TEXT, Tokens, fonts};
use crate::window::widgets::{icon_button, text};

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
    Panel::top("notices").frame(frame).show_separator_line(false).show(ui, |ui| {
        for (n, (title, message)) in app.notices.iter().enumerate().rev() {
            Frame::NONE
                .fill(t.panel)
                .corner_radius(RADIUS)
                .inner_margin(Margin::symmetric(12, 6))
                .show(ui, |ui| {
                    ui.horizontal_top(|ui| {
                        let sign = RichText::new(icon::WARNING).font(fonts::icons(TEXT + 2.0));
                        ui.label(sign.color(t.text));
                        let width = ui.available_width() - 40.0;
                        ui.allocate_ui(egui::vec2(width, 0.0), |ui| {
                            ui.vertical(|ui| {
                                ui.set_width(width);
                                text(ui, title, fonts::semibold(TEXT), t.text);
                                let line = crate::window::text::line(message).into_owned();
                                let line = RichText::new(line).font(fonts::regular(TEXT));
                                ui.add(Label::new(line.color(t.second)).wrap().selectable(true));
                            });
                        });
                        if icon_button(icon::CLOSE, "Close the notice").plain().show(ui).clicked() {
                            closed = Some(n);
                        }
                    });
                });
        }
    });
    if let Some(n) = closed {
        app.notices.remove(n);
    }
}
