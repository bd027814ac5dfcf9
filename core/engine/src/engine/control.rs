//! How a run in progress is watched and stopped from another thread.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::operator::verdict::Counts;

/// Shared by whoever started a run and the run itself. Clones are the same control.
#[derive(Clone, Debug, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    cancelled: AtomicBool,
    /// Held only to copy a few hundred bytes, once a batch.
    progress: Mutex<Progress>,
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
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Acquire)
    }

    /// Where the run is now.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what [`Control::progress`] answers.
    pub(super) fn publish(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
