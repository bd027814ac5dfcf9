//! Files whose names are no UTF-8, as a file system may have them.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const PIPELINE: &str = include_str!("pipelines/feed.toml");

fn joinscope(folder: &Path, args: &[&[u8]]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .current_dir(folder)
        .env("HOME", folder)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_STATE_HOME")
        .env_remove("XDG_DATA_HOME")
        .args(args.iter().map(|arg| OsStr::from_bytes(arg)))
        .output()
        .unwrap()
}

/// The object that a verb prints with `--json`.
fn json(folder: &Path, args: &[&[u8]]) -> Value {
    let flag: &[&[u8]] = &[b"--json"];
    let output = joinscope(folder, &[args, flag].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {said}", args[0]);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_name_that_is_no_text_is_a_name_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("feed.toml"), PIPELINE).unwrap();
    let made = json(at, &[b"generate", b"feed", b"--views", b"300", b"-o", b"r\xff.mcap"]);
    // JSON has no such text: the byte is shown as what stands for one.
    assert_eq!(made["recording"], "r\u{fffd}.mcap");
    let verb = |verb: &[u8], to: &[u8]| json(at, &[b"recording", verb, b"r\xff.mcap", b"-o", to]);
    assert_eq!(verb(b"slice", b"s\xff.mcap")["recording"], "s\u{fffd}.mcap");
    assert_eq!(verb(b"export", b"e\xff.parquet")["file"], "e\u{fffd}.parquet");
    let import: [&[u8]; 5] = [b"import", b"parquet", b"e\xff.parquet", b"-o", b"i\xff.mcap"];
    assert_eq!(json(at, &import)["records"], made["records"]);
    let merge: [&[u8]; 6] =
        [b"recording", b"merge", b"s\xff.mcap", b"i\xff.mcap", b"-o", b"m\xff.mcap"];
    assert_eq!(json(at, &merge)["duplicates"], made["records"]);

    let run: [&[u8]; 6] =
        [b"run", b"feed.toml", b"--recording", b"r\xff.mcap", b"--out", b"run\xff"];
    let ran = json(at, &run);
    assert_eq!(ran["records"], made["records"]);
    assert!(ran["run"].as_str().unwrap().ends_with("run\u{fffd}"), "{ran}");

    // The manifest cannot say where it is, but it can be named.
    let outputs: [&[u8]; 5] = [b"outputs", b"run\xff", b"--limit", b"1", b"--json"];
    let without = joinscope(at, &outputs);
    assert!(without.status.success());
    assert!(String::from_utf8_lossy(&without.stderr).contains("--recording FILE"));
    let place: &[&[u8]] = &[b"--recording", b"r\xff.mcap"];
    let located = joinscope(at, &[&outputs[..], place].concat());
    let line: Value = serde_json::from_slice(&located.stdout).unwrap();
    assert!(line["value"]["views"].is_object(), "{line}");

    let save: [&[u8]; 8] = [
        b"incident",
        b"save",
        b"run\xff",
        b"-o",
        b"i\xff\xff.mcap",
        b"--recording",
        b"r\xff.mcap",
        b"--plain",
    ];
    assert_eq!(json(at, &save)["incident"], "i\u{fffd}\u{fffd}.mcap");
    let check: [&[u8]; 5] = [b"incident", b"check", b"i\xff\xff.mcap", b"--out", b"again\xff"];
    let checked = json(at, &check);
    assert_eq!(checked["same"], true);
    assert_eq!(checked["run"], "again\u{fffd}");
    let diff = json(at, &[b"diff", b"run\xff", b"again\xff"]);
    assert_eq!(diff["a"], "run\u{fffd}");
    assert_eq!(diff["rows"], made["records"]);
}
