mod flink;

use super::Traces;

/// What a list of lines gives, and the error that ends it.
fn run(lines: &[&str]) -> (Vec<String>, Option<String>) {
    let (mut traces, mut out) = (Traces::new(), String::new());
    let error = lines.iter().find_map(|line| traces.line(line, &mut out).err());
    (out.lines().map(str::to_owned).collect(), error.map(|error| error.to_string()))
}

fn ok(lines: &[&str]) -> Vec<String> {
    let (out, error) = run(lines);
    assert_eq!(error, None);
    out
}

const LEFT: &str = r#"{"semantics":"clean","kind":"left","lower_ms":0,"upper_ms":5,"name":"n"}"#;

#[test]
fn a_left_join_matches_pads_and_calls_late() {
    let out = ok(&[
        LEFT,
        r#"{"in":"L","key":"k","ts":10,"id":"a"}"#,
        r#"{"in":"L","key":"other","ts":10,"id":"b"}"#,
        r#"{"in":"R","key":"k","ts":15,"id":"c"}"#,
        r#"{"in":"R","key":"k","ts":16,"id":"d"}"#,
        r#"{"wm":"L","ts":15}"#,
        r#"{"wm":"R","ts":15}"#,
        r#"{"in":"R","key":"other","ts":15,"id":"e"}"#,
        r#"{"in":"L","key":"k","ts":14,"id":"f"}"#,
        r#"{"in":"L","key":"x","ts":15,"id":"g"}"#,
        r#"{"end":true}"#,
    ]);
    assert_eq!(
        out,
        [
            r#"{"trace":0,"name":"n"}"#,
            r#"{"i":3,"out":{"l":"a","r":"c","ts":15}}"#,
            r#"{"i":6,"wm":15}"#,
            r#"{"i":7,"out":{"l":"b","r":"e","ts":15}}"#,
            r#"{"i":8,"late":{"side":"L","id":"f"}}"#,
            r#"{"i":10,"out":{"l":"g","r":null,"ts":15}}"#,
            r#"{"i":10,"wm":9223372036854775807}"#,
        ]
    );
}

#[test]
fn rows_without_key_time_or_value_give_nothing() {
    let out = ok(&[
        LEFT,
        r#"{"in":"L","key":null,"ts":10,"id":"a"}"#,
        r#"{"in":"L","key":"k","ts":null,"id":"b"}"#,
        r#"{"in":"L","key":"k","ts":10,"id":"c","null_value":true}"#,
        r#"{"in":"L","key":"k","ts":9223372036854775807,"id":"d"}"#,
        r#"{"in":"R","key":"k","ts":-9223372036854775808,"id":"e"}"#,
        r#"{"end":true}"#,
    ]);
    assert_eq!(out, [r#"{"trace":0,"name":"n"}"#, r#"{"i":6,"wm":9223372036854775807}"#]);
}

#[test]
fn idleness_frees_the_join_and_all_idle_it_stays() {
    let out = ok(&[
        r#"{"semantics":"clean","kind":"full","lower_ms":-1,"upper_ms":1,"debug":true}"#,
        r#"{"in":"R","key":1,"ts":3,"id":"r"}"#,
        r#"{"wm":"L","ts":9}"#,
        r#"{"idle":"R"}"#,
        r#"{"idle":"L"}"#,
        r#"{"active":"R"}"#,
        r#"{"wm":"R","ts":12}"#,
        r#"{"clock":77}"#,
    ]);
    assert_eq!(
        out,
        [
            r#"{"trace":0,"name":null}"#,
            r#"{"i":1,"timers":1}"#,
            r#"{"i":2,"timers":1}"#,
            r#"{"i":3,"out":{"l":null,"r":"r","ts":3}}"#,
            r#"{"i":3,"wm":9}"#,
            r#"{"i":3,"timers":0}"#,
            r#"{"i":4,"status":"idle"}"#,
            r#"{"i":4,"timers":0}"#,
            r#"{"i":5,"status":"active"}"#,
            r#"{"i":5,"timers":0}"#,
            r#"{"i":6,"wm":12}"#,
            r#"{"i":6,"timers":0}"#,
            r#"{"i":7,"timers":0}"#,
        ]
    );
}

#[test]
fn a_restore_brings_rows_and_watermarks_back() {
    let events = [
        r#"{"in":"L","key":"k","ts":10,"id":"a"}"#,
        r#"{"in":"L","key":"k","ts":11,"id":"b"}"#,
        r#"{"wm":"L","ts":11}"#,
        r#"{"wm":"R","ts":11}"#,
        r#"{"in":"R","key":"k","ts":12,"id":"c"}"#,
        r#"{"in":"R","key":"k","ts":10,"id":"late"}"#,
        r#"{"in":"L","key":"x","ts":11,"id":"d"}"#,
        r#"{"idle":"L"}"#,
        r#"{"wm":"R","ts":20}"#,
        r#"{"end":true}"#,
    ];
    let plain = ok(&[&[LEFT], &events[..]].concat());
    for what in [r#"{"snapshot":true}"#, r#"{"checkpoint":true}"#] {
        let mut lines = vec![LEFT];
        for event in events {
            lines.extend([event, what]);
        }
        // The same lines; their events are numbered 1, 3, 5, … here.
        let renumbered: Vec<String> = ok(&lines)
            .into_iter()
            .map(|line| match line.strip_prefix("{\"i\":") {
                None => line,
                Some(rest) => {
                    let (i, rest) = rest.split_once(',').unwrap();
                    format!("{{\"i\":{},{rest}", i.parse::<u64>().unwrap().div_ceil(2))
                }
            })
            .collect();
        assert_eq!(renumbered, plain);
    }
}

#[test]
fn traces_follow_one_another() {
    let out = ok(&[
        r#"{"semantics":"clean","kind":"inner","lower_ms":0,"upper_ms":1,"lower_inclusive":false}"#,
        r#"{"in":"L","key":"k","ts":1,"id":"a"}"#,
        r#"{"in":"R","key":"k","ts":1,"id":"b"}"#,
        r#"{"in":"R","key":"k","ts":2,"id":"c"}"#,
        "",
        r#"{"semantics":"clean","kind":"inner","lower_ms":0,"upper_ms":1,"name":"two"}"#,
        r#"{"in":"R","key":"k","ts":1,"id":"b"}"#,
    ]);
    assert_eq!(
        out,
        [
            r#"{"trace":0,"name":null}"#,
            r#"{"i":3,"out":{"l":"a","r":"c","ts":2}}"#,
            r#"{"trace":1,"name":"two"}"#,
        ]
    );
}

#[test]
fn bad_lines_are_named() {
    for (line, says) in [
        (r#"{"in":"L","key":"k","ts":1}"#, "missing field `id`"),
        (r#"{"in":"L","key":"k","id":"a"}"#, "missing field `ts`"),
        (r#"{"in":"M","key":"k","ts":1,"id":"a"}"#, "unknown variant `M`"),
        (r#"{"in":"L","key":[1],"ts":1,"id":"a"}"#, "write a text"),
        (r#"{"in":"L","key":1.5,"ts":1,"id":"a"}"#, "write a text"),
        (r#"{"in":"L","key":"k","ts":1.5,"id":"a"}"#, "column 28: invalid type: floating"),
        (r#"{"in":"L","key":"k","ts":1,"id":"a","tz":1}"#, "unknown field `tz`"),
        (r#"{"wm":"L"}"#, "missing field `ts`"),
        (r#"{"end":false}"#, "write true"),
        (r#"{"hello":1}"#, "no line of a trace"),
        ("[]", "no line of a trace"),
        ("{", "EOF"),
        (r#"{"semantics":"flink","kind":"inner"}"#, "write \"clean\", \"flink-sql\""),
        (r#"{"semantics":7,"kind":"inner"}"#, "semantics 7: write"),
        (r#"{"semantics":"flink-sql","kind":"inner"}"#, "missing field `lower_ms`"),
        (
            r#"{"semantics":"flink-sql","kind":"left","lower_ms":1,"upper_ms":0}"#,
            "lower_ms 1 is above upper_ms 0: exchange",
        ),
        (
            r#"{"semantics":"flink-sql","kind":"left","lower_ms":0,"upper_ms":0,"grace_ms":1}"#,
            "unknown field `grace_ms`",
        ),
        (
            r#"{"semantics":"flink-sql","kind":"left","lower_ms":0,"upper_ms":0,"min_cleanup_ms":-1}"#,
            "min_cleanup_ms -1: write 0 or more",
        ),
        (
            r#"{"semantics":"flink-sql","kind":"left","lower_ms":0,"upper_ms":0,"max_parallelism":0}"#,
            "max_parallelism 0: write 1 to 32768",
        ),
        (
            r#"{"semantics":"flink-datastream","kind":"left","lower_ms":0,"upper_ms":0}"#,
            "\"inner\" only",
        ),
        (
            r#"{"semantics":"kafka-streams","kind":"left","before_ms":0,"after_ms":0}"#,
            "missing field `grace_ms`",
        ),
        (
            r#"{"semantics":"kafka-streams","kind":"right","before_ms":0,"after_ms":0,"grace_ms":0}"#,
            "kind \"right\": write inner, left or outer",
        ),
        (
            r#"{"semantics":"kafka-streams","kind":"left","before_ms":-5,"after_ms":4,"grace_ms":0}"#,
            "their sum must be 0 or more",
        ),
        (
            r#"{"semantics":"kafka-streams","kind":"left","before_ms":0,"after_ms":0,"grace_ms":-1}"#,
            "grace_ms -1: write 0 or more",
        ),
        (
            r#"{"semantics":"kafka-streams","kind":"left","before_ms":0,"after_ms":1,"grace_ms":9223372036854775807}"#,
            "before_ms + after_ms + grace_ms, how long",
        ),
        (
            r#"{"semantics":"kafka-streams","kind":"left","before_ms":0,"after_ms":0,"grace_ms":0,"max_task_idle_ms":-2}"#,
            "max_task_idle_ms -2: write -1",
        ),
        (
            r#"{"semantics":"kafka-streams","kind":"left","before_ms":0,"after_ms":0,"grace_ms":0,"lower_ms":0}"#,
            "unknown field `lower_ms`",
        ),
        (
            r#"{"semantics":"kafka-streams","kind":"left","before_ms":0,"after_ms":0,"grace_ms":0,"store":"heap"}"#,
            "unknown variant `heap`",
        ),
        (r#"{"clock":"noon"}"#, "invalid type: string"),
        (r#"{"end":true,"snapshot":true}"#, "duplicate field `end`"),
        (r#"{"end":true,"ts":7}"#, "expected one of `checkpoint`, `end`, `snapshot`"),
        (r#"{"checkpoint":false}"#, "an event that is false"),
        (r#"{"clock":7,"ts":7}"#, "unknown field `ts`"),
        (r#"{"semantics":"clean","kind":"outer","lower_ms":0,"upper_ms":0}"#, "inner, left"),
        (r#"{"semantics":"clean","kind":"left","lower_ms":2,"upper_ms":1}"#, "exchange"),
        (r#"{"semantics":"clean","kind":"left","upper_ms":1}"#, "missing field `lower_ms`"),
    ] {
        let (_, error) = run(&[LEFT, line]);
        let error = error.unwrap_or_else(|| panic!("{line} was taken"));
        assert!(error.contains(says), "{line}: {error}");
    }
    let (_, error) = run(&[r#"{"end":true}"#]);
    assert!(error.unwrap().contains("first line of a trace is its spec"));
}

#[test]
fn a_clock_that_goes_back_is_refused() {
    let (_, error) = run(&[LEFT, r#"{"clock":7}"#, r#"{"clock":7}"#, r#"{"clock":6}"#]);
    assert!(error.unwrap().contains("clock 6: it goes back from 7"));
    // Each trace has its own.
    ok(&[LEFT, r#"{"clock":7}"#, LEFT, r#"{"clock":6}"#]);
}
