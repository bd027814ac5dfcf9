//! What Sources asks: the books of the run, and why nothing matched in it.

use joinscope_core::run::explain::{NoMatch, no_match};
use joinscope_operator::verdict::{Counts, Verdict};

use crate::window::doc::Doc;
use crate::window::jobs::{Jobs, Slot};

/// The books of a run, as the workers answer them.
#[derive(Default)]
pub struct Books {
    slot: Slot<u64, (Counts, u64)>,
    /// Asked of a run in which nothing matched.
    cause: Slot<u64, Option<NoMatch>>,
}

impl Books {
    pub(super) fn ask(&mut self, jobs: &Jobs, doc: &Doc) {
        let Some(run) = &doc.run else { return };
        let of = run.run.clone();
        self.slot.ask(jobs, doc.revision, move |_| {
            let books = of.books(None).map_err(|e| e.to_string())?;
            let mut all = Counts::default();
            for counts in &books.inputs {
                for verdict in Verdict::ALL {
                    all.add(verdict, counts.get(verdict));
                }
            }
            Ok((all, books.outputs))
        });
        let matched = self.shown().is_none_or(|counts| counts.get(Verdict::Joined) > 0);
        if !doc.in_progress && !matched {
            let of = run.run.clone();
            self.cause
                .ask_long(jobs, doc.revision, move |_| no_match(&of).map_err(|e| e.to_string()));
        }
    }

    pub(super) fn shown(&mut self) -> Option<Counts> {
        self.slot.answer()?.result.as_ref().ok().map(|(counts, _)| *counts)
    }

    /// Why they cannot be read.
    pub(super) fn error(&mut self) -> Option<String> {
        self.slot.answer()?.result.as_ref().err().cloned()
    }

    /// Whether they are in sight.
    #[must_use]
    pub fn is_read(&mut self) -> bool {
        self.shown().is_some()
    }

    /// Records of a verdict, as far as read.
    pub fn count(&mut self, verdict: Verdict) -> u64 {
        self.shown().map_or(0, |counts| counts.get(verdict))
    }

    /// Why no record matched, in a run that ended.
    pub fn no_match(&mut self) -> Option<NoMatch> {
        let books = self.slot.answer()?;
        let (counts, _) = books.result.as_ref().ok()?;
        let cause = self.cause.answer()?;
        // The newest answer may be that of the run before.
        let fits = cause.question == books.question && counts.get(Verdict::Joined) == 0;
        cause.result.as_ref().ok().filter(|_| fits)?.clone()
    }

    pub(super) fn outputs(&mut self) -> u64 {
        let answer = self.slot.answer();
        answer.and_then(|a| a.result.as_ref().ok().map(|(_, n)| *n)).unwrap_or(0)
    }
}
