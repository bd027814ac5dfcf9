//! Cluster → file → cluster → file loses nothing.

use joinscope_core::edges::recording::ArrivalOrder;
use joinscope_operator::record::TimestampType;

use super::support::*;

/// Everything that a record can be.
fn odd_records() -> Vec<Sent<'static>> {
    static LARGE: [u8; 700_000] = [7; 700_000];
    let headers = vec![
        ("a", Some(&b"1"[..])),
        ("a", None),
        ("", Some(&b""[..])),
        ("a", Some(&b"1"[..])),
        ("\u{fc}", Some(&[0xff, 0][..])),
    ];
    let at = |partition, timestamp| Sent { partition, timestamp, ..Sent::default() };
    vec![
        Sent { key: Some(b"k"), value: Some(b"v"), headers, ..at(0, 2_000) },
        Sent { key: None, value: Some(b"no key"), ..at(1, 1_500) },
        Sent { key: Some(b"tombstone"), value: None, ..at(0, 1_000) },
        Sent { key: None, value: None, headers: vec![("only", None)], ..at(2, 9_999) },
        Sent { key: Some(b""), value: Some(b""), ..at(0, 3_000) },
        Sent { key: Some(&[0xff, 0xfe]), value: Some(&LARGE), ..at(2, 1) },
        Sent { key: Some(b"again"), value: Some(b"same time"), ..at(1, 2_000) },
        Sent { key: Some(b"year 2001"), value: Some(b"x"), ..at(1, 1_000_000_000_000) },
    ]
}

#[test]
fn what_comes_back_is_what_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("round-trip", 4, &[]);
    let sent = odd_records();
    produce("round-trip", &sent);

    let first = record("round-trip", &folder.path().join("first.mcap"), &[]);
    let before = records(&first);
    assert_eq!(before.len(), sent.len());
    for partition in 0..4 {
        let sent: Vec<_> = sent.iter().filter(|s| s.partition == partition).collect();
        let came: Vec<_> = before.iter().filter(|r| r.source == partition as u32).collect();
        assert_eq!(sent.len(), came.len());
        for (offset, (sent, came)) in sent.into_iter().zip(came).enumerate() {
            assert_eq!(came.offset, offset as i64);
            assert_eq!(came.key.as_deref(), sent.key);
            assert_eq!(came.value.as_deref(), sent.value);
            assert_eq!(came.timestamp, Some(sent.timestamp));
            assert_eq!(came.timestamp_type, TimestampType::Create);
            assert_eq!(came.leader_epoch, Some(0));
            let headers: Vec<_> =
                came.headers.iter().map(|h| (&*h.key, h.value.as_deref())).collect();
            assert_eq!(headers, sent.headers);
        }
    }
    let info = first.info();
    assert_eq!(info.arrival_order, ArrivalOrder::Timestamp);
    assert!(info.approximate, "producers set the timestamps");
    assert!(info.cluster_id.is_some() && info.topic_ids.contains_key("round-trip"));
    assert_eq!(info.partitions.len(), 4, "also the empty one");
    assert_eq!(info.partitions[1].end_offset, Some(3));
    assert_eq!(info.partitions[3].end_offset, Some(0));

    // The same topic, made anew by publish.
    delete_topic("round-trip");
    let file = folder.path().join("first.mcap");
    let said: Said = joinscope()
        .args(["recording", "publish", file.to_str().unwrap(), "--write", "--create-topics"])
        .args(["--brokers", &kafka().brokers, "--json"])
        .output()
        .unwrap()
        .into();
    let answer = said.json();
    assert_eq!(answer["delivered"], sent.len(), "{answer}");
    assert_eq!(answer["created"][0], "round-trip");

    let second = record("round-trip", &folder.path().join("second.mcap"), &[]);
    assert_eq!(records(&second), before);
    assert_ne!(second.info().topic_ids, info.topic_ids, "it is another topic");
    assert_eq!(second.digest(), first.digest());
}

#[test]
fn partitions_are_merged_by_timestamp_and_arrival_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("merge-b", 2, &[]);
    make_topic("merge-a", 1, &[]);
    let at = |partition, timestamp, value: &'static str| Sent {
        partition,
        timestamp,
        value: Some(value.as_bytes()),
        ..Sent::default()
    };
    produce("merge-b", &[at(0, 10, "b0"), at(0, 5, "b1"), at(0, 30, "b2"), at(1, 20, "b3")]);
    produce("merge-a", &[at(0, 10, "a0"), at(0, 20, "a1"), at(0, 20, "a2")]);
    let merged = record("merge-b", &folder.path().join("m.mcap"), &["--topics", "merge-a"]);
    let came = records(&merged);
    // Smallest head first; ties by topic and partition; offsets in order.
    let order: Vec<_> = came.iter().map(value).collect();
    assert_eq!(order, ["a0", "b0", "b1", "a1", "a2", "b3", "b2"]);
    let times: Vec<_> = came.iter().map(|r| r.arrival_ns / 1_000_000).collect();
    assert_eq!(times, [10, 10, 10, 20, 20, 20, 30], "5 is raised to 10");

    let read = record("merge-a", &folder.path().join("r.mcap"), &["--arrival", "read"]);
    assert_eq!(read.info().arrival_order, ArrivalOrder::Read);
    assert!(records(&read)[0].arrival_ns > 1_600_000_000_000_000_000, "the clock of reading");
}

#[test]
fn kafkas_own_consumer_reads_what_publish_sent() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("console", 1, &[]);
    let headers = vec![("h", Some(&b"1"[..])), ("h", Some(&b"2"[..]))];
    let first = Sent { timestamp: 1234, key: Some(b"k"), value: Some(b"v"), headers, partition: 0 };
    produce("console", &[first, Sent { timestamp: 99, ..Sent::default() }]);
    let file = folder.path().join("c.mcap");
    record("console", &file, &[]);
    delete_topic("console");
    let said: Said = joinscope()
        .args(["recording", "publish", file.to_str().unwrap(), "--write", "--create-topics"])
        .args(["--brokers", &kafka().brokers])
        .output()
        .unwrap()
        .into();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("Made console") && said.out.contains("2 records delivered"));
    let shown = tool(&[
        "ConsoleConsumer",
        "--bootstrap-server",
        &kafka().brokers,
        "--topic",
        "console",
        "--from-beginning",
        "--max-messages",
        "2",
        "--timeout-ms",
        "20000",
        "--formatter-property",
        "print.key=true",
        "--formatter-property",
        "print.timestamp=true",
        "--formatter-property",
        "print.headers=true",
    ]);
    let lines: Vec<&str> = shown.lines().filter(|line| line.contains("CreateTime")).collect();
    assert_eq!(
        lines,
        ["CreateTime:1234\th:1,h:2\tk\tv", "CreateTime:99\tNO_HEADERS\tnull\tnull"],
        "{shown}"
    );
}
