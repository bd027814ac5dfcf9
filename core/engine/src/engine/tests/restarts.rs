//! Modelled restarts: a run with them does what the operator does in a trace with
//! `snapshot` at the same places, which is held against the release
//! (`core/operator/tests/parity`).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::harness::{
    Kept, Listed, PIPELINE, done, fails, lines, same, spec, tell, tell_clock, with_folder,
};
use crate::engine::step::OutputKind;
use crate::operator::pipeline::{Kind, Pipeline};
use crate::operator::trace::Traces;
use crate::operator::verdict::Verdict;
use crate::operator::watermark::{Tracker, TrackerInput};

fn under(semantics: &str, kind: Kind) -> String {
    let join = format!("kind = \"{}\"\nsemantics = \"{semantics}\"", kind.name());
    PIPELINE.replace("kind = \"left\"", &join)
}

/// Runs with and without restarts; each must tell what is expected.
fn check(pipeline: &str, input: &str, restarts: &[u64], expected: &str) {
    let listed = Listed::parse(input);
    let mut spec = spec(pipeline, listed.clone());
    spec.restarts = restarts.to_vec();
    let (_, kept) = done(spec);
    assert_eq!(tell(pipeline, &listed, &kept.steps), lines(expected), "restarts {restarts:?}");
}

/// Out-of-orderness 10: before arrival 3 the event-time watermark stands at 1290,
/// or 1 ms less. View b is past it by then, and so is its play.
const LATE: &str = "0 views[0] a 1000
    1 plays[0] z 1300
    2 views[0] z 1300
    3 views[0] b 1100
    4 plays[0] b 1150";

#[test]
fn flink_sql_keeps_rows_that_it_would_not_have_kept() {
    let pipeline = under("flink-sql", Kind::Left);
    let until_then = "2 pair views[0]@1+plays[0]@0 t=1300
        2 pad views[0]@0 t=1000";
    check(
        &pipeline,
        LATE,
        &[],
        &format!(
            "{until_then}
            3 pad views[0]@2 t=1100
            views[0]@0 unmatched 2 2
            plays[0]@0 joined 2 -
            views[0]@1 joined 2 -
            views[0]@2 unmatched 3 3
            plays[0]@1 unmatched 4 4"
        ),
    );
    // Rules A7 and B10; B2: were the left side's expiration time not forgotten too,
    // play b would not look for a view.
    check(
        &pipeline,
        LATE,
        &[3],
        &format!(
            "{until_then}
            4 pair views[0]@2+plays[0]@1 t=1150
            views[0]@0 unmatched 2 2
            plays[0]@0 joined 2 -
            views[0]@1 joined 2 -
            views[0]@2 joined 4 -
            plays[0]@1 joined 4 -"
        ),
    );
}

#[test]
fn flink_datastream_takes_rows_that_would_have_been_late() {
    let pipeline = under("flink-datastream", Kind::Inner);
    let until_then = "views[0]@0 unmatched 2 2
        plays[0]@0 joined 2 -
        views[0]@1 joined 2 -";
    check(
        &pipeline,
        LATE,
        &[],
        &format!(
            "2 pair views[0]@1+plays[0]@0 t=1300
            {until_then}
            views[0]@2 late 3 -
            plays[0]@1 late 4 -"
        ),
    );
    // Rule C9. Rows of before are still there: z joins once more.
    check(
        &pipeline,
        &format!("{LATE}\n5 plays[0] z 1310"),
        &[3, 5],
        &format!(
            "2 pair views[0]@1+plays[0]@0 t=1300
            4 pair views[0]@2+plays[0]@1 t=1150
            5 pair views[0]@1+plays[0]@2 t=1310
            {until_then}
            views[0]@2 joined 4 -
            plays[0]@1 joined 4 -
            plays[0]@2 joined 5 -"
        ),
    );
}

#[test]
fn what_was_idle_is_not_and_its_timeout_counts_anew() {
    let pipeline = under("flink-sql", Kind::Left).replace(
        "watermark = { max_out_of_orderness = \"10ms\" }\n[join]",
        "watermark = { max_out_of_orderness = \"10ms\", idle_timeout = \"50ms\" }\n[join]",
    );
    let listed = Listed::parse(
        "+ plays[0]
        1000 views[0] a 1000
        1100 views[0] b 1001
        1120 views[0] c 1002
        1175 views[0] d 1003",
    );
    let mut spec = spec(&pipeline, listed);
    spec.restarts = vec![2];
    let (_, kept) = done(spec);
    assert_eq!(tell_clock(&kept.steps), "1 1050 idle 1\n2 1120 active 1\n3 1170 idle 1");
    let watermarks: Vec<i64> =
        kept.steps.iter().flat_map(|step| step.facts.watermark.clone()).collect();
    // None at 2, where a was before; at 3 plays are idle again, and c has moved views.
    assert_eq!(watermarks, [i64::MIN, 990, i64::MIN, 992]);
}

#[test]
fn what_cannot_be_modelled_is_refused() {
    let says = |pipeline: &str, restarts: &[u64], what: &str| {
        let mut spec = spec(pipeline, Listed::parse(LATE));
        spec.restarts = restarts.to_vec();
        let (error, kept) = fails(spec);
        assert!(error.to_string().contains(what), "{error}");
        assert!(kept.steps.is_empty());
    };
    says(PIPELINE, &[3], "clean forgets nothing");
    let streams = under("kafka-streams", Kind::Left)
        .replace("\"kafka-streams\"", "\"kafka-streams\"\ngrace = \"1s\"");
    says(&streams, &[3], "Kafka Streams");
    let sql = under("flink-sql", Kind::Left);
    says(&sql, &[3, 0], "before arrival 0");
    says(&sql, &[3, 5], "ends with arrival 4");
}

struct Case {
    pipeline: String,
    listed: Listed,
    /// (processing time, lane, key, event time).
    records: Vec<(i64, u32, String, i64)>,
    restarts: Vec<u64>,
    spec: Value,
}

fn random(seed: u64, n: usize) -> Case {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (semantics, kind) =
        [("flink-sql", Kind::Left), ("flink-sql", Kind::Full), ("flink-datastream", Kind::Inner)]
            [seed as usize % 3];
    let mut pipeline = under(semantics, kind);
    if random.random_bool(0.4) {
        pipeline = pipeline.replace("\"10ms\" }", "\"10ms\", idle_timeout = \"60ms\" }");
    }
    let mut now = 1_000;
    let mut records = Vec::new();
    for _ in 0..n {
        now += random.random_range(0..30);
        let back = if random.random_range(0..4) == 0 { 300 } else { 30 };
        let key = ["a", "b", "c", "d"][random.random_range(0..4)].to_owned();
        let time = now - random.random_range(0..back);
        records.push((now, random.random_range(0..2u32), key, time));
    }
    let topics = ["views", "plays"];
    let text: Vec<String> = records
        .iter()
        .map(|(now, lane, key, time)| format!("{now} {}[0] {key} {time}", topics[*lane as usize]))
        .collect();
    let listed = Listed::parse(&format!("+ views[0]\n+ plays[0]\n{}", text.join("\n")));
    let mut restarts: Vec<u64> =
        (0..random.random_range(1..5)).map(|_| random.random_range(1..n as u64)).collect();
    restarts.sort_unstable();
    restarts.dedup();
    let spec = json!({
        "semantics": semantics, "kind": kind.name(), "lower_ms": 0, "upper_ms": 100,
    });
    Case { pipeline, listed, records, restarts, spec }
}

/// The outputs of a run by the names of their records, and who was late.
fn of_run(case: &Case, kept: &Kept) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut told = Vec::new();
    for step in &kept.steps {
        for i in 0..step.facts.len() {
            let lane = u32::from(step.facts.input[i]);
            let name = format!("{lane}@{}", step.facts.offset[i]);
            if step.facts.at_arrival[i] == Verdict::Late as u8 {
                told.push((step.facts.arrival[i], format!("late {name}")));
            }
            names.push(name);
        }
        for output in &step.outputs {
            let of = |n: usize| names[output.records[n] as usize].clone();
            let what = match output.kind {
                OutputKind::Pair => format!("{}+{}", of(0), of(1)),
                OutputKind::Pad => format!("{} alone", of(0)),
                OutputKind::Example => panic!("no join of Flink folds"),
            };
            told.push((output.at, what));
        }
    }
    assert_eq!(names.len(), case.records.len());
    told.sort_by_key(|(at, _)| *at);
    told.into_iter().map(|(_, what)| what).collect()
}

/// The same of the operator's trace, whose event-time watermarks a tracker gives
/// that begins anew at each restart.
fn of_trace(case: &Case, restarts: &[u64]) -> Vec<String> {
    let pipeline = Pipeline::parse(&case.pipeline, "test.toml").unwrap();
    let inputs = || -> Vec<TrackerInput> {
        (0..2).map(|i| TrackerInput::of(&pipeline, i, &[0]).unwrap()).collect()
    };
    let mut tracker = Tracker::new(inputs());
    let mut trace = vec![case.spec.clone()];
    let advanced = |tracker: &Tracker, trace: &mut Vec<Value>| {
        trace.extend(["L", "R"].map(|side| json!({ "wm": side, "ts": tracker.join() })));
    };
    let mut offsets = [0; 2];
    for (arrival, (now, lane, key, time)) in (0..).zip(&case.records) {
        while let Some(due) = tracker.next_due(*now) {
            if tracker.fire(due, arrival) {
                advanced(&tracker, &mut trace);
            }
        }
        if restarts.contains(&arrival) {
            trace.push(json!({ "snapshot": true }));
            tracker = Tracker::new(inputs());
            assert_eq!(tracker.next_due(*now), None);
        }
        let offset = &mut offsets[*lane as usize];
        let (side, id) = (["L", "R"][*lane as usize], format!("{lane}@{offset}"));
        *offset += 1;
        trace.push(json!({ "in": side, "key": key, "ts": time, "id": id }));
        if tracker.observe(*lane, *time, *now, arrival) {
            advanced(&tracker, &mut trace);
        }
    }
    let (mut traces, mut out) = (Traces::new(), String::new());
    for line in &trace {
        traces.line(&line.to_string(), &mut out).unwrap();
    }
    let told = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    told.filter_map(|line| {
        assert!(line.get("error").is_none(), "{line}");
        if let Some(late) = line.get("late") {
            return Some(format!("late {}", late["id"].as_str()?));
        }
        let out = line.get("out")?;
        Some(match (out["l"].as_str(), out["r"].as_str()) {
            (Some(left), Some(right)) => format!("{left}+{right}"),
            (one, other) => format!("{} alone", one.or(other)?),
        })
    })
    .collect()
}

#[test]
fn a_run_with_restarts_is_the_operators_trace_with_snapshots() {
    let (mut changed, mut outputs) = (0, 0);
    for seed in 0..600 {
        let case = random(seed, 120);
        let mut ours = Vec::new();
        for restarts in [&case.restarts[..], &[]] {
            let mut spec = spec(&case.pipeline, case.listed.clone());
            spec.restarts = restarts.to_vec();
            let (_, kept) = done(spec);
            ours.push(of_run(&case, &kept));
            let expected = of_trace(&case, restarts);
            assert_eq!(ours[ours.len() - 1], expected, "seed {seed}, restarts {restarts:?}");
        }
        outputs += ours[0].len();
        changed += u32::from(ours[0] != ours[1]);
    }
    assert!(changed > 200 && outputs > 10_000, "{changed} {outputs}");
}

#[test]
fn memory_checkpoints_and_a_resume_change_nothing() {
    for seed in 0..3 {
        let mut case = random(seed, 4_000);
        // One right after another, one where a checkpoint lies.
        case.restarts.extend([700, 2_000, 2_001, 3_500]);
        let with = |memory: u64| {
            let mut spec = spec(&case.pipeline, case.listed.clone());
            spec.restarts.clone_from(&case.restarts);
            spec.memory = memory;
            spec
        };
        let (whole, kept) = done(with(1 << 30));
        let expected = tell(&case.pipeline, &case.listed, &kept.steps);
        let folder = tempfile::tempdir().unwrap();
        let (summary, kept) = done(with_folder(with(1), folder.path(), 500));
        assert_eq!(summary.digest, whole.digest);
        assert!(kept.checkpoints.len() >= 5, "{}", kept.checkpoints.len());
        for entry in kept.checkpoints.iter().rev() {
            let mut again = with_folder(with(1), folder.path(), 1_000_000);
            again.resume = Some(entry.clone());
            let (resumed, rest) = done(again);
            let what = format!("seed {seed} from arrival {}", entry.arrival);
            let before = kept.steps.iter().filter(|s| s.end <= entry.arrival);
            let steps = before.chain(&rest.steps);
            same(&tell(&case.pipeline, &case.listed, steps), &expected, &what);
            assert_eq!(resumed.digest, whole.digest, "{what}");
        }
    }
}
