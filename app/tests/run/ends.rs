//! Runs that end before their recording does: by Ctrl-C, at a breakpoint, killed, on a
//! damaged file; and how one goes on.

#[cfg(unix)]
use std::process::Command;

use joinscope_core::run::Run;
use serde_json::{Value, json};

#[cfg(unix)]
use crate::RUN;
use crate::{PIPELINE, error, joinscope, json, run, with_feed};

/// A run into the folder `cut` that takes some seconds, once it has begun.
#[cfg(unix)]
fn begun() -> (tempfile::TempDir, std::process::Child) {
    let folder = with_feed("400000");
    let mut child = Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .current_dir(folder.path())
        .args(RUN)
        .args(["--out", "cut", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while !folder.path().join("cut/manifest.json").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it began");
        std::thread::yield_now();
    }
    (folder, child)
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_what_was_written_valid() {
    let (folder, child) = begun();
    let manifest = folder.path().join("cut/manifest.json");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ended"], "cancelled");
    let records = told["records"].as_u64().unwrap();
    assert!(records < 400_000, "{records}");

    let cut = Run::open(&folder.path().join("cut")).unwrap();
    assert_eq!(cut.arrivals(), records);
    let manifest: Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    assert_eq!(manifest["state"], "cancelled");

    // It goes on from there, though it came to no checkpoint of its own.
    let newest = manifest["checkpoints"].as_array().unwrap().last();
    assert_eq!(newest.map_or(0, |newest| newest["arrival"].as_u64().unwrap()), records);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.contains("--resume"), records > 0, "{said}");
    if records > 0 {
        let whole = json(&run(folder.path(), &["--json", "--out", "whole"]));
        let again = json(&run(folder.path(), &["--json", "--resume", "cut"]));
        for key in ["digest", "books", "records", "outputs", "watermark"] {
            assert_eq!(again[key], whole[key], "{key}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_it_at_once() {
    let (folder, child) = begun();
    // Standing still it cannot end between the two, which are not the same signal: two
    // of one that wait are one.
    let pid = child.id().to_string();
    for signal in ["-STOP", "-INT", "-TERM", "-CONT"] {
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(output.stdout.is_empty());
    // Nobody could say how it ended; what was published is there.
    let asked = joinscope(folder.path(), &["verdicts", "cut", "--limit", "1"]);
    let said = String::from_utf8(asked.stderr).unwrap();
    assert!(asked.status.success() && said.contains("the run was cut off"), "{said}");
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

    // Both rows of the first match meet it, and it is named once.
    let said = String::from_utf8(run("verdict=joined", "joined").stderr).unwrap();
    assert_eq!(said.matches("verdict=joined").count(), 1, "{said}");

    let wrong = run("lat_by>1s", "wrong");
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    assert!(said.contains("did you mean late_by"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_run_stopped_before_its_first_checkpoint_says_so() {
    let folder = with_feed("2000");
    let path = folder.path();
    let stopped = run(path, &["--out", "early", "--break", "state>100"]);
    assert_eq!(stopped.status.code(), Some(1));
    let said = String::from_utf8(stopped.stderr).unwrap();
    assert!(said.contains("it ends there") && !said.contains("--resume"), "{said}");
    let text = error(&run(path, &["--resume", "early"]));
    assert!(text.contains("before its first checkpoint"), "{text}");
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

/// Found by reading: it cut the run at the checkpoint before it looked at it, and advised
/// to restore an earlier one, which no command did.
#[test]
fn where_the_newest_checkpoint_is_damaged_the_advised_command_goes_on_from_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut lines = String::new();
    for n in 0..3_000 {
        for (topic, ts) in [("views", 1_000_000 + n * 10), ("engagements", 1_000_005 + n * 10)] {
            let line = json!({
                "topic": topic, "partition": 0, "offset": n, "tstype": "create", "ts": ts,
                "key": null, "payload": format!("{{\"view_id\":{n},\"ts\":{ts}}}"),
            });
            lines += &format!("{line}\n");
        }
    }
    std::fs::write(path.join("feed.jsonl"), lines).unwrap();
    std::fs::write(path.join("feed.toml"), PIPELINE).unwrap();
    let made = joinscope(path, &["import", "kcat", "feed.jsonl", "-o", "feed.mcap"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let whole = json(&run(path, &["--json", "--out", "whole"]));
    let stop = ["--out", "cut", "--checkpoint-records", "1000", "--break", "key=2500"];
    let stopped = run(path, &stop);
    assert_eq!(stopped.status.code(), Some(1));
    let said = String::from_utf8(stopped.stderr).unwrap();
    assert!(said.contains(", --resume "), "{said}");
    assert!(said.contains("/cut goes on from its newest checkpoint"), "{said}");
    // Not whole: whoever holds it against something is told so.
    let told = joinscope(path, &["truth", "cut"]);
    let said = String::from_utf8(told.stderr).unwrap();
    assert!(said.contains("stopped at a breakpoint"), "{said}");

    let cut = path.join("cut");
    let checkpoints = Run::open(&cut).unwrap().checkpoints();
    let [.., before, newest] = checkpoints.as_slice() else { panic!("{checkpoints:?}") };
    std::fs::write(cut.join(&newest.path).join("manifest.json"), "cut").unwrap();
    let kept = || {
        let mut files: Vec<_> =
            std::fs::read_dir(cut.join("segments")).unwrap().map(|f| f.unwrap().path()).collect();
        files.push(cut.join("manifest.json"));
        files.sort();
        files.into_iter().map(|f| (std::fs::read(&f).unwrap(), f)).collect::<Vec<_>>()
    };
    let was = kept();
    let text = error(&run(path, &["--resume", "cut"]));
    assert!(text.contains("is damaged") && text.contains("Nothing was changed"), "{text}");
    let advised = format!("--resume cut --checkpoint {} goes on", before.epoch);
    assert!(text.contains(&advised), "{text}");
    assert!(!text.contains("goes on from there"), "not from this one: {text}");
    assert!(kept() == was, "nothing was changed");

    let text = error(&run(path, &["--resume", "cut", "--checkpoint", "99"]));
    assert!(text.contains("no checkpoint 99; it has "), "{text}");
    assert!(text.contains(&before.epoch.to_string()), "{text}");
    let text = error(&run(path, &["--checkpoint", "1"]));
    assert!(text.contains("--resume"), "{text}");

    let epoch = before.epoch.to_string();
    let again = json(&run(path, &["--json", "--resume", "cut", "--checkpoint", &epoch]));
    for key in ["digest", "books", "records", "outputs", "watermark"] {
        assert_eq!(again[key], whole[key], "{key}");
    }
    // One that has come to its end has nothing to go on with, whatever the checkpoint.
    let text = error(&run(path, &["--resume", "cut", "--checkpoint", &epoch]));
    assert!(text.contains("has come to its end"), "{text}");
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
