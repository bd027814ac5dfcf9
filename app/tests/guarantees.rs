//! `joinscope guarantees` as its users meet it: its figures and what they open, its exit
//! codes, and what Ctrl-C leaves.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const PIPELINE: &str = include_str!("pipelines/feed.toml");

/// Folders of a process in which jobs run.
fn scratch(pid: u32) -> Vec<String> {
    let ours = format!("joinscope-{pid}-");
    let of = |place: &Path| -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
        let names = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(&ours)).collect()
    };
    [of(Path::new("/dev/shm")), of(&std::env::temp_dir())].concat()
}

#[test]
fn ctrl_c_ends_a_comparison_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("feed.toml"), PIPELINE).unwrap();
    let command = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_joinscope"));
        command.current_dir(folder.path()).args(args);
        command
    };
    let made = command(&["generate", "feed", "--views", "100000", "-o", "feed.mcap"]).output();
    assert!(made.unwrap().status.success());
    let mut child = command(&["guarantees", "feed.toml", "--recording", "feed.mcap"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    while scratch(pid).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it began");
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("stopped; nothing that was made"), "{said}");
    assert!(output.stdout.is_empty());
    assert_eq!(scratch(pid), Vec::<String>::new());
}

/// Over 2,000 views, in four epochs.
fn compared(folder: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .current_dir(folder)
        .args(["guarantees", "feed.toml", "--recording", "feed.mcap"])
        .args(["--set", "delivery.checkpoint_interval=10m"])
        .args(more)
        .output()
        .unwrap()
}

fn with_feed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("feed.toml"), PIPELINE).unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .current_dir(folder.path())
        .args(["generate", "feed", "--views", "2000", "-o", "feed.mcap"])
        .output()
        .unwrap();
    assert!(made.status.success());
    folder
}

#[test]
fn each_number_opens_the_outputs_behind_it() {
    let folder = with_feed();
    let at = folder.path();
    let faults = ["--faults", "crash-mid-epoch@2"];
    let told = compared(at, &[&faults[..], &["--json"]].concat());
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stderr));
    let found: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&found["faults"], &found["epochs"]), (&"crash-mid-epoch@2".into(), &4.into()));
    let columns = found["columns"].as_array().unwrap();
    let modes: Vec<&str> = columns.iter().map(|column| column["mode"].as_str().unwrap()).collect();
    let expected = ["exactly-once", "at-least-once", "at-least-once, deduplicated", "at-most-once"];
    assert_eq!(modes, expected);
    let of = |column: usize, isolation: &str, what: &str| {
        columns[column][isolation][what].as_array().unwrap().clone()
    };
    let (twice, aborted, lost) = (
        of(1, "read-committed", "duplicates"),
        of(0, "read-uncommitted", "aborted"),
        of(3, "read-committed", "losses"),
    );
    for (mode, list, isolation, copies) in [
        ("at-least-once", "duplicates", "committed", &twice),
        ("exactly-once", "aborted", "uncommitted", &aborted),
        ("at-most-once", "losses", "committed", &lost),
    ] {
        assert!(copies.len() > 3, "{mode} {list}");
        let open = ["--mode", mode, "--list", list, "--isolation", isolation];
        let open = [&faults[..], &open].concat();
        let all = compared(at, &[&open[..], &["--json", "--limit", "10000"]].concat());
        let all = String::from_utf8(all.stdout).unwrap();
        let all: Vec<Value> = all.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(all, *copies, "{mode} {list}");
        // What is lost stands nowhere; the rest where a reader finds it.
        assert!(all.iter().all(|copy| copy["message"].is_null() == (list == "losses")), "{list}");
        let few = compared(at, &[&open[..], &["--limit", "3"]].concat());
        let few = String::from_utf8(few.stdout).unwrap();
        let record = all[0]["records"][0].as_str().unwrap();
        assert!(few.lines().next().unwrap().contains(record), "{few}");
        assert!(few.ends_with(&format!("and {} more (--limit)\n", all.len() - 3)), "{few}");
    }
}

#[test]
fn a_guarantee_that_is_not_kept_and_a_fault_that_never_came_are_said() {
    let folder = with_feed();
    let at = folder.path();
    // Nothing fences a twin that writes at-most-once.
    let more_often = ["--set", "delivery.checkpoint_interval=1m"];
    let zombie = compared(at, &[&["--faults", "zombie"][..], &more_often].concat());
    let said = String::from_utf8(zombie.stdout).unwrap();
    assert_eq!(zombie.status.code(), Some(1), "{said}");
    assert!(said.contains("\nat-most-once was not kept: "), "{said}");
    assert!(said.ends_with(" twice: only transactions fence a zombie\n"), "{said}");
    assert_eq!(said.matches("was not kept").count(), 1, "{said}");
    let never = compared(at, &["--faults", "crash-before-commit@99"]);
    assert_eq!(never.status.code(), Some(0), "{}", String::from_utf8_lossy(&never.stderr));
    let said = String::from_utf8(never.stdout).unwrap();
    for mode in ["exactly-once", "at-least-once", "at-most-once"] {
        let line =
            format!("\n{mode}: crash-before-commit@99 never came: the job ended before it\n");
        assert!(said.contains(&line), "{said}");
    }
    let away = ["--downtime=-5s"];
    for wrong in [&["--faults", "crash"][..], &["--list", "losses"], &["--brokers", "a:1"], &away] {
        let refused = compared(at, wrong);
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}");
        assert!(refused.stdout.is_empty() && !refused.stderr.is_empty(), "{wrong:?}");
    }
}

/// Found by trying it: where an input's topic was called as the one that the outputs go
/// to, its records counted as outputs that are untrue.
#[test]
fn what_is_read_is_not_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("feed.toml"), PIPELINE).unwrap();
    let made = |args: &[&str]| {
        let mut joinscope = Command::new(env!("CARGO_BIN_EXE_joinscope"));
        let output = joinscope.current_dir(at).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let line = |n: i64| format!("{{\"view_id\":{n},\"ts\":{}}}\n", 1_793_606_400_000 + n * 1_000);
    std::fs::write(at.join("lines.jsonl"), (0..100).map(line).collect::<String>()).unwrap();
    for topic in ["examples", "engagements"] {
        let to = format!("{topic}.mcap");
        let times = ["--key", "view_id", "--timestamp", "ts", "-o", &to];
        made(&[&["import", "jsonl", "lines.jsonl", "--topic", topic][..], &times].concat());
    }
    made(&["recording", "merge", "examples.mcap", "engagements.mcap", "-o", "feed.mcap"]);
    let views = ["--set", "inputs.views.topic=examples", "--faults", "none"];
    let told = compared(at, &[&views[..], &["--json"]].concat());
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stderr));
    let found: Value = serde_json::from_slice(&told.stdout).unwrap();
    for column in found["columns"].as_array().unwrap() {
        let seen = &column["read-committed"];
        assert_eq!((&seen["messages"], &column["stopped"]), (&100.into(), &Value::Null));
        assert_eq!(seen["untrue"], serde_json::json!([]));
    }
    let refused = compared(at, &[&views[..], &["--set", "sink.topic=engagements"]].concat());
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("writes topic \"engagements\", which input \"engagements\""), "{said}");
}
