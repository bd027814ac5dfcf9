//! The check says no: the user is asked before the pipeline runs.

use egui::Context;

use super::{modal, paragraph, scrolled};
use crate::window::app::App;
use crate::window::command::Command;
use crate::window::theme::{TEXT, Tokens, fonts};
use crate::window::widgets::{button, text};

pub fn show(app: &mut App, ctx: &Context) {
    let t = Tokens::of(ctx);
    let Some(checked) = app.checking.question().cloned() else { return };
    let closed = modal(ctx, "Run this pipeline?", 560.0, |ui| {
        let why = "The check before the run found something that makes a useful run unlikely:";
        text(ui, why, fonts::regular(TEXT), t.second);
        ui.add_space(8.0);
        scrolled(ui, |ui| {
            for reason in &checked.reasons {
                paragraph(ui, reason, t);
                ui.add_space(4.0);
            }
        });
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            if button("Do not run").primary().show(ui).clicked() {
                app.commands.push(Command::DoNotRun);
            }
            if button("Run anyway").show(ui).clicked() {
                app.commands.push(Command::RunAnyway);
            }
        });
    });
    if closed {
        app.commands.push(Command::DoNotRun);
    }
}
