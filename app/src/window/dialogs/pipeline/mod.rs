//! The pipeline, edited: a form and the TOML side by side, the same thing twice,
//! and under them the overrides of the next run.

mod form;
mod outside;
mod overrides;
mod source;

use std::path::{Path, PathBuf};
use std::time::Instant;

use egui::{Context, Rect, TextEdit, Ui, UiBuilder, pos2, vec2};

use self::outside::Outside;
use super::modal;
use crate::window::app::App;
use crate::window::command::Command;
use crate::window::doc::{PipelineDoc, file_name};
use crate::window::editor::Editor;
use crate::window::jobs::{Jobs, Slot};
use crate::window::text::{line, path_line, plural};
use crate::window::theme::{SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{button, fit, text};

/// Largest size of the dialog's content, points.
const WIDTH: f32 = 1180.0;
const HEIGHT: f32 = 760.0;
/// Of the form.
const FORM: f32 = 400.0;
/// Of the overrides' title, and of each of those in sight.
const OVERRIDES: f32 = 40.0;
const OVERRIDE: f32 = 29.0;
/// Between what is said of the file and the form.
const BELOW_HEAD: f32 = 4.0;
/// Overrides in sight.
const SEEN: usize = 4;

/// What is asked before the text is written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Saving {
    No,
    /// Where to.
    Asks(String),
    /// There is a file already, and what about it.
    Replaces(PathBuf, &'static str),
}

/// The dialog's state.
pub struct PipelineDialog {
    editor: Editor,
    saving: Saving,
    written: Slot<(u64, PathBuf, Over), Written>,
    writes: u64,
    /// What is being written: the text goes on to be edited.
    writing: String,
    problem: Option<String>,
    /// Whether the pipeline's file is there to be saved to.
    is_file: Slot<PathBuf, bool>,
    source: source::Source,
    /// Closing would lose changes, and was asked for.
    leaving: bool,
    /// How many topics it was proposed from; no file holds it yet.
    proposed: Option<usize>,
    outside: Outside,
    /// The file and what is edited differ, and nobody has chosen yet.
    differs: bool,
    /// When it was saved last.
    wrote: Option<Instant>,
}

/// What the text may be written over.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Over {
    Nothing,
    /// A file that still says this.
    Known(String),
    Anything,
}

/// What came of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// At this moment.
    Done(Instant),
    Exists,
    /// The file there is not the one that was read.
    Differs,
}

impl PipelineDialog {
    #[must_use]
    pub fn new(pipeline: &PipelineDoc, overrides: Vec<(String, String)>) -> Self {
        Self::of(Editor::new(&pipeline.file, &pipeline.text, overrides))
    }

    /// Of a pipeline that was proposed from so many topics: it is saved as `file`,
    /// where nothing is yet.
    #[must_use]
    pub fn proposed(file: &str, text: &str, topics: usize) -> Self {
        Self { proposed: Some(topics), ..Self::of(Editor::unsaved(file, text)) }
    }

    fn of(editor: Editor) -> Self {
        Self {
            editor,
            saving: Saving::No,
            written: Slot::default(),
            writes: 0,
            writing: String::new(),
            problem: None,
            is_file: Slot::default(),
            source: source::Source::default(),
            leaving: false,
            proposed: None,
            outside: Outside::default(),
            differs: false,
            wrote: None,
        }
    }

    /// The file that is edited.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.editor.file
    }

    /// Whether closing it loses something.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.editor.is_changed()
    }

    /// Shows the dialog; says whether it is done.
    pub fn show(&mut self, app: &mut App, ctx: &Context) -> bool {
        let t = Tokens::of(ctx);
        if let Some(error) = self.take_written() {
            app.errors.add("Saving the pipeline", error);
        }
        let file = PathBuf::from(&self.editor.file);
        // A name alone, as an incident keeps it, is no file of this machine: one that
        // is called so where the program was started is another.
        self.is_file.ask(&app.jobs, file, |file| Ok(file.is_absolute() && file.is_file()));
        let room = ctx.content_rect().size() - vec2(72.0, 120.0);
        let size = vec2(WIDTH.min(room.x), HEIGHT.min(room.y)).max(vec2(600.0, 320.0));
        let mut done = false;
        let left = modal(ctx, "Pipeline", size.x, |ui| {
            self.head(ui, t);
            let begin = ui.next_widget_position().y;
            self.proposal(ui, t);
            ui.add_space(BELOW_HEAD);
            self.outside(app, ui, t);
            let foot = 44.0;
            let seen = self.editor.overrides().len().min(SEEN);
            let overrides = OVERRIDES + OVERRIDE * seen as f32;
            let top = ui.next_widget_position().y;
            // What else is said takes its room from the form: the buttons stay in sight.
            let said = (top - begin - BELOW_HEAD).max(0.0);
            let room = size - vec2(0.0, foot + 28.0 + said);
            let all = Rect::from_min_size(pos2(ui.min_rect().left(), top), room);
            let above = Rect::from_min_max(all.min, pos2(all.right(), all.bottom() - overrides));
            let form = Rect::from_min_max(above.min, pos2(above.left() + FORM, above.bottom()));
            let source = Rect::from_min_max(pos2(form.right() + 12.0, above.top()), above.max);
            let below = Rect::from_min_max(pos2(all.left(), above.bottom() + 8.0), all.max);
            part(ui, form, "form", |ui| form::show(&mut self.editor, ui, t));
            part(ui, source, "source", |ui| self.source.show(&mut self.editor, ui, t));
            part(ui, below, "overrides", |ui| overrides::show(&mut self.editor, ui, t));
            ui.advance_cursor_after_rect(all);
            ui.add_space(8.0);
            done = self.foot(app, ui, t);
        });
        if left && self.editor.is_changed() && !self.leaving {
            // Not thrown away by a key.
            self.leaving = true;
            return false;
        }
        done || left
    }

    fn head(&self, ui: &mut Ui, t: &Tokens) {
        let changed = match self.proposed {
            Some(_) => ", not saved yet",
            None if self.editor.is_changed() => ", changed",
            None => "",
        };
        let line = format!("{}{changed}", self.editor.file);
        // Its end says whether it is saved.
        let font = fonts::mono(SMALL);
        let fitting = fit(ui, &line, &font, ui.available_width());
        let shown = text(ui, &fitting, font, t.second);
        shown.on_hover_text(path_line(Path::new(&self.editor.file)));
    }

    /// Where a text comes from that no file holds yet.
    fn proposal(&self, ui: &mut Ui, t: &Tokens) {
        let Some(topics) = self.proposed else { return };
        let why = format!(
            "Proposed from the first records of {}: its comments say why, and what else there is",
            plural(topics as u64, "topic")
        );
        text(ui, &why, fonts::regular(SMALL), t.second).on_hover_text(why.clone());
    }

    /// Run, save, close.
    fn foot(&mut self, app: &mut App, ui: &mut Ui, t: &Tokens) -> bool {
        let mut done = false;
        ui.horizontal(|ui| {
            if self.leaving {
                let what = match self.proposed {
                    Some(_) => "The new pipeline is not saved",
                    None => "The changes are not saved",
                };
                text(ui, what, fonts::regular(TEXT), t.text);
                if button("Keep editing").primary().show(ui).clicked() {
                    self.leaving = false;
                }
                done = button("Close without saving").show(ui).clicked();
                return;
            }
            match self.saving.clone() {
                Saving::No => done = self.buttons(app, ui, t),
                Saving::Asks(path) => self.ask_path(app, ui, path, t),
                Saving::Replaces(path, why) => {
                    // A whole path would leave the buttons no room.
                    let line = format!("{} {why}", file_name(&path));
                    let shown = text(ui, &line, fonts::regular(TEXT), t.text);
                    shown.on_hover_text(path_line(&path));
                    if button("Replace it").show(ui).clicked() {
                        self.write(&app.jobs, path.clone(), Over::Anything);
                    }
                    if button("Keep it").primary().show(ui).clicked() {
                        self.saving = Saving::Asks(path.display().to_string());
                    }
                }
            }
        });
        done
    }

    fn buttons(&mut self, app: &mut App, ui: &mut Ui, t: &Tokens) -> bool {
        let mut done = false;
        let wrong = self.editor.wrong().len();
        // The dialog goes with the press: it would not say what came of saving.
        let saves = self.written.is_open();
        let ready = wrong == 0 && app.doc.recording.is_some() && app.running.is_none() && !saves;
        let run = button("Run").filled_icon(crate::window::theme::fonts::icon::PLAY);
        if run.primary().enabled(ready).name("Run this pipeline").show(ui).clicked() && ready {
            app.commands.push(Command::RunEdited {
                file: self.editor.file.clone(),
                text: self.editor.text().to_owned(),
                overrides: self.editor.given_overrides(),
            });
            done = true;
        }
        let there = self.is_file.answer().and_then(|a| a.result.as_ref().ok().copied());
        let is_file = there == Some(true);
        let is_new = self.proposed.is_some();
        // As a proposal that was run without being saved.
        let in_no_file = there == Some(false) && !is_new;
        let can_save = (is_file || is_new) && self.editor.is_changed() && !saves;
        if button("Save").enabled(can_save).show(ui).clicked() && can_save {
            // Something may have come there meanwhile.
            let known = || Over::Known(self.editor.saved().to_owned());
            let over = if is_new { Over::Nothing } else { known() };
            self.write(&app.jobs, PathBuf::from(&self.editor.file), over);
        }
        if button("Save as…").show(ui).clicked() {
            self.saving = Saving::Asks(self.editor.file.clone());
        }
        if button("Close").show(ui).clicked() {
            if self.editor.is_changed() {
                self.leaving = true;
            } else {
                done = true;
            }
        }
        let why = match (&self.problem, wrong) {
            (Some(problem), _) => problem.clone(),
            (None, 0) if app.doc.recording.is_none() => "Open a recording to run over".to_owned(),
            (None, 0) if app.running.is_some() => "A run is in progress".to_owned(),
            (None, 0) if saves => "It is being saved".to_owned(),
            (None, 0) if in_no_file => "It is in no file: Save as… writes one".to_owned(),
            (None, 0) => String::new(),
            (None, n) => format!("{} to correct before it can run", plural(n as u64, "mistake")),
        };
        text(ui, &why, fonts::regular(TEXT), t.second).on_hover_text(line(&why));
        done
    }

    fn ask_path(&mut self, app: &mut App, ui: &mut Ui, mut path: String, t: &Tokens) {
        text(ui, "Save as", fonts::regular(TEXT), t.second);
        let field = TextEdit::singleline(&mut path)
            .font(fonts::mono(SMALL))
            .hint_text("Path of the TOML file")
            .desired_width((ui.available_width() - 180.0).min(520.0));
        let response = ui.add(field).accessible_name("Path to save as");
        let enter = response.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
        let save = button("Save").primary().name("Save there").show(ui).clicked();
        let cancel = button("Cancel").show(ui).clicked();
        self.saving = if cancel { Saving::No } else { Saving::Asks(path.clone()) };
        if (enter || save) && !path.trim().is_empty() {
            self.write(&app.jobs, place(&path), Over::Nothing);
        }
    }

    /// Writes the text, off the window's thread.
    fn write(&mut self, jobs: &Jobs, path: PathBuf, over: Over) {
        self.writes += 1;
        self.problem = None;
        let text = self.editor.text().to_owned();
        self.writing.clone_from(&text);
        self.written.ask(jobs, (self.writes, path, over), move |(_, path, over)| {
            write(path, &text, over).map_err(|e| format!("{}: {e}", path.display()))
        });
    }

    /// What came of writing; why it failed.
    fn take_written(&mut self) -> Option<String> {
        let answer = self.written.answer()?;
        let (number, path, _) = &answer.question;
        if *number != self.writes {
            return None;
        }
        self.writes += 1;
        match &answer.result {
            Ok(Written::Done(at)) => {
                self.wrote = Some(*at);
                let text = std::mem::take(&mut self.writing);
                self.editor.was_saved(&path.display().to_string(), text);
                (self.proposed, self.outside, self.differs) = (None, Outside::Same, false);
                self.leaving &= self.editor.is_changed();
                self.is_file.again();
                self.saving = Saving::No;
            }
            Ok(Written::Exists) => {
                self.saving = Saving::Replaces(path.clone(), "is there already");
            }
            Ok(Written::Differs) => {
                self.saving = Saving::Replaces(path.clone(), "no longer says what was opened here");
            }
            Err(error) => {
                self.problem = Some(error.clone());
                self.saving = Saving::No;
                return Some(error.clone());
            }
        }
        None
    }
}

/// Where what is typed leads: home may be written as `~`.
fn place(typed: &str) -> PathBuf {
    let path = super::open::expand(typed.trim());
    std::path::absolute(&path).unwrap_or(path)
}

fn write(path: &Path, text: &str, over: &Over) -> std::io::Result<Written> {
    match over {
        // Also a link that leads nowhere is there.
        Over::Nothing if path.symlink_metadata().is_ok() => return Ok(Written::Exists),
        Over::Known(known) if path.exists() && std::fs::read(path)? != known.as_bytes() => {
            return Ok(Written::Differs);
        }
        Over::Nothing | Over::Known(_) | Over::Anything => {}
    }
    crate::window::files::write(path, text.as_bytes())?;
    Ok(Written::Done(Instant::now()))
}

/// A part of the dialog in its place.
fn part(ui: &mut Ui, at: Rect, name: &str, show: impl FnOnce(&mut Ui)) {
    let mut child = ui.new_child(UiBuilder::new().max_rect(at).id_salt(name));
    child.shrink_clip_rect(at.expand(2.0));
    show(&mut child);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::testing::PIPELINE;
    use crate::window::watch::Found;

    #[test]
    fn home_may_be_written_short() {
        let dirs = directories::BaseDirs::new().unwrap();
        assert_eq!(place(" ~/mine.toml "), dirs.home_dir().join("mine.toml"));
        assert_eq!(place("a/mine.toml"), std::env::current_dir().unwrap().join("a/mine.toml"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_nowhere_is_not_written_over_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("feed.toml");
        std::os::unix::fs::symlink(folder.path().join("gone.toml"), &link).unwrap();
        assert_eq!(write(&link, "a = 1", &Over::Nothing).unwrap(), Written::Exists);
        assert!(link.is_symlink());
    }

    #[test]
    fn what_is_typed_while_it_is_saved_is_not_saved_and_not_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feed.toml");
        std::fs::write(&path, PIPELINE).unwrap();
        let jobs = Jobs::new(&Context::default(), 1);
        let file = path.display().to_string();
        let mut dialog = PipelineDialog::of(Editor::new(&file, PIPELINE, Vec::new()));
        let [first, second] = ["7m", "8m"].map(|m| PIPELINE.replace("5m", m));
        dialog.editor.set_text(first.clone());
        dialog.write(&jobs, path.clone(), Over::Anything);
        dialog.editor.set_text(second.clone());
        while jobs.open() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(dialog.take_written(), None);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
        assert!(dialog.is_changed(), "the rest is still to be saved");
        // Nor is the file taken for another program's.
        let found = Found::Wrong { text: first, why: String::new() };
        assert!(!dialog.file_changed(&found));
        assert_eq!(dialog.editor.text(), second);
    }
}
