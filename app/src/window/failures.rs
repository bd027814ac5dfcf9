//! What failed: an answer is shown in the panel that asked, listed among the
//! errors, and, where the run's folder is gone, said above the panels. A run that
//! failed is listed, too, whoever started it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use egui::{Context, Id};

use super::app::App;
use super::jobs::Slot;

/// Told apart at most; more of one document say nothing new.
const MOST: usize = 100;

/// Failures that panels showed, on their way to the window, and whether only a
/// part is missing.
type Noted = BTreeMap<String, bool>;

/// A panel shows this in place of an answer.
pub fn note(ctx: &Context, error: &str) {
    put(ctx, error, false);
}

/// A panel shows this in place of a part that it can do without.
pub fn note_part(ctx: &Context, error: &str) {
    put(ctx, error, true);
}

/// What was read; why it was not is listed, of a part that can be done without.
pub fn read_part<T: Clone>(ctx: &Context, result: &Result<T, String>) -> Option<T> {
    match result {
        Ok(read) => Some(read.clone()),
        Err(error) => {
            note_part(ctx, error);
            None
        }
    }
}

fn put(ctx: &Context, error: &str, part: bool) {
    ctx.data_mut(|data| {
        let noted = data.get_temp_mut_or_default::<Noted>(Id::unique("failures"));
        // Whoever cannot do without it is heard.
        *noted.entry(error.to_owned()).or_insert(part) &= part;
    });
}

/// What failed of the document in front.
#[derive(Default)]
pub struct Failures {
    known: BTreeSet<String>,
    /// Runs whose failure is in the list, and why they failed: one that is made anew in
    /// the same folder may fail for another reason.
    runs: BTreeMap<PathBuf, Option<String>>,
    /// Files of the window that could not be written as they should.
    unsaved: BTreeSet<PathBuf>,
    /// Whether the run's folder is still there, asked after each new failure.
    looked: Slot<(usize, PathBuf), bool>,
    /// The folder whose loss was said.
    lost: Option<PathBuf>,
}

impl Failures {
    /// Whether nothing was said yet of this failure of the run in a folder. What a run
    /// of this window failed for was said in its own words.
    fn is_new_of(&mut self, dir: &Path, why: &str) -> bool {
        let said = self.runs.insert(dir.to_owned(), Some(why.to_owned()));
        said.is_none_or(|said| said.is_some_and(|said| said != why))
    }

    /// Whether it is the first time that this file of the window's own could not be
    /// written as it should.
    pub fn is_news(&mut self, path: PathBuf) -> bool {
        self.unsaved.insert(path)
    }
}

impl App {
    /// Takes in what panels could not show.
    pub(super) fn take_failures(&mut self, ctx: &Context) {
        let noted = ctx.data_mut(|data| data.remove_temp::<Noted>(Id::unique("failures")));
        for (error, part) in noted.unwrap_or_default() {
            const PLACE: &str = "Reading what is open";
            if self.failures.known.len() >= MOST || !self.failures.known.insert(error.clone()) {
                continue;
            }
            if part {
                self.errors.add_of_what_is_open(PLACE, error);
            } else {
                self.errors.add(PLACE, error);
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

    /// Lists what failed without a panel in sight that would say so.
    pub(super) fn list_failed(&mut self) {
        if let Some(why) = self.panels.semantics.take_failure() {
            self.errors.add("Running under all four semantics", why);
        }
        let Some(run) = &self.doc.run else { return };
        if let Some(why) = run.failure()
            && self.failures.is_new_of(&run.dir, why)
        {
            self.errors.add_of_what_is_open(format!("{} failed", run.label.name), why);
        }
    }

    /// That the run in this folder failed was said.
    pub(super) fn has_said_failed(&mut self, dir: &Path) {
        self.failures.runs.insert(dir.to_owned(), None);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_do_without_what_failed_is_heard() {
        let ctx = Context::default();
        note_part(&ctx, "gone");
        note(&ctx, "gone");
        note_part(&ctx, "gone");
        let noted = ctx.data_mut(|data| data.remove_temp::<Noted>(Id::unique("failures")));
        assert_eq!(noted.unwrap().get("gone"), Some(&false), "not a part");
    }

    #[test]
    fn each_failure_of_a_folder_is_said_once() {
        let mut failures = Failures::default();
        let mut is_new = |dir: &str, why: &str| failures.is_new_of(Path::new(dir), why);
        assert!(is_new("runs/1", "the disk is full"));
        assert!(!is_new("runs/1", "the disk is full"));
        // Made anew in its folder.
        assert!(is_new("runs/1", "views is not there"));
        failures.runs.insert("runs/2".into(), None);
        let mut is_new = |why: &str| failures.is_new_of(Path::new("runs/2"), why);
        assert!(!is_new("the disk is full"), "it was said as it failed");
        assert!(is_new("views is not there"));
    }
}
