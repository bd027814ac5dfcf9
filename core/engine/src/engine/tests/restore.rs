//! A run that goes on from any of its checkpoints ends as one that never stopped.

use super::harness::{Kept, done, same, spec, tell, with_folder};
use super::shards::{pipelines, random};
use crate::engine::{AtEnd, Control, RunError, run};

#[test]
fn a_run_resumed_from_any_checkpoint_ends_the_same() {
    for (seed, pipeline) in pipelines().iter().enumerate() {
        let listed = random(100 + seed as u64, 6_000);
        let mut plain = spec(pipeline, listed.clone());
        plain.at_end = AtEnd::Close;
        let (whole, whole_kept) = done(plain);
        let expected = tell(pipeline, &listed, &whole_kept.steps);

        let folder = tempfile::tempdir().unwrap();
        let mut first = with_folder(spec(pipeline, listed.clone()), folder.path(), 1_000);
        first.at_end = AtEnd::Close;
        first.shards = 2;
        let (summary, kept) = done(first);
        assert_eq!(summary.digest, whole.digest);
        assert!(summary.checkpoints >= 3, "{}", summary.checkpoints);
        assert_eq!(summary.checkpoints as usize, kept.checkpoints.len());

        // Newest first: going back deletes the newer ones.
        for (shards, entry) in [1, 2, 7].into_iter().cycle().zip(kept.checkpoints.iter().rev()) {
            let mut again = with_folder(spec(pipeline, listed.clone()), folder.path(), 1_000_000);
            again.at_end = AtEnd::Close;
            again.shards = shards;
            // Rows rest on disk alone.
            again.memory = 1;
            again.resume = Some(entry.clone());
            let (resumed, rest) = done(again);
            let what = format!("pipeline {seed}, {shards} shards, from arrival {}", entry.arrival);
            let before = kept.steps.iter().filter(|s| s.end <= entry.arrival);
            let steps = before.chain(&rest.steps);
            same(&tell(pipeline, &listed, steps), &expected, &what);
            assert_eq!(resumed.digest, whole.digest, "{what}");
            assert_eq!(resumed.books, whole.books, "{what}");
            assert_eq!((resumed.rows, resumed.outputs), (whole.rows, whole.outputs), "{what}");
        }
    }
}

#[test]
fn a_checkpoint_of_another_pipeline_is_refused() {
    let pipelines = pipelines();
    let listed = random(7, 3_000);
    let folder = tempfile::tempdir().unwrap();
    let (_, kept) = done(with_folder(spec(&pipelines[0], listed.clone()), folder.path(), 1_000));
    let mut other = with_folder(spec(&pipelines[1], listed), folder.path(), 1_000);
    other.resume = kept.checkpoints.first().cloned();
    let error = run(other, &mut Kept::default(), &Control::new()).unwrap_err();
    assert!(matches!(error, RunError::Checkpoint { .. }), "{error}");
}
