//! Carrying commands out: the only code that changes what is open, the cursor
//! or the selection.

use std::path::PathBuf;

use joinscope_core::run::{Direction, RowView, VerdictSet};
use joinscope_operator::record::{Arrival, RecordName};

use super::app::{App, Seek};
use super::axis::Scale;
use super::bookmarks::{Bookmarks, Numbering};
use super::command::Command;
use super::cursor::{ClockMap, Cursor, State};
use super::dialogs::{Dialog, Palette, PipelineDialog, SettingsDialog};
use super::doc::{Doc, PipelineDoc, RecordingDoc, file_name};
use super::open_docs::{self, OpenDoc, Tables};
use super::opening::{self, Opened};
use super::panel::Panel;
use super::panels::outputs::Outputs;
use super::panels::records::Records;
use super::range::{ArrivalRange, RangeState};
use super::selection::{History, Place, Selection};
use super::settings::Settings;
use super::theme::ThemeChoice;

impl App {
    pub(super) fn act(&mut self, command: Command) {
        match command {
            Command::ShowOpen => self.dialog = Some(Dialog::open(&self.settings)),
            Command::Open(path) | Command::UseRecording(path) => self.open(path),
            Command::OpenAll(paths) => {
                self.dialog = None;
                self.opening.begin_all(&self.jobs, paths, self.settings.cache_bytes());
            }
            Command::OpenSample => match opening::sample() {
                Some(path) => self.open(path),
                None => self.errors.add("Opening the sample", "sample-data is not where the program looks for it: beside the program, or in the current folder"),
            },
            Command::Close => match self.open.front() {
                Some(front) => self.close(front),
                None => self.show_doc(Doc::default()),
            },
            Command::CloseOpen(n) => self.close(n),
            Command::NextOpen(direction) => {
                if let Some(next) = self.open.next(direction) {
                    self.open(next);
                }
            }
            Command::Restore(n, yes) => self.choose_left(n, yes),
            Command::Continue => {
                if let Some(session) = self.last.take() {
                    self.restore(session);
                }
            }
            Command::Run(sets) => {
                self.compares = false;
                self.check_then_run(sets);
            }
            Command::RunEdited { file, text, overrides } => {
                self.run_edited(file, text, overrides);
            }
            Command::EditPipeline => self.edit_pipeline(),
            Command::NewPipeline => self.new_pipeline(),
            Command::TakeFile(text) => self.take_file(&text),
            Command::Compare(_)
            | Command::ChangeAndCompare
            | Command::RunAndCompare(_)
            | Command::OpenCompared
            | Command::ListDifference(_)
            | Command::OpenThen(..)
            | Command::RunSemantics
            | Command::CancelSemantics => self.act_on_comparison(command),
            Command::AddBreakpoint(_)
            | Command::EnableBreakpoint(..)
            | Command::RemoveBreakpoint(_)
            | Command::GoOn
            | Command::NextHit(_) => self.act_on_breakpoints(command),
            Command::RunAnyway => self.run_checked(),
            Command::DoNotRun => self.checking.forget(),
            Command::CancelRun => {
                if let Some(running) = &self.running {
                    running.control.cancel();
                }
            }
            Command::ToggleTheme => {
                let dark = self.ctx.theme() == egui::Theme::Dark;
                self.set(|s| s.theme = if dark { ThemeChoice::Light } else { ThemeChoice::Dark });
            }
            Command::Theme(theme) => self.set(|s| s.theme = theme),
            Command::Zoom(by) => {
                let now = i32::from(self.settings.scale);
                let scale = if by == 0 { 100 } else { now + 10 * i32::from(by) };
                self.act(Command::ScaleTo(u16::try_from(scale).unwrap_or(0)));
            }
            Command::ScaleTo(percent) => {
                let (least, most) = (*Settings::SCALES.start(), *Settings::SCALES.end());
                self.set(|s| s.scale = percent.clamp(least, most));
            }
            Command::TextFont(family) => self.set(|s| s.text_font = family),
            Command::FiguresFont(family) => self.set(|s| s.figures_font = family),
            Command::CacheMemory(mib) => {
                let (least, most) = (*Settings::CACHE.start(), *Settings::CACHE.end());
                self.set(|s| s.cache_mib = mib.clamp(least, most));
            }
            Command::RunMemory(mib) => {
                let (least, most) = (*Settings::RUN.start(), *Settings::RUN.end());
                self.set(|s| s.run_mib = mib.clamp(least, most));
            }
            Command::ResetSettings => self.reset_settings(),
            Command::ShowSettings => {
                self.dialog = Some(Dialog::Settings(SettingsDialog::new(&self.settings)));
            }
            Command::Ask(asked) => self.dialog = Some(Dialog::Palette(Palette::new(Some(asked)))),
            Command::ShowPalette => self.dialog = Some(Dialog::Palette(Palette::new(None))),
            Command::ShowShortcuts => self.dialog = Some(Dialog::Shortcuts),
            Command::ShowErrors => self.dialog = Some(Dialog::Errors),
            Command::ShowAbout => self.dialog = Some(Dialog::About),
            Command::Undo
            | Command::Redo
            | Command::ResetLayout
            | Command::UseLayout(_)
            | Command::SaveLayout(_)
            | Command::RenameLayout(..)
            | Command::DeleteLayout(_) => self.act_on_layouts(command),
            Command::ShowPanel(panel) => self.layout.show_panel(panel),
            Command::HidePanel(panel) => self.layout.hide_panel(panel),
            Command::TogglePanel(panel) => {
                if self.layout.is_in_sight(panel) {
                    self.layout.hide_panel(panel);
                } else {
                    self.layout.show_panel(panel);
                }
            }
            Command::Quit => self.ctx.send_viewport_cmd(egui::ViewportCommand::Close),

            Command::GoTo(at) => self.cursor.go(at),
            Command::Step(by) => self.cursor.step(by),
            Command::Start => self.cursor.go(0),
            Command::End => self.cursor.end(self.doc.in_progress),
            Command::TogglePlay => self.cursor.toggle_play(),
            Command::Zone(zone) => self.set(|s| s.zone = zone),
            Command::Speed(speed) => self.cursor.speed = speed,
            Command::Scale(scale) => {
                (self.scale, self.event_time) = (scale, scale == Scale::EventTime);
            }
            Command::EventTimeClock if self.doc.run.is_none() => {}
            Command::EventTimeClock => (self.scale, self.event_time) = (Scale::EventTime, true),
            Command::Next(set, direction) => self.seek_next(set, direction),
            Command::View(view) => self.view = view,

            Command::SetRange(a, b) => self.mark_range(Some(ArrivalRange::between(a, b))),
            Command::ClearRange => self.mark_range(None),
            Command::RangeFromHere => {
                let last = self.cursor.len().saturating_sub(1);
                self.range.move_end(true, self.cursor.at(), last);
            }
            Command::RangeToHere => self.range.move_end(false, self.cursor.at(), 0),
            Command::Loop(on) => self.range.looped = on && self.range.marked.is_some(),
            Command::FilterToRange(on) => {
                self.range.filters = on && self.range.marked.is_some();
            }

            Command::EditBookmark(id) => self.edit_bookmark(id),
            Command::AddBookmark(note) => {
                if self.cursor.len() > 0 {
                    self.bookmarks.add(self.cursor.at(), &note);
                    self.save_bookmarks();
                }
            }
            Command::SetNote(id, note) => {
                if self.bookmarks.set_note(id, &note) {
                    self.save_bookmarks();
                }
            }
            Command::RemoveBookmark(id) => {
                if self.bookmarks.remove(id) {
                    self.save_bookmarks();
                }
            }
            Command::GoToBookmark(id) => {
                if let Some(bookmark) = self.bookmarks.get(id) {
                    self.cursor.go(bookmark.at);
                }
            }
            Command::NextBookmark(direction) => {
                if let Some(next) = self.bookmarks.next(self.cursor.at(), direction) {
                    self.cursor.go(next.at);
                }
            }

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
            Command::FilterOutputs(kind) => {
                self.panels.outputs.show_only(kind);
                self.layout.show_panel(Panel::Outputs);
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
            Command::ShowIncident if self.incident.is_some() => {
                self.dialog = Some(Dialog::Incident);
            }
            Command::ShowIncident => {}
            Command::CloseIncident => {
                if let Some(incident) = &mut self.incident {
                    incident.quiet = true;
                }
            }
            Command::SetNotes(notes) => self.set_notes(notes),
            Command::Export(what) => self.export(what),
            Command::ExportTo(what, path, replace) => self.export_to(what, path, replace),
            Command::ExportFigures(panel, path) => self.exports.then(panel, path),
            Command::CancelExport => self.exports.forget(),
        }
    }

    pub(super) fn edit_pipeline(&mut self) {
        // The run that follows is compared only where that was asked for.
        self.compares = false;
        let run = self.doc.run.as_ref();
        let overrides = run.map(|r| r.manifest.start.overrides.clone()).unwrap_or_default();
        if let Some(pipeline) = &self.doc.pipeline {
            let mut dialog = PipelineDialog::new(pipeline, overrides);
            if let Some(found) = self.watch.says(&pipeline.file) {
                dialog.opens_beside(found);
            }
            self.dialog = Some(Dialog::Pipeline(Box::new(dialog)));
        }
    }

    pub(super) fn mark_range(&mut self, range: Option<ArrivalRange>) {
        let len = self.cursor.len();
        self.range.mark(range.and_then(|r| r.within(len)));
    }

    fn edit_bookmark(&mut self, id: Option<u64>) {
        if self.cursor.len() == 0 {
            return;
        }
        let there = match id {
            Some(id) => self.bookmarks.get(id),
            None => self.bookmarks.list().iter().find(|b| b.at == self.cursor.at()),
        };
        self.dialog = Some(Dialog::bookmark(there, self.cursor.at()));
        // It would play away from what is written about.
        self.cursor.go(self.cursor.at());
    }

    pub(super) fn save_bookmarks(&mut self) {
        self.bookmarks.save(self.places.as_ref(), &self.saver);
    }

    /// Reads the bookmarks of what is open; those of the same arrivals stay.
    fn read_bookmarks(&mut self) {
        let wanted = Numbering::of(&self.doc);
        if self.bookmarks.numbering() == wanted.as_ref() {
            return;
        }
        self.bookmarks = Bookmarks::of(wanted.clone());
        self.range = RangeState::default();
        let places = self.places.clone();
        self.reading.ask(&self.jobs, wanted, move |wanted| {
            Ok(Bookmarks::load(wanted.clone(), places.as_ref()))
        });
    }

    fn take_bookmarks(&mut self) {
        if !self.reading.is_open() {
            return;
        }
        let Some(answer) = self.reading.answer() else { return };
        if answer.question.as_ref() != self.bookmarks.numbering() {
            return;
        }
        match &answer.result {
            Ok((read, problem)) => {
                let problem = problem.clone();
                // What was added meanwhile stays.
                let added = std::mem::replace(&mut self.bookmarks, read.clone());
                self.bookmarks.take_in(added);
                if let Some(problem) = problem {
                    self.notice("The bookmarks were not read", &problem);
                }
            }
            Err(error) => self.notice("The bookmarks were not read", error),
        }
    }

    pub(super) fn open(&mut self, path: PathBuf) {
        self.dialog = None;
        self.opening.begin(&self.jobs, path, self.settings.cache_bytes());
    }

    /// Changes a setting, at once and for the next start.
    fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        let before = self.settings.clone();
        change(&mut self.settings);
        self.apply_settings();
        self.save_settings(&before);
    }

    /// Closes one of what is open; its neighbour comes to the front.
    fn close(&mut self, n: usize) {
        let was_front = self.open.front() == Some(n);
        let next = self.open.close(n);
        match next {
            Some(next) => self.open(next),
            None if was_front => self.show_doc(Doc::default()),
            None => {}
        }
    }

    /// Takes in what workers have finished.
    pub(super) fn take_answers(&mut self) {
        if let Some((path, opened)) = self.opening.taken() {
            match opened {
                Ok(opened) => {
                    self.note_opened(path);
                    self.show_opened(opened);
                }
                Err(error) => {
                    self.errors.add(format!("Opening {}", file_name(&path)), &error);
                    // What is gone is no longer open; what was in front stays there.
                    if let Some(n) =
                        self.open.place(&path).filter(|n| Some(*n) != self.open.front())
                    {
                        self.open.close(n);
                    }
                    self.dialog = Some(Dialog::Failed {
                        title: format!("{} was not opened", file_name(&path)),
                        message: error,
                    });
                }
            }
            self.opening.go_on(&self.jobs, self.settings.cache_bytes());
            self.show_another();
        }
        self.take_bookmarks();
        for (path, error) in self.saver.failed() {
            self.errors.add(format!("Saving {}", path.display()), error);
        }
        self.follow_file();
        self.take_check();
        self.follow_run();
        self.take_stop();
        self.take_hit();
        self.list_failed();
        self.follow_incident();
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

    /// Where what was to come to the front could not be opened, and nothing
    /// stands there or what was closed: another of what is open comes.
    fn show_another(&mut self) {
        // A pipeline alone is in front without being listed.
        let stays = self.open.front().is_some()
            || !self.doc.is_empty() && open_docs::path_of(&self.doc).is_none();
        if stays || self.opening.is_open() {
            return;
        }
        match self.open.next(Direction::Forward) {
            // Not as the user's wish, which would close what says what failed.
            Some(next) => self.opening.begin(&self.jobs, next, self.settings.cache_bytes()),
            None if self.doc.is_empty() => {}
            None => self.show_doc(Doc::default()),
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
            Opened::Incident(opened) => self.show_incident(*opened),
            Opened::Pipeline { pipeline, over } => self.show_pipeline(pipeline, over),
            Opened::Run { run, pipeline, recording, runs } => {
                let in_progress = run.is_in_progress();
                self.show_doc(Doc {
                    recording,
                    pipeline: Some(pipeline),
                    run: Some(run),
                    runs,
                    in_progress,
                    ..Doc::default()
                });
                self.then();
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
    fn show_pipeline(&mut self, pipeline: PipelineDoc, over: Option<PathBuf>) {
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
        if let Some(over) = over {
            self.commands.push(Command::UseRecording(over));
        }
    }

    /// Shows another document: where one stood in it, or from its start.
    pub(super) fn show_doc(&mut self, doc: Doc) {
        let revision = self.doc.revision + 1;
        let name = |d: &Doc| d.recording.as_ref().map(|r| r.recording.path().to_owned());
        // A run over the recording in front is what one wanted to see of it.
        let instead = self.doc.run.is_none() && name(&self.doc) == name(&doc);
        if let Some(here) = self.standing() {
            let tables =
                Tables { records: self.panels.records.keep(), outputs: self.panels.outputs.keep() };
            self.open.leave(here, std::mem::take(&mut self.history), tables);
        }
        if let Some(run) = &self.doc.run {
            // One run's answers at a time are held in memory.
            run.run.forget();
        }
        let stood = self.open.show(&doc, instead);
        self.undo.expect();
        let doc_has_run = doc.run.is_some();
        let was = self.doc.run.as_ref().map(|r| r.dir.clone());
        self.doc = Doc { revision, since: revision, ..doc };
        if self.event_time && !doc_has_run {
            (self.scale, self.event_time) = (Scale::default(), false);
        }
        self.change_panels(was.as_deref());
        self.forget_failures();
        self.clock = ClockMap::default();
        self.strip.clear();
        self.seeking = None;
        let speed = self.cursor.speed;
        self.cursor = Cursor::default();
        self.cursor.speed = speed;
        self.cursor.set_len(self.doc.arrivals());
        self.read_bookmarks();
        if let Some(OpenDoc { at, history, tables, .. }) = stood {
            (self.selection, self.view, self.range) = (at.selection, at.view, at.range);
            self.history = history;
            self.cursor.go(at.cursor);
            if let Some(other) = at.compared.filter(|_| self.panels.compare.other().is_none()) {
                self.panels.compare.set_other(other);
            }
            if let Some(tables) = tables {
                self.panels.records = Records::restored(tables.records);
                self.panels.outputs = Outputs::restored(tables.outputs);
            } else {
                self.reveal();
            }
            return;
        }
        (self.selection, self.view) = (None, None);
        self.history = History::default();
        if self.doc.run.is_some() {
            // How it ended, or its head.
            self.cursor.end(self.doc.in_progress);
        }
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
    pub(super) fn reveal(&mut self) {
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
