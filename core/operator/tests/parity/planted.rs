//! That a difference would be seen: planted ones are found and made small.

use crate::compare::same;
use crate::hunt::{differing, smallest};
use crate::random;
use crate::trace::{Given, Trace, all_ours, ours};

fn of(lines: &[&str]) -> Given {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

const PAIR: &str = r#"{"i":1,"out":{"l":"a","r":"b","ts":7}}"#;
const MARK: &str = r#"{"i":1,"wm":6}"#;

#[test]
fn every_way_to_differ_is_one() {
    let trace = random::trace("clean", "left", 1, 0);
    let mut trace = Trace { spec: trace.spec, events: Vec::new() };
    trace.spec.as_object_mut().unwrap().shift_remove("max_parallelism");
    let given = of(&[PAIR, MARK]);
    assert!(same(&trace, &given, &given));
    for other in [
        &[MARK, PAIR][..],
        &[PAIR],
        &[PAIR, MARK, MARK],
        &[r#"{"i":2,"out":{"l":"a","r":"b","ts":7}}"#, MARK],
        &[r#"{"i":1,"out":{"l":"a","r":"b","ts":8}}"#, MARK],
        &[r#"{"i":1,"out":{"l":"a","r":null,"ts":7}}"#, MARK],
        &[PAIR, r#"{"i":1,"status":"idle"}"#],
        &[PAIR, MARK, r#"{"i":2,"error":"x"}"#],
        &[PAIR, MARK, r#"{"i":2,"refused":"x"}"#],
    ] {
        assert!(!same(&trace, &given, &of(other)), "{other:?}");
    }
    // The text of an error is each one's own; where it stands is not.
    let error = |i: u64, text: &str| of(&[&format!(r#"{{"i":{i},"error":"{text}"}}"#)]);
    assert!(same(&trace, &error(1, "x"), &error(1, "y")));
    assert!(!same(&trace, &error(1, "x"), &error(2, "x")));
    // More than one key group: the order within one event is free, no more.
    trace.spec["max_parallelism"] = 2.into();
    assert!(same(&trace, &given, &of(&[MARK, PAIR])));
    assert!(!same(&trace, &given, &of(&[PAIR, r#"{"i":1,"wm":7}"#])));
}

/// A release that forgets each pad at an odd time: the smallest trace that
/// shows it is a row and an end.
#[test]
fn a_planted_difference_is_found_and_made_small() {
    let odd_pad = |line: &String| {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else { return false };
        let out = &line["out"];
        out.is_object() && out["r"].is_null() && out["ts"].as_i64().is_some_and(|ts| ts % 2 != 0)
    };
    let mut theirs = |traces: &[Trace]| {
        let mut given = all_ours(traces);
        given.iter_mut().for_each(|lines| lines.retain(|line| !odd_pad(line)));
        given
    };
    let traces: Vec<Trace> = (0..200).map(|n| random::trace("clean", "left", 1, n)).collect();
    let found = differing(&traces, &mut theirs).expect("a planted difference is not found");
    let small = smallest(&traces[found], &mut theirs);
    assert_eq!(small.events.len(), 2, "{}", small.text());
    assert_eq!(small.events[0]["ts"], 1, "{}", small.text());
    assert_eq!((small.setting("lower_ms"), small.setting("upper_ms")), (0, 0));
    let given = theirs(std::slice::from_ref(&small)).remove(0);
    assert!(!same(&small, &ours(&small), &given));
    // And nothing is found where nothing is planted.
    assert_eq!(differing(&traces, &mut |traces| all_ours(traces)), None);
}

/// A trace is a function of its number alone.
#[test]
fn a_trace_can_be_had_again() {
    for semantics in ["flink-sql", "kafka-streams"] {
        let once = random::trace(semantics, "left", 7, 3);
        assert_eq!(once, random::trace(semantics, "left", 7, 3));
        assert_ne!(once.events, random::trace(semantics, "left", 7, 4).events);
        assert_ne!(once.events, random::trace(semantics, "left", 8, 3).events);
    }
}
