//! The rules of 12-released-joins, part D, each by a small trace whose lines
//! were written out from the rule.

use crate::trace::Traces;

/// `kind before after grace`, and more fields of the spec.
fn spec(windows: &str, more: &str) -> String {
    let w: Vec<&str> = windows.split(' ').collect();
    format!(
        r#"{{"semantics":"kafka-streams","kind":"{}","before_ms":{},"after_ms":{},"grace_ms":{}{more}}}"#,
        w[0], w[1], w[2], w[3]
    )
}

/// `L a k 10`: row `a` with key `k` at 10 on the left. `-` is a null key, `a!`
/// has a null value. `clock 10` moves the wall clock; all else stands as it is.
fn event(text: &str) -> String {
    let w: Vec<&str> = text.split_whitespace().collect();
    match w[..] {
        [side, id, key, ts] => {
            let key = if key == "-" { "null".to_owned() } else { format!("\"{key}\"") };
            let null = if id.ends_with('!') { r#","null_value":true"# } else { "" };
            format!(r#"{{"in":"{side}","key":{key},"ts":{ts},"id":"{id}"{null}}}"#)
        }
        ["clock", ms] => format!(r#"{{"clock":{ms}}}"#),
        _ => format!(r#"{{"{text}":true}}"#),
    }
}

/// `3 a+b@12`: the third event puts out the pair of `a` and `b` with time 12;
/// `a+-@12` a pad; `3 dropped L a x2` the growth of the dropped-records total.
fn short(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let i = line.get("i")?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    Some(if let Some(out) = line.get("out") {
        format!("{i} {}+{}@{}", text(&out["l"]), text(&out["r"]), out["ts"])
    } else if let Some(late) = line.get("late") {
        let count = late.get("count").map_or(String::new(), |n| format!(" x{n}"));
        format!("{i} dropped {} {}{count}", text(&late["side"]), text(&late["id"]))
    } else {
        format!("{i} error {}", text(&line["error"]))
    })
}

fn run(spec: &str, events: &str) -> Vec<String> {
    let (mut traces, mut out) = (Traces::new(), String::new());
    traces.line(spec, &mut out).unwrap();
    for text in events.split(';') {
        traces.line(&event(text.trim()), &mut out).unwrap();
    }
    out.lines().filter_map(short).collect()
}

const ROCKS: &str = r#","store":"rocksdb""#;
const MEMORY: &str = r#","store":"memory""#;
/// Windows are looked at on every head row.
const AT_ONCE: &str = r#","emit_interval_ms":0"#;
const IDLES: &str = r#","max_task_idle_ms":100"#;

fn nothing() -> Vec<String> {
    Vec::new()
}

#[test]
fn d2_4_pairs_come_by_time_then_arrival_at_the_larger_time() {
    let out = run(
        &spec("inner 10 10 5", ""),
        "L a k 10; L b k 8; L c k 8; L other x 8; R d k 9; R e k 19; R f k 20; R g k 21",
    );
    assert_eq!(out, ["5 b+d@9", "5 c+d@9", "5 a+d@10", "6 a+e@19", "7 a+f@20"]);
}

#[test]
fn d2_1_a_dropped_row_moves_the_stream_time_and_d2_3_only_a_head_row_closes() {
    let out =
        run(&spec("left 0 5 0", AT_ONCE), "L a k 10; R n! k 30; L b x 20; L c y 26; L d z 40");
    // b: 20 + 5 < 30, padded at once; c: 31 >= 30 waits, and is behind.
    assert_eq!(out, ["2 dropped R n!", "3 b+-@20", "5 a+-@10", "5 c+-@26"]);
}

#[test]
fn d2_2_null_keys_are_padded_on_outer_sides_and_dropped_elsewhere() {
    let rows = "L a - 10; R b - 10; L c! k 10; L d! - 10";
    assert_eq!(
        run(&spec("left 5 5 5", ""), rows),
        ["1 a+-@10", "2 dropped R b", "3 dropped L c!", "4 dropped L d!"]
    );
    assert_eq!(
        run(&spec("outer 5 5 5", ""), rows),
        ["1 a+-@10", "2 -+b@10", "3 dropped L c!", "4 dropped L d!"]
    );
    assert_eq!(
        run(&spec("inner 5 5 5", ""), rows),
        ["1 dropped L a", "2 dropped R b", "3 dropped L c!", "4 dropped L d!"]
    );
}

#[test]
fn d4_a_null_value_reaches_the_store_in_memory_and_not_the_one_on_disk() {
    let inner = "inner 0 5 0";
    assert_eq!(run(&spec(inner, MEMORY), "L a k 20; L b! k 15"), ["2 dropped L b! x2"]);
    assert_eq!(run(&spec(inner, ROCKS), "L a k 20; L b! k 15"), ["2 dropped L b!"]);
    let rows = "L a! k 100; L b k 95; R c k 95";
    assert_eq!(run(&spec(inner, MEMORY), rows), ["1 dropped L a!", "2 dropped L b"]);
    assert_eq!(run(&spec(inner, ROCKS), rows), ["1 dropped L a!", "3 b+c@95"]);
}

#[test]
fn d2_4_both_ends_are_clamped_at_0() {
    // l + 5 <= r <= l + 10 as given: at 0 a pair comes nevertheless.
    assert_eq!(run(&spec("inner -5 10 0", ""), "L a k 0; R b k 0"), ["2 a+b@0"]);
    assert_eq!(run(&spec("inner -5 10 0", ""), "L a k 1; R b k 1"), nothing());
    assert_eq!(run(&spec("inner -5 10 0", ""), "L a k 1; R b k 6; R c k 12"), ["2 a+b@6"]);
}

#[test]
fn d2_6_out_of_order_by_more_than_after_is_padded_at_once_whatever_the_grace_and_d5b_joined() {
    let out = run(&spec("left 0 5 1000", ""), "L a x 100; L b k 94; L c k 95; R d k 96");
    assert_eq!(out, ["2 b+-@94", "4 b+d@96", "4 c+d@96"]);
}

#[test]
fn d2_6_grace_and_before_of_the_right_side() {
    // Right rows reach on by `before`.
    let out = run(&spec("outer 7 0 1000", ""), "R a x 100; R b k 93; R c k 92; L d k 99");
    assert_eq!(out, ["3 -+c@92", "4 d+c@99", "4 d+b@99"]);
}

#[test]
fn d3_2_closed_windows_are_looked_for_once_a_second_of_wall_clock() {
    // With nothing waiting 3.1 wraps: the first row takes the turn.
    let out = run(
        &spec("left 0 5 0", ""),
        "L a x 10; L b y 20; L c z 30; clock 999; L d w 40; clock 1000; L e v 50",
    );
    assert_eq!(out, ["7 a+-@10", "7 b+-@20", "7 c+-@30", "7 d+-@40"]);
}

#[test]
fn d3_1_with_after_and_grace_0_nothing_wraps_and_the_turn_is_kept() {
    assert_eq!(run(&spec("left 0 0 0", ""), "L a x 10; L b y 11"), ["2 a+-@10"]);
}

#[test]
fn d3_1_a_right_row_looks_by_before() {
    let rows = "L a x 10; L b y 14; L c z 15; L d w 16";
    // After the walk at d `min` is 15, so that 15 + 5 >= 20 keeps b back …
    let left = run(&spec("left 0 5 0", AT_ONCE), &format!("{rows}; L e v 20; L f u 21"));
    assert_eq!(left, ["4 a+-@10", "6 b+-@14", "6 c+-@15"]);
    // … but not 15 + 0; that walk ends with d, so that 16 + 5 >= 21 keeps c back.
    let right = run(&spec("left 0 5 0", AT_ONCE), &format!("{rows}; R e v 20; L f u 21; L g t 22"));
    assert_eq!(right, ["4 a+-@10", "5 b+-@14", "7 c+-@15", "7 d+-@16"]);
}

#[test]
fn d3_3_the_walk_is_by_time_right_before_left_key() {
    let out = run(
        &spec("outer 0 0 0", AT_ONCE),
        "L a bb 10; R b c 10; L c b 10; R d a 10; L e a 9; L f z 20",
    );
    // e is behind, and 9 + 0 < 10 pads it at once; it does not find d at 10.
    assert_eq!(out, ["5 e+-@9", "6 -+d@10", "6 -+b@10", "6 c+-@10", "6 a+-@10"]);
}

#[test]
fn d3_3_equal_rows_are_steps_of_their_own() {
    let out = run(
        &spec("outer 5 5 0", AT_ONCE),
        "L m q 5; R n q 5; R b y 9; L a x 10; L a2 x 10; L c z 14; L d w 16",
    );
    // At c: b and a are open, so the step a2 ends the walk with `min` = 10;
    // were a list one step, `min` would be that of no row or of a later one.
    assert_eq!(out, ["2 m+n@5", "7 -+b@9", "7 a+-@10", "7 a2+-@10"]);
}

#[test]
fn d2_5_a_match_takes_the_whole_list_and_d5d_any_key_closes() {
    let out = run(&spec("left 5 5 0", AT_ONCE), "L a k 10; L b k 10; L c x 10; R d k 12; L e y 30");
    assert_eq!(out, ["4 a+d@12", "4 b+d@12", "5 c+-@10"]);
}

#[test]
fn d4_what_each_store_drops() {
    // Retention 5; a segment on disk is 60,000 ms.
    let rows = "L a k 60000; L b k 59994; R c k 59994; L d x 60005; L e k 59999; R f k 59999";
    assert_eq!(run(&spec("inner 0 5 0", ROCKS), rows), ["5 dropped L e"]);
    assert_eq!(run(&spec("inner 0 5 0", MEMORY), rows), ["2 dropped L b", "5 dropped L e"]);
    // The oldest that is kept, and the first that is not.
    for store in [ROCKS, MEMORY] {
        assert_eq!(run(&spec("inner 0 5 0", store), "L a k 100; L b k 96; R c k 96"), ["3 b+c@96"]);
        let out = run(&spec("inner 0 5 0", store), "L a k 100; L b k 95; R c k 95");
        assert!(!out.iter().any(|line| line.contains('+')), "{out:?}");
    }
}

#[test]
fn d4_what_a_store_has_seen_is_its_sides_own() {
    let out = run(&spec("inner 0 5 0", MEMORY), "R r x 1000; L a k 10; R b k 12");
    assert_eq!(out, ["3 a+b@12", "3 dropped R b"]);
}

#[test]
fn d5c_nothing_comes_at_the_end_and_watermarks_say_nothing() {
    let (mut traces, mut out) = (Traces::new(), String::new());
    for line in [
        &spec("outer 0 5 0", AT_ONCE)[..],
        r#"{"in":"L","key":"k","ts":1,"id":"a"}"#,
        r#"{"wm":"L","ts":1000}"#,
        r#"{"idle":"R"}"#,
        r#"{"active":"R"}"#,
        r#"{"checkpoint":true}"#,
        r#"{"clock":100000}"#,
        r#"{"end":true}"#,
    ] {
        traces.line(line, &mut out).unwrap();
    }
    assert_eq!(out, "{\"trace\":0,\"name\":null}\n");
}

#[test]
fn d7_a_negative_timestamp_stops_the_thread_or_is_dropped() {
    let rows = "L a k 5; L b k -1; R c k 5";
    let skip = r#","on_invalid":"skip""#;
    assert_eq!(run(&spec("inner 5 5 0", skip), rows), ["2 dropped L b", "3 a+c@5"]);
    let out = run(&spec("inner 5 5 0", ""), rows);
    assert!(out.len() == 1 && out[0].contains("a record has the timestamp -1"), "{out:?}");
    // No timestamp at all is Kafka's -1.
    assert_eq!(run(&spec("inner 5 5 0", skip), "L a k null"), ["1 dropped L a"]);
}

#[test]
fn d7_an_invalid_record_stops_the_task_before_the_one_in_front_of_it() {
    let out = run(&spec("left 5 5 0", IDLES), "L a - 5; L b k -1; clock 100");
    assert!(out.len() == 1 && out[0].starts_with("3 error"), "{out:?}");
}

#[test]
fn a_task_takes_the_smallest_timestamp_and_waits_for_an_empty_partition() {
    let out = run(
        &spec("inner 0 10 0", IDLES),
        "L a k 10; L b k 12; R c k 11; clock 100; R d k 12; clock 199; clock 200",
    );
    assert_eq!(out, ["3 a+c@11", "7 a+d@12", "7 b+d@12"]);
    // Off, or without a wait: what is there is taken.
    for idle in ["-1", "0"] {
        let given = spec("inner 0 10 0", &format!(r#","max_task_idle_ms":{idle}"#));
        assert_eq!(run(&given, "L a k 10; R c k 11"), ["2 a+c@11"]);
    }
}

#[test]
fn equal_heads_alternate() {
    let out = run(&spec("outer 5 5 0", IDLES), "L a - 5; L b - 5; R c - 5; R d - 5; clock 100");
    assert_eq!(out, ["3 a+-@5", "3 -+c@5", "4 b+-@5", "5 -+d@5"]);
}

#[test]
fn a_dropped_record_alone_in_its_queue_takes_its_place() {
    let idles = format!(r#"{IDLES},"on_invalid":"skip""#);
    let out = run(&spec("outer 5 5 0", &idles), "R x k -3; L a - 5; clock 99; clock 100");
    assert_eq!(out, ["1 dropped R x", "4 a+-@5"]);
}

#[test]
fn a_restart_is_refused_and_says_why() {
    let (mut traces, mut out) = (Traces::new(), String::new());
    traces.line(&spec("left 5 5 0", ""), &mut out).unwrap();
    let error = traces.line(&event("snapshot"), &mut out).unwrap_err();
    assert!(error.to_string().contains("its test driver cannot restore"), "{error}");
    traces.line(&event("checkpoint"), &mut out).unwrap();
}

#[test]
fn bad_specs_are_named() {
    for (windows, more, says) in [
        ("left 1 -2 0", "", "their sum must be 0 or more"),
        ("left 0 0 -1", "", "grace_ms -1"),
        ("left 1 9223372036854775806 1", "", "leaves 64 bits"),
        ("right 0 0 0", "", "write inner, left or outer"),
        ("left 0 0 0", r#","max_task_idle_ms":-2"#, "max_task_idle_ms -2: write -1"),
        ("left 0 0 0", r#","emit_interval_ms":-1"#, "emit_interval_ms -1"),
        ("left 0 0 0", r#","store":"disk""#, "unknown variant `disk`"),
        ("left 0 0 0", r#","lower_ms":1"#, "unknown field `lower_ms`"),
    ] {
        let error = Traces::new().line(&spec(windows, more), &mut String::new()).unwrap_err();
        assert!(error.to_string().contains(says), "{windows}{more}: {error}");
    }
    let mut traces = Traces::new();
    traces.line(&spec("left 0 0 0", r#","clock_ms":5"#), &mut String::new()).unwrap();
    let error = traces.line(r#"{"clock":4}"#, &mut String::new()).unwrap_err();
    assert!(error.to_string().contains("goes back"), "{error}");
}
