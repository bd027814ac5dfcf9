//! Nobody reads standard output or error any more: `joinscope … | head`, a log that is gone.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

const PIPELINE: &str = include_str!("pipelines/feed.toml");

fn joinscope(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_joinscope"));
    command.current_dir(folder).args(args);
    command
}

fn done(folder: &Path, args: &[&str]) -> Output {
    let output = joinscope(folder, args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn what_nobody_hears_of_is_done_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    done(at, &["generate", "feed", "--views", "20000", "-o", "whole.mcap"]);
    let bytes = std::fs::read(at.join("whole.mcap")).unwrap();
    std::fs::write(at.join("cut.mcap"), &bytes[..bytes.len() * 3 / 4]).unwrap();
    // Each says on stderr where the recording was cut.
    let verbs: [&[&str]; 4] = [
        &["slice", "cut.mcap", "-o", "slice.mcap"],
        &["export", "cut.mcap", "-o", "export.parquet"],
        &["redact", "cut.mcap", "--drop", "user", "-o", "redact.mcap"],
        &["merge", "whole.mcap", "cut.mcap", "-o", "merge.mcap"],
    ];
    for verb in verbs {
        let args = [&["recording"][..], verb].concat();
        let output = joinscope(at, &args).stderr(closed()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {:?}", output.status);
        let made = at.join(verb.last().unwrap());
        assert!(made.is_file() && !output.stdout.is_empty(), "{args:?} did nothing");
    }
}

#[test]
fn a_run_that_did_not_end_is_shown_whoever_hears_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("feed.toml"), PIPELINE).unwrap();
    done(at, &["generate", "feed", "--views", "3000", "-o", "feed.mcap"]);
    let run = ["run", "feed.toml", "--recording", "feed.mcap", "--out", "run"];
    let args = [&run[..], &["--break", "verdict=joined"]].concat();
    // It ends there, and says so by its exit code.
    let stopped = joinscope(at, &args).stdin(Stdio::null()).output().unwrap();
    assert_eq!(stopped.status.code(), Some(1), "{}", String::from_utf8_lossy(&stopped.stderr));
    std::fs::rename(at.join("feed.mcap"), at.join("moved.mcap")).unwrap();
    for verb in ["verdicts", "outputs"] {
        let args = [verb, "run", "--limit", "1", "--json"];
        let output = joinscope(at, &args).stderr(closed()).output().unwrap();
        assert!(output.status.success(), "{verb}: {:?}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1, "{verb}");
    }
}

#[test]
fn an_answer_that_nobody_reads_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("feed.toml"), PIPELINE).unwrap();
    done(at, &["generate", "feed", "--views", "300", "-o", "feed.mcap"]);
    done(at, &["run", "feed.toml", "--recording", "feed.mcap", "--out", "run"]);
    for verb in ["truth", "verdicts", "outputs"] {
        let formats: [&[&str]; 2] = [&[], &["--json"]];
        for format in formats {
            let args = [&[verb, "run"][..], format].concat();
            let output = joinscope(at, &args).stdout(closed()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{args:?}: {said}");
        }
    }
}
