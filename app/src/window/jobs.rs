//! Work off the window's thread.
//!
//! 1. A panel owns a [`Slot`] and asks it one question at a time.
//! 2. While an answer is awaited, the newest question replaces a waiting one.
//! 3. An answer is immutable and comes with the question that it answers.
//! 4. The last answer stays until the next one is there.
//! 5. A panic fails its question, with the message; asking again tries again.
//! 6. What looks through a whole run has threads of its own: no question waits
//!    behind it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

type Task = Box<dyn FnOnce() + Send>;

/// Each slot has at most one task in the queue, so this many slots fit.
const QUEUE: usize = 1024;

/// Threads for what takes long; more of it waits for one of them.
const LONG: usize = 4;

/// An answer that takes longer than this shows the old one dimmed.
pub const DIM_AFTER: Duration = Duration::from_millis(100);

/// How long an answer may take.
#[derive(Clone, Copy)]
enum Pace {
    /// About as long as the user notices.
    Quick,
    /// As long as it takes to look through a run.
    Long,
}

/// The app's pools of workers.
#[derive(Clone)]
pub struct Jobs {
    quick: SyncSender<Task>,
    long: SyncSender<Task>,
    open: Arc<AtomicUsize>,
    begun: Arc<AtomicUsize>,
    repaint: egui::Context,
}

impl Jobs {
    /// Starts `workers` threads for questions, and those for what takes long;
    /// they end when the last [`Jobs`] is dropped.
    #[must_use]
    pub fn new(ctx: &egui::Context, workers: usize) -> Self {
        Self {
            quick: pool("question", workers.max(1)),
            long: pool("long", LONG),
            open: Arc::default(),
            begun: Arc::default(),
            repaint: ctx.clone(),
        }
    }

    /// Questions that are waiting or being answered.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Questions since the start for which a worker was called.
    #[must_use]
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::Acquire)
    }

    fn spawn(&self, pace: Pace, task: Task) {
        self.begun.fetch_add(1, Ordering::AcqRel);
        let queue = match pace {
            Pace::Quick => &self.quick,
            Pace::Long => &self.long,
        };
        // Only a dead pool refuses; then the program is ending.
        let _ = queue.try_send(task);
    }
}

/// Starts threads that do what is sent.
fn pool(name: &str, workers: usize) -> SyncSender<Task> {
    let (queue, tasks) = sync_channel::<Task>(QUEUE);
    let tasks = Arc::new(Mutex::new(tasks));
    for n in 0..workers {
        let tasks = Arc::clone(&tasks);
        let worker = move || {
            while let Some(task) = next(&tasks) {
                task();
            }
        };
        let started = std::thread::Builder::new().name(format!("{name}-{n}")).spawn(worker);
        if let Err(error) = started {
            tracing::error!("no thread for questions: {error}");
        }
    }
    queue
}

fn next(tasks: &Mutex<Receiver<Task>>) -> Option<Task> {
    lock(tasks).recv().ok()
}

/// A panic is caught before it can leave a lock half-used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a panic said.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    format!("a worker failed: {}", joinscope_core::engine::panic_message(panic))
}

/// A question and what came of it.
pub struct Answer<Q, A> {
    pub question: Q,
    pub result: Result<A, String>,
}

type Waiting<Q, A> = (Q, Box<dyn FnOnce(&Q) -> Result<A, String> + Send>);

struct Inner<Q, A> {
    waiting: Option<Waiting<Q, A>>,
    running: bool,
    answer: Option<Arc<Answer<Q, A>>>,
}

/// One panel's line to the workers.
pub struct Slot<Q, A> {
    inner: Arc<Mutex<Inner<Q, A>>>,
    /// The newest question asked.
    asked: Option<Q>,
    since: Instant,
    answer: Option<Arc<Answer<Q, A>>>,
}

impl<Q, A> Default for Slot<Q, A> {
    fn default() -> Self {
        let inner = Inner { waiting: None, running: false, answer: None };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            asked: None,
            since: Instant::now(),
            answer: None,
        }
    }
}

impl<Q, A> Slot<Q, A>
where
    Q: Clone + PartialEq + Send + Sync + 'static,
    A: Send + Sync + 'static,
{
    /// Asks, unless this very question was the last one asked.
    pub fn ask(
        &mut self,
        jobs: &Jobs,
        question: Q,
        work: impl FnOnce(&Q) -> Result<A, String> + Send + 'static,
    ) {
        self.put(jobs, Pace::Quick, question, work);
    }

    /// As [`Self::ask`], for what looks through a whole run or works it anew.
    pub fn ask_long(
        &mut self,
        jobs: &Jobs,
        question: Q,
        work: impl FnOnce(&Q) -> Result<A, String> + Send + 'static,
    ) {
        self.put(jobs, Pace::Long, question, work);
    }

    fn put(
        &mut self,
        jobs: &Jobs,
        pace: Pace,
        question: Q,
        work: impl FnOnce(&Q) -> Result<A, String> + Send + 'static,
    ) {
        if self.asked.as_ref() == Some(&question) {
            return;
        }
        self.asked = Some(question.clone());
        self.since = Instant::now();
        let mut inner = lock(&self.inner);
        if inner.waiting.replace((question, Box::new(work))).is_none() && !inner.running {
            jobs.open.fetch_add(1, Ordering::AcqRel);
            inner.running = true;
            drop(inner);
            let (shared, jobs) = (Arc::clone(&self.inner), jobs.clone());
            let open = Arc::clone(&jobs.open);
            let repaint = jobs.repaint.clone();
            jobs.spawn(pace, Box::new(move || answer_all(&shared, &open, &repaint)));
        }
    }

    /// The newest answer there is.
    pub fn answer(&mut self) -> Option<Arc<Answer<Q, A>>> {
        if let Some(newer) = lock(&self.inner).answer.take() {
            self.answer = Some(newer);
        }
        self.answer.clone()
    }

    /// Whether the newest question is still open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.asked.is_some() && self.answer.as_ref().map(|a| &a.question) != self.asked.as_ref()
    }

    /// Whether what is shown answers another question for a while already.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.is_open() && self.since.elapsed() > DIM_AFTER
    }

    /// The next `ask` asks, also the same question.
    pub fn again(&mut self) {
        self.asked = None;
    }
}

fn answer_all<Q, A>(shared: &Mutex<Inner<Q, A>>, open: &AtomicUsize, repaint: &egui::Context) {
    loop {
        let Some((question, work)) = ({
            let mut inner = lock(shared);
            let waiting = inner.waiting.take();
            inner.running = waiting.is_some();
            waiting
        }) else {
            open.fetch_sub(1, Ordering::AcqRel);
            repaint.request_repaint();
            return;
        };
        let result = catch_unwind(AssertUnwindSafe(|| work(&question)))
            .unwrap_or_else(|panic| Err(panic_message(&*panic)));
        lock(shared).answer = Some(Arc::new(Answer { question, result }));
        repaint.request_repaint();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn wait(jobs: &Jobs) {
        while jobs.open() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_newest_question_replaces_the_waiting_one() {
        let jobs = Jobs::new(&egui::Context::default(), 1);
        let (go, gate) = mpsc::sync_channel::<()>(0);
        let (begun, begins) = mpsc::sync_channel::<()>(0);
        let (asked, seen) = mpsc::sync_channel(16);
        let mut slot: Slot<u32, u32> = Slot::default();
        let tell = asked.clone();
        slot.ask(&jobs, 1, move |q| {
            begun.send(()).map_err(|e| e.to_string())?;
            gate.recv().map_err(|e| e.to_string())?;
            tell.send(*q).map_err(|e| e.to_string())?;
            Ok(q * 10)
        });
        begins.recv().unwrap();
        for q in 2..=4 {
            let tell = asked.clone();
            slot.ask(&jobs, q, move |q| {
                tell.send(*q).map_err(|e| e.to_string())?;
                Ok(q * 10)
            });
        }
        assert!(slot.is_open());
        go.send(()).unwrap();
        wait(&jobs);
        drop(asked);
        assert_eq!(seen.iter().collect::<Vec<u32>>(), [1, 4]);
        let answer = slot.answer().unwrap();
        assert_eq!((answer.question, answer.result.clone()), (4, Ok(40)));
        assert!(!slot.is_open());
    }

    #[test]
    fn what_takes_long_holds_up_no_question() {
        let jobs = Jobs::new(&egui::Context::default(), 1);
        let (go, gate) = mpsc::sync_channel::<()>(0);
        let gate = Arc::new(Mutex::new(gate));
        let mut long: Vec<Slot<u32, ()>> = (0..=LONG).map(|_| Slot::default()).collect();
        for slot in &mut long {
            let gate = Arc::clone(&gate);
            slot.ask_long(&jobs, 1, move |_| lock(&gate).recv().map_err(|e| e.to_string()));
        }
        let mut quick: Slot<u32, u32> = Slot::default();
        quick.ask(&jobs, 7, |q| Ok(q * 10));
        let begun = Instant::now();
        while quick.answer().is_none() && begun.elapsed() < Duration::from_mins(1) {
            std::thread::yield_now();
        }
        assert_eq!(quick.answer().map(|a| a.result.clone()), Some(Ok(70)));
        assert!(long.iter_mut().all(|slot| slot.answer().is_none()));
        // They are done once nobody keeps them, the one that waited too.
        drop(go);
        wait(&jobs);
        assert!(long.iter_mut().all(|slot| slot.answer().is_some()));
    }

    #[test]
    fn a_panic_fails_its_question_and_the_next_is_answered() {
        let jobs = Jobs::new(&egui::Context::default(), 1);
        let mut slot: Slot<u32, u32> = Slot::default();
        slot.ask(&jobs, 1, |_| panic!("broken page"));
        wait(&jobs);
        let failed = slot.answer().unwrap();
        assert!(failed.result.as_ref().unwrap_err().contains("broken page"));
        slot.ask(&jobs, 1, |_| Ok(0));
        assert!(!slot.is_open(), "the same question is not asked twice");
        slot.again();
        slot.ask(&jobs, 1, |_| Ok(7));
        wait(&jobs);
        assert_eq!(slot.answer().unwrap().result, Ok(7));
    }
}
