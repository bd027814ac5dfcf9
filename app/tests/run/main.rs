//! `joinscope run` as its users meet it: the JSON, where a run lies, what it answers;
//! how it ends early, what it models of Flink and what it refuses.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod ends;
mod flink;
mod refused;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const PIPELINE: &str = include_str!("../pipelines/feed.toml");

fn joinscope(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .current_dir(folder)
        .env("XDG_DATA_HOME", folder.join("data"))
        .args(args)
        .output()
        .unwrap()
}

/// A folder with `feed.mcap` and `feed.toml`.
fn with_feed(views: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("feed.toml"), PIPELINE).unwrap();
    let made = joinscope(folder.path(), &["generate", "feed", "--views", views, "-o", "feed.mcap"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

const RUN: [&str; 4] = ["run", "feed.toml", "--recording", "feed.mcap"];

fn run(folder: &Path, more: &[&str]) -> Output {
    joinscope(folder, &[&RUN, more].concat())
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn error(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_verdict_names_its_input_where_a_topic_feeds_several() {
    let folder = with_feed("100");
    let lines = |sets: &[&str], out: &str| {
        let ran = run(folder.path(), &[&["--out", out][..], sets].concat());
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let table = joinscope(folder.path(), &["verdicts", out, "--limit", "2"]).stdout;
        String::from_utf8(table).unwrap()
    };
    let both = lines(&["--set", "inputs.views.topic=engagements"], "both");
    let inputs: Vec<&str> = both
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(" as ")?.1.split_whitespace().next())
        .collect();
    assert_eq!(inputs, ["views", "engagements"], "{both}");
    let one = lines(&[], "one");
    assert!(one.lines().count() == 3 && !one.contains("@0 as "), "{one}");
}

#[test]
fn the_json_is_a_contract_and_its_books_balance() {
    let folder = with_feed("3000");
    let first = json(&run(folder.path(), &["--json", "--out", "a"]));
    let records = first["records"].as_u64().unwrap();
    assert!(records > 3000);
    let books = first["books"].as_object().unwrap();
    assert_eq!(books.keys().collect::<Vec<_>>(), ["views", "engagements"]);
    let booked: u64 = books
        .values()
        .flat_map(|input| input.as_object().unwrap().values())
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(booked, records);
    assert_eq!(first["digest"].as_str().unwrap().len(), 32);
    for key in ["outputs", "seconds", "records_per_second", "peak_memory_bytes"] {
        assert!(first[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert!(Path::new(first["run"].as_str().unwrap()).join("manifest.json").is_file());

    for more in [["--shards", "7"], ["--memory", "4KiB"], ["--checkpoint-records", "500"]] {
        let again = json(&run(folder.path(), &[&["--json"][..], &more[..]].concat()));
        assert_eq!(again["digest"], first["digest"], "{more:?}");
        assert_eq!(again["books"], first["books"], "{more:?}");
    }
    let closed = json(&run(folder.path(), &["--json", "--at-end", "close"]));
    assert_eq!(closed["books"]["views"]["open"], 0);
    let views = "inputs.views.watermark.max_out_of_orderness=1ms";
    let engagements = "inputs.engagements.watermark.max_out_of_orderness=1ms";
    let sets = ["--json", "--set", views, "--set", engagements];
    let strict = json(&run(folder.path(), &sets));
    assert!(strict["books"]["views"]["late"].as_u64() > Some(0));
}

#[test]
fn without_out_runs_are_numbered_below_the_recordings_digest() {
    let folder = with_feed("500");
    let runs: Vec<String> = (0..2)
        .map(|_| json(&run(folder.path(), &["--json"]))["run"].as_str().unwrap().to_owned())
        .collect();
    let data = folder.path().join("data/joinscope/runs");
    assert!(runs[0].starts_with(data.to_str().unwrap()), "{runs:?}");
    assert!(runs[0].ends_with("/1") && runs[1].ends_with("/2"), "{runs:?}");
}

#[test]
fn verdicts_of_a_key_or_a_record_are_those_that_looking_at_all_rows_finds() {
    let folder = with_feed("2000");
    let path = folder.path();
    assert!(run(path, &["--out", "a"]).status.success());
    let of = |filter: &str| {
        let said = joinscope(path, &["verdicts", "a", "--json", "--where", filter]);
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    };
    let key = |record: &str| {
        let filter = format!("record={record}");
        let said = joinscope(path, &["verdicts", "a", "--where", &filter]).stdout;
        let text = String::from_utf8(said).unwrap();
        text.lines().nth(1).unwrap().split_whitespace().nth(2).unwrap().to_owned()
    };
    let (one, other) = (key("views[0]@3"), key("views[0]@4"));
    // By the index, and without it: the recording's values know no index.
    for (pinned, looked) in [
        (format!("key={one}"), format!("value.view_id={one}")),
        (format!("key={one}|{other}|{one}"), format!("value.view_id={one}|{other}")),
        (format!("key={other}, verdict=joined"), format!("value.view_id={other}, verdict=joined")),
        ("record=views[0]@3".to_owned(), "topic=views, partition=0, offset=3".to_owned()),
        ("record=views[0]@999999".to_owned(), "topic=views, offset=999999".to_owned()),
        ("key=no-such".to_owned(), "key~no-such".to_owned()),
    ] {
        assert_eq!(of(&pinned), of(&looked), "{pinned}");
    }
    assert!(!of(&format!("key={one}")).is_empty());
    // A part of a name; a name as the window prints it.
    assert_eq!(of("topic~vie"), of("topic=views"));
    assert_eq!(of("record=\"views[0]@0,003\""), of("record=views[0]@3"));
    for (filter, what) in [
        ("input=vews", "no \"vews\"; it has views, engagements"),
        ("record=vews[0]@3", "no \"vews\"; it has views, engagements"),
        ("record=views", "\"views\" does not name a record"),
        ("padded=maybe", "neither true nor false"),
    ] {
        let text = error(&joinscope(path, &["verdicts", "a", "--where", filter]));
        assert!(text.contains(what), "{filter}: {text}");
    }
}

#[test]
fn what_has_no_epochs_is_said_to_be_a_run_or_none() {
    let folder = with_feed("20");
    let path = folder.path();
    assert!(run(path, &["--out", "a"]).status.success());
    let text = error(&joinscope(path, &["epochs", "a"]));
    assert!(text.contains("has no epochs of a job") && text.contains("--write"), "{text}");
    let text = error(&joinscope(path, &["epochs", "nowhere"]));
    assert!(text.contains("not a run folder"), "{text}");
}

#[test]
fn a_recording_that_moved_is_missed_and_named() {
    let folder = with_feed("500");
    let path = folder.path();
    assert!(run(path, &["--out", "a"]).status.success());
    let asks: [&[&str]; 3] = [
        &["outputs", "a", "--json", "--limit", "5"],
        &["verdicts", "a", "--json", "--where", "value.view_id>0", "--limit", "5"],
        &["explain", "a", "views[0]@0"],
    ];
    let before = asks.map(|ask| joinscope(path, ask));
    assert!(before.iter().all(|said| said.status.success() && !said.stdout.is_empty()));

    std::fs::rename(path.join("feed.mcap"), path.join("moved.mcap")).unwrap();
    let stderr = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
    let hinted = |text: &str| text.contains("feed.mcap") && text.contains("--recording FILE");
    let outputs = joinscope(path, asks[0]);
    assert!(outputs.status.success() && hinted(&stderr(&outputs)), "{}", stderr(&outputs));
    // A condition that nothing could meet is no empty answer.
    let verdicts = joinscope(path, asks[1]);
    assert!(hinted(&error(&verdicts)), "{}", stderr(&verdicts));
    assert!(verdicts.stdout.is_empty());
    assert!(hinted(&error(&joinscope(path, &["explain", "a", "views[0]@999999"]))));

    for (ask, before) in asks.into_iter().zip(&before) {
        let now = joinscope(path, &[ask, &["--recording", "moved.mcap"][..]].concat());
        assert!(now.status.success(), "{}", stderr(&now));
        assert!(now.stdout == before.stdout, "{ask:?}: as before");
        assert!(!hinted(&stderr(&now)), "{}", stderr(&now));
    }
    // Another one in its place is told by its digest.
    let made = joinscope(path, &["generate", "feed", "--views", "20", "-o", "feed.mcap"]);
    assert!(made.status.success());
    let text = stderr(&joinscope(path, asks[0]));
    assert!(text.contains("another recording") && hinted(&text), "{text}");
    let text = error(&joinscope(path, &[asks[0], &["--recording", "feed.mcap"]].concat()));
    assert!(text.contains("another recording"), "{text}");
}
