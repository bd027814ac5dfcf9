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
        match cause.result.as_ref() {
            _ if !fits => None,
            Ok(found) => found.clone(),
            Err(error) => {
                Some(NoMatch { verdict: None, cause: format!("why cannot be read: {error}") })
            }
        }
    }

    /// Why the cause that no record matched cannot be read.
    pub(super) fn cause_error(&mut self) -> Option<String> {
        let books = self.slot.answer()?.question;
        let cause = self.cause.answer()?;
        cause.result.as_ref().err().filter(|_| cause.question == books).cloned()
    }

    pub(super) fn outputs(&mut self) -> u64 {
        let answer = self.slot.answer();
        answer.and_then(|a| a.result.as_ref().ok().map(|(_, n)| *n)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_nothing_matched_is_said_also_where_its_cause_cannot_be_read() {
        let jobs = Jobs::new(&egui::Context::default(), 1);
        let mut books = Books::default();
        books.slot.ask(&jobs, 1, |_| Ok((Counts::default(), 0)));
        books.cause.ask_long(&jobs, 1, |_| Err("the disk went away".to_owned()));
        while jobs.open() > 0 {
            std::thread::yield_now();
        }
        let said = books.no_match().unwrap();
        assert_eq!(said.verdict, None);
        assert_eq!(said.cause, "why cannot be read: the disk went away");
        assert_eq!(books.cause_error().as_deref(), Some("the disk went away"));
    }
}
