//! Why nothing matched in a whole run.

use joinscope_core::operator::verdict::Verdict;
use joinscope_core::run::explain::{NoMatch, no_match};

use crate::released::judged_over;

const JOIN: &str = r#"
with.plays = { after = "0s", until = "10s" }
kind = "left"
semantics = "clean"
"#;

fn why(records: &[(&str, &str, i64)]) -> Option<NoMatch> {
    let (_folder, run) = judged_over(JOIN, records);
    no_match(&run).unwrap()
}

/// The cause has all of these in it.
fn says(records: &[(&str, &str, i64)], parts: &[&str]) {
    let cause = why(records).unwrap().cause;
    for part in parts {
        assert!(cause.contains(part), "{cause}\nexpected in it: {part}");
    }
}

#[test]
fn a_run_in_which_a_record_matched_has_none() {
    let matched = [("views", "a", 100_000), ("plays", "a", 105_000), ("plays", "b", 105_000)];
    assert_eq!(why(&matched), None);
}

#[test]
fn keys_that_never_meet_are_shown_from_both_sides() {
    let apart = [
        ("views", "a", 100_000),
        ("plays", "c", 101_000),
        ("views", "b", 102_000),
        ("plays", "d", 103_000),
    ];
    says(
        &apart,
        &["No record of plays has the key \"a\" of views[0]@0, and none of views the key \"c\" \
             of plays[0]@0: the key fields"],
    );
    let nearly = [("views", "a", 100_000), ("plays", "A", 101_000)];
    says(&nearly, &["plays[0]@0 nearly has the key \"a\" of views[0]@0", "differs in case"]);
}

#[test]
fn an_interval_that_never_holds_is_told_from_clocks_that_are_years_apart() {
    let two = ["views[0]@0", "plays[0]@0", "outside the interval: "];
    let later = |by: i64| [("views", "a", 100_000), ("plays", "a", 110_000 + by)];
    says(&later(400), &[&two[..], &["lie 400 ms", "its bounds never hold"]].concat());
    let years = 3 * 365 * 86_400_000;
    says(&later(years), &[&two[..], &["lie 1095 d", "years apart"]].concat());
    // Of some views nobody plays anything: the plays' keys are among them all the same.
    let mut more: Vec<_> = (0..40).map(|_| ("views", "unplayed", 90_000)).collect();
    more.extend(later(1));
    says(&more, &["lie 1 ms outside the interval"]);
}

#[test]
fn a_partner_that_was_late_is_named() {
    let late = [
        ("views", "a", 100_000),
        ("plays", "c", 300_000),
        ("views", "a", 300_000),
        ("plays", "a", 105_000),
    ];
    says(&late, &["views[0]@0 finds plays[0]@1 in the interval, but ", " late"]);
}

#[test]
fn an_input_that_never_came_to_the_join_is_the_cause() {
    let none = why(&[("views", "a", 100_000)]).unwrap();
    assert_eq!((none.verdict, &*none.cause), (None, "Input plays has no record"));
    // Most are unmatched or open, but that follows from it.
    let mut keyless: Vec<_> = (0..5).map(|n| ("views", "a", 100_000 + n)).collect();
    keyless.push(("plays", "", 100_000));
    let keyless = why(&keyless).unwrap();
    assert_eq!(keyless.verdict, Some(Verdict::Unkeyed));
    assert!(keyless.cause.starts_with("Nothing of input plays came to the join. Most have no key"));
}
