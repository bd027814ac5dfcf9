//! Runs that are asked every question: whole, in progress, and cut off.

use proptest::prelude::*;

use super::model::{Spec, model};
use super::questions::{ask_all, whole};
use crate::operator::verdict::Verdict;
use crate::run::{Axis, Range, Run, RunEnd, RunState};

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_store_answers_as_the_model_does(
        seed in any::<u64>(),
        arrivals in 50u64..9_000,
        one_topic in any::<bool>(),
        partitions in 1u32..5,
        batch in prop_oneof![Just(1u64), 2u64..50, 100u64..5_000],
        checkpoint_every in prop_oneof![Just(None), (200u64..3_000).prop_map(Some)],
        segment in prop_oneof![Just(1_000u64), 37u64..4_000, Just(262_144u64)],
    ) {
        let spec =
            Spec { seed, arrivals, one_topic, partitions, batch, checkpoint_every, segment };
        let m = model(&spec);
        let dir = tempfile::tempdir().unwrap();
        let run = whole(&m, &dir.path().join("run"));
        ask_all(&m, &run, seed);
    }
}

#[test]
fn a_run_in_progress_can_be_asked_up_to_its_last_segment() {
    let spec = Spec {
        seed: 5,
        arrivals: 6_000,
        one_topic: true,
        partitions: 3,
        batch: 100,
        checkpoint_every: None,
        segment: 1_000,
    };
    let m = model(&spec);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let mut writer = m.writer(&path);
    let run = Run::open(&path).unwrap();
    assert_eq!((run.rows(), run.state()), (0, RunState::Running));
    assert!(run.page(0, 10).unwrap().is_empty());
    assert_eq!(run.books(None).unwrap().inputs.len(), 2);
    let range = Range { axis: Axis::ArrivalTime, from: 0, to: 10 };
    assert_eq!(run.density(range, &[0], 5).unwrap().counts.len(), 5);
    assert_eq!(run.lines(range, &[0], 5).unwrap().join, vec![None; 5]);

    m.feed(&mut writer, 0, 3_500);
    assert!(run.refresh().unwrap());
    let published = run.arrivals();
    assert!((2_000..=3_500).contains(&published), "{published}");
    for view in run.page(0, 10_000).unwrap() {
        let want = &m.rows[view.row as usize];
        // What fell later has not fallen yet.
        let fallen = want.decided.is_some_and(|d| d < published);
        assert_eq!(view.verdict, if fallen { want.verdict } else { Verdict::Open });
        assert_eq!(view.removed, want.removed.filter(|r| *r < published));
    }
    assert_eq!(run.books(None).unwrap(), m.books(published - 1));
    assert!(!run.refresh().unwrap());

    m.feed(&mut writer, 3_500, u64::MAX);
    writer.finish(RunState::Cancelled, RunEnd::default()).unwrap();
    assert!(run.refresh().unwrap());
    assert_eq!(run.state(), RunState::Cancelled);
    ask_all(&m, &run, 1);
}

#[test]
fn a_process_that_died_leaves_what_it_published() {
    let spec = Spec {
        seed: 8,
        arrivals: 4_490,
        one_topic: false,
        partitions: 2,
        batch: 64,
        checkpoint_every: Some(1_500),
        segment: 900,
    };
    let m = model(&spec);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let mut writer = m.writer(&path);
    m.feed(&mut writer, 0, 4_400);
    // Dropped without an end, as a killed process leaves it.
    drop(writer);
    let run = Run::open(&path).unwrap();
    assert_eq!(run.state(), RunState::CutOff);
    assert!(run.arrivals() >= 3_000);
    let last = run.arrivals() - 1;
    assert_eq!(run.books(Some(last)).unwrap(), m.books(last));

    // The newest segment did not reach the disk, but the checkpoint did.
    let newest = run.manifest().segments.len() - 1;
    let file = crate::run::layout::Part::Index.path(&path, newest as u64);
    std::fs::write(file, b"").unwrap();
    let run = Run::open(&path).unwrap();
    assert!(run.arrivals() >= 3_000 && run.arrivals() < last);
    assert_eq!(run.books(None).unwrap(), m.books(run.arrivals() - 1));
}
