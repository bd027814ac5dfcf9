//! Above the panels: the incident that is open, and whether its run is the one
//! that was saved.

use egui::{Align, Frame, Layout, Margin, Panel, Ui};

use crate::window::app::App;
use crate::window::command::Command;
use crate::window::incident::Remade;
use crate::window::text::line;
use crate::window::theme::fonts::icon;
use crate::window::theme::{GAP, RADIUS, TEXT, Tokens, fonts};
use crate::window::widgets::{button, icon_button, text};

/// Shows the line, as long as what is open is of the incident.
pub fn show(app: &mut App, ui: &mut Ui) {
    let Some(incident) = app.incident.as_ref().filter(|i| !i.quiet && i.is_about(&app.doc)) else {
        return;
    };
    let t = Tokens::of(ui.ctx());
    let sign = match incident.remade {
        Remade::Same => icon::CHECK,
        _ if incident.is_bad() => icon::WARNING,
        _ => icon::SOURCES,
    };
    let (sentence, notes) = (incident.sentence(), incident.incident.about.notes.clone());
    // Somebody else wrote them, of any length.
    let notes = line(notes.lines().next().map(str::trim).unwrap_or_default()).into_owned();
    let sentence = line(&sentence).into_owned();
    let margin = GAP as i8;
    let frame =
        Frame::NONE.outer_margin(Margin { left: margin, right: margin, top: margin, bottom: 0 });
    Panel::top("incident").frame(frame).show_separator_line(false).show(ui, |ui| {
        let frame = Frame::NONE.fill(t.panel).corner_radius(RADIUS);
        frame.inner_margin(Margin::symmetric(12, 5)).show(ui, |ui| {
            ui.horizontal(|ui| {
                let sign = egui::RichText::new(sign).font(fonts::icons(TEXT + 2.0));
                ui.label(sign.color(t.text));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let close = icon_button(icon::CLOSE, "Close the line of the incident").plain();
                    if close.show(ui).clicked() {
                        app.commands.push(Command::CloseIncident);
                    }
                    if button("About it").name("About the incident").show(ui).clicked() {
                        app.commands.push(Command::ShowIncident);
                    }
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                        text(ui, "Incident", fonts::semibold(TEXT), t.text);
                        text(ui, &sentence, fonts::regular(TEXT), t.text).on_hover_text(&sentence);
                        if !notes.is_empty() {
                            text(ui, &notes, fonts::regular(TEXT), t.second).on_hover_text(&notes);
                        }
                    });
                });
            });
        });
    });
}
