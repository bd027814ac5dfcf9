//! Aborted data, control records and compaction: what is taken, and that the
//! offsets that hold no record are named.

use rdkafka::producer::Producer as _;

use super::support::*;

#[test]
fn aborted_data_is_read_only_when_asked_for_and_gaps_are_named() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("tx", 1, &[]);
    let producer = producer(&[("transactional.id", "tx-test")]);
    let send = |values: &[&'static str]| {
        for value in values {
            let value = Some(value.as_bytes());
            give(&producer, "tx", &Sent { timestamp: 1, value, ..Sent::default() });
        }
        producer.flush(PATIENCE).unwrap();
    };
    producer.init_transactions(PATIENCE).unwrap();
    // Offsets 0-1, commit marker 2; 3-5, abort marker 6; 7, commit marker 8.
    producer.begin_transaction().unwrap();
    send(&["a", "b"]);
    producer.commit_transaction(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    send(&["x", "y", "z"]);
    producer.abort_transaction(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    send(&["c"]);
    producer.commit_transaction(PATIENCE).unwrap();
    // Offset 9 is in a transaction that stays open.
    producer.begin_transaction().unwrap();
    send(&["open"]);

    let values = |recording: &_| {
        records(recording).iter().map(|r| (r.offset, value(r).to_owned())).collect::<Vec<_>>()
    };
    let named =
        |list: &[(i64, &str)]| list.iter().map(|(o, v)| (*o, (*v).to_owned())).collect::<Vec<_>>();
    let committed =
        record("tx", &folder.path().join("committed.mcap"), &["--isolation", "read-committed"]);
    assert_eq!(values(&committed), named(&[(0, "a"), (1, "b"), (7, "c")]));
    let partition = &committed.info().partitions[0];
    assert_eq!(partition.end_offset, Some(9), "the last stable offset");
    assert_eq!(partition.gaps.listed, [(2, 7), (8, 9)]);
    assert_eq!(partition.gaps.offsets, 6);

    let all = record("tx", &folder.path().join("all.mcap"), &[]);
    let everything = [(0, "a"), (1, "b"), (3, "x"), (4, "y"), (5, "z"), (7, "c"), (9, "open")];
    assert_eq!(values(&all), named(&everything));
    let partition = &all.info().partitions[0];
    assert_eq!(partition.end_offset, Some(10));
    assert_eq!(partition.gaps.listed, [(2, 3), (6, 7), (8, 9)]);
    producer.abort_transaction(PATIENCE).unwrap();
}

#[test]
fn what_compaction_removed_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let config = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("max.compaction.lag.ms", "100"),
    ];
    make_topic("compacted", 1, &config);
    // Segments end by the records' own time.
    let one = |timestamp, value: &'static str| {
        let (key, value) = (Some(&b"k"[..]), Some(value.as_bytes()));
        produce("compacted", &[Sent { timestamp, key, value, ..Sent::default() }]);
    };
    one(1, "old");
    let mut n = 0;
    let recording = until("compaction", || {
        // A new record closes the segment before it.
        n += 1;
        one(n * 1000, "new");
        let recording = record("compacted", &folder.path().join(format!("{n}.mcap")), &[]);
        (recording.info().partitions[0].gaps.count > 0).then_some(recording)
    });
    let partition = &recording.info().partitions[0];
    let there = records(&recording);
    assert!(there.iter().all(|r| value(r) == "new"), "the old value of the key is gone");
    let missing: u64 = partition.gaps.listed.iter().map(|(from, to)| to.abs_diff(*from)).sum();
    let (start, end) = (partition.start_offset.unwrap(), partition.end_offset.unwrap());
    assert_eq!(there.len() as u64 + missing, end.abs_diff(start), "each offset: record or gap");
}
