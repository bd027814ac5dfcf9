//! Publishing is asked for, checked, and its failures are counted.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use joinscope_core::edges::recording::Recording;
use joinscope_operator::record::{Record, TimestampType};
use rdkafka::producer::Producer as _;

use super::support::*;

fn publish(file: &Path, more: &[&str]) -> Said {
    joinscope()
        .args(["recording", "publish", file.to_str().unwrap(), "--brokers", &kafka().brokers])
        .args(more)
        .output()
        .unwrap()
        .into()
}

/// Records `topic` and deletes it.
fn recorded_and_gone(topic: &str, partitions: i32, folder: &Path) -> std::path::PathBuf {
    make_topic(topic, partitions, &[]);
    produce_numbers(topic, partitions, 6);
    let file = folder.join("r.mcap");
    record(topic, &file, &[]);
    delete_topic(topic);
    file
}

#[test]
fn nothing_is_sent_without_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = recorded_and_gone("unasked", 2, folder.path());
    let said = publish(&file, &["--create-topics"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("nothing was sent: --write does so"), "{}", said.err);
    assert!(said.out.contains("would send 6 records"), "{}", said.out);
    assert!(said.out.contains("to be made, with 2 partitions"), "{}", said.out);
    assert!(!topic_names().contains(&"unasked".to_owned()));
}

#[test]
fn topics_are_made_only_when_asked_and_partitions_must_fit() {
    let folder = tempfile::tempdir().unwrap();
    let file = recorded_and_gone("fitting", 2, folder.path());
    let said = publish(&file, &["--write"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("fitting is not on the cluster"), "{}", said.err);
    assert!(said.err.contains("--create-topics"), "{}", said.err);
    assert!(!topic_names().contains(&"fitting".to_owned()));
    make_topic("fitting", 1, &[]);
    let said = publish(&file, &["--write"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("has 1 partition on the cluster, the recording has 2"),
        "{}",
        said.err
    );
    let said = publish(&file, &["--write", "--topics", "other"]);
    assert!(said.err.contains("other is not in the recording"), "{}", said.err);
}

#[test]
fn records_that_the_cluster_refuses_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("small", 1, &[]);
    let large = vec![b'x'; 5000];
    produce(
        "small",
        &[
            Sent { timestamp: 1, value: Some(b"fits"), ..Sent::default() },
            Sent { timestamp: 2, value: Some(&large), ..Sent::default() },
        ],
    );
    let file = folder.path().join("r.mcap");
    record("small", &file, &[]);
    delete_topic("small");
    make_topic("small", 1, &[("max.message.bytes", "1000")]);
    // One batch each: what is too large must not take the other with it.
    let config = folder.path().join("p.properties");
    std::fs::write(&config, "batch.num.messages=1\ncompression.type=none\n").unwrap();
    let said = publish(&file, &["--write", "--json", "--config", config.to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let answer: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(answer["delivered"], 1, "{answer}");
    assert_eq!(answer["failed"], 1, "{answer}");
    assert_eq!(answer["partitions"][0]["rest"]["from"], 1, "{answer}");
    // What it says to do does it, once the topic takes it.
    let said = publish(&file, &["--write", "--config", config.to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.out.contains("small[0]@1 is the first that was not"), "{}", said.out);
    assert!(said.out.contains("--topics small --offsets 'small[0]@1..2'"), "{}", said.out);
    let rest = folder.path().join("rest.mcap");
    let sliced: Said = joinscope()
        .args(["recording", "slice", file.to_str().unwrap(), "--topics", "small"])
        .args(["--offsets", "small[0]@1..2", "-o", rest.to_str().unwrap()])
        .output()
        .unwrap()
        .into();
    assert_eq!(sliced.code, Some(0), "{}", sliced.err);
    delete_topic("small");
    make_topic("small", 1, &[]);
    let answer = publish(&rest, &["--write", "--json"]).json();
    assert_eq!(answer["delivered"], 1, "{answer}");
    assert_eq!(answer["partitions"][0]["rest"], serde_json::Value::Null, "{answer}");
}

#[test]
fn the_recorded_pace_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("paced", 1, &[]);
    let at = |timestamp| Sent { timestamp, value: Some(b"x"), ..Sent::default() };
    produce("paced", &[at(1_000), at(1_400), at(1_900)]);
    let file = folder.path().join("r.mcap");
    record("paced", &file, &[]);
    let said = publish(&file, &["--write", "--json", "--pace", "recorded"]);
    let answer = said.json();
    assert_eq!(answer["delivered"], 3);
    // At least: a slow machine only adds to it.
    assert!(answer["seconds"].as_f64().unwrap() >= 0.9, "{answer}");
}

#[test]
fn what_ctrl_c_cut_off_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("cut-short", 1, &[]);
    let at = |timestamp| Sent { timestamp, value: Some(b"x"), ..Sent::default() };
    produce("cut-short", &[at(1_000), at(3_600_000)]);
    let file = folder.path().join("r.mcap");
    record("cut-short", &file, &[]);
    let child = joinscope()
        .args(["recording", "publish", file.to_str().unwrap(), "--brokers", &kafka().brokers])
        .args(["--write", "--json", "--pace", "recorded"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asks = producer(&[]);
    until("the first record", || {
        let (_, end) =
            asks.client().fetch_watermarks("cut-short", 0, Duration::from_secs(10)).unwrap();
        (end == 3).then_some(())
    });
    signal(&child, "INT");
    let said: Said = child.wait_with_output().unwrap().into();
    assert_eq!(said.code, Some(1), "{}", said.err);
    let answer: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(answer["delivered"], 1, "{answer}");
    assert_eq!(answer["stopped"], true, "{answer}");
    let rest = serde_json::json!({ "from": 1, "to": 2, "mixed": false });
    assert_eq!(answer["partitions"][0]["rest"], rest, "{answer}");
}

#[test]
fn who_replaces_the_recorded_timestamps_is_named_before_anything_is_sent() {
    const APPEND: (&str, &str) = ("message.timestamp.type", "LogAppendTime");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.mcap");
    make_topic("stamped", 1, &[APPEND]);
    produce_numbers("stamped", 1, 3);
    record("stamped", &file, &[]);

    let said = publish(&file, &[]);
    assert_eq!(said.code, Some(2));
    let replaced = "topic stamped has message.timestamp.type=LogAppendTime on this cluster";
    assert!(said.err.contains(replaced), "{}", said.err);
    assert!(said.err.contains("--add-config message.timestamp.type=CreateTime"), "{}", said.err);
    let said = publish(&file, &["--write", "--json"]);
    assert!(said.err.contains(replaced), "{}", said.err);
    let answer = said.json();
    assert!(answer["warnings"][0].as_str().unwrap().contains(replaced), "{answer}");
    let again = folder.path().join("again.mcap");
    let (was, is) = (records_of(&file), records(&record("stamped", &again, &[])));
    assert!(is[3].timestamp > was[2].timestamp, "they were");

    // A topic that is made keeps them, as a producer's.
    delete_topic("stamped");
    let said = publish(&file, &["--write", "--create-topics", "--json"]);
    assert!(said.err.contains("was recorded with LogAppendTime"), "{}", said.err);
    assert_eq!(said.json()["delivered"], 3);
    let kept = folder.path().join("kept.mcap");
    let kept = records(&record("stamped", &kept, &[]));
    let times = |records: &[Record]| records.iter().map(|r| r.timestamp).collect::<Vec<_>>();
    assert_eq!(times(&kept), times(&was));
    assert!(kept.iter().all(|r| r.timestamp_type == TimestampType::Create));

    // Nothing to say where all stays as it is.
    let file = folder.path().join("plain.mcap");
    make_topic("plainly-stamped", 1, &[]);
    produce_numbers("plainly-stamped", 1, 3);
    record("plainly-stamped", &file, &[]);
    let said = publish(&file, &["--write", "--json"]);
    assert_eq!(said.json()["warnings"], serde_json::json!([]));
    assert!(!said.err.contains("timestamp"), "{}", said.err);
}

fn records_of(file: &Path) -> Vec<Record> {
    records(&Recording::open(file).unwrap())
}
