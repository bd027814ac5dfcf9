//! The run store as the window asks it. Stand-in until the reader lands: no run
//! opens, so nothing is shown that is not there.
#![allow(clippy::all, clippy::pedantic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use joinscope_core::run::*;
use joinscope_operator::pipeline::Pipeline;
use joinscope_operator::record::{Arrival, RecordName};

pub struct Run {
    m: Manifest,
    p: Arc<Pipeline>,
}
impl Run {
    pub fn open(dir: &Path) -> Result<Self> {
        Err(RunError::NotARun(dir.to_owned()))
    }
    pub fn manifest(&self) -> &Manifest {
        &self.m
    }
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.p
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
    pub fn recording(&self) -> Option<&joinscope_core::edges::recording::Recording> {
        None
    }
    pub fn page(&self, _: u64, _: usize) -> Result<Vec<RowView>> {
        Ok(vec![])
    }
    pub fn find(&self, _: &RecordName) -> Result<Vec<RowView>> {
        Ok(vec![])
    }
    pub fn count(&self, _: VerdictSet) -> Result<u64> {
        Ok(0)
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
    pub fn first_row_of(&self, _: Arrival) -> u64 {
        0
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
