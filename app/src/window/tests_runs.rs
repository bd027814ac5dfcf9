//! The sample's run, the question before a run, a run that is cancelled, and one in
//! which nothing matched.

use std::time::{Duration, Instant};

use egui_kittest::kittest::Queryable as _;
use joinscope_core::run::{RunState, VerdictSet};
use joinscope_operator::verdict::Verdict;

use super::command::Command;
use super::headless::{harness, settle};
use super::store::Run;
use super::testing::{ask, feed, opened, press, sample_run};

#[test]
fn the_sample_opens_from_the_start_page_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("sample");
    let mut h = harness((1600, 1000), false, None);
    settle(&mut h).unwrap();
    h.state_mut().run_into = Some(dir.clone());
    press(&mut h, "Open the sample");
    let run = h.state().doc().run.as_ref().expect("it runs over the recording beside it");
    assert_eq!((&run.dir, run.run.state()), (&dir, RunState::Done));
    assert!(run.run.count(VerdictSet::of(Verdict::Late)) > 1_000, "its incident is there");
}

/// A key that no engagement has.
fn keyless() -> Vec<(String, String)> {
    vec![("inputs.engagements.key".to_owned(), "nothing".to_owned())]
}

#[test]
fn what_the_check_doubts_runs_where_the_user_insists_and_then_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("keyless");
    let mut h = opened(&feed().run());
    assert!(h.query_by_label("No record matched").is_none());
    h.state_mut().run_into = Some(dir.clone());
    ask(&mut h, Command::Run(keyless()));
    assert!(h.query_all_by_label_contains("input engagements: none of ").next().is_some());
    assert_eq!(h.state().doc().run.as_ref().unwrap().dir, feed().run());
    assert!(!dir.exists(), "nothing ran unasked");
    press(&mut h, "Run anyway");
    let run = h.state().doc().run.as_ref().unwrap();
    assert_eq!((&run.dir, run.run.state()), (&dir, RunState::Done));
    assert_eq!(run.run.count(VerdictSet::of(Verdict::Joined)), 0);
    assert!(run.run.count(VerdictSet::of(Verdict::Unkeyed)) > 0);
    // Above the panels: that nothing matched, and the records to look at.
    assert!(h.query_by_label("No record matched").is_some());
    let cause = "Nothing of input engagements came to the join. Most have no key";
    assert!(h.query_all_by_label_contains(cause).next().is_some());
    let shows = |verdict: &Verdict| h.query_by_label(&format!("Show {verdict}")).is_some();
    let most = Verdict::ALL.into_iter().find(shows).unwrap();
    press(&mut h, &format!("Show {most}"));
    assert_eq!(h.state().panels.records.filter(), VerdictSet::of(most));
}

#[test]
fn a_run_is_cancelled_and_what_it_published_stays() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cancelled");
    let mut h = opened(sample_run());
    ask(&mut h, Command::AddBreakpoint("verdict=late".parse().unwrap()));
    h.state_mut().run_into = Some(dir.clone());
    ask(&mut h, Command::Run(Vec::new()));
    let stopped = h.state().stopped.as_ref().unwrap().arrival;
    let status = h.state().running.as_ref().unwrap().status();
    assert!(status.contains(" of 128,911"), "{status}");
    press(&mut h, "Cancel");
    let begun = Instant::now();
    while h.state().running.is_some() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it still goes on");
        h.step();
    }
    settle(&mut h).unwrap();
    let run = Run::open(&dir).unwrap();
    // Where all was read already there was nothing left to cancel.
    assert!(matches!(run.state(), RunState::Cancelled | RunState::Done), "{:?}", run.state());
    assert!(run.arrivals() > stopped);
    let shown = h.state().doc().run.as_ref().unwrap();
    assert_eq!((&shown.dir, shown.arrivals), (&dir, run.arrivals()));
    assert!(h.query_by_label("Run the pipeline").is_some(), "another run may begin");
}
