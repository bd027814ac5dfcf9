//! Sources: the recording with its topics, its runs, the books of the run that
//! is open, and its bookmarks. It stands at the window's side and needs more of
//! the window than a panel in a tile.

mod ask;
mod bookmarks;
mod export;
#[cfg(test)]
mod tests;
mod topics;

use std::sync::Arc;

use egui::{Key, Modifiers, Popup, ScrollArea, Ui};

use joinscope_core::run::{RunState, VerdictSet};
use joinscope_operator::verdict::Verdict;

pub use self::ask::Books;
use self::topics::Topics;
use crate::window::app::App;
use crate::window::bars::menu_item;
use crate::window::chrome::panel_frame;
use crate::window::command::Command;
use crate::window::doc::{RecordingDoc, file_name};
use crate::window::panels::watermarks::say::feeds_several;
use crate::window::text::{line, path_line, short_count, thousands};
use crate::window::theme::{SMALL, Tokens, fonts};
use crate::window::widgets::{ListRow, Mark, group, list_row};

/// The widest that its lines become, points.
const WIDEST: f32 = 480.0;

/// What the panel keeps between frames.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    search: String,
    /// Topics whose partitions are listed.
    opened: Vec<String>,
    /// Of the recording as it was when they were looked at last.
    topics: Arc<Topics>,
}

/// Shows the panel.
pub fn show(app: &mut App, ui: &mut Ui) {
    let t = Tokens::of(ui.ctx());
    panel_frame(t).show(ui, |ui| {
        ui.set_min_size(ui.available_size());
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            // Figures far from their names are hard to read.
            ui.set_max_width(WIDEST.min(ui.available_width()));
            open(app, ui);
            inset_group(ui, "Recordings");
            recordings(app, ui);
            if !app.doc.runs.is_empty() || app.running.is_some() {
                inset_group(ui, "Runs");
                runs(app, ui);
            }
            books(app, ui);
            bookmarks::show(app, ui);
            ui.add_space(12.0);
        });
    });
}

fn inset_group(ui: &mut Ui, label: &str) {
    ui.horizontal(|ui| {
        ui.add_space(crate::window::theme::INSET);
        ui.vertical(|ui| group(ui, label));
    });
}

fn row<'a>(label: &'a str, figure: &'a str) -> ListRow<'a> {
    ListRow { label, figure, indent: 0.0, selected: false, mark: Mark::None, mono_label: false }
}

/// What is open, where that is more than one.
fn open(app: &mut App, ui: &mut Ui) {
    if app.open.list().len() < 2 {
        return;
    }
    inset_group(ui, "Open");
    let front = app.open.front();
    for (n, doc) in app.open.list().to_vec().iter().enumerate() {
        let title = doc.title();
        let shown = ListRow { selected: front == Some(n), ..row(&title, &doc.note) };
        let response = list_row(ui, &shown);
        if response.clicked() && front != Some(n) {
            app.commands.push(Command::Open(doc.at.path.clone()));
        }
        let delete =
            response.has_focus() && ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Delete));
        if delete || response.middle_clicked() {
            app.commands.push(Command::CloseOpen(n));
        }
        Popup::context_menu(&response).show(|ui| {
            ui.set_min_width(120.0);
            menu_item(app, ui, "Close", Command::CloseOpen(n));
        });
        let (note, path) = (line(&doc.note), path_line(&doc.at.path));
        let hover = format!("{note}\n{path}\nDelete closes it");
        response.on_hover_text(hover.trim_start().to_owned());
    }
}

fn recordings(app: &mut App, ui: &mut Ui) {
    if let Some(doc) = app.doc.recording.clone() {
        let count = short_count(doc.recording.len());
        let shown = ListRow { selected: true, mark: Mark::Recording, ..row(&doc.name, &count) };
        list_row(ui, &shown).on_hover_text(path_line(doc.recording.path()));
        topics::show(app, ui, &doc);
        notes(ui, &doc, app.doc.is_live());
    }
    if let (None, Some(run)) = (&app.doc.recording, &app.doc.run) {
        let path = run.manifest.start.recording.path.clone();
        let name = file_name(&path);
        let shown = ListRow { mark: Mark::Recording, ..row(&name, "not found") };
        let hover = format!("Not at {}: open it from where it is now", path_line(&path));
        if list_row(ui, &shown).on_hover_text(hover).clicked() {
            app.commands.push(Command::ShowOpen);
        }
    }
    let open = app.doc.recording.as_ref().map(|r| r.recording.path().to_owned());
    for path in app.settings.recent_recordings() {
        let is_open =
            open.as_deref().is_some_and(|o| std::path::absolute(o).is_ok_and(|o| o == path));
        if is_open {
            continue;
        }
        let name = file_name(&path);
        let shown = ListRow { mark: Mark::Recording, ..row(&name, "") };
        if list_row(ui, &shown).on_hover_text(path_line(&path)).clicked() {
            app.commands.push(Command::Open(path));
        }
    }
}

/// What one has to know of the recording before believing its times.
fn notes(ui: &mut Ui, doc: &RecordingDoc, live: bool) {
    let info = doc.recording.info();
    let mut lines = Vec::new();
    if info.approximate {
        lines.push("arrival order is approximate: a merge by producers' timestamps".to_owned());
    }
    match &info.cut {
        // The arrival log of a run in progress has no end yet: that is no damage.
        Some(_) if live => lines.push("being written by the live run".to_owned()),
        Some(cut) => lines.push(cut.to_string()),
        None => {}
    }
    for line in lines {
        remark(ui, &line);
    }
}

/// A sentence under a row; it wraps.
fn remark(ui: &mut Ui, said: &str) {
    let t = Tokens::of(ui.ctx());
    let margin = egui::Margin { left: 28, right: 10, top: 0, bottom: 2 };
    egui::Frame::NONE.inner_margin(margin).show(ui, |ui| {
        let text = egui::RichText::new(crate::window::text::line(said))
            .font(fonts::regular(SMALL))
            .color(t.second);
        ui.add(egui::Label::new(text).wrap());
    });
}

fn runs(app: &mut App, ui: &mut Ui) {
    if let Some(running) = &app.running {
        let percent = running.percent().map(|p| format!("{p} %")).unwrap_or_default();
        list_row(ui, &row("running", &percent));
    }
    let open = app.doc.run.as_ref().map(|r| r.dir.clone());
    for label in app.doc.runs.clone() {
        let busy = app.running.as_ref().is_some_and(|r| r.dir.as_ref() == Some(&label.dir));
        if busy && label.state == RunState::Running && open.as_ref() != Some(&label.dir) {
            continue;
        }
        let figure = label.ended().map_or(label.settings.clone(), ToOwned::to_owned);
        let shown =
            ListRow { selected: open.as_ref() == Some(&label.dir), ..row(&label.name, &figure) };
        let hover = format!("{}\n{}", line(&label.settings), path_line(&label.dir));
        if list_row(ui, &shown).on_hover_text(hover).clicked() {
            app.commands.push(Command::Open(label.dir));
        }
    }
}

fn books(app: &mut App, ui: &mut Ui) {
    let Some(run) = app.doc.run.clone() else { return };
    app.panels.books.ask(&app.jobs, &app.doc);
    // A record has a row for each input that it feeds, and a verdict for each.
    let rows = if feeds_several(&run.manifest.start) { ", in rows" } else { "" };
    inset_group(ui, &format!("Books of {}{rows}", run.label.name));
    let Some(counts) = app.panels.books.shown() else {
        if let Some(error) = app.panels.books.error() {
            crate::window::failures::note(ui.ctx(), &error);
            remark(ui, &format!("cannot be read: {error}"));
        } else if super::waits(ui) {
            remark(ui, "Reading the books");
        }
        return;
    };
    if let Some(error) = app.panels.books.cause_error() {
        crate::window::failures::note_part(ui.ctx(), &error);
    }
    let filter = app.panels.records.filter();
    for verdict in Verdict::ALL {
        let n = counts.get(verdict);
        if n == 0 {
            continue;
        }
        let figure = thousands(n);
        let set = VerdictSet::of(verdict);
        let shown = ListRow {
            mark: Mark::Verdict(verdict),
            selected: filter == set,
            ..row(verdict.name(), &figure)
        };
        if list_row(ui, &shown).clicked() {
            let set = if filter == set { VerdictSet::EMPTY } else { set };
            app.commands.push(Command::Filter(set));
        }
    }
    let outputs = thousands(app.panels.books.outputs());
    // Under the names, which stand beside their shapes.
    let shown = ListRow { indent: 16.0, ..row("outputs", &outputs) };
    if list_row(ui, &shown).clicked() {
        app.commands.push(Command::ShowPanel(crate::window::panel::Panel::Outputs));
    }
}
