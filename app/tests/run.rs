//! `joinscope run` as its users meet it: the JSON, the exit codes, Ctrl-C.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const PIPELINE: &str = r#"
name = "feed"
[inputs.views]
topic = "views"
format = "json"
key = "view_id"
event_time = { field = "ts", unit = "ms" }
watermark = { max_out_of_orderness = "60s" }
[inputs.engagements]
topic = "engagements"
format = "json"
key = "view_id"
event_time = { field = "ts", unit = "ms" }
watermark = { max_out_of_orderness = "60s" }
[join]
primary = "views"
with.engagements = { after = "0s", until = "30m" }
kind = "left"
[delivery]
checkpoint_interval = "1s"
"#;

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
fn what_a_recording_cannot_do_is_said() {
    let folder = with_feed("500");
    let drift = "inputs.views.watermark.max_drift=5s";
    let said = |output: Output| String::from_utf8(output.stderr).unwrap();
    let text = said(run(folder.path(), &["--set", drift]));
    assert!(text.contains("inputs.views.watermark.max_drift has no effect"), "{text}");
    assert!(!said(run(folder.path(), &[])).contains("max_drift"));
}

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
fn what_cannot_be_run_is_said_and_leaves_nothing() {
    let folder = with_feed("500");
    let path = folder.path();
    assert!(run(path, &["--out", "a"]).status.success());
    let text = error(&run(path, &["--out", "a"]));
    assert!(text.contains("exists already"), "{text}");

    let text = error(&run(path, &["--out", "b", "--set", "inputs.views.topic=view"]));
    assert!(text.contains("\"view\"") && text.contains("views"), "{text}");
    assert!(text.contains("the nearest it has: views, engagements"), "{text}");
    // Nor where the program chooses the folder.
    let _ = error(&run(path, &["--set", "inputs.views.topic=view"]));
    let runs = path.join("data/joinscope/runs");
    assert_eq!(std::fs::read_dir(runs).map_or(0, Iterator::count), 0);
    let text = error(&run(path, &["--out", "b", "--set", "inputs.views.tpic=x"]));
    assert!(text.contains("topic"), "{text}");
    let text = error(&joinscope(path, &["run", "feed.toml", "--recording", "feed.toml"]));
    assert!(text.contains("feed.toml"), "{text}");
    let text = error(&joinscope(path, &["run", "none.toml", "--recording", "feed.mcap"]));
    assert!(text.contains("none.toml"), "{text}");
    // Without a [sink], before any broker is asked.
    let live = ["run", "feed.toml", "--brokers", "127.0.0.1:1", "--write", "--out", "b"];
    let text = error(&joinscope(path, &live));
    assert!(text.contains("[sink]"), "{text}");
    // A property that there is not: no further start gets on.
    let sunk = std::fs::read_to_string(path.join("feed.toml")).unwrap();
    let sunk = format!("{sunk}\n[sink]\ntopic = \"out\"\nformat = \"json\"\n");
    std::fs::write(path.join("sunk.toml"), sunk).unwrap();
    std::fs::write(path.join("client.properties"), "sasl.pasword=x\n").unwrap();
    let live = ["run", "sunk.toml", "--brokers", "127.0.0.1:1", "--write", "--out", "b"];
    let live = [&live[..], &["--config", "client.properties"]].concat();
    let text = error(&joinscope(path, &live));
    assert!(text.contains("sasl.pasword") && !text.contains("the state is in"), "{text}");
    assert!(!path.join("b").exists());
}

#[test]
fn what_is_of_no_use_to_a_run_is_refused_and_not_passed_over() {
    let folder = with_feed("10");
    let path = folder.path();
    json(&run(path, &["--out", "a", "--json"]));
    let live = ["run", "feed.toml", "--brokers", "127.0.0.1:1", "--timeout", "1s"];
    let live = |more: &[&str]| joinscope(path, &[&live[..], more].concat());
    for (output, what) in [
        (live(&["--resume", "a"]), "--resume"),
        (live(&["--restart-at", "5", "--out", "b"]), "--restart-at"),
        (run(path, &["--rebuild", "--out", "b"]), "--rebuild"),
    ] {
        let text = error(&output);
        assert!(text.contains("cannot be used with") && text.contains(what), "{text}");
    }
    assert!(!path.join("b").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_secret_that_no_keychain_gives_is_named_before_anything_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("feed.toml"), PIPELINE).unwrap();
    let properties = "sasl.username=me\nsasl.password=keychain:kafka/me\n";
    std::fs::write(path.join("client.properties"), properties).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .current_dir(path)
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
        .args(["run", "feed.toml", "--brokers", "127.0.0.1:1", "--out", "live"])
        .args(["--config", "client.properties"])
        .output()
        .unwrap();
    let text = error(&output);
    let named = "client.properties:2: sasl.password: keychain entry kafka/me: ";
    assert!(text.contains(named) && text.contains("does not answer"), "{text}");
    assert!(!path.join("live").exists());
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_what_was_written_valid() {
    let folder = with_feed("400000");
    let mut child = Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .current_dir(folder.path())
        .args(RUN)
        .args(["--out", "cut", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let manifest = folder.path().join("cut/manifest.json");
    while !manifest.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it began");
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ended"], "cancelled");
    let records = told["records"].as_u64().unwrap();
    assert!(records < 400_000, "{records}");

    let run = joinscope_core::run::Run::open(&folder.path().join("cut")).unwrap();
    assert_eq!(run.arrivals(), records);
    let manifest: Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    assert_eq!(manifest["state"], "cancelled");
}

#[test]
fn a_run_ends_at_its_breakpoint_where_nobody_can_say_that_it_goes_on() {
    let folder = with_feed("2000");
    let run = |condition: &str, out: &str| {
        let args = ["run", "feed.toml", "--recording", "feed.mcap", "--out", out, "--json"];
        let args: Vec<&str> = args.into_iter().chain(["--break", condition]).collect();
        joinscope(folder.path(), &args)
    };
    let stopped = run("state>100", "stopped");
    let said = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert_eq!(stopped.status.code(), Some(1), "{said}");
    assert!(said.contains("stopped at arrival ") && said.contains("state>100, "), "{said}");
    let json: Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert_eq!(json["ended"], "stopped");
    let records = json["records"].as_u64().unwrap();
    assert!(records > 100 && records < 2_000, "{json}");
    // The run is readable up to there, and says how it ended.
    let verdicts = joinscope(folder.path(), &["verdicts", "stopped", "--limit", "5"]);
    let said = String::from_utf8_lossy(&verdicts.stderr).into_owned();
    assert!(said.contains("stopped at a breakpoint"), "{said}");
    assert!(said.contains(&format!("arrival {records}")), "{said}");

    let wrong = run("lat_by>1s", "wrong");
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    assert!(said.contains("did you mean late_by"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_killed_run_goes_on_to_the_same_end() {
    let folder = with_feed("400000");
    let path = folder.path();
    let whole = json(&run(path, &["--json", "--out", "whole"]));
    let mut child = Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .current_dir(path)
        .args(RUN)
        .args(["--out", "cut", "--checkpoint-records", "20000"])
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    let manifest = || -> Option<Value> {
        serde_json::from_slice(&std::fs::read(path.join("cut/manifest.json")).ok()?).ok()
    };
    let checkpoints = |m: Value| m["checkpoints"].as_array().unwrap().len();
    while manifest().map_or(0, checkpoints) < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its second checkpoint");
        std::thread::yield_now();
    }
    signal("-STOP");
    let text = error(&run(path, &["--resume", "cut"]));
    assert!(text.contains("still goes on") && text.contains(&pid), "{text}");
    signal("-KILL");
    child.wait().unwrap();
    assert_eq!(manifest().unwrap()["state"], "running", "nobody could write how it ended");

    // Only as it began.
    let text = error(&run(path, &["--resume", "cut", "--set", "join.late=\"join\""]));
    assert!(text.contains("another overrides") || text.contains("another pipeline"), "{text}");
    let text = error(&run(path, &["--resume", "cut", "--seed", "7"]));
    assert!(text.contains("another seed"), "{text}");
    let made = joinscope(path, &["generate", "feed", "--views", "500", "-o", "other.mcap"]);
    assert!(made.status.success());
    let other = ["run", "feed.toml", "--recording", "other.mcap", "--resume", "cut"];
    let text = error(&joinscope(path, &other));
    assert!(text.contains("another recording"), "{text}");
    let text = error(&run(path, &["--resume", "cut", "--out", "else"]));
    assert!(text.contains("--out"), "{text}");
    let text = error(&run(path, &["--resume", "none"]));
    assert!(text.contains("none"), "{text}");

    // In other shards, which changes nothing.
    let more = ["--json", "--resume", "cut", "--checkpoint-records", "20000", "--shards", "3"];
    let again = json(&run(path, &more));
    for key in ["digest", "books", "records", "outputs", "watermark"] {
        assert_eq!(again[key], whole[key], "{key}");
    }
    let verdicts = |dir: &str| joinscope(path, &["verdicts", dir, "--json"]).stdout;
    assert!(verdicts("cut") == verdicts("whole"), "the verdicts are those of the whole run");
    let text = error(&run(path, &["--resume", "cut"]));
    assert!(text.contains("has come to its end"), "{text}");
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

#[cfg(unix)]
#[test]
fn a_run_stopped_before_its_first_checkpoint_says_so() {
    let folder = with_feed("2000");
    let path = folder.path();
    let stopped = run(path, &["--out", "early", "--break", "state>100"]);
    assert_eq!(stopped.status.code(), Some(1));
    let text = error(&run(path, &["--resume", "early"]));
    assert!(text.contains("before its first checkpoint"), "{text}");
}

#[test]
fn a_run_that_breaks_off_says_why_and_where_it_is() {
    let folder = with_feed("20000");
    let path = folder.path();
    let mut bytes = std::fs::read(path.join("feed.mcap")).unwrap();
    // All over its middle, so that it is not only indices that are bent.
    for n in 0..64 {
        let at = bytes.len() / 4 + n * bytes.len() / 128;
        bytes[at] ^= 4;
    }
    std::fs::write(path.join("bent.mcap"), bytes).unwrap();
    let bent = ["run", "feed.toml", "--recording", "bent.mcap", "--out", "broken"];
    let text = error(&joinscope(path, &bent));
    assert!(text.contains("what was whole is in broken"), "{text}");
    // And it is said again whenever the run is asked.
    let asked = joinscope(path, &["verdicts", "broken", "--limit", "1"]);
    let said = String::from_utf8(asked.stderr).unwrap();
    assert!(said.contains("the run failed: "), "{said}");
}
