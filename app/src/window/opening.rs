//! Opening files, off the window's thread: what a path is, and what is in it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::store::Run;
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_core::edges::recording::{Recording, is_segmented};

use super::doc::{PipelineDoc, RecordingDoc, RunDoc, RunLabel, file_name, is_called_recording};
use super::incident::OpenedIncident;
use super::jobs::{Jobs, Slot};

/// What was opened.
pub enum Opened {
    Recording {
        recording: RecordingDoc,
        runs: Vec<RunLabel>,
    },
    /// A recording with what an incident holds beside it.
    Incident(Box<OpenedIncident>),
    Pipeline {
        pipeline: PipelineDoc,
        /// The one recording beside it that has its topics.
        over: Option<PathBuf>,
    },
    Run {
        run: RunDoc,
        pipeline: PipelineDoc,
        recording: Option<RecordingDoc>,
        runs: Vec<RunLabel>,
    },
}

impl Opened {
    /// Whether what lies there is a recording; an incident is one, with more beside it.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        matches!(self, Self::Recording { .. } | Self::Incident(_))
    }
}

/// The one file that is being opened.
#[derive(Default)]
pub struct Opening {
    slot: Slot<(u64, PathBuf), Arc<std::sync::Mutex<Option<Opened>>>>,
    number: u64,
    /// The file, while it is being opened.
    pub path: Option<PathBuf>,
    /// Opened after it, in order.
    waiting: VecDeque<PathBuf>,
    /// Opened after those: what was dropped together, not yet in order.
    dropped: VecDeque<Vec<PathBuf>>,
    order: Slot<(u64, Vec<PathBuf>), Vec<PathBuf>>,
    /// Of the first that was dropped.
    turn: u64,
}

impl Opening {
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.path.is_some() || !self.dropped.is_empty()
    }

    /// Begins to open a file; one that is being opened is forgotten, and so
    /// are those that wait. `cache`: bytes that a run's answers may take.
    pub fn begin(&mut self, jobs: &Jobs, path: PathBuf, cache: usize) {
        self.waiting.clear();
        self.dropped.clear();
        self.turn += 1;
        self.ask(jobs, path, cache);
    }

    /// Opens several, one after another: recordings, then pipelines, which run
    /// over them, then runs. What waits already comes before them.
    pub fn begin_all(&mut self, jobs: &Jobs, paths: Vec<PathBuf>) {
        self.dropped.push_back(paths);
        self.put_in_order(jobs);
    }

    /// Only the disk says what a folder is: a worker looks.
    fn put_in_order(&mut self, jobs: &Jobs) {
        if let Some(paths) = self.dropped.front() {
            let question = (self.turn, paths.clone());
            self.order.ask(jobs, question, |(_, paths)| Ok(in_order(paths.clone())));
        }
    }

    /// Takes in the order of what was dropped, once it is known.
    pub fn take_order(&mut self, jobs: &Jobs, cache: usize) {
        if self.dropped.is_empty() {
            return;
        }
        let Some(answer) = self.order.answer().filter(|a| a.question.0 == self.turn) else {
            return;
        };
        self.dropped.pop_front();
        self.turn += 1;
        // Where a worker failed, as they were dropped.
        let paths = answer.result.as_ref().unwrap_or(&answer.question.1);
        self.waiting.extend(paths.iter().cloned());
        self.put_in_order(jobs);
        self.go_on(jobs, cache);
    }

    /// Begins with the next that waits.
    pub fn go_on(&mut self, jobs: &Jobs, cache: usize) {
        if self.path.is_none()
            && let Some(next) = self.waiting.pop_front()
        {
            self.ask(jobs, next, cache);
        }
    }

    fn ask(&mut self, jobs: &Jobs, path: PathBuf, cache: usize) {
        self.number += 1;
        self.path = Some(path.clone());
        self.slot.ask(jobs, (self.number, path), move |(_, path)| {
            open(path, cache).map(|opened| Arc::new(std::sync::Mutex::new(Some(opened))))
        });
    }

    /// What came of it, once.
    pub fn taken(&mut self) -> Option<(PathBuf, Result<Opened, String>)> {
        let answer = self.slot.answer()?;
        if answer.question.0 != self.number {
            return None;
        }
        let path = self.path.take()?;
        match &answer.result {
            Err(error) => Some((path, Err(error.clone()))),
            Ok(opened) => {
                let opened = opened.lock().ok()?.take()?;
                Some((path, Ok(opened)))
            }
        }
    }
}

/// Recordings, then pipelines, then runs; what is alike stays as it was.
fn in_order(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort_by_cached_key(|path| match path.extension().and_then(|e| e.to_str()) {
        Some("mcap") => 0,
        _ if is_folder_of_segments(path) => 0,
        Some("toml") => 1,
        _ => 2,
    });
    paths
}

/// Where it is a run, too, as no program leaves it, it counts as that.
fn is_folder_of_segments(path: &Path) -> bool {
    is_segmented(path) && !path.join("manifest.json").exists()
}

fn open(path: &Path, cache: usize) -> Result<Opened, String> {
    if path.is_dir() && !is_folder_of_segments(path) {
        return open_run(path, cache);
    }
    match path.extension().and_then(|e| e.to_str()) {
        Some("toml") => open_pipeline(path),
        _ if path.file_name().is_some_and(|n| n == "manifest.json") => {
            open_run(path.parent().unwrap_or(path), cache)
        }
        // Whatever it is called: the reader says what is wrong with it.
        _ => {
            let recording = RecordingDoc::new(Recording::open(path).map_err(|e| e.to_string())?);
            if let Some(incident) = OpenedIncident::read(&recording) {
                return Ok(Opened::Incident(Box::new(incident)));
            }
            let runs = runs_of(&recording.recording);
            Ok(Opened::Recording { recording, runs })
        }
    }
}

fn open_pipeline(path: &Path) -> Result<Opened, String> {
    let read = PipelineFile::open(path, &[]).map_err(|e| e.to_string())?;
    let pipeline = PipelineDoc {
        file: read.path.display().to_string(),
        text: read.text_to_keep(),
        pipeline: Arc::new(read.pipeline),
    };
    let over = recording_beside(path, &pipeline.pipeline.topics());
    Ok(Opened::Pipeline { pipeline, over })
}

/// The recording in the pipeline's folder that has these topics; none where several
/// have them: which is meant is not known.
fn recording_beside(path: &Path, topics: &[Arc<str>]) -> Option<PathBuf> {
    let has = |recording: &Recording| {
        let partitions = recording.partitions();
        topics.iter().all(|topic| partitions.iter().any(|p| p.topic == *topic))
    };
    let all = recordings_beside(path).into_iter();
    let mut fit = all.filter(|path| Recording::open(path).is_ok_and(|r| has(&r)));
    fit.next().filter(|_| fit.next().is_none())
}

/// Recordings in the pipeline's folder, by name: files, and folders of segments.
fn recordings_beside(path: &Path) -> Vec<PathBuf> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| is_called_recording(p) || is_folder_of_segments(p))
        .collect();
    found.sort();
    found
}

fn open_run(dir: &Path, cache: usize) -> Result<Opened, String> {
    let run = Run::open_with_cache(dir, cache).map_err(|e| e.to_string())?;
    let doc = RunDoc::new(run.clone());
    let pipeline = PipelineDoc {
        file: doc.manifest.start.pipeline_file.clone(),
        text: run.pipeline_text().to_owned(),
        pipeline: Arc::clone(run.pipeline()),
    };
    let recording = run.recording().map(RecordingDoc::new);
    let mut runs = recording.as_ref().map(|r| runs_of(&r.recording)).unwrap_or_default();
    if !runs.iter().any(|r| same_place(&r.dir, dir)) {
        runs.insert(0, doc.label.clone());
    }
    Ok(Opened::Run { run: doc, pipeline, recording, runs })
}

fn same_place(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The runs of a recording that lie on the platform's place, newest first.
#[must_use]
pub fn runs_of(recording: &Recording) -> Vec<RunLabel> {
    let Ok(folder) = crate::cli::place::runs_folder(recording.digest()) else {
        return Vec::new();
    };
    let mut found: Vec<(u64, PathBuf)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((file_name(&entry.path()).parse().ok()?, entry.path())))
        .collect();
    found.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    found
        .into_iter()
        .filter_map(|(_, dir)| {
            let manifest = joinscope_core::run::Manifest::load(&dir).ok()?;
            Some(RunLabel::new(&dir, &manifest))
        })
        .collect()
}
