//! What is said of segments together, and of those that do not belong together.

use std::collections::BTreeMap;
use std::path::Path;

use super::tests::{partition, records, small_chunks};
use super::*;
use crate::operator::record::Record;

/// Segments of so many records each, with what their options and the function say.
fn made(folder: &Path, counts: &[u64], of: impl Fn(usize, &mut WriterOptions, &mut Option<u64>)) {
    let mut arrival = 0;
    for (n, count) in counts.iter().enumerate() {
        let (mut options, mut live_from) = (small_chunks(Compression::Lz4), None);
        of(n, &mut options, &mut live_from);
        let mut writer = Writer::create(&folder.join(part_name(n as u64)), options).unwrap();
        let source = writer.partition(partition("t", 0)).unwrap();
        writer.set_range(source, Some(arrival), None);
        if let Some(arrival) = live_from {
            writer.set_live_from(arrival);
        }
        let like = records(1, 1).remove(0);
        for _ in 0..*count {
            let at = arrival as u64;
            let record =
                Record { arrival: at, arrival_ns: 0, offset: arrival, source, ..like.clone() };
            writer.add(&record).unwrap();
            arrival += 1;
        }
        writer.set_range(source, None, Some(arrival));
        writer.finish().unwrap();
    }
}

fn plain(_: usize, _: &mut WriterOptions, _: &mut Option<u64>) {}

fn problems(folder: &Path) -> Vec<String> {
    let verified = unattended(|job| verify(folder, job)).unwrap();
    assert_eq!(verified.problem_count, verified.problems.len() as u64);
    let said = verified.problems.into_iter();
    said.map(|p| format!("{}: {}", p.segment.unwrap_or_default(), p.what)).collect()
}

#[test]
fn what_is_known_of_a_folder_is_what_is_known_of_any_segment() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &[10, 20, 5], |n, options, live_from| {
        options.approximate = n == 1;
        *live_from = (n > 0).then_some(25);
        options.notes = BTreeMap::from([("isolation".to_owned(), "all".to_owned())]);
        options.notes.insert(format!("note {n}"), n.to_string());
        options.redaction = Some("drop email".to_owned());
    });
    let open = Recording::open(folder.path()).unwrap();
    let info = open.info();
    assert!(info.approximate);
    assert_eq!((info.live_from, info.records), (Some(25), 35));
    let notes: Vec<_> = info.notes.keys().map(String::as_str).collect();
    assert_eq!(notes, ["isolation", "note 0", "note 1", "note 2"]);
    assert_eq!(info.notes["isolation"], "all");
    assert_eq!(info.redaction.as_deref(), Some("drop email"));
    assert_eq!(problems(folder.path()), Vec::<String>::new());
}

#[test]
fn segments_that_were_redacted_in_other_ways_are_not_one_recording() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &[1, 1], |n, options, _| {
        options.redaction = (n == 0).then(|| "drop email".to_owned());
    });
    let error = Recording::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("00000001.mcap") && error.contains("fields were redacted"), "{error}");
    assert!(problems(folder.path())[0].contains("fields were redacted"));
}

#[test]
fn a_segment_that_is_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &[10, 20, 5, 5], plain);
    std::fs::remove_file(folder.path().join(part_name(1))).unwrap();
    std::fs::remove_file(folder.path().join(part_name(2))).unwrap();
    assert_eq!(
        problems(folder.path()),
        [
            "00000001.mcap: is missing, and so are those up to 00000002.mcap (2)",
            "00000003.mcap: 25 records behind arrival 9 and before it are missing"
        ]
    );
    let open = Recording::open(folder.path()).unwrap();
    assert_eq!(
        open.info().notes["missing"],
        "25 records behind arrival 9 and before 00000003.mcap"
    );
    assert_eq!(open.info().partitions[0].gaps.listed, [(10, 35)]);
    std::fs::remove_file(folder.path().join(part_name(0))).unwrap();
    assert_eq!(
        problems(folder.path()),
        ["00000000.mcap: is missing, and so are those up to 00000002.mcap (3)"]
    );
}

/// A segment with a note, anew: ended, or as a writer that is killed leaves it.
fn segment(folder: &Path, n: u64, range: std::ops::Range<u64>, note: &str, ended: bool) {
    let path = folder.join(part_name(n));
    let _ = std::fs::remove_file(&path);
    let notes = BTreeMap::from([(note.to_owned(), "what it is".to_owned())]);
    let options = WriterOptions { notes, ..WriterOptions::default() };
    let mut writer = Writer::create(&path, options).unwrap();
    let source = writer.partition(partition("t", 0)).unwrap();
    let tick = ClockEntry { precedes: range.start, at_ns: 7, kind: ClockEntryKind::Tick };
    writer.clock(&tick).unwrap();
    for arrival in range {
        let record = Record { arrival, offset: arrival as i64, source, ..Record::default() };
        writer.add(&record).unwrap();
    }
    if ended {
        writer.finish().unwrap();
        return;
    }
    writer.hand_over().unwrap();
    drop(writer);
    // It was killed as it wrote a chunk.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend([6, 200, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
    std::fs::write(&path, bytes).unwrap();
}

/// Found by using it: the log of a run that was killed and went on was called unsound,
/// which it is only where something is missing.
#[test]
fn a_segment_of_a_killed_run_is_sound_where_the_next_goes_on_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let verified = || unattended(|job| verify(at, job)).unwrap();
    let cuts = || {
        let cuts = verified().cuts.into_iter();
        cuts.map(|cut| (cut.segment.unwrap(), cut.byte > 0, cut.what)).collect::<Vec<_>>()
    };
    let why = "a record of 200 bytes begins, and 3 are left";
    let goes_on = |segment: &str| {
        let what = format!(
            "cut off, as a killed run leaves it ({why}); the next segment goes on from arrival 10"
        );
        (segment.to_owned(), true, what)
    };
    let arrivals = || {
        let records = Recording::open(at).unwrap();
        records.batches(None, 0).flat_map(Result::unwrap).map(|r| r.arrival).collect::<Vec<_>>()
    };
    let missing = || Recording::open(at).unwrap().info().notes.get("missing").cloned();
    segment(at, 0, 0..10, Info::LIVE, false);
    // The next start took no record.
    segment(at, 1, 10..10, Info::LIVE, false);
    segment(at, 2, 10..20, Info::LIVE, true);
    assert_eq!(problems(at), Vec::<String>::new());
    assert!(verified().sound() && verified().info.cut.is_none());
    assert_eq!(cuts(), [goes_on("00000000.mcap"), goes_on("00000001.mcap")]);
    // A run over it takes the same.
    assert_eq!((arrivals(), missing()), ((0..20).collect::<Vec<_>>(), None));

    // Records between the two are missing: by their numbers, then by the clock's alone.
    segment(at, 2, 12..20, Info::LIVE, true);
    let gone = "2 records behind arrival 9 and before";
    assert_eq!(
        problems(at),
        [format!("00000001.mcap: {why}"), format!("00000002.mcap: {gone} it are missing")]
    );
    assert_eq!(cuts(), [goes_on("00000000.mcap")]);
    assert!(missing().unwrap().starts_with(&format!("{gone} 00000002.mcap")));
    segment(at, 1, 12..12, Info::LIVE, true);
    segment(at, 2, 12..20, Info::LIVE, true);
    assert_eq!(
        problems(at),
        [format!("00000000.mcap: {why}"), format!("00000001.mcap: {gone} it are missing")]
    );

    // Nothing behind the last one says how far it went.
    std::fs::remove_file(at.join(part_name(2))).unwrap();
    segment(at, 1, 10..15, Info::LIVE, false);
    assert_eq!(cuts(), [goes_on("00000000.mcap")]);
    let said = problems(at);
    assert!(said.len() == 1 && said[0].starts_with(&format!("00000001.mcap: {why} (")), "{said:?}");
    assert_eq!(arrivals(), (0..15).collect::<Vec<_>>());

    // Damage is none, nor is any other recording left so.
    segment(at, 1, 10..15, Info::LIVE, true);
    let first = at.join(part_name(0));
    let mut bytes = std::fs::read(&first).unwrap();
    let byte = bytes.len() - 4;
    bytes[byte] = 1;
    std::fs::write(&first, bytes).unwrap();
    assert!(cuts().is_empty() && problems(at)[0].contains("a record claims"), "{:?}", problems(at));
    segment(at, 0, 0..10, "another", false);
    segment(at, 1, 10..15, "another", true);
    assert_eq!((cuts(), problems(at)), (Vec::new(), vec![format!("00000000.mcap: {why}")]));
}

#[test]
fn a_damaged_segment_is_named_with_its_byte() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &[40, 3_000, 40], plain);
    let path = folder.path().join(part_name(1));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let verified = unattended(|job| verify(folder.path(), job)).unwrap();
    assert!(!verified.sound() && verified.info.records < 3_080);
    for problem in &verified.problems {
        assert_eq!(problem.segment.as_deref(), Some("00000001.mcap"), "{problem:?}");
        assert!(problem.byte > 0);
    }
    // Cut short, not at the end of the folder: what is gone is said, and where.
    std::fs::write(&path, &bytes[..middle - 1]).unwrap();
    let open = Recording::open(folder.path()).unwrap();
    assert_eq!(open.info().cut, None, "behind it all is whole");
    let said = &open.info().notes["missing"];
    assert!(said.contains("before 00000002.mcap (") && open.len() < 3_080, "{said}");
    assert!(problems(folder.path()).iter().all(|said| said.starts_with("00000001.mcap: ")));
    std::fs::write(&path, b"something else").unwrap();
    let said = problems(folder.path());
    assert!(
        said[0].starts_with("00000001.mcap: ") && said[0].contains("not a recording"),
        "{said:?}"
    );
}

#[test]
fn one_file_is_made_of_segments_where_one_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let (parts, file) = (folder.path().join("r"), folder.path().join("one.mcap"));
    std::fs::create_dir(&parts).unwrap();
    made(&parts, &[10, 20], plain);
    let open = Recording::open(&parts).unwrap();
    let with = |recording: &Recording, to: &str| {
        unattended(|job| write_with(recording, &[], &folder.path().join(to), false, job))
    };
    let error = with(&open, "incident.mcap").unwrap_err().to_string();
    let how = format!("joinscope recording slice {} -o FILE", parts.display());
    assert!(error.contains(&how), "{error}");
    assert!(std::fs::read_dir(folder.path()).unwrap().count() == 1, "and nothing is left");
    unattended(|job| slice(&open, &Slice::default(), &file, None, job)).unwrap();
    with(&Recording::open(&file).unwrap(), "incident.mcap").unwrap();
    // What was cut is mended only where it is one file.
    let last = parts.join(part_name(1));
    let bytes = std::fs::read(&last).unwrap();
    std::fs::write(&last, &bytes[..bytes.len() - 9]).unwrap();
    let error = with(&Recording::open(&parts).unwrap(), "cut.mcap").unwrap_err().to_string();
    assert!(error.contains(&how), "{error}");
    assert!(is_segmented(&parts) && !is_segmented(folder.path()) && !is_segmented(&file));
}
