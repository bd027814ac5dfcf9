//! What Sources asks: the books of the run.

use joinscope_operator::verdict::{Counts, Verdict};

use crate::window::doc::Doc;
use crate::window::jobs::{Jobs, Slot};

/// The books of a run, as the workers answer them.
#[derive(Default)]
pub struct Books {
    slot: Slot<u64, (Counts, u64)>,
}

impl Books {
    pub(super) fn ask(&mut self, jobs: &Jobs, doc: &Doc) {
        let Some(run) = &doc.run else { return };
        let run = run.run.clone();
        self.slot.ask(jobs, doc.revision, move |_| {
            let books = run.books(None).map_err(|e| e.to_string())?;
            let mut all = Counts::default();
            for counts in &books.inputs {
                for verdict in Verdict::ALL {
                    all.add(verdict, counts.get(verdict));
                }
            }
            Ok((all, books.outputs))
        });
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

    /// No record matched, in a run that ended: the most frequent verdict.
    pub fn no_match(&mut self) -> Option<(Verdict, u64)> {
        let counts = self.shown()?;
        if counts.total() == 0 || counts.get(Verdict::Joined) > 0 {
            return None;
        }
        let all = Verdict::ALL.into_iter().map(|v| (v, counts.get(v)));
        all.max_by_key(|(_, n)| *n)
    }

    pub(super) fn outputs(&mut self) -> u64 {
        let answer = self.slot.answer();
        answer.and_then(|a| a.result.as_ref().ok().map(|(_, n)| *n)).unwrap_or(0)
    }
}
