//! The list of what went wrong since the window was opened.

use egui::Context;

use super::{copy, modal, paragraph, scrolled};
use crate::window::app::App;
use crate::window::text::thousands;
use crate::window::theme::{SMALL, Tokens, fonts};
use crate::window::widgets::{button, text};

pub fn show(app: &mut App, ctx: &Context) -> bool {
    let t = Tokens::of(ctx);
    app.errors.mark_seen();
    let mut close = false;
    let left = modal(ctx, "Errors", 620.0, |ui| {
        scrolled(ui, |ui| {
            if app.errors.list().is_empty() {
                text(ui, "Nothing went wrong so far", fonts::regular(SMALL), t.second);
            }
            for problem in app.errors.list().iter().rev() {
                let times = if problem.times > 1 {
                    format!(", {} times", thousands(u64::from(problem.times)))
                } else {
                    String::new()
                };
                text(ui, &format!("{}{times}", problem.place), fonts::regular(SMALL), t.second);
                paragraph(ui, &problem.message, t);
                ui.add_space(8.0);
            }
        });
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            close = button("Close").show(ui).clicked();
            if app.errors.list().is_empty() {
                return;
            }
            let all: Vec<String> =
                app.errors.list().iter().map(|p| format!("{}: {}", p.place, p.message)).collect();
            copy(app, ui, &all.join("\n"));
            if button("Clear").show(ui).clicked() {
                app.errors.clear();
                close = true;
            }
        });
    });
    close || left
}
