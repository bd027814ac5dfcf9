//! A run that its user stopped before the first checkpoint was due, and again behind
//! it: the folder comes to have what one has that was never stopped.

use std::path::Path;
use std::sync::Arc;

use super::execute::spec;
use crate::engine::tests::stopping::Stopping;
use crate::engine::{Control, Ended, Summary};
use crate::run::execute::{go_on, keep};
use crate::run::{Manifest, Run, RunState, Writer, execute};

/// Runs, or goes on, until so many of the recording's batches are taken.
fn stopped(dir: &Path, sets: &[(String, String)], after: usize) -> Summary {
    let spec = spec(dir, sets);
    let folds = spec.pipeline.pipeline.folds();
    let known = if dir.exists() { Manifest::load(dir).unwrap().checkpoints } else { Vec::new() };
    let from = known.last().cloned();
    let writer = match &from {
        Some(entry) => Writer::resume_from(dir, entry, folds),
        None => Writer::create(dir, spec.start().unwrap(), folds),
    };
    let control = Control::new();
    let source = Stopping::by_its_user(spec.recording.clone(), after, &control);
    let mut spec = spec.keep();
    spec.source = Arc::new(source);
    keep(spec, writer.unwrap(), from, &control).unwrap()
}

#[test]
fn a_run_that_was_stopped_goes_on_from_where_it_stopped() {
    let late = [("join.late".to_owned(), "\"join\"".to_owned())];
    let none: [(String, String); 0] = [];
    for sets in [none.as_slice(), late.as_slice()] {
        let dir = tempfile::tempdir().unwrap();
        let (plain, path) = (dir.path().join("plain"), dir.path().join("stopped"));
        let whole = execute(spec(&plain, sets), &Control::new()).unwrap();
        let mut before = 0;
        for after in [1, 3, 2] {
            let summary = stopped(&path, sets, after);
            assert_eq!(summary.ended, Ended::Cancelled);
            assert!(before < summary.records && summary.records < whole.records);
            before = summary.records;
            let run = Run::open(&path).unwrap();
            assert_eq!((run.state(), run.arrivals()), (RunState::Cancelled, before));
            assert_eq!(run.checkpoints().last().map(|entry| entry.arrival), Some(before));
        }
        let summary = go_on(spec(&path, sets), None, &Control::new()).unwrap();
        assert_eq!((summary.ended, summary.digest), (Ended::Done, whole.digest));
        assert_eq!(summary.books, whole.books);
        assert_eq!(summary.epochs_with_effect, whole.epochs_with_effect);
        // Every row and every output; only where segments end differs.
        let (run, other) = (Run::open(&path).unwrap(), Run::open(&plain).unwrap());
        assert_eq!((run.rows(), run.outputs()), (other.rows(), other.outputs()));
        let n = usize::try_from(run.rows()).unwrap();
        assert_eq!(run.page(0, n).unwrap(), other.page(0, n).unwrap());
        let n = usize::try_from(run.outputs()).unwrap();
        assert_eq!(run.output_page(0, n).unwrap(), other.output_page(0, n).unwrap());
        for at in [0, before - 1, before, run.arrivals() - 1] {
            assert_eq!(run.watermarks_at(at).unwrap(), other.watermarks_at(at).unwrap());
        }
    }
}
