//! A bookmark and its note.

use egui::{Context, Key, Modifiers, TextEdit};
use joinscope_operator::record::Arrival;

use super::modal_left;
use crate::window::app::App;
use crate::window::bookmarks::{Bookmark, Numbering};
use crate::window::command::Command;
use crate::window::text::thousands;
use crate::window::theme::{SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{button, text};

/// The dialog's state.
pub struct BookmarkDialog {
    /// `None`: it is added.
    id: Option<u64>,
    at: Arrival,
    /// Which arrivals are counted.
    of: Option<Numbering>,
    note: String,
    /// The note as it was.
    was: String,
    begun: bool,
}

impl BookmarkDialog {
    /// Of the bookmark that is there, or of a new one at `at`; `of`: what is
    /// counted.
    #[must_use]
    pub fn new(there: Option<&Bookmark>, at: Arrival, of: Option<Numbering>) -> Self {
        let note = there.map(|b| b.note.clone()).unwrap_or_default();
        Self {
            id: there.map(|b| b.id),
            at: there.map_or(at, |b| b.at),
            of,
            was: note.clone(),
            note,
            begun: false,
        }
    }

    /// Whether something was written that is not kept yet.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.note != self.was
    }

    /// Shows the dialog; says whether it is done.
    pub fn show(&mut self, app: &mut App, ctx: &Context) -> bool {
        if app.bookmarks.numbering() != self.of.as_ref() {
            // A run that was started, or a file, came to the front meanwhile.
            self.give_up(app);
            return true;
        }
        let t = Tokens::of(ctx);
        let mut done = false;
        let (closed, beside) = modal_left(ctx, "Bookmark", 420.0, |ui| {
            let ms = app.clock.time(self.at as f64).round() as i64;
            let mut at = format!("arrival {}", thousands(self.at));
            if !app.clock.is_empty() {
                at.push_str(&format!(" · {}", app.times().exact(ms)));
            }
            text(ui, &at, fonts::mono(SMALL), t.second);
            ui.add_space(4.0);
            let field = TextEdit::multiline(&mut self.note)
                .hint_text("What happens here")
                .font(fonts::regular(TEXT))
                .desired_rows(4)
                .desired_width(f32::INFINITY);
            // Enter saves, as everywhere; a line break is Shift+Enter.
            let field = field.return_key(egui::KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter));
            let response = ui.add(field).accessible_name("Note");
            if !self.begun {
                response.request_focus();
                self.begun = true;
            }
            let enter = response.has_focus()
                && ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter));
            ui.add_space(12.0);
            ui.horizontal(|ui| {
                let label = if self.id.is_some() { "Save" } else { "Add bookmark" };
                if button(label).primary().show(ui).clicked() || enter {
                    app.commands.push(match self.id {
                        Some(id) => Command::SetNote(id, self.note.clone()),
                        None => Command::AddBookmarkAt(self.at, self.note.clone()),
                    });
                    done = true;
                }
                if let Some(id) = self.id
                    && button("Remove").show(ui).clicked()
                {
                    app.commands.push(Command::RemoveBookmark(id));
                    done = true;
                }
                done |= button("Cancel").show(ui).clicked();
            });
        });
        done || closed && !(beside && self.is_changed())
    }

    /// What is in front counts other arrivals: the bookmark would be another one.
    fn give_up(&self, app: &mut App) {
        if !self.is_changed() {
            return;
        }
        let why = format!(
            "What came to the front meanwhile counts other arrivals than the one it was for, {}. \
             Its note: {}",
            thousands(self.at),
            self.note.trim()
        );
        app.notice("The bookmark's note was not kept", &why);
    }
}
