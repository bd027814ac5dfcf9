//! The lines that a table shows where no index leads to them: filtered and
//! sorted by a job whose results come in parts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::jobs::{Jobs, Slot};
use super::table::Sort;

/// What a table is sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorted<B> {
    pub by: B,
    pub descending: bool,
}

impl<B: PartialEq> Sorted<B> {
    /// After a press on the title that sorts by `by`: first ascending, then
    /// descending, then as it was. By `natural` it stands already.
    #[must_use]
    pub fn pressed(now: Option<Self>, by: B, natural: &B) -> Option<Self> {
        match now {
            Some(s) if s.by == by && s.descending => None,
            Some(s) if s.by == by => Some(Self { by, descending: true }),
            _ => Some(Self { descending: by == *natural, by }),
        }
    }

    /// What the title says that sorts by `by`; `stands`: the table is in this
    /// order where it is not sorted.
    #[must_use]
    pub fn said(now: Option<&Self>, by: Option<&B>, stands: bool) -> Sort {
        match (by, now) {
            (None, _) => Sort::Never,
            (Some(_), None) if stands => Sort::Ascending,
            (Some(by), Some(s)) if *by == s.by && s.descending => Sort::Descending,
            (Some(by), Some(s)) if *by == s.by => Sort::Ascending,
            _ => Sort::No,
        }
    }
}

/// Lines found so far, and how far the job is.
#[derive(Debug, Default)]
struct Progress {
    lines: Arc<Vec<u32>>,
    /// In their natural order: a line is found in them by halving.
    ascending: bool,
    looked_at: u64,
    of: u64,
    /// What was listed of an earlier state of the same run, and whether in its
    /// natural order: it stands until the job has found more, or is done.
    before: Option<(Arc<Vec<u32>>, bool)>,
}

impl Progress {
    /// What is shown, and whether it is in its natural order.
    fn shown(&self) -> (&Arc<Vec<u32>>, bool) {
        match &self.before {
            Some((lines, ascending)) if lines.len() > self.lines.len() => (lines, *ascending),
            _ => (&self.lines, self.ascending),
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    cancel: Arc<AtomicBool>,
    /// The job found all there is.
    whole: AtomicBool,
    progress: Mutex<Progress>,
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The job's end of a listing.
pub struct Report(Arc<Shared>);

impl Report {
    /// Set once nobody waits any more.
    #[must_use]
    pub fn cancel(&self) -> &AtomicBool {
        &self.0.cancel
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancel.load(Ordering::Acquire)
    }

    /// # Errors
    /// Nobody waits any more.
    pub fn go_on(&self) -> Result<(), String> {
        if self.is_cancelled() { Err("cancelled".to_owned()) } else { Ok(()) }
    }

    /// More lines, after those before.
    pub fn add(&self, lines: impl IntoIterator<Item = u32>, looked_at: u64, of: u64) {
        let mut p = self.0.progress();
        p.ascending = true;
        Arc::make_mut(&mut p.lines).extend(lines);
        (p.looked_at, p.of) = (looked_at, of);
    }

    /// These lines in place of those before.
    pub fn replace(&self, lines: Vec<u32>, ascending: bool, looked_at: u64, of: u64) {
        let mut p = self.0.progress();
        (p.lines, p.ascending) = (Arc::new(lines), ascending);
        (p.looked_at, p.of) = (looked_at, of);
    }

    /// How far it is, the lines as before.
    pub fn progress(&self, looked_at: u64, of: u64) {
        let mut p = self.0.progress();
        (p.looked_at, p.of) = (looked_at, of);
    }

    /// The job has ended; `done`: it did not fail.
    fn ended(&self, done: bool) {
        self.0.progress().before = None;
        if done && !self.is_cancelled() {
            self.0.whole.store(true, Ordering::Release);
        }
    }
}

/// What a job lists, for a thread that needs all of it; set, `cancel` ends it.
///
/// # Errors
/// The job's, or it was cancelled.
pub fn listed(
    cancel: Arc<AtomicBool>,
    work: impl FnOnce(&Report) -> Result<(), String>,
) -> Result<Arc<Vec<u32>>, String> {
    let shared = Arc::new(Shared { cancel, ..Shared::default() });
    work(&Report(Arc::clone(&shared)))?;
    Ok(Arc::clone(&shared.progress().lines))
}

/// A table's listing of one source; a newer source ends the job of the last.
pub struct Listing<S> {
    source: Option<S>,
    slot: Slot<u64, ()>,
    number: u64,
    shared: Arc<Shared>,
    /// The line that was asked for last: it is asked for in every frame.
    looked_for: Option<LookedFor>,
}

/// A line, how many lines there were and whether this job found them, and its
/// place among them.
type LookedFor = (u32, (usize, bool), Option<u64>);

impl<S> Default for Listing<S> {
    fn default() -> Self {
        Self {
            source: None,
            slot: Slot::default(),
            number: 0,
            shared: Arc::default(),
            looked_for: None,
        }
    }
}

impl<S: Clone + PartialEq> Listing<S> {
    /// Begins the job of `source`, unless it is the one at hand. Where the last one
    /// `is_like` it, but for the state of the run, its lines stand meanwhile.
    pub fn ask(
        &mut self,
        jobs: &Jobs,
        source: &S,
        is_like: impl FnOnce(&S, &S) -> bool,
        work: impl FnOnce(&Report) -> Result<(), String> + Send + 'static,
    ) {
        if self.source.as_ref() == Some(source) {
            return;
        }
        self.stop();
        let before = self.source.as_ref().filter(|last| is_like(last, source)).map(|_| {
            let p = self.shared.progress();
            let (lines, ascending) = p.shown();
            (Arc::clone(lines), ascending)
        });
        self.source = Some(source.clone());
        self.shared = Arc::default();
        self.shared.progress().before = before;
        self.looked_for = None;
        self.number += 1;
        let report = Report(Arc::clone(&self.shared));
        self.slot.ask_long(jobs, self.number, move |_| {
            let done = work(&report);
            report.ended(done.is_ok());
            match done {
                Err(_) if report.is_cancelled() => Ok(()),
                done => done,
            }
        });
    }

    /// No listing is needed.
    pub fn clear(&mut self) {
        if self.source.take().is_some() {
            self.stop();
            self.shared = Arc::default();
            self.looked_for = None;
        }
    }

    /// The same source is asked again (it failed, or was stopped).
    pub fn again(&mut self) {
        self.source = None;
    }

    /// The lines of `source` as they are shown for good: all of them, or as many
    /// as were found until the user stopped; `None`: they are not known yet.
    #[must_use]
    pub fn of(&self, source: &S) -> Option<Arc<Vec<u32>>> {
        let known = self.source.as_ref() == Some(source) && (self.is_whole() || self.is_stopped());
        known.then(|| Arc::clone(self.shared.progress().shown().0))
    }
}

impl<S> Listing<S> {
    /// Ends the job; what was found stays.
    pub fn stop(&self) {
        self.shared.cancel.store(true, Ordering::Release);
    }

    /// Whether the job was stopped before it was done.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.cancel.load(Ordering::Acquire) && !self.is_whole()
    }

    /// Whether all lines of what was asked for last are found.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.shared.whole.load(Ordering::Acquire)
    }

    #[must_use]
    pub fn len(&self) -> u64 {
        self.shared.progress().shown().0.len() as u64
    }

    /// Lines at these places of the table.
    #[must_use]
    pub fn lines(&self, first: u64, count: usize) -> Vec<u64> {
        let p = self.shared.progress();
        p.shown().0.iter().skip(first as usize).take(count).map(|l| u64::from(*l)).collect()
    }

    /// The place of a line in the table.
    #[must_use]
    pub fn place(&mut self, line: u64) -> Option<u64> {
        let line = u32::try_from(line).ok()?;
        let p = self.shared.progress();
        let (lines, ascending) = p.shown();
        let among = (lines.len(), Arc::ptr_eq(lines, &p.lines));
        if let Some((last, then, place)) = self.looked_for
            && (last, then) == (line, among)
        {
            return place;
        }
        let place = if ascending {
            lines.binary_search(&line).ok()
        } else {
            lines.iter().position(|l| *l == line)
        };
        let place = place.map(|n| n as u64);
        drop(p);
        self.looked_for = Some((line, among, place));
        place
    }

    /// Percent looked at, while the job is running.
    #[must_use]
    pub fn percent(&mut self) -> Option<u64> {
        // Taking the answer in is what ends it.
        let _ = self.slot.answer();
        if self.source.is_none() || !self.slot.is_open() {
            return None;
        }
        let p = self.shared.progress();
        Some((p.looked_at * 100).checked_div(p.of).unwrap_or(0))
    }

    /// How far it is, after a count: `, 40 % sorted`.
    #[must_use]
    pub fn how_far(&mut self, sorts: bool) -> String {
        let doing = if sorts { "sorted" } else { "searched" };
        match self.percent() {
            Some(percent) => format!(", {percent} % {doing}"),
            None if self.is_stopped() => ", stopped".to_owned(),
            None => String::new(),
        }
    }

    /// Why it stopped, where it failed.
    #[must_use]
    pub fn error(&mut self) -> Option<String> {
        self.source.as_ref()?;
        let answer = self.slot.answer()?;
        if answer.question != self.number {
            return None;
        }
        answer.result.as_ref().err().cloned()
    }
}

impl<S> Drop for Listing<S> {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_source_ends_the_job_of_the_last() {
        let jobs = Jobs::new(&egui::Context::default(), 2);
        let mut listing: Listing<u32> = Listing::default();
        listing.ask(
            &jobs,
            &1,
            |_, _| false,
            |report| {
                while !report.is_cancelled() {
                    std::thread::yield_now();
                }
                report.add([7], 1, 2);
                Err("cancelled".to_owned())
            },
        );
        assert_eq!(listing.percent(), Some(0));
        listing.ask(
            &jobs,
            &2,
            |_, _| false,
            |report| {
                report.replace(vec![9, 3, 4], false, 10, 10);
                Ok(())
            },
        );
        while jobs.open() > 0 {
            std::thread::yield_now();
        }
        assert_eq!((listing.percent(), listing.error()), (None, None));
        assert_eq!(listing.lines(0, 10), [9, 3, 4]);
        assert_eq!((listing.place(4), listing.place(7)), (Some(2), None));
    }

    #[test]
    fn a_failed_job_is_asked_again() {
        let jobs = Jobs::new(&egui::Context::default(), 1);
        let mut listing: Listing<u32> = Listing::default();
        let wait = || {
            while jobs.open() > 0 {
                std::thread::yield_now();
            }
        };
        listing.ask(&jobs, &1, |_, _| false, |_| Err("disk gone".to_owned()));
        wait();
        assert_eq!(listing.error().as_deref(), Some("disk gone"));
        listing.again();
        listing.ask(
            &jobs,
            &1,
            |_, _| false,
            |report| {
                report.add([1, 2], 2, 2);
                Ok(())
            },
        );
        wait();
        assert_eq!((listing.error(), listing.len()), (None, 2));
        assert!(listing.is_whole() && !listing.is_stopped());
    }

    /// What holds a job up until it is told to go on.
    fn held() -> (std::sync::mpsc::SyncSender<()>, impl Fn() + Send + 'static) {
        let (go, gate) = std::sync::mpsc::sync_channel::<()>(1);
        let gate = Mutex::new(gate);
        (go, move || {
            let _ = gate.lock().unwrap().recv();
        })
    }

    #[test]
    fn lines_of_an_earlier_state_stand_until_there_are_more() {
        let jobs = Jobs::new(&egui::Context::default(), 1);
        let mut listing: Listing<(u64, &str)> = Listing::default();
        let like = |a: &(u64, &str), b: &(u64, &str)| a.1 == b.1;
        let wait = || {
            while jobs.open() > 0 {
                std::thread::yield_now();
            }
        };
        listing.ask(&jobs, &(1, "late"), like, |report| {
            report.replace(vec![5, 3, 8], false, 9, 9);
            Ok(())
        });
        wait();
        let (go, hold) = held();
        listing.ask(&jobs, &(2, "late"), like, move |report| {
            report.replace(vec![9], false, 1, 9);
            hold();
            report.replace(vec![9, 3], false, 9, 9);
            Ok(())
        });
        assert_eq!((listing.lines(0, 9), listing.place(3)), (vec![5, 3, 8], Some(1)));
        assert!(!listing.is_whole() && listing.of(&(2, "late")).is_none());
        go.send(()).unwrap();
        wait();
        // One is no longer late: what it found counts once it is done.
        assert_eq!((listing.lines(0, 9), listing.place(8)), (vec![9, 3], None));
        assert_eq!(listing.of(&(2, "late")).as_deref(), Some(&vec![9, 3]));
        assert!(listing.of(&(1, "late")).is_none(), "that was asked for before");
        // Of something else nothing stands.
        let (go, hold) = held();
        listing.ask(&jobs, &(2, "expired"), like, move |_| {
            hold();
            Ok(())
        });
        assert_eq!(listing.len(), 0);
        go.send(()).unwrap();
        wait();
    }

    #[test]
    fn one_that_is_stopped_before_it_found_anything_is_not_whole() {
        let jobs = Jobs::new(&egui::Context::default(), 1);
        let mut listing: Listing<u32> = Listing::default();
        let (go, hold) = held();
        listing.ask(
            &jobs,
            &1,
            |_, _| false,
            move |report| {
                hold();
                report.go_on()
            },
        );
        listing.stop();
        go.send(()).unwrap();
        while jobs.open() > 0 {
            std::thread::yield_now();
        }
        assert_eq!((listing.percent(), listing.error(), listing.len()), (None, None, 0));
        assert!(listing.is_stopped() && !listing.is_whole());
    }
}
