//! A folder of segments is a recording to every verb.

use std::path::Path;
use std::process::Output;

use joinscope_core::edges::recording::{Info, Recording, Segments, WriterOptions, end_segment};

use super::{joinscope, json, refusal};

/// The same records in a folder of segments, so many in each, with a note more.
fn in_segments(file: &Path, folder: &Path, each: u64, note: Option<&str>) {
    let recording = Recording::open(file).unwrap();
    let mut options =
        WriterOptions { whole_or_nothing: false, ..WriterOptions::like(recording.info(), None) };
    options.notes.extend(note.map(|note| (note.to_owned(), String::new())));
    let (partitions, schemas) = (recording.partitions().to_vec(), recording.schemas());
    Segments::create_folder(folder).unwrap();
    let mut segments = Segments::new(folder.to_owned(), 0, options, partitions, (*schemas).clone());
    let all = &recording.info().partitions;
    let mut next: Vec<i64> = all.iter().map(|p| p.start_offset.unwrap_or(0)).collect();
    let mut writer = segments.begin(&next, &[]).unwrap();
    for record in recording.batches(None, 0).flat_map(Result::unwrap) {
        if writer.records() == each {
            let following = segments.begin(&next, &[]).unwrap();
            end_segment(std::mem::replace(&mut writer, following), &next).unwrap();
        }
        writer.add(&record).unwrap();
        next[record.source as usize] = record.offset + 1;
    }
    end_segment(writer, &next).unwrap();
}

#[test]
fn a_folder_of_segments_is_a_recording_to_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["generate", "feed", "--views", "3000", "-o", "one.mcap"]);
    in_segments(&at.join("one.mcap"), &at.join("many"), 1_000, None);
    std::fs::write(at.join("feed.toml"), include_str!("../pipelines/feed.toml")).unwrap();
    let info = |name: &str| json(at, &["recording", "info", name]);
    let (one, many) = (info("one.mcap"), info("many"));
    for key in ["records", "topics", "arrivals", "timestamps", "arrival_order", "notes", "cut"] {
        assert_eq!(one[key], many[key], "{key}");
    }
    let verified = json(at, &["recording", "verify", "many"]);
    assert_eq!(verified["sound"], true, "{verified}");
    assert_eq!((&verified["records"], &verified["digest"]), (&one["records"], &many["digest"]));

    // What is made of it is what is made of one file.
    for (verb, more) in [
        ("slice", &[][..]),
        // With one that has the same records.
        ("merge", &["slice-one.mcap"]),
        ("redact", &["--hash", "user", "--hash-key-file", "feed.toml"]),
    ] {
        let made = |name: &str, to: &str| {
            json(at, &[&["recording", verb, "-o", to, name], more].concat());
            info(to)["digest"].clone()
        };
        let (of_one, of_many) = (format!("{verb}-one.mcap"), format!("{verb}-many.mcap"));
        assert_eq!(made("one.mcap", &of_one), made("many", &of_many), "{verb}");
    }
    let exported = |name: &str, to: &str| {
        json(at, &["recording", "export", name, "-o", to])["records"].clone()
    };
    assert_eq!(exported("one.mcap", "one.parquet"), exported("many", "many.parquet"));

    // A run over it is the run over one file.
    let run =
        |name: &str, out: &str| json(at, &["run", "feed.toml", "--recording", name, "--out", out]);
    let (of_one, of_many) = (run("one.mcap", "run-one"), run("many", "run-many"));
    for key in ["digest", "books", "outputs", "records"] {
        assert_eq!(of_one[key], of_many[key], "{key}");
    }
    let refused = refusal(at, &["incident", "save", "run-many", "-o", "incident.mcap"]);
    assert!(refused.contains("joinscope recording slice") && refused.contains("-o FILE"));

    // Verify names the segment that is damaged, and the one that is not there.
    let segment = at.join("many").join("00000001.mcap");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let said = |answer: &Output| String::from_utf8_lossy(&answer.stdout).into_owned();
    let damaged = joinscope(at, &["recording", "verify", "many"]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(said(&damaged).starts_with("00000001.mcap, byte "), "{}", said(&damaged));
    std::fs::remove_file(segment).unwrap();
    let without = joinscope(at, &["recording", "verify", "many"]);
    assert_eq!(without.status.code(), Some(1));
    assert!(said(&without).contains("00000001.mcap: is missing"), "{}", said(&without));
    assert!(said(&without).contains("1,000 records behind arrival 999"), "{}", said(&without));
    assert!(info("many")["notes"]["missing"].as_str().unwrap().starts_with("1,000 records"));
}

/// Found by using it: a run that was killed and went on had left an unsound log.
#[test]
fn an_arrival_log_that_a_kill_cut_is_sound_where_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["generate", "feed", "--views", "3000", "-o", "one.mcap"]);
    std::fs::write(at.join("feed.toml"), include_str!("../pipelines/feed.toml")).unwrap();
    for (name, note, code) in [("log", Some(Info::LIVE), 0), ("rolled", None, 1)] {
        in_segments(&at.join("one.mcap"), &at.join(name), 1_000, note);
        let segment = at.join(name).join("00000001.mcap");
        let bytes = std::fs::read(&segment).unwrap();
        std::fs::write(&segment, &bytes[..bytes.len() - 9]).unwrap();
        let verified = joinscope(at, &["recording", "verify", name]);
        assert_eq!(verified.status.code(), Some(code), "{verified:?}");
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        let goes_on = "the next segment goes on from arrival 2000";
        assert!(said.starts_with("00000001.mcap, byte "), "{said}");
        assert_eq!(said.lines().next().unwrap().ends_with(goes_on), code == 0, "{said}");
    }
    let verified = json(at, &["recording", "verify", "log"]);
    assert_eq!(
        (verified["sound"].as_bool(), verified["problem_count"].as_u64()),
        (Some(true), Some(0))
    );
    assert_eq!(verified["cuts"][0]["segment"], "00000001.mcap", "{verified}");
    let run = |name: &str, out: &str| {
        json(at, &["run", "feed.toml", "--recording", name, "--out", out])["digest"].clone()
    };
    assert_eq!(run("log", "run-log"), run("one.mcap", "run-one"));
}
