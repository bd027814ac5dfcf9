//! Poison of every kind through the whole program: each record gets its verdict
//! and its reason, the run goes on, and whatever is asked of it is answered.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

const PIPELINE: &str = include_str!("pipelines/feed.toml");

/// What it prints on stdout and stderr.
fn both(folder: &Path, args: &[&str]) -> (String, String) {
    let mut joinscope = Command::new(env!("CARGO_BIN_EXE_joinscope"));
    let output = joinscope.current_dir(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn printed(folder: &Path, args: &[&str]) -> String {
    both(folder, args).0
}

#[test]
fn each_kind_gets_its_verdict_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let long = "x".repeat(1 << 20);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let large = format!(r#"{{"view_id":"{long}","ts":1000900}}"#);
    let nested = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let joins = format!(r#"{{"view_id":8,"ts":1000600,"x":{nested},"y":5}}"#);
    let views: [(Option<&str>, &str, &str); 14] = [
        (Some(r#"{"view_id":7,"ts":1000000}"#), "joined", "1 output"),
        (Some(r#"{"view_id":7,"ts":"#), "undecodable", "its value is not JSON"),
        (Some("nothing"), "undecodable", "its value is not JSON"),
        (Some("\0\0\0\u{f}\u{20}{}"), "undecodable", "it begins as Confluent framing does"),
        (Some(&deep), "untimed", "the field ts of its event time is missing"),
        (Some(r#"{"ts":1000100}"#), "unkeyed", "its key view_id is missing"),
        (Some(r#"{"view_id":null,"ts":1000200}"#), "unkeyed", "its key view_id is null"),
        (Some(r#"{"view_id":7.5,"ts":1000300}"#), "unkeyed", "a floating-point number"),
        (Some(r#"{"view_id":7}"#), "untimed", "the field ts of its event time is missing"),
        (Some(r#"{"view_id":7,"ts":"soon"}"#), "untimed", "ts is a text"),
        (Some(r#"{"view_id":7,"ts":99999999999999999999}"#), "untimed", "does not fit"),
        (None, "tombstone", "its value is null"),
        (Some(&large), "joined", "1 output"),
        (Some(&joins), "joined", "1 output"),
    ];
    let mut lines = String::new();
    let mut add = |topic: &str, offset: usize, payload: Option<&str>| {
        let ts = 1_000_000 + offset * 100;
        let line = json!({
            "topic": topic, "partition": 0, "offset": offset, "tstype": "create", "ts": ts,
            "key": null, "payload": payload,
        });
        writeln!(lines, "{line}").unwrap();
    };
    for (offset, (payload, ..)) in views.iter().enumerate() {
        add("views", offset, *payload);
    }
    add("engagements", 0, Some(r#"{"view_id":7,"ts":1000500}"#));
    add("engagements", 1, Some(&large.replace("1000900", "1001000")));
    add("engagements", 2, Some(r#"{"view_id":8,"ts":1000700}"#));
    std::fs::write(at.join("poison.jsonl"), lines).unwrap();
    std::fs::write(at.join("poison.toml"), PIPELINE).unwrap();
    printed(at, &["import", "kcat", "poison.jsonl", "-o", "poison.mcap"]);
    let run = ["run", "poison.toml", "--recording", "poison.mcap", "--out", "run", "--json"];
    let ran: Value = serde_json::from_str(&printed(at, &run)).unwrap();
    assert_eq!((ran["ended"].as_str(), ran["records"].as_u64()), (Some("done"), Some(17)));
    let booked: u64 =
        ran["books"]["views"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(booked, 14, "{}", ran["books"]);

    let verdicts = printed(at, &["verdicts", "run", "--json"]);
    let verdicts: Vec<Value> = verdicts.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    for (offset, (_, verdict, why)) in views.iter().enumerate() {
        let record = format!("views[0]@{offset}");
        let said = verdicts.iter().find(|v| v["record"] == record.as_str()).unwrap();
        let reason = said["why"].as_str().unwrap();
        assert!(said["verdict"] == *verdict && reason.contains(why), "{record}: {said}");
        let explained = printed(at, &["explain", "run", &record]);
        assert!(explained.starts_with(&format!("{record} · {verdict}\n")), "{record}");
    }
    // Keys and values are given whole, however long.
    let (outputs, said) = both(at, &["outputs", "run", "--json"]);
    let outputs: Vec<Value> = outputs.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(outputs.len(), 3);
    assert!(outputs.iter().any(|output| output["key"] == long.as_str()));

    // Null is a side that is missing: what joined is there, also where no reader of JSON
    // takes it apart.
    let value = &outputs.iter().find(|output| output["key"] == 8).unwrap()["value"]["views"];
    assert_eq!((&value["ts"], &value["x"]), (&json!(1_000_600), &json!(nested)));
    assert!(said.contains("views[0]@13: ") && said.contains("as its JSON text"), "{said}");
    let explained = printed(at, &["explain", "run", "views[0]@13", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&explained).unwrap()["verdict"], "joined");
    for (condition, found) in [("value.x~[[[", 1), ("value.y=5", 1), ("value.y=6", 0)] {
        let met = printed(at, &["verdicts", "run", "--json", "--where", condition]);
        assert_eq!(met.lines().count(), found, "{condition}: {met}");
    }
}
