//! Carrying commands out: with `showing` and `seeking`, which it calls, the only
//! code that changes what is open, the cursor or the selection.

use joinscope_core::run::VerdictSet;

use super::app::App;
use super::axis::Scale;
use super::bookmarks::{Bookmarks, Numbering};
use super::command::Command;
use super::dialogs::{Dialog, Palette, PipelineDialog, SettingsDialog};
use super::doc::Doc;
use super::jobs::Slot;
use super::panel::Panel;
use super::panels::choose::Chosen as _;
use super::range::{ArrivalRange, RangeState};
use super::settings::Settings;
use super::theme::ThemeChoice;

impl App {
    pub(super) fn act(&mut self, command: Command) {
        match command {
            Command::ShowOpen => {
                self.browsing.forget_failure();
                self.dialog = Some(Dialog::open(&self.settings));
            }
            Command::Open(path) | Command::UseRecording(path) => self.open(path),
            Command::OpenAll(paths) => {
                self.leave_dialog();
                self.opening.begin_all(&self.jobs, paths);
            }
            Command::OpenSample => {
                self.sample.want(&self.jobs);
                self.ctx.request_repaint();
            }
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
            Command::MovePanel(panel, at, to) => self.layout.move_panel(panel, at, to),
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
            Command::EventTimeClock | Command::Scale(Scale::EventTime)
                if self.doc.run.is_none() => {}
            Command::Scale(scale) => {
                (self.scale, self.event_time) = (scale, scale == Scale::EventTime);
            }
            Command::EventTimeClock => (self.scale, self.event_time) = (Scale::EventTime, true),
            Command::Next(set, direction) => self.seek_next(set, direction),
            Command::View(view) => self.view = view,

            Command::SetRange(a, b) => self.mark_range(Some(ArrivalRange::between(a, b))),
            Command::ClearRange => self.mark_range(None),
            // Without an arrival there is none to mark.
            Command::RangeFromHere | Command::RangeToHere if self.cursor.len() == 0 => {}
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
                self.act(Command::AddBookmarkAt(self.cursor.at(), note));
            }
            Command::AddBookmarkAt(at, note) => {
                if at < self.cursor.len() {
                    self.bookmarks.add(at, &note);
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
            Command::Search(text) => {
                self.panels.records.set_search(text);
                self.layout.show_panel(Panel::Records);
            }
            Command::ClearFilter => {
                self.panels.records.set_filter(VerdictSet::EMPTY);
                self.panels.records.set_search(String::new());
                // Nothing is wrong with no conditions.
                let _ = self.panels.records.set_conditions("");
                self.reveal();
            }
            Command::ClearOutputsFilter => {
                self.panels.outputs.clear_filter();
                self.reveal();
            }
            Command::Where(text) => match self.panels.records.set_conditions(&text) {
                Ok(()) => self.layout.show_panel(Panel::Records),
                Err(error) => self.errors.add("Filtering the records", error),
            },
            Command::Column(panel, kept, on) => {
                match panel {
                    Panel::Records => self.panels.records.show_column(&kept, on),
                    Panel::Outputs => self.panels.outputs.show_column(&kept, on),
                    _ => return,
                }
                self.layout.show_panel(panel);
            }
            Command::FirstColumns(panel) => {
                match panel {
                    Panel::Records => self.panels.records.first_columns(),
                    Panel::Outputs => self.panels.outputs.first_columns(),
                    _ => return,
                }
                self.layout.show_panel(panel);
            }
            Command::PinLine(lane) => {
                self.panels.watermarks.pin(self.doc.since, lane);
                self.layout.show_panel(Panel::Watermarks);
            }
            Command::OutOfOrderness(ms) => {
                self.panels.late.set_slider(ms);
                self.layout.show_panel(Panel::Late);
            }
            Command::OutOfOrdernessOf(input) => {
                self.panels.late.set_whose(input);
                self.layout.show_panel(Panel::Late);
            }
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
        let of = self.bookmarks.numbering().cloned();
        self.dialog = Some(Dialog::bookmark(there, self.cursor.at(), of));
        // It would play away from what is written about.
        self.cursor.go(self.cursor.at());
    }

    pub(super) fn save_bookmarks(&mut self) {
        self.bookmarks.save(self.places.as_ref(), &self.saver);
    }

    /// Reads the bookmarks of what is open; those of the same arrivals stay.
    pub(super) fn read_bookmarks(&mut self) {
        let wanted = Numbering::of(&self.doc);
        if self.bookmarks.numbering() == wanted.as_ref() {
            return;
        }
        self.bookmarks = Bookmarks::of(wanted.clone());
        self.range = RangeState::default();
        let places = self.places.clone();
        // One that comes back before the other's are read finds its own answer old.
        self.reading = Slot::default();
        self.reading.ask(&self.jobs, wanted, move |wanted| {
            Ok(Bookmarks::load(wanted.clone(), places.as_ref()))
        });
    }

    pub(super) fn take_bookmarks(&mut self) {
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

    /// Changes a setting, at once and for the next start.
    fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        let before = self.settings.clone();
        change(&mut self.settings);
        self.apply_settings();
        self.save_settings(&before);
    }
}
