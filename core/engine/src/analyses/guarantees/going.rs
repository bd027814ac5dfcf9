//! Jobs as they go, for whoever watches them from another thread and may want
//! them to end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::input::lock;
use crate::engine::Control;

/// The runs of a comparison, one incarnation after another.
#[derive(Debug, Default)]
pub struct Going {
    over: AtomicBool,
    /// In the order in which they began.
    controls: Mutex<Vec<Control>>,
}

impl Going {
    /// Ends what runs now as soon as it can; what begins after it ends at once.
    pub fn stop(&self) {
        let controls = lock(&self.controls);
        self.over.store(true, Ordering::Release);
        for control in controls.iter() {
            control.cancel();
        }
    }

    /// It was stopped: what was found is not whole.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Records that the run begun last has taken.
    #[must_use]
    pub fn records(&self) -> u64 {
        lock(&self.controls).last().map_or(0, |control| control.progress().records)
    }

    /// A run begins; its control.
    pub(super) fn begin(&self) -> Control {
        let control = Control::new();
        let mut controls = lock(&self.controls);
        if self.is_over() {
            control.cancel();
        }
        controls.push(control.clone());
        control
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_reaches_what_runs_and_what_would_begin() {
        let going = Going::default();
        assert_eq!(going.records(), 0);
        let before = going.begin();
        assert!(!before.is_cancelled() && !going.is_over());
        going.stop();
        assert!(before.is_cancelled() && going.begin().is_cancelled() && going.is_over());
    }
}
