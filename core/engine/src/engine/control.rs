//! How a run in progress is watched and stopped from another thread.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use super::breakpoint::Breakpoint;
use super::waits::{Awaited, Waiting, Waits};
use crate::operator::record::Arrival;
use crate::operator::verdict::Counts;

/// Shared by whoever started a run and the run itself. Clones are the same control.
#[derive(Clone, Debug, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    cancelled: AtomicBool,
    /// It ended at a breakpoint.
    for_good: AtomicBool,
    /// Held only to copy a few hundred bytes, once a batch.
    progress: Mutex<Progress>,
    stops: Mutex<Stops>,
    /// Told when the run may go on.
    goes_on: Condvar,
    waits: Waits,
}

/// Where a run stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// All that this arrival set off is in the run store.
    pub arrival: Arrival,
    /// The record that it is about, where it is about one.
    pub row: Option<u64>,
    /// Breakpoints that were met.
    pub ids: Vec<u64>,
}

#[derive(Debug, Default)]
struct Stops {
    breakpoints: Arc<Vec<Breakpoint>>,
    at: Option<Stop>,
    /// By breakpoint.
    counts: BTreeMap<u64, u64>,
}

/// Where a run is; a copy, whole in itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Records taken and given to the sink with all that they set off.
    pub records: u64,
    /// Records that the source has for this pipeline, where it knows.
    pub total: Option<u64>,
    pub rows: u64,
    pub outputs: u64,
    /// Records and outputs that the run went on behind; `None`: it has not begun.
    pub from: Option<(u64, u64)>,
    /// Seconds since the run began.
    pub seconds: f64,
    /// The join's event-time watermark, ms; `i64::MIN` before the first,
    /// `i64::MAX` after a closed end.
    pub watermark: i64,
    /// Processing time of the newest arrival, ms.
    pub arrival_ms: i64,
    pub epoch: u64,
    pub books: Vec<InputBooks>,
    pub state_rows: u64,
    pub state_bytes: u64,
    pub checkpoints: u64,
    /// Microseconds for which the join stood still at the newest checkpoint.
    pub pause_us: u64,
    /// Sampled peak of anonymous memory so far, bytes; 0 where it cannot be read.
    pub peak_memory_bytes: u64,
}

/// The books of one input: how many of its rows have each verdict.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InputBooks {
    pub input: Arc<str>,
    pub counts: Counts,
}

impl Control {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to end. What is whole is given to the sink; nothing new is taken.
    /// Over a recording the state as it is then is kept.
    pub fn cancel(&self) {
        // Under the lock, so that a run that is about to wait does not miss it.
        let _stops = self.stops();
        self.shared.cancelled.store(true, Ordering::Release);
        self.shared.goes_on.notify_all();
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Acquire)
    }

    fn stops(&self) -> MutexGuard<'_, Stops> {
        self.shared.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the run is to stop, from now on.
    pub fn set_breakpoints(&self, breakpoints: Vec<Breakpoint>) {
        self.stops().breakpoints = Arc::new(breakpoints);
    }

    #[must_use]
    pub fn breakpoints(&self) -> Arc<Vec<Breakpoint>> {
        Arc::clone(&self.stops().breakpoints)
    }

    /// Where it is stopped now.
    #[must_use]
    pub fn stopped(&self) -> Option<Stop> {
        self.stops().at.clone()
    }

    /// How often each breakpoint stopped the run.
    #[must_use]
    pub fn stop_counts(&self) -> BTreeMap<u64, u64> {
        self.stops().counts.clone()
    }

    /// Lets a run that is stopped go on.
    pub fn go_on(&self) {
        self.stops().at = None;
        self.shared.goes_on.notify_all();
    }

    /// Stops here until it is told to go on, or cancelled.
    pub(crate) fn stop(&self, stop: Stop) {
        let mut stops = self.stopped_at(stop);
        while stops.at.is_some() && !self.is_cancelled() {
            stops = self.shared.goes_on.wait(stops).unwrap_or_else(PoisonError::into_inner);
        }
        stops.at = None;
    }

    /// Stops here and does not go on.
    pub(crate) fn stopped_for_good(&self, stop: Stop) {
        drop(self.stopped_at(stop));
        self.shared.for_good.store(true, Ordering::Release);
        self.cancel();
    }

    /// What was taken behind that breakpoint is thrown away.
    pub(super) fn has_ended_at_a_breakpoint(&self) -> bool {
        self.shared.for_good.load(Ordering::Acquire)
    }

    fn stopped_at(&self, stop: Stop) -> MutexGuard<'_, Stops> {
        let mut stops = self.stops();
        for id in &stop.ids {
            *stops.counts.entry(*id).or_default() += 1;
        }
        stops.at = Some(stop);
        stops
    }

    /// Where the run is now.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it waits for now, of all that it waits for what began first. Also of
    /// calls that have only just begun: whether it is long is the asker's to say.
    #[must_use]
    pub fn waiting(&self) -> Option<Waiting> {
        self.shared.waits.oldest()
    }

    /// Something is waited for until what this gives is dropped.
    pub(super) fn awaits(&self, what: impl Into<Cow<'static, str>>) -> Awaited {
        Awaited::new(self, what.into())
    }

    pub(super) fn waits(&self) -> &Waits {
        &self.shared.waits
    }

    /// Replaces what [`Control::progress`] answers.
    pub(super) fn publish(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
