//! Above the panels: what makes everything below them worth doubting.

use egui::{Frame, Margin, Panel, Ui};
use joinscope_operator::verdict::Verdict;

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
    let Some((verdict, _)) = app.panels.books.no_match() else { return };
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
                    let show = format!("Show {verdict}");
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        if button(&show).show(ui).clicked() {
                            let set = joinscope_core::run::VerdictSet::of(verdict);
                            app.commands.push(Command::Filter(set));
                        }
                        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                            let cause = cause(verdict);
                            text(ui, cause, fonts::regular(TEXT), t.second).on_hover_text(cause);
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

/// The likeliest cause, by the verdict that most records have.
fn cause(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unmatched => {
            "Most found no candidate: the key fields may not hold the same key, or the interval is too short"
        }
        Verdict::Late => {
            "Most were late: the event-time watermark ran ahead of them, perhaps by one wrong time"
        }
        Verdict::Undecodable => "Most cannot be decoded: the format or the schema is another one",
        Verdict::Unkeyed => "Most have no key: the pipeline's key field is not in them",
        Verdict::Untimed => "Most have no event time: its field or unit is another one",
        Verdict::Tombstone => "Most have a null value",
        Verdict::Filtered => "Most are left out by the pipeline's where",
        Verdict::Expired => "Most came when what they would have matched was gone",
        Verdict::Open | Verdict::Joined => {
            "The recording ended before the intervals did, and nothing had matched until then"
        }
    }
}
