//! A pipeline on its way to being a run: checked first, then run in its own
//! thread, watched and cancelled from the window.

use std::path::PathBuf;

use joinscope_core::engine::Control;

use super::app::App;

/// The check before a run.
#[derive(Default)]
pub struct Checking {}

impl Checking {
    #[must_use]
    pub fn is_open(&self) -> bool {
        false
    }
    pub fn asks(&self) -> bool {
        false
    }
    pub fn forget(&mut self) {}
}

/// A run in progress that this window started.
pub struct Running {
    pub control: Control,
    pub dir: PathBuf,
}

impl Running {
    pub fn status(&self) -> String {
        String::new()
    }
    pub fn percent(&self) -> Option<u64> {
        None
    }
}

impl App {
    pub(super) fn check_then_run(&mut self, _sets: Vec<(String, String)>) {}
    pub(super) fn run_checked(&mut self) {}
    pub(super) fn take_check(&mut self) {}
    pub(super) fn follow_run(&mut self) {}
}
