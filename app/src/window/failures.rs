//! Answers that failed: shown in the panel that asked, listed among the errors,
//! and, where the run's folder is gone, said above the panels.

use std::collections::BTreeSet;
use std::path::PathBuf;

use egui::{Context, Id};

use super::app::App;
use super::jobs::Slot;

/// Told apart at most; more of one document say nothing new.
const MOST: usize = 100;

/// Failures that panels showed, on their way to the window.
type Noted = BTreeSet<String>;

/// A panel shows this in place of an answer.
pub fn note(ctx: &Context, error: &str) {
    ctx.data_mut(|data| {
        data.get_temp_mut_or_default::<Noted>(Id::unique("failures")).insert(error.to_owned());
    });
}

/// What failed of the document in front.
#[derive(Default)]
pub struct Failures {
    known: Noted,
    /// Whether the run's folder is still there, asked after each new failure.
    looked: Slot<(usize, PathBuf), bool>,
    /// The folder whose loss was said.
    lost: Option<PathBuf>,
}

impl App {
    /// Takes in what panels could not show.
    pub(super) fn take_failures(&mut self, ctx: &Context) {
        let noted = ctx.data_mut(|data| data.remove_temp::<Noted>(Id::unique("failures")));
        for error in noted.unwrap_or_default() {
            if self.failures.known.len() < MOST && self.failures.known.insert(error.clone()) {
                self.errors.add("Reading what is open", error);
                self.look_for_the_run();
            }
        }
        let Some(answer) = self.failures.looked.answer() else { return };
        let (there, dir) = (answer.result.as_ref().is_ok_and(|there| *there), &answer.question.1);
        if there {
            if self.failures.lost.take_if(|lost| lost == dir).is_some() {
                self.doc.revision += 1;
            }
        } else if self.failures.lost.as_ref() != Some(dir) {
            self.failures.lost = Some(dir.clone());
            let why = format!(
                "{} is not there any more. What was read of the run stays in sight; put the folder \
                 back and try again, or run the pipeline again",
                dir.display()
            );
            self.notice("The run's folder is gone", &why);
        }
    }

    /// Asks whether the run's folder is there.
    pub(super) fn look_for_the_run(&mut self) {
        let Some(run) = &self.doc.run else { return };
        let question = (self.failures.known.len(), run.dir.clone());
        self.failures.looked.again();
        self.failures
            .looked
            .ask(&self.jobs, question, |(_, dir)| Ok(dir.join("manifest.json").is_file()));
    }

    /// Another document is in front: what fails there is news.
    pub(super) fn forget_failures(&mut self) {
        self.failures.known.clear();
    }
}
