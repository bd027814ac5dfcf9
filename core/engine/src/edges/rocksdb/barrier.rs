//! Where shards wait with what they write to the tier below: behind a barrier
//! that is not frozen yet.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One for all shards of a run.
#[derive(Debug, Default)]
pub(super) struct Barrier {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Barriers that are frozen.
    frozen: u64,
    /// Nothing is frozen any more: nobody waits.
    over: bool,
    /// Since when a shard waits.
    since: Option<Instant>,
}

impl Barrier {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until so many barriers are frozen.
    pub fn wait(&self, barriers: u64) {
        let mut state = self.lock();
        while state.frozen < barriers && !state.over {
            state.since.get_or_insert_with(Instant::now);
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// One more is frozen; how long a shard waited for it.
    pub fn frozen(&self) -> Duration {
        let mut state = self.lock();
        state.frozen += 1;
        let waited = state.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        drop(state);
        self.changed.notify_all();
        waited
    }

    /// No barrier is frozen from now on.
    pub fn over(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crossbeam_channel::bounded;

    use super::*;

    #[test]
    fn writing_waits_behind_a_barrier_until_it_is_frozen_or_none_ever_is() {
        let barrier = Arc::new(Barrier::default());
        barrier.wait(0);
        assert_eq!(barrier.frozen(), Duration::ZERO);
        barrier.wait(1);
        let (passed, passes) = bounded(2);
        let waiting = |n| {
            let (barrier, passed) = (Arc::clone(&barrier), passed.clone());
            std::thread::spawn(move || {
                barrier.wait(n);
                passed.send(n).unwrap();
            })
        };
        let second = waiting(2);
        while barrier.lock().since.is_none() {
            std::thread::yield_now();
        }
        assert!(passes.try_recv().is_err());
        assert!(barrier.frozen() > Duration::ZERO);
        second.join().unwrap();
        assert_eq!(passes.recv(), Ok(2));
        let third = waiting(3);
        barrier.over();
        third.join().unwrap();
        barrier.wait(1000);
    }
}
