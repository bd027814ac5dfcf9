//! Opening a run for a verb.

use std::path::Path;

use joinscope_core::run::{Run, RunState};

/// Opens the run at `path` and says on stderr if it is not whole.
pub fn open(path: &Path) -> anyhow::Result<Run> {
    // A path to the manifest means its folder.
    let folder = match path.file_name() {
        Some(name) if name == "manifest.json" => path.parent().unwrap_or(path),
        _ => path,
    };
    let run = Run::open(folder)?;
    let what = match run.state() {
        RunState::Done => return Ok(run),
        RunState::Running => "is still running",
        RunState::Cancelled => "was cancelled",
        RunState::Stopped => "stopped at a breakpoint",
        RunState::Failed => "failed",
        RunState::CutOff => "was cut off",
    };
    let why = run.manifest().end.and_then(|end| end.error);
    let why = why.map(|error| format!(": {error}")).unwrap_or_default();
    eprintln!(
        "joinscope: the run {what}{why}; it is shown up to arrival {}, what was undecided then is \
         open",
        run.arrivals()
    );
    Ok(run)
}
