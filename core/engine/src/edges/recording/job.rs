//! Progress and cancelling of what takes long.

use std::sync::atomic::{AtomicBool, Ordering};

use super::RecordingError;

/// How the caller of a long operation follows and stops it.
pub struct Job<'a> {
    /// Set by anyone, at any time: the operation stops soon and leaves nothing
    /// half-written under its final name.
    pub cancel: &'a AtomicBool,
    /// Called now and then with what is done and what there is in all (bytes
    /// or records, as the operation says).
    pub progress: &'a mut dyn FnMut(u64, u64),
}

impl Job<'_> {
    pub(crate) fn step(&mut self, done: u64, total: u64) -> Result<(), RecordingError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(RecordingError::Cancelled);
        }
        (self.progress)(done, total);
        Ok(())
    }
}

/// Runs an operation that nobody follows.
pub fn unattended<T>(run: impl FnOnce(&mut Job<'_>) -> T) -> T {
    run(&mut Job { cancel: &AtomicBool::new(false), progress: &mut |_, _| {} })
}
