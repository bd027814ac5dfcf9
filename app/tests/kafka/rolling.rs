//! `record --roll-size` and `--roll-time`: a folder of segments is the recording that one
//! file would be.

use std::path::Path;

use joinscope_core::edges::recording::{Recording, parts_of};

use super::support::*;

fn segments(folder: &Path) -> Vec<Recording> {
    let parts = parts_of(folder).unwrap();
    parts.iter().map(|(_, path)| Recording::open(path).unwrap()).collect()
}

fn json(args: &[&str]) -> serde_json::Value {
    let said: Said = joinscope().args(args).arg("--json").output().unwrap().into();
    said.json()
}

#[test]
fn a_folder_of_segments_is_what_one_file_would_be() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("rolled", 3, &[]);
    produce_numbers("rolled", 2, 3_000);
    let one = record("rolled", &folder.path().join("one.mcap"), &[]);
    let path = folder.path().join("rolled");
    let said: Said = joinscope()
        .args(record_args("rolled", &path, &["--roll-size", "20KiB", "--json"]))
        .output()
        .unwrap()
        .into();
    let answer = said.json();
    assert_eq!(answer["records"], 3_000, "{answer}");
    let segments = segments(&path);
    assert_eq!(answer["segments"], segments.len());
    assert!(segments.len() > 3, "{}", segments.len());
    let many = Recording::open(&path).unwrap();
    assert_eq!(records(&many), records(&one));
    assert_eq!(many.info().partitions, one.info().partitions);
    let said = |r: &Recording| {
        let info = r.info();
        (info.approximate, info.arrival_order, info.cluster_id.clone(), info.topic_ids.clone())
    };
    assert_eq!(said(&many), said(&one));
    assert_eq!(many.info().notes, one.info().notes);
    let (at, file) = (path.to_str().unwrap(), folder.path().join("sliced.mcap"));
    assert_eq!(json(&["recording", "verify", at])["sound"], true);
    json(&["recording", "slice", at, "-o", file.to_str().unwrap()]);
    assert_eq!(Recording::open(&file).unwrap().digest(), one.digest());

    // As it is read, and not beyond its limit.
    let path = folder.path().join("some");
    let how = ["--arrival", "read", "--limit", "1000", "--roll-size", "1KiB", "--json"];
    let said: Said = joinscope().args(record_args("rolled", &path, &how)).output().unwrap().into();
    assert_eq!(said.json()["records"], 1_000);
    assert_eq!(Recording::open(&path).unwrap().len(), 1_000);
    // It is there now.
    let said: Said = joinscope().args(record_args("rolled", &path, &how)).output().unwrap().into();
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("exists already"), "{}", said.err);
}

#[test]
fn a_killed_one_opens_up_to_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("rolled-killed", 1, &[]);
    produce_numbers("rolled-killed", 1, 1_000);
    let path = folder.path().join("r");
    let how = ["--until", "stopped", "--roll-size", "20KiB"];
    let mut child = record_in_background("rolled-killed", &path, &how);
    // What trickles in is on the disk within a second or two.
    until("records in the third segment", || {
        produce_numbers("rolled-killed", 1, 1);
        let parts = parts_of(&path).ok().filter(|parts| parts.len() > 2)?;
        let newest = Recording::open(&parts.last()?.1).ok()?;
        (!newest.is_empty()).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let recording = Recording::open(&path).unwrap();
    let cut = recording.info().cut.clone().expect("it says so");
    assert_eq!(cut.last_arrival, Some(recording.len() - 1));
    let offsets: Vec<i64> = records(&recording).iter().map(|r| r.offset).collect();
    assert_eq!(offsets, (0..recording.len() as i64).collect::<Vec<_>>());
    let info = json(&["recording", "info", path.to_str().unwrap()]);
    assert_eq!(info["cut"]["last_arrival"], cut.last_arrival.unwrap());
    let verified: Said =
        joinscope().args(["recording", "verify", path.to_str().unwrap()]).output().unwrap().into();
    let newest = format!("{:08}.mcap, byte", segments(&path).len() - 1);
    assert_eq!(verified.code, Some(1));
    assert!(verified.out.contains(&newest), "{}", verified.out);
}

#[test]
fn by_time_each_segment_has_records_and_is_redacted() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("rolled-quiet", 1, &[]);
    let path = folder.path().join("r");
    let how = ["--until", "stopped", "--roll-time", "10ms", "--redact", "mask=user", "--json"];
    let child = record_in_background("rolled-quiet", &path, &how);
    let count = || parts_of(&path).map_or(0, |parts| parts.len());
    for n in 1..4 {
        // One for what comes next, and none where nothing comes.
        until("a segment to write into", || (count() == n).then_some(()));
        let sent = Sent { value: Some(br#"{"user":"u-4711"}"#), ..Sent::default() };
        produce("rolled-quiet", &[sent]);
    }
    until("the last one", || (count() == 4).then_some(()));
    signal(&child, "INT");
    let said: Said = child.wait_with_output().unwrap().into();
    let answer = said.json();
    assert_eq!((&answer["records"], &answer["segments"]), (&3.into(), &3.into()), "{answer}");
    for segment in segments(&path) {
        let info = segment.info();
        assert_eq!((info.records, info.live_from, info.cut.clone()), (1, Some(0), None));
        assert!(info.redaction.is_some());
    }
    holds_nowhere(path, "u-4711");
}
