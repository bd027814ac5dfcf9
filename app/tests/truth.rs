//! `joinscope truth` on a run of a shipped sample.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

fn joinscope(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_joinscope")).args(args).output().unwrap()
}

#[test]
fn a_run_of_a_sample_agrees_with_the_truth() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-data/feed");
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let (pipeline, recording) = (sample.join("feed.toml"), sample.join("feed.mcap"));
    let [pipeline, recording, dir] =
        [&pipeline, &recording, &dir].map(|path| path.to_str().unwrap());
    let ran = joinscope(&["run", pipeline, "--recording", recording, "--out", dir]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));

    let told = joinscope(&["truth", dir, "--json", "--limit", "5"]);
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stderr));
    let report: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(report["unexplained"], 0);
    assert!(report["same"].as_u64().unwrap() > 1_000, "{report}");
    assert!(report["explained"].as_u64().unwrap() > 0, "{report}");
    assert!(report["differences"].as_array().unwrap().len() <= 5);

    let text = joinscope(&["truth", dir, "--limit", "1"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("0 unexplained"), "{text}");

    // Another engine's rules are no mistakes: it is said what to ask instead.
    let other = folder.path().join("flink");
    let other = other.to_str().unwrap();
    let sets = ["--set", "join.semantics=flink-sql", "--set", "examples.emit=on-match"];
    let ran = ["run", pipeline, "--recording", recording, "--out", other];
    let ran = joinscope(&[&ran[..], &sets[..]].concat());
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let told = joinscope(&["truth", other]);
    assert_eq!(told.status.code(), Some(2));
    let text = String::from_utf8(told.stderr).unwrap();
    assert!(text.contains("flink-sql") && text.contains("joinscope semantics"), "{text}");
}

#[test]
fn what_is_no_run_is_misuse() {
    let folder = tempfile::tempdir().unwrap();
    let told = joinscope(&["truth", folder.path().to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(2));
    let text = String::from_utf8(told.stderr).unwrap();
    assert!(text.contains("not a run folder"), "{text}");
}
