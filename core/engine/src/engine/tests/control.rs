//! Errors, panics and cancel: never a hang, always a whole prefix.

use super::harness::{Kept, Listed, PIPELINE, fails, spec};
use crate::engine::{AtEnd, Control, Ended, RunError, run};
use crate::operator::verdict::Counts;

fn long(n: usize) -> Listed {
    let mut listed = Listed::parse("+ views[0]\n+ plays[0]");
    for i in 0..n as i64 {
        let value = format!("{{\"k\":\"{}\",\"t\":{}}}", i % 97, i);
        listed.push(u32::from(i % 5 == 0), i, Some(value));
    }
    listed.batch = 512;
    listed
}

#[test]
fn a_cancelled_run_keeps_a_whole_prefix() {
    let control = Control::new();
    let mut kept = Kept { cancels: Some(control.clone()), ..Kept::default() };
    let summary = run(spec(PIPELINE, long(300_000)), &mut kept, &control).unwrap();
    assert_eq!(summary.ended, Ended::Cancelled);
    assert!(summary.records < 300_000, "{}", summary.records);
    assert_eq!(kept.steps.last().unwrap().end, summary.records);
    let booked: u64 = summary.books.iter().map(|b| b.counts.total()).sum();
    assert_eq!(booked, summary.rows);
    assert_eq!(control.progress().records, summary.records);
}

#[test]
fn an_error_of_the_source_comes_after_what_was_whole() {
    let mut listed = long(20_000);
    listed.fails_after = Some(30);
    let (error, kept) = fails(spec(PIPELINE, listed));
    assert!(matches!(&error, RunError::Source(e) if e.0 == "the disk is gone"), "{error}");
    assert_eq!(kept.steps.last().unwrap().end, 30 * 512);
}

#[test]
fn an_error_of_the_sink_ends_the_run() {
    let mut kept = Kept { fails_at: Some(2), ..Kept::default() };
    let error = run(spec(PIPELINE, long(100_000)), &mut kept, &Control::new()).unwrap_err();
    assert!(matches!(&error, RunError::Sink(_)), "{error}");
    assert_eq!(kept.steps.len(), 2);
}

#[test]
fn a_panic_in_a_stage_is_an_error_and_never_a_hang() {
    let mut kept = Kept { fails_at: Some(1), panics: true, ..Kept::default() };
    let error = run(spec(PIPELINE, long(100_000)), &mut kept, &Control::new()).unwrap_err();
    assert!(matches!(&error, RunError::Panic { stage: "keep", .. }), "{error}");
}

/// Found by reading: the queue that ended with the panic was taken for the end of the
/// source where the panic was not known yet, so that all was closed there, and a
/// checkpoint taken from which no run goes on as it should.
#[test]
fn a_panic_of_the_source_is_not_its_end() {
    let mut listed = long(20_000);
    listed.panics_after = Some(30);
    for _ in 0..20 {
        let mut spec = spec(PIPELINE, listed.clone());
        spec.at_end = AtEnd::Close;
        let (error, kept) = fails(spec);
        assert!(matches!(&error, RunError::Panic { stage: "read", .. }), "{error}");
        assert_eq!(kept.steps.last().unwrap().end, 30 * 512);
        let decisions = kept.steps.iter().flat_map(|step| &step.decisions);
        let removed = decisions.filter(|decision| decision.removed).count();
        assert!((1..30 * 512).contains(&removed), "{removed}");
    }
}

#[test]
fn a_topic_that_is_not_there_is_named_with_those_that_are() {
    let (error, _) = fails(spec(PIPELINE, Listed::parse("0 views[0] a 1")));
    let text = error.to_string();
    assert!(text.contains("\"plays\"") && text.contains("it has: views"), "{text}");
}

#[test]
fn an_empty_source_is_a_run_without_records() {
    let (summary, kept) =
        super::harness::done(spec(PIPELINE, Listed::parse("+ views[0]\n+ plays[0]")));
    assert_eq!((summary.records, summary.outputs, kept.steps.len()), (0, 0, 0));
    assert!(summary.books.iter().all(|b| b.counts == Counts::default()));
}
