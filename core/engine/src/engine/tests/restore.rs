//! A run that goes on from any of its checkpoints ends as one that never stopped.

use std::path::Path;

use super::harness::{Kept, Listed, PIPELINE, done, same, spec, tell, with_folder};
use super::shards::{pipelines, random};
use crate::engine::step::{CheckpointEntry, Step};
use crate::engine::{AtEnd, Control, RunError, checkpoint, run};
use crate::operator::pipeline::Pipeline;

/// Bytes of the files with rows of a checkpoint.
fn on_disk(checkpoint: &Path) -> u64 {
    let parts = ["rows", "cold"].map(|part| std::fs::read_dir(checkpoint.join(part)));
    let files = parts.into_iter().flatten().flatten();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

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
        for entry in kept.checkpoints.iter().rev().take(3) {
            let lies = on_disk(&folder.path().join(&entry.path));
            assert!(lies > 0 && lies >= entry.written_bytes, "{entry:?}");
            assert_eq!(entry.disk_bytes, Some(lies), "{entry:?}");
        }

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

/// Its rows are held by their timers, of which the tier below knows nothing: what
/// it gives back is what was there, and what comes of it is so again.
#[test]
fn a_datastream_job_that_spilled_goes_on_from_checkpoints_and_from_theirs() {
    let inner = "\"inner\"\nsemantics = \"flink-datastream\"";
    let pipeline = PIPELINE.replace("\"left\"", inner);
    let listed = random(11, 4_000);
    let (whole, _) = done(spec(&pipeline, listed.clone()));
    let folder = tempfile::tempdir().unwrap();
    let spilled = |resume: Option<CheckpointEntry>| {
        let mut spec = with_folder(spec(&pipeline, listed.clone()), folder.path(), 700);
        spec.memory = 1;
        spec.resume = resume;
        let what = format!("from {:?}", spec.resume.as_ref().map(|entry| entry.arrival));
        let (summary, kept) = done(spec);
        assert_eq!(summary.digest, whole.digest, "{what}");
        assert_eq!(summary.books, whole.books, "{what}");
        assert_eq!(summary.state_rows, whole.state_rows, "{what}");
        kept
    };
    let first = spilled(None);
    let cold = |kept: &Kept| kept.steps.iter().any(|s| s.state.iter().any(|s| s.cold > 10));
    assert!(cold(&first), "the samples of state say what rests on disk");
    assert!(first.checkpoints.len() >= 3, "{}", first.checkpoints.len());
    // Newest first: going back deletes the newer ones.
    for entry in first.checkpoints.iter().rev().step_by(2) {
        let again = spilled(Some(entry.clone()));
        for entry in again.checkpoints.iter().rev().take(2) {
            spilled(Some(entry.clone()));
        }
    }
}

/// A play finds view b expired, whose timer is pending still: that stays alone.
#[test]
fn a_timer_that_is_left_of_a_row_waits_for_no_verdict() {
    let released = "\"inner\"\nsemantics = \"flink-sql\"\nmin_cleanup = \"10s\"";
    let pipeline = PIPELINE.replace("\"left\"", released);
    let listed = Listed::parse(
        "0 views[0] b 1000
         1 plays[0] z 1300
         2 views[0] z 1300
         3 plays[0] b 1400",
    );
    let folder = tempfile::tempdir().unwrap();
    let (whole, kept) = done(with_folder(spec(&pipeline, listed.clone()), folder.path(), 1));
    let told = tell(&pipeline, &listed, &kept.steps);
    assert!(told.contains("views[0]@0 unmatched 3 3"), "{told}");
    assert_eq!(whole.state_rows, 4, "the timer among them");
    let mut again = with_folder(spec(&pipeline, listed), folder.path(), 1);
    again.resume = kept.checkpoints.last().cloned();
    let (resumed, _) = done(again);
    assert_eq!(resumed.digest, whole.digest);
    assert_eq!((resumed.books, resumed.state_rows), (whole.books, whole.state_rows));
}

/// Each step of the tier below leaves tombstones that every probe has to look
/// through: with none but equal times in the interval it would be one a millisecond.
#[test]
fn what_rests_on_disk_goes_in_steps_of_how_long_it_stays() {
    let text = PIPELINE.replace("\"100ms\"", "\"0s\"").replace("\"10ms\"", "\"1h\"");
    let pipeline = Pipeline::parse(&text, "test.toml").unwrap();
    assert_eq!(checkpoint::options(&pipeline, 1).retention_ms, 3_600_000);
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

/// Found by reading: it counted as a disk that failed, and a live run was to be started
/// again for ever.
#[test]
fn a_checkpoint_that_is_gone_or_damaged_is_refused_as_one() {
    let pipeline = &pipelines()[0];
    let listed = random(7, 3_000);
    let folder = tempfile::tempdir().unwrap();
    let (_, kept) = done(with_folder(spec(pipeline, listed.clone()), folder.path(), 1_000));
    let resumed = |entry: &CheckpointEntry| {
        let mut again = with_folder(spec(pipeline, listed.clone()), folder.path(), 1_000);
        again.resume = Some(entry.clone());
        run(again, &mut Kept::default(), &Control::new()).unwrap_err()
    };
    let checkpoint = |entry: &CheckpointEntry| folder.path().join(&entry.path);
    let (first, last) = (&kept.checkpoints[0], &kept.checkpoints[kept.checkpoints.len() - 1]);
    for file in std::fs::read_dir(checkpoint(last)).unwrap().map(|file| file.unwrap().path()) {
        if file.is_file() {
            std::fs::write(file, b"cut").unwrap();
        }
    }
    let error = resumed(last);
    assert!(matches!(&error, RunError::Checkpoint { .. }), "{error}");
    assert!(error.to_string().contains("is damaged"), "{error}");
    std::fs::remove_dir_all(checkpoint(first)).unwrap();
    let error = resumed(first);
    assert!(matches!(&error, RunError::Checkpoint { .. }), "{error}");
    assert!(error.to_string().contains("holds no checkpoint"), "{error}");
}

/// More live rows at the end than leave in one step of the close: they go in as many
/// where the run was resumed before the end, so that what all of them set off is never
/// in memory at once, and come out as if all had gone at once.
#[test]
fn a_close_goes_in_steps_from_a_checkpoint_too() {
    let pipeline = PIPELINE.replace("\"100ms\"", "\"1h\"").replace("\"left\"", "\"full\"");
    let mut listed = Listed::parse("+ views[0]\n+ plays[0]");
    for i in 0..60_000_i64 {
        let value = format!("{{\"k\":\"{}\",\"t\":{}}}", i / 3, 1_000 + i / 10 - i * 7_919 % 9);
        listed.push((i % 2) as u32, 1_000 + i / 10, Some(value));
    }
    listed.batch = 700;
    let folder = tempfile::tempdir().unwrap();
    let mut first = with_folder(spec(&pipeline, listed.clone()), folder.path(), 20_000);
    first.at_end = AtEnd::Close;
    first.shards = 3;
    let (whole, kept) = done(first);
    let close = |kept: &Kept| {
        let last = kept.steps.last().unwrap().end;
        let outputs = kept.steps.iter().filter(|step| step.facts.is_empty() && step.end == last);
        outputs.map(|step| step.decisions.len()).collect::<Vec<_>>()
    };
    let steps = close(&kept);
    assert!(steps.len() >= 3, "{steps:?}");
    assert!(steps.iter().all(|&n| n < 20_000), "{steps:?}");

    let entry = kept.checkpoints.iter().rev().find(|c| c.arrival < 60_000).unwrap().clone();
    let mut again = with_folder(spec(&pipeline, listed.clone()), folder.path(), 1_000_000);
    again.at_end = AtEnd::Close;
    again.resume = Some(entry.clone());
    let (resumed, rest) = done(again);
    assert_eq!(close(&rest), steps);
    // Views rest for an hour, plays only until they are passed.
    let last = kept.steps.last().unwrap().end;
    let at_close = kept.steps.iter().flat_map(|step| &step.outputs).filter(|o| o.at == last);
    let pads: Vec<(i64, u64)> = at_close
        .map(|pad| {
            let row = pad.records[0];
            (pad.time + if row.is_multiple_of(2) { 3_600_000 } else { 0 }, row)
        })
        .collect();
    assert!(pads.len() > 10_000 && pads.is_sorted(), "{} pads", pads.len());
    assert_eq!(resumed.digest, whole.digest);
    let outputs = |steps: &mut dyn Iterator<Item = &Step>| {
        steps.flat_map(|step| step.outputs.clone()).collect::<Vec<_>>()
    };
    let before = kept.steps.iter().filter(|step| step.end <= entry.arrival);
    assert!(
        outputs(&mut before.chain(&rest.steps)) == outputs(&mut kept.steps.iter()),
        "the same outputs in the same order"
    );
}
