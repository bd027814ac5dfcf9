//! Dialogs in front of the window, one at a time.

mod about;
mod bookmark;
mod check;
mod errors;
mod export;
mod font;
mod incident;
mod open;
mod palette;
mod pipeline;
mod propose;
mod settings;
mod shortcuts;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_open;
#[cfg(test)]
mod tests_room;

use egui::{Context, Frame, Id, Modal, Ui};

pub use bookmark::BookmarkDialog;
pub use export::ExportDialog;
pub use incident::SaveIncident;
pub use open::{OpenDialog, expand};
pub use palette::Palette;
pub use pipeline::PipelineDialog;
pub use propose::ProposeDialog;
pub use settings::SettingsDialog;

use super::app::App;
use super::bookmarks::{Bookmark, Numbering};
use super::command::{Command, Export};
use super::settings::Settings;
use super::text::{pieces, plural};
use super::theme::{TEXT, Tokens, fonts};
use super::widgets::{button, growing, text};
use joinscope_operator::record::Arrival;

/// The dialog in front.
pub enum Dialog {
    Open(OpenDialog),
    Bookmark(BookmarkDialog),
    Palette(Palette),
    Pipeline(Box<PipelineDialog>),
    /// A pipeline is being proposed.
    Propose(ProposeDialog),
    Settings(SettingsDialog),
    Shortcuts,
    Errors,
    About,
    Export(ExportDialog),
    SaveIncident(SaveIncident),
    /// What is said of the incident that is open.
    Incident,
    /// The file of an export is there already; since when what it is of is in front.
    Replace(Export, std::path::PathBuf, u64),
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

    /// The note of a bookmark, or of a new one at `at`, which is counted so.
    #[must_use]
    pub fn bookmark(there: Option<&Bookmark>, at: Arrival, of: Option<Numbering>) -> Self {
        Self::Bookmark(BookmarkDialog::new(there, at, of))
    }

    /// Whether something is written in it that would be lost with it.
    #[must_use]
    pub fn holds_words(&self) -> bool {
        match self {
            Self::Pipeline(editor) => editor.is_changed(),
            Self::Bookmark(_) | Self::SaveIncident(_) => true,
            _ => false,
        }
    }
}

impl App {
    /// Says that something did not happen: in front, or above the panels where
    /// somebody writes in a dialog.
    pub(super) fn say_failed(&mut self, title: String, message: String) {
        if self.dialog.as_ref().is_some_and(Dialog::holds_words) {
            self.put_notice(title, message);
        } else {
            self.dialog = Some(Dialog::Failed { title, message });
        }
    }

    /// Something is opened: what was asked for in front is done with. A pipeline
    /// that is not saved stays; it may be run over what is opened. So do notes that
    /// somebody writes: they are still of what is in front, or it is said that they are not.
    pub(super) fn leave_dialog(&mut self) {
        self.dialog = self.dialog.take().filter(|dialog| match dialog {
            Dialog::Pipeline(editor) => editor.is_changed(),
            Dialog::Bookmark(bookmark) => bookmark.is_changed(),
            Dialog::SaveIncident(save) => save.is_changed(),
            _ => false,
        });
    }

    /// Shows the dialog in front, if there is one.
    pub(super) fn dialogs(&mut self, ctx: &Context) {
        if self.checking.asks() {
            check::show(self, ctx);
            return;
        }
        let Some(mut dialog) = self.dialog.take() else { return };
        let close = match &mut dialog {
            Dialog::Open(open) => open.show(self, ctx),
            Dialog::Bookmark(bookmark) => bookmark.show(self, ctx),
            Dialog::Palette(palette) => palette.show(self, ctx),
            Dialog::Pipeline(pipeline) => pipeline.show(self, ctx),
            Dialog::Propose(propose) => propose.show(self, ctx),
            Dialog::Settings(settings) => settings.show(self, ctx),
            Dialog::Shortcuts => shortcuts::show(ctx, !self.doc.is_empty()),
            Dialog::Errors => errors::show(self, ctx),
            Dialog::About => about::show(ctx),
            Dialog::Export(export) => export.show(self, ctx),
            Dialog::SaveIncident(save) => save.show(self, ctx),
            Dialog::Incident => incident::show(self, ctx),
            Dialog::Replace(what, path, since) => export::replace(self, ctx, (*what, *since), path),
            Dialog::Failed { title, message } => failed(ctx, title, message),
        };
        if !close && self.dialog.is_none() {
            self.dialog = Some(dialog);
        }
    }
}

/// A dialog's frame; says whether the user closed it.
fn modal(ctx: &Context, name: &str, width: f32, content: impl FnOnce(&mut Ui)) -> bool {
    modal_left(ctx, name, width, content).0
}

/// As [`modal`]; and whether it was a press beside it, which somebody who writes did not
/// mean.
fn modal_left(
    ctx: &Context,
    name: &str,
    width: f32,
    content: impl FnOnce(&mut Ui),
) -> (bool, bool) {
    let t = Tokens::of(ctx);
    let style = ctx.global_style();
    let shown =
        Modal::new(Id::unique(name)).frame(Frame::window(&style).fill(t.panel)).show(ctx, |ui| {
            ui.set_width(width);
            text(ui, name, fonts::semibold(TEXT + 2.0), t.text);
            ui.add_space(8.0);
            content(ui);
        });
    (shown.should_close(), shown.backdrop_response.clicked())
}

/// Whether what came to the front `since` still is, so that a file that is asked for
/// holds what its name says; else says that it is not, with what was written.
fn still_in_front(app: &mut App, since: u64, title: &str, written: &str) -> bool {
    if app.doc.since == since {
        return true;
    }
    let mut why = "Something else came to the front while it was asked where to".to_owned();
    if !written.is_empty() {
        why.push_str(&format!(". What was written for it: {written}"));
    }
    app.notice(title, &why);
    false
}

/// Room of a scroll bar beside words, points.
const BAR: f32 = 12.0;

/// Words that may be many: they scroll, and what is below them stays in sight.
fn scrolled(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    let height = (ui.ctx().content_rect().height() - 240.0).clamp(120.0, 420.0);
    growing(ui, height, |ui| {
        ui.set_max_width(ui.available_width() - BAR);
        content(ui);
    });
}

fn failed(ctx: &Context, title: &str, message: &str) -> bool {
    let t = Tokens::of(ctx);
    let mut close = false;
    let left = modal(ctx, title, 520.0, |ui| {
        scrolled(ui, |ui| paragraph(ui, message, t));
        ui.add_space(12.0);
        close = button("Close").show(ui).clicked();
    });
    close || left
}

/// Text that wraps and can be copied; how many lines are not shown is said.
fn paragraph(ui: &mut Ui, message: &str, t: &Tokens) {
    const LINES: usize = 200;
    let mut lines = message.lines();
    for piece in lines.by_ref().take(LINES).flat_map(pieces) {
        let piece =
            egui::RichText::new(super::text::line(piece)).font(fonts::regular(TEXT)).color(t.text);
        ui.add(egui::Label::new(piece).wrap().selectable(true));
    }
    let more = lines.count() as u64;
    if more > 0 {
        let more = format!("… and {}", plural(more, "more line"));
        text(ui, &more, fonts::regular(TEXT), t.second);
    }
}

/// A button that copies a text.
fn copy(app: &mut App, ui: &mut Ui, what: &str) {
    if button("Copy").icon(super::theme::fonts::icon::COPY).show(ui).clicked() {
        app.commands.push(Command::Copy(what.to_owned()));
    }
}
