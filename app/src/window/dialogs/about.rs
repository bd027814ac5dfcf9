//! About: the version, and the licences of the fonts that ship with it.

use egui::Context;

use super::{modal, scrolled};
use crate::window::theme::{SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{button, text};

pub fn show(ctx: &Context) -> bool {
    let t = Tokens::of(ctx);
    let mut close = false;
    let left = modal(ctx, "About Joinscope", 560.0, |ui| {
        let version = format!("Version {}", env!("CARGO_PKG_VERSION"));
        text(ui, &version, fonts::mono(SMALL), t.text);
        text(
            ui,
            "An oscilloscope for stream joins; MIT or Apache-2.0",
            fonts::regular(TEXT),
            t.second,
        );
        ui.add_space(8.0);
        scrolled(ui, |ui| {
            for (name, licence, full) in fonts::LICENCES {
                egui::CollapsingHeader::new(format!("{name}: {licence}")).show(ui, |ui| {
                    for line in full.lines() {
                        text(ui, line, fonts::mono(11.0), t.second);
                    }
                });
            }
        });
        ui.add_space(8.0);
        close = button("Close").show(ui).clicked();
    });
    close || left
}
