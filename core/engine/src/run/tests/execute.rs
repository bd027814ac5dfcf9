//! The shipped sample, run into a folder, and gone on with from a checkpoint.

use std::path::{Path, PathBuf};

use super::resume::segments;
use crate::edges::pipeline_file::PipelineFile;
use crate::edges::recording::Recording;
use crate::engine::Control;
use crate::operator::verdict::Verdict;
use crate::run::{Execute, Run, RunError, RunState, VerdictSet, execute, resume};

pub(super) fn spec(dir: &Path, sets: &[(String, String)]) -> Execute {
    let feed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../sample-data/feed");
    let pipeline = PipelineFile::open(&feed.join("feed.toml"), sets).unwrap();
    let recording = Recording::open(&feed.join("feed.mcap")).unwrap();
    let records = recording.len();
    Execute {
        overrides: sets.to_vec(),
        memory: 64 << 20,
        shards: 2,
        checkpoint_records: records / 4,
        ..Execute::new(pipeline, recording, dir.to_owned())
    }
}

/// Rows, decisions and outputs; when state was sampled depends on the batches.
fn tables(dir: &Path) -> Vec<(String, Vec<u8>)> {
    segments(dir).into_iter().filter(|(name, _)| name.ends_with(".parquet")).collect()
}

#[test]
fn a_run_gone_on_with_ends_as_if_it_had_never_stopped() {
    let late = [("join.late".to_owned(), "\"join\"".to_owned())];
    let none: [(String, String); 0] = [];
    for sets in [none.as_slice(), late.as_slice()] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let whole = execute(spec(&path, sets), &Control::new()).unwrap();
        let again = execute(spec(&path, sets), &Control::new()).unwrap_err();
        assert!(matches!(again, RunError::Exists(_)), "{again}");
        let run = Run::open(&path).unwrap();
        assert_eq!(run.state(), RunState::Done);
        let books = run.books(None).unwrap();
        let counts: Vec<_> = whole.books.iter().map(|b| b.counts).collect();
        assert_eq!(books.inputs, counts);
        assert_eq!((run.rows(), books.outputs), (whole.rows, whole.outputs));
        assert_eq!((books.state_rows, run.recording().is_some()), (whole.state_rows, true));
        if sets.is_empty() {
            assert!(run.count(VerdictSet::of(Verdict::Late)) > 0);
        } else {
            assert_eq!(run.count(VerdictSet::of(Verdict::Late)), 0);
        }

        let kept = tables(&path);
        let checkpoints = run.checkpoints();
        assert!(checkpoints.len() >= 2, "{checkpoints:?}");
        let at = checkpoints[1].arrival;
        let resumed = resume(spec(&path, sets), at, &Control::new()).unwrap();
        assert_eq!(resumed.digest, whole.digest);
        assert_eq!(tables(&path), kept);

        let mut other = spec(&path, sets);
        other.seed = 5;
        let error = resume(other, at, &Control::new()).unwrap_err().to_string();
        assert!(error.contains("another seed"), "{error}");
        let error = resume(spec(&path, sets), 1, &Control::new()).unwrap_err().to_string();
        assert!(error.contains("no checkpoint"), "{error}");
    }
}
