//! Above the panels: what makes everything below them worth doubting.

use egui::{Frame, Margin, Panel, Ui};
use joinscope_core::run::VerdictSet;
use joinscope_core::run::explain::NoMatch;

use crate::window::app::App;
use crate::window::command::Command;
use crate::window::text::line;
use crate::window::theme::fonts::icon;
use crate::window::theme::{GAP, RADIUS, TEXT, Tokens, fonts};
use crate::window::widgets::{button, text};

/// A run in which nothing matched says so, and names the likeliest cause; an
/// export says how far it is and how it ended.
pub fn show(app: &mut App, ui: &mut Ui) {
    export(app, ui);
    super::incident::show(app, ui);
    if app.doc.in_progress || app.doc.run.is_none() {
        return;
    }
    let Some(NoMatch { verdict, cause }) = app.panels.books.no_match() else { return };
    let t = Tokens::of(ui.ctx());
    let margin = GAP as i8;
    let frame =
        Frame::NONE.outer_margin(Margin { left: margin, right: margin, top: margin, bottom: 0 });
    Panel::top("banner").frame(frame).show_separator_line(false).show(ui, |ui| {
        Frame::NONE
            .fill(t.panel)
            .corner_radius(RADIUS)
            .inner_margin(Margin::symmetric(12, 5))
            .show(ui, |ui| {
                ui.horizontal(|ui| {
                    let sign = egui::RichText::new(icon::WARNING).font(fonts::icons(TEXT + 2.0));
                    ui.label(sign.color(t.text));
                    text(ui, "No record matched", fonts::semibold(TEXT), t.text);
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        if let Some(verdict) = verdict
                            && button(&format!("Show {verdict}")).show(ui).clicked()
                        {
                            app.commands.push(Command::Filter(VerdictSet::of(verdict)));
                        }
                        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                            text(ui, &cause, fonts::regular(TEXT), t.second).on_hover_text(&cause);
                        });
                    });
                });
            });
    });
}

fn export(app: &mut App, ui: &mut Ui) {
    let Some((_, exporting)) = &app.exports.at_hand else { return };
    let t = Tokens::of(ui.ctx());
    let sentence = line(&exporting.sentence()).into_owned();
    let failed = matches!(&exporting.ended, Some(Err(_)));
    let (label, name) = match exporting.ended {
        None => ("Cancel", "Cancel the export"),
        Some(_) => ("Close", "Close the line of the export"),
    };
    let margin = GAP as i8;
    let frame =
        Frame::NONE.outer_margin(Margin { left: margin, right: margin, top: margin, bottom: 0 });
    Panel::top("export").frame(frame).show_separator_line(false).show(ui, |ui| {
        let frame = Frame::NONE.fill(t.panel).corner_radius(RADIUS);
        frame.inner_margin(Margin::symmetric(12, 5)).show(ui, |ui| {
            ui.horizontal(|ui| {
                let sign = if failed { icon::WARNING } else { icon::EXPORT };
                let sign = egui::RichText::new(sign).font(fonts::icons(TEXT + 2.0));
                ui.label(sign.color(t.text));
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    if button(label).name(name).show(ui).clicked() {
                        app.commands.push(Command::CancelExport);
                    }
                    ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                        text(ui, &sentence, fonts::regular(TEXT), t.text).on_hover_text(&sentence);
                    });
                });
            });
        });
    });
}
