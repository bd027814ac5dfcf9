//! How long stages work, and how much memory the process has.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::summary::StageTime;
use crate::process::{anonymous_memory, thread_cpu};

/// CPU times by stage, added up over its threads.
#[derive(Debug, Default)]
pub(super) struct Meters {
    stages: Mutex<Vec<StageTime>>,
}

/// One thread's time in a stage, from its making to its drop.
pub(super) struct Meter<'a> {
    meters: &'a Meters,
    name: &'static str,
    cpu: Duration,
}

impl Meters {
    /// To be called by the stage's own thread, in the order of the data's flow.
    pub(super) fn start(&self, name: &'static str) -> Meter<'_> {
        Meter { meters: self, name, cpu: thread_cpu() }
    }

    /// Names a stage, so that stages are told in the order of their naming.
    pub(super) fn expect(&self, name: &'static str) {
        self.add(name, Duration::ZERO);
    }

    fn add(&self, name: &'static str, busy: Duration) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        match stages.iter_mut().find(|stage| stage.name == name) {
            Some(stage) => stage.busy += busy,
            None => stages.push(StageTime { name, busy }),
        }
    }

    pub(super) fn times(&self) -> Vec<StageTime> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.meters.add(self.name, thread_cpu().saturating_sub(self.cpu));
    }
}

/// The largest sample of [`anonymous_memory`].
#[derive(Debug, Default)]
pub(super) struct Peak(AtomicU64);

impl Peak {
    pub(super) fn sample(&self) {
        if let Some(bytes) = anonymous_memory() {
            self.0.fetch_max(bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
