//! Guarantees: the run's recording and the same faults under exactly-once,
//! at-least-once (and behind a reader that removes duplicates) and at-most-once;
//! a number opens the outputs behind it, a press on one goes to its record.

mod ask;
mod draw;
mod export;
mod say;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use egui::Ui;
use joinscope_core::analyses::guarantees::faults::Faults;
use joinscope_core::analyses::guarantees::matrix::Matrix;

use self::ask::{Progress, Question};
use crate::window::chrome::{Title, panel};
use crate::window::cx::Cx;
use crate::window::jobs::{Answer, Slot};
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::panels::tools::copied;
use crate::window::table::Table;
use crate::window::widgets::button;

/// The panel's state.
#[derive(Default)]
pub struct Guarantees {
    /// What goes wrong; `None`: not chosen yet.
    faults: Option<Faults>,
    matrix: Slot<Question, Matrix>,
    /// What is compared, and how far it is.
    work: Option<(Question, Arc<Progress>)>,
    modes: Table,
    list: Table,
    /// The mode, and which of its numbers is open.
    mode: usize,
    open: Open,
    /// The faults for which a number was opened already.
    opened: Option<Faults>,
    /// A mode of a comparison on its way to the clipboard, as JSON.
    copy: Slot<(Question, usize), String>,
    copying: bool,
}

/// A number of the matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Duplicates,
    Losses,
    Untrue,
    Aborted,
    /// What happened, in order.
    Timeline,
}

impl Drop for Guarantees {
    fn drop(&mut self) {
        self.end();
    }
}

impl Guarantees {
    /// Opens the first number of the mode that is not 0, unless the one that is
    /// open is not; what happened stays open.
    fn open_first(&mut self, matrix: &Matrix) {
        let Some(mode) = matrix.columns.get(self.mode) else { return };
        let is_there = |open: Open| !draw::behind(mode, open).is_empty();
        if self.open == Open::Timeline || is_there(self.open) {
            return;
        }
        let numbers = [Open::Duplicates, Open::Losses, Open::Untrue, Open::Aborted];
        self.open = numbers.into_iter().find(|o| is_there(*o)).unwrap_or_default();
    }

    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        cx.commands.extend(copied(&mut self.copy, &mut self.copying));
        let answer = self.ask(cx);
        let sentence = say::sentence(self, cx, answer.as_ref().map(|answer| &answer.result));
        let title = Title::of(Panel::Guarantees, &sentence, tabs);
        let (comparing, mut cancelled) = (self.is_comparing(), false);
        let mut commands = Vec::new();
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, _| {
                let cancel = "Cancel the comparison";
                cancelled = comparing && button("Cancel").name(cancel).show(ui).clicked();
            },
            |ui, _| draw::body(self, ui, cx, answer.as_deref()),
        );
        if cancelled {
            self.cancel();
        }
        cx.commands.append(&mut commands);
        dragged
    }

    fn ask(&mut self, cx: &Cx<'_>) -> Option<Arc<Answer<Question, Matrix>>> {
        let doc = cx.doc.run.as_ref()?;
        let faults = self.faults.clone()?;
        if cx.doc.in_progress {
            return None;
        }
        let run = doc.run.clone();
        let question = Question { dir: run.dir().to_owned(), faults };
        if self.work.as_ref().is_none_or(|(of, _)| *of != question) {
            self.end();
            self.work = Some((question.clone(), Arc::default()));
        }
        let (_, progress) = self.work.as_ref()?;
        let progress = Arc::clone(progress);
        self.matrix.ask_long(cx.jobs, question.clone(), move |q| ask::compare(&run, q, &progress));
        // Of another run: not shown, not even dimmed.
        let of_this = |a: &Arc<Answer<Question, Matrix>>| {
            a.question == question || a.question.dir == question.dir && a.result.is_ok()
        };
        self.matrix.answer().filter(of_this)
    }

    /// Asks for a mode as JSON: behind its numbers there may be millions of outputs.
    fn copy_mode(&mut self, cx: &Cx<'_>, mode: usize) {
        let Some(answer) = self.matrix.answer() else { return };
        self.copying = true;
        self.copy.again();
        let question = (answer.question.clone(), mode);
        self.copy.ask(cx.jobs, question, move |(_, mode)| ask::as_json(&answer.result, *mode));
    }

    fn is_comparing(&self) -> bool {
        self.faults.is_some() && self.matrix.is_open()
    }

    /// What is run now, and how many were before it.
    fn stage(&self) -> (usize, &'static str) {
        self.work.as_ref().map_or((0, ""), |(_, progress)| progress.stage())
    }

    /// Nothing is compared any longer.
    fn cancel(&mut self) {
        self.end();
        (self.faults, self.matrix) = (None, Slot::default());
    }

    fn end(&mut self) {
        if let Some((_, progress)) = self.work.take() {
            progress.cancel();
        }
    }
}
