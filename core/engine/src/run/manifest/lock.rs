//! Whether a run's process is alive.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::{Manifest, RunState};
use crate::run::error::{Result, RunError};
use crate::run::layout::LOCK;

/// The lock that says that a run's process is alive: held from start to end,
/// released by the system if the process dies.
pub(crate) struct Lock(#[allow(dead_code, reason = "held, never read")] File);

impl Lock {
    /// Takes the lock; an error if a living process has it.
    pub fn take(dir: &Path) -> Result<Self> {
        let path = dir.join(LOCK);
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(|e| RunError::io(&path, e))?;
        // A reader that looks whether we live holds it for a moment.
        for _ in 0..100 {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
                Err(TryLockError::Error(e)) => return Err(RunError::io(&path, e)),
            }
        }
        // Who has it wrote its id there, unless it is only about to.
        let there = Manifest::load(dir).ok();
        let running = there.filter(|m| matches!(m.state, RunState::Running | RunState::Stopped));
        let by = running.map(|m| format!(" (process {})", m.pid)).unwrap_or_default();
        Err(RunError::Taken(format!(
            "{}: a run is in progress in this folder{by}; wait for it or stop it",
            dir.display()
        )))
    }

    /// Whether a living process has it.
    pub fn is_held(dir: &Path) -> bool {
        File::open(dir.join(LOCK)).is_ok_and(|file| {
            // Shared, and given back at once: readers never bar each other.
            matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
        })
    }
}
