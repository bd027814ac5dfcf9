//! Outputs as Avro under a schema that is registered before anything is written.

use joinscope_core::edges::recording::Recording;
use joinscope_operator::codec::InputDecoder;
use joinscope_operator::pipeline::Pipeline;
use serde_json::Value;

use super::deliver::job;
use super::live::{Feed, stop, told};
use super::registry::post;
use super::support::*;

fn avro_job(name: &str) -> Feed {
    let feed = job(name, "exactly-once");
    let text = std::fs::read_to_string(feed.path("p.toml")).unwrap();
    let text =
        text.replace("format = \"json\"\ntopic = \"", "format = \"avro-registry\"\ntopic = \"");
    assert!(text.contains("avro-registry"), "{text}");
    std::fs::write(feed.path("p.toml"), text).unwrap();
    feed
}

#[test]
fn outputs_are_framed_avro_that_decodes_to_the_same() {
    let mut feed = avro_job("avro-out");
    feed.send(40);
    let mut child = feed.start(&["--write", "--registry", registry()]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    assert_eq!(said.code, Some(0), "{}", said.err);

    // An ordinary reader of framed Avro.
    let file = feed.path("out.mcap");
    let recording: Recording =
        record("avro-out-out", &file, &["--registry", registry(), "--isolation", "read_committed"]);
    let text = "name = \"reader\"\n[inputs.out]\ntopic = \"avro-out-out\"\n\
                format = \"avro-registry\"\nkey = \"$key\"\nevent_time = \"$timestamp\"\n\
                watermark = { max_out_of_orderness = \"1s\" }\n\
                [inputs.other]\ntopic = \"other\"\nformat = \"json\"\nkey = \"k\"\n\
                event_time = \"$timestamp\"\nwatermark = { max_out_of_orderness = \"1s\" }\n\
                [join]\nprimary = \"out\"\nwith.other = { after = \"0s\", until = \"1s\" }\n";
    let pipeline = Pipeline::parse(text, "reader.toml").unwrap();
    let mut decoder = InputDecoder::new(&pipeline, 0, recording.schemas()).unwrap();
    let mut read: Vec<String> = Vec::new();
    for record in records(&recording) {
        let value = decoder.to_json(&record).unwrap();
        let side = |name: &str| match &value["value"][name] {
            Value::Null => Value::Null,
            // JSON has no schema: its text.
            text => serde_json::from_str(text.as_str().unwrap()).unwrap(),
        };
        read.push(format!("{} {}", side("views"), side("plays")));
    }
    let outputs = told("outputs", &feed.dir());
    let mut expected: Vec<String> = outputs
        .lines()
        .map(|line| {
            let output: Value = serde_json::from_str(line).unwrap();
            format!("{} {}", output["value"]["views"], output["value"]["plays"])
        })
        .collect();
    read.sort();
    expected.sort();
    assert!(!read.is_empty());
    assert_eq!(read, expected);
}

#[test]
fn a_registry_that_is_not_there_and_a_schema_that_does_not_fit_are_said_first() {
    let mut feed = avro_job("avro-no");
    feed.send(10);
    let refused = |code: i32, more: &[&str]| -> String {
        let said: Said = feed.command(&[&["--write"][..], more].concat()).output().unwrap().into();
        assert_eq!(said.code, Some(code), "{}", said.err);
        said.err
    };
    let said = refused(2, &[]);
    assert!(said.contains("--registry"), "{said}");
    // It may answer later: a supervisor tries again.
    let said = refused(3, &["--registry", "http://127.0.0.1:1"]);
    assert!(said.contains("http://127.0.0.1:1") && said.contains("avro-no-out-value"), "{said}");
    // Another schema has the subject, and it takes only what fits.
    let other = r#"{"type":"record","name":"Other","fields":[{"name":"x","type":"int"}]}"#;
    let subject = "avro-no-out-value";
    post("POST", &format!("subjects/{subject}/versions"), &serde_json::json!({"schema": other}));
    post("PUT", &format!("config/{subject}"), &serde_json::json!({"compatibility": "FULL"}));
    let said = refused(2, &["--registry", registry()]);
    assert!(said.contains(subject) && said.contains("cannot be registered"), "{said}");
    let topics = topic_names();
    assert!(!topics.iter().any(|topic| topic.contains("progress-avro-no")), "{topics:?}");
}
