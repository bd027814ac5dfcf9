//! Going on from a checkpoint: the folder is the same as that of a run that
//! was never stopped.

use std::collections::BTreeMap;
use std::path::Path;

use super::model::{ModelRow, Spec, model};
use super::questions::ask_all;
use crate::operator::verdict::Verdict;
use crate::run::execute::Laid;
use crate::run::manifest::{LiveInfo, Manifest, ManifestStart};
use crate::run::types::LaneInfo;
use crate::run::{Run, RunEnd, RunError, RunState, Writer};

pub fn segments(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(dir.join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn a_resumed_run_leaves_the_same_bytes() {
    for (seed, one_topic) in [(1, false), (2, true)] {
        let spec = Spec {
            seed,
            arrivals: 5_000,
            one_topic,
            partitions: 3,
            batch: 128,
            checkpoint_every: Some(1_300),
            segment: 700,
        };
        let m = model(&spec);
        let dir = tempfile::tempdir().unwrap();
        let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
        let mut writer = m.writer(&whole);
        m.feed(&mut writer, 0, u64::MAX);
        writer.finish(RunState::Done, RunEnd::default()).unwrap();

        for at in [0, 1_300, 2_600, 3_900] {
            let _ = std::fs::remove_dir_all(&cut);
            let mut writer = m.writer(&cut);
            m.feed(&mut writer, 0, 4_700);
            drop(writer);
            let mut writer = Writer::resume(&cut, at, true).unwrap();
            writer.set_segment_arrivals(m.segment);
            let timed = |row: &&ModelRow| {
                use Verdict::{Tombstone, Undecodable, Untimed};
                row.arrival < at && !matches!(row.at_arrival, Tombstone | Undecodable | Untimed)
            };
            let newest = m.rows.iter().filter(timed).map(|row| row.time).max();
            assert_eq!(writer.newest(), newest.unwrap_or(i64::MIN), "resumed at {at}");
            m.feed(&mut writer, at, u64::MAX);
            writer.finish(RunState::Done, RunEnd::default()).unwrap();
            assert_eq!(segments(&cut), segments(&whole), "resumed at {at}");
            ask_all(&m, &Run::open(&cut).unwrap(), seed);
        }
    }
}

/// The segment that was cut short is written anew, and longer: what is known of its
/// files is not of the new ones.
#[test]
fn who_has_a_run_open_sees_it_go_on_from_before_what_was_published() {
    let spec = Spec {
        seed: 11,
        arrivals: 4_000,
        one_topic: false,
        partitions: 2,
        batch: 100,
        checkpoint_every: Some(1_300),
        segment: 700,
    };
    let m = model(&spec);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let mut writer = m.writer(&path);
    m.feed(&mut writer, 0, 1_600);
    writer.finish(RunState::Cancelled, RunEnd::default()).unwrap();
    let run = Run::open(&path).unwrap();
    let before = run.rows();
    assert!((1_301..4_000).contains(&run.arrivals()), "{}", run.arrivals());
    assert_eq!(run.page(0, before as usize).unwrap().len() as u64, before);

    let mut writer = Writer::resume(&path, 1_300, true).unwrap();
    writer.set_segment_arrivals(m.segment);
    m.feed(&mut writer, 1_300, u64::MAX);
    writer.finish(RunState::Done, RunEnd::default()).unwrap();
    assert!(run.refresh().unwrap());
    assert_eq!(run.arrivals(), 4_000);
    ask_all(&m, &run, spec.seed);
}

#[test]
fn the_log_of_a_live_run_that_goes_on_is_not_the_one_that_a_stop_left() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let mut start = ManifestStart { live: Some(LiveInfo::default()), ..ManifestStart::default() };
    start.recording.digest = "as it was when the run was stopped".to_owned();
    let writer = Writer::create(&dir, start, false).unwrap();
    writer.finish(RunState::Done, RunEnd::default()).unwrap();
    drop(Writer::resume(&dir, 0, false).unwrap());
    // Else whoever looks for values refuses the log, which has grown.
    assert_eq!(Manifest::load(&dir).unwrap().start.recording.digest, "");
}

/// What the segments know stays where it is; what a start made known that kept nothing
/// counts for nothing.
#[test]
fn a_run_that_goes_on_takes_partitions_in_that_came_since() {
    let spec = Spec {
        seed: 5,
        arrivals: 3_000,
        one_topic: false,
        partitions: 3,
        batch: 128,
        checkpoint_every: Some(1_300),
        segment: 700,
    };
    let m = model(&spec);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let mut writer = m.writer(&path);
    m.feed(&mut writer, 0, 1_300);
    drop(writer);
    let with = |new: &[(u8, &str)]| {
        let lane = |(input, topic): &(u8, &str)| LaneInfo {
            input: *input,
            topic: (*topic).into(),
            partition: 3,
        };
        let lanes = m.start.lanes.iter().cloned().chain(new.iter().map(lane)).collect();
        Laid { lanes, later: new.len() as u32 }
    };
    // Of the right input first, as the start found that then kept nothing.
    let mut writer = Writer::resume(&path, 1_300, true).unwrap();
    writer.grow(with(&[(1, "b")])).unwrap();
    drop(writer);
    let mut writer = Writer::resume(&path, 1_300, true).unwrap();
    let mut moved = with(&[(0, "a")]);
    moved.lanes.swap(0, 6);
    let error = writer.grow(moved).unwrap_err().to_string();
    assert!(error.contains("the run's 6 partitions are not the first of the 7"), "{error}");
    writer.grow(with(&[(0, "a"), (1, "b")])).unwrap();
    writer.set_segment_arrivals(m.segment);
    m.feed(&mut writer, 1_300, u64::MAX);
    writer.finish(RunState::Done, RunEnd::default()).unwrap();

    let run = Run::open(&path).unwrap();
    let start = run.manifest().start;
    assert_eq!((start.lanes.len(), start.later), (8, 2));
    assert_eq!(run.arrivals(), 3_000);
    let ends = run.lane_ends().unwrap();
    assert_eq!(ends[6..], [(None, true); 2]);
    for at in [0, 699, 1_299, 1_300, 2_999] {
        let got = run.watermarks_at(at).unwrap();
        let join = m.marks[at as usize].join;
        assert_eq!(got.join, (join != i64::MIN).then_some(join), "join at {at}");
        assert_eq!(got.lanes.len(), 8);
        assert!(got.lanes[6..].iter().all(|lane| lane.idle && lane.last_active_ms.is_none()));
    }
}

/// Of more segments than the manifest names itself, those of the checkpoint stay.
#[test]
fn a_run_of_many_segments_is_gone_on_with() {
    let spec = Spec {
        seed: 17,
        arrivals: 2_200,
        one_topic: false,
        partitions: 2,
        batch: 100,
        checkpoint_every: Some(1_000),
        segment: 7,
    };
    let m = model(&spec);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let beside = || std::fs::read_dir(path.join("older")).map_or(0, Iterator::count);
    let mut writer = m.writer(&path);
    m.feed(&mut writer, 0, 2_100);
    assert!(writer.segments() > 256, "{}", writer.segments());
    drop(writer);
    assert_eq!(beside(), 1);
    let run = Run::open(&path).unwrap();
    assert!((2_000..=2_100).contains(&run.arrivals()), "{}", run.arrivals());
    let before = run.page(0, 1_000).unwrap();

    let mut writer = Writer::resume(&path, 1_000, true).unwrap();
    assert!((100..256).contains(&writer.segments()));
    assert_eq!(beside(), 0, "it names them itself again");
    assert!(run.refresh().unwrap());
    assert_eq!(run.arrivals(), 1_000);
    writer.set_segment_arrivals(m.segment);
    m.feed(&mut writer, 1_000, u64::MAX);
    writer.finish(RunState::Done, RunEnd::default()).unwrap();
    assert_eq!(beside(), 1);
    assert!(run.refresh().unwrap());
    for run in [run, Run::open(&path).unwrap()] {
        assert_eq!((run.arrivals(), run.rows()), (2_200, m.rows.len() as u64));
        let taken: Vec<u64> = run.checkpoints().iter().map(|c| c.arrival).collect();
        assert_eq!(taken, m.checkpoints);
        let now = run.page(0, 1_000).unwrap();
        let names = |rows: &[crate::run::RowView]| -> Vec<String> {
            rows.iter().map(|row| row.record.to_string()).collect()
        };
        assert_eq!(names(&now), names(&before));
    }
}

#[test]
fn only_a_checkpoint_can_be_gone_on_from() {
    let spec = Spec {
        seed: 3,
        arrivals: 2_000,
        one_topic: false,
        partitions: 2,
        batch: 100,
        checkpoint_every: Some(1_000),
        segment: 600,
    };
    let m = model(&spec);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let mut writer = m.writer(&path);
    m.feed(&mut writer, 0, u64::MAX);
    let error = Writer::resume(&path, 1_000, true).map(drop).unwrap_err().to_string();
    assert!(error.contains("in progress"), "{error}");
    drop(writer);
    let error = Writer::resume(&path, 999, true).map(drop).unwrap_err();
    assert!(matches!(&error, RunError::NoSuch(e) if e.contains("nearest")), "{error}");
    assert!(Writer::resume(&path, 1_000, true).is_ok());
    let error = Writer::create(&path, m.start.clone(), true).map(drop).unwrap_err();
    assert!(matches!(error, RunError::Exists(_)));
}
