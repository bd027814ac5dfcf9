//! Where `clean` and the released semantics must give the same multiset (end
//! of 3-semantics), and one example for each place where they need not.

use serde_json::{Map, Value, json};

use crate::compare::{pairs, show};
use crate::kept;
use crate::random::{Dice, Keys, SIDES, Story};
use crate::trace::{Given, Trace, ours};

const TRACES: u64 = 3000;

/// The same events under `clean`.
fn clean(trace: &Trace) -> Trace {
    let (lower, upper) = match trace.semantics() {
        "kafka-streams" => (-trace.setting("before_ms"), trace.setting("after_ms")),
        _ => (trace.setting("lower_ms"), trace.setting("upper_ms")),
    };
    let kind = match trace.spec["kind"].as_str() {
        Some("outer") => "full",
        kind => kind.unwrap(),
    };
    Trace {
        spec: json!({ "semantics": "clean", "kind": kind, "lower_ms": lower, "upper_ms": upper }),
        events: trace.events.clone(),
    }
}

fn agree(number: u64, trace: &Trace) {
    agree_beside(number, trace, &Value::Null);
}

/// The same, but for what comes out of one row; how many pads there were.
fn agree_beside(number: u64, trace: &Trace, but: &Value) -> usize {
    let (here, there) = (ours(&clean(trace)), ours(trace));
    let refused =
        there.iter().find(|line| line.contains("\"refused\"") || line.contains("\"error\""));
    assert_eq!(refused, None, "{}", trace.text());
    let (but, null) = (but.to_string(), Value::Null.to_string());
    let kept = |given: &Given| {
        let mut kept = pairs(given);
        kept.retain(|(l, r)| but == null || *l != but && *r != but);
        kept
    };
    let expected = kept(&here);
    assert_eq!(expected, kept(&there), "trace {number}\n{}", show(trace, &here, &there));
    expected.iter().filter(|(l, r)| *l == null || *r == null).count()
}

/// Rows that come after the event-time watermark, all times positive; every
/// row has the chance to be the last or the first that matches.
fn orderly(spec: Map<String, Value>, dice: &mut Dice) -> Trace {
    let bound = |name: &str| spec[name].as_i64().unwrap();
    let (lower, upper) = (bound("lower_ms"), bound("upper_ms"));
    let keys = Keys::new(dice);
    let mut story = Story::default();
    let mut marks = [i64::MIN; 2];
    let mut now = 1;
    for _ in 0..dice.between(5, 50) {
        now += dice.between(0, 3);
        let side = usize::from(dice.chance(50));
        let combined = marks[0].min(marks[1]);
        if dice.chance(25) {
            let mark = match story.earlier(usize::from(dice.chance(50)), dice) {
                Some(time) => {
                    let by = dice.pick(&[0, upper, -lower, upper - lower]);
                    dice.near(time + by)
                }
                None => now,
            };
            marks[side] = marks[side].max(mark);
            story.event(json!({ "wm": SIDES[side], "ts": mark }));
        } else if dice.chance(3) {
            let what = dice.pick(&["snapshot", "checkpoint"]);
            story.event(json!({ what: true }));
        } else {
            let time = match story.earlier(1 - side, dice) {
                Some(other) if dice.chance(50) => {
                    let by = dice.pick(&[lower, upper]);
                    dice.near(if side == 0 { other - by } else { other + by })
                }
                _ => now - dice.between(0, 8),
            };
            let time = time.max(combined.saturating_add(1)).max(1);
            let key = keys.one(dice);
            story.row(side, Some(key), Some(time), false);
        }
    }
    story.event(json!({ "end": true }));
    story.trace(spec, dice)
}

fn interval(semantics: &str, kind: &str, dice: &mut Dice) -> Map<String, Value> {
    let (one, other) = (dice.between(-8, 8), dice.between(-8, 8));
    let mut spec = Map::new();
    spec.insert("semantics".to_owned(), semantics.into());
    spec.insert("kind".to_owned(), kind.into());
    spec.insert("lower_ms".to_owned(), one.min(other).into());
    spec.insert("upper_ms".to_owned(), one.max(other).into());
    spec
}

#[test]
fn clean_and_flink_sql_agree_while_rows_come_after_the_watermark() {
    for kind in ["inner", "left", "right", "full"] {
        for number in 0..TRACES {
            let mut dice = Dice::new("agree flink-sql", kind, 1, number);
            let mut spec = interval("flink-sql", kind, &mut dice);
            spec.insert("min_cleanup_ms".to_owned(), dice.pick(&[0, 0, 1, 7, 30]).into());
            agree(number, &orderly(spec, &mut dice));
        }
    }
}

#[test]
fn clean_and_flink_datastream_agree_while_rows_come_after_the_watermark() {
    for number in 0..TRACES {
        let mut dice = Dice::new("agree flink-datastream", "inner", 1, number);
        let spec = interval("flink-datastream", "inner", &mut dice);
        agree(number, &orderly(spec, &mut dice));
    }
}

/// The grace must be larger than the disorder by what the shorter side of the
/// window leaves of it (`join::kafka_streams`); where that is 0, a grace as large
/// as the disorder is not enough
/// (examples/kafka-streams-grace-as-large-as-the-disorder.jsonl).
#[test]
fn clean_and_kafka_streams_inner_agree_while_the_grace_covers_the_disorder() {
    for number in 0..TRACES {
        let mut dice = Dice::new("agree kafka-streams", "inner", 1, number);
        let before = dice.between(-3, 8);
        let after = dice.between((-before).max(-3), 8);
        let disorder = dice.between(0, 12);
        let grace = (disorder + 1 - before.min(after)).max(0);
        let mut story = Story::default();
        let keys = Keys::new(&mut dice);
        let (mut now, mut stream) = (0, 0);
        for _ in 0..dice.between(5, 40) {
            now += dice.between(0, 3);
            let side = usize::from(dice.chance(50));
            let time = match story.earlier(1 - side, &mut dice) {
                Some(other) if dice.chance(50) => {
                    let by = dice.pick(&[-before, after]);
                    dice.near(if side == 0 { other - by } else { other + by })
                }
                _ => now - dice.between(0, disorder),
            };
            let time = time.max(stream - disorder).max(1);
            stream = stream.max(time);
            let key = keys.one(&mut dice);
            story.row(side, Some(key), Some(time), false);
            // What a Flink source would say: nothing is late.
            for side in SIDES {
                story.event(json!({ "wm": side, "ts": stream - disorder - 1 }));
            }
        }
        let Value::Object(spec) = json!({
            "semantics": "kafka-streams", "kind": "inner",
            "before_ms": before, "after_ms": after, "grace_ms": grace,
            "store": dice.pick(&["memory", "rocksdb"]),
        }) else {
            unreachable!("an object")
        };
        agree(number, &story.trace(spec, &dice));
    }
}

/// A closing row, of a key of its own and later than every window, sets off the
/// pads that still wait (rule D3); its own is not compared, as Kafka Streams
/// never gives it. The grace shows every partner, as for the inner join.
#[test]
fn clean_and_kafka_streams_outer_joins_agree_in_order_of_time_with_a_closing_row() {
    for kind in ["left", "outer"] {
        let mut pads = 0;
        for number in 0..TRACES {
            let mut dice = Dice::new("agree kafka-streams", kind, 1, number);
            let before = dice.between(-3, 8);
            let after = dice.between((-before).max(-3), 8);
            let grace = (1 - before.min(after)).max(0) + dice.pick(&[0, 0, 1, 7]);
            let mut story = Story::default();
            let keys = Keys::new(&mut dice);
            let (mut now, mut wall) = (1, 0);
            for _ in 0..dice.between(5, 40) {
                now += dice.pick(&[0, 0, 1, 1, 2, 3, 9]);
                let key = keys.one(&mut dice);
                story.row(usize::from(dice.chance(50)), Some(key), Some(now), false);
                for side in SIDES {
                    story.event(json!({ "wm": side, "ts": now - 1 }));
                }
                if dice.chance(20) {
                    wall += dice.pick(&[1, 999, 1000]);
                    story.event(json!({ "clock": wall }));
                }
            }
            // Past the throttle of rule D3.2.
            story.event(json!({ "clock": wall + 1000 }));
            let side = usize::from(dice.chance(50));
            story.row(side, Some("closing"), Some(now + grace + 100), false);
            let closing = story.events.last().unwrap()["id"].clone();
            story.event(json!({ "end": true }));
            let Value::Object(spec) = json!({
                "semantics": "kafka-streams", "kind": kind,
                "before_ms": before, "after_ms": after, "grace_ms": grace,
                "store": dice.pick(&["memory", "rocksdb"]),
            }) else {
                unreachable!("an object")
            };
            pads += agree_beside(number, &story.trace(spec, &dice), &closing);
        }
        assert!(pads > 1_000, "{kind}: {pads}");
    }
}

/// Each example is also given to the release (`released`).
#[test]
fn every_example_shows_a_difference() {
    let examples = kept("examples");
    assert!(!examples.is_empty());
    for (path, example) in examples {
        let (here, there) = (ours(&clean(&example)), ours(&example));
        assert!(!there.iter().any(|line| line.contains("\"refused\"")), "{there:?}");
        assert_ne!(pairs(&here), pairs(&there), "{}", path.display());
    }
}
