//! The four runs, in a thread of their own: how far they are, what came of each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use joinscope_core::analyses::semantics::{Event, Outcome, Ran, Source, Spec, side_by_side};
use joinscope_core::edges::recording::Recording;
use joinscope_core::engine::{AtEnd, Control};
use joinscope_operator::pipeline::Semantics;

use crate::cli::place::NewFolder;
use crate::window::jobs::panic_message;
use crate::window::store;

/// What is run.
#[derive(Clone)]
pub struct Order {
    /// Name of the pipeline's file, for messages.
    pub file: String,
    pub text: String,
    pub overrides: Vec<(String, String)>,
    pub recording: Recording,
    /// Bytes of state that each run keeps in memory.
    pub memory: u64,
    pub at_end: AtEnd,
    /// Where the runs go; `None`: the platform's place.
    pub into: Option<PathBuf>,
}

/// The figures of one semantics.
#[derive(Clone, Debug)]
pub struct Figures {
    pub dir: PathBuf,
    /// What was changed so that it could run.
    pub notes: Vec<String>,
    pub pairs: u64,
    pub pads: u64,
    pub late: u64,
    pub expired: u64,
    /// Against `clean`: of `clean` itself there is nothing.
    pub against: Option<Against>,
}

/// What differs from `clean`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Against {
    pub pairs_missing: u64,
    pub pairs_extra: u64,
    pub pads_missing: u64,
    pub pads_extra: u64,
    /// Records with another verdict.
    pub verdicts: u64,
}

impl Against {
    /// Pairs that differ.
    pub fn pairs(&self) -> u64 {
        self.pairs_missing + self.pairs_extra
    }
}

impl Figures {
    fn of(ran: &Ran) -> Self {
        let against = ran.against_clean.as_ref().map(|c| Against {
            pairs_missing: c.outputs.only_in_a.pairs,
            pairs_extra: c.outputs.only_in_b.pairs,
            pads_missing: c.outputs.only_in_a.pads,
            pads_extra: c.outputs.only_in_b.pads,
            verdicts: c.changed(),
        });
        Self {
            dir: ran.dir.clone(),
            notes: ran.notes.clone(),
            pairs: ran.pairs,
            pads: ran.pads,
            late: ran.late,
            expired: ran.expired,
            against,
        }
    }
}

/// What is known of the four.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What came of each that ended; where it was refused, why.
    pub ended: Vec<(Semantics, Result<Figures, String>)>,
    /// The one at hand, and how far its comparison is.
    pub at: Option<(Semantics, Option<u64>)>,
    /// All of it ended: as it should, or why not.
    pub done: Option<Result<(), String>>,
}

/// The four runs on their way.
pub struct Job {
    control: Control,
    cancel: Arc<AtomicBool>,
    known: Arc<Mutex<Known>>,
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    /// Begins.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(order: Order, ctx: &egui::Context) -> Result<Self, String> {
        let job = Self { control: Control::new(), cancel: Arc::default(), known: Arc::default() };
        let (control, cancel, known) =
            (job.control.clone(), Arc::clone(&job.cancel), Arc::clone(&job.known));
        let repaint = ctx.clone();
        let work = move || {
            joinscope_core::process::give_way(store::BEHIND);
            let done = catch_unwind(AssertUnwindSafe(|| run(order, &control, &cancel, &known)))
                .unwrap_or_else(|panic| Err(panic_message(&*panic)));
            let mut known = lock(&known);
            (known.at, known.done) = (None, Some(done));
            drop(known);
            repaint.request_repaint();
        };
        std::thread::Builder::new()
            .name("semantics".to_owned())
            .spawn(work)
            .map_err(|e| format!("no thread could be started for the runs: {e}"))?;
        Ok(job)
    }

    /// As it stands now.
    pub fn known(&self) -> Known {
        lock(&self.known).clone()
    }

    pub fn is_running(&self) -> bool {
        lock(&self.known).done.is_none()
    }

    /// Why it ended before its end, where nobody wanted that.
    pub fn failure(&self) -> Option<String> {
        let known = lock(&self.known);
        let error = known.done.as_ref()?.as_ref().err()?;
        (error != "cancelled").then(|| error.clone())
    }

    /// Percent of the run at hand.
    pub fn percent(&self) -> u64 {
        let p = self.control.progress();
        (p.records * 100).checked_div(p.total.unwrap_or(0)).unwrap_or(0).min(100)
    }

    /// Ends it; what is whole stays.
    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Release);
        self.control.cancel();
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.cancel();
    }
}

fn run(
    order: Order,
    control: &Control,
    cancel: &AtomicBool,
    known: &Mutex<Known>,
) -> Result<(), String> {
    let mut made = None;
    let dir = if let Some(dir) = order.into {
        dir
    } else {
        let new = NewFolder::make(order.recording.digest());
        made.insert(new.map_err(|e| crate::cli::whole(&e))?).path().to_owned()
    };
    let spec = Spec {
        pipeline: Source::Text { file: order.file, text: order.text },
        sets: order.overrides,
        recording: order.recording,
        dir,
        at_end: order.at_end,
        memory: order.memory,
        limit: 0,
    };
    let mut told = |event: Event<'_>| {
        let mut known = lock(known);
        match event {
            Event::Began(semantics) => known.at = Some((semantics, None)),
            Event::Compared(at) => {
                let percent = (at.done * 100).checked_div(at.of).unwrap_or(0);
                known.at = known.at.map(|(semantics, _)| (semantics, Some(percent)));
            }
            Event::Ended(semantics, outcome) => {
                let result = match outcome {
                    Outcome::Ran(ran) => Ok(Figures::of(ran)),
                    Outcome::Refused(why) => Err(why.clone()),
                };
                known.ended.push((semantics, result));
            }
        }
    };
    side_by_side(&spec, control, cancel, &mut told).map(|_| ()).map_err(|e| e.to_string())
}
