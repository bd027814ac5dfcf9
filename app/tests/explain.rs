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
fn a_row_that_was_never_in_the_state_has_not_left_it() {
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
}
