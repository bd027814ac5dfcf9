//! Faults on purpose: named points in the code where a test can let an
//! incarnation end, wait, or something else happen first; and what of its files
//! a power loss would keep.
//!
//! A point belongs to a *scope*, a run's folder, so that many runs in one
//! process do not meet each other's faults. Where nothing is armed, a point is
//! one relaxed load.
//!
//! A child process is armed by its environment: `JOINSCOPE_FAULTS` holds
//! entries `point[@nth]=abort|stop`, separated by `;`, for every scope. `stop`
//! says `stopped at POINT` on stderr and waits to be killed.
//!
//! The points, in the order of 4-commit:
//!
//! | point | before |
//! | --- | --- |
//! | `start.init` · `start.read` · `start.commit` | a producer is initialised; the progress topic is read; one's own progress record is committed |
//! | `restore` | a checkpoint is opened |
//! | `send` | a message is handed over |
//! | `prepare.delta` · `prepare.links` · `prepare.sync` · `prepare.manifest` · `prepare.rename` · `prepare.renamed` | each step of writing N; the last: before the folder of checkpoints is forced to disk |
//! | `prepared` | what follows N being on disk |
//! | `commit.progress` · `commit.offsets` · `commit.send` | progress record, offsets, end of the transaction |
//! | `commit.again` | the end of the transaction is asked for once more; at a start, a new producer is initialised because it was |
//! | `commit.answered` · `commit.marked` | N is marked; the next epoch may begin |
//! | `collect` · `kept` | old checkpoints go; the run store names N |
//! | `offsets` | at-most-once: an epoch's offsets are committed |

pub mod disk;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use disk::Synced;

/// Every point, in the order in which an epoch passes them.
pub const POINTS: [&str; 21] = [
    "start.init",
    "start.read",
    "restore",
    "start.commit",
    "offsets",
    "send",
    "prepare.delta",
    "prepare.links",
    "prepare.sync",
    "prepare.manifest",
    "prepare.rename",
    "prepare.renamed",
    "prepared",
    "commit.progress",
    "commit.offsets",
    "commit.send",
    "commit.again",
    "commit.answered",
    "commit.marked",
    "collect",
    "kept",
];

/// What a test lets happen at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Crash {
    /// The incarnation ends.
    #[error("ended on purpose at {0}")]
    At(&'static str),
    /// What is written here finds no room; the incarnation goes on.
    #[error("no space left on device ({0})")]
    Full(&'static str),
}

/// What happens at a point.
#[derive(Clone)]
pub enum Act {
    /// The incarnation ends: this and every later point of its scope fails.
    Crash,
    /// The disk is full: this point fails, later ones do not.
    Full,
    /// This is done first; then it goes on.
    Call(Arc<dyn Fn() + Send + Sync>),
}

struct Rule {
    point: &'static str,
    /// From 1.
    nth: u64,
    act: Act,
}

/// What is armed for one scope, and what it did so far.
#[derive(Default)]
pub struct Plan {
    rules: Mutex<Vec<Rule>>,
    counts: Mutex<HashMap<&'static str, u64>>,
    dead: AtomicBool,
    crashed: OnceLock<&'static str>,
    at_crash: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    synced: Mutex<Synced>,
    /// Part of a path whose fsyncs do not count (a planted bug).
    unsynced: Mutex<Option<String>>,
}

impl Plan {
    /// `act` at the `nth` passing (from 1) of `point`.
    pub fn at(&self, point: &'static str, nth: u64, act: Act) {
        lock(&self.rules).push(Rule { point, nth, act });
    }

    /// Done once, when the incarnation ends: the moment to copy what it leaves.
    pub fn at_crash(&self, then: impl FnOnce() + Send + 'static) {
        *lock(&self.at_crash) = Some(Box::new(then));
    }

    /// Ends the incarnation now, whatever point it is at.
    pub fn crash(&self, point: &'static str) {
        if self.dead.swap(true, Ordering::AcqRel) {
            return;
        }
        let _ = self.crashed.set(point);
        let then = lock(&self.at_crash).take();
        if let Some(then) = then {
            then();
        }
    }

    /// Where it ended, if it did.
    #[must_use]
    pub fn crashed(&self) -> Option<&'static str> {
        self.crashed.get().copied()
    }

    /// How often each point was passed, in their order.
    #[must_use]
    pub fn passed(&self) -> Vec<(&'static str, u64)> {
        let counts = lock(&self.counts);
        POINTS.iter().filter_map(|point| Some((*point, *counts.get(point)?))).collect()
    }

    /// Fsyncs of paths with `part` in them do not count from here on.
    pub fn forget_syncs_of(&self, part: &str) {
        *lock(&self.unsynced) = Some(part.to_owned());
    }

    /// All that is in a folder now is on the disk.
    pub fn begins_with(&self, folder: &Path) {
        lock(&self.synced).note_all(folder);
    }

    fn pass(&self, point: &'static str) -> Result<(), Crash> {
        if self.dead.load(Ordering::Acquire) {
            return Err(Crash::At(point));
        }
        let nth = {
            let mut counts = lock(&self.counts);
            let count = counts.entry(point).or_default();
            *count += 1;
            *count
        };
        let act = {
            let mut rules = lock(&self.rules);
            let at = rules.iter().position(|rule| rule.point == point && rule.nth == nth);
            at.map(|at| rules.swap_remove(at).act)
        };
        match act {
            None => Ok(()),
            Some(Act::Call(call)) => {
                call();
                if self.dead.load(Ordering::Acquire) { Err(Crash::At(point)) } else { Ok(()) }
            }
            Some(Act::Crash) => {
                self.crash(point);
                Err(Crash::At(point))
            }
            Some(Act::Full) => Err(Crash::Full(point)),
        }
    }
}

/// Whether anything is armed at all, in this process or by its environment.
static ON: AtomicBool = AtomicBool::new(false);
static PLANS: Mutex<Vec<(PathBuf, Arc<Plan>)>> = Mutex::new(Vec::new());

/// Keeps a plan armed for a scope until it is dropped.
#[must_use = "the plan is disarmed when this is dropped"]
pub struct Armed(PathBuf);

/// Arms `plan` for the run in folder `scope`.
pub fn arm(scope: &Path, plan: Arc<Plan>) -> Armed {
    lock(&PLANS).push((scope.to_owned(), plan));
    ON.store(true, Ordering::Release);
    Armed(scope.to_owned())
}

impl Drop for Armed {
    fn drop(&mut self) {
        let mut plans = lock(&PLANS);
        plans.retain(|(scope, _)| *scope != self.0);
        if plans.is_empty() && environment().is_empty() {
            ON.store(false, Ordering::Release);
        }
    }
}

/// A named point of the run in folder `scope`.
///
/// # Errors
/// The incarnation ends here, and nothing that it does from now on counts; or
/// there is no room for what is written here.
#[inline]
pub fn point(name: &'static str, scope: &Path) -> Result<(), Crash> {
    if !armed() {
        return Ok(());
    }
    reached(name, scope)
}

/// A file's content or a folder's entries were forced to the disk.
#[inline]
pub fn synced(path: &Path) {
    if !armed() {
        return;
    }
    let plan = plan_of(|scope| path.starts_with(scope));
    if let Some(plan) = plan {
        let text = path.to_string_lossy();
        if lock(&plan.unsynced).as_ref().is_none_or(|part| !text.contains(part.as_str())) {
            lock(&plan.synced).note(path);
        }
    }
}

#[inline]
fn armed() -> bool {
    static ASKED: OnceLock<()> = OnceLock::new();
    ASKED.get_or_init(|| {
        if !environment().is_empty() {
            ON.store(true, Ordering::Release);
        }
    });
    ON.load(Ordering::Relaxed)
}

#[cold]
fn reached(name: &'static str, scope: &Path) -> Result<(), Crash> {
    for entry in environment() {
        if entry.point == name && entry.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            if entry.abort {
                std::process::abort();
            }
            eprintln!("stopped at {name}");
            loop {
                std::thread::park();
            }
        }
    }
    plan_of(|armed| armed == scope).map_or(Ok(()), |plan| plan.pass(name))
}

fn plan_of(is: impl Fn(&Path) -> bool) -> Option<Arc<Plan>> {
    lock(&PLANS).iter().find(|(scope, _)| is(scope)).map(|(_, plan)| Arc::clone(plan))
}

struct FromEnvironment {
    point: String,
    left: std::sync::atomic::AtomicI64,
    abort: bool,
}

fn environment() -> &'static [FromEnvironment] {
    static ENTRIES: OnceLock<Vec<FromEnvironment>> = OnceLock::new();
    ENTRIES.get_or_init(|| parse(&std::env::var("JOINSCOPE_FAULTS").unwrap_or_default()))
}

/// Entries that cannot be read are left out, with a warning.
fn parse(text: &str) -> Vec<FromEnvironment> {
    let entry = |text: &str| {
        let (at, act) = text.split_once('=')?;
        let (point, nth) = match at.split_once('@') {
            Some((point, nth)) => (point, nth.parse().ok()?),
            None => (at, 1),
        };
        let abort = match act {
            "abort" => true,
            "stop" => false,
            _ => return None,
        };
        POINTS.contains(&point).then(|| FromEnvironment {
            point: point.to_owned(),
            left: nth.into(),
            abort,
        })
    };
    let entries = text.split(';').map(str::trim).filter(|text| !text.is_empty());
    entries
        .filter_map(|text| {
            let found = entry(text);
            if found.is_none() {
                tracing::warn!("JOINSCOPE_FAULTS: \"{text}\" is no fault");
            }
            found
        })
        .collect()
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn a_scope_meets_its_own_faults_only() {
        let (mine, other) = (Path::new("/faults/mine"), Path::new("/faults/other"));
        let plan = Arc::new(Plan::default());
        plan.at("send", 3, Act::Crash);
        let called = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&called);
        plan.at(
            "prepared",
            1,
            Act::Call(Arc::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
            })),
        );
        let at_end = Arc::clone(&called);
        plan.at_crash(move || {
            at_end.fetch_add(10, Ordering::Relaxed);
        });
        let armed = arm(mine, Arc::clone(&plan));
        for _ in 0..5 {
            point("send", other).unwrap();
        }
        point("send", mine).unwrap();
        point("prepared", mine).unwrap();
        point("prepared", mine).unwrap();
        point("send", mine).unwrap();
        assert_eq!(point("send", mine), Err(Crash::At("send")));
        assert_eq!(point("collect", mine), Err(Crash::At("collect")), "it has ended");
        assert_eq!(plan.crashed(), Some("send"));
        assert_eq!(called.load(Ordering::Relaxed), 11);
        assert_eq!(plan.passed(), [("send", 3), ("prepared", 2)]);
        drop(armed);
        point("send", mine).unwrap();
    }

    #[test]
    fn the_environment_names_points_and_occurrences() {
        let entries = parse("commit.send@2=stop; prepare.rename=abort; nowhere=stop; send=x");
        let read: Vec<_> = entries
            .iter()
            .map(|e| (e.point.as_str(), e.left.load(Ordering::Relaxed), e.abort))
            .collect();
        assert_eq!(read, [("commit.send", 2, false), ("prepare.rename", 1, true)]);
    }
}
