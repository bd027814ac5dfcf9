//! Export: where to, and as what (the file's name says it).

use std::path::Path;

use egui::{Context, Key, TextEdit};

use super::{modal, paragraph, still_in_front};
use crate::window::app::App;
use crate::window::command::{Command, Export};
use crate::window::panel::Panel;
use crate::window::panels::edged;
use crate::window::text::path_line;
use crate::window::theme::{SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::button;

/// The dialog's state.
pub struct ExportDialog {
    what: Export,
    path: String,
    /// What was in front, by [`Doc::since`](crate::window::doc::Doc::since).
    since: u64,
    /// Of a picture: the figures that it shows are written beside it.
    figures: bool,
    begun: bool,
}

impl ExportDialog {
    /// `folder`: where the file goes unless the user says otherwise; `name`: of
    /// the run or recording, which came to the front `since`.
    #[must_use]
    pub fn new(what: Export, folder: &Path, name: &str, since: u64) -> Self {
        let ending = match what {
            Export::Data(_) | Export::Lines(_) => "csv",
            Export::Picture(_) | Export::Incident => "png",
        };
        let panel = what.panel().map_or("", Panel::title).to_lowercase().replace(' ', "-");
        let stem = stem(name);
        let what_of = if matches!(what, Export::Lines(_)) { "-over-time" } else { "" };
        let file = folder.join(format!("{stem}-{panel}{what_of}.{ending}"));
        Self { what, path: file.display().to_string(), since, figures: true, begun: false }
    }

    fn is_picture(&self) -> bool {
        matches!(self.what, Export::Picture(_))
    }

    /// Shows the dialog; says whether it is done.
    pub fn show(&mut self, app: &mut App, ctx: &Context) -> bool {
        if !still_in_front(app, self.since, "Nothing was exported", "") {
            return true;
        }
        let t = Tokens::of(ctx);
        let mut done = false;
        let (title, hint) = match self.what {
            Export::Data(_) | Export::Lines(_) => {
                ("Export what is shown", "A name that ends with .csv or .jsonl")
            }
            _ => ("Save a picture", "A name that ends with .png or .svg"),
        };
        let closed = modal(ctx, title, 560.0, |ui| {
            let field = TextEdit::singleline(&mut self.path)
                .font(fonts::mono(SMALL))
                .hint_text(hint)
                .desired_width(f32::INFINITY);
            let field = ui.add(field).accessible_name("Path of the file");
            if !self.begun {
                field.request_focus();
                self.begun = true;
            }
            let enter = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            ui.add_space(4.0);
            let rows = match self.what {
                Export::Data(_) => {
                    "All rows of the table as it is filtered and sorted; .csv has the columns \
                     that are shown, .jsonl everything that is known of each row"
                }
                Export::Lines(_) => {
                    "The lines over the range in sight, cut into pieces: of each figure the \
                     least and the most"
                }
                _ => {
                    "The panel as it is on screen: .png as pixels, .svg as shapes and text for any size"
                }
            };
            let rows = egui::RichText::new(rows).font(fonts::regular(SMALL)).color(t.second);
            ui.add(egui::Label::new(rows).wrap());
            let panel = self.what.panel().filter(|_| self.is_picture());
            if panel.is_some() {
                ui.add_space(4.0);
                let label = egui::RichText::new("Its figures beside it, as .csv");
                let label = label.font(fonts::regular(TEXT)).color(t.text);
                edged(ui);
                ui.checkbox(&mut self.figures, label);
            }
            ui.add_space(8.0);
            let path = self.path.trim().to_owned();
            ui.horizontal(|ui| {
                let save = button("Save").primary().enabled(!path.is_empty()).show(ui);
                if (enter || save.clicked()) && !path.is_empty() {
                    let path = super::open::expand(&path);
                    if let Some(panel) = panel.filter(|_| self.figures) {
                        let beside = path.with_extension("csv");
                        app.commands.push(Command::ExportFigures(panel, beside));
                    }
                    app.commands.push(Command::ExportTo(self.what, path, false));
                    done = true;
                }
                if button("Cancel").show(ui).clicked() {
                    done = true;
                }
            });
        });
        done || closed
    }
}

/// A file's name after what it is of: whatever that is called, it is one that any file
/// system takes, with room for more behind it.
pub(super) fn stem(name: &str) -> String {
    const LONGEST: usize = 60;
    let plain = |c: char| if c.is_alphanumeric() || "._-+=,@()[]".contains(c) { c } else { '-' };
    name.trim_end_matches(".mcap").chars().take(LONGEST).map(plain).collect()
}

/// Something is there already: whether it is to be replaced.
pub fn replace(app: &mut App, ctx: &Context, (what, since): (Export, u64), path: &Path) -> bool {
    if !still_in_front(app, since, "The file was not replaced", "") {
        app.commands.push(Command::CancelExport);
        return true;
    }
    let t = Tokens::of(ctx);
    let mut done = false;
    let left = modal(ctx, "Replace the file?", 520.0, |ui| {
        paragraph(ui, &format!("{} is there already", path_line(path)), t);
        ui.add_space(12.0);
        ui.horizontal(|ui| {
            if button("Replace").primary().show(ui).clicked() {
                app.commands.push(Command::ExportTo(what, path.to_owned(), true));
                done = true;
            }
            if button("Keep it").show(ui).clicked() {
                app.commands.push(Command::CancelExport);
                done = true;
            }
        });
    });
    if left && !done {
        // Else what was to be written after it would follow the next export.
        app.commands.push(Command::CancelExport);
    }
    done || left
}
