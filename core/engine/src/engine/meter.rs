//! How long stages work, and how much memory the process has.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::summary::StageTime;

/// Busy times by stage, added up over its threads.
#[derive(Debug, Default)]
pub(super) struct Meters {
    stages: Mutex<Vec<StageTime>>,
}

/// One thread's time in a stage, from its making to its drop.
pub(super) struct Meter<'a> {
    meters: &'a Meters,
    name: &'static str,
    cpu: Option<Duration>,
    worked: Duration,
}

impl Meters {
    /// To be called by the stage's own thread, in the order of the data's flow.
    pub(super) fn start(&self, name: &'static str) -> Meter<'_> {
        Meter { meters: self, name, cpu: thread_cpu(), worked: Duration::ZERO }
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

impl Meter<'_> {
    /// Counts the time of `work` where the system does not tell CPU time.
    pub(super) fn work<T>(&mut self, work: impl FnOnce() -> T) -> T {
        if self.cpu.is_some() {
            return work();
        }
        let start = Instant::now();
        let answer = work();
        self.worked += start.elapsed();
        answer
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        let busy = match (self.cpu, thread_cpu()) {
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => self.worked,
        };
        self.meters.add(self.name, busy);
    }
}

/// CPU time of the calling thread (Linux's schedstat: nanoseconds on a core).
pub(super) fn thread_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// Anonymous memory of the process, bytes; `None` where the system does not tell.
pub(super) fn anonymous_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
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
