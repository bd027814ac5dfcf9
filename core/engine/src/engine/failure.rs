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

    /// Runs a stage; an error or a panic is kept, and the stage's queues are
    /// dropped with `body`, so that its neighbours end too.
    pub(super) fn guard(&self, stage: &'static str, body: impl FnOnce() -> Result<(), RunError>) {
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.set(error),
            Err(panic) => {
                self.set(RunError::Panic { stage, message: message_of(panic.as_ref()) });
            }
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
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
}
