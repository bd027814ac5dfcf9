//! The bookmarks of what is open: a press goes there, Delete takes one away.

use egui::{Key, Modifiers, Popup, Ui};

use super::{inset_group, row};
use crate::window::app::App;
use crate::window::bars::menu_item;
use crate::window::command::Command;
use crate::window::text::thousands;
use crate::window::widgets::{ListRow, Mark, list_row};

/// Bookmarks listed at most: more are reached by the command palette.
const LISTED: usize = 200;

pub fn show(app: &mut App, ui: &mut Ui) {
    if app.bookmarks.list().is_empty() {
        return;
    }
    inset_group(ui, "Bookmarks");
    let times = app.times();
    let at = app.cursor.at();
    for bookmark in app.bookmarks.list().to_vec().into_iter().take(LISTED) {
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
        let note = if bookmark.note.is_empty() { title } else { bookmark.note };
        response.on_hover_text(format!("{note}\narrival {}", thousands(bookmark.at)));
    }
}
