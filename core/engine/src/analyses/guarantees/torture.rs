//! Thousands of random jobs through random faults; a failing one is made
//! smaller and named so that one command runs it again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::check::{Violation, check};
use super::input::lock;
use super::matrix::{Moment, timeline};
use super::oracle::oracle;
use super::random::{Case, case};
use super::schedule::{Schedule, What};
use super::world::{Lived, World, scratch};
use crate::edges::rocksdb;
use crate::operator::pipeline::Guarantee;

/// How often a failing schedule is tried smaller.
const SHRINKS: u32 = 200;

/// What to run.
#[derive(Clone, Debug)]
pub struct Torture {
    pub seed: u64,
    /// Cases `first..first + count`.
    pub first: u64,
    pub count: u64,
    /// At most so many records in a case.
    pub records: Option<usize>,
    /// Instead of the case's own.
    pub schedule: Option<Schedule>,
    pub threads: usize,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub cases: u64,
    pub incarnations: u64,
    /// Incarnations that ended on purpose, by the point.
    pub crashes: BTreeMap<String, u64>,
    /// Cases by guarantee.
    pub guarantees: BTreeMap<&'static str, u64>,
    /// The first case that failed, made as small as it gets.
    pub failed: Option<Failed>,
    /// Of a case that runs alone: what happened.
    pub moments: Vec<Moment>,
}

/// A case that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    pub seed: u64,
    pub n: u64,
    pub records: usize,
    pub schedule: Schedule,
    pub violations: Vec<Violation>,
}

impl Failed {
    /// The command that runs it again.
    #[must_use]
    pub fn command(&self) -> String {
        let schedule = serde_json::to_string(&self.schedule).unwrap_or_default();
        format!(
            "joinscope torture --seed {} --only {} --records {} --faults '{schedule}'",
            self.seed, self.n, self.records
        )
    }
}

/// What does not hold, how each incarnation ended, and what happened when.
pub type Judged = (Vec<Violation>, Vec<Lived>, Vec<Moment>);

/// One case, run and judged.
///
/// # Errors
/// The case cannot be set up at all.
pub fn run_case(case: &Case) -> Result<Judged, String> {
    let root = scratch().map_err(|e| format!("no folder for the case: {e}"))?;
    let world = World::new(case.setup.clone(), root.path()).map_err(|e| e.to_string())?;
    let lived = world.live(&case.schedule);
    let oracle = oracle(
        &world.setup.pipeline,
        &world.setup.input,
        world.order(),
        case.schedule.order.is_none(),
        world.setup.at_end,
    )
    .map_err(|e| e.to_string())?;
    let mut found = check(&world, &lived, &oracle);
    // 6: the state itself, where it rests: every row that the last checkpoint
    // says it has is there.
    if let Some(last) = lived.last().filter(|life| life.outcome.is_ok())
        && let Some(newest) = rocksdb::list(&last.folder).unwrap_or_default().last()
        && let Err(error) = rocksdb::verify(&last.folder, *newest)
    {
        found.push(Violation { rule: 7, what: error.to_string() });
    }
    let moments = timeline(&world, &lived);
    Ok((found, lived, moments))
}

/// Runs the cases; `done` is told how many are through.
///
/// # Errors
/// A case could not be set up.
pub fn torture(spec: &Torture, done: &(dyn Fn(u64) + Sync)) -> Result<Outcome, String> {
    let next = AtomicU64::new(spec.first);
    let through = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let outcome = Mutex::new(Outcome::default());
    let error: Mutex<Option<String>> = Mutex::new(None);
    let work = || {
        while !stop.load(Ordering::Acquire) {
            let n = next.fetch_add(1, Ordering::AcqRel);
            if n.wrapping_sub(spec.first) >= spec.count {
                return;
            }
            match one(spec, n, &outcome) {
                Ok(true) => done(through.fetch_add(1, Ordering::AcqRel) + 1),
                Ok(false) => stop.store(true, Ordering::Release),
                Err(what) => {
                    *lock(&error) = Some(what);
                    stop.store(true, Ordering::Release);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..spec.threads.max(1) {
            scope.spawn(work);
        }
    });
    if let Some(error) = lock(&error).take() {
        return Err(error);
    }
    let outcome = std::mem::take(&mut *lock(&outcome));
    Ok(outcome)
}

fn one(spec: &Torture, n: u64, outcome: &Mutex<Outcome>) -> Result<bool, String> {
    let mut case = case(spec.seed, n, spec.records).map_err(|e| e.to_string())?;
    if let Some(schedule) = &spec.schedule {
        case.schedule = schedule.clone();
    }
    let (violations, lived, moments) = run_case(&case)?;
    let mut outcome = lock(outcome);
    outcome.cases += 1;
    if spec.count == 1 {
        outcome.moments = moments;
    }
    outcome.incarnations += lived.len() as u64;
    for life in lived.iter().filter(|life| life.crashed) {
        let at = case.schedule.incidents.get(life.incarnation).and_then(|i| i.at.as_ref());
        let point = at.map_or_else(String::new, |(point, ..)| point.clone());
        *outcome.crashes.entry(point).or_default() += 1;
    }
    let guarantee = match case.setup.pipeline.delivery.guarantee {
        Guarantee::ExactlyOnce => "exactly-once",
        Guarantee::AtLeastOnce => "at-least-once",
        Guarantee::AtMostOnce => "at-most-once",
    };
    *outcome.guarantees.entry(guarantee).or_default() += 1;
    if violations.is_empty() {
        return Ok(true);
    }
    drop(lived);
    let records = case.setup.input.records.len();
    let failed = Failed { seed: spec.seed, n, records, schedule: case.schedule, violations };
    outcome.failed.get_or_insert(failed);
    Ok(false)
}

/// Makes a failing case smaller as long as it fails; `rerun` says what fails.
pub fn shrink(failed: Failed, mut rerun: impl FnMut(&Failed) -> Vec<Violation>) -> Failed {
    let mut best = failed;
    let mut tries = 0;
    loop {
        let mut better = None;
        for smaller in smaller(&best) {
            tries += 1;
            let violations = rerun(&smaller);
            if !violations.is_empty() {
                better = Some(Failed { violations, ..smaller });
                break;
            }
            if tries >= SHRINKS {
                return best;
            }
        }
        match better {
            Some(found) => best = found,
            None => return best,
        }
    }
}

/// One step smaller, in every way.
fn smaller(of: &Failed) -> Vec<Failed> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Failed)| {
        let mut next = of.clone();
        change(&mut next);
        all.push(next);
    };
    for i in 0..of.schedule.incidents.len() {
        with(&|next| {
            next.schedule.incidents.remove(i);
        });
    }
    with(&|next| next.records /= 2);
    for (i, incident) in of.schedule.incidents.iter().enumerate() {
        for call in 0..incident.calls.len() {
            with(&|next| {
                next.schedule.incidents[i].calls.remove(call);
            });
        }
        for (m, (_, nth, _)) in incident.meanwhile.iter().enumerate() {
            with(&|next| {
                next.schedule.incidents[i].meanwhile.remove(m);
            });
            if *nth > 1 {
                with(&|next| next.schedule.incidents[i].meanwhile[m].1 /= 2);
            }
        }
        if let Some((_, nth, what)) = &incident.at {
            if !incident.calls.is_empty() || !incident.meanwhile.is_empty() {
                with(&|next| next.schedule.incidents[i].at = None);
            }
            if matches!(what, What::PowerLoss(_) | What::DiskFull) {
                with(&|next| {
                    if let Some((_, _, what)) = &mut next.schedule.incidents[i].at {
                        *what = What::Crash;
                    }
                });
            }
            if *nth > 1 {
                with(&|next| {
                    if let Some((_, nth, _)) = &mut next.schedule.incidents[i].at {
                        *nth /= 2;
                    }
                });
            }
        }
    }
    if !of.schedule.clock_steps.is_empty() {
        with(&|next| next.schedule.clock_steps.clear());
    } else if of.schedule.ticks.is_some() {
        with(&|next| next.schedule.ticks = None);
    }
    if of.schedule.order.is_some() {
        with(&|next| next.schedule.order = None);
    }
    if !of.schedule.in_step && of.schedule.ticks.is_none() {
        with(&|next| next.schedule.in_step = true);
    }
    if of.records > 20 {
        with(&|next| next.records -= next.records / 10);
    }
    all
}

/// [`shrink`] by running the smaller cases.
#[must_use]
pub fn smallest(failed: Failed, change: impl Fn(&mut Case)) -> Failed {
    shrink(failed, |next| {
        let Ok(mut case) = case(next.seed, next.n, Some(next.records)) else { return Vec::new() };
        case.schedule = next.schedule.clone();
        change(&mut case);
        run_case(&case).map(|(found, ..)| found).unwrap_or_default()
    })
}
