//! The bookmarks of what is open: a press goes there, Delete takes one away.
//! Those that count other arrivals are said.

use egui::{Key, Modifiers, Popup, Ui};

use super::{inset_group, remark, row};
use crate::window::app::App;
use crate::window::bars::menu_item;
use crate::window::bookmarks::{Bookmark, Waiting};
use crate::window::command::Command;
use crate::window::text::{lines, plural, thousands};
use crate::window::widgets::{ListRow, Mark, list_row};

/// Bookmarks listed at most: more are reached by the command palette.
const LISTED: usize = 200;

/// Of a note in its tooltip.
const LINES: usize = 12;

/// Topics named at most.
const NAMED: usize = 8;

pub fn show(app: &mut App, ui: &mut Ui) {
    let waiting = waiting(app);
    if app.bookmarks.list().is_empty() && waiting.is_empty() {
        return;
    }
    inset_group(ui, "Bookmarks");
    list(app, ui);
    for said in waiting {
        remark(ui, &said);
    }
}

/// What is said of bookmarks that are not listed: how many, and why.
fn waiting(app: &App) -> Vec<String> {
    let kept = app.bookmarks.waiting().iter().map(|w| said(app, w, ""));
    let here = app.bookmarks.numbering();
    let brought = app.incident.as_ref().zip(here).and_then(|(incident, n)| incident.waiting(n));
    kept.chain(brought.map(|w| said(app, &w, " of the incident"))).collect()
}

fn said(app: &App, waiting: &Waiting, whose: &str) -> String {
    let many = plural(waiting.count as u64, "bookmark");
    let (wait, count) =
        if waiting.count == 1 { ("waits", "it counts") } else { ("wait", "they count") };
    let topics: Vec<&str> = waiting.topics.iter().map(String::as_str).collect();
    let mut said = format!("{many}{whose} {wait}: {count} the arrivals of {}", named(&topics));
    if app.doc.recording.is_none() {
        return said;
    }
    let there = &app.panels.sources.topics;
    let lacks = |topic: &&str| !there.has(topic);
    let missing: Vec<&str> = topics.into_iter().filter(lacks).collect();
    if missing.is_empty() {
        said.push_str("; run a pipeline over these");
    } else {
        said.push_str(&format!("; this recording has no {}", named(&missing)));
    }
    said
}

/// As many names as can be read, and how many more there are.
fn named(topics: &[&str]) -> String {
    let mut said = topics[..topics.len().min(NAMED)].join(", ");
    if let Some(more) = topics.len().checked_sub(NAMED).filter(|more| *more > 0) {
        said.push_str(&format!(" and {more} more"));
    }
    said
}

fn list(app: &mut App, ui: &mut Ui) {
    let times = app.times();
    let at = app.cursor.at();
    let all = app.bookmarks.list();
    let more = all.len().saturating_sub(LISTED) as u64;
    let listed: Vec<Bookmark> = all.iter().take(LISTED).cloned().collect();
    for bookmark in listed {
        let title = bookmark.title();
        let figure = if app.clock.is_empty() {
            thousands(bookmark.at)
        } else {
            times.short(app.clock.time(bookmark.at as f64).round() as i64)
        };
        let shown =
            ListRow { selected: bookmark.at == at, mark: Mark::Bookmark, ..row(&title, &figure) };
        let response = list_row(ui, &shown);
        if response.clicked() {
            app.commands.push(Command::GoToBookmark(bookmark.id));
        }
        let delete =
            response.has_focus() && ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Delete));
        if delete {
            app.commands.push(Command::RemoveBookmark(bookmark.id));
        }
        let rename =
            response.has_focus() && ui.input_mut(|i| i.consume_key(Modifiers::CTRL, Key::Enter));
        if rename || response.double_clicked() {
            app.commands.push(Command::EditBookmark(Some(bookmark.id)));
        }
        Popup::context_menu(&response).show(|ui| {
            ui.set_min_width(160.0);
            menu_item(app, ui, "Edit the note…", Command::EditBookmark(Some(bookmark.id)));
            menu_item(app, ui, "Remove", Command::RemoveBookmark(bookmark.id));
        });
        // An incident brings notes that somebody else wrote.
        let note = if bookmark.note.is_empty() { title } else { lines(&bookmark.note, LINES) };
        response.on_hover_text(format!("{note}\narrival {}", thousands(bookmark.at)));
    }
    if more > 0 {
        remark(ui, &format!("and {} more: the command palette has them", thousands(more)));
    }
}
