//! `joinscope guarantees` as its users meet it: what Ctrl-C leaves.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Stdio};

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
