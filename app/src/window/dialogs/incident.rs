//! An incident file: where it is saved and what is said of it; and what the one
//! that is open says.

use std::path::Path;

use egui::{Context, Key, Label, RichText, TextEdit, Ui};

use super::export::stem;
use super::{copy, modal, modal_left, paragraph, scrolled, still_in_front};
use crate::window::app::App;
use crate::window::command::{Command, Export};
use crate::window::incident::{IncidentDoc, Remade};
use crate::window::text::{plural, thousands};
use crate::window::theme::{SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{button, group, text};

/// Where to, and the notes.
pub struct SaveIncident {
    path: String,
    notes: String,
    /// The notes as they were.
    was: String,
    /// What was in front, by [`Doc::since`](crate::window::doc::Doc::since).
    since: u64,
    begun: bool,
}

impl SaveIncident {
    /// `folder`: where it goes unless the user says otherwise; `name`: of the
    /// run or recording, which came to the front `since`.
    #[must_use]
    pub fn new(folder: &Path, name: &str, notes: &str, since: u64) -> Self {
        let file = folder.join(format!("{}-incident.mcap", stem(name)));
        let (path, notes) = (file.display().to_string(), notes.to_owned());
        Self { path, was: notes.clone(), notes, since, begun: false }
    }

    /// Whether notes were written that are not kept yet.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.notes != self.was
    }

    /// Shows the dialog; says whether it is done.
    pub fn show(&mut self, app: &mut App, ctx: &Context) -> bool {
        let written = if self.is_changed() { self.notes.trim() } else { "" };
        if !still_in_front(app, self.since, "The incident was not saved", written) {
            return true;
        }
        let t = Tokens::of(ctx);
        let mut done = false;
        let (closed, beside) = modal_left(ctx, "Save as an incident", 560.0, |ui| {
            let field = TextEdit::singleline(&mut self.path)
                .font(fonts::mono(SMALL))
                .hint_text("A name that ends with .mcap")
                .desired_width(f32::INFINITY);
            let field = ui.add(field).accessible_name("Path of the file");
            if !self.begun {
                field.request_focus();
                self.begun = true;
            }
            let enter = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            ui.add_space(8.0);
            let notes = TextEdit::multiline(&mut self.notes)
                .hint_text("What happened, and what to look at")
                .font(fonts::regular(TEXT))
                .desired_rows(5)
                .desired_width(f32::INFINITY);
            ui.add(notes).accessible_name("Notes");
            ui.add_space(8.0);
            wrapped(ui, &holds(app), t);
            ui.add_space(12.0);
            let path = self.path.trim().to_owned();
            ui.horizontal(|ui| {
                let save = button("Save").primary().enabled(!path.is_empty()).show(ui);
                if (enter || save.clicked()) && !path.is_empty() {
                    app.commands.push(Command::SetNotes(self.notes.trim().to_owned()));
                    let path = super::open::expand(&path);
                    app.commands.push(Command::ExportTo(Export::Incident, path, false));
                    done = true;
                }
                done |= button("Cancel").show(ui).clicked();
            });
        });
        if closed && !done && self.is_changed() {
            // Escape is soon pressed: they are there when it is opened again.
            app.commands.push(Command::SetNotes(self.notes.clone()));
        }
        done || closed && !(beside && self.is_changed())
    }
}

/// What the file holds, in a sentence.
fn holds(app: &App) -> String {
    let mut parts = vec!["the recording as it is".to_owned()];
    if app.doc.run.is_some() {
        parts.push("the pipeline and the run's settings".to_owned());
    }
    match app.bookmarks.list().len() {
        0 => {}
        n => parts.push(plural(n as u64, "bookmark")),
    }
    parts.push("the layout, cursor and selection".to_owned());
    let last = parts.pop().unwrap_or_default();
    format!(
        "Holds {} and {last}. Whoever opens it sees the same. Values are in it: redact the \
         recording first where they must not leave",
        parts.join(", ")
    )
}

fn wrapped(ui: &mut Ui, said: &str, t: &Tokens) {
    let said = RichText::new(said).font(fonts::regular(SMALL)).color(t.second);
    ui.add(Label::new(said).wrap());
}

/// What the incident that is open says.
pub fn show(app: &mut App, ctx: &Context) -> bool {
    let Some(incident) = &app.incident else { return true };
    let t = Tokens::of(ctx);
    let times = app.times();
    let about = &incident.incident.about;
    let saved = format!("Saved {} by {}", times.full(about.saved_ms), about.saved_by);
    let (name, facts) = (incident.name.clone(), facts(incident));
    let notes = about.notes.clone();
    // What differs is listed: the sentence need not say it too.
    let (sentence, differences) = match &incident.remade {
        Remade::Differs(how) => ("The run is not the one that was saved".to_owned(), how.clone()),
        _ => (incident.sentence(), Vec::new()),
    };
    let problems: Vec<String> =
        incident.incident.problems.iter().map(|p| format!("{}: {}", p.what, p.why)).collect();
    let mut close = false;
    let left = modal(ctx, "About the incident", 600.0, |ui| {
        text(ui, &name, fonts::mono(SMALL), t.text);
        text(ui, &saved, fonts::regular(SMALL), t.second);
        scrolled(ui, |ui| {
            group(ui, "Notes");
            if notes.is_empty() {
                text(ui, "None were written", fonts::regular(TEXT), t.second);
            }
            paragraph(ui, &notes, t);
            group(ui, "Run");
            paragraph(ui, &sentence, t);
            for how in &differences {
                wrapped(ui, how, t);
            }
            ui.add_space(6.0);
            for (what, value) in &facts {
                ui.horizontal(|ui| {
                    let width = 150.0;
                    ui.allocate_ui(egui::vec2(width, 18.0), |ui| {
                        ui.set_min_width(width);
                        text(ui, what, fonts::regular(SMALL), t.second);
                    });
                    let value = RichText::new(value).font(fonts::mono(SMALL)).color(t.text);
                    ui.add(Label::new(value).wrap().selectable(true));
                });
            }
            if !problems.is_empty() {
                group(ui, "Cannot be used");
                for problem in &problems {
                    paragraph(ui, problem, t);
                }
            }
        });
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            close = button("Close").show(ui).clicked();
            if !notes.is_empty() {
                copy(app, ui, &notes);
            }
        });
    });
    close || left
}

/// What is known of its run, by name.
fn facts(incident: &IncidentDoc) -> Vec<(&'static str, String)> {
    let Some(run) = &incident.incident.run else { return Vec::new() };
    let mut facts = vec![
        ("Pipeline", run.pipeline_file.clone()),
        ("Records", thousands(run.records)),
        ("Outputs", thousands(run.outputs)),
    ];
    for (path, value) in &run.overrides {
        facts.push(("Override", format!("{path} = {value}")));
    }
    if run.seed != 0 {
        facts.push(("Seed", run.seed.to_string()));
    }
    if !run.restarts.is_empty() {
        let restarts: Vec<String> = run.restarts.iter().map(|at| thousands(*at)).collect();
        facts.push(("Restarts before arrival", restarts.join("; ")));
    }
    facts.push(("At the end", run.at_end.clone()));
    facts.push(("Made by", format!("joinscope {}", run.program)));
    facts.push(("Digest of the run", run.digest.clone()));
    facts.push(("Digest of the recording", run.recording.clone()));
    facts
}
