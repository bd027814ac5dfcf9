use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::analyses::check::check;
use crate::edges::recording::{Writer, WriterOptions};
use crate::operator::pipeline::{EventTime, KeyField, Pipeline, Scalar, TimeUnit};
use crate::operator::record::{Record, TimestampType, TopicPartition};
use crate::operator::time::format_duration;

/// (topic, partition, Kafka key, value)
type Row = (&'static str, i32, Option<String>, Option<String>);

/// Writes records, 10 ms apart, and opens what was written.
fn recording(dir: &std::path::Path, rows: &[Row]) -> Recording {
    recording_every(dir, rows, 10)
}

fn recording_every(dir: &std::path::Path, rows: &[Row], every_ms: i64) -> Recording {
    let path = dir.join("r.mcap");
    let _ = std::fs::remove_file(&path);
    let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
    let mut sources = BTreeMap::new();
    let mut offsets = BTreeMap::new();
    for (arrival, (topic, partition, key, value)) in rows.iter().enumerate() {
        let at = TopicPartition { topic: Arc::from(*topic), partition: *partition };
        let source = if let Some(source) = sources.get(&at) {
            *source
        } else {
            let source = writer.partition(at.clone()).unwrap();
            sources.insert(at, source);
            source
        };
        let offset = offsets.entry(source).or_insert(0i64);
        let ms = START + arrival as i64 * every_ms;
        writer
            .add(&Record {
                arrival: arrival as u64,
                arrival_ns: ms * 1_000_000,
                source,
                offset: *offset,
                timestamp: Some(ms),
                timestamp_type: TimestampType::Create,
                leader_epoch: None,
                key: key.clone().map(Bytes::from),
                value: value.clone().map(Bytes::from),
                headers: Vec::new(),
            })
            .unwrap();
        *offset += 1;
    }
    writer.finish().unwrap();
    Recording::open(&path).unwrap()
}

const START: i64 = 1_763_626_401_480;

fn feed() -> Vec<Row> {
    let mut rows = Vec::new();
    for i in 0..300i64 {
        let view =
            json!({"view_id": 1_000 + i, "ts": START + i * 100, "user": {"id": i % 7}, "ok": true});
        rows.push(("views", (i % 2) as i32, Some((1_000 + i).to_string()), Some(view.to_string())));
        if i % 3 == 0 {
            let kind = ["like", "share"][(i % 2) as usize];
            let ts = START + i * 100 + 5_000;
            let e = json!({"view_id": 1_000 + i, "kind": kind, "ts": ts, "ok": true});
            rows.push(("engagements", 0, None, Some(e.to_string())));
        }
    }
    rows.push(("engagements", 0, None, Some("poison".to_owned())));
    rows.push(("engagements", 0, None, None));
    rows
}

#[test]
fn a_feed_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let recording = recording(dir.path(), &feed());
    let proposal = propose(&recording, "feed", || true).unwrap();
    let p = Pipeline::parse(&proposal.text, "new.toml")
        .unwrap_or_else(|e| panic!("{e}\n{}", proposal.text));
    assert_eq!(&*p.inputs[usize::from(p.join.primary)].name, "views", "{}", proposal.text);
    let key = KeyField::Field(vec!["view_id".to_owned()]);
    let time = EventTime::Field { path: vec!["ts".to_owned()], unit: TimeUnit::Milliseconds };
    for input in &p.inputs {
        assert_eq!((&input.key, &input.event_time), (&key, &time), "{}", proposal.text);
    }
    assert_eq!((p.join.with[0].after, p.join.with[0].until), (0, 5_000), "{}", proposal.text);
    // And it passes its own check.
    let report = check(&p, &recording, || true).unwrap();
    assert!(report.ok(), "{:?}", report.reasons());
    let engagements = report.inputs.iter().find(|i| &*i.input == "engagements").unwrap();
    assert_eq!((engagements.looked_at, engagements.tombstones), (102, 1));
    assert_eq!((engagements.decoded, engagements.rows, engagements.found), (100, 100, 100));
    assert_eq!(engagements.examples[0].0, "undecodable");
    let json = proposal.to_json();
    assert_eq!(json["topics"][1]["fields"][0]["field"], "view_id");
}

#[test]
fn a_proposed_label_asks_for_the_text_that_records_have() {
    let dir = tempfile::tempdir().unwrap();
    let kinds = |value: String| value.replace("\"like\"", "\"5\"").replace("\"share\"", "\"\"");
    let rows = feed().into_iter();
    let rows: Vec<Row> = rows.map(|(t, p, key, value)| (t, p, key, value.map(kinds))).collect();
    let recording = recording(dir.path(), &rows);
    let text = propose(&recording, "feed", || true).unwrap().text;
    let commented = ["[examples]", "emit = ", "labels = "];
    let text =
        commented.iter().fold(text, |text, line| text.replacen(&format!("# {line}"), line, 1));
    let p = Pipeline::parse(&text, "new.toml").unwrap_or_else(|e| panic!("{e}\n{text}"));
    // Not the number 5, which no record has, and not a label without a name.
    let labels: Vec<_> = p.labels().iter().map(|l| (&*l.name, &l.condition)).collect();
    let [("5", condition)] = labels[..] else { panic!("{text}") };
    assert_eq!(condition.values, [Scalar::String("5".to_owned())]);
}

#[test]
fn the_idle_timeout_is_longer_than_any_silence_of_a_partition() {
    let dir = tempfile::tempdir().unwrap();
    // Partition 1 gives the first record and the last one.
    let rows: Vec<Row> = (0..101)
        .map(|i| {
            let value = Some(format!("{{\"a\":{i}}}"));
            ("t", i32::from(i % 100 == 0), Some(format!("k{i}")), value)
        })
        .collect();
    // A silence as long as the timeout would be idleness already.
    for (every_ms, idle_ms) in [
        (10, 30_000),
        (299, 30_000),
        (300, 60_000),
        (1_000, 300_000),
        (30_000_000, 35 * 86_400_000),
    ] {
        let recording = recording_every(dir.path(), &rows, every_ms);
        let text = propose(&recording, "quiet", || true).unwrap().text;
        let p = Pipeline::parse(&text, "new.toml").unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(p.inputs[0].watermark.idle_timeout, Some(idle_ms), "{text}");
        let said = format!("silent for at most {}\n", format_duration(every_ms * 100));
        assert!(text.contains(&said), "{said}{text}");
    }
}

#[test]
fn other_shapes_still_parse() {
    let dir = tempfile::tempdir().unwrap();
    let alone: Vec<Row> = (0..50)
        .map(|i| ("odd.topic", 0, Some(format!("k{i}")), Some(format!("{{\"a\":{i}}}"))))
        .collect();
    let binary: Vec<Row> = (0..50).map(|i| ("bin", 0, None, Some(format!("\u{1}{i}")))).collect();
    let null: Vec<Row> = vec![("nothing", 0, None, None)];
    let framed: Vec<Row> =
        (0..50).map(|_| ("framed", 0, None, Some("\0\0\0\0\u{7}xyz".to_owned()))).collect();
    let hostile: Vec<Row> = vec![
        (
            "h",
            0,
            None,
            Some(r#"{"a\"\nb":1,"ts":"2025-01-01T00:00:00Z","$x":2,"":3,"a.b":4}"#.to_owned())
        );
        30
    ];
    let mixed: Vec<Row> = [alone.clone(), binary.clone(), hostile.clone(), feed()].concat();
    for rows in [alone, binary, null, framed, hostile, mixed] {
        let recording = recording(dir.path(), &rows);
        let proposal = propose(&recording, "a \"name\"\n", || true).unwrap();
        Pipeline::parse(&proposal.text, "new.toml")
            .unwrap_or_else(|e| panic!("{e}\n{}", proposal.text));
    }
    let empty = recording(dir.path(), &[]);
    assert!(matches!(propose(&empty, "x", || true), Err(ProposeError::Empty)));
}

#[test]
fn a_check_names_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let recording = recording(dir.path(), &feed());
    let text = propose(&recording, "feed", || true).unwrap().text;
    let reasons = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}\n{text}");
        let p = Pipeline::parse(&text.replace(from, to), "p").unwrap();
        let report = check(&p, &recording, || true).unwrap();
        assert_eq!(report.ok(), report.to_json()["ok"]);
        report.reasons().join("\n")
    };
    assert_eq!(
        reasons("topic = \"views\"", "topic = \"veiws\""),
        "input views: the recording has no topic veiws; the nearest it has: views, engagements"
    );
    assert!(
        reasons("key = \"view_id\"", "key = \"viewid\"")
            .contains("none of 300 records has a key (views[")
    );
    assert!(
        reasons("\"ts\", unit = \"ms\"", "\"time\", unit = \"ms\"").contains("has an event time")
    );
    assert!(reasons("format = \"json\"", "format = \"avro-registry\"").contains("decodes (views["));
    // One side by the text of the Kafka key, the other by the number.
    let views = text.find("[inputs.views]").unwrap();
    let (head, tail) = text.split_at(views);
    let p = Pipeline::parse(
        &format!("{head}{}", tail.replacen("key = \"view_id\"", "key = \"$key\"", 1)),
        "p",
    )
    .unwrap();
    let report = check(&p, &recording, || true).unwrap();
    assert!(report.reasons()[0].contains("case, whitespace or type"), "{:?}", report.reasons());
    assert!(matches!(
        check(&p, &recording, || false),
        Err(crate::analyses::check::CheckError::Cancelled)
    ));
}

#[test]
fn a_proposal_ends_where_it_is_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let recording = recording(dir.path(), &feed());
    let mut asked = 0;
    let cancelled = propose(&recording, "feed", || {
        asked += 1;
        asked < 150
    });
    assert!(matches!(cancelled, Err(ProposeError::Cancelled)));
    // In the middle of a topic: nothing was read on.
    assert_eq!(asked, 150);
}
