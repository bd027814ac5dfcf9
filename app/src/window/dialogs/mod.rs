//! Dialogs in front of the window, one at a time.

mod about;
mod check;
mod errors;
mod export;
mod open;

use egui::{Context, Frame, Id, Modal, Ui};

pub use export::ExportDialog;
pub use open::OpenDialog;

use super::app::App;
use super::command::{Command, Export};
use super::settings::Settings;
use super::theme::{TEXT, Tokens, fonts};
use super::widgets::{button, text};

/// The dialog in front.
pub enum Dialog {
    Open(OpenDialog),
    Errors,
    About,
    Export(ExportDialog),
    /// The file of an export is there already.
    Replace(Export, std::path::PathBuf),
    /// Something that was asked for did not happen.
    Failed {
        title: String,
        message: String,
    },
}

impl Dialog {
    #[must_use]
    pub fn open(settings: &Settings) -> Self {
        Self::Open(OpenDialog::new(settings))
    }
}

impl App {
    /// Shows the dialog in front, if there is one.
    pub(super) fn dialogs(&mut self, ctx: &Context) {
        if self.checking.asks() {
            check::show(self, ctx);
            return;
        }
        let Some(mut dialog) = self.dialog.take() else { return };
        let close = match &mut dialog {
            Dialog::Open(open) => open.show(self, ctx),
            Dialog::Errors => errors::show(self, ctx),
            Dialog::About => about::show(ctx),
            Dialog::Export(export) => export.show(self, ctx),
            Dialog::Replace(what, path) => export::replace(self, ctx, *what, path),
            Dialog::Failed { title, message } => failed(ctx, title, message),
        };
        if !close && self.dialog.is_none() {
            self.dialog = Some(dialog);
        }
    }
}

/// A dialog's frame; says whether the user closed it.
fn modal(ctx: &Context, name: &str, width: f32, content: impl FnOnce(&mut Ui)) -> bool {
    let t = Tokens::of(ctx);
    let style = ctx.global_style();
    let shown =
        Modal::new(Id::unique(name)).frame(Frame::window(&style).fill(t.panel)).show(ctx, |ui| {
            ui.set_width(width);
            text(ui, name, fonts::semibold(TEXT + 2.0), t.text);
            ui.add_space(8.0);
            content(ui);
        });
    shown.should_close()
}

fn failed(ctx: &Context, title: &str, message: &str) -> bool {
    let t = Tokens::of(ctx);
    let mut close = false;
    let left = modal(ctx, title, 520.0, |ui| {
        paragraph(ui, message, t);
        ui.add_space(12.0);
        close = button("Close").show(ui).clicked();
    });
    close || left
}

/// Text that wraps and can be copied.
fn paragraph(ui: &mut Ui, message: &str, t: &Tokens) {
    for line in message.lines().take(40) {
        let line =
            egui::RichText::new(super::text::line(line)).font(fonts::regular(TEXT)).color(t.text);
        ui.add(egui::Label::new(line).wrap().selectable(true));
    }
}

/// A button that copies a text.
fn copy(app: &mut App, ui: &mut Ui, what: &str) {
    if button("Copy").icon(super::theme::fonts::icon::COPY).show(ui).clicked() {
        app.commands.push(Command::Copy(what.to_owned()));
    }
}
