//! The run store as the window asks it. Stand-in until the reader lands: no run
//! opens, so nothing is shown that is not there.
#![allow(clippy::all, clippy::pedantic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use joinscope_core::run::*;
use joinscope_operator::pipeline::Pipeline;
use joinscope_operator::record::{Arrival, RecordName};

#[derive(Clone)]
pub struct Run {
    m: Manifest,
    p: Arc<Pipeline>,
}
impl Run {
    pub fn open(dir: &Path) -> Result<Self> {
        Err(RunError::NotARun(dir.to_owned()))
    }
    pub fn manifest(&self) -> Manifest {
        self.m.clone()
    }
    pub fn refresh(&self) -> Result<bool> {
        Ok(false)
    }
    pub fn locate(&self, _: &Path) -> Result<()> {
        Ok(())
    }
    pub fn pipeline_text(&self) -> &str {
        ""
    }
    pub fn row(&self, _: u64) -> Result<RowView> {
        Err(RunError::Cancelled)
    }
    pub fn views(&self, _: &[u64]) -> Result<Vec<RowView>> {
        Ok(vec![])
    }
    pub fn rows_of_arrival(&self, _: Arrival) -> Result<Vec<RowView>> {
        Ok(vec![])
    }
    pub fn nth_from(&self, _: VerdictSet, _: u64, _: usize) -> Result<Vec<u64>> {
        Ok(vec![])
    }
    pub fn output(&self, _: u64) -> Result<OutputView> {
        Err(RunError::Cancelled)
    }
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.p
    }
    pub fn dir(&self) -> &Path {
        Path::new("")
    }
    pub fn rows(&self) -> u64 {
        0
    }
    pub fn arrivals(&self) -> u64 {
        0
    }
    pub fn outputs(&self) -> u64 {
        0
    }
    pub fn recording(&self) -> Option<joinscope_core::edges::recording::Recording> {
        None
    }
    pub fn page(&self, _: u64, _: usize) -> Result<Vec<RowView>> {
        Ok(vec![])
    }
    pub fn find(&self, _: &RecordName) -> Result<Vec<RowView>> {
        Ok(vec![])
    }
    pub fn count(&self, _: VerdictSet) -> u64 {
        0
    }
    pub fn nth(&self, _: VerdictSet, _: u64) -> Result<Option<u64>> {
        Ok(None)
    }
    pub fn rank(&self, _: VerdictSet, _: u64) -> Result<u64> {
        Ok(0)
    }
    pub fn next(&self, _: VerdictSet, after: u64, _: Direction) -> Result<Option<u64>> {
        Ok(None)
    }
    pub fn first_row_of(&self, _: Arrival) -> Result<u64> {
        Ok(0)
    }
    pub fn outputs_of(&self, _: u64) -> Result<Vec<OutputView>> {
        Ok(vec![])
    }
    pub fn output_page(&self, _: u64, _: usize) -> Result<Vec<OutputView>> {
        Ok(vec![])
    }
    pub fn watermarks_at(&self, _: Arrival) -> Result<WatermarksAt> {
        Err(RunError::Cancelled)
    }
    pub fn density(&self, _: Range, l: &[u32], _: usize) -> Result<Density> {
        Err(RunError::Cancelled)
    }
    pub fn lines(&self, _: Range, l: &[u32], _: usize) -> Result<Lines> {
        Err(RunError::Cancelled)
    }
    pub fn books(&self, _: Option<Arrival>) -> Result<Books> {
        Err(RunError::Cancelled)
    }
    pub fn search(&self, _: &Query, _: &AtomicBool, _: &mut dyn FnMut(Found)) -> Result<()> {
        Ok(())
    }
}

pub fn why(_: &Run, _: &RowView) -> String {
    String::new()
}

pub fn runs_folder(digest: &str) -> Result<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "joinscope")
        .ok_or_else(|| RunError::NoSuch("no home folder".to_owned()))?;
    Ok(dirs.data_dir().join("runs").join(digest))
}

#[derive(Clone, Debug, Default)]
pub struct Explanation {
    pub sentence: String,
    pub numbers: Vec<(String, String)>,
    pub candidates: Vec<Candidate>,
    pub more_candidates: u64,
    pub enough: Vec<Enough>,
}

#[derive(Clone, Debug)]
pub struct Candidate {
    pub record: RecordName,
    pub distance_ms: Option<i64>,
    pub why: String,
}

#[derive(Clone, Debug)]
pub struct Enough {
    pub path: String,
    pub value: String,
    pub text: String,
}

pub fn explain(_: &Run, _: u64) -> std::result::Result<Explanation, String> {
    Ok(Explanation::default())
}

/// What is to be run.
#[derive(Clone)]
pub struct RunOrder {
    pub file: String,
    pub text: String,
    pub overrides: Vec<(String, String)>,
    pub recording: joinscope_core::edges::recording::Recording,
}

/// What the check before a run found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Why the user is asked before it runs; empty: it may run.
    pub reasons: Vec<String>,
}

pub fn check(_: &RunOrder) -> std::result::Result<Checked, String> {
    Ok(Checked::default())
}

pub fn execute(
    _: &RunOrder,
    _: &joinscope_core::engine::Control,
    _: &dyn Fn(PathBuf),
) -> std::result::Result<(), String> {
    Err("the engine cannot run yet".to_owned())
}
