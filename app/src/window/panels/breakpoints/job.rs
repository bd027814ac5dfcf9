//! The look for hits in a run that was kept: a job with partial results.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use joinscope_core::engine::breakpoint::{Breakpoint, Condition, Hit};
use joinscope_core::run::RunError;

use crate::window::jobs::{Jobs, Slot};
use crate::window::store::Run;

/// Hits of each breakpoint that can be stepped through; more are counted.
pub const KEPT: u64 = 1_000_000;

/// What was found so far.
#[derive(Debug, Default)]
pub struct Found {
    /// By arrival.
    pub hits: Vec<Hit>,
    /// By breakpoint.
    pub counts: BTreeMap<u64, u64>,
    pub looked_at: u64,
    pub whole: bool,
}

/// What is looked for: the revision, and the conditions by id.
type Question = (u64, Vec<(u64, Condition)>);

/// One look at a time.
#[derive(Default)]
pub struct Job {
    asked: Option<Question>,
    slot: Slot<u64, ()>,
    number: u64,
    found: Arc<Mutex<Found>>,
    cancel: Arc<AtomicBool>,
}

impl Job {
    /// Begins to look, unless this is what is looked for already; of a run in progress
    /// what is newer is looked through once the look at hand is done.
    pub fn ask(&mut self, jobs: &Jobs, revision: u64, run: &Run, list: &[Breakpoint]) {
        let conditions: Vec<(u64, Condition)> =
            list.iter().map(|b| (b.id, b.condition.clone())).collect();
        let busy = self.is_open();
        if busy && self.asked.as_ref().is_some_and(|(_, asked)| *asked == conditions) {
            return;
        }
        let question = (revision, conditions);
        if self.asked.as_ref() == Some(&question) {
            return;
        }
        self.cancel.store(true, Ordering::Release);
        (self.cancel, self.found) = (Arc::default(), Arc::default());
        self.asked = Some(question);
        if list.is_empty() {
            self.found().whole = true;
            return;
        }
        self.number += 1;
        // Those that are disabled are counted too: enabling one asks nothing new.
        let list: Vec<Breakpoint> =
            list.iter().map(|b| Breakpoint { enabled: true, ..b.clone() }).collect();
        let (run, found, cancel) = (run.clone(), Arc::clone(&self.found), Arc::clone(&self.cancel));
        self.slot.ask_long(jobs, self.number, move |_| {
            let look = || found.lock().unwrap_or_else(PoisonError::into_inner);
            let told = |hits: Vec<Hit>, looked_at| {
                let mut found = look();
                for hit in hits {
                    let count = found.counts.entry(hit.id).or_default();
                    *count += 1;
                    if *count <= KEPT {
                        found.hits.push(hit);
                    }
                }
                found.looked_at = looked_at;
                true
            };
            match run.hits(&list, &cancel, told) {
                Err(RunError::Cancelled) => return Ok(()),
                done => done.map_err(|e| e.to_string())?,
            }
            look().whole = true;
            Ok(())
        });
    }

    /// Whether these are what was looked for last.
    pub fn is_of(&self, list: &[Breakpoint]) -> bool {
        let listed = list.iter().map(|b| (b.id, &b.condition));
        let asked = self.asked.as_ref().map(|(_, asked)| asked.iter().map(|(id, c)| (*id, c)));
        asked.is_some_and(|asked| asked.eq(listed))
    }

    /// Of what the last look was.
    pub fn revision(&self) -> Option<u64> {
        self.asked.as_ref().map(|(revision, _)| *revision)
    }

    pub fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_open(&mut self) -> bool {
        let _ = self.slot.answer();
        self.slot.is_open() && !self.found().whole
    }

    /// Looks anew.
    pub fn again(&mut self) {
        self.asked = None;
    }

    /// Why it failed.
    pub fn error(&mut self) -> Option<String> {
        let answer = self.slot.answer()?;
        (answer.question == self.number).then(|| answer.result.as_ref().err().cloned())?
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Breakpoints;
    use super::*;
    use crate::window::command::Command;
    use crate::window::panel::Panel;
    use crate::window::testing::{ask, fail, feed, heading, opened};
    use joinscope_core::run::Direction;

    #[test]
    fn of_a_look_that_failed_no_count_is_said() {
        let mut h = opened(&feed().run());
        ask(&mut h, Command::ShowPanel(Panel::Breakpoints));
        ask(&mut h, Command::AddBreakpoint("verdict=late".parse().unwrap()));
        assert!(heading(&h, Panel::Breakpoints).value().unwrap().contains(" in this run"));
        let app = h.state_mut();
        fail(&mut app.panels.breakpoints.job.slot, &app.jobs, "the disk went away");
        while h.state().jobs.open() > 0 {
            h.step();
        }
        h.run_steps(3);
        assert_eq!(heading(&h, Panel::Breakpoints).value().unwrap(), "1 breakpoint");
    }

    #[test]
    fn that_there_is_no_hit_is_known_of_a_run_that_goes_on() {
        let run = Run::open(&feed().run()).unwrap();
        let jobs = Jobs::new(&egui::Context::default(), 1);
        let condition = "key=nobody".parse().unwrap();
        let list = [Breakpoint { id: 1, enabled: true, condition }];
        let mut panel = Breakpoints::default();
        panel.seek(Direction::Forward);
        panel.look(&jobs, 1, &run, &list);
        while panel.job.is_open() {
            std::thread::yield_now();
        }
        // There is more of the run by then.
        panel.look(&jobs, 2, &run, &list);
        assert_eq!(panel.sought(0, &list), Some(Ok(None)));
        assert!(!panel.is_seeking());
    }

    #[test]
    fn a_look_is_done_before_what_is_newer_is_looked_through() {
        let run = Run::open(&feed().run()).unwrap();
        let jobs = Jobs::new(&egui::Context::default(), 1);
        let condition = "verdict=late".parse().unwrap();
        let list = [Breakpoint { id: 1, enabled: true, condition }];
        // All threads are at work until this is dropped: the look waits for one.
        let (work, wait) = std::sync::mpsc::sync_channel::<()>(0);
        let wait = Arc::new(Mutex::new(wait));
        let mut slots: Vec<Slot<u8, ()>> = (0..8).map(|_| Slot::default()).collect();
        for slot in &mut slots {
            let wait = Arc::clone(&wait);
            slot.ask_long(&jobs, 0, move |_| {
                let _ = wait.lock().unwrap().recv();
                Ok(())
            });
        }
        let mut job = Job::default();
        let asked = |job: &Job| job.asked.as_ref().map(|asked| asked.0);
        job.ask(&jobs, 1, &run, &list);
        job.ask(&jobs, 2, &run, &list);
        assert_eq!(asked(&job), Some(1));
        drop(work);
        while job.is_open() {
            std::thread::yield_now();
        }
        assert!(job.found().counts[&1] > 0);
        job.ask(&jobs, 2, &run, &list);
        assert_eq!(asked(&job), Some(2));
    }
}
