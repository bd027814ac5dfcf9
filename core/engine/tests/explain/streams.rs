//! The reasons of `kafka-streams` in sentences.

use std::sync::Arc;

use joinscope_core::operator::pipeline::Pipeline;
use joinscope_core::operator::record::{Record, TimestampType, TopicPartition};
use joinscope_core::operator::time::format_duration;
use joinscope_core::run::explain::explain;

use crate::common::case::{Case, List};
use crate::run;

const PIPELINE: &str = r#"
name = "streams"
[inputs.views]
topic = "views"
format = "json"
key = "k"
event_time = { field = "t", unit = "ms" }
watermark = { max_out_of_orderness = "10ms" }
[inputs.plays]
topic = "plays"
format = "json"
key = "k"
event_time = { field = "t", unit = "ms" }
watermark = { max_out_of_orderness = "10ms" }
[join]
primary = "views"
with.plays = { after = "0s", until = "100ms" }
kind = "inner"
semantics = "kafka-streams"
grace = "20ms"
"#;

/// Views of these keys and times, in this order.
fn views(views: &[(&str, i64)]) -> Case {
    let partition = |topic: &str| TopicPartition { topic: Arc::from(topic), partition: 0 };
    let records = views.iter().enumerate().map(|(n, (key, time))| Record {
        arrival: n as u64,
        arrival_ns: n as i64 * 1_000_000,
        source: 0,
        offset: n as i64,
        timestamp: Some(0),
        timestamp_type: TimestampType::Create,
        leader_epoch: None,
        key: None,
        value: Some(format!("{{\"k\":\"{key}\",\"t\":{time}}}").into_bytes().into()),
        headers: Vec::new(),
    });
    let partitions = vec![partition("views"), partition("plays")];
    Case {
        seed: 0,
        text: PIPELINE.to_owned(),
        pipeline: Arc::new(Pipeline::parse(PIPELINE, "streams.toml").unwrap()),
        source: Arc::new(List { partitions, records: records.collect() }),
        disorder: true,
    }
}

#[test]
fn a_row_that_is_not_stored_says_by_how_much_it_was_too_old() {
    // The store of views keeps what is younger than its newest less 120 ms.
    let case = views(&[("a", 1000), ("b", 900_000), ("c", 880), ("d", 899_880), ("e", 899_881)]);
    let folder = tempfile::tempdir().unwrap();
    let run = run(&case, &folder.path().join("run"));
    let sentence = |row| explain(&run, row).unwrap().sentence;
    for (row, older) in [(2, 899_881 - 880), (3, 1)] {
        let expected = format!(
            "Kafka Streams did not store it: {} older than what its side's store keeps, so nothing \
             that came later could find it, and nothing in the other side's store matched it. The \
             store had come so far with views[0]@1.",
            format_duration(older)
        );
        let said = sentence(row);
        assert!(said.starts_with(&expected), "{said}\nexpected {expected}");
    }
    assert!(!sentence(4).contains("did not store"), "{}", sentence(4));
}
