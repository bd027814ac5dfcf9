//! What is in front: what was opened comes there, with where one stood in it.

use std::path::PathBuf;

use joinscope_core::run::Direction;

use super::app::App;
use super::axis::Scale;
use super::command::Command;
use super::cursor::{ClockMap, Cursor};
use super::doc::{Doc, PipelineDoc, RecordingDoc, RunLabel, file_name};
use super::open_docs::{self, OpenDoc, Tables};
use super::opening::Opened;
use super::panels::outputs::Outputs;
use super::panels::records::Records;
use super::selection::History;

impl App {
    pub(super) fn open(&mut self, path: PathBuf) {
        self.leave_dialog();
        self.opening.begin(&self.jobs, path, self.settings.cache_bytes());
    }

    /// Closes one of what is open; its neighbour comes to the front.
    pub(super) fn close(&mut self, n: usize) {
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
        self.opening.take_order(&self.jobs, self.settings.cache_bytes());
        if let Some((path, opened)) = self.opening.taken() {
            match opened {
                Ok(opened) => {
                    self.note_opened(path, opened.is_recording());
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
                    self.say_failed(format!("{} was not opened", file_name(&path)), error);
                }
            }
            self.opening.go_on(&self.jobs, self.settings.cache_bytes());
            self.show_another();
        }
        match self.sample.taken() {
            Some(Ok(path)) => self.open(path),
            Some(Err(why)) => self.fail("The sample was not opened", &why),
            None => {}
        }
        self.take_bookmarks();
        for (path, error) in self.saver.failed() {
            let place = format!("Saving {}", path.display());
            self.errors.add(&place, &error);
            // Once: a session that changes is tried again every second.
            if self.failures.is_news(path) {
                self.put_notice(place, error);
            }
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
                Ok(Some((row, arrival))) => self.select_row(*row, *arrival),
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
            Opened::Recording { recording, runs }
                if self.doc.run.is_some() && self.doc.recording.is_none() =>
            {
                self.locate(recording, runs);
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
    /// one, values can be read again; another is opened by itself.
    fn locate(&mut self, recording: RecordingDoc, runs: Vec<RunLabel>) {
        let Some(run) = &self.doc.run else { return };
        match run.run.located(recording.recording.clone()) {
            Ok(()) => {
                self.doc.runs = runs;
                self.doc.recording = Some(recording);
                self.doc.revision += 1;
            }
            Err(error) => {
                self.show_doc(Doc { recording: Some(recording), runs, ..Doc::default() });
                let what = format!("{error}; it is opened by itself");
                self.notice("This is not the recording of the run that was in front", &what);
            }
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
        // One that waits at a breakpoint goes on, whatever its folder says.
        self.doc.in_progress |= self.runs_here();
        self.unsay_what_runs();
        // Of a run that waits at a breakpoint it is asked anew whether it is this.
        self.stopped = None;
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
            // A session may be of a run that was longer, in the same folder.
            let len = self.cursor.len();
            self.selection = at.selection.filter(|s| self.has(*s));
            self.view = at.view.filter(|(from, to)| from <= to && *to < len);
            self.range = at.range;
            self.range.mark(at.range.marked.and_then(|range| range.within(len)));
            self.history = history;
            self.cursor.go(at.cursor);
            if let Some(other) = at.compared.filter(|_| self.panels.compare.other().is_none()) {
                self.panels.compare.set_other(other);
            }
            let views = at.tables.unwrap_or_default();
            let problems = if let Some(tables) = tables {
                self.panels.records = Records::restored(tables.records);
                self.panels.outputs = Outputs::restored(tables.outputs);
                self.panels.set_other_views(&views)
            } else {
                // After a start there is no more of them than the session kept.
                self.reveal();
                self.panels.set_table_views(&views)
            };
            for why in problems {
                self.notice("A table is not shown as it was", &why);
            }
            return;
        }
        (self.selection, self.view) = (None, None);
        self.history = History::default();
        // How it ended, or its head; nothing of a recording is later than that.
        self.cursor.end(self.doc.run.is_some() && self.doc.in_progress);
    }
}
