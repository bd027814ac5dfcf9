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
