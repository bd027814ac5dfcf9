//! A run that its user stopped goes on from where it stopped, and ends as one that
//! never was.

use std::path::Path;
use std::sync::Arc;

use super::harness::{Kept, Listed, PIPELINE, done, same, spec, tell, tell_clock, with_folder};
use super::live::with_clock;
use super::shards::{pipelines, random};
use super::stopping::Stopping;
use crate::edges::rocksdb;
use crate::engine::step::{CheckpointEntry, Step};
use crate::engine::{AtEnd, Control, Ended, RunError, RunSpec, Summary, run};

/// A run over `listed` in a folder, and how it is stopped behind so many batches.
struct Case<'a> {
    pipeline: &'a str,
    listed: &'a Listed,
    at_end: AtEnd,
    folder: &'a Path,
    /// Records between two checkpoints.
    every: u64,
}

impl Case<'_> {
    fn spec(&self, resume: Option<CheckpointEntry>) -> RunSpec {
        let spec = spec(self.pipeline, self.listed.clone());
        let spec = with_folder(spec, self.folder, self.every);
        RunSpec { at_end: self.at_end, resume, ..spec }
    }

    /// Runs, stopped behind so many batches each time it goes on; then to its end.
    fn stopped(&self, stops: &[usize], what: &str) -> (Summary, Vec<Step>) {
        let (mut steps, mut numbers) = (Vec::new(), Vec::new());
        let (mut resume, mut records) = (None, 0);
        for (after, shards) in stops.iter().zip([1, 2, 7].into_iter().cycle()) {
            let (control, source) = (Control::new(), self.listed.clone());
            let mut spec = self.spec(resume.take());
            spec.source = Arc::new(Stopping::by_its_user(source, *after, &control));
            spec.shards = shards;
            // In some of them rows rest on disk alone.
            spec.memory = if shards == 2 { 1 } else { 64 << 20 };
            let mut kept = Kept::default();
            let summary = run(spec, &mut kept, &control).unwrap();
            records += (after * self.listed.batch) as u64;
            assert_eq!((summary.ended, summary.records), (Ended::Cancelled, records), "{what}");
            let newest = kept.checkpoints.last().unwrap();
            assert_eq!(newest.arrival, records, "{what}");
            resume = Some(newest.clone());
            numbers.extend(kept.checkpoints.iter().map(|entry| entry.epoch));
            steps.append(&mut kept.steps);
        }
        let (summary, mut kept) = done(self.spec(resume));
        assert_eq!(summary.ended, Ended::Done);
        numbers.extend(kept.checkpoints.iter().map(|entry| entry.epoch));
        assert!(numbers.is_sorted_by(|a, b| a < b), "{what}: {numbers:?}");
        steps.append(&mut kept.steps);
        (summary, steps)
    }

    /// The same as in one go?
    fn check(&self, stops: &[usize], what: &str) {
        let mut plain = spec(self.pipeline, self.listed.clone());
        plain.at_end = self.at_end;
        let (whole, kept) = done(plain);
        let (summary, steps) = self.stopped(stops, what);
        let told = |steps: &[Step]| tell(self.pipeline, self.listed, steps);
        same(&told(&steps), &told(&kept.steps), what);
        same(&tell_clock(&steps), &tell_clock(&kept.steps), what);
        let epochs = |steps: &[Step]| {
            steps.iter().flat_map(|s| &s.outputs).map(|o| (o.n, o.epoch)).collect::<Vec<_>>()
        };
        assert_eq!(epochs(&steps), epochs(&kept.steps), "{what}");
        assert_eq!(summary.digest, whole.digest, "{what}");
        assert_eq!(summary.books, whole.books, "{what}");
        assert_eq!((summary.rows, summary.outputs), (whole.rows, whole.outputs), "{what}");
        assert_eq!(
            (summary.epochs, summary.epochs_with_effect, summary.watermark),
            (whole.epochs, whole.epochs_with_effect, whole.watermark),
            "{what}"
        );
    }
}

#[test]
fn a_run_stopped_at_several_places_ends_as_one_that_never_was() {
    let join = |of: &str| PIPELINE.replace("\"left\"", of);
    let released = [
        join("\"inner\"\nsemantics = \"flink-datastream\""),
        join("\"left\"\nsemantics = \"flink-sql\"\nmin_cleanup = \"1s\""),
        join("\"left\"\nsemantics = \"kafka-streams\"\ngrace = \"50ms\""),
    ];
    let clean = pipelines().into_iter().map(|pipeline| (pipeline, AtEnd::Close));
    let all = clean.chain(released.map(|pipeline| (pipeline, AtEnd::Open)));
    for (number, (pipeline, at_end)) in all.enumerate() {
        let mut listed = random(700 + number as u64, 3_000);
        listed.batch = 100;
        // Without a checkpoint but where it was stopped, and with some in between.
        for every in [1_000_000, 300] {
            let folder = tempfile::tempdir().unwrap();
            let (pipeline, folder) = (pipeline.as_str(), folder.path());
            let case = Case { pipeline, listed: &listed, at_end, folder, every };
            // Several in one epoch.
            let what = format!("pipeline {number}, every {every}");
            case.check(&[1, 1, 1, 3, 1, 4, 1], &what);
        }
    }
}

#[test]
fn a_replay_of_what_a_clock_said_is_stopped_and_goes_on_too() {
    for (number, pipeline) in pipelines().iter().enumerate() {
        let pipeline = pipeline.replace("\"1s\"", "\"200ms\"");
        let mut listed = with_clock(800 + number as u64, 1_500);
        listed.batch = 50;
        let folder = tempfile::tempdir().unwrap();
        let (at_end, every) = (AtEnd::Open, 400);
        let case =
            Case { pipeline: &pipeline, listed: &listed, at_end, folder: folder.path(), every };
        case.check(&[2, 1, 3, 1, 1, 4], &format!("pipeline {number}"));
    }
}

/// What comes after the stop is of a later epoch: the one that the stop fell into ends
/// all the same, and is one that had an effect.
#[test]
fn the_epoch_that_a_run_was_stopped_in_ends_where_it_goes_on() {
    let mut listed = Listed::parse(
        "0 views[0] a 100
         10 plays[0] a 110
         5000 views[0] b 5000
         5010 plays[0] b 5010",
    );
    listed.batch = 1;
    for stops in [&[2][..], &[1, 1], &[1, 1, 1]] {
        let folder = tempfile::tempdir().unwrap();
        let case = Case {
            pipeline: PIPELINE,
            listed: &listed,
            at_end: AtEnd::Open,
            folder: folder.path(),
            every: 1_000_000,
        };
        let (summary, steps) = case.stopped(stops, &format!("{stops:?}"));
        assert_eq!(tell_clock(&steps), "2 1000 epoch 1");
        assert_eq!((summary.outputs, summary.epochs_with_effect), (2, 2));
        // Named at the end, though it came before the stop.
        let furthest = summary.furthest.unwrap();
        assert_eq!((furthest.record.to_string().as_str(), furthest.ahead_ms), ("views[0]@0", 100));
    }
}

#[test]
fn a_run_stopped_before_its_first_record_leaves_no_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let control = Control::new();
    control.cancel();
    let mut kept = Kept::default();
    let spec = with_folder(spec(PIPELINE, random(1, 100)), folder.path(), 1_000);
    let summary = run(spec, &mut kept, &control).unwrap();
    assert_eq!((summary.ended, summary.records), (Ended::Cancelled, 0));
    assert!(kept.checkpoints.is_empty());
    assert_eq!(rocksdb::list(folder.path()).unwrap(), [0_u64; 0]);
}

/// What failed is no place to go on from, also where the user stopped it as it failed.
#[test]
fn a_run_that_is_stopped_as_it_fails_leaves_no_checkpoint() {
    let long = || {
        let mut listed = random(2, 60_000);
        listed.batch = 500;
        listed
    };
    let folder = tempfile::tempdir().unwrap();
    let control = Control::new();
    let mut source = long();
    source.fails_after = Some(30);
    let mut failing = with_folder(spec(PIPELINE, source.clone()), folder.path(), 1_000_000);
    failing.source = Arc::new(Stopping::by_its_user(source, 31, &control));
    let mut kept = Kept::default();
    let error = run(failing, &mut kept, &control).unwrap_err();
    assert!(control.is_cancelled() && matches!(error, RunError::Source(_)), "{error}");
    assert!(kept.checkpoints.is_empty());
    assert_eq!(rocksdb::list(folder.path()).unwrap(), [0_u64; 0]);

    let folder = tempfile::tempdir().unwrap();
    let control = Control::new();
    let (cancels, fails_at) = (Some(control.clone()), Some(1));
    let mut kept = Kept { fails_at, cancels, ..Kept::default() };
    let failing = with_folder(spec(PIPELINE, long()), folder.path(), 1_000_000);
    let error = run(failing, &mut kept, &control).unwrap_err();
    assert!(control.is_cancelled() && matches!(error, RunError::Sink(_)), "{error}");
    assert!(kept.checkpoints.is_empty());
    assert_eq!(rocksdb::list(folder.path()).unwrap(), [0_u64; 0]);
}

/// What the engine had taken was ahead of the breakpoint.
#[test]
fn a_run_that_ends_at_a_breakpoint_leaves_no_checkpoint_behind_it() {
    let mut listed = random(3, 3_000);
    listed.batch = 100;
    let folder = tempfile::tempdir().unwrap();
    let control = Control::new();
    let source = Stopping::by_its_user(listed.clone(), 12, &control);
    let mut ending = with_folder(spec(PIPELINE, listed), folder.path(), 1_000_000);
    ending.source = Arc::new(Stopping { at_breakpoint: true, ..source });
    let mut kept = Kept::default();
    let summary = run(ending, &mut kept, &control).unwrap();
    assert_eq!((summary.ended, summary.records), (Ended::Cancelled, 1_200));
    assert!(kept.checkpoints.is_empty());
    assert_eq!(rocksdb::list(folder.path()).unwrap(), [0_u64; 0]);
}
