//! Rule D10: a stream joined with itself. With `topology.optimization` left at
//! its default Kafka Streams puts no operator of its own in (that is
//! `KStreamKStreamSelfJoin`, which only `single.store.self.join` brings): it is
//! the join of two streams that each get every record, the left one first. One
//! topic is one record queue, so that a task has nothing to choose between.

use serde_json::{Map, Value, json};

use crate::driver::Driver;
use crate::random;
use crate::trace::{Given, Trace, ours};

const TRACES: u64 = 500;

/// The trace's rows on one stream, for the driver; and the same for an operator
/// of two streams.
fn traces(drawn: &Trace) -> (Trace, Trace) {
    let mut spec: Map<String, Value> = drawn.spec.as_object().unwrap().clone();
    let theirs_spec = {
        let mut spec = spec.clone();
        spec.insert("self".to_owned(), true.into());
        Value::Object(spec)
    };
    spec.remove("max_task_idle_ms");
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for event in &drawn.events {
        if event.get("in").is_none() {
            theirs.push(event.clone());
            ours.push(event.clone());
            continue;
        }
        let on = |side: &str| {
            let mut row = event.clone();
            row["in"] = json!(side);
            row
        };
        theirs.push(on("L"));
        ours.extend([on("L"), on("R")]);
    }
    (Trace { spec: theirs_spec, events: theirs }, Trace { spec: Value::Object(spec), events: ours })
}

/// What came out, and that it failed, in order; not which event caused it.
fn outs(given: &Given) -> Vec<Value> {
    let lines = given.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter_map(|line| match line.get("out") {
            Some(out) => Some(out.clone()),
            None => line.get("error").map(|_| json!("error")),
        })
        .collect()
}

#[test]
fn a_stream_joined_with_itself_gets_every_row_on_both_sides() {
    let mut driver = Driver::start("kafka-streams");
    let mut outputs = 0;
    for kind in ["inner", "left", "outer"] {
        let pairs: Vec<(Trace, Trace)> = (0..TRACES)
            .map(|number| traces(&random::trace("kafka-streams", kind, 10, number)))
            .collect();
        let asked: Vec<Trace> = pairs.iter().map(|(theirs, _)| theirs.clone()).collect();
        for ((theirs, expanded), given) in pairs.iter().zip(driver.ask(&asked)) {
            let (there, here) = (outs(&given), outs(&ours(expanded)));
            assert_eq!(here, there, "{kind}\n{}", theirs.text());
            outputs += here.len();
        }
    }
    assert!(outputs > 10_000, "{outputs} outputs are too few to say anything");
}
