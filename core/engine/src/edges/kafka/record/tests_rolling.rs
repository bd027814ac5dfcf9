//! Segments of a recording against one file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::Roll;
use super::files::Files;
use super::output::Output;
use crate::edges::kafka::lanes::Lane;
use crate::edges::recording::{
    Compression, Info, Recording, RedactPolicy, RedactTarget, Redaction, Redactor, StoredSchema,
    WriterOptions, part_name, parts_of, unattended, verify,
};
use crate::operator::record::{Record, TimestampType, TopicPartition};

const PARTITIONS: usize = 3;

fn lanes() -> Vec<Lane> {
    let lane = |partition: usize| Lane {
        partition: TopicPartition { topic: "t".into(), partition: partition as i32 },
        start: 5,
        backlog: 0,
        stop: None,
        next: 0,
    };
    (0..PARTITIONS).map(lane).collect()
}

fn output(path: &Path, roll: Option<Roll>, redactor: Option<Redactor>) -> Output {
    let lanes = lanes();
    let options = WriterOptions {
        approximate: true,
        notes: BTreeMap::from([("isolation".to_owned(), "all".to_owned())]),
        redaction: redactor.as_ref().map(|_| "hash user".to_owned()),
        ..WriterOptions::default()
    };
    let partitions = lanes.iter().map(|lane| lane.partition.clone()).collect();
    let starts = lanes.iter().map(|lane| lane.start).collect();
    let files = Files::create(path, roll, options, partitions, starts).unwrap();
    Output::new(files, None, redactor, true, None, &lanes)
}

/// Offsets with gaps, the last partition without a record.
fn record(n: i64) -> Record {
    Record {
        source: (n % 2) as u32,
        offset: 7 + 2 * n,
        timestamp: Some(n),
        timestamp_type: if n < 20 { TimestampType::Create } else { TimestampType::LogAppend },
        value: Some(format!(r#"{{"user":"u-4711","n":{n}}}"#).into()),
        ..Record::default()
    }
}

fn write(output: &mut Output, range: std::ops::Range<i64>) {
    for n in range {
        output.write(record(n), 1_000_000 * n).unwrap();
    }
}

fn by_size(bytes: u64) -> Roll {
    Roll { bytes: Some(bytes), every: None }
}

fn all(recording: &Recording) -> Vec<Record> {
    recording.batches(None, 0).flat_map(Result::unwrap).collect()
}

fn segments(folder: &Path) -> Vec<Recording> {
    let parts = parts_of(folder).unwrap();
    parts.iter().map(|(_, path)| Recording::open(path).unwrap()).collect()
}

const ENDS: [i64; PARTITIONS] = [300, 301, 9];

#[test]
fn a_folder_is_what_one_file_would_be() {
    let folder = tempfile::tempdir().unwrap();
    let made = |name: &str, roll: Option<Roll>| -> Info {
        let mut output = output(&folder.path().join(name), roll, None);
        write(&mut output, 0..50);
        output.go_live(Compression::Lz4);
        write(&mut output, 50..90);
        output.files.finish(&ENDS).unwrap()
    };
    let (one, many) = (made("one", None), made("many", Some(by_size(1_000))));
    let open = |name: &str| Recording::open(&folder.path().join(name)).unwrap();
    assert_eq!(all(&open("many")), all(&open("one")));
    assert_eq!(&many, open("many").info());
    let same = Info {
        chunks: one.chunks,
        file_bytes: one.file_bytes,
        uncompressed_bytes: one.uncompressed_bytes,
        ..many.clone()
    };
    assert_eq!(same, one);
    assert_eq!((many.live_from, many.approximate, many.cut), (Some(50), true, None));
    assert_eq!(many.partitions[2].gaps.listed, [(5, 9)]);

    let segments = segments(&folder.path().join("many"));
    assert!(segments.len() > 5, "{}", segments.len());
    let mut next = 0;
    for (n, segment) in segments.iter().enumerate() {
        let info = segment.info();
        let (first, last) = info.arrivals.unwrap();
        assert_eq!(first, next, "segment {n}");
        next = last + 1;
        assert_eq!(segment.partitions(), open("one").partitions());
        assert_eq!(info.approximate, first < 20, "segment {n}: as its records are");
        assert_eq!(info.live_from, (last >= 50).then_some(50), "segment {n}");
        assert_eq!((info.notes.len(), &info.cut), (1, &None));
    }
    let folder = folder.path().join("many");
    let verified = unattended(|job| verify(&folder, job)).unwrap();
    assert!(verified.sound(), "{:?}", verified.problems);
    assert_eq!((verified.info.records, verified.stated_digest), (90, Some(verified.digest)));
}

#[test]
fn a_killed_recording_opens_up_to_the_cut_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (path, left) = (folder.path().join("r"), folder.path().join("left"));
    let mut output = output(&path, Some(by_size(1_000)), None);
    write(&mut output, 0..60);
    // So that something stands in the newest segment, but not all of it.
    for n in 60..200 {
        output.files.writer.hand_over().unwrap();
        write(&mut output, n..n + 1);
        let newest = parts_of(&path).unwrap().pop().unwrap().1;
        if n > 100 && !Recording::open(&newest).unwrap().is_empty() {
            break;
        }
    }
    let written = output.records;
    // As a process that is killed leaves it.
    std::fs::create_dir(&left).unwrap();
    for (number, part) in parts_of(&path).unwrap() {
        std::fs::copy(part, left.join(part_name(number))).unwrap();
    }
    let recording = Recording::open(&left).unwrap();
    let cut = recording.info().cut.clone().expect("it says so");
    assert_eq!(recording.len(), written - 1, "all that the file system was given");
    assert_eq!(cut.last_arrival, Some(written - 2));
    let wanted: Vec<Record> = all(&recording);
    assert_eq!(wanted.len() as u64, recording.len());
    assert!(segments(&left).iter().rev().skip(1).all(|segment| segment.info().cut.is_none()));
    let verified = unattended(|job| verify(&left, job)).unwrap();
    let newest = part_name(segments(&left).len() as u64 - 1);
    assert!(verified.problems.iter().all(|p| p.segment.as_ref() == Some(&newest)));
    assert_eq!(verified.problem_count, 1, "{:?}", verified.problems);

    // Right after a segment began, none of whose records is there yet.
    write(&mut output, written as i64..written as i64 + 200);
    let begun = tempfile::tempdir().unwrap();
    for (number, part) in parts_of(&path).unwrap().into_iter().take(3) {
        std::fs::copy(part, begun.path().join(part_name(number))).unwrap();
    }
    let three: u64 = segments(begun.path()).iter().map(Recording::len).sum();
    std::fs::write(begun.path().join(part_name(3)), b"").unwrap();
    let recording = Recording::open(begun.path()).unwrap();
    assert_eq!(recording.info().cut, None, "nothing is cut off");
    assert_eq!(recording.len(), three);
}

#[test]
fn a_quiet_topic_makes_no_empty_segment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let count = || parts_of(&path).unwrap().len();
    let at_once = Roll { bytes: None, every: Some(Duration::ZERO) };
    let mut output = output(&path, Some(at_once), None);
    for _ in 0..5 {
        output.keep_up(true).unwrap();
    }
    assert_eq!(count(), 1);
    write(&mut output, 0..3);
    assert_eq!(count(), 1, "time is looked at by keep_up alone");
    for _ in 0..5 {
        output.keep_up(true).unwrap();
    }
    assert_eq!(count(), 2, "one for what comes next");
    write(&mut output, 3..4);
    output.keep_up(false).unwrap();
    assert_eq!(count(), 3);
    // All that is known stands in those before it.
    let written = output.written.clone();
    let info = output.files.finish(&written).unwrap();
    assert_eq!((info.records, info.cut, count()), (4, None, 2));
}

#[test]
fn an_empty_last_segment_that_says_how_far_partitions_were_read_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let mut output = output(&path, Some(by_size(1)), None);
    write(&mut output, 0..2);
    let info = output.files.finish(&ENDS).unwrap();
    assert_eq!(parts_of(&path).unwrap().len(), 3);
    let ends: Vec<_> = info.partitions.iter().map(|p| p.end_offset).collect();
    assert_eq!(ends, ENDS.map(Some));
    // And so does the first, without which there is no recording.
    let path = folder.path().join("none");
    let output = self::output(&path, Some(by_size(1)), None);
    let starts: Vec<i64> = lanes().iter().map(|lane| lane.start).collect();
    assert_eq!(output.files.finish(&starts).unwrap().records, 0);
    assert_eq!(parts_of(&path).unwrap().len(), 1);
}

#[test]
fn schemas_are_in_every_segment_from_their_record_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let mut output = output(&path, Some(by_size(1)), None);
    let schema = |id| StoredSchema { id, kind: "AVRO".to_owned(), ..StoredSchema::default() };
    for n in 0..4 {
        if n != 2 {
            output.files.schema(schema(n as u32)).unwrap();
        }
        write(&mut output, n..n + 1);
    }
    output.files.finish(&[12, 14, 5]).unwrap();
    let ids: Vec<Vec<u32>> = segments(&path)
        .iter()
        .map(|segment| segment.schemas().iter().map(|schema| schema.id).collect())
        .collect();
    assert_eq!(ids, [vec![0], vec![0, 1], vec![0, 1], vec![0, 1, 3]]);
    assert_eq!(Recording::open(&path).unwrap().schemas().len(), 3);
}

#[test]
fn every_segment_is_redacted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let user: RedactTarget = "user".parse().unwrap();
    let policy = RedactPolicy::new(vec![(user, Redaction::Hash)], b"a key of many bytes").unwrap();
    let mut output = output(&path, Some(by_size(200)), Some(Redactor::new(policy)));
    write(&mut output, 0..20);
    let info = output.files.finish(&ENDS).unwrap();
    assert_eq!(info.redaction.as_deref(), Some("hash user"));
    let segments = segments(&path);
    assert!(segments.len() > 4, "{}", segments.len());
    for segment in &segments {
        assert_eq!(segment.info().redaction, info.redaction);
        for record in all(segment) {
            let value = record.value.unwrap();
            assert!(!value.windows(6).any(|bytes| bytes == b"u-4711"));
        }
    }
}

#[test]
fn what_exists_is_not_recorded_into() {
    let folder = tempfile::tempdir().unwrap();
    let create = |path: &Path| {
        let roll = Some(by_size(1));
        Files::create(path, roll, WriterOptions::default(), Vec::new(), Vec::new()).map(drop)
    };
    let error = create(folder.path()).unwrap_err().to_string();
    assert!(error.contains("exists already"), "{error}");
    let error = create(&folder.path().join("none").join("r")).unwrap_err().to_string();
    assert!(error.contains("its folder does not exist"), "{error}");
    // Nothing is left of one that could not begin.
    let path = folder.path().join("twice");
    let same = || TopicPartition { topic: "t".into(), partition: 0 };
    let (partitions, options) = (vec![same(), same()], WriterOptions::default());
    let made = Files::create(&path, Some(by_size(1)), options, partitions, vec![0, 0]);
    assert!(made.is_err_and(|error| error.to_string().contains("named twice")));
    assert!(!path.exists());
}
