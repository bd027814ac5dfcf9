//! Redaction, export and the imports of other tools' files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use super::tests::{all, folder, partition, records, write};
use super::*;
use crate::operator::record::{Header, Record, TimestampType};

const KEY: &[u8] = b"0123456789abcdef";

fn policy(rules: &[(&str, Redaction)]) -> RedactPolicy {
    let rules = rules.iter().map(|(of, how)| (of.parse().unwrap(), *how)).collect();
    RedactPolicy::new(rules, KEY).unwrap()
}

/// A recording of these values, in turns of `views[0]` and `clicks[0]`.
fn recorded(values: &[Option<&str>]) -> (tempfile::TempDir, PathBuf, Recording) {
    let (folder, path) = folder();
    let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
    for topic in ["views", "clicks"] {
        writer.partition(partition(topic, 0)).unwrap();
    }
    for (i, value) in values.iter().enumerate() {
        writer
            .add(&Record {
                arrival: i as u64,
                arrival_ns: i as i64,
                source: (i % 2) as u32,
                offset: i as i64 * 10,
                timestamp: Some(i as i64),
                timestamp_type: TimestampType::Create,
                leader_epoch: None,
                key: Some(Bytes::from_static(b"ann")),
                value: value.map(|v| Bytes::copy_from_slice(v.as_bytes())),
                headers: vec![Header { key: "who".into(), value: Some("ann".into()) }],
            })
            .unwrap();
    }
    writer.finish().unwrap();
    let recording = Recording::open(&path).unwrap();
    let out = folder.path().join("out.mcap");
    (folder, out, recording)
}

fn redacted(
    recording: &Recording,
    policy: &RedactPolicy,
    out: &Path,
) -> Result<(Vec<Record>, Redacted), String> {
    let done = unattended(|job| redact(recording, policy, out, None, job));
    let done = done.map_err(|error| error.to_string())?;
    assert!(unattended(|job| verify(out, job)).unwrap().sound());
    Ok((all(&Recording::open(out).unwrap()).unwrap(), done))
}

fn json(record: &Record) -> Value {
    serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()
}

#[test]
fn equal_values_stay_equal_and_nothing_else_is_left_of_them() {
    let (_folder, out, recording) = recorded(&[
        Some(
            r#"{"user":"ann","n":12345678901234567890.10,"deep":{"list":[{"mail":"a@b"},{"x":1}]},"ids":[5,"5"]}"#,
        ),
        Some(r#"{"user":"ann","deep":{"list":[]},"n":1}"#),
        None,
        Some(r#"{"user":null}"#),
    ]);
    let policy = policy(&[
        ("user", Redaction::Hash),
        ("$key", Redaction::Hash),
        ("$header.who", Redaction::Drop),
        ("deep.list.mail", Redaction::Mask),
        ("ids", Redaction::Hash),
    ]);
    let (got, done) = redacted(&recording, &policy, &out).unwrap();
    let (first, second) = (json(&got[0]), json(&got[1]));
    assert_eq!(first["user"], second["user"]);
    let hash = first["user"].as_str().unwrap();
    assert_eq!(hash.len(), 32);
    // HMAC-SHA256 of "sann" under the key, as `openssl dgst -sha256 -hmac` has it.
    assert_eq!(hash, "8afa4b99701349cf2b46683f1933b575");
    // A text field and the Kafka key still join.
    assert_eq!(got[0].key.as_deref(), Some(hash.as_bytes()));
    // Kinds stay apart; what was not named stays as it was, to the digit.
    assert_ne!(first["ids"][0], first["ids"][1]);
    assert_eq!(first["n"].to_string(), "12345678901234567890.10");
    assert_eq!(first["deep"]["list"][0]["mail"], "***");
    assert_eq!((got[2].value.clone(), json(&got[3])["user"].clone()), (None, Value::Null));
    assert!(got.iter().all(|r| r.headers.is_empty()));
    assert_eq!(
        got.iter().map(|r| (r.offset, r.arrival)).collect::<Vec<_>>(),
        [(0, 0), (10, 1), (20, 2), (30, 3)]
    );
    let met: Vec<u64> = done.rules.iter().map(|(_, n)| *n).collect();
    assert_eq!(met, [3, 4, 4, 1, 1]);
    let said = done.info.redaction.unwrap();
    assert!(said.contains("user hashed") && said.contains("deep.list.mail masked"), "{said}");
    let file = std::fs::read(&out).unwrap();
    assert!(!file.windows(KEY.len()).any(|w| w == KEY), "the key is not stored");
    // Another key, other hashes.
    let rules = vec![("user".parse().unwrap(), Redaction::Hash)];
    let other = RedactPolicy::new(rules, b"another key of 16").unwrap();
    std::fs::remove_file(&out).unwrap();
    let (got, _) = redacted(&recording, &other, &out).unwrap();
    assert_ne!(json(&got[0])["user"].as_str().unwrap(), hash);
}

/// Other programs flatten objects into such names.
#[test]
fn a_name_that_holds_dots_is_redacted_as_a_path_is() {
    let of = |[a, b, c, d]: [&str; 4]| {
        format!(
            r#"{{"user":{{"mail.work":"{a}","mail":{{"work":"{b}"}}}},"user.mail":{{"work":"{c}"}},"user.mail.work":"{d}"}}"#
        )
    };
    let (_folder, out, recording) = recorded(&[Some(&of(["v", "w", "x", "y"]))]);
    let policy = policy(&[("user.mail.work", Redaction::Mask)]);
    let (got, done) = redacted(&recording, &policy, &out).unwrap();
    assert_eq!(json(&got[0]).to_string(), of(["***"; 4]));
    assert_eq!(done.rules, [("user.mail.work".to_owned(), 1)]);
}

/// Found by using it: "no record has it, check how it is spelt" was said of what another
/// rule had taken away before.
#[test]
fn a_rule_that_another_one_leaves_nothing_to_is_refused() {
    use Redaction::{Drop, Hash, Mask};
    let of = |rules: &[(&str, Redaction)]| {
        let rules = rules.iter().map(|(of, how)| (of.parse().unwrap(), *how)).collect();
        RedactPolicy::new(rules, KEY).map(|policy| policy.describe())
    };
    let conflicts = [
        [("email", Drop), ("email", Mask)],
        [("email", Mask), ("views:email", Hash)],
        [("user", Drop), ("user.email", Mask)],
        [("views:user", Hash), ("views:user.email.host", Drop)],
        [("$value", Mask), ("user", Drop)],
        [("$key", Drop), (":$key", Hash)],
        [("$header.who", Mask), ("$header.who", Hash)],
    ];
    for rules in conflicts {
        let error = of(&rules).unwrap_err();
        for (name, how) in rules {
            let said = format!("\"{name}\"");
            assert!(error.contains(&said) && error.contains(how.done()), "{error}");
        }
        assert!(error.contains("name only one of them"), "{error}");
    }
    // What is left to each of them.
    let both = [
        [("views:email", Drop), ("email", Hash)],
        [("views:email", Drop), ("clicks:email", Mask)],
        [("user.email", Mask), ("user", Hash)],
        [("user", Drop), ("username", Mask)],
        [("user", Drop), ("$value", Hash)],
        [("$key", Drop), ("$header.who", Drop)],
    ];
    for rules in both {
        let said = of(&rules).unwrap();
        for (name, how) in rules {
            assert!(said.contains(&format!("{name} {}", how.done())), "{said}");
        }
    }
    assert_eq!(of(&[("email", Mask), (":email", Mask)]).unwrap(), "email masked");
}

/// The field of the first of two equal names was still there, as the value was not changed.
#[test]
fn nothing_stays_of_a_value_whose_name_stands_twice() {
    let twice = [
        r#"{"user":{"mail":"ann@x"},"n":1.50,"user":{"name":"y"}}"#,
        r#"{"list":[true,null,{"mail":"ann@x","mail":{}}],"n":-7e3,"user":{"name":"y"}}"#,
    ];
    let plain = "{ \"user\" : {\"name\":\"y\"}, \"ids\":[1, 2.0, \"a\"] }";
    let met = r#"{"user":{"mail":"bob@x"}}"#;
    let (_folder, out, recording) =
        recorded(&[Some(twice[0]), Some(twice[1]), Some(plain), Some(met)]);
    let (got, done) =
        redacted(&recording, &policy(&[("user.mail", Redaction::Drop)]), &out).unwrap();
    let text = |at: usize| std::str::from_utf8(got[at].value.as_ref().unwrap()).unwrap();
    assert_eq!(text(0), r#"{"user":{"name":"y"},"n":1.50}"#);
    assert!(!text(1).contains("ann@x") && text(1).contains("true,null"), "{}", text(1));
    // What has no such name stays as it was, byte for byte.
    assert_eq!(text(2), plain);
    assert_eq!(text(3), r#"{"user":{}}"#);
    assert_eq!(done.rules, [("user.mail".to_owned(), 1)]);
}

#[test]
fn what_cannot_be_redacted_is_not_written() {
    let (_folder, out, recording) = recorded(&[Some(r#"{"user":"ann"}"#), Some("user=ann")]);
    let refuse = |rules: &[(&str, Redaction)]| {
        let error = redacted(&recording, &policy(rules), &out).unwrap_err();
        assert!(!out.exists());
        error
    };
    let error = refuse(&[("user", Redaction::Drop)]);
    assert!(error.contains("clicks[0]@10") && error.contains("no JSON"), "{error}");
    let error = refuse(&[("views:usr", Redaction::Mask)]);
    assert!(error.contains("\"views:usr\"") && error.contains("spelt"), "{error}");
    // Only the topic that is named is looked into.
    let (got, _) = redacted(&recording, &policy(&[("views:user", Redaction::Drop)]), &out).unwrap();
    assert_eq!(got[0].value.as_deref(), Some(&b"{}"[..]));
    assert_eq!(got[1].value.as_deref(), Some(&b"user=ann"[..]));
    std::fs::remove_file(&out).unwrap();
    let mut leave_out = policy(&[("user", Redaction::Drop)]);
    leave_out.leave_out_unreadable = true;
    let (got, done) = redacted(&recording, &leave_out, &out).unwrap();
    assert_eq!((got.len(), done.left_out), (1, 1));
    for bad in ["", "$keys", "$header.", "views:"] {
        assert!(bad.parse::<RedactTarget>().is_err(), "{bad}");
    }
    let rules = || vec![("user".parse().unwrap(), Redaction::Hash)];
    assert!(RedactPolicy::new(rules(), b"short").is_err());
    assert!(RedactPolicy::new(Vec::new(), KEY).is_err());
}

#[test]
fn an_exported_recording_comes_back_as_it_was() {
    let (folder, path) = folder();
    let topic_ids = [("views".to_owned(), "id".to_owned())].into();
    let mut records = records(11, 10_000);
    // Without the clock's events, which a table does not hold.
    let mut writer =
        Writer::create(&path, WriterOptions { topic_ids, ..WriterOptions::default() }).unwrap();
    for p in [partition("views", 0), partition("views", 1), partition("engagements", 0)] {
        writer.partition(p).unwrap();
    }
    writer
        .schema(StoredSchema { id: 3, schema: "\"string\"".into(), ..StoredSchema::default() })
        .unwrap();
    for record in &records {
        writer.add(record).unwrap();
    }
    writer.finish().unwrap();
    let recording = Recording::open(&path).unwrap();
    let table = folder.path().join("r.parquet");
    let n = unattended(|job| export_parquet(&recording, &[], &table, job)).unwrap();
    assert_eq!(n, 10_000);
    assert!(is_exported(&table).unwrap());
    let back = folder.path().join("back.mcap");
    let zstd = Compression::Zstd(1);
    let info = unattended(|job| import_exported(&table, zstd, &back, job)).unwrap();
    let again = Recording::open(&back).unwrap();
    assert_eq!(again.digest(), recording.digest());
    assert_eq!(all(&again).unwrap(), records);
    assert_eq!(info.topic_ids, recording.info().topic_ids);
    assert_eq!(info.partitions, recording.info().partitions);
    // One topic; nothing is overwritten.
    let one = folder.path().join("one.parquet");
    let only = ["engagements".to_owned()];
    let n = unattended(|job| export_parquet(&recording, &only, &one, job)).unwrap();
    records.retain(|r| r.source == 2);
    assert_eq!(n, records.len() as u64);
    let again = unattended(|job| export_parquet(&recording, &[], &one, job));
    assert!(matches!(again, Err(RecordingError::Exists { .. })));
    let missing = ["vews".to_owned()];
    let new = folder.path().join("new.parquet");
    let error = unattended(|job| export_parquet(&recording, &missing, &new, job)).unwrap_err();
    assert!(error.to_string().contains("\"vews\""), "{error}");
    assert!(!new.exists());
}

#[test]
fn rows_of_any_table_become_records() {
    let (folder, path) = folder();
    let table = folder.path().join("t.parquet");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![21, 22]))),
        ("name", Arc::new(StringArray::from(vec![Some("a\"b"), None]))),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![1_000, 2_500]).with_timezone("UTC"))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(&table).unwrap();
    let mut out = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    out.write(&batch).unwrap();
    out.close().unwrap();
    assert!(!is_exported(&table).unwrap());
    let options = ImportJsonl {
        topic: "rows".to_owned(),
        key: Some("id".to_owned()),
        timestamp: Some("at".to_owned()),
        unit: ImportUnit::Rfc3339,
        partitions: 8,
        ..ImportJsonl::default()
    };
    unattended(|job| import_parquet(&table, &options, &path, job)).unwrap();
    let got = all(&Recording::open(&path).unwrap()).unwrap();
    assert_eq!(got[0].key.as_deref(), Some(&b"21"[..]));
    assert_eq!(got[0].source, 1_173_551_340_u32 % 8);
    assert_eq!(json(&got[0])["name"], "a\"b");
    assert_eq!(json(&got[1]).get("name"), None);
    assert_eq!(got.iter().map(|r| r.timestamp).collect::<Vec<_>>(), [Some(1_000), Some(2_500)]);
    let bad = ImportJsonl { key: Some("nam".to_owned()), ..options };
    let new = folder.path().join("new.mcap");
    let error = unattended(|job| import_parquet(&table, &bad, &new, job)).unwrap_err().to_string();
    assert!(error.contains("\"nam\"") && error.contains("name"), "{error}");
    std::fs::write(&table, "no table").unwrap();
    assert!(is_exported(&table).unwrap_err().to_string().contains("Parquet"));
    assert!(!new.exists());
}

#[test]
fn what_kcat_prints_becomes_records() {
    let (folder, path) = folder();
    let from = folder.path().join("k.jsonl");
    let lines = concat!(
        r#"{"topic":"v","partition":1,"offset":7,"tstype":"create","ts":1500,"broker":1,"headers":["a","1","a",null],"key":"k","payload":"{\"x\":1}"}"#,
        "\n",
        r#"{"topic":"v","partition":0,"offset":0,"tstype":"logappend","ts":1400,"broker":1,"key":null,"payload":null}"#,
        "\n",
        r#"{"topic":"w","partition":0,"offset":3,"tstype":"unknown","ts":-1,"broker":1,"key":"","payload":{"b":1,"a":2}}"#,
        "\n"
    );
    std::fs::write(&from, lines).unwrap();
    let import = |out: &Path| unattended(|job| import_kcat(&from, Compression::Lz4, out, job));
    import(&path).unwrap();
    let recording = Recording::open(&path).unwrap();
    let got = all(&recording).unwrap();
    let names: Vec<String> = got.iter().map(|r| recording.name_of(r).to_string()).collect();
    assert_eq!(names, ["v[1]@7", "v[0]@0", "w[0]@3"]);
    assert_eq!(got[0].headers.len(), 2);
    assert_eq!(got[0].headers[1], Header { key: "a".into(), value: None });
    assert_eq!(got[0].value.as_deref(), Some(&br#"{"x":1}"#[..]));
    assert_eq!((got[0].arrival_ns, got[0].timestamp), (1_500_000_000, Some(1500)));
    assert_eq!((got[1].key.clone(), got[1].value.clone()), (None, None));
    assert_eq!(got[1].timestamp_type, TimestampType::LogAppend);
    assert_eq!((got[2].timestamp, got[2].timestamp_type), (None, TimestampType::None));
    assert_eq!(got[2].key.as_deref(), Some(&b""[..]));
    assert_eq!(got[2].value.as_deref(), Some(&br#"{"b":1,"a":2}"#[..]));
    let new = folder.path().join("new.mcap");
    for (line, wanted) in [
        (r#"{"topic":"w","partition":0,"offset":3}"#, ":4: w[0]@3"),
        (r#"{"partition":0,"offset":3}"#, "\"topic\""),
        (r#"{"topic":"a b","partition":0,"offset":3}"#, "no Kafka topic is called \"a b\""),
        (r#"{"topic":"w","partition":-1,"offset":3}"#, "partition is out of range"),
        (r#"{"topic":"w","partition":0,"offset":4,"headers":[1]}"#, "headers"),
        ("% Reached end of topic", "kcat -C -J"),
    ] {
        std::fs::write(&from, format!("{lines}{line}\n")).unwrap();
        let error = import(&new).unwrap_err().to_string();
        assert!(error.contains("k.jsonl:4") && error.contains(wanted), "{error}");
        assert!(!new.exists());
    }
}

#[test]
fn redaction_keeps_the_clock_and_the_ranges() {
    let (folder, path) = folder();
    let mut records = records(5, 50);
    records.iter_mut().for_each(|r| r.value = Some("{\"x\":1}".into()));
    write(&path, &records, WriterOptions::default());
    let recording = Recording::open(&path).unwrap();
    let out = folder.path().join("out.mcap");
    redacted(&recording, &policy(&[("x", Redaction::Mask)]), &out).unwrap();
    let again = Recording::open(&out).unwrap();
    assert_eq!(again.clock_events().unwrap(), recording.clock_events().unwrap());
    assert_eq!(again.info().partitions, recording.info().partitions);
    assert_eq!(again.schemas(), recording.schemas());
}
