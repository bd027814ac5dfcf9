//! The first thing that went wrong in any stage, and panics made into errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::summary::RunError;

#[derive(Debug, Default)]
pub(super) struct Failure {
    failed: AtomicBool,
    first: Mutex<Option<RunError>>,
}

impl Failure {
    /// Keeps the error if it is the first; what follows is only its echo.
    pub(super) fn set(&self, error: RunError) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }

    pub(super) fn is_set(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Option<RunError> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Held by a stage whose end others take for the end of the source: a panic is
    /// known while the queues that the stage owns are open still, and not only when
    /// [`Failure::guard`] has caught it.
    pub(super) fn unwinding(&self) -> Unwinding<'_> {
        Unwinding(self)
    }

    /// Runs a stage; an error or a panic is kept, and the stage's queues are
    /// dropped with `body`, so that its neighbours end too.
    pub(super) fn guard(&self, stage: &'static str, body: impl FnOnce() -> Result<(), RunError>) {
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.set(error),
            Err(panic) => {
                self.set(RunError::Panic { stage, message: panic_message(panic.as_ref()) });
            }
        }
    }
}

/// See [`Failure::unwinding`].
#[must_use = "it looks where it is dropped"]
pub(super) struct Unwinding<'a>(&'a Failure);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed.store(true, Ordering::Release);
        }
    }
}

/// What a panic said.
#[must_use]
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_first_error_counts_and_a_panic_is_one() {
        let failure = Failure::default();
        failure.guard("decode", || Ok(()));
        assert!(!failure.is_set());
        failure.guard("join", || panic!("row {}", 7));
        failure.guard("sink", || Err(RunError::NothingToDo));
        assert!(failure.is_set());
        let error = failure.take().unwrap().to_string();
        assert!(error.contains("join") && error.contains("row 7"), "{error}");
    }

    #[test]
    fn a_panic_is_known_before_the_queues_of_its_stage_end() {
        /// Looks what is known when it ends.
        struct Queue<'a>(&'a Failure, &'a Cell<bool>);
        impl Drop for Queue<'_> {
            fn drop(&mut self) {
                self.1.set(self.0.is_set());
            }
        }
        let known = Cell::new(false);
        let failure = &Failure::default();
        let queue = Queue(failure, &known);
        failure.guard("read", move || {
            let _unwinding = failure.unwinding();
            let owned = &queue;
            panic!("a batch, {}", owned.1.get());
        });
        assert!(known.get());
        let error = failure.take().unwrap().to_string();
        assert!(error.contains("read") && error.contains("a batch"), "{error}");
        // Of an end as it should be nothing is known.
        let other = Failure::default();
        other.guard("read", || {
            let _unwinding = other.unwinding();
            Ok(())
        });
        assert!(!other.is_set());
    }
}
