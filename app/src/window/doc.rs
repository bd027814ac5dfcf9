//! What is open: a recording, a pipeline, a run, each as far as it is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::window::store::Run;
use crate::window::text::{line, plural};
use joinscope_core::edges::recording::Recording;
use joinscope_core::run::{Manifest, ManifestStart, RunState};
use joinscope_operator::pipeline::Pipeline;
use joinscope_operator::time::{exact_duration, format_duration, parse_duration};

/// A recording that is open.
#[derive(Clone)]
pub struct RecordingDoc {
    pub recording: Recording,
    pub name: String,
}

impl RecordingDoc {
    #[must_use]
    pub fn new(recording: Recording) -> Self {
        let name = file_name(recording.path());
        Self { recording, name }
    }
}

/// A pipeline that is open.
#[derive(Clone)]
pub struct PipelineDoc {
    /// For messages, and where it is saved.
    pub file: String,
    pub text: String,
    pub pipeline: Arc<Pipeline>,
}

impl PipelineDoc {
    /// Its inputs around the sign of a join: `views ⋈ engagements`.
    #[must_use]
    pub fn title(&self) -> String {
        let names: Vec<&str> = self.pipeline.inputs.iter().map(|i| &*i.name).collect();
        names.join(" ⋈ ")
    }
}

/// A run that is open, as of one moment.
#[derive(Clone)]
pub struct RunDoc {
    pub dir: PathBuf,
    pub run: Run,
    /// As of that moment, so that the window's thread asks nothing.
    pub manifest: Arc<Manifest>,
    pub rows: u64,
    pub arrivals: u64,
    pub outputs: u64,
    pub label: RunLabel,
}

impl RunDoc {
    /// The run as it is published now; called off the window's thread.
    #[must_use]
    pub fn new(run: Run) -> Self {
        let manifest = Arc::new(run.manifest());
        let dir = run.dir().to_owned();
        Self {
            label: RunLabel::new(&dir, &manifest),
            dir,
            rows: run.rows(),
            arrivals: run.arrivals(),
            outputs: run.outputs(),
            manifest,
            run,
        }
    }

    #[must_use]
    pub fn is_in_progress(&self) -> bool {
        self.manifest.state == RunState::Running
    }

    /// Why it failed, where it did.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.manifest.end.as_ref()?.error.as_deref()
    }
}

/// A run among those of its recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLabel {
    pub dir: PathBuf,
    /// `run 3`, or the folder's name where it is not one of ours.
    pub name: String,
    /// What tells it from the others: its changed settings, else its bounds.
    pub settings: String,
    pub state: RunState,
}

impl RunLabel {
    #[must_use]
    pub fn new(dir: &Path, manifest: &Manifest) -> Self {
        let folder = file_name(dir);
        let name = if folder.parse::<u64>().is_ok() { format!("run {folder}") } else { folder };
        let settings = told_apart_by(&manifest.start);
        Self { dir: dir.to_owned(), name, settings, state: manifest.state }
    }

    /// How it ended, where that is not the usual way.
    #[must_use]
    pub fn ended(&self) -> Option<&'static str> {
        match self.state {
            RunState::Done => None,
            RunState::Running => Some("running"),
            RunState::Cancelled => Some("cancelled"),
            RunState::Stopped => Some("stopped at a breakpoint"),
            RunState::Failed => Some("failed"),
            RunState::CutOff => Some("cut off"),
        }
    }

    /// The same as a predicate: `it was cancelled`.
    #[must_use]
    pub fn ended_so(&self) -> Option<&'static str> {
        match self.state {
            RunState::Done => None,
            RunState::Running => Some("is running"),
            RunState::Cancelled => Some("was cancelled"),
            RunState::Stopped => Some("stopped at a breakpoint"),
            RunState::Failed => Some("failed"),
            RunState::CutOff => Some("was cut off"),
        }
    }
}

/// A run's changed settings, else its bounds, and how often it was restarted.
fn told_apart_by(start: &ManifestStart) -> String {
    let settings = if start.overrides.is_empty() {
        let bounds = || start.inputs.iter().map(|i| i.max_out_of_orderness);
        let (least, most) = (bounds().min().unwrap_or(0), bounds().max().unwrap_or(0));
        let up_to = if least < most { "up to " } else { "" };
        format!("out-of-orderness {up_to}{}", setting_duration(most))
    } else {
        let changed = start.overrides.iter().map(|(path, value)| short_setting(path, value));
        changed.collect::<Vec<_>>().join(", ")
    };
    match start.restarts.len() as u64 {
        0 => settings,
        restarts => format!("{settings}, {}", plural(restarts, "restart")),
    }
}

/// A setting's duration as the panels write durations; to the millisecond where two
/// units would not tell it from another.
fn setting_duration(ms: i64) -> String {
    let shown = format_duration(ms);
    if parse_duration(&shown) == Ok(ms) { shown } else { exact_duration(ms) }
}

/// `inputs.engagements.watermark.max_out_of_orderness = 309s` as
/// `out-of-orderness 5m 09s`.
#[must_use]
pub fn short_setting(path: &str, value: &str) -> String {
    let last = path.rsplit('.').next().unwrap_or(path);
    let words = match last {
        "max_out_of_orderness" => "out-of-orderness".to_owned(),
        other => other.replace('_', " "),
    };
    let value = value.trim_matches('"');
    // A bare 0 may be a count.
    match parse_duration(value) {
        Ok(ms) if value.ends_with(|c: char| c.is_ascii_alphabetic()) => {
            format!("{words} {}", setting_duration(ms))
        }
        _ => format!("{words} {value}"),
    }
}

/// Everything that is open.
#[derive(Clone, Default)]
pub struct Doc {
    pub recording: Option<RecordingDoc>,
    pub pipeline: Option<PipelineDoc>,
    pub run: Option<RunDoc>,
    /// Runs of this recording that are known, newest first.
    pub runs: Vec<RunLabel>,
    /// Another number whenever answers about what is open may differ.
    pub revision: u64,
    /// The revision with which it came to the front: answers of earlier ones are
    /// about something else.
    pub since: u64,
    /// What is open is a run in progress.
    pub in_progress: bool,
}

impl Doc {
    /// Whether an answer is about what is open, perhaps an earlier state of it: of
    /// a run in progress the newest one is hardly ever there.
    #[must_use]
    pub fn is_about(&self, revision: u64) -> bool {
        (self.since..=self.revision).contains(&revision)
    }

    /// What is open is a live run in progress, whose arrival log grows.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.in_progress && self.run.as_ref().is_some_and(|r| r.manifest.start.live.is_some())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recording.is_none() && self.pipeline.is_none() && self.run.is_none()
    }

    /// What the run in front ran: another one may be open to be run next.
    #[must_use]
    pub fn pipeline_that_ran(&self) -> Option<&Pipeline> {
        self.run.as_ref().map(|r| &**r.run.pipeline())
    }

    /// What the cursor counts: arrivals of the run, else records.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        match (&self.run, &self.recording) {
            (Some(run), _) => run.arrivals,
            (None, Some(r)) => r.recording.len(),
            _ => 0,
        }
    }

    /// For the window's title.
    #[must_use]
    pub fn title(&self) -> String {
        let recording = self.recording.as_ref().map(|r| line(&r.name).into_owned());
        let run = self.run.as_ref().map(|r| line(&r.label.name).into_owned());
        let parts: Vec<String> =
            recording.into_iter().chain(run).chain(["Joinscope".to_owned()]).collect();
        parts.join(" – ")
    }
}

/// Whether its name says that it is a recording; a folder of segments may have any.
#[must_use]
pub fn is_called_recording(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "mcap")
}

/// The last part of a path, as text.
#[must_use]
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use joinscope_core::run::InputInfo;

    #[test]
    fn settings_are_named_by_their_last_part() {
        let path = "inputs.engagements.watermark.max_out_of_orderness";
        assert_eq!(short_setting(path, "309s"), "out-of-orderness 5m 09s");
        assert_eq!(short_setting("inputs.a.watermark.idle_timeout", "\"5m\""), "idle timeout 5 m");
        assert_eq!(short_setting("join.semantics", "\"flink-sql\""), "semantics flink-sql");
        assert_eq!(short_setting("join.parallelism", "0"), "parallelism 0");
    }

    #[test]
    fn runs_whose_durations_differ_are_told_apart() {
        let bounds = |of: &[i64]| {
            let input = |ms: &i64| InputInfo {
                name: "a".into(),
                topic: "a".into(),
                max_out_of_orderness: *ms,
            };
            let inputs = of.iter().map(input).collect();
            told_apart_by(&ManifestStart { inputs, ..ManifestStart::default() })
        };
        assert_eq!(bounds(&[60_000, 60_000]), "out-of-orderness 1 m");
        assert_eq!(bounds(&[60_000, 5_400_000]), "out-of-orderness up to 1h 30m");
        assert_eq!(bounds(&[604_800_000]), "out-of-orderness 7 d");
        assert_eq!(bounds(&[605_504_999]), "out-of-orderness 7d 11m 44.999s");
    }

    #[test]
    fn how_a_run_ended_is_said_beside_its_name_and_in_a_sentence() {
        let of = |state| RunLabel {
            dir: PathBuf::from("run"),
            name: "run".to_owned(),
            settings: String::new(),
            state,
        };
        let said = |state| (of(state).ended(), of(state).ended_so());
        assert_eq!(said(RunState::Done), (None, None));
        assert_eq!(said(RunState::Cancelled), (Some("cancelled"), Some("was cancelled")));
        assert_eq!(said(RunState::CutOff), (Some("cut off"), Some("was cut off")));
    }
}
