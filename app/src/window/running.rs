//! A pipeline on its way to being a run: checked first, then run in its own
//! thread, watched and cancelled from the window, shown as far as it is
//! published.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use joinscope_core::engine::breakpoint::Breakpoint;
use joinscope_core::engine::{AtEnd, Control};
use joinscope_operator::pipeline::Pipeline;

use super::app::App;
use super::cursor::State;
use super::doc::{Doc, PipelineDoc, RecordingDoc, RunDoc, RunLabel};
use super::jobs::{Slot, panic_message};
use super::opening::runs_of;
use super::store::{self, Checked, Run, RunOrder};
use super::text::{left, short_count, thousands};

/// Between looks at a run in progress.
const LOOK: Duration = Duration::from_millis(300);
/// Between two readings of a growing arrival log, which take the longer the
/// longer it is.
const READ_LOG: Duration = Duration::from_secs(5);

/// The check before a run, and its outcome while it waits for the user.
#[derive(Default)]
pub struct Checking {
    slot: Slot<u64, Checked>,
    number: u64,
    /// What is to be run once the check agrees or the user insists.
    order: Option<RunOrder>,
    /// It does not agree: why.
    asked: Option<Arc<super::jobs::Answer<u64, Checked>>>,
}

impl Checking {
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.order.is_some() && self.asked.is_none()
    }

    /// Whether the user is asked.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.asked.is_some()
    }

    /// What the user is asked.
    #[must_use]
    pub fn question(&self) -> Option<&Checked> {
        self.asked.as_ref()?.result.as_ref().ok()
    }

    pub fn forget(&mut self) {
        (self.order, self.asked) = (None, None);
    }
}

/// Shared with the thread that runs.
#[derive(Default)]
struct Shared {
    /// Where the run lies, once it has begun.
    dir: Mutex<Option<PathBuf>>,
    done: Mutex<Option<Result<(), String>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run in progress that this window started.
pub struct Running {
    pub control: Control,
    shared: Arc<Shared>,
    pub dir: Option<PathBuf>,
}

impl Running {
    pub(super) fn start(
        order: RunOrder,
        breakpoints: &[Breakpoint],
        ctx: &egui::Context,
    ) -> Result<Self, String> {
        let control = Control::new();
        control.set_breakpoints(breakpoints.to_vec());
        let shared = Arc::<Shared>::default();
        let (told, watched, repaint) = (Arc::clone(&shared), control.clone(), ctx.clone());
        let work = move || {
            joinscope_core::process::give_way(store::BEHIND);
            let begun = |dir: PathBuf| {
                *lock(&told.dir) = Some(dir);
                repaint.request_repaint();
            };
            let done = catch_unwind(AssertUnwindSafe(|| store::execute(&order, &watched, &begun)))
                .unwrap_or_else(|panic| Err(panic_message(&*panic)));
            *lock(&told.done) = Some(done);
            repaint.request_repaint();
        };
        std::thread::Builder::new()
            .name("run".to_owned())
            .spawn(work)
            .map_err(|e| format!("no thread could be started for the run: {e}"))?;
        Ok(Self { control, shared, dir: None })
    }

    /// `1,204,118 of 12,000,000 · 1.3 M/s · 8 s left`
    #[must_use]
    pub fn status(&self) -> String {
        let p = self.control.progress();
        let mut parts = Vec::new();
        if self.control.is_cancelled() {
            parts.push("cancelling".to_owned());
        }
        let of = p.total.map(|total| format!(" of {}", thousands(total))).unwrap_or_default();
        parts.push(thousands(p.records) + &of);
        if p.seconds > 0.5 {
            let rate = p.records as f64 / p.seconds;
            parts.push(format!("{}/s", short_count(rate as u64)));
            if let Some(total) = p.total
                && rate > 1.0
            {
                parts.push(left(total.saturating_sub(p.records) as f64 / rate));
            }
        }
        parts.join(" · ")
    }

    #[must_use]
    pub fn percent(&self) -> Option<u64> {
        let p = self.control.progress();
        (p.records * 100).checked_div(p.total?)
    }
}

/// How a newer state of the run in sight is asked for.
#[derive(Default)]
pub struct Following {
    slot: Slot<u64, Option<Newer>>,
    number: u64,
    /// The run that was asked about last.
    dir: Option<PathBuf>,
    asked_at: Option<Instant>,
    /// When the arrival log of a live run was read anew.
    log_at: Option<Instant>,
    /// The run that came to the front by itself; once.
    shown: Option<PathBuf>,
}

/// A run as it is now, and its arrival log where that was read anew.
#[derive(Clone)]
struct Newer {
    run: RunDoc,
    log: Option<RecordingDoc>,
    /// All runs of the recording, where this one was opened and has ended.
    runs: Option<Vec<RunLabel>>,
    /// It was in front when it was looked at.
    was_front: bool,
}

impl App {
    /// Begins the check of what is about to run.
    pub(super) fn check_then_run(&mut self, sets: Vec<(String, String)>) {
        if self.running.is_some() {
            self.fail("A run is in progress", "Cancel it, or wait until it has ended");
            return;
        }
        // What the run at hand changed stays changed.
        let mut overrides = match &self.doc.run {
            Some(run) => run.manifest.start.overrides.clone(),
            None => Vec::new(),
        };
        overrides.retain(|(path, _)| !sets.iter().any(|(p, _)| p == path));
        overrides.extend(sets);
        self.check(overrides);
    }

    /// Begins the check of a pipeline as it was edited.
    pub(super) fn run_edited(
        &mut self,
        file: String,
        text: String,
        overrides: Vec<(String, String)>,
    ) {
        if self.running.is_some() {
            self.fail("A run is in progress", "Cancel it, or wait until it has ended");
            return;
        }
        match Pipeline::parse_with(&text, &file, &overrides) {
            Ok(pipeline) => {
                self.doc.pipeline = Some(PipelineDoc { file, text, pipeline: Arc::new(pipeline) });
                self.check(overrides);
            }
            Err(error) => self.fail("The pipeline cannot be run", &error.to_string()),
        }
    }

    fn check(&mut self, overrides: Vec<(String, String)>) {
        let (Some(pipeline), Some(recording)) = (&self.doc.pipeline, &self.doc.recording) else {
            return;
        };
        let run = self.doc.run.as_ref();
        let order = RunOrder {
            file: pipeline.file.clone(),
            text: pipeline.text.clone(),
            overrides,
            recording: recording.recording.clone(),
            memory: self.settings.run_bytes(),
            // As the run at hand was.
            seed: run.map_or(0, |r| r.manifest.start.seed),
            restarts: run.map_or_else(Vec::new, |r| r.manifest.start.restarts.clone()),
            at_end: match run.map(|r| r.manifest.start.at_end.as_str()) {
                Some("close") => AtEnd::Close,
                _ => AtEnd::Open,
            },
            out: self.run_into.take(),
        };
        self.checking.number += 1;
        self.checking.asked = None;
        self.checking.order = Some(order.clone());
        let number = self.checking.number;
        self.checking.slot.ask(&self.jobs, number, move |_| store::check_order(&order));
    }

    /// Takes the check's outcome in: it runs, or asks the user.
    pub(super) fn take_check(&mut self) {
        if !self.checking.is_open() {
            return;
        }
        let Some(answer) = self.checking.slot.answer() else { return };
        if answer.question != self.checking.number {
            return;
        }
        match &answer.result {
            Err(error) => {
                self.checking.forget();
                self.fail("The pipeline cannot be run", error);
            }
            Ok(checked) if checked.reasons.is_empty() => self.run_checked(),
            Ok(_) => self.checking.asked = Some(answer),
        }
    }

    /// Runs what was checked.
    pub(super) fn run_checked(&mut self) {
        let Some(order) = self.checking.order.take() else { return };
        self.checking.forget();
        match Running::start(order, self.breakpoints.list(), &self.ctx) {
            Ok(running) => {
                self.running = Some(running);
                self.before = self.doc.run.as_ref().map(|r| r.dir.clone());
            }
            Err(error) => self.fail("The run was not started", &error),
        }
    }

    pub(super) fn fail(&mut self, title: &str, message: &str) {
        self.errors.add(title, message);
        self.say_failed(title.to_owned(), message.to_owned());
    }

    /// Shows the run that this window started as soon as there is something of
    /// it, and what is newer of any run in progress.
    pub(super) fn follow_run(&mut self) {
        self.take_newer();
        if let Some(running) = &mut self.running {
            self.ctx.request_repaint_after(Duration::from_millis(100));
            if running.dir.is_none() {
                running.dir.clone_from(&lock(&running.shared.dir));
            }
            let done = lock(&running.shared.done).take();
            if let Some(done) = done {
                let dir = running.dir.clone();
                self.running = None;
                let told = self.incident_ran(dir.as_ref(), &done);
                if let Err(error) = done {
                    if let Some(dir) = &dir {
                        self.has_said_failed(dir);
                    }
                    if !told {
                        self.fail("The run failed", &error);
                    }
                }
                self.following.asked_at = None;
                if let Some(dir) = dir {
                    self.look(dir);
                }
                return;
            }
        }
        let dir = match (&self.running, &self.doc.run) {
            (Some(running), _) => running.dir.clone(),
            (None, Some(run)) if self.doc.in_progress => Some(run.dir.clone()),
            _ => None,
        };
        let Some(dir) = dir else { return };
        if self.stopped.is_some() {
            // Nothing new comes until it goes on.
            return;
        }
        // A newer look would make the answer of one that takes long count for nothing,
        // and so each time.
        if !self.following.slot.is_open()
            && self.following.asked_at.is_none_or(|at| at.elapsed() >= LOOK)
        {
            self.look(dir);
        }
        self.ctx.request_repaint_after(LOOK);
    }

    /// Whether the run that goes on is the one in front.
    pub(super) fn runs_here(&self) -> bool {
        let going = self.running.as_ref().and_then(|running| running.dir.as_ref());
        going.is_some() && going == self.doc.run.as_ref().map(|run| &run.dir)
    }

    /// Whether the run in front goes on in another process. One of this window has not
    /// ended yet where the last of it is still on its way to the panels.
    pub(super) fn runs_elsewhere(&self) -> bool {
        let dir = self.doc.run.as_ref().map(|run| &run.dir);
        self.doc.in_progress && !self.runs_here() && self.following.shown.as_ref() != dir
    }

    /// Whether the run that goes on came to the front once.
    pub(super) fn was_shown(&self) -> bool {
        let going = self.running.as_ref().and_then(|running| running.dir.as_ref());
        going.is_some() && going == self.following.shown.as_ref()
    }

    /// Asks how the run stands now.
    fn look(&mut self, dir: PathBuf) {
        self.following.number += 1;
        self.following.asked_at = Some(Instant::now());
        self.following.dir = Some(dir.clone());
        let open = self.doc.run.as_ref().filter(|r| r.dir == dir);
        let (open, recording) = (
            open.map(|r| (r.run.clone(), Arc::clone(&r.manifest))),
            self.doc.recording.as_ref().map(|r| r.recording.clone()),
        );
        let cache = self.settings.cache_bytes();
        let is_live = self.doc.is_live();
        let reads_log = is_live && self.following.log_at.is_none_or(|at| at.elapsed() >= READ_LOG);
        if reads_log {
            self.following.log_at = Some(Instant::now());
        }
        self.following.slot.ask(&self.jobs, self.following.number, move |_| {
            if let Some((run, manifest)) = open {
                run.refresh().map_err(|e| e.to_string())?;
                let run = RunDoc::new(run);
                if run.manifest == manifest {
                    return Ok(None);
                }
                let mut log = None;
                if is_live && !run.is_in_progress() {
                    // It has ended, and its log has its end.
                    if let Some(known) = run.run.recording() {
                        let _ = run.run.locate(known.path());
                    }
                    log = run.run.recording();
                } else if reads_log {
                    log = run.run.recording();
                }
                let log = log.map(RecordingDoc::new);
                return Ok(Some(Newer { run, log, runs: None, was_front: true }));
            }
            // It has published nothing yet: that is no error.
            let Ok(run) = Run::open_with_cache(&dir, cache) else { return Ok(None) };
            if let Some(recording) = &recording {
                // It was just run over; where it moved meanwhile, values are missing.
                let _ = run.locate(recording.path());
            }
            let run = RunDoc::new(run);
            // Their files are not read by the window's thread.
            let runs = recording.filter(|_| !run.is_in_progress()).map(|r| runs_of(&r));
            Ok(Some(Newer { run, log: None, runs, was_front: false }))
        });
    }

    fn take_newer(&mut self) {
        let Some(answer) = self.following.slot.answer() else { return };
        if answer.question != self.following.number {
            return;
        }
        self.following.number += 1;
        match &answer.result {
            // The user went elsewhere: that one is followed as it was.
            Err(_) if self.doc.run.as_ref().map(|r| &r.dir) != self.following.dir.as_ref() => {}
            Err(error) => {
                self.notice("The run cannot be followed", error);
                self.doc.in_progress = false;
                self.look_for_the_run();
            }
            Ok(None) => {}
            Ok(Some(newer)) => {
                if let Some(log) = &newer.log
                    && self.doc.run.as_ref().is_some_and(|r| r.dir == newer.run.dir)
                {
                    self.doc.recording = Some(log.clone());
                }
                self.take_run(newer.run.clone(), newer.runs.clone(), newer.was_front);
            }
        }
    }

    /// Shows the same run as it is now.
    fn show_newer(&mut self, run: RunDoc, in_progress: bool) {
        let before = self.cursor.len();
        self.doc.run = Some(run);
        self.doc.in_progress = in_progress;
        self.doc.revision += 1;
        self.cursor.set_len(self.doc.arrivals());
        // What is in sight moves with the head that it shows.
        if self.cursor.state() == State::Following
            && let Some((from, to)) = self.view
            && to + 1 >= before
        {
            let by = self.cursor.len().saturating_sub(1).saturating_sub(to);
            self.view = Some((from + by, to + by));
        }
    }

    /// `runs`: all of its recording, where they were asked for; `was_front`: it stood
    /// there when it was looked at.
    fn take_run(&mut self, newer: RunDoc, runs: Option<Vec<RunLabel>>, was_front: bool) {
        // One that waits at a breakpoint is in progress too.
        let waits = self.running.as_ref().is_some_and(|r| r.dir.as_ref() == Some(&newer.dir));
        let in_progress = newer.is_in_progress() || waits;
        let same = self.doc.run.as_ref().is_some_and(|r| r.dir == newer.dir);
        let digest = &newer.manifest.start.recording.digest;
        let over_this = self.doc.recording.as_ref().is_some_and(|r| r.recording.digest() == digest);
        match self.doc.runs.iter_mut().find(|r| r.dir == newer.dir) {
            Some(label) => *label = newer.label.clone(),
            None if over_this => self.doc.runs.insert(0, newer.label.clone()),
            None => {}
        }
        if same {
            self.show_newer(newer, in_progress);
            return;
        }
        if was_front || !over_this || self.following.shown.as_ref() == Some(&newer.dir) {
            // The user went elsewhere meanwhile; the run is in the list.
            return;
        }
        self.following.shown = Some(newer.dir.clone());
        let doc = Doc {
            recording: self.doc.recording.clone(),
            pipeline: self.doc.pipeline.clone(),
            runs: std::mem::take(&mut self.doc.runs),
            run: Some(newer),
            in_progress,
            ..Doc::default()
        };
        self.show_doc(doc);
        self.compare_with_before();
        if !in_progress && let Some(runs) = runs {
            self.doc.runs = runs;
        }
    }
}

#[cfg(test)]
mod tests;
