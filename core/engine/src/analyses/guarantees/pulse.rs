//! Keeping a job's input in step with what is delivered.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::input::lock;
use crate::edges::fault::{Plan, point};
use crate::engine::Control;

/// A batch is held back for the epochs before it until the job has passed no
/// point of its protocol in so many looks: then it has failed. Counted in looks,
/// so that on a busy machine both wait longer.
const STILL_LOOKS: u32 = 100;
/// The same where a cluster takes its time to answer.
const STILL_LOOKS_AFAR: u32 = 1000;
const LOOK: Duration = Duration::from_millis(5);

/// Epochs that were delivered: in step, a source keeps no more than two ahead.
#[derive(Clone)]
pub struct Pulse(Arc<Beats>);

struct Beats {
    n: Mutex<u64>,
    more: Condvar,
    silent_until: AtomicU64,
    /// Counts what the job does.
    plan: Arc<Plan>,
    still_looks: u32,
    control: Control,
}

impl Pulse {
    /// Of the incarnation with this plan and control; `afar`: on a real cluster.
    #[must_use]
    pub fn of(plan: Arc<Plan>, afar: bool, control: Control) -> Self {
        let still_looks = if afar { STILL_LOOKS_AFAR } else { STILL_LOOKS };
        let (n, more, silent_until) = Default::default();
        Self(Arc::new(Beats { n, more, silent_until, plan, still_looks, control }))
    }

    /// One more epoch is through.
    pub fn beat(&self) {
        *lock(&self.0.n) += 1;
        self.0.more.notify_all();
    }

    /// Epochs up to this arrival are taken again without being delivered: nobody
    /// waits for them.
    pub fn silent_until(&self, arrival: u64) {
        self.0.silent_until.store(arrival, Ordering::Release);
    }

    pub(super) fn is_silent(&self, end: u64) -> bool {
        end <= self.0.silent_until.load(Ordering::Acquire)
    }

    /// Waits for so many beats; false: the incarnation has ended. A run that has
    /// failed without ending the incarnation is not waited for.
    pub(super) fn wait(&self, beats: u64, folder: &Path) -> bool {
        let (mut done, mut still) = (0, 0);
        while still < self.0.still_looks {
            let waited = self.0.more.wait_timeout_while(lock(&self.0.n), LOOK, |n| *n < beats);
            let (n, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if *n >= beats {
                return true;
            }
            drop(n);
            // An incarnation that has ended takes nothing more.
            if self.0.control.is_cancelled() || point("gate", folder).is_err() {
                return false;
            }
            let passed: u64 = self.0.plan.passed().iter().map(|(_, times)| times).sum();
            still = if passed == done { still + 1 } else { 0 };
            done = passed;
        }
        true
    }
}
