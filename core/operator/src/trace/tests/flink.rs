//! The rules A, B, C and E of 12-released-joins, each by a small trace whose
//! lines were written out from the rule.

use super::super::Traces;

/// An event in short: `L k 10 a` (side, key, time, id; `-` is null), `wL 5`
/// and `wR 5` (a watermark), `w 5` (both, and what the second one gives),
/// `idle L`, `active L`, `end`, `snapshot`, `checkpoint`.
fn event(short: &str) -> Vec<String> {
    let words: Vec<&str> = short.split(' ').collect();
    let text = |word: &str| if word == "-" { "null".to_owned() } else { format!("{word:?}") };
    match words[..] {
        [side @ ("L" | "R"), key, time, id] => {
            let key = text(key);
            vec![format!(r#"{{"in":"{side}","key":{key},"ts":{time},"id":"{id}"}}"#)]
        }
        ["w", time] => ["L", "R"].map(|s| format!(r#"{{"wm":"{s}","ts":{time}}}"#)).to_vec(),
        ["wL", time] => vec![format!(r#"{{"wm":"L","ts":{time}}}"#)],
        ["wR", time] => vec![format!(r#"{{"wm":"R","ts":{time}}}"#)],
        [what @ ("idle" | "active"), side] => vec![format!(r#"{{"{what}":"{side}"}}"#)],
        [what] => vec![format!(r#"{{"{what}":true}}"#)],
        _ => panic!("{short}"),
    }
}

/// A line in short: `a+b@15` (an output; `-` is null), `wm 5`, `late L a`,
/// `idle`, `active`, `timers 1`, `error`.
fn short(line: &str) -> String {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let text = |of: &serde_json::Value| of.as_str().unwrap_or("-").to_owned();
    if let Some(out) = line.get("out") {
        format!("{}+{}@{}", text(&out["l"]), text(&out["r"]), out["ts"])
    } else if let Some(late) = line.get("late") {
        format!("late {} {}", text(&late["side"]), text(&late["id"]))
    } else if let Some(status) = line.get("status") {
        text(status)
    } else if line.get("error").is_some() {
        "error".to_owned()
    } else {
        ["wm", "timers"].iter().find_map(|w| Some(format!("{w} {}", line.get(w)?))).unwrap()
    }
}

fn lines(spec: &str, steps: &[(&str, &[&str])]) -> Vec<Vec<String>> {
    let (mut traces, mut out) = (Traces::new(), String::new());
    traces.line(spec, &mut out).unwrap();
    let mut given = Vec::new();
    for (step, _) in steps {
        out.clear();
        for line in event(step) {
            traces.line(&line, &mut out).unwrap();
        }
        given.push(out.lines().map(short).collect());
    }
    given
}

/// Each event with the lines that it must give.
fn check(spec: &str, steps: &[(&str, &[&str])]) {
    for ((step, expected), given) in steps.iter().zip(lines(spec, steps)) {
        assert_eq!(given, *expected, "at {step:?} of {spec}");
    }
}

fn sql(kind: &str, lower: i64, upper: i64, more: &str) -> String {
    format!(
        r#"{{"semantics":"flink-sql","kind":"{kind}","lower_ms":{lower},"upper_ms":{upper}{more}}}"#
    )
}

fn datastream(lower: i64, upper: i64, more: &str) -> String {
    format!(
        r#"{{"semantics":"flink-datastream","kind":"inner","lower_ms":{lower},"upper_ms":{upper}{more}}}"#
    )
}

const DEBUG: &str = r#","debug":true"#;
const NONE: &[&str] = &[];

#[test]
fn rules_a2_a3_a5_timers_come_before_the_watermark_and_a_status_after_it() {
    check(
        &sql("left", 0, 5, ""),
        &[
            ("L k 10 a", NONE),
            ("wL 20", NONE),
            ("wR 12", &["wm 7"]),
            // The timer at 16 goes off at 20; B8: 20 - 5.
            ("idle R", &["a+-@16", "wm 15"]),
            ("wR 13", NONE),
            ("idle R", NONE),
            ("wL 30", &["wm 25"]),
            ("idle L", &["idle"]),
            ("active R", &["active"]),
        ],
    );
}

#[test]
fn rules_a6_and_b5_one_timer_for_both_sides_the_right_cache_first() {
    check(
        &sql("full", 5, 5, DEBUG),
        // L = 5, R = -5: the timers are at 10 + 6 and at 20 - 4.
        &[
            ("L k 10 a", &["timers 1"]),
            ("R k 20 b", &["timers 1"]),
            ("wL 16", &["timers 1"]),
            ("wR 16", &["-+b@16", "a+-@16", "wm 11", "timers 0"]),
        ],
    );
}

#[test]
fn rules_a7_and_b10_a_restore_forgets_the_watermark() {
    check(
        &sql("left", 0, 5, ""),
        &[
            ("w 20", &["wm 15"]),
            ("L k 10 a", &["a+-@10"]),
            ("snapshot", NONE),
            ("L k 10 b", NONE),
            ("R k 12 c", &["b+c@12"]),
            // From the minimum again.
            ("w 3", &["wm -2"]),
        ],
    );
}

#[test]
fn rule_a8_a_checkpoint_has_no_effect() {
    let steps: Vec<(&str, &[&str])> = [
        "L k 10 a", "L j 11 b", "R k 12 c", "w 14", "R j 13 d", "L k 3 e", "R k 30 f", "w 25",
        "end",
    ]
    .map(|step| (step, NONE))
    .to_vec();
    let with: Vec<(&str, &[&str])> =
        steps.iter().flat_map(|&step| [step, ("checkpoint", NONE)]).collect();
    for spec in [sql("full", 0, 5, ""), datastream(0, 5, "")] {
        assert_eq!(lines(&spec, &steps).concat(), lines(&spec, &with).concat());
    }
}

#[test]
fn rule_b1_no_row_is_dropped_for_lateness() {
    check(
        &sql("inner", 0, 5, ""),
        &[
            ("w 100", &["wm 95"]),
            ("L k 97 a", NONE),
            // Not kept (100 is not below 99), but it probes.
            ("R k 99 b", &["a+b@99"]),
            ("L k 98 c", NONE),
            ("L k 99 d", NONE),
            ("R k 103 e", &["c+e@103", "d+e@103"]),
        ],
    );
}

#[test]
fn rule_b2_the_expiration_time_is_shared_by_all_keys_and_forgotten() {
    let clean_late = r#","min_cleanup_ms":100"#;
    check(
        &sql("full", 0, 5, clean_late),
        &[
            ("L k 10 a", NONE),
            ("L j 10 x", NONE),
            ("w 50", &["wm 45"]),
            // exp(left) := 50 - 5 - 1 = 44.
            ("R k 12 b", &["a+b@12"]),
            // 44 is not below 12: no probe (rule 4.3), though x is still held.
            ("R j 12 y", &["-+y@12"]),
            ("snapshot", NONE),
            ("R j 12 z", &["x+z@12"]),
        ],
    );
}

#[test]
fn rule_b41_an_expired_row_joins_once_more_or_is_padded_by_the_other_side() {
    check(
        &sql("left", 0, 5, r#","min_cleanup_ms":100,"debug":true"#),
        &[
            ("L k 10 a", &["timers 1"]),
            ("L j 10 b", &["timers 2"]),
            ("wL 50", &["timers 2"]),
            ("wR 50", &["wm 45", "timers 2"]),
            ("R k 12 c", &["a+c@12", "timers 2"]),
            ("R k 60 d", &["timers 3"]),
            // Outside [55, 60]: padded, with the time of the arriving row.
            ("R j 60 e", &["b+-@60", "timers 4"]),
            // The timers outlive their rows, and hold off new ones.
            ("L k 58 f", &["f+d@58", "timers 4"]),
            ("wL 116", &["timers 4"]),
            // At 116 those of k and j go; f (58 <= 110, matched) with them.
            ("wR 116", &["wm 111", "timers 2"]),
        ],
    );
}

#[test]
fn rules_b42_and_b7_a_row_is_kept_or_padded_at_once_never_both() {
    check(
        &sql("full", 0, 5, ""),
        &[
            ("w 15", &["wm 10"]),
            // 15 < 11 + 5, but not < 10 + 5.
            ("L k 11 a", NONE),
            ("L k 10 b", &["b+-@10"]),
            ("R k 15 c", &["a+c@15"]),
            ("R j 15 d", &["-+d@15"]),
            ("R k 16 e", &["a+e@16"]),
            ("R j 16 f", NONE),
            ("w 16", &["wm 11"]),
            ("w 17", &["-+f@17", "wm 12"]),
            ("end", &["wm 9223372036854775802"]),
        ],
    );
}

#[test]
fn rule_b53_rows_at_or_below_the_epoch_are_lost() {
    check(
        &sql("left", 0, 5, DEBUG),
        &[
            ("L k -3 a", &["timers 1"]),
            ("L k 0 b", &["timers 1"]),
            ("wL 3", &["timers 1"]),
            ("wR 3", &["a+-@3", "wm -2", "timers 0"]),
            // b is alive (0 + 5 > 3), and gone.
            ("R k 3 c", &["timers 0"]),
            ("end", &["wm 9223372036854775802", "timers 0"]),
        ],
    );
}

#[test]
fn rule_b5_a_timer_sees_the_final_watermark_and_registers_for_the_earliest() {
    check(
        &sql("left", 0, 5, DEBUG),
        &[
            ("L k 20 a", &["timers 1"]),
            ("L k 11 b", &["timers 1"]),
            ("L k 30 c", &["timers 1"]),
            ("wL 27", &["timers 1"]),
            // The timer is at 26, of the first row; 30 + 6 is the next.
            ("wR 27", &["b+-@26", "a+-@26", "wm 22", "timers 1"]),
            ("wL 35", &["timers 1"]),
            ("wR 35", &["wm 30", "timers 1"]),
            ("wL 36", &["timers 1"]),
            ("wR 36", &["c+-@36", "wm 31", "timers 0"]),
        ],
    );
}

#[test]
fn rule_b6_a_match_outlives_a_restore() {
    let steps: &[(&str, &[&str])] = &[
        ("L k 10 a", NONE),
        ("R k 12 b", &["a+b@12"]),
        ("snapshot", NONE),
        ("L k 10 c", &["c+b@10"]),
        ("end", &["wm 9223372036854775802"]),
    ];
    // b, at 12, is in [10, 15].
    check(&sql("full", 0, 5, ""), steps);
}

#[test]
fn rule_b8_without_a_size_the_end_is_the_end() {
    check(&sql("inner", 0, 0, ""), &[("end", &["wm 9223372036854775807"])]);
}

#[test]
fn rule_b9_without_a_record_timestamp_only_timers_give_one() {
    check(
        &sql("left", 0, 5, r#","record_ts":false"#),
        &[
            ("L k 10 a", NONE),
            ("R k 10 b", &["a+b@null"]),
            ("L j 10 c", NONE),
            ("w 16", &["c+-@16", "wm 11"]),
            ("L k 11 d", &["d+-@null"]),
        ],
    );
}

#[test]
fn rule_b11_below_the_epoch_a_row_neither_probes_nor_stays() {
    check(
        &sql("full", 0, 5, ""),
        &[("L k -7 a", &["a+-@-7"]), ("R k 0 b", &["-+b@0"]), ("R k 1 c", NONE)],
    );
}

#[test]
fn rule_b12_a_timer_that_never_returns_is_an_error() {
    let end = i64::MAX - 5;
    let row = format!("L k {end} a");
    check(
        &sql("left", 0, 5, ""),
        &[(&row, NONE), ("wL 1", NONE), ("wR 1", &["error"]), ("L k 1 b", NONE)],
    );
    let row = format!("L k {} a", end - 1);
    check(
        &sql("left", 0, 5, ""),
        &[
            (&row, NONE),
            ("w 1", &["wm -4"]),
            ("end", &["a+-@9223372036854775807", "wm 9223372036854775802"]),
        ],
    );
}

#[test]
fn rule_b14_a_null_key_matches_nothing_and_expires_as_any_other() {
    check(
        &sql("full", 0, 5, ""),
        &[
            ("L - 10 a", NONE),
            ("R - 10 b", NONE),
            ("w 11", &["-+b@11", "wm 6"]),
            ("w 12", &["wm 7"]),
            ("R - 20 c", NONE),
            ("w 18", &["a+-@16", "wm 13"]),
        ],
    );
}

#[test]
fn rule_b15_a_null_rowtime_fails_the_job() {
    check(&sql("left", 0, 5, ""), &[("L k 10 a", NONE), ("L k null b", &["error"]), ("end", NONE)]);
}

#[test]
fn rule_b17_min_cleanup_moves_timers_and_nothing_else() {
    check(
        &sql("left", 0, 5, r#","min_cleanup_ms":4"#),
        &[("L k 10 a", NONE), ("w 19", &["wm 14"]), ("w 20", &["a+-@20", "wm 15"])],
    );
}

#[test]
fn rule_e1_times_below_0_come_last() {
    let steps: &[(&str, &[&str])] = &[
        ("L k -1 a", NONE),
        ("L k 1 b", NONE),
        ("L k 0 c", NONE),
        ("L k 1 d", NONE),
        ("R k 0 e", &["c+e@0", "b+e@0", "d+e@0", "a+e@0"]),
    ];
    check(&sql("inner", -10, 10, ""), steps);
    let ends: &[(&str, &[&str])] = &[
        ("L k -1 a", NONE),
        ("L k 1 b", NONE),
        ("L k 0 c", NONE),
        ("L k 1 d", NONE),
        ("R k 0 e", &["c+e@0", "b+e@1", "d+e@1", "a+e@0"]),
    ];
    check(&datastream(-10, 10, ""), ends);
}

#[test]
fn rule_e2_equal_timers_go_by_the_serialized_key() {
    check(
        &sql("left", 0, 5, ""),
        &[
            ("L longer-than-seven 10 a", NONE),
            ("L b 10 b", NONE),
            ("L c 9 c", NONE),
            ("L a 10 d", NONE),
            ("L - 10 n", NONE),
            ("w 20", &["c+-@15", "d+-@16", "b+-@16", "n+-@16", "a+-@16", "wm 15"]),
        ],
    );
}

#[test]
fn an_interval_that_two_strict_bounds_leave_empty() {
    let strict = r#","lower_inclusive":false,"upper_inclusive":false"#;
    let (mut traces, mut out) = (Traces::new(), String::new());
    // Its delay would be negative: Flink does not build it.
    traces.line(&sql("left", 0, 0, strict), &mut out).unwrap();
    traces.line(r#"{"end":true}"#, &mut out).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[1].starts_with(r#"{"i":0,"error":"#), "{}", lines[1]);
    // Rule C1.
    check(
        &datastream(0, 1, strict),
        &[
            ("L k 1 a", NONE),
            ("R k 1 b", NONE),
            ("R k 2 c", NONE),
            ("end", &["wm 9223372036854775807"]),
        ],
    );
    check(&datastream(0, 2, strict), &[("L k 1 a", NONE), ("R k 2 c", &["a+c@2"])]);
}

#[test]
fn rules_c1_and_c2_a_row_without_key_or_timestamp_fails_the_job() {
    let end: (&str, &[&str]) = ("end", NONE);
    for row in ["L - 10 a", "R k null a", "R k -9223372036854775808 a"] {
        check(&datastream(0, 5, ""), &[(row, &["error"]), end]);
    }
    check(&datastream(0, 5, r#","record_ts":false"#), &[("L k 10 a", &["error"]), end]);
}

#[test]
fn rule_c3_late_is_strict_and_goes_aside() {
    check(
        &datastream(0, 5, ""),
        &[
            ("w 10", &["wm 10"]),
            ("L k 10 a", NONE),
            ("L k 9 b", &["late L b"]),
            ("R k 9 c", &["late R c"]),
            ("R k 11 d", &["a+d@11"]),
        ],
    );
}

#[test]
fn rules_c4_to_c7_a_timer_removes_the_list_of_its_time() {
    check(
        &datastream(0, 5, DEBUG),
        &[
            ("L k 10 a", &["timers 1"]),
            ("R k 10 b", &["a+b@10", "timers 2"]),
            ("L k 10 c", &["c+b@10", "timers 2"]),
            ("wL 14", &["timers 2"]),
            // The right row's timer is at its own time.
            ("wR 14", &["wm 14", "timers 1"]),
            ("L k 14 d", &["timers 2"]),
            ("wL 15", &["timers 2"]),
            ("wR 15", &["wm 15", "timers 1"]),
            // Not late, and 10 + 5 = 15, but a and c are gone.
            ("R k 15 e", &["d+e@15", "timers 2"]),
            ("end", &["wm 9223372036854775807", "timers 0"]),
        ],
    );
    // A timer at the current watermark waits for the next advance.
    check(
        &datastream(-5, 0, DEBUG),
        &[
            ("w 10", &["timers 0", "wm 10", "timers 0"]),
            ("L k 10 a", &["timers 1"]),
            ("R k 10 b", &["a+b@10", "timers 2"]),
            ("wL 11", &["timers 2"]),
            ("wR 11", &["wm 11", "timers 1"]),
            ("R k 11 c", &["timers 2"]),
        ],
    );
}

#[test]
fn rule_c9_after_a_restore_nothing_is_late() {
    check(
        &datastream(0, 5, DEBUG),
        &[
            ("L k 5 a", &["timers 1"]),
            ("wL 9", &["timers 1"]),
            ("wR 9", &["wm 9", "timers 1"]),
            ("snapshot", &["timers 1"]),
            ("R k 6 b", &["a+b@6", "timers 2"]),
            ("wL 12", &["timers 2"]),
            ("wR 2", &["wm 2", "timers 2"]),
            ("wR 12", &["wm 12", "timers 0"]),
        ],
    );
}

#[test]
fn rule_c10_a_timer_that_wraps_removes_too_early() {
    let (left, right) = (i64::MAX - 2, i64::MAX - 1);
    let (l, r) = (format!("L k {left} a"), format!("R k {right} b"));
    let pair = format!("a+b@{right}");
    check(&datastream(0, 5, ""), &[(&l, NONE), (&r, &[&pair])]);
    check(&datastream(0, 5, ""), &[(&l, NONE), ("w 1", &["wm 1"]), (&r, NONE)]);
}
