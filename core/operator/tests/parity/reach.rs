//! That the random traces reach what they are for: a release that differed in
//! one rule would be caught within the traces of a CI run.

use serde_json::{Value, json};

use crate::hunt::differing;
use crate::random;
use crate::trace::{Given, Trace, all_ours, ours};

const TRACES: u64 = 2000;

/// What one trace has, spec or events made otherwise.
type Otherwise = fn(&mut Trace);

fn add(trace: &mut Trace, setting: &str, by: i64) {
    trace.spec[setting] = (trace.setting(setting) + by).into();
}

/// Every event keeps its place and number.
fn instead(trace: &mut Trace, of: &str, other: Value) {
    for event in &mut trace.events {
        if event.get(of).is_some() {
            *event = other.clone();
        }
    }
}

/// A release that behaves as ours does when told otherwise.
fn caught(semantics: &str, kind: &str, what: &str, otherwise: Otherwise) {
    let mut theirs = |traces: &[Trace]| -> Vec<Given> {
        let mut traces = traces.to_vec();
        traces.iter_mut().for_each(otherwise);
        all_ours(&traces)
    };
    let found = (0..TRACES).step_by(100).any(|from| {
        let traces: Vec<Trace> =
            (from..from + 100).map(|n| random::trace(semantics, kind, 1, n)).collect();
        differing(&traces, &mut theirs).is_some()
    });
    assert!(found, "{semantics} {kind}, {what}: not seen in {TRACES} traces");
}

#[test]
fn a_flink_rule_that_is_off_is_caught() {
    for kind in ["inner", "left", "right", "full"] {
        let sql = |what, otherwise| caught("flink-sql", kind, what, otherwise);
        sql("upper bound", |trace| add(trace, "upper_ms", 1));
        sql("lower bound", |trace| add(trace, "lower_ms", -1));
        sql("cleanup one later", |trace| add(trace, "min_cleanup_ms", 1));
        sql("no cleanup interval", |trace| trace.spec["min_cleanup_ms"] = 0.into());
        sql("active is nothing", |trace| instead(trace, "active", json!({ "checkpoint": true })));
        sql("idle is nothing", |trace| instead(trace, "idle", json!({ "checkpoint": true })));
        sql("records have timestamps", |trace| trace.spec["record_ts"] = true.into());
        sql("a restore forgets nothing", |trace| {
            instead(trace, "snapshot", json!({ "checkpoint": true }));
        });
    }
    let stream = |what, otherwise| caught("flink-datastream", "inner", what, otherwise);
    stream("upper bound", |trace| add(trace, "upper_ms", 1));
    stream("lower bound", |trace| add(trace, "lower_ms", -1));
    stream("strict bounds", |trace| trace.spec["upper_inclusive"] = true.into());
    stream("a restore forgets nothing", |trace| {
        instead(trace, "snapshot", json!({ "checkpoint": true }));
    });
}

#[test]
fn a_kafka_streams_rule_that_is_off_is_caught() {
    for kind in ["inner", "left", "outer"] {
        let streams = |what, otherwise| caught("kafka-streams", kind, what, otherwise);
        streams("before", |trace| add(trace, "before_ms", 1));
        streams("after", |trace| add(trace, "after_ms", 1));
        streams("grace", |trace| add(trace, "grace_ms", 1));
        streams("always in memory", |trace| trace.spec["store"] = "memory".into());
        streams("always on RocksDB", |trace| trace.spec["store"] = "rocksdb".into());
        streams("invalid times stop it", |trace| trace.spec["on_invalid"] = "fail".into());
        streams("inputs in given order", |trace| {
            trace.spec.as_object_mut().unwrap().shift_remove("max_task_idle_ms");
        });
        streams("a null value is a value", |trace| {
            for event in &mut trace.events {
                event.as_object_mut().unwrap().shift_remove("null_value");
            }
        });
        if kind != "inner" {
            streams("no emit interval", |trace| trace.spec["emit_interval_ms"] = 0.into());
            streams("a longer emit interval", |trace| add(trace, "emit_interval_ms", 1));
        }
    }
}

/// What never comes out is not compared.
#[test]
fn every_line_of_the_protocol_comes_out() {
    for (semantics, kind, lines) in [
        ("flink-sql", "inner", &["\"out\"", "\"wm\"", "\"status\"", "\"timers\"", "\"error\""][..]),
        ("flink-sql", "left", &["\"r\":null", "\"ts\":null"]),
        ("flink-sql", "right", &["\"l\":null"]),
        ("flink-sql", "full", &["\"l\":null", "\"r\":null"]),
        ("flink-datastream", "inner", &["\"out\"", "\"late\"", "\"status\"", "\"error\""]),
        ("kafka-streams", "inner", &["\"out\"", "\"late\"", "\"count\"", "\"error\""]),
        ("kafka-streams", "left", &["\"r\":null", "\"late\"", "\"error\""]),
        ("kafka-streams", "outer", &["\"l\":null", "\"r\":null", "\"late\"", "\"error\""]),
    ] {
        let traces: Vec<Trace> = (0..500).map(|n| random::trace(semantics, kind, 1, n)).collect();
        let given: Vec<Given> = all_ours(&traces);
        let with = |what: &str| {
            given.iter().filter(|lines| lines.iter().any(|line| line.contains(what))).count()
        };
        for line in lines {
            assert!(with(line) > 0, "{semantics} {kind}: never {line}");
        }
        assert!(with("\"out\"") > 200, "{semantics} {kind}: {} with outputs", with("\"out\""));
        assert_eq!(with("\"refused\""), 0, "{semantics} {kind}");
    }
}

/// The cleanup timer that wraps: the release never returns (12-released-joins,
/// B12), so its driver is not asked.
#[test]
fn where_flink_sql_never_returns_there_is_an_error() {
    let largest = |upper: i64, cleanup: i64| i64::MAX - upper - cleanup - 1;
    for (upper, cleanup) in [(5, 0), (5, 10), (0, 0)] {
        for (time, fails) in [(largest(upper, cleanup), false), (largest(upper, cleanup) + 1, true)]
        {
            let trace = Trace {
                spec: json!({
                    "semantics": "flink-sql", "kind": "left", "lower_ms": 0, "upper_ms": upper,
                    "min_cleanup_ms": cleanup,
                }),
                events: vec![
                    json!({ "in": "L", "key": "k", "ts": time, "id": "l" }),
                    json!({ "wm": "L", "ts": 1 }),
                    json!({ "wm": "R", "ts": 1 }),
                ],
            };
            let given = ours(&trace);
            let error = given.iter().any(|line| line.contains("\"error\""));
            assert_eq!(error, fails, "{}{given:?}", trace.text());
        }
    }
}
