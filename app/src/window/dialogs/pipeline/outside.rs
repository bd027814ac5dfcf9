//! What another program did to the file that is edited, and the choice between
//! what it says and what was changed here.

use std::time::Instant;

use egui::Ui;

use super::PipelineDialog;
use crate::window::app::App;
use crate::window::command::Command;
use crate::window::text::line;
use crate::window::theme::{TEXT, Tokens, fonts};
use crate::window::watch::Found;
use crate::window::widgets::{button, text};

/// How the file stands to what is edited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outside {
    /// As it was opened or saved here.
    #[default]
    Same,
    /// It was changed, and what it says now is edited.
    Taken,
    /// It says this, and something else is edited.
    Differs(String),
    Gone,
    Unreadable(String),
}

impl PipelineDialog {
    /// Whether the file was written here since somebody looked at it.
    #[must_use]
    pub fn has_written_since(&self, looked: Instant) -> bool {
        self.wrote.is_some_and(|wrote| looked < wrote)
    }

    /// The file was changed: it is taken where nothing was changed here. Whether
    /// that is news: what was saved here is not.
    pub fn file_changed(&mut self, found: &Found) -> bool {
        self.is_file.again();
        let Some(said) = found.text() else {
            self.file_is_missing(found);
            return true;
        };
        if said == self.editor.saved() || said == self.editor.text() {
            if said == self.editor.text() {
                self.proposed = None;
            }
            self.editor.file_says(said);
            (self.outside, self.differs) = (Outside::Same, false);
            return false;
        }
        // Also where it was gone for a while.
        self.differs |= self.editor.is_changed();
        self.outside = if self.differs {
            Outside::Differs(said.to_owned())
        } else {
            self.editor.take(said);
            Outside::Taken
        };
        true
    }

    /// What the file says while the editor opens on something: nothing is taken
    /// unasked.
    pub fn opens_beside(&mut self, found: &Found) {
        match found.text() {
            Some(said) if said != self.editor.text() => {
                (self.outside, self.differs) = (Outside::Differs(said.to_owned()), true);
            }
            Some(_) => {}
            None => self.file_is_missing(found),
        }
    }

    fn file_is_missing(&mut self, found: &Found) {
        self.outside = match found {
            Found::Unreadable(why) => Outside::Unreadable(why.clone()),
            _ => Outside::Gone,
        };
    }

    /// Says how the file stands, and asks where both were changed.
    pub(super) fn outside(&mut self, app: &mut App, ui: &mut Ui, t: &Tokens) {
        let said = match &self.outside {
            Outside::Same => return,
            Outside::Taken => {
                "Another program changed the file: this is what it says now".to_owned()
            }
            Outside::Differs(_) => {
                "The file says something else than what is edited here".to_owned()
            }
            Outside::Gone => "The file is not there any more: Save as… writes it anew".to_owned(),
            Outside::Unreadable(why) => format!("The file cannot be read: {why}"),
        };
        let differs = matches!(self.outside, Outside::Differs(_));
        let (mut take, mut keep) = (false, false);
        ui.horizontal(|ui| {
            text(ui, &said, fonts::regular(TEXT), t.text).on_hover_text(line(&said));
            if differs {
                take = button("Take the file's").show(ui).clicked();
                keep = button("Keep mine").primary().show(ui).clicked();
            }
        });
        if !take && !keep {
            return;
        }
        self.differs = false;
        if let Outside::Differs(said) = std::mem::take(&mut self.outside) {
            if keep {
                // Saving writes over what was seen here.
                self.editor.file_says(&said);
            } else {
                self.editor.take(&said);
                self.proposed = None;
                app.commands.push(Command::TakeFile(said));
            }
        }
    }
}
