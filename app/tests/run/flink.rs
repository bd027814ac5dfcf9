//! What a run models of a Flink job: its restarts, and which source subtask reads what.

use serde_json::Value;

use crate::{error, joinscope, json, run, with_feed};

#[test]
fn restarts_of_flink_are_modelled_and_stay_with_the_run() {
    let folder = with_feed("10");
    let path = folder.path();
    std::fs::remove_file(path.join("feed.mcap")).unwrap();
    // Half an hour: both inputs move the event-time watermark.
    let feed = ["generate", "feed", "--views", "3000", "--rate", "2", "-o", "feed.mcap"];
    assert!(joinscope(path, &feed).status.success());
    let sql = ["--set", "join.semantics=flink-sql"];
    let with = |more: &[&str]| run(path, &[&sql[..], more].concat());
    let plain = json(&with(&["--out", "plain", "--json"]));
    let first = json(&with(&["--out", "a", "--json", "--restart-at", "1800,900", "--shards", "1"]));
    assert_eq!(plain["records"], first["records"]);
    assert_ne!(plain["digest"], first["digest"], "a verdict names the watermark at its arrival");
    let more = ["--out", "b", "--json", "--restart-at", "900", "--restart-at", "1800", "--memory"];
    let second = json(&with(&[&more[..], &["1MiB"]].concat()));
    assert_eq!(first["digest"], second["digest"]);
    let manifest = std::fs::read(path.join("a/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["restarts"], serde_json::json!([900, 1800]));

    let verdicts = joinscope(path, &["verdicts", "a", "--json"]).stdout;
    let verdicts = String::from_utf8(verdicts).unwrap();
    let verdicts: Vec<Value> =
        verdicts.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let watermark = |arrival: usize| &verdicts[arrival]["watermark"];
    assert!(watermark(899).is_i64() && watermark(1799).is_i64(), "{}", watermark(1799));
    assert!(watermark(900).is_null() && watermark(1800).is_null(), "{}", watermark(900));

    // Another run is explained by them.
    let told = joinscope(path, &["diff", "plain", "a", "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let settings = told["settings"].as_array().unwrap();
    assert_eq!(settings.len(), 1, "{told}");
    assert_eq!(settings[0]["path"], "restarts");
    assert_eq!(settings[0]["b"], "before arrival 900, 1800");

    // An incident file makes the same run anew.
    let saved = joinscope(path, &["incident", "save", "a", "-o", "a.mcap"]);
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    let checked = joinscope(path, &["incident", "check", "a.mcap"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));

    let refused = |more: &[&str], what: &str| {
        let text = error(&run(path, more));
        assert!(text.contains(what), "{text}");
    };
    refused(&["--restart-at", "900", "--out", "no"], "clean forgets nothing");
    let streams = ["--set", "join.semantics=kafka-streams", "--set", "join.grace=1h"];
    let streams = [&streams[..], &["--restart-at", "900", "--out", "no"]].concat();
    refused(&streams, "restart of Kafka Streams");
    refused(&[&sql[..], &["--restart-at", "0", "--out", "no"]].concat(), "before arrival 0");
    let beyond = first["records"].to_string();
    refused(&[&sql[..], &["--restart-at", &beyond, "--out", "no"]].concat(), "ends with arrival");
    assert!(!path.join("no").exists());
}

#[test]
fn source_subtasks_without_a_partition_are_named() {
    let folder = with_feed("500");
    let sets = ["--set", "join.semantics=flink-sql", "--set", "join.parallelism=9"];
    let ran = run(folder.path(), &[&sets[..], &["--out", "held", "--json"]].concat());
    let said = String::from_utf8(ran.stderr.clone()).unwrap();
    let answer = json(&ran);
    for input in ["views", "engagements"] {
        assert!(said.contains(&format!("of input \"{input}\" have no partition")), "{said}");
        assert!(said.contains(&format!("set inputs.{input}.watermark.idle_timeout=30s")), "{said}");
    }
    assert!(answer["records"].as_u64() > Some(0));
    // The event-time watermark never moves.
    let verdicts = joinscope(folder.path(), &["verdicts", "held", "--json"]);
    let verdicts = String::from_utf8(verdicts.stdout).unwrap();
    let mut count = 0;
    for line in verdicts.lines() {
        let verdict: Value = serde_json::from_str(line).unwrap();
        assert_eq!(verdict["watermark"], Value::Null, "{line}");
        count += 1;
    }
    assert!(count > 0);
    let manifest = std::fs::read(folder.path().join("held/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let sources = manifest["sources"].as_array().unwrap();
    for source in sources {
        let of = |field: &str| source[field].as_array().unwrap().len();
        let mut read = source["subtasks"].as_array().unwrap().clone();
        read.dedup();
        assert_eq!(of("without_partition"), 9 - read.len(), "{source}");
    }
    assert_eq!(sources.len(), 2);
    let check = ["pipeline", "check", "feed.toml", "--recording", "feed.mcap", "--json"];
    let checked = joinscope(folder.path(), &[&check[..], &sets[..]].concat());
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let warnings = checked["warnings"].to_string();
    assert!(warnings.contains("of input \\\"views\\\" have no partition"), "{warnings}");
    // An idle timeout helps, and so do no more subtasks than partitions.
    for more in ["join.parallelism=1", "join.semantics=clean"] {
        let said = run(folder.path(), &[&sets[..], &["--set", more]].concat()).stderr;
        assert!(!String::from_utf8(said).unwrap().contains("have no partition"), "{more}");
    }
}
