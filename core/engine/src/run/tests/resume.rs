//! Going on from a checkpoint: the folder is the same as that of a run that
//! was never stopped.

use std::collections::BTreeMap;
use std::path::Path;

use super::model::{Spec, model};
use super::questions::ask_all;
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
            m.feed(&mut writer, at, u64::MAX);
            writer.finish(RunState::Done, RunEnd::default()).unwrap();
            assert_eq!(segments(&cut), segments(&whole), "resumed at {at}");
            ask_all(&m, &Run::open(&cut).unwrap(), seed);
        }
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
