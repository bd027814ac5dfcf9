//! Which records are taken.

use super::support::*;

/// Offsets of partition 0 and 1 that were taken.
fn taken(topic: &str, more: &[&str]) -> [Vec<i64>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let recording = record(topic, &folder.path().join("r.mcap"), more);
    let mut offsets = [Vec::new(), Vec::new()];
    for record in records(&recording) {
        offsets[record.source as usize].push(record.offset);
    }
    for (i, partition) in recording.info().partitions.iter().enumerate() {
        assert_eq!(partition.records, offsets[i].len() as u64);
        assert_eq!(partition.gaps.count, 0, "{more:?}");
    }
    offsets
}

#[test]
fn ranges_by_offset_time_and_number() {
    // Offset o of partition p has timestamp 1000 + 2 o + p.
    make_topic("ranges", 2, &[]);
    produce_numbers("ranges", 2, 20);
    let range = |a: std::ops::Range<i64>, b: std::ops::Range<i64>| -> [Vec<i64>; 2] {
        [a.collect(), b.collect()]
    };
    assert_eq!(taken("ranges", &[]), range(0..10, 0..10));
    assert_eq!(taken("ranges", &["--from", "latest"]), range(0..0, 0..0));
    assert_eq!(taken("ranges", &["--from", "ranges[0]@7"]), range(7..10, 0..10));
    assert_eq!(
        taken("ranges", &["--from", "ranges[0]@2,ranges[1]@9", "--until", "ranges[0]@4"]),
        range(2..4, 9..10)
    );
    assert_eq!(taken("ranges", &["--from", "1006", "--until", "1011"]), range(3..6, 3..5));
    assert_eq!(taken("ranges", &["--until", "1970-01-01T00:00:01.004Z"]), range(0..2, 0..2));
    assert_eq!(taken("ranges", &["--from", "9999"]), range(0..0, 0..0));
    // The merge takes the partitions in turn.
    assert_eq!(taken("ranges", &["--limit", "5"]), range(0..3, 0..2));
    assert_eq!(taken("ranges", &["--limit", "0"]), range(0..0, 0..0));
    let read = taken("ranges", &["--limit", "5", "--arrival", "read"]);
    assert_eq!(read[0].len() + read[1].len(), 5);
}

#[test]
fn an_end_that_is_not_there_yet_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("waiting", 1, &[]);
    produce_numbers("waiting", 1, 3);
    let file = folder.path().join("w.mcap");
    let mut child = record_in_background("waiting", &file, &["--until", "waiting[0]@5"]);
    until("the backlog", || {
        joinscope_core::edges::recording::Recording::open(&file).ok().filter(|r| r.len() >= 3)
    });
    produce_numbers("waiting", 1, 4);
    assert!(child.wait().unwrap().success());
    let recording = joinscope_core::edges::recording::Recording::open(&file).unwrap();
    let offsets: Vec<_> = records(&recording).iter().map(|r| r.offset).collect();
    assert_eq!(offsets, [0, 1, 2, 3, 4]);
    assert_eq!(recording.info().live_from, Some(3));
}

#[test]
fn an_offset_that_the_log_lacks_is_refused() {
    make_topic("refused", 1, &[]);
    produce_numbers("refused", 1, 3);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.mcap");
    for (from, what) in [
        ("refused[0]@4", "refused[0]@4 is not in the log, which holds offsets 0 to 3"),
        ("refused[7]@0", "refused[7] is named, but is no partition"),
    ] {
        let said: Said = joinscope()
            .args(record_args("refused", &file, &["--from", from]))
            .output()
            .unwrap()
            .into();
        assert_eq!(said.code, Some(2));
        assert!(said.err.contains(what), "{}", said.err);
        assert!(!file.exists());
    }
}
