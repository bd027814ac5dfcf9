//! Carrying commands out: the only code that changes what is open, the cursor
//! or the selection.

use std::path::PathBuf;

use joinscope_core::run::{Direction, RowView, VerdictSet};
use joinscope_operator::record::{Arrival, RecordName};

use super::app::{App, Seek};
use super::command::Command;
use super::cursor::{ClockMap, Cursor, State};
use super::dialogs::Dialog;
use super::doc::{Doc, PipelineDoc, RecordingDoc, RunDoc, file_name};
use super::layout::{Layout, Panel};
use super::opening::{self, Opened};
use super::panels::Panels;
use super::selection::{History, Place, Selection};
use super::theme::ThemeChoice;

impl App {
    pub(super) fn act(&mut self, command: Command) {
        match command {
            Command::ShowOpen => self.dialog = Some(Dialog::open(&self.settings)),
            Command::Open(path) | Command::UseRecording(path) => self.open(path),
            Command::OpenAll(paths) => {
                self.dialog = None;
                self.left = None;
                self.opening.begin_all(&self.jobs, paths);
            }
            Command::OpenSample => match opening::sample() {
                Some(path) => self.open(path),
                None => self.errors.add("Opening the sample", "sample-data is not where the program looks for it: beside the program, or in the current folder"),
            },
            Command::Close => self.show_doc(Doc::default()),
            Command::Restore(yes) => {
                if let Some(session) = self.left.take().filter(|_| yes)
                    && let Some(path) = session.open
                {
                    self.open(path);
                }
            }
            Command::Run(sets) => self.check_then_run(sets),
            Command::RunAnyway => self.run_checked(),
            Command::DoNotRun => self.checking.forget(),
            Command::CancelRun => {
                if let Some(running) = &self.running {
                    running.control.cancel();
                }
            }
            Command::ToggleTheme => self.toggle_theme(),
            Command::Zoom(by) => {
                let now = self.ctx.zoom_factor();
                let zoom = if by == 0 { 1.0 } else { (now + 0.1 * f32::from(by)).clamp(0.6, 2.0) };
                self.ctx.set_zoom_factor(zoom);
            }
            Command::ShowErrors => self.dialog = Some(Dialog::Errors),
            Command::ShowAbout => self.dialog = Some(Dialog::About),
            Command::ShowPanel(panel) => self.layout.show_panel(panel),
            Command::Quit => self.ctx.send_viewport_cmd(egui::ViewportCommand::Close),

            Command::GoTo(at) => self.cursor.go(at),
            Command::Step(by) => self.cursor.step(by),
            Command::Start => self.cursor.go(0),
            Command::End => self.cursor.end(self.doc.in_progress),
            Command::TogglePlay => self.cursor.toggle_play(),
            Command::Zone(zone) => {
                self.settings.zone = zone;
                self.save_settings();
            }
            Command::Speed(speed) => self.cursor.speed = speed,
            Command::Scale(scale) => self.scale = scale,
            Command::Next(set, direction) => self.seek_next(set, direction),
            Command::View(view) => self.view = view,

            Command::Select(selection, at) => self.select(selection, at),
            Command::SelectRecord(name) => self.seek_named(name),
            Command::Back => {
                let here = self.place();
                if let Some(place) = self.history.back(here) {
                    self.go_to_place(place);
                }
            }
            Command::Forward => {
                let here = self.place();
                if let Some(place) = self.history.forward(here) {
                    self.go_to_place(place);
                }
            }
            Command::Filter(verdicts) => {
                self.panels.records.set_filter(verdicts);
                self.layout.show_panel(Panel::Records);
            }
            Command::Search(text) => self.panels.records.set_search(text),
            Command::ClearFilter => {
                self.panels.records.set_filter(VerdictSet::EMPTY);
                self.panels.records.set_search(String::new());
                // Nothing is wrong with no conditions.
                let _ = self.panels.records.set_conditions("");
                self.reveal();
            }
            Command::Where(text) => match self.panels.records.set_conditions(&text) {
                Ok(()) => self.layout.show_panel(Panel::Records),
                Err(error) => self.errors.add("Filtering the records", error),
            },
            Command::Copy(text) => self.ctx.copy_text(text),
            Command::Said(place, message) => self.errors.add(place, message),
            Command::Export(what) => self.export(what),
            Command::ExportTo(what, path, replace) => self.export_to(what, path, replace),
            Command::CancelExport => self.exports.at_hand = None,
        }
    }

    fn open(&mut self, path: PathBuf) {
        self.dialog = None;
        self.left = None;
        self.opening.begin(&self.jobs, path);
    }

    fn toggle_theme(&mut self) {
        self.settings.theme = match self.settings.theme {
            ThemeChoice::Dark => ThemeChoice::Light,
            ThemeChoice::Light => ThemeChoice::Dark,
        };
        self.ctx.set_theme(egui::Theme::from(self.settings.theme));
        self.save_settings();
    }

    pub(super) fn save_settings(&mut self) {
        let Some(places) = &self.places else { return };
        if let Err(error) = self.settings.save(places) {
            self.errors.add("Saving the settings", error.to_string());
        }
    }

    /// Takes in what workers have finished.
    pub(super) fn take_answers(&mut self) {
        if let Some((path, opened)) = self.opening.taken() {
            match opened {
                Ok(opened) => {
                    self.settings.opened(&path);
                    self.save_settings();
                    self.show_opened(opened);
                }
                Err(error) => {
                    self.errors.add(format!("Opening {}", file_name(&path)), &error);
                    self.dialog = Some(Dialog::Failed {
                        title: format!("{} was not opened", file_name(&path)),
                        message: error,
                    });
                }
            }
            self.opening.go_on(&self.jobs);
        }
        self.take_check();
        self.follow_run();
        if let Some(answer) = self.seek.answer()
            && self.seeking.as_ref() == Some(&answer.question)
        {
            self.seeking = None;
            match &answer.result {
                Ok(Some(row)) => self.select_row(row),
                Ok(None) => {}
                Err(error) => self.errors.add("Looking for a record", error),
            }
        }
    }

    fn show_opened(&mut self, opened: Opened) {
        match opened {
            Opened::Recording { recording, .. }
                if self.doc.run.is_some() && self.doc.recording.is_none() =>
            {
                self.locate(recording);
            }
            Opened::Recording { recording, runs } => {
                // A pipeline that waits for its recording keeps waiting for this one.
                let pipeline = self
                    .doc
                    .pipeline
                    .take()
                    .filter(|_| self.doc.run.is_none() && self.doc.recording.is_none());
                let waits = pipeline.is_some();
                self.show_doc(Doc { recording: Some(recording), pipeline, runs, ..Doc::default() });
                if waits {
                    self.commands.push(Command::Run(Vec::new()));
                }
            }
            Opened::Pipeline { pipeline, beside } => self.show_pipeline(pipeline, &beside),
            Opened::Run { run, pipeline, recording, runs } => {
                let in_progress = run.is_in_progress();
                self.show_doc(Doc {
                    recording,
                    pipeline: Some(pipeline),
                    run: Some(run),
                    runs,
                    revision: 0,
                    in_progress,
                });
            }
        }
    }

    /// The run at hand has lost its recording, and one was opened: if it is the
    /// one, values can be read again.
    fn locate(&mut self, recording: RecordingDoc) {
        let Some(run) = &self.doc.run else { return };
        match run.run.locate(recording.recording.path()) {
            Ok(()) => {
                self.doc.runs = opening::runs_of(&recording.recording);
                self.doc.recording = Some(recording);
                self.doc.revision += 1;
            }
            Err(error) => self.fail("This is not the run's recording", &error.to_string()),
        }
    }

    /// A pipeline runs over the recording that is open, else over the one that
    /// lies beside it and has its topics, else it waits for one.
    fn show_pipeline(&mut self, pipeline: PipelineDoc, beside: &[PathBuf]) {
        if let Some(recording) = self.doc.recording.clone() {
            let runs = std::mem::take(&mut self.doc.runs);
            self.show_doc(Doc {
                recording: Some(recording),
                pipeline: Some(pipeline),
                runs,
                ..Doc::default()
            });
            self.commands.push(Command::Run(Vec::new()));
            return;
        }
        self.show_doc(Doc { pipeline: Some(pipeline), ..Doc::default() });
        if let [only] = beside {
            self.commands.push(Command::UseRecording(only.clone()));
        }
    }

    /// Shows another document from its start.
    pub(super) fn show_doc(&mut self, doc: Doc) {
        let revision = self.doc.revision + 1;
        self.layout = if doc.run.is_some() { Layout::of_run() } else { Layout::of_recording() };
        self.doc = Doc { revision, ..doc };
        self.panels = Panels::default();
        self.selection = None;
        self.history = History::default();
        self.clock = ClockMap::default();
        self.view = None;
        self.strip.clear();
        self.seeking = None;
        let speed = self.cursor.speed;
        self.cursor = Cursor::default();
        self.cursor.speed = speed;
        self.cursor.set_len(self.doc.arrivals());
        if self.doc.run.is_some() {
            // How it ended, or its head.
            self.cursor.end(self.doc.in_progress);
        }
    }

    /// Shows the same run as it is now.
    pub(super) fn show_newer(&mut self, run: RunDoc, in_progress: bool) {
        self.doc.run = Some(run);
        self.doc.in_progress = in_progress;
        self.doc.revision += 1;
        self.cursor.set_len(self.doc.arrivals());
    }

    fn place(&self) -> Place {
        Place { selection: self.selection, cursor: self.cursor.at() }
    }

    fn go_to_place(&mut self, place: Place) {
        self.selection = place.selection;
        self.cursor.go(place.cursor);
        self.reveal();
    }

    /// Selecting moves the cursor when paused, not when playing.
    fn select(&mut self, selection: Option<Selection>, at: Option<Arrival>) {
        if selection == self.selection {
            return;
        }
        self.history.leave(self.place());
        self.selection = selection;
        if let Some(at) = at.filter(|_| self.cursor.state() != State::Playing) {
            self.cursor.go(at);
        }
    }

    fn select_row(&mut self, row: &RowView) {
        self.select(Some(Selection::Row(row.row)), Some(row.arrival));
        self.reveal();
    }

    /// Brings the selected row into sight in its table.
    fn reveal(&mut self) {
        match self.selection {
            Some(Selection::Row(row)) => self.panels.records.reveal(row),
            Some(Selection::Output(n)) => self.panels.outputs.reveal(n),
            None => {}
        }
    }

    fn seek_next(&mut self, set: VerdictSet, direction: Direction) {
        let Some(doc) = &self.doc.run else { return };
        let run = doc.run.clone();
        let at = self.cursor.at();
        // From the selected row where there is one: several rows may share an
        // arrival.
        let selected = match self.selection {
            Some(Selection::Row(row)) => Some(row),
            _ => None,
        };
        let seek = Seek::Next(self.doc.revision, set, (selected, at), direction);
        self.seeking = Some(seek.clone());
        self.seek.again();
        self.seek.ask(&self.jobs, seek, move |_| {
            let from = match selected {
                Some(row) => row,
                None => crate::window::store::first_row_of(&run, at).map_err(|e| e.to_string())?,
            };
            let next = run.next(set, from, direction).map_err(|e| e.to_string())?;
            next.map(|row| run.row(row)).transpose().map_err(|e| e.to_string())
        });
    }

    fn seek_named(&mut self, name: RecordName) {
        let Some(doc) = &self.doc.run else { return };
        let run = doc.run.clone();
        let seek = Seek::Named(self.doc.revision, name.clone());
        self.seeking = Some(seek.clone());
        self.seek.again();
        self.seek.ask(&self.jobs, seek, move |_| {
            let rows = run.find(&name).map_err(|e| e.to_string())?;
            match rows.into_iter().next() {
                Some(row) => Ok(Some(row)),
                None => Err(format!("{name} is not in this run")),
            }
        });
    }
}
