//! `joinscope incident …` on the shipped sample: saved, sent, checked.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

use joinscope_core::edges::recording::{
    Piece, Recording, Writer, WriterOptions, unattended, write_with,
};
use serde_json::Value;

/// With a home of its own, so that nobody's bookmarks or runs are in it.
fn joinscope(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .args(args)
        .env("HOME", home)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_STATE_HOME")
        .env_remove("XDG_DATA_HOME")
        .output()
        .unwrap()
}

fn json(out: &Output) -> Value {
    serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)))
}

/// A run of the sample, saved as an incident.
fn saved(home: &Path) -> String {
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let (run, file) = (path("run"), path("feed.mcap"));
    let args = ["run", &sample("feed.toml"), "--recording", &sample("feed.mcap"), "--out", &run];
    assert!(joinscope(home, &args).status.success());
    assert!(joinscope(home, &["incident", "save", &run, "-o", &file]).status.success());
    file
}

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-data/feed").join(name);
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_looks_like_a_secret_is_blanked_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    saved(home);
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let save = |name: &str, notes: &str| {
        let args = ["incident", "save", &path("run"), "-o", &path(name), "--notes", notes];
        let out = joinscope(home, &args);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).contains("looked like a secret")
    };
    assert!(!save("a.mcap", "a stall") && save("b.mcap", "password: hunter2"));
    let told = json(&joinscope(home, &["incident", "info", &path("b.mcap"), "--json"]));
    assert_eq!(told["notes"], "password: ***");
    for (name, notes, blanked) in
        [("c.mcap", "a stall", false), ("d.mcap", "password: hunter2", true)]
    {
        let args =
            ["incident", "save", &path("run"), "-o", &path(name), "--notes", notes, "--json"];
        assert_eq!(json(&joinscope(home, &args))["blanked"], blanked, "{notes}");
    }
}

#[test]
fn what_others_wrote_does_not_reach_the_terminal_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    saved(home);
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let (run, file) = (path("run"), path("title.mcap"));
    let notes = "a stall\n\u{1b}]0;not your title\u{7} on partition 2";
    let args = ["incident", "save", &run, "-o", &file, "--notes", notes];
    assert!(joinscope(home, &args).status.success());
    let told = joinscope(home, &["incident", "info", &file]);
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains("not your title\u{fffd} on partition 2"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    let told = json(&joinscope(home, &["incident", "info", &file, "--json"]));
    assert_eq!(told["notes"], notes);

    let note = [("by\u{1b}[2J".to_owned(), "me\rnot me".to_owned())];
    let options = WriterOptions { notes: note.into(), ..WriterOptions::default() };
    let odd = home.join("odd.mcap");
    Writer::create(&odd, options).unwrap().finish().unwrap();
    let told = joinscope(home, &["recording", "info", odd.to_str().unwrap()]);
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains("me\u{fffd}not me"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}

#[test]
fn a_run_is_saved_sent_and_is_the_same_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let (run, file) = (path("run"), path("feed.mcap"));
    // The recording as it lies elsewhere; it is gone when the file is opened.
    std::fs::copy(sample("feed.mcap"), home.join("original.mcap")).unwrap();
    let set = "inputs.engagements.watermark.max_out_of_orderness=90s";
    let ran = joinscope(
        home,
        &[
            "run",
            &sample("feed.toml"),
            "--recording",
            &path("original.mcap"),
            "--out",
            &run,
            "--set",
            set,
            "--at-end",
            "close",
            "--seed",
            "3",
            "--json",
        ],
    );
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let digest = json(&ran)["digest"].clone();
    let saved =
        joinscope(home, &["incident", "save", &run, "-o", &file, "--notes", "a stall", "--json"]);
    assert_eq!(json(&saved)["digest"], digest);
    let again = joinscope(home, &["incident", "save", &run, "-o", &file]);
    assert_eq!(again.status.code(), Some(2), "nothing is overwritten");
    std::fs::remove_file(home.join("original.mcap")).unwrap();

    let told = json(&joinscope(home, &["incident", "info", &file, "--json"]));
    assert_eq!((&told["notes"], &told["run"]["digest"]), (&"a stall".into(), &digest));
    assert_eq!(told["run"]["overrides"][0][1], "90s");
    // A recording as any other.
    let verified = joinscope(home, &["recording", "verify", &file, "--json"]);
    assert_eq!(json(&verified)["sound"], true);
    let checked = joinscope(home, &["incident", "check", &file, "--json"]);
    assert_eq!(checked.status.code(), Some(0), "{}", json(&checked));
    assert_eq!((&json(&checked)["same"], &json(&checked)["made"]), (&true.into(), &digest));
    // A run over the incident file itself.
    let kept = path("kept");
    let checked = joinscope(home, &["incident", "check", &file, "--out", &kept]);
    assert!(String::from_utf8(checked.stdout).unwrap().starts_with("the same, record for record"));
    let diff = joinscope(home, &["incident", "save", &kept, "-o", &path("second.mcap")]);
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stderr));

    // What is no incident, and a run that lost its recording.
    let plain = joinscope(home, &["incident", "check", &sample("feed.mcap")]);
    assert_eq!(plain.status.code(), Some(2));
    let lost = joinscope(home, &["incident", "save", &run, "-o", &path("third.mcap")]);
    let said = String::from_utf8(lost.stderr).unwrap();
    assert!(lost.status.code() == Some(2) && said.contains("--recording"), "{said}");
    let found = joinscope(
        home,
        &["incident", "save", &run, "-o", &path("third.mcap"), "--recording", &file],
    );
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
}

#[test]
fn damage_is_said_with_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let file = saved(home);
    let digest =
        json(&joinscope(home, &["incident", "info", &file, "--json"]))["run"]["digest"].clone();
    let digest = digest.as_str().unwrap();
    // One letter of the digest that it states is another.
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(32).rposition(|w| w == digest.as_bytes()).unwrap();
    bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    std::fs::write(&file, &bytes).unwrap();
    let damaged = joinscope(home, &["incident", "check", &file, "--json"]);
    assert_eq!(damaged.status.code(), Some(1));
    let problems = json(&damaged)["problems"].to_string();
    assert!(problems.contains("an attachment is damaged"), "{problems}");
    assert!(problems.contains("settings are missing"), "{problems}");
}

#[test]
fn what_differs_is_named_by_its_counts() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let file = saved(home);
    // As if another setting had made the run that was saved.
    let recording = Recording::open(Path::new(&file)).unwrap();
    let pieces = recording.pieces().into_iter().map(|(name, data)| {
        let text = String::from_utf8(data.unwrap()).unwrap();
        let set = "[\"inputs.engagements.watermark.max_out_of_orderness\", \"1s\"]";
        let data = text.replace("\"overrides\": []", &format!("\"overrides\": [{set}]")).into();
        Piece { name, media_type: "application/json", data }
    });
    let pieces: Vec<Piece> = pieces.collect();
    unattended(|job| write_with(&recording, &pieces, Path::new(&file), true, job)).unwrap();
    let checked = joinscope(home, &["incident", "check", &file]);
    assert_eq!(checked.status.code(), Some(1));
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(
        said.contains("not the one that was saved") && said.contains("engagements late"),
        "{said}"
    );
    assert!(said.ends_with("NOT the same\n"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let run = path("run");
    let args = ["run", &sample("feed.toml"), "--recording", &sample("feed.mcap"), "--out", &run];
    assert!(joinscope(home, &args).status.success());
    let target = home.join("to");
    std::fs::create_dir(&target).unwrap();
    // A file may not grow over 64 kB: as on a full disk a write is refused.
    let line = format!(
        "trap '' XFSZ; ulimit -f 128; exec {} incident save {run} -o {}",
        env!("CARGO_BIN_EXE_joinscope"),
        target.join("a.mcap").display()
    );
    let saved = Command::new("sh").args(["-c", &line]).env("HOME", home).output().unwrap();
    let said = String::from_utf8(saved.stderr).unwrap();
    assert_eq!(saved.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot write"), "{said}");
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0, "nothing is left");
}

#[cfg(unix)]
#[test]
fn a_check_that_is_called_off_does_not_say_that_it_is_not_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let (feed, run, file) = (path("feed.mcap"), path("run"), path("incident.mcap"));
    let pipeline = path("feed.toml");
    std::fs::write(&pipeline, include_str!("pipelines/feed.toml")).unwrap();
    for args in [
        &["generate", "feed", "--views", "400000", "-o", &feed][..],
        &["run", &pipeline, "--recording", &feed, "--out", &run],
        &["incident", "save", &run, "-o", &file, "--plain"],
    ] {
        assert!(joinscope(home, args).status.success(), "{args:?}");
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .args(["incident", "check", &file, "--out", &path("again"), "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while !home.join("again/manifest.json").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it began");
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.stdout.is_empty() && said.contains("cancelled"), "{said}");
    assert_eq!(output.status.code(), Some(2));
}
