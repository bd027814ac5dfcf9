//! Opening a run for a verb.

use std::path::Path;

use joinscope_core::run::{Run, RunState};

use super::recording::{open_recording, say_read_through};
use super::run::warn;

/// Opens the run at `path` and says on stderr if it is not whole.
pub fn open(path: &Path) -> anyhow::Result<Run> {
    // A path to the manifest means its folder.
    let folder = match path.file_name() {
        Some(name) if name == "manifest.json" => path.parent().unwrap_or(path),
        _ => path,
    };
    let run = Run::open(folder)?;
    run.before_opening(say_read_through);
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
    warn(&format!(
        "the run {what}{why}; it is shown up to arrival {}, what was undecided then is open",
        run.arrivals()
    ));
    Ok(run)
}

/// [`open`], with the recording at `recording` if it moved there.
///
/// # Errors
/// As [`open`], or it is no recording, or another one than was run over.
pub fn open_over(path: &Path, recording: Option<&Path>) -> anyhow::Result<Run> {
    let run = open(path)?;
    if let Some(recording) = recording {
        run.located(open_recording(recording)?)?;
    }
    Ok(run)
}

/// Why there is no recording to read from, and what to do.
pub fn no_recording(run: &Run) -> String {
    let why = run.why_no_recording().unwrap_or_else(|| "it was not at hand".to_owned());
    format!("{why}; say where the recording is with --recording FILE")
}
