//! `joinscope explain` over a handful of records.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

use std::path::Path;
use std::process::Command;

const PIPELINE: &str = r#"
name = "few"
[inputs.views]
topic = "views"
format = "json"
key = "k"
event_time = { field = "t", unit = "ms" }
watermark = { max_out_of_orderness = "0ms" }
[inputs.plays]
topic = "plays"
format = "json"
key = "k"
event_time = { field = "t", unit = "ms" }
watermark = { max_out_of_orderness = "0ms" }
[join]
primary = "views"
with.plays = { after = "0s", until = "10s" }
kind = "left"
semantics = "flink-sql"
"#;

/// What a command that must succeed prints.
fn said(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_joinscope"));
    let output = command.current_dir(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_said_of_a_row_is_true_and_stands_in_columns() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("few.toml"), PIPELINE).unwrap();
    let line = |(key, time, arrival): (&str, i64, i64)| {
        format!("{{\"k\":\"{key}\",\"t\":{time},\"at\":{arrival}}}\n")
    };
    for (topic, recording, records) in [
        ("views", "views.mcap", [("z", 110_000, 1), ("a", 100_000, 3)]),
        ("plays", "plays.mcap", [("z", 110_000, 2), ("a", 110_000, 4)]),
    ] {
        std::fs::write(at.join("lines"), records.map(line).concat()).unwrap();
        let from = ["import", "jsonl", "lines", "--topic", topic, "--key", "k"];
        let times = ["--arrival", "at", "--timestamp", "t", "-o", recording];
        said(at, &[&from[..], &times[..]].concat());
    }
    said(at, &["recording", "merge", "views.mcap", "plays.mcap", "-o", "few.mcap"]);
    let run = ["run", "few.toml", "--recording", "few.mcap", "--out", "few"];
    said(at, &[&run[..], &["--at-end", "close"]].concat());
    let left = |record| said(at, &["explain", "few", record]).contains("Left the state at");
    assert!(left("views[0]@0"), "it was kept");
    assert!(!left("plays[0]@1"), "it came when its interval was over");

    // What is not there: how many were taken in is no arrival.
    let mut command = Command::new(env!("CARGO_BIN_EXE_joinscope"));
    let output = command.current_dir(at).args(["explain", "few", "views[0]@7"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let said_so = "recorded from offset 0 to 1, and the run took in 4 records in all";
    assert!(!output.status.success() && error.contains(said_so), "{error}");

    // The figures stand below one another, however long an input's name is.
    let name = "plays_that_were_counted";
    let text = PIPELINE
        .replace("[inputs.plays]", &format!("[inputs.{name}]"))
        .replace("with.plays", &format!("with.{name}"));
    std::fs::write(at.join("long.toml"), text).unwrap();
    said(at, &["run", "long.toml", "--recording", "few.mcap", "--out", "long"]);
    let told = said(at, &["explain", "long", "views[0]@0"]);
    let column = |label: &str, figure: &str| {
        let line = told.lines().find(|line| line.trim_start().starts_with(label)).unwrap();
        line.find(figure).unwrap()
    };
    assert_eq!(column("Event time", "1970-"), column("Interval of", "0s to 10s"), "{told}");
}
