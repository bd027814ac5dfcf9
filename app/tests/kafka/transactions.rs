//! Aborted data, control records and compaction: what is taken, and that the
//! offsets that hold no record are named; a live run under a transaction that stays
//! open.

use rdkafka::producer::Producer as _;

use super::live::{Feed, now_ms, stop};
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

/// Found by reading: all other partitions were paused for as long as the transaction was
/// open, and nobody said why.
#[test]
fn who_waits_for_an_open_transaction_holds_up_nobody() {
    let mut feed = Feed::new("held-open");
    // An hour of event time, of which a partition may be a minute ahead.
    let (begin, n) = (now_ms() - 3_600_000, 20_000);
    let send = |to: &_, topic: &str, partition, i: i64| {
        let timestamp = begin + i * 180;
        let value = format!("{{\"k\":\"{i}\",\"t\":{timestamp}}}");
        let value = Some(value.as_bytes());
        give(to, topic, &Sent { partition, timestamp, value, ..Sent::default() });
    };
    let longer = ("transaction.timeout.ms", "600000");
    let transactional = producer(&[("transactional.id", "held-open-tx"), longer]);
    transactional.init_transactions(PATIENCE).unwrap();
    transactional.begin_transaction().unwrap();
    send(&transactional, "held-open-views", 1, 0);
    transactional.flush(PATIENCE).unwrap();
    for topic in ["held-open-views", "held-open-plays"] {
        (0..n).for_each(|i| send(&feed.producer, topic, 0, i));
        feed.producer.flush(PATIENCE).unwrap();
    }
    feed.sent = 2 * n as u64;
    let address = free_address();
    let drift = ["--set", "inputs.views.watermark.max_drift=60s"];
    let plays = ["--set", "inputs.plays.watermark.max_drift=60s"];
    let metrics = ["--metrics", address.as_str()];
    let mut child = feed.start(&[drift, plays, metrics].concat());
    feed.await_arrivals(&mut child, feed.sent);
    let gauge = "joinscope_open_transaction_seconds{job_name=\"held-open\",\
                 topic=\"held-open-views\",partition=\"1\"} ";
    until("the wait", || {
        let page = page(&address, "/metrics")?;
        let seconds: f64 = page.lines().find_map(|l| l.strip_prefix(gauge))?.parse().unwrap();
        (seconds >= 1.0).then_some(())
    });
    transactional.commit_transaction(PATIENCE).unwrap();
    feed.sent += 1;
    feed.await_arrivals(&mut child, feed.sent);
    served(&address, &format!("{gauge}0"));
    served(&address, &format!("{}0", gauge.replace("open_transaction_seconds", "lag_records")));
    let said = stop(child);
    for what in ["has waited for an open transaction", "is over"] {
        let lines = said.err.lines().filter(|l| l.contains("held-open-views[1]@0"));
        assert_eq!(lines.filter(|l| l.contains(what)).count(), 1, "{}", said.err);
    }
    let live = said.json();
    assert_eq!(live["records"], feed.sent);
    feed.replayed(&live);
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
