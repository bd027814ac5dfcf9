//! Incident files in the window: opened, their run made anew and held against
//! the one that was saved; and saved.

mod save;
mod view;

use std::path::PathBuf;

use joinscope_core::edges::recording::Recording;
use joinscope_core::run::RunState;
use joinscope_core::run::incident::{Incident, Mark, SavedRun};
use joinscope_operator::pipeline::Pipeline;

pub use save::kept;
pub use view::{Standing, View};

use super::app::App;
use super::axis::Scale;
use super::bookmarks::{Numbering, Waiting};
use super::doc::{Doc, PipelineDoc, RecordingDoc, RunLabel};
use super::jobs::Slot;
use super::running::Running;
use super::store::RunOrder;
use super::text::{elide, thousands};

/// An incident file as it was read.
pub struct OpenedIncident {
    pub recording: RecordingDoc,
    pub runs: Vec<RunLabel>,
    pub incident: Incident,
    /// Its pipeline, or why it cannot be run.
    pub pipeline: Result<Option<Pipeline>, String>,
}

impl OpenedIncident {
    /// Reads what lies beside a recording; `None`: nothing does.
    #[must_use]
    pub fn read(recording: &RecordingDoc) -> Option<Self> {
        let incident = Incident::read(&recording.recording)?;
        let pipeline = incident.pipeline_for(&recording.recording);
        let runs = super::opening::runs_of(&recording.recording);
        let recording = RecordingDoc::new(incident.recording(&recording.recording));
        Some(Self { recording, runs, incident, pipeline })
    }
}

/// What became of an incident's run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remade {
    /// It is being made, or held against the one that was saved.
    Pending,
    /// It is the same, record for record.
    Same,
    /// What of it is not.
    Differs(Vec<String>),
    /// It was not made: why.
    Not(String),
    /// The file holds no run.
    None,
}

/// The incident that was opened last.
pub struct IncidentDoc {
    pub name: String,
    pub incident: Incident,
    /// Of its recording: the line about it is shown over that one only.
    digest: String,
    pub remade: Remade,
    /// Where its run lies, once it has begun.
    dir: Option<PathBuf>,
    /// Not yet in the window.
    marks: Vec<Mark>,
    standing: Option<Standing>,
    checking: Slot<PathBuf, Vec<String>>,
    /// The line above the panels was closed.
    pub quiet: bool,
}

impl IncidentDoc {
    /// One that was not opened here.
    #[cfg(test)]
    #[must_use]
    pub fn shown(name: &str, incident: Incident, remade: Remade) -> Self {
        Self {
            name: name.to_owned(),
            incident,
            digest: String::new(),
            remade,
            dir: None,
            marks: Vec::new(),
            standing: None,
            checking: Slot::default(),
            quiet: false,
        }
    }

    /// Whether it is about what is open.
    #[must_use]
    pub fn is_about(&self, doc: &Doc) -> bool {
        let recording = doc.recording.as_ref().map(|r| r.recording.digest());
        recording == Some(self.digest.as_str())
            && (self.dir.is_none()
                || doc.run.as_ref().is_none_or(|r| Some(&r.dir) == self.dir.as_ref()))
    }

    /// Its bookmarks that wait for a run that counts other arrivals than what is
    /// open does.
    #[must_use]
    pub fn waiting(&self, here: &Numbering) -> Option<Waiting> {
        let topics = &self.incident.marks.topics;
        let waits = !self.marks.is_empty() && here.digest == self.digest && here.topics != *topics;
        waits.then(|| Waiting { count: self.marks.len(), topics: topics.clone() })
    }

    /// What became of it, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.remade {
            Remade::Pending => "Its run is being made anew…".to_owned(),
            Remade::Same => "The run is the one that was saved, record for record".to_owned(),
            Remade::Differs(how) => {
                let how = how.last().map(String::as_str).unwrap_or_default();
                format!("The run is not the one that was saved: {how}")
            }
            Remade::Not(why) => format!("Its run was not made: {why}"),
            Remade::None => "A recording with bookmarks and notes, without a run".to_owned(),
        }
    }

    /// Whether something is wrong with it.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        matches!(self.remade, Remade::Differs(_) | Remade::Not(_))
    }
}

impl App {
    /// Shows an incident: its recording at once, its run as soon as it is made
    /// anew, its bookmarks and view. What cannot be used is said, the rest is.
    pub(super) fn show_incident(&mut self, opened: OpenedIncident) {
        let OpenedIncident { recording, runs, mut incident, pipeline } = opened;
        let name = recording.name.clone();
        for problem in std::mem::take(&mut incident.problems) {
            self.notice(&format!("{} of the incident cannot be used", problem.what), &problem.why);
            incident.problems.push(problem);
        }
        let (view, problems) = match incident.view.clone() {
            Some(view) => {
                let (view, problems) = View::read(view);
                (Some(view), problems)
            }
            None => (None, Vec::new()),
        };
        for (what, why) in problems {
            self.notice(&format!("{what} of the incident cannot be used"), &why);
        }
        let file = incident.run.as_ref().map(|r| r.pipeline_file.clone()).unwrap_or_default();
        let text = incident.pipeline.clone().unwrap_or_default();
        let (shown, order) = match pipeline {
            Ok(None) => (None, Ok(None)),
            Ok(Some(pipeline)) => {
                let doc = PipelineDoc { file, text, pipeline: pipeline.into() };
                let order = self.order_of(&incident, &doc, &recording.recording);
                (Some(doc), order.map(Some))
            }
            // What can be read of it can be mended in the editor.
            Err(why) => {
                let parsed = Pipeline::parse(&text, &file).ok();
                let doc = parsed.map(|p| PipelineDoc { file, text, pipeline: p.into() });
                (doc, Err(why))
            }
        };
        let digest = recording.recording.digest().to_owned();
        self.show_doc(Doc { recording: Some(recording), pipeline: shown, runs, ..Doc::default() });
        if let Some(layout) = view.as_ref().and_then(|v| v.layout.as_ref()) {
            self.arrange(layout);
        }
        let remade = match order {
            Ok(None) => Remade::None,
            Ok(Some(order)) => self.remake(order),
            Err(why) => Remade::Not(why),
        };
        if let Remade::Not(why) = &remade {
            self.notice("The incident's run was not made", why);
        }
        let marks = incident.marks.bookmarks.clone();
        self.set_notes(incident.about.notes.clone());
        self.incident = Some(IncidentDoc {
            name,
            incident,
            digest,
            remade,
            dir: None,
            marks,
            standing: view.map(|v| v.at),
            checking: Slot::default(),
            quiet: false,
        });
    }

    fn order_of(
        &mut self,
        incident: &Incident,
        pipeline: &PipelineDoc,
        recording: &Recording,
    ) -> Result<RunOrder, String> {
        let run = incident.run.as_ref().ok_or("its settings are missing")?;
        Ok(RunOrder {
            file: pipeline.file.clone(),
            text: pipeline.text.clone(),
            overrides: run.overrides.clone(),
            recording: recording.clone(),
            memory: self.settings.run_bytes(),
            seed: run.seed,
            restarts: run.restarts.clone(),
            at_end: run.at_end()?,
            out: self.run_into.take(),
        })
    }

    fn remake(&mut self, order: RunOrder) -> Remade {
        if self.running.is_some() {
            return Remade::Not(
                "another run is in progress: cancel it or wait, then open the incident again"
                    .to_owned(),
            );
        }
        match Running::start(order, &[], &self.ctx) {
            Ok(running) => {
                self.running = Some(running);
                Remade::Pending
            }
            Err(why) => Remade::Not(why),
        }
    }

    /// A run of this window has ended; says whether it was an incident's that
    /// failed.
    pub(super) fn incident_ran(
        &mut self,
        dir: Option<&PathBuf>,
        done: &Result<(), String>,
    ) -> bool {
        let pending = |i: &&mut IncidentDoc| i.remade == Remade::Pending && i.dir.is_none();
        let Some(incident) = self.incident.as_mut().filter(pending) else { return false };
        incident.dir = dir.cloned();
        let Err(why) = done else { return false };
        incident.remade = Remade::Not(why.clone());
        incident.dir = None;
        self.notice("The incident's run was not made", why);
        true
    }

    /// Puts what is pending of the incident into the window as soon as it has
    /// its place there.
    pub(super) fn follow_incident(&mut self) {
        let Some(mut incident) = self.incident.take() else { return };
        self.bring_marks(&mut incident);
        let whole = match incident.remade {
            Remade::Not(_) | Remade::None => self.doc.run.is_none(),
            _ => {
                let run = self.doc.run.as_ref().filter(|r| Some(&r.dir) == incident.dir.as_ref());
                run.is_some_and(|r| !r.is_in_progress())
            }
        };
        if whole
            && incident.is_about(&self.doc)
            && let Some(at) = incident.standing.take()
        {
            self.stand(at);
        }
        if whole && incident.remade == Remade::Pending {
            self.hold_against(&mut incident);
        }
        self.incident = Some(incident);
    }

    fn bring_marks(&mut self, incident: &mut IncidentDoc) {
        // A run in progress does not have all of its arrivals yet.
        if incident.marks.is_empty() || self.reading.is_open() || self.doc.in_progress {
            return;
        }
        let topics = &incident.incident.marks.topics;
        let fits = |n: &Numbering| n.digest == incident.digest && n.topics == *topics;
        if !self.bookmarks.numbering().is_some_and(fits) {
            return;
        }
        let arrivals = self.doc.arrivals();
        let (there, beyond): (Vec<Mark>, Vec<Mark>) =
            incident.marks.drain(..).partition(|m| m.at < arrivals);
        let cut: Vec<Mark> =
            there.into_iter().filter(|m| !self.bookmarks.bring(m.at, &m.note)).collect();
        self.save_bookmarks();
        if !beyond.is_empty() {
            let why = format!(
                "There are {} arrivals here, and they are at {}",
                thousands(arrivals),
                listed(&beyond)
            );
            self.notice("Bookmarks of the incident were left out", &why);
        }
        if !cut.is_empty() {
            let why = format!(
                "With what was noted there before they are longer than a note may be, at {}; \
                 `joinscope incident info --json` has them whole",
                listed(&cut)
            );
            self.notice("Notes of the incident's bookmarks were cut", &why);
        }
    }

    fn stand(&mut self, at: Standing) {
        if let Some(scale) = at.scale() {
            let event_time = scale == Scale::EventTime;
            if !event_time || self.doc.run.is_some() {
                (self.scale, self.event_time) = (scale, event_time);
            }
        }
        let len = self.cursor.len();
        self.view = at.view.filter(|(from, to)| from <= to && *to < len);
        self.mark_range(at.range.marked);
        (self.range.looped, self.range.filters) = (at.range.looped, at.range.filters);
        for why in self.panels.set_table_views(&at.table_views()) {
            self.notice("A table is not shown as in the incident", &why);
        }
        self.selection = at.selection.filter(|s| self.has(*s));
        self.cursor.go(at.cursor);
        self.reveal();
    }

    /// Compares the digests; where they differ, says how, off the window's
    /// thread.
    fn hold_against(&mut self, incident: &mut IncidentDoc) {
        let (Some(run), Some(saved)) = (&self.doc.run, &incident.incident.run) else { return };
        if run.manifest.state != RunState::Done {
            let why = format!("it {}", run.label.ended_so().unwrap_or("did not end"));
            incident.remade = Remade::Not(why);
            return;
        }
        let digest = run.manifest.end.as_ref().and_then(|e| e.digest.as_ref());
        if digest == Some(&saved.digest) {
            incident.remade = Remade::Same;
            return;
        }
        let (made, saved) = (run.run.clone(), saved.clone());
        incident.checking.ask(&self.jobs, run.dir.clone(), move |_| {
            let made = SavedRun::of(&made).map_err(|e| e.to_string())?;
            Ok(saved.differences(&made))
        });
        let Some(answer) = incident.checking.answer().filter(|a| a.question == run.dir) else {
            return;
        };
        let how = match &answer.result {
            Ok(how) => how.clone(),
            Err(why) => vec![why.clone()],
        };
        self.notice("The run is not the one that was saved", &how.join("; "));
        incident.remade = Remade::Differs(how);
    }

    /// Keeps notes for the recording that is open.
    pub(super) fn set_notes(&mut self, notes: String) {
        let digest = self.doc.recording.as_ref().map(|r| r.recording.digest().to_owned());
        self.notes = (digest.unwrap_or_default(), notes);
    }

    /// The notes of the recording that is open.
    pub(super) fn notes(&self) -> &str {
        let digest = self.doc.recording.as_ref().map(|r| r.recording.digest());
        if digest == Some(self.notes.0.as_str()) { &self.notes.1 } else { "" }
    }

    /// Where one stands, for an incident.
    pub(super) fn standing_now(&self) -> View {
        let at = Standing {
            cursor: self.cursor.at(),
            selection: self.selection,
            view: self.view,
            range: self.range,
            clock: Some(self.scale.name().to_owned()),
            tables: Some(self.panels.table_views()),
            ..Standing::default()
        };
        View { layout: Some(self.layout.arrangement()), at }
    }
}

/// Bookmarks by their arrivals, and what is noted there.
fn listed(marks: &[Mark]) -> String {
    const SAID: usize = 10;
    let said = |mark: &Mark| {
        let note = mark.note.lines().next().unwrap_or_default().trim();
        let at = thousands(mark.at);
        if note.is_empty() { at } else { format!("{at} ({})", elide(note, 40)) }
    };
    let mut all: Vec<String> = marks.iter().take(SAID).map(said).collect();
    if let Some(more) = marks.len().checked_sub(SAID).filter(|more| *more > 0) {
        all.push(format!("and {} more", thousands(more as u64)));
    }
    all.join(", ")
}
