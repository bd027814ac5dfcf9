//! Reading changes nothing on the cluster, and what was read survives.

use std::io::Read as _;

use joinscope_core::edges::recording::Recording;
use rdkafka::producer::Producer as _;

use super::support::*;

#[test]
fn reading_leaves_no_trace_on_the_cluster() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("traceless", 2, &[]);
    produce_numbers("traceless", 2, 10);
    let recording = record("traceless", &folder.path().join("t.mcap"), &[]);
    assert_eq!(recording.len(), 10);
    let said: Said = joinscope()
        .args(record_args("traceless-too", &folder.path().join("no.mcap"), &[]))
        .output()
        .unwrap()
        .into();
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("traceless-too is not on the cluster"), "{}", said.err);
    assert!(said.err.contains("nearest are traceless"), "{}", said.err);
    assert!(!folder.path().join("no.mcap").exists());
    assert!(!topic_names().contains(&"traceless-too".to_owned()), "asking made the topic");

    let groups = admin().inner().fetch_group_list(None, PATIENCE).unwrap();
    // Other tests share the cluster: readers with groups of their own, and jobs.
    let readers =
        ["console-consumer", "reader-of-", "torture-", "taken", "log-", "joinscope-guarantees-"];
    let jobs = super::deliver::JOBS.lock().unwrap().clone();
    let groups: Vec<_> = groups
        .groups()
        .iter()
        .map(|g| g.name().to_owned())
        .filter(|name| !jobs.contains(name) && !readers.iter().any(|of| name.starts_with(of)))
        .collect();
    assert!(groups.is_empty(), "{groups:?}");
}

#[test]
fn killed_while_recording_what_was_flushed_opens() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("killed", 3, &[]);
    produce_numbers("killed", 3, 20_000);
    let file = folder.path().join("killed.mcap");
    let mut child = record_in_background("killed", &file, &["--until", "stopped"]);
    // Goes on while records come.
    let producer = producer(&[]);
    let mut sent = 20_000;
    let opened = until("flushed records of the recording", || {
        for _ in 0..200 {
            let value = sent.to_string();
            let value = Some(value.as_bytes());
            let (partition, timestamp) = (sent % 3, 1000 + i64::from(sent));
            give(&producer, "killed", &Sent { partition, timestamp, value, ..Sent::default() });
            sent += 1;
        }
        Recording::open(&file).ok().filter(|recording| recording.len() >= 20_000)
    });
    assert!(opened.info().cut.is_some(), "it is still being written");
    signal(&child, "KILL");
    child.wait().unwrap();
    producer.flush(PATIENCE).unwrap();

    let recording = Recording::open(&file).unwrap();
    let cut = recording.info().cut.clone().expect("it was cut off, and says so");
    assert_eq!(cut.records, recording.len());
    assert!(recording.len() >= 20_000);
    // A prefix of each partition, whole.
    let mut next = [0; 3];
    for record in records(&recording) {
        let partition = record.source as usize;
        assert_eq!(record.offset, next[partition]);
        assert_eq!(value(&record), (record.offset * 3 + partition as i64).to_string());
        next[partition] += 1;
    }
}

#[test]
fn ctrl_c_ends_a_live_recording_with_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("live", 2, &[]);
    produce_numbers("live", 2, 10);
    let file = folder.path().join("live.mcap");
    let mut child = record_in_background("live", &file, &["--until", "stopped"]);
    until("the backlog", || Recording::open(&file).ok().filter(|r| r.len() >= 10));
    produce_numbers("live", 2, 5);
    until("the live records", || Recording::open(&file).ok().filter(|r| r.len() >= 15));
    signal(&child, "INT");
    assert!(child.wait().unwrap().success());
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("15 records into"), "{said}");
    assert!(!said.contains("stopped before the end"), "it ended where it was to: {said}");
    assert!(said.contains("Live from arrival 10 on"), "{said}");
    let recording = Recording::open(&file).unwrap();
    assert_eq!(recording.info().cut, None);
    assert_eq!(recording.info().live_from, Some(10));
    let came = records(&recording);
    assert!(came[9].arrival_ns < 2_000_000_000, "backlog: record timestamps");
    assert!(came[10].arrival_ns > 1_600_000_000_000_000_000, "live: the clock");
    let ends: Vec<_> = recording.info().partitions.iter().map(|p| p.end_offset).collect();
    assert_eq!(ends, [Some(8), Some(7)]);
}
