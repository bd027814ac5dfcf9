//! Slices of a sound recording, and jobs that are cancelled.

use std::sync::atomic::AtomicBool;

use super::tests::{all, folder, partition, records, small_chunks, write};
use super::*;

#[test]
fn slices_keep_arrival_numbers_schemas_and_metadata() {
    let (folder, path) = folder();
    let records = records(11, 3_000);
    let mut options = small_chunks(Compression::Lz4);
    options.cluster_id = Some("c".to_owned());
    write(&path, &records, options);
    let recording = Recording::open(&path).unwrap();
    let take = |name: &str, wanted: &Slice| {
        let to = folder.path().join(name);
        let info = unattended(|job| slice(&recording, wanted, &to, None, job)).unwrap();
        let verified = unattended(|job| verify(&to, job)).unwrap();
        assert_eq!(verified.problems, [], "{name}");
        assert_eq!(info.cluster_id.as_deref(), Some("c"));
        let sliced = Recording::open(&to).unwrap();
        assert_eq!(sliced.schemas(), recording.schemas());
        assert_eq!(sliced.info().notes["sliced_from"], recording.digest());
        all(&sliced).unwrap()
    };
    assert_eq!(take("all", &Slice::default()), records);
    let engagements =
        take("topic", &Slice { topics: vec!["engagements".to_owned()], ..Slice::default() });
    let wanted: Vec<_> =
        records.iter().filter(|r| r.source == 2).map(|r| (r.arrival, r.offset)).collect();
    assert_eq!(engagements.iter().map(|r| (r.arrival, r.offset)).collect::<Vec<_>>(), wanted);
    assert!(engagements.iter().all(|r| r.source == 0));
    let (from, to) = (records[100].arrival_ms(), i64::MAX);
    let later =
        take("time", &Slice { from_ms: Some(from), until_ms: Some(to), ..Slice::default() });
    assert_eq!(
        later,
        records.iter().filter(|r| r.arrival_ms() >= from).cloned().collect::<Vec<_>>()
    );
    let stamped = Slice { time: SliceTime::Timestamp, until_ms: Some(1 << 39), ..Slice::default() };
    let early = take("timestamp", &stamped);
    assert_eq!(
        early,
        records
            .iter()
            .filter(|r| r.timestamp.is_some_and(|t| t < 1 << 39))
            .cloned()
            .collect::<Vec<_>>()
    );
    let offsets = Slice { offsets: vec![(partition("views", 1), 20, 40)], ..Slice::default() };
    let some = take("offsets", &offsets);
    let wants = |r: &&crate::operator::record::Record| match r.source {
        0 => false,
        1 => (20..40).contains(&r.offset),
        _ => true,
    };
    assert_eq!(some, records.iter().filter(wants).cloned().collect::<Vec<_>>());
    let key = records.iter().find_map(|r| r.key.clone().filter(|k| !k.is_empty())).unwrap();
    let keyed = take("keys", &Slice { keys: [key.to_vec()].into(), ..Slice::default() });
    assert!(!keyed.is_empty() && keyed.iter().all(|r| r.key.as_ref() == Some(&key)));
    let nothing = Slice { topics: vec!["vews".to_owned()], ..Slice::default() };
    let to = folder.path().join("nothing");
    let error =
        unattended(|job| slice(&recording, &nothing, &to, None, job)).unwrap_err().to_string();
    assert!(error.contains("vews") && error.contains("views"), "{error}");
    // As with offsets: times that hold nothing are a mistake.
    for until in [from, from - 1] {
        let wanted = Slice { from_ms: Some(from), until_ms: Some(until), ..Slice::default() };
        let error = unattended(|job| slice(&recording, &wanted, &to, None, job)).unwrap_err();
        assert!(error.to_string().contains("has to be later than"), "{error}");
        assert!(!to.exists());
    }
}

#[test]
fn cancelled_jobs_leave_nothing() {
    let (folder, path) = folder();
    write(&path, &records(12, 10_000), small_chunks(Compression::Lz4));
    let recording = Recording::open(&path).unwrap();
    let to = folder.path().join("out");
    let cancel = AtomicBool::new(false);
    let mut job = Job {
        cancel: &cancel,
        progress: &mut |_, _| cancel.store(true, std::sync::atomic::Ordering::Relaxed),
    };
    let result = slice(&recording, &Slice::default(), &to, None, &mut job);
    assert!(matches!(result, Err(RecordingError::Cancelled)));
    let result = verify(&path, &mut job);
    assert!(matches!(result, Err(RecordingError::Cancelled)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
